package watch_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/watch"
)

// breakers are the limits in force unless an operator says otherwise, without those on who asks: these families are one test.
func breakers() watch.Limits {
	return watch.Limits{Told: watch.DefaultLimits.Told, Reporter: watch.DefaultLimits.Reporter, Releases: watch.DefaultLimits.Releases}
}

var (
	surnames = []string{"Ахметов", "Оспанов", "Сейтказы", "Жумабаев", "Петренко", "Кузнецов", "Тлеубердин", "Мусабеков", "Ибраев", "Нурпеисов",
		"Цой", "Волков", "Бекмуратов", "Даулетбаев", "Касымов", "Шульц", "Рахимжанов", "Голубев", "Ерденов", "Утегенов"}
	givenNames = []string{"Арман", "Бауыржан", "Виктор", "Данияр", "Ержан", "Нурлан", "Олег", "Санжар", "Тимур", "Юрий"}
)

// crowd logs n people whose families search for them, by reporters in turn, and tells the families.
func (f *field) crowd(n int, reporters ...account.Principal) (families []seeker, people []uuid.UUID) {
	f.Helper()
	for i := range n {
		name, year := surnames[i/len(givenNames)]+" "+givenNames[i%len(givenNames)], 1940+(i*7)%60
		families = append(families, f.search(name, year))
		people = append(people, f.log(reporters[i%len(reporters)], almaly, entry(name, year))...)
	}
	for at := 0; at < n; at += 20 {
		f.must(f.post.MatchDetentions(f.ctx, people[at:min(at+20, n)]))
	}
	return families, people
}

func (f *field) telling(kind string) int {
	f.Helper()
	return f.count("select count(*) from notices where kind = $1 and hold_id is null and superseded_at is null", kind)
}

func (f *field) freed(by account.Principal, d uuid.UUID) {
	f.Helper()
	at := f.db.Now()
	e, _, err := f.ledger.Add(f.ctx, by, d, detention.NewEvent{ClientID: uuid.New(), Kind: detention.ReleasedKind, Details: detention.Details{HappenedAt: &at, Source: "seen"}})
	f.must(err)
	f.must(f.post.AfterEvent(f.ctx, detention.Happened{DetentionID: d, EventID: e.ID, ActorID: by.Account, State: detention.Released}))
}

// A bus of forty is told at once.
func TestABusIsToldAtOnce(t *testing.T) {
	t.Parallel()
	f := newField(t, breakers())
	f.crowd(40, f.person(account.Lawyer, f.org))
	if n, holds := f.telling("match"), f.count("select count(*) from holds"); n != 40 || holds != 0 {
		t.Errorf("%d of 40 families told, %d holds", n, holds)
	}
}

// 200 releases within minutes on one account's word: fifty go out, the rest waits for somebody else, who is called after five minutes.
func TestABurstOfReleasesWaits(t *testing.T) {
	t.Parallel()
	limits := breakers()
	limits.Reporter = 0 // the crowd was found over the day
	f := newField(t, limits)
	reporter, chief := f.person(account.Coordinator, f.org), f.person(account.Coordinator, f.org)
	families, people := f.crowd(200, reporter)
	for _, d := range people {
		f.freed(reporter, d)
	}
	hold := f.soleHold(chief)
	if n := f.telling("update"); n != 50 || hold.Waiting != 150 || hold.About != "release" {
		t.Fatalf("%d told, waiting %+v", n, hold)
	}
	sweep := func() int {
		r, err := f.post.Sweep(f.ctx)
		f.must(err)
		return r.Paged
	}
	f.db.Clock.Move(4 * time.Minute)
	early := sweep()
	f.db.Clock.Move(time.Minute)
	if due, again := sweep(), sweep(); early != 0 || due != 1 || again != 0 {
		t.Errorf("paged %d before, %d after five minutes, then %d", early, due, again)
	}
	if n := f.count("select count(*) from alerts where kind = 'hold_waits'"); n != 1 {
		t.Errorf("%d pages", n)
	}
	_, err := f.post.DecideHold(f.ctx, chief, hold.ID, true)
	f.must(err)
	if n := f.telling("update"); n != 200 {
		t.Errorf("%d told after somebody looked", n)
	}
	for _, s := range families {
		if told := f.told(s); len(told) != 1 || told[0].Status != "released" {
			t.Fatalf("a family reads %+v", told)
		}
	}
}

// The same 200 over a day, by several, are told one by one.
func TestReleasesOverADayAreToldOneByOne(t *testing.T) {
	t.Parallel()
	limits := breakers()
	limits.Reporter = 0
	f := newField(t, limits)
	reporters := []account.Principal{f.person(account.Coordinator, f.org), f.person(account.Coordinator, f.org), f.person(account.Coordinator, f.org)}
	_, people := f.crowd(200, reporters...)
	for i, d := range people {
		f.db.Clock.Move(7 * time.Minute)
		f.freed(reporters[i%len(reporters)], d)
		if n := f.telling("update"); n != i+1 {
			t.Fatalf("%d told after %d releases", n, i+1)
		}
	}
	if n := f.count("select count(*) from holds"); n != 0 {
		t.Errorf("%d holds", n)
	}
}
