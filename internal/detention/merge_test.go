package detention_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

func because(reason string) detention.Decision {
	return detention.Decision{ClientID: uuid.New(), Reason: reason}
}

func (f *field) merge(p account.Principal, survivor, absorbed uuid.UUID) detention.Detention {
	f.Helper()
	d, first, err := f.ledger.Merge(f.ctx, p, survivor, absorbed, because("записан дважды"))
	f.must(err)
	if !first {
		f.Error("a merge changed nothing")
	}
	return d
}

func (f *field) part(p account.Principal, absorbed uuid.UUID) detention.Detention {
	f.Helper()
	d, first, err := f.ledger.Unmerge(f.ctx, p, absorbed, because("однофамильцы"))
	f.must(err)
	if !first {
		f.Error("a parting changed nothing")
	}
	return d
}

// shown is all that a record says, but its revision and when it last changed.
func (f *field) shown(p account.Principal, id uuid.UUID) string {
	f.Helper()
	d := f.get(p, id)
	d.Revision, d.UpdatedAt, d.ProfileCT = 0, time.Time{}, nil
	events, err := f.ledger.Events(f.ctx, p, id)
	f.must(err)
	out, err := json.Marshal([]any{d, events})
	f.must(err)
	return string(out)
}

// Two records of one person: one stands for both, the chain is read over both, what is said of either is said of the person; parted, each
// has what was said of it, to the byte.
func TestTwoRecordsOfOnePerson(t *testing.T) {
	t.Parallel()
	f := newField(t)
	first, second, chief := f.lawyer(), f.lawyer(), f.coordinator()
	a := f.one(first, f.almaly, detention.Entry{Name: "Ахметов Арман", Facts: fact("birth_year", "1990")})
	f.add(first, a, detention.ArrivedKind, time.Minute, &f.almaly)
	f.db.Clock.Move(time.Hour)
	b := f.one(second, f.medeu, detention.Entry{Name: "Akhmetov Arman Serikovich", Disclosure: detention.Sealed})
	wasA, wasB := f.shown(chief, a), f.shown(chief, b)

	d := f.merge(chief, a, b)
	if d.ID != a || d.DepartmentID != f.medeu || len(d.Merges) != 1 || d.Merges[0].Reason != "записан дважды" || d.Applied() != detention.Sealed || d.Disclosure != detention.Relatives {
		t.Errorf("after the merge: %+v", d)
	}
	f.counts(1, "select count(*) from detentions where id = $1 and merged_into = $2 and department_id = $3", b, a, f.medeu)
	f.counts(1, "select count(*) from clocks where detention_id = $1 and next_at = 'infinity'", b)
	if got := jobs[detention.Merged](f); len(got) != 1 || got[0].DetentionID != a || got[0].ActorID != chief.Account {
		t.Errorf("announced %+v", got)
	}
	// Whose record it was sees the person, and the lists show the person once.
	for _, p := range []account.Principal{first, second, chief} {
		page, _, err := f.ledger.List(f.ctx, p, detention.Filter{Limit: 100, RecordedByMe: p.Account != chief.Account})
		if err != nil || !slices.Equal(ids(page), []uuid.UUID{a}) {
			t.Errorf("listed: %v, %v", ids(page), err)
		}
	}
	page, _, err := f.ledger.List(f.ctx, chief, detention.Filter{Limit: 100, Query: "Akhmetov Serikovich"})
	if err != nil || !slices.Equal(ids(page), []uuid.UUID{a}) {
		t.Errorf("by the other spelling: %v, %v", ids(page), err)
	}

	// A phone that was offline has its event for the record that is no longer shown.
	f.db.Clock.Move(time.Minute)
	moved := f.add(second, b, detention.MovedKind, time.Second, &f.saryarqa)
	if moved.DetentionID != b {
		t.Errorf("said of %v, kept on %v", b, moved.DetentionID)
	}
	for _, id := range []uuid.UUID{a, b} {
		if d := f.get(chief, id); d.DepartmentID != f.saryarqa || d.Custody.DepartmentID != f.saryarqa || d.Stands() != a {
			t.Errorf("at %v", d.Custody.DepartmentID)
		}
	}
	if got := jobs[detention.Happened](f); got[len(got)-1].DetentionID != a {
		t.Errorf("announced of %v", got[len(got)-1].DetentionID)
	}

	f.part(chief, b)
	if got := jobs[detention.Unmerged](f); len(got) != 1 || !slices.Equal(got[0].DetentionIDs, []uuid.UUID{a, b}) {
		t.Errorf("announced %+v", got)
	}
	if now := f.shown(chief, a); now != wasA {
		t.Errorf("the first was\n%s\nand is\n%s", wasA, now)
	}
	if d := f.get(chief, b); d.DepartmentID != f.saryarqa {
		t.Errorf("what was said of the second is lost: at %v", d.DepartmentID)
	}
	void := f.event(detention.CorrectedKind, 0, nil)
	void.Details.Corrects, void.Details.Void = &moved.ID, true
	_, _, err = f.ledger.Add(f.ctx, second, b, void)
	f.must(err)
	if d := f.get(chief, b); d.DepartmentID != f.medeu || d.Custody.State != detention.Held {
		t.Errorf("the second: %+v, was %s", d.Custody, wasB)
	}
	f.counts(1, "select count(*) from clocks where detention_id = $1 and next_at < 'infinity'", b)
	f.counts(1, "select count(*) from audit_entries where action = 'detention.merged' and subject_id = $1", a)
	f.counts(1, "select count(*) from audit_entries where action = 'detention.unmerged' and subject_id = $1", b)
}

// Parted with nothing said in between, both are what they were.
func TestUnmergeRestoresEverything(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p, chief := f.lawyer(), f.coordinator()
	var people []uuid.UUID
	for i, name := range []string{"Ахметов Арман", "Akhmetov Arman", "Ахметов А.", "Арман"} {
		id := f.one(p, []uuid.UUID{f.almaly, f.medeu}[i%2], detention.Entry{Name: name, Facts: fact("birth_year", fmt.Sprint(1990+i%2))})
		f.db.Clock.Move(time.Minute)
		if i%2 == 0 {
			f.add(p, id, detention.ReleasedKind, time.Second, nil)
		} else {
			f.add(p, id, detention.MovedKind, time.Hour, &f.saryarqa)
		}
		_, err := f.ledger.Represent(f.ctx, p, id, detention.Representation{})
		f.must(err)
		people = append(people, id)
	}
	var was []string
	for _, id := range people {
		was = append(was, f.shown(chief, id))
	}
	rows := f.count("select count(*) from detention_events")
	f.merge(chief, people[1], people[0]) // 0 → 1
	f.merge(chief, people[2], people[1]) // 1 → 2, and 0 with it
	f.merge(chief, people[2], people[3])
	f.counts(3, "select count(*) from detentions where merged_into = $1", people[2])
	if d := f.get(chief, people[0]); len(d.Merges) != 3 || len(d.Records()) != 4 || len(d.RepresentedBy) != 1 {
		t.Errorf("%d merges of %d records, %d act", len(d.Merges), len(d.Records()), len(d.RepresentedBy))
	}
	f.part(chief, people[1]) // takes 0 along
	f.counts(1, "select count(*) from detentions where merged_into = $1 and id = $2", people[1], people[0])
	f.counts(1, "select count(*) from detentions where merged_into = $1 and id = $2", people[2], people[3])
	f.part(chief, people[3])
	f.part(chief, people[0])
	for i, id := range people {
		if now := f.shown(chief, id); now != was[i] {
			t.Errorf("record %d was\n%s\nand is\n%s", i, was[i], now)
		}
	}
	f.counts(rows, "select count(*) from detention_events")
	f.counts(0, "select count(*) from detentions where merged_into is not null")
}

// Who may not, what may not, and what is said twice.
func TestWhatIsNotMerged(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p, chief, near := f.lawyer(), f.coordinator(), f.operator("almaty")
	a, b, far := f.one(p, f.almaly, detention.Entry{Name: "Ахметов Арман"}), f.one(p, f.medeu, detention.Entry{Name: "Ахметов Арман"}), f.one(p, f.saryarqa, detention.Entry{Name: "Ахметов Арман"})
	c := f.one(p, f.almaly, detention.Entry{Name: "Ахметов Арман"})
	canary, err := f.ledger.PlantCanary(f.ctx, chief, f.almaly, detention.Entry{ClientID: uuid.New(), Name: "Ахметов Арман"})
	f.must(err)
	back := f.one(p, f.almaly, detention.Entry{Name: "Ахметов Арман"})
	f.add(p, back, detention.WithdrawnKind, 0, nil)
	other := f.organisation()
	foreign := f.one(f.person(grant{role: account.Lawyer, org: other}), f.almaly, detention.Entry{Name: "Ахметов Арман"})
	both := f.coordinator()
	theirs := f.person(grant{role: account.Coordinator, org: other})
	f.exec("update grants set account_id = $1 where account_id = $2", both.Account, theirs.Account)
	both.Grants = append(both.Grants, theirs.Grants...)

	for name, w := range map[string]struct {
		p      account.Principal
		a, b   uuid.UUID
		code   string
		fields []string
	}{
		"a lawyer":                    {p, a, b, "forbidden", nil},
		"one of them is far":          {near, a, far, "invalid", []string{"/other_id unknown"}},
		"the survivor is far":         {near, far, a, "not_found", nil},
		"nobody":                      {chief, uuid.New(), a, "not_found", nil},
		"with nobody":                 {chief, a, uuid.New(), "invalid", []string{"/other_id unknown"}},
		"with itself":                 {chief, a, a, "invalid", []string{"/other_id not_allowed"}},
		"a canary":                    {chief, a, canary.ID, "conflict", nil},
		"into a canary":               {chief, canary.ID, a, "conflict", nil},
		"a canary that is not theirs": {near, a, canary.ID, "invalid", []string{"/other_id unknown"}},
		"an entry taken back":         {chief, a, back, "conflict", nil},
		"another organisation's":      {chief, a, foreign, "invalid", []string{"/other_id unknown"}},
		"of two organisations":        {both, a, foreign, "conflict", nil},
	} {
		_, _, err := f.ledger.Merge(f.ctx, w.p, w.a, w.b, because("x"))
		t.Run(name, func(t *testing.T) { f.refused(err, w.code, w.fields...) })
	}
	_, _, err = f.ledger.Merge(f.ctx, chief, a, b, detention.Decision{})
	f.refused(err, "invalid", "/client_id required", "/reason required")
	f.counts(0, "select count(*) from merges")

	say := because("записан дважды")
	for i := range 3 {
		d, first, err := f.ledger.Merge(f.ctx, chief, a, b, say)
		if err != nil || first != (i == 0) || d.ID != a || len(d.Merges) != 1 {
			t.Errorf("time %d: %t, %v", i, first, err)
		}
	}
	if _, first, err := f.ledger.Merge(f.ctx, near, b, a, because("и я так думаю")); err != nil || first {
		t.Errorf("said of two who are one: %t, %v", first, err)
	}
	_, _, err = f.ledger.Merge(f.ctx, chief, a, c, say)
	f.refused(err, "client_id_taken", "/client_id not_allowed")
	_, _, err = f.ledger.Merge(f.ctx, chief, c, b, because("x"))
	f.refused(err, "already_decided") // b stands behind a: who decides must look at a
	_, _, err = f.ledger.Merge(f.ctx, chief, b, c, because("x"))
	f.refused(err, "already_decided")
	f.refused(f.ledger.TellApart(f.ctx, chief, a, b, "x"), "already_decided")
	_, _, err = f.ledger.Unmerge(f.ctx, chief, a, because("x"))
	f.refused(err, "already_decided")
	_, _, err = f.ledger.Unmerge(f.ctx, p, b, because("x"))
	f.refused(err, "forbidden")
	_, _, err = f.ledger.Unmerge(f.ctx, f.operator("astana"), b, because("x"))
	f.refused(err, "not_found")

	part := because("однофамильцы")
	for i := range 3 {
		d, first, err := f.ledger.Unmerge(f.ctx, chief, b, part)
		if err != nil || first != (i == 0) || d.ID != b || d.MergedInto != nil {
			t.Errorf("parted, time %d: %t, %v", i, first, err)
		}
	}
	// Late repeats of what was decided before undo nothing that was decided since.
	if _, first, err := f.ledger.Merge(f.ctx, chief, a, b, say); err != nil || first {
		t.Errorf("the first merge, said late: %t, %v", first, err)
	}
	f.counts(0, "select count(*) from detentions where merged_into is not null")
	f.merge(chief, b, a)
	if _, first, err := f.ledger.Unmerge(f.ctx, chief, b, part); err != nil || first {
		t.Errorf("the first parting, said late: %t, %v", first, err)
	}
	f.counts(1, "select count(*) from detentions where merged_into = $1", b)
}

// Who decides at the same time as others waits for them; whatever wins, it is a forest, and everyone is counted once.
func TestMergesAtOnce(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p, chief := f.lawyer(), f.coordinator()
	people := make([]uuid.UUID, 6)
	for i, r := range f.record(p, f.almaly, entries(eleven[:6]...)...) {
		people[i] = r.DetentionID
	}
	var wg sync.WaitGroup
	for i := range 36 {
		wg.Go(func() {
			a, b := people[i/6], people[i%6]
			switch i % 3 {
			case 0, 1:
				_, _, err := f.ledger.Merge(f.ctx, chief, a, b, because("x"))
				harmless(t, err)
			default:
				_, _, err := f.ledger.Unmerge(f.ctx, chief, b, because("x"))
				harmless(t, err)
			}
			e := f.event(detention.MovedKind, time.Duration(i)*time.Minute, &f.medeu)
			_, _, err := f.ledger.Add(f.ctx, p, b, e)
			for fault.Is(err, "unavailable") { // as a phone would
				_, _, err = f.ledger.Add(f.ctx, p, b, e)
			}
			if err != nil {
				t.Errorf("an event is lost: %v", err)
			}
		})
	}
	wg.Wait()
	// merged_into is what the merges that stand say.
	f.counts(0, `with recursive up as (select d.id, d.id as at from detentions d
			union all select up.id, m.survivor_id from up join merges m on m.absorbed_id = up.at and m.unmerged_at is null)
		select count(*) from detentions d where coalesce(d.merged_into, d.id) <> (select at from up where up.id = d.id
			and not exists (select 1 from merges m where m.absorbed_id = up.at and m.unmerged_at is null))`)
	f.counts(36, "select count(*) from detention_events where kind = 'moved'")
	stand := f.count("select count(*) from detentions where merged_into is null")
	totals, err := f.ledger.Totals(f.ctx, chief, detention.Filter{DepartmentID: &f.medeu})
	if err != nil || totals.Total.People > stand {
		t.Errorf("%d people stand, %d are counted, %v", stand, totals.Total.People, err)
	}
	for _, id := range people {
		chain, err := f.ledger.Events(f.ctx, chief, id)
		f.must(err)
		d := f.get(chief, id)
		if want := f.count("select count(*) from detention_events where detention_id = any($1)", d.Records()); len(chain) != want {
			t.Errorf("%d events of %d", len(chain), want)
		}
	}
}

func harmless(t *testing.T, err error) {
	t.Helper()
	if err != nil && !fault.Is(err, "already_decided") && !fault.Is(err, "invalid") && !fault.Is(err, "unavailable") {
		t.Errorf("%v", err)
	}
}

// What puts an event right stays with that event, and a repeat of it finds it after the records were parted.
func TestACorrectionStaysWithItsEvent(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p, chief := f.lawyer(), f.coordinator()
	a, b := f.one(p, f.almaly, detention.Entry{Name: "Ахметов Арман"}), f.one(p, f.almaly, detention.Entry{Name: "Ахметов А."})
	move := f.add(p, a, detention.MovedKind, time.Minute, &f.medeu)
	f.merge(chief, b, a)
	put := f.event(detention.CorrectedKind, 0, &f.saryarqa)
	put.Details.Corrects = &move.ID
	e, first, err := f.ledger.Add(f.ctx, p, b, put) // through the record that stands
	if err != nil || !first || e.DetentionID != a {
		t.Fatalf("kept on %v, %t, %v", e.DetentionID, first, err)
	}
	f.part(chief, a)
	if d := f.get(chief, a); d.DepartmentID != f.saryarqa {
		t.Errorf("what was put right is not: at %v", d.DepartmentID)
	}
	if d := f.get(chief, b); d.DepartmentID != f.almaly {
		t.Errorf("the other is at %v", d.DepartmentID)
	}
	again, first, err := f.ledger.Add(f.ctx, p, b, put)
	if err != nil || first || again.ID != e.ID {
		t.Errorf("sent again: %v, %t, %v", again.ID, first, err)
	}
	_, _, err = f.ledger.Add(f.ctx, f.lawyer(), b, put)
	f.refused(err, "not_found")

	// A mistyped department is put right in the event that says it, whichever record is corrected.
	f.merge(chief, b, a)
	d := f.get(chief, b)
	f.correct(chief, b, detention.Correction{Revision: d.Revision, Department: &f.medeu, Note: set("красная куртка")})
	if d := f.get(chief, a); d.DepartmentID != f.medeu {
		t.Errorf("corrected to %v", d.DepartmentID)
	}
	f.part(chief, a)
	if a, b := f.get(chief, a), f.get(chief, b); a.DepartmentID != f.medeu || b.DepartmentID != f.almaly || b.Note != "красная куртка" || a.Note != "" {
		t.Errorf("parted: at %v (%q) and %v (%q)", a.DepartmentID, a.Note, b.DepartmentID, b.Note)
	}
}

// One who was logged twice is not withdrawn with the second entry; with the last one they are.
func TestASecondEntryTakenBack(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p, q, chief := f.lawyer(), f.lawyer(), f.coordinator()
	a := f.one(p, f.almaly, detention.Entry{Name: "Ахметов Арман"})
	f.db.Clock.Move(time.Minute)
	b := f.one(q, f.medeu, detention.Entry{Name: "Ахметов А."})
	f.merge(chief, b, a)
	_, _, err := f.ledger.Add(f.ctx, q, a, f.event(detention.WithdrawnKind, 0, nil))
	f.refused(err, "not_found") // they see the person by the record that stands, and take back only what they logged
	f.add(q, b, detention.WithdrawnKind, 0, nil)
	if d := f.get(chief, b); d.State != detention.Held || d.DepartmentID != f.almaly {
		t.Errorf("%s at %v", d.State, d.DepartmentID)
	}
	f.add(p, a, detention.WithdrawnKind, 0, nil)
	if d := f.get(chief, b); d.State != detention.Withdrawn {
		t.Errorf("both entries taken back: %s", d.State)
	}
	f.part(chief, a)
	if a, b := f.get(chief, a), f.get(chief, b); a.State != detention.Withdrawn || b.State != detention.Withdrawn {
		t.Errorf("parted: %s and %s", a.State, b.State)
	}
}

// What guards a person guards them under every record, for who matches and for who watches over their rights.
func TestTheStricterGuards(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p, chief := f.lawyer(), f.coordinator()
	a := f.one(p, f.almaly, detention.Entry{Name: "Ахметов Арман", Disclosure: detention.Public})
	b := f.one(p, f.almaly, detention.Entry{Name: "Ахметов А.", DoNotTell: []string{"бывший муж"}, Facts: fact("birth_year", "2010")})
	c := f.one(p, f.almaly, detention.Entry{Name: "Ахметов", Facts: fact("needs", `["убежище"]`)})
	f.merge(chief, a, b)
	f.merge(chief, a, c)
	if d := f.get(p, a); !d.Minor(f.db.Now()) || d.Disclosure != detention.Public || d.Applied() != detention.Relatives {
		t.Errorf("read: %+v", d.Profile)
	}
	f.must(f.db.InTx(f.ctx, func(tx *pg.Tx) error {
		found, err := f.ledger.Load(f.ctx, tx, a, b, c)
		for _, d := range found {
			if d.Disclosure != detention.Relatives || len(d.DoNotTell) != 1 || !d.Asylum() || !d.Minor(tx.Now) || d.BirthYear != 2010 {
				t.Errorf("%s is told by %+v", d.Name, d.Profile)
			}
		}
		files, err2 := f.ledger.Files(f.ctx, tx, a, b, c)
		if len(files) != 1 || files[0].ID != a || len(files[0].Chain) != 3 || !slices.Contains(files[0].Legal(tx.Now).Needs, "minor") {
			t.Errorf("%d files", len(files))
		}
		return cmpErr(err, err2)
	}))
	totals, err := f.ledger.Totals(f.ctx, chief, detention.Filter{DepartmentID: &f.almaly})
	if err != nil || totals.Total.People != 1 || totals.Total.Minors != 1 {
		t.Errorf("%+v, %v", totals.Total, err)
	}
}

// cmpErr is the first that is one.
func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// What was merged into a record goes with it, and still says where the person is: in what is read, and in the columns by which SQL counts.
func TestAPartingTakesAlong(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p, chief := f.lawyer(), f.coordinator()
	d := f.record(p, f.almaly, entries("Ахметов А.", "Ахметов Арман", "Арман Ахметов")...)
	a, b, c := d[0].DetentionID, d[1].DetentionID, d[2].DetentionID
	f.add(p, a, detention.MovedKind, 0, &f.medeu)
	f.merge(chief, b, a)
	f.merge(chief, c, b)
	f.part(chief, b)
	for id, want := range map[uuid.UUID]uuid.UUID{a: f.medeu, b: f.medeu, c: f.almaly} {
		if d := f.get(chief, id); d.DepartmentID != want || d.Custody.DepartmentID != want {
			t.Errorf("%s is listed at %v and read at %v, want %v", d.Name, d.DepartmentID, d.Custody.DepartmentID, want)
		}
	}
}
