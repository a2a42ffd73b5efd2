package smoke_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/oapi-codegen/nullable"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/pkg/client"
)

func TestARelativeCorrectsTheNameAndIsTold(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer := tw.invited(account.Lawyer)
	mother := tw.searches("Тлегенова Азамата, 1989")
	lawyer.logs(almaly, "Төлегенов Азамат, 1983")
	tw.settled()
	if n := len(mother.pushes("match")); n != 0 {
		t.Fatalf("a wrong name and year brought %d pushes", n)
	}
	before := mother.reads()
	after, err := mother.Change(tw.ctx, api.SearchPatch{Name: ptr("Tolegenov Azamat"), BirthYear: nullable.NewNullableWithValue(1983), Relation: nullable.NewNullableWithValue("мать")})
	tw.must(err)
	if after.Name != "Tolegenov Azamat" || after.Revision != before.Revision+1 || !after.ExpiresAt.After(before.ExpiresAt) {
		t.Errorf("changed: %+v", after)
	}
	mother.expectNotice("match")

	// Two phones of one family: the second sees what the first wrote.
	_, err = mother.PatchSearchWithResponse(tw.ctx, mother.Key().ID, &api.PatchSearchParams{IfMatch: ptr(`"1"`)}, api.SearchPatch{Relation: nullable.NewNullableWithValue("тётя")})
	p := tw.refused(err, "stale")
	var now api.Search
	tw.must(p.Now(&now))
	if now.Relation == nil || *now.Relation != "мать" || len(p.Pointers) != 1 || p.Pointers[0].Pointer != "/relation" {
		t.Errorf("the stale change is answered with %+v and %+v", p.Pointers, now)
	}
}

func TestARelativeRenewsAndCloses(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer := tw.invited(account.Lawyer)
	wife := tw.searches("Akhmetov Arman, 1990")
	before := wife.reads()
	renewed, err := wife.Renew(tw.ctx)
	tw.must(err)
	if !renewed.ExpiresAt.After(before.ExpiresAt) || time.Until(renewed.ExpiresAt) < 29*24*time.Hour {
		t.Errorf("renewed from %s to %s", before.ExpiresAt, renewed.ExpiresAt)
	}
	closed, err := wife.Close(tw.ctx, "он вернулся домой")
	tw.must(err)
	if closed.State != "closed" || closed.CloseReason == nil || *closed.CloseReason != "он вернулся домой" {
		t.Errorf("closed: %+v", closed)
	}
	lawyer.logs(almaly, "Ахметов Арман, 1990")
	tw.settled()
	if n := len(wife.pushes("match")); n != 0 {
		t.Errorf("a closed search brought %d pushes", n)
	}
	if read := wife.reads(); len(read.Matches) != 0 || read.State != "closed" {
		t.Errorf("she reads %+v", read)
	}
	_, err = wife.Renew(tw.ctx)
	_ = tw.refused(err, "conflict")
}

func TestARelativeErasesHerSearch(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer, operator := tw.invited(account.Lawyer), tw.invited(account.Operator)
	wife := tw.searches("Akhmetov Arman, 1990")
	gone, err := wife.Erase(tw.ctx)
	tw.must(err)
	if until := time.Until(gone.ErasedBy); until <= 0 || until > 24*time.Hour {
		t.Errorf("erased within %s", until)
	}
	wife.expectNotice("erased") // whoever took her phone's secret cannot do it unseen
	_, _, err = wife.Read(tw.ctx)
	_ = tw.refused(err, "not_found")
	_, err = operator.GetSearchWithResponse(tw.ctx, wife.Key().ID, nil)
	_ = tw.refused(err, "not_found")
	lawyer.logs(almaly, "Ахметов Арман, 1990")
	tw.settled()
	if n := len(wife.pushes("match")); n != 0 {
		t.Errorf("an erased search brought %d pushes", n)
	}
	if again, err := wife.Erase(tw.ctx); err != nil || !again.ErasedBy.Equal(gone.ErasedBy) {
		t.Errorf("said again: %v %v, want %v", again, err, gone)
	}
}

func TestARelativeSaysThatSheHasSeenIt(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer := tw.invited(account.Lawyer)
	wife, other := tw.searches("Akhmetov Arman, 1990"), tw.searches("Оспанов Нұрлан, 1985")
	lawyer.logs(almaly, "Ахметов Арман, 1990", "Оспанов Нұрлан, 1985")
	wife.expectNotice("match")
	other.expectNotice("match")
	notice := wife.reads().Notices[0]
	tw.must(wife.Seen(tw.ctx, notice.ID))
	first := wife.reads().Notices[0].SeenAt
	tw.must(wife.Seen(tw.ctx, notice.ID))
	if second := wife.reads().Notices[0].SeenAt; first == nil || second == nil || !second.Equal(*first) {
		t.Errorf("seen at %v, said again %v", first, second)
	}
	_ = tw.refused(other.Seen(tw.ctx, notice.ID), "not_found")
	_ = tw.refused(wife.Seen(tw.ctx, uuid.New()), "not_found")
}

func TestARelativeWithoutHerSecretLearnsNothing(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer := tw.invited(account.Lawyer)
	wife := tw.searches("Akhmetov Arman, 1990")
	gone := tw.searches("Оспанов Нұрлан, 1985")
	_, err := gone.Erase(tw.ctx)
	tw.must(err)
	lawyer.logs(almaly, "Ахметов Арман, 1990")
	wife.expectNotice("match")
	stranger := client.NewSearchKey().Secret
	for _, o := range []struct{ method, below, body string }{
		{"GET", "", ""}, {"GET", "/channels", ""}, {"PATCH", "", `{"name": "Ахметов Ержан"}`}, {"PUT", "/channels", `{"channels": []}`},
		{"POST", "/acknowledgements", `{"notice_id": "` + wife.reads().Notices[0].ID.String() + `"}`}, {"DELETE", "", ""},
	} {
		ask := func(id uuid.UUID, secret string) answer {
			return tw.ask(o.method, "/v1/searches/"+id.String()+o.below, secret, o.body, "If-Match", `"1"`)
		}
		wrong, unknown, erased := ask(wife.Key().ID, stranger), ask(uuid.New(), stranger), ask(gone.Key().ID, stranger)
		if wrong.status != http.StatusNotFound || !wrong.like(unknown) || !wrong.like(erased) {
			t.Errorf("%s %s: a wrong secret, an unknown search and an erased one are told apart:\n%d %s\n%d %s\n%d %s", o.method, o.below,
				wrong.status, wrong.body, unknown.status, unknown.body, erased.status, erased.body)
		}
	}
	if wife.reads().State != "found" {
		t.Error("a stranger changed the search")
	}
}

func TestASearchIsAcceptedInTheSameWordsWhateverIsKnown(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer := tw.invited(account.Lawyer)
	b := batchOf(almaly, "Ахметов Арман, 1990", "Оспанов Нұрлан, 1985", "Сейтов Тимур, 1978")
	b.Detainees[1].Disclosure = ptr(api.Disclosure("sealed"))
	b.Detainees[2].BirthYear = []byte("2012") // a child
	lawyer.logsBatch(&b)
	year := func(y int) string {
		return tw.written(map[string]any{"client_id": uuid.NewString(), "secret": client.NewSearchKey().Secret, "language": "ru", "birth_year": y,
			"name": map[int]string{1990: "Ахметов Арман", 1985: "Оспанов Нұрлан", 2012: "Сейтов Тимур", 1970: "Никитин Никита"}[y]})
	}
	shape := func(a answer) string {
		var c api.SearchCreated
		if a.status != http.StatusCreated {
			t.Fatalf("%d %s", a.status, a.body)
		}
		tw.must(json.Unmarshal(a.body, &c))
		return strings.NewReplacer(c.ID.String(), "id", c.ExpiresAt.Format(time.RFC3339Nano), "then").Replace(string(a.body))
	}
	held := tw.ask("POST", "/v1/searches", "", year(1990))
	for what, y := range map[string]int{"whose record is sealed": 1985, "who is a child": 2012, "who is not there": 1970} {
		if other := tw.ask("POST", "/v1/searches", "", year(y)); shape(other) != shape(held) {
			t.Errorf("a search for someone %s is accepted as %s, for someone held as %s", what, other.body, held.body)
		}
	}
}

func TestGuessingMeetsAChallengeAnAlarmAndAnEnd(t *testing.T) {
	t.Parallel()
	tw := newTown(t, withLimits("name_free=2,name_alarm=4,name_most=6,source_free=0,account=0,secret=0"))
	chief := tw.invited(account.Coordinator)
	guess := func(year int) api.SearchCreate {
		return api.SearchCreate{ClientID: uuid.New(), Secret: client.NewSearchKey().Secret, Name: "Ахметов Арман", BirthYear: &year, Language: ptr(api.Language("ru"))}
	}
	for year := 1980; year < 1982; year++ {
		if a := tw.ask("POST", "/v1/searches", "", tw.written(guess(year))); a.status != http.StatusCreated {
			t.Fatalf("the search for %d is answered %d", year, a.status)
		}
	}
	// Another spelling and another year are the same name. The answer says what to do, and a phone does it.
	third := guess(1982)
	third.Name = "Akhmetov Arman"
	refused := tw.ask("POST", "/v1/searches", "", tw.written(third))
	if refused.status != http.StatusPreconditionRequired || refused.code() != "challenge_required" || !strings.Contains(string(refused.body), "sha256-leading-zero-bits") {
		t.Fatalf("the third search is answered %d %s", refused.status, refused.body)
	}
	_, err := tw.anyone().StartSearch(tw.ctx, third)
	tw.must(err)
	for year := 1983; tw.count("select count(*) from alerts where kind = 'guessing'") == 0; year++ {
		if year > 1990 {
			t.Fatal("nobody is alarmed")
		}
		_, err := tw.anyone().StartSearch(tw.ctx, guess(year))
		tw.must(err)
	}
	chief.alarm("guessing")
	short, cancel := context.WithTimeout(tw.ctx, time.Minute)
	defer cancel()
	for year := 1991; err == nil; year++ {
		if year > 2000 {
			t.Fatal("guessing has no end")
		}
		_, err = tw.anyone().StartSearch(short, guess(year))
	}
	if p := tw.refused(err, "too_many"); p.Status != http.StatusTooManyRequests || p.RetryAfter < time.Hour {
		t.Errorf("the end is %+v", p)
	}
	// Others are not kept waiting for it.
	_, err = tw.anyone().StartSearch(tw.ctx, api.SearchCreate{Name: "Оспанов Нұрлан", Language: ptr(api.Language("kk"))})
	tw.must(err)
}

func TestAfterFiveFamiliesTheNextOneIsLookedAt(t *testing.T) {
	t.Parallel()
	tw := newTown(t, withLimits("told=5,reporter=0,name_free=0,name_alarm=0,name_most=0,source_free=0,account=0,secret=0"))
	lawyer, operator := tw.invited(account.Lawyer), tw.invited(account.Operator)
	lawyer.logs(almaly, "Ахметов Арман, 1990")
	for range 5 {
		tw.searches("Ахметов Арман, 1990").expectNotice("match")
	}
	sixth := tw.searches("Ахметов Арман, 1990")
	m := operator.waiting("told_limit")
	tw.settled()
	if read := sixth.reads(); read.State != "open" || len(read.Matches) != 0 || len(sixth.pushes("match")) != 0 {
		t.Errorf("the sixth reads %+v", read)
	}
	_, err := operator.decides(m.ID, "confirm")
	tw.must(err)
	sixth.expectNotice("match")
}

func TestWhoMustBeAskedFirstIsNotToldByItself(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer, operator := tw.invited(account.Lawyer), tw.invited(account.Operator)
	cases := []struct {
		reason, name string
		change       func(*api.Detainee)
		refusal      string
	}{
		{"sealed", "Ахметов Арман, 1990", func(d *api.Detainee) { d.Disclosure = ptr(api.Disclosure("sealed")) }, "disclosure_sealed"},
		{"do_not_tell", "Оспанов Нұрлан, 1985", func(d *api.Detainee) { d.DoNotTell = []string{"ағасы Марат"} }, ""},
		{"minor", "Сейтов Тимур, 2012", func(*api.Detainee) {}, ""},
		{"asylum", "Рахимов Фаррух, 1980", func(d *api.Detainee) { d.Needs = []byte(`["asylum"]`) }, ""},
	}
	for _, c := range cases {
		f := tw.searches(c.name)
		b := batchOf(almaly, c.name)
		c.change(&b.Detainees[0])
		lawyer.logsBatch(&b)
		m := operator.waiting(api.ReviewReason(c.reason))
		tw.settled()
		if read := f.reads(); read.State != "open" || len(read.Matches) != 0 || len(f.pushes("match")) != 0 {
			t.Errorf("%s: before anyone looked she reads %+v", c.reason, read)
		}
		_, err := operator.decides(m.ID, "confirm")
		if c.refusal != "" {
			_ = tw.refused(err, c.refusal)
			continue
		}
		tw.must(err)
		f.expectNotice("match")
	}
}
