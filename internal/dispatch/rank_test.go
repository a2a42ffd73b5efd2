package dispatch_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/dispatch"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

func (c *city) suggest(department uuid.UUID) []dispatch.Suggestion {
	c.Helper()
	out, err := c.desk.Suggest(c.Context(), c.boss, department)
	if err != nil {
		c.Fatal(err)
	}
	return out
}

func order(list []dispatch.Suggestion) []uuid.UUID {
	out := make([]uuid.UUID, len(list))
	for i, s := range list {
		out[i] = s.Account
	}
	return out
}

func has(s dispatch.Suggestion, code string) bool {
	return slices.ContainsFunc(s.Why, func(r dispatch.Reason) bool { return r.Code == code })
}

func TestSuggestions(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here, near, far, crowded := c.department(0), c.department(1), c.department(15), c.department(1)
	stands := c.onShift(here)
	nearest, distant := c.onShift(near), c.onShift(far)
	needed := c.onShift(crowded) // as near as the nearest, but forty people there would lose them
	asleep := c.person(account.Lawyer)
	elsewhere := c.person(account.Lawyer, "astana")
	due := c.db.Now().Add(30 * time.Minute)
	c.needs[here] = dispatch.Need{People: 30, WithoutLawyer: 28, Vulnerable: 3, Minors: 2, NextDue: &due}
	c.needs[crowded] = dispatch.Need{People: 40, WithoutLawyer: 0, Lawyers: 1}
	list := c.suggest(here)
	got := order(list)
	if len(got) != 4 || slices.Contains(got, stands.Account) || slices.Contains(got, elsewhere.Account) {
		t.Fatalf("who stands there, or may not work in the city, is suggested: %v", got)
	}
	if got[0] != nearest.Account || got[3] != asleep.Account || list[3].OnDuty {
		t.Fatalf("order %v; nearest %v, asleep %v", got, nearest.Account, asleep.Account)
	}
	at := func(p account.Principal) dispatch.Suggestion { return list[slices.Index(got, p.Account)] }
	for _, code := range []string{dispatch.Uncovered, dispatch.Fragile, dispatch.ClockNear, dispatch.Way} {
		if !has(list[0], code) {
			t.Errorf("the best has no %s: %+v", code, list[0].Why)
		}
	}
	if !has(at(needed), dispatch.NeededHere) || at(needed).Score >= at(nearest).Score {
		t.Errorf("who is needed where they are costs nothing: %+v", at(needed))
	}
	if at(nearest).ETA == nil || at(distant).ETA == nil || *at(nearest).ETA >= *at(distant).ETA {
		t.Errorf("ways: %v and %v", at(nearest).ETA, at(distant).ETA)
	}
	open := list[0].Score
	shut := c.needs[here]
	shut.Shut = true
	c.needs[here] = shut
	if list = c.suggest(here); list[0].Score >= open || !has(list[0], dispatch.DoorShut) {
		t.Errorf("a shut door counts nothing: %d, before %d", list[0].Score, open)
	}
	c.skills[distant.Account] = dispatch.Skills{Minors: true}
	if list = c.suggest(here); !has(list[slices.Index(order(list), distant.Account)], dispatch.Children) {
		t.Error("experience with minors counts nothing")
	}
	c.places[distant.Account] = dispatch.Place{Lat: 43.25, Lon: 76.9, At: c.db.Now().Add(-time.Minute)}
	if list = c.suggest(here); list[0].Account != distant.Account {
		t.Errorf("who was seen last next door is not first: %+v", list[0])
	}
	d := c.call(dispatch.New{DepartmentID: far, Accounts: []uuid.UUID{nearest.Account}})
	c.do(nearest, d.ID, dispatch.Accept)
	if list = c.suggest(here); order(list)[3] != nearest.Account || !has(list[3], dispatch.Engaged) {
		t.Errorf("who is sent elsewhere stands at %v", order(list))
	}
}

// Of lawyers who stand equally near, those first who can do what is needed there, and it is said why.
func TestWhatLawyersCanDoRanksThem(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here, beside := c.department(0), c.department(1)
	var who []uuid.UUID
	for _, can := range []dispatch.Skills{{Minors: true, Migrants: true, Languages: []string{"en"}, Trained: true}, {Minors: true, Languages: []string{"kk", "uz"}}, {Migrants: true},
		{Trained: true}, {Languages: []string{"kk", "ru"}}} {
		p := c.onShift(beside)
		c.skills[p.Account], who = can, append(who, p.Account)
	}
	reasons := map[string][]string{}
	for what, need := range map[string]dispatch.Need{"all": {People: 9, WithoutLawyer: 9, Minors: 2, Foreigners: 3}, "nothing": {People: 9, WithoutLawyer: 9}} {
		c.needs[here] = need
		for i, s := range c.suggest(here) {
			if what == "all" && s.Account != who[i] {
				t.Errorf("at %d stands %v, want %v", i, s.Account, who[i])
			}
			said := ""
			for _, r := range s.Why {
				if r.Code != dispatch.Uncovered && r.Code != dispatch.Way {
					said += r.In("en") + "; "
				}
			}
			reasons[what] = append(reasons[what], said)
		}
	}
	want := []string{"experienced with minors, minors: 2; experienced with migrants, foreigners: 3; speaks a foreign language, foreigners: 3; trained; ",
		"experienced with minors, minors: 2; speaks a foreign language, foreigners: 3; ", "experienced with migrants, foreigners: 3; ", "trained; ", ""}
	if !slices.Equal(reasons["all"], want) {
		t.Errorf("said %q\nwant %q", reasons["all"], want)
	}
	slices.Sort(reasons["nothing"])
	if !slices.Equal(reasons["nothing"], []string{"", "", "", "trained; ", "trained; "}) {
		t.Errorf("where nobody needs it: %q", reasons["nothing"])
	}
}

func TestReasonsAreSaidInThreeLanguages(t *testing.T) {
	t.Parallel()
	for _, code := range []string{dispatch.Uncovered, dispatch.Fragile, dispatch.ClockNear, dispatch.DoorShut, dispatch.DoorSlow, dispatch.Way, dispatch.WayUnknown,
		dispatch.Load, dispatch.Tired, dispatch.NeededHere, dispatch.Children, dispatch.Migrants, dispatch.Languages, dispatch.Trained, dispatch.OffDuty, dispatch.Engaged} {
		seen := map[string]bool{}
		for _, language := range []string{"kk", "ru", "en"} {
			for _, value := range []int{0, 7} {
				text := dispatch.Reason{Code: code, Value: value}.In(language)
				if text == "" || slices.Contains([]byte(text), '%') {
					t.Errorf("%s in %s: %q", code, language, text)
				}
				seen[text] = true
			}
		}
		if len(seen) < 3 {
			t.Errorf("%s is the same in several languages: %v", code, seen)
		}
	}
}

// sealed gives a lawyer a key of their own, and under it what they can do.
func (c *city) sealed(p account.Principal, can account.Credentials) {
	c.Helper()
	key, err := c.ring.Mint("account", uuid.New(), c.db.Now())
	must(c, err)
	ct, err := key.SealJSON("accounts.credentials_ct", p.Account, can)
	must(c, err)
	must(c, c.db.InTx(context.Background(), func(tx *pg.Tx) error { return seal.Keep(context.Background(), tx, c.organisation, key) }))
	c.exec("update accounts set key_id = $2, credentials_ct = $3 where id = $1", p.Account, key.ID, ct)
}

// BenchmarkSuggest ranks 500 lawyers in 120 departments for one of them; what each can do is opened every time.
func BenchmarkSuggest(b *testing.B) {
	c := newCity(b)
	c.accounts = account.New(account.Options{DB: c.db.DB, Ring: c.ring, Issuer: "test"})
	places := make([]uuid.UUID, 120)
	for i := range places {
		places[i] = c.department(float64(i) / 4)
		c.needs[places[i]] = dispatch.Need{People: 50, WithoutLawyer: i % 50, Vulnerable: i % 7, Minors: i % 3, Foreigners: i % 4, Lawyers: 4}
	}
	for i := range 500 {
		p := c.onShift(places[i%len(places)])
		c.places[p.Account] = dispatch.Place{Lat: 43.25, Lon: 76.9 + float64(i)/1000, At: c.db.Now()}
		c.sealed(p, account.Credentials{BarNumber: "00123", Languages: []string{"en", "kk", "ru"}, Minors: i%3 == 0, Migrants: i%5 == 0,
			Training: &account.Training{Certificate: "Q-17", IssuedOn: "2026-01-01", ExpiresOn: "2030-01-01"}})
	}
	took := make([]time.Duration, 0, b.N)
	for i := range b.N {
		began := time.Now()
		if list := c.suggest(places[i%len(places)]); len(list) < 490 {
			b.Fatalf("%d suggestions", len(list))
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
