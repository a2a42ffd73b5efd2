package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/watch"
)

// An operator reads in her language why two names match, and what she could still ask.
func TestMatchInWords(t *testing.T) {
	t.Parallel()
	h := newHotline(t, watch.Limits{})
	bearer, _ := h.person(t, account.Operator)
	operator := strings.TrimPrefix(bearer, "Bearer ")
	body, _ := h.body("Сәтбаева Дана Ерланқызы", "")
	body = strings.Replace(body, `,"birth_year":1990`, "", 1)
	expect(t, h.call(operator, "POST", "/v1/searches", body), http.StatusCreated, "")
	h.logged("Satbaeva Dana", 1994)

	page := read[api.MatchPage](t, h.call(operator, "GET", "/v1/matches", "", "Accept-Language", "en"), http.StatusOK)
	if len(page.Items) != 1 || page.Items[0].TierText != "likely match" || page.Items[0].Levers != nil {
		t.Fatalf("the list says %+v", page.Items)
	}
	path := "/v1/matches/" + page.Items[0].ID.String()
	for _, c := range []struct{ accept, tier, given, father, year string }{
		{"kk", "ықтимал сәйкестік", "есімі: Дана ~ Dana, бірдей", "әкесінің аты: Ерланқызы ~ —, тек бір жақта көрсетілген",
			"туған жылы сәйкес келсе, сәйкестік сенімді болады"},
		{"ru-KZ, en;q=0.5", "вероятное совпадение", "имя: Дана ~ Dana, совпадает", "отчество: Ерланқызы ~ —, указано только на одной стороне",
			"год рождения, если совпадёт, сделает совпадение надёжным"},
		{"en", "likely match", "given name: Дана ~ Dana, the same", "patronymic: Ерланқызы ~ —, on one side only",
			"a birth year that agrees makes the match certain"},
	} {
		m := read[api.Match](t, h.call(operator, "GET", path, "", "Accept-Language", c.accept), http.StatusOK)
		said := map[string]bool{}
		for _, r := range m.Reasons {
			said[r.Text] = true
		}
		if m.Tier != api.MatchTierLikely || m.TierText != c.tier || !said[c.given] || !said[c.father] {
			t.Errorf("%s: %s, %v", c.accept, m.TierText, said)
		}
		levers := map[api.MatchLeverCode]api.MatchLever{}
		for _, l := range m.Levers {
			levers[l.Code] = l
		}
		year, father := levers[api.MatchLeverCodeYearIfAgrees], levers[api.MatchLeverCodePatronymicIfAgrees]
		if year.Text != c.year || year.Tier != api.MatchLeverTierCertain || year.Side == nil || *year.Side != api.MatchLeverSideSearch {
			t.Errorf("%s: of the year %+v", c.accept, year)
		}
		if father.Tier != api.MatchLeverTierCertain || father.Side == nil || *father.Side != api.MatchLeverSideDetention {
			t.Errorf("%s: of the father %+v", c.accept, father)
		}
	}
	m := read[api.Match](t, h.call(operator, "POST", path+"/decision", `{"decision":"confirm","reason":"её голос"}`, "Accept-Language", "kk"), http.StatusOK)
	if m.TierText != "ықтимал сәйкестік" || m.Levers != nil {
		t.Errorf("the decision says %q and %d levers", m.TierText, len(m.Levers))
	}
}
