package watch_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/watch"
)

// merge says that two records are of one person and works the job that it leaves, twice.
func (f *field) merge(by account.Principal, survivor, absorbed uuid.UUID) {
	f.Helper()
	_, _, err := f.ledger.Merge(f.ctx, by, survivor, absorbed, detention.Decision{ClientID: uuid.New(), Reason: "записан дважды"})
	f.must(err)
	var job detention.Merged
	f.must(f.db.Pool.QueryRow(f.ctx, `select args from river_job where kind = 'detention_merged' order by id desc limit 1`).Scan(&job))
	f.must(f.post.AfterMerge(f.ctx, job))
	f.must(f.post.AfterMerge(f.ctx, job))
}

func (f *field) part(by account.Principal, absorbed uuid.UUID) {
	f.Helper()
	_, _, err := f.ledger.Unmerge(f.ctx, by, absorbed, detention.Decision{ClientID: uuid.New(), Reason: "однофамильцы"})
	f.must(err)
	var job detention.Unmerged
	f.must(f.db.Pool.QueryRow(f.ctx, `select args from river_job where kind = 'detention_unmerged' order by id desc limit 1`).Scan(&job))
	f.must(f.post.AfterUnmerge(f.ctx, job))
	f.must(f.post.AfterUnmerge(f.ctx, job))
}

// news are the kinds of notices that a search was sent, in their order; still says whether each still goes out.
func (f *field) news(s seeker) (kinds []string, still []bool) {
	f.Helper()
	rows, err := f.db.Pool.Query(f.ctx, `select kind, subject_id, subject_turn from notices where owner_id = $1 and hold_id is null order by created_at, id`, s.id)
	f.must(err)
	var all []push.Notice
	for rows.Next() {
		var n push.Notice
		f.must(rows.Scan(&n.Kind, &n.Subject, &n.Turn))
		all = append(all, n)
	}
	f.must(rows.Err())
	for _, n := range all {
		kinds = append(kinds, n.Kind)
		f.must(f.db.InTx(f.ctx, func(tx *pg.Tx) error {
			stands, err := f.post.StillTrue(f.ctx, tx, n)
			still = append(still, stands)
			return err
		}))
	}
	return kinds, still
}

func (f *field) reads(s seeker, want ...uuid.UUID) {
	f.Helper()
	var got []string
	for _, m := range f.told(s) {
		if m.State != "retracted" {
			got = append(got, m.Department.Name)
		}
	}
	var names []string
	for _, id := range want {
		var name string
		f.must(f.db.Pool.QueryRow(f.ctx, "select name_kk from departments where id = $1", id).Scan(&name))
		names = append(names, name)
	}
	if !slices.Equal(got, names) {
		f.Errorf("the family reads %q, want %q", got, names)
	}
}

// A family knows of one record; another of the same person was logged later elsewhere. Merged, they hear where the person is; parted,
// what they heard of the other one is retracted, and they read again where theirs is.
func TestAFamilyToldBecauseOfAMerge(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer, coordinator := f.person(account.Lawyer, f.org), f.person(account.Coordinator, f.org)
	mother, wife := f.search("Ахметов Арман Серікұлы", 1990), f.search("Курмангалиев Ерболат", 1990)
	a := f.log(lawyer, almaly, entry("Ахметов Арман Серікұлы", 1990))[0]
	f.db.Clock.Move(time.Hour)
	b := f.log(lawyer, medeu, entry("Курмангалиев Ерболат", 1990))[0] // what he called himself
	f.must(f.post.MatchDetentions(f.ctx, []uuid.UUID{a, b}))
	f.reads(mother, almaly)
	f.reads(wife, medeu)

	f.db.Clock.Move(time.Minute)
	f.merge(coordinator, a, b)
	f.reads(mother, medeu)
	f.reads(wife, medeu)
	if kinds, _ := f.news(wife); !slices.Equal(kinds, []string{"match"}) {
		t.Errorf("nothing changed for the wife, who is sent %v", kinds)
	}
	// Said of the record that was merged, it is said of the person: both hear, each once.
	f.db.Clock.Move(time.Minute)
	f.event(lawyer, b, detention.MovedKind, &astanaOne)
	f.reads(mother, astanaOne)
	f.reads(wife, astanaOne)

	f.db.Clock.Move(time.Minute)
	f.part(coordinator, b)
	f.reads(mother, almaly)
	f.reads(wife, astanaOne)
	kinds, still := f.news(mother)
	if !slices.Equal(kinds, []string{"match", "update", "update", "retraction"}) || !still[3] {
		t.Errorf("the mother is sent %v, still true: %v", kinds, still)
	}
	if kinds, _ := f.news(wife); !slices.Equal(kinds, []string{"match", "update"}) {
		t.Errorf("the wife is sent %v", kinds)
	}
	f.expect(mother, a, seen{"certain", "notified", "", 2}) // the updates are superseded
}

// Of one person a family is told once, whichever records agree with their search; and a match of the second record asks nobody to decide.
func TestOnePersonIsToldOnce(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer, coordinator := f.person(account.Lawyer, f.org), f.person(account.Coordinator, f.org)
	d := f.log(lawyer, almaly, entry("Ахметов Арман Серікұлы", 1990), entry("Akhmetov Arman", 1990))
	a, b := d[0], d[1]
	f.merge(coordinator, a, b)
	s := f.search("Ахметов Арман Серікұлы", 1990)
	f.must(f.post.MatchSearch(f.ctx, s.id))
	f.must(f.post.MatchSearch(f.ctx, s.id))
	f.expect(s, a, seen{"certain", "notified", "", 1})
	f.expect(s, b, seen{"certain", "proposed", "same_person", 0})
	if page, _, err := f.post.ListMatches(f.ctx, coordinator, watch.MatchFilter{State: "proposed", Limit: 100}); err != nil || len(page) != 0 {
		t.Errorf("a person is asked to decide on %d, %v", len(page), err)
	}
	// Who confirms it all the same tells nobody anew.
	f.db.Clock.Move(time.Minute)
	if _, err := f.post.Decide(f.ctx, coordinator, f.matchID(s, b), watch.Confirm, "она же"); err != nil {
		t.Fatal(err)
	}
	f.expect(s, b, seen{"certain", "confirmed", "", 0})
	f.reads(s, almaly)
	f.db.Clock.Move(time.Minute)
	f.event(lawyer, a, detention.MovedKind, &medeu)
	f.expect(s, a, seen{"certain", "notified", "", 2})
	f.expect(s, b, seen{"certain", "confirmed", "", 0})
	f.reads(s, medeu)
	f.db.Clock.Move(time.Minute)
	f.part(coordinator, b)
	f.reads(s, medeu, almaly)
	if kinds, still := f.news(s); !slices.Equal(kinds, []string{"match", "update", "retraction"}) || !still[2] {
		t.Errorf("sent %v, still true %v", kinds, still)
	}
}

// The stricter disclosure applies while two are one; parted, everything is as it was, and nothing is told twice.
func TestTheStricterDisclosureApplies(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer, coordinator := f.person(account.Lawyer, f.org), f.person(account.Coordinator, f.org)
	s := f.search("Ахметов Арман Серікұлы", 1990)
	closed := entry("Akhmetov Arman", 1990)
	closed.Disclosure = detention.Sealed
	a, b := f.log(lawyer, almaly, entry("Ахметов Арман Серікұлы", 1990))[0], f.log(lawyer, medeu, closed)[0]
	f.must(f.post.MatchDetentions(f.ctx, []uuid.UUID{a, b}))
	f.expect(s, a, seen{"certain", "notified", "", 1})
	f.merge(coordinator, a, b)
	f.expect(s, a, seen{"certain", "proposed", "person", 0})
	f.reads(s)
	if _, err := f.post.Decide(f.ctx, coordinator, f.matchID(s, a), watch.Confirm, "мать просит"); err == nil {
		t.Error("a person whose other record is sealed is told of")
	}
	f.part(coordinator, b)
	f.expect(s, a, seen{"certain", "notified", "", 1})
	f.reads(s, almaly)
}

// A birth year that only the other record knows may make a match certain; parted, what was told on its strength is taken back.
func TestToldOnTheStrengthOfTheOtherRecord(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer, coordinator := f.person(account.Lawyer, f.org), f.person(account.Coordinator, f.org)
	s, other := f.search("Тұманбай Ырысты", 1985), f.search("Тұманбай Ырысты", 1960)
	a := f.log(lawyer, almaly, entry("Тұманбай Ырысты", nil))[0]
	b := f.log(lawyer, almaly, entry("Сейтов Нұрлан", 1985))[0]
	f.must(f.post.MatchDetentions(f.ctx, []uuid.UUID{a, b}))
	f.expect(s, a, seen{"likely", "proposed", "tier", 0})
	before := f.seen(other, a)
	f.merge(coordinator, b, a)
	f.expect(s, a, seen{"certain", "notified", "", 1})
	if now := f.seen(other, a); now.notices != 0 || now.state == "notified" {
		t.Errorf("who looks for a namesake is told: %+v", now)
	}
	f.db.Clock.Move(time.Minute)
	f.part(coordinator, a)
	f.expect(s, a, seen{"likely", "proposed", "tier", 1}) // as it was: a person decides
	if kinds, still := f.news(s); !slices.Equal(kinds, []string{"match", "retraction"}) || !still[1] {
		t.Errorf("sent %v, still true %v", kinds, still)
	}
	if now := f.seen(other, a); before.state == "proposed" && now.state != "proposed" {
		t.Errorf("%+v before, %+v after", before, now)
	}
}

// After five families the rest go to a person, whichever of the records each of them found.
func TestToldLimitIsOfThePerson(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{Told: 2, Reporter: 100})
	lawyer, coordinator := f.person(account.Lawyer, f.org), f.person(account.Coordinator, f.org)
	d := f.log(lawyer, almaly, entry("Ахметов Арман Серікұлы", 1990), entry("Сейтов Нұрлан", 1990))
	f.merge(coordinator, d[0], d[1])
	for i, name := range []string{"Ахметов Арман Серікұлы", "Сейтов Нұрлан", "Ахметов Арман Серікұлы", "Сейтов Нұрлан"} {
		s := f.search(name, 1990)
		f.must(f.post.MatchSearch(f.ctx, s.id))
		want := seen{"certain", "notified", "", 1}
		if i > 1 {
			want = seen{"certain", "proposed", "told_limit", 0}
		}
		f.expect(s, d[i%2], want)
	}
}

// A second entry taken back while the first stands unsays nothing; alone again, it does.
func TestAnEntryTakenBackWhileMerged(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer, coordinator := f.person(account.Lawyer, f.org), f.person(account.Coordinator, f.org)
	s := f.search("Сейтов Нұрлан", 1990)
	d := f.log(lawyer, almaly, entry("Ахметов Арман Серікұлы", 1990), entry("Сейтов Нұрлан", 1990))
	f.must(f.post.MatchDetentions(f.ctx, d))
	f.merge(coordinator, d[0], d[1])
	f.event(lawyer, d[1], detention.WithdrawnKind, nil)
	f.expect(s, d[1], seen{"certain", "notified", "", 1})
	f.part(coordinator, d[1])
	f.expect(s, d[1], seen{"certain", "retracted", "", 1})
}

// Parted, every match is as it was before the merge: what waited waits for the same reason, what was decided is decided.
func TestMatchesAreBackAsTheyWere(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer, coordinator := f.person(account.Lawyer, f.org), f.person(account.Coordinator, f.org)
	d := f.log(lawyer, almaly, entry("Ахметов Арман Серікұлы", 1990), entry("Akhmetov Arman", 1990))
	seekers := []seeker{f.search("Ахметов Арман Серікұлы", 1990), f.search("Ахметов Арман", 1990), f.search("Ахметов Арман", 0), f.search("Ахметов Арман", 1991)}
	for _, s := range seekers {
		f.must(f.post.MatchSearch(f.ctx, s.id))
	}
	_, err := f.post.Decide(f.ctx, coordinator, f.matchID(seekers[2], d[0]), watch.Reject, "другой")
	f.must(err)
	var told uuid.UUID
	f.must(f.db.Pool.QueryRow(f.ctx, "select id from matches where search_id = $1 and state = 'notified'", seekers[1].id).Scan(&told))
	_, err = f.post.Decide(f.ctx, coordinator, told, watch.Retract, "ошибка")
	f.must(err)
	picture := func() (out []string) {
		rows, err := f.db.Pool.Query(f.ctx, `select concat_ws(' ', search_id, detention_id, tier, score, state, coalesce(review_reason, '-'), told_state, told_department_id,
			told_at, notified_at, decided_by, decided_at) from matches order by search_id, detention_id`)
		f.must(err)
		for rows.Next() {
			var s string
			f.must(rows.Scan(&s))
			out = append(out, s)
		}
		return out
	}
	before, notices := picture(), f.count("select count(*) from notices")
	for i := range 2 {
		f.merge(coordinator, d[i], d[1-i])
		f.part(coordinator, d[1-i])
		if now := picture(); !slices.Equal(now, before) {
			t.Errorf("it was\n%s\nand is\n%s", strings.Join(before, "\n"), strings.Join(now, "\n"))
		}
	}
	if now := f.count("select count(*) from notices"); now != notices {
		t.Errorf("%d notices, %d before", now, notices)
	}
}

// A person said that the family's search does not mean this one: another record of the same person tells nobody by itself.
func TestARefusalIsOfThePerson(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer, coordinator := f.person(account.Lawyer, f.org), f.person(account.Coordinator, f.org)
	s := f.search("Ахметов Арман Серікұлы", 1990)
	a := f.log(lawyer, almaly, entry("Ахметов Арман Серікұлы", 1990))
	f.must(f.post.MatchDetentions(f.ctx, a))
	_, err := f.post.Decide(f.ctx, coordinator, f.matchID(s, a[0]), watch.Retract, "отчим с тем же именем")
	f.must(err)
	b := f.log(lawyer, almaly, entry("Akhmetov Arman Serikovich", 1990))
	f.merge(coordinator, a[0], b[0])
	f.must(f.post.MatchDetentions(f.ctx, b))
	f.must(f.post.MatchDetentions(f.ctx, b))
	f.expect(s, b[0], seen{"certain", "proposed", "tier", 0})
	f.reads(s)
}
