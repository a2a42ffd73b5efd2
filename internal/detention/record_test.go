package detention_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

func TestElevenAreLoggedAtOnce(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	list := entries(eleven...)
	batch, res, err := f.ledger.Record(f.ctx, p, detention.Batch{DepartmentID: f.almaly, Entries: list})
	f.must(err)
	var recorded []uuid.UUID
	for i, r := range res {
		if r.ClientID != list[i].ClientID || r.Outcome != detention.Created || len(r.Warnings) != 0 {
			t.Errorf("result %d: %+v", i, r)
		}
		recorded = append(recorded, r.DetentionID)
		d := f.get(p, r.DetentionID)
		if d.Name != eleven[i] || d.State != detention.Held || d.DepartmentID != f.almaly || d.OrganisationID != f.org || d.RecordedBy != p.Account ||
			!d.OffShift || d.Revision != 1 || d.Disclosure != detention.Relatives || d.Consent.Status != "not_asked" || d.Consent.Basis != "94-V art. 9(5)" ||
			!d.RecordedAt.Equal(f.db.Now()) || d.City != "almaty" {
			t.Errorf("detention %d: %+v", i, d)
		}
	}
	f.counts(11, "select count(*) from detentions where batch_id = $1", batch)
	f.counts(11, "select count(*) from detention_events where kind = 'taken' and to_department_id = $1 and recorded_by = $2 and client_id is null", f.almaly, p.Account)
	f.counts(11, "select count(*) from data_keys where scope = 'detention' and organisation_id = $1 and period = '2026-11'", f.org)
	f.counts(1, "select count(*) from audit_entries where action = 'detention.recorded' and subject_id = $1", batch)
	got := jobs[detention.Recorded](f)
	if len(got) != 1 || !slices.Equal(got[0].DetentionIDs, recorded) {
		t.Errorf("jobs %v, want one with %v", got, recorded)
	}
}

func TestBatchSizes(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	people := make([]string, detention.MaxBatch+1)
	for i := range people {
		people[i] = fmt.Sprintf("Оспанов Бекзат %d", i)
	}
	_, _, err := f.ledger.Record(f.ctx, p, detention.Batch{DepartmentID: f.almaly, Entries: entries(people...)})
	f.refused(err, "invalid", "/detainees too_many")
	_, _, err = f.ledger.Record(f.ctx, p, detention.Batch{DepartmentID: f.almaly})
	f.refused(err, "invalid", "/detainees too_few")
	f.counts(0, "select count(*) from detentions")

	res := f.record(p, f.almaly, entries(people[1:]...)...)
	f.counts(200, "select count(*) from detentions")
	var announced []uuid.UUID
	all := jobs[detention.Recorded](f)
	for _, j := range all {
		announced = append(announced, j.DetentionIDs...)
	}
	var want []uuid.UUID
	for _, r := range res {
		want = append(want, r.DetentionID)
	}
	if len(all) != 10 || !slices.Equal(announced, want) {
		t.Errorf("%d jobs announce %d detentions", len(all), len(announced))
	}
}

func TestARepeatHasNoSecondEffect(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	list := entries(eleven...)
	first := f.record(p, f.almaly, list...)
	same := func(name string, got []detention.Result, want ...detention.Result) {
		t.Helper()
		for i, r := range got {
			if r.DetentionID != want[i].DetentionID || r.ClientID != want[i].ClientID || r.Outcome != detention.Duplicate || len(r.Warnings) != 0 {
				t.Errorf("%s: result %d is %+v, was %+v", name, i, r, want[i])
			}
		}
	}
	same("whole", f.record(p, f.almaly, list...), first...)
	same("in part, by a colleague", f.record(f.lawyer(), f.almaly, list[7], list[2]), first[7], first[2])
	f.counts(11, "select count(*) from detentions")
	f.counts(11, "select count(*) from detention_events")
	f.counts(11, "select count(*) from data_keys where scope = 'detention'")
	f.counts(1, "select count(*) from river_job")

	// A list that grew: the new one is created and announced alone.
	more := append(slices.Clone(list[:3]), entries("Сейтов Нұрлан")...)
	res := f.record(p, f.almaly, more...)
	same("grown", res[:3], first[:3]...)
	if res[3].Outcome != detention.Created {
		t.Errorf("the new one is %+v", res[3])
	}
	got := jobs[detention.Recorded](f)
	if len(got) != 2 || !slices.Equal(got[1].DetentionIDs, []uuid.UUID{res[3].DetentionID}) {
		t.Errorf("jobs %v", got)
	}
}

// The same note is sent from two phones at once, each in an order of its own.
func TestTwoPhonesAtOnce(t *testing.T) {
	t.Parallel()
	f := newField(t)
	phones := []account.Principal{f.lawyer(), f.lawyer()}
	const rounds = 60
	for round := range rounds {
		list := entries(eleven...)
		answers := make([]map[uuid.UUID]uuid.UUID, len(phones))
		created := make([]int, len(phones))
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i, p := range phones {
			mine := slices.Clone(list)
			rand.Shuffle(len(mine), func(a, b int) { mine[a], mine[b] = mine[b], mine[a] })
			wg.Go(func() {
				<-start
				_, res, err := f.ledger.Record(f.ctx, p, detention.Batch{DepartmentID: f.almaly, Entries: mine})
				if err != nil {
					t.Errorf("round %d, phone %d: %v (%v)", round, i, err, errors.Unwrap(err))
					return
				}
				answers[i] = map[uuid.UUID]uuid.UUID{}
				for j, r := range res {
					if r.ClientID != mine[j].ClientID || len(r.Warnings) != 0 {
						t.Errorf("round %d: answer %d is %+v", round, j, r)
					}
					if r.Outcome == detention.Created {
						created[i]++
					}
					answers[i][r.ClientID] = r.DetentionID
				}
			})
		}
		close(start)
		wg.Wait()
		if t.Failed() {
			return
		}
		if created[0]+created[1] != 11 {
			t.Fatalf("round %d: created %v", round, created)
		}
		for client, id := range answers[0] {
			if answers[1][client] != id {
				t.Fatalf("round %d: one client_id, two detentions", round)
			}
		}
	}
	f.counts(rounds*11, "select count(*) from detentions")
	f.counts(rounds*11, "select count(distinct client_id) from detentions")
	announced := 0
	for _, j := range jobs[detention.Recorded](f) {
		announced += len(j.DetentionIDs)
	}
	if announced != rounds*11 {
		t.Errorf("%d announced, want each once", announced)
	}
}

func TestTheFirstContentStays(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	e := entries("Оспанов Бекзат")[0]
	first := f.record(p, f.almaly, e)[0]
	assembly := uuid.New()
	f.exec(`insert into assemblies (id, organisation_id, client_id, title, city, starts_at, created_at, updated_at) values ($1, $2, $1, 't', 'almaty', $3, $3, $3)`,
		assembly, f.org, f.db.Now())
	otherName, otherYear := e, e
	otherName.Name = "Оспанов Берік"
	otherYear.Facts.BirthYear = []byte("1990")
	for name, b := range map[string]detention.Batch{
		"other name":       {DepartmentID: f.almaly, Entries: []detention.Entry{otherName}},
		"other fact":       {DepartmentID: f.almaly, Entries: []detention.Entry{otherYear}},
		"other department": {DepartmentID: f.medeu, Entries: []detention.Entry{e}},
		"other assembly":   {DepartmentID: f.almaly, AssemblyID: &assembly, Entries: []detention.Entry{e}},
	} {
		_, res, err := f.ledger.Record(f.ctx, p, b)
		f.must(err)
		if r := res[0]; r.DetentionID != first.DetentionID || r.Outcome != detention.Duplicate || !slices.Equal(warned(r), []string{"/detainees/0 other_content"}) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	same := e
	same.Name, same.AlsoKnownAs, same.Disclosure, same.Facts.Sex, same.DoNotTell = " "+e.Name+" ", []string{}, detention.Relatives, []byte("null"), []string{}
	if r := f.record(p, f.almaly, same)[0]; len(r.Warnings) != 0 {
		t.Errorf("the same written otherwise: %+v", r)
	}
	// What was sent counts, not what it is by now: a repeat after a correction is no other content.
	f.correct(p, first.DetentionID, detention.Correction{Revision: 1, Name: set("Оспанов Бекзат Маратұлы")})
	if r := f.record(p, f.almaly, e)[0]; len(r.Warnings) != 0 {
		t.Errorf("after a correction: %+v", r)
	}
	if d := f.get(p, first.DetentionID); d.Name != "Оспанов Бекзат Маратұлы" || d.DepartmentID != f.almaly || d.AssemblyID != nil {
		t.Errorf("a repeat changed the record: %+v", d.Row)
	}
}

func TestOneClientIDTwiceInABatch(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	for range 20 { // the order of rows under one client_id must not be chance
		list := entries("Сейтов Нұрлан", "Қасымов Дәурен", "Ким Виктория", "Ким Виктория")
		list[1].ClientID, list[3].ClientID = list[0].ClientID, list[2].ClientID
		res := f.record(p, f.almaly, list...)
		if res[0].Outcome != detention.Created || res[1].Outcome != detention.Duplicate || res[1].DetentionID != res[0].DetentionID ||
			!slices.Equal(warned(res[1]), []string{"/detainees/1 other_content"}) {
			t.Fatalf("%+v", res[:2])
		}
		if res[2].Outcome != detention.Created || res[3].Outcome != detention.Duplicate || len(res[3].Warnings) != 0 {
			t.Fatalf("%+v", res[2:])
		}
		if d := f.get(p, res[0].DetentionID); d.Name != "Сейтов Нұрлан" {
			t.Fatalf("the second stayed: %s", d.Name)
		}
	}
	f.counts(40, "select count(*) from detentions")
	f.counts(40, "select count(*) from detention_events")
}

func TestAClientIDOfAnotherOrganisation(t *testing.T) {
	t.Parallel()
	f := newField(t)
	other := f.person(grant{role: account.Lawyer, org: f.organisation()})
	taken := entries("Оспанов Бекзат")[0]
	f.record(other, f.almaly, taken)
	list := entries(eleven...)
	list[4].ClientID = taken.ClientID
	_, _, err := f.ledger.Record(f.ctx, f.lawyer(), detention.Batch{DepartmentID: f.almaly, Entries: list})
	f.refused(err, "client_id_taken", "/detainees/4/client_id not_allowed")
	for _, table := range []string{"detentions", "detention_events", "river_job", "audit_entries"} {
		f.counts(1, "select count(*) from "+table) // the other's alone
	}
	f.counts(1, "select count(*) from data_keys where scope = 'detention'")
}

func TestErasedRecordsAreStillKnownByTheirClientID(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	list := entries("Оспанов Бекзат", "Ким Виктория")
	first := f.record(p, f.almaly, list...)
	f.must(f.db.InTx(f.ctx, func(tx *pg.Tx) error { return seal.Destroy(f.ctx, tx, first[0].DetentionID) }))
	res := f.record(p, f.almaly, append(list, entries("Петров Сергей")...)...)
	if res[0].DetentionID != first[0].DetentionID || res[0].Outcome != detention.Duplicate || len(res[0].Warnings) != 0 || res[2].Outcome != detention.Created {
		t.Errorf("%+v", res)
	}
}

func TestUnknownPlaces(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	_, _, err := f.ledger.Record(f.ctx, p, detention.Batch{DepartmentID: uuid.New(), Entries: entries("Оспанов Бекзат")})
	f.refused(err, "invalid", "/department_id unknown")
	unknown := uuid.New()
	_, _, err = f.ledger.Record(f.ctx, p, detention.Batch{DepartmentID: f.almaly, AssemblyID: &unknown, Entries: entries("Оспанов Бекзат")})
	f.refused(err, "invalid", "/assembly_id unknown")
	foreign := uuid.New()
	f.exec(`insert into assemblies (id, organisation_id, client_id, title, city, starts_at, created_at, updated_at) values ($1, $2, $1, 't', 'almaty', $3, $3, $3)`,
		foreign, f.organisation(), f.db.Now())
	_, _, err = f.ledger.Record(f.ctx, p, detention.Batch{DepartmentID: f.almaly, AssemblyID: &foreign, Entries: entries("Оспанов Бекзат")})
	f.refused(err, "invalid", "/assembly_id unknown")
	f.counts(0, "select count(*) from detentions")

	id := f.one(p, f.almaly, entries("Оспанов Бекзат")[0])
	nowhere := uuid.New()
	_, err = f.ledger.Correct(f.ctx, p, id, detention.Correction{Revision: 1, Department: &nowhere})
	f.refused(err, "invalid", "/department_id unknown")
	_, err = f.ledger.Correct(f.ctx, p, id, detention.Correction{Revision: 1, Assembly: set(foreign)})
	f.refused(err, "invalid", "/assembly_id unknown")
	_, _, err = f.ledger.Add(f.ctx, p, id, f.event(detention.MovedKind, time.Hour, &nowhere))
	f.refused(err, "invalid", "/to_department_id unknown")
	f.counts(1, "select count(*) from detention_events")
}

func TestTextsAreStrict(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	long := func(n int) string { return strings.Repeat("ұ", n) }
	many := slices.Repeat([]string{"Оспанов"}, 21)
	list := []detention.Entry{
		{ClientID: uuid.New(), Name: long(300), Description: long(2000), Note: long(4000), ReportedBy: long(300), AlsoKnownAs: many[:20], DoNotTell: many[:20]},
		{ClientID: uuid.New(), Name: long(301), Description: long(2001), Note: long(4001), ReportedBy: long(301), AlsoKnownAs: many, DoNotTell: many},
		{ClientID: uuid.New(), Name: "  ", Description: "\t"},
		{Name: "Ким Виктория", AlsoKnownAs: []string{"Ким", long(301)}, DoNotTell: []string{long(301)}},
		{ClientID: uuid.New(), Description: "женщина, около 30, красная куртка", Disclosure: "friends", Consent: &detention.Consent{Status: "yes"}},
	}
	_, _, err := f.ledger.Record(f.ctx, p, detention.Batch{DepartmentID: f.almaly, Entries: list})
	f.refused(err, "invalid", "/detainees/1/name too_long", "/detainees/1/description too_long", "/detainees/1/note too_long", "/detainees/1/reported_by too_long",
		"/detainees/1/also_known_as too_many", "/detainees/1/do_not_tell too_many", "/detainees/2/name required", "/detainees/3/client_id required",
		"/detainees/3/also_known_as/1 too_long", "/detainees/3/do_not_tell/0 too_long", "/detainees/4/disclosure not_allowed", "/detainees/4/consent/status not_allowed")
	f.counts(0, "select count(*) from detentions")
	id := f.one(p, f.almaly, list[0])
	_, err = f.ledger.Correct(f.ctx, p, id, detention.Correction{Revision: 1, Name: set(long(301)), AlsoKnownAs: set([]string{long(301)})})
	f.refused(err, "invalid", "/name too_long", "/also_known_as/0 too_long")

	nameless := f.one(p, f.almaly, detention.Entry{Description: "женщина, около 30, красная куртка"})
	if d := f.get(p, nameless); d.Name != "" || d.Description == "" {
		t.Errorf("%+v", d.Profile)
	}
	_, err = f.ledger.Correct(f.ctx, p, nameless, detention.Correction{Revision: 1, Description: &detention.Set[string]{Clear: true}})
	f.refused(err, "invalid", "/name required")
}

func TestOffShift(t *testing.T) {
	t.Parallel()
	f := newField(t)
	for name, c := range map[string]struct {
		state         string
		at            uuid.UUID
		before, after time.Duration
		off           bool
	}{
		"present":            {"present", f.almaly, time.Hour, time.Hour, false},
		"not checked in yet": {"planned", f.almaly, time.Hour, time.Hour, false},
		"left":               {"left", f.almaly, time.Hour, time.Hour, true},
		"another department": {"present", f.medeu, time.Hour, time.Hour, true},
		"over":               {"present", f.almaly, 2 * time.Hour, -time.Hour, true},
		"over this instant":  {"present", f.almaly, time.Hour, 0, true},
		"later":              {"planned", f.almaly, -time.Hour, 2 * time.Hour, true},
	} {
		p := f.lawyer()
		f.shift(p, c.at, c.state, c.before, c.after)
		if off := value[bool](f, "select off_shift from detentions where id = $1", f.one(p, f.almaly, entries("Ким Виктория")[0])); off != c.off {
			t.Errorf("%s: off shift %t", name, off)
		}
	}
}

func TestWhoMayLog(t *testing.T) {
	t.Parallel()
	f := newField(t)
	for _, p := range []account.Principal{f.lawyer(), f.operator("almaty"), f.coordinator("almaty")} {
		f.one(p, f.saryarqa, entries("Ким Виктория")[0]) // anywhere
	}
	foreign := f.lawyer()
	foreign.Organisation = f.organisation() // their right is in another organisation than their own
	for _, p := range []account.Principal{f.person(grant{role: account.Admin, org: f.org}), foreign} {
		_, _, err := f.ledger.Record(f.ctx, p, detention.Batch{DepartmentID: f.almaly, Entries: entries("Ким Виктория")})
		f.refused(err, "forbidden")
	}
	_, _, err := f.ledger.Record(f.ctx, account.Principal{}, detention.Batch{DepartmentID: f.almaly, Entries: entries("Ким Виктория")})
	f.refused(err, "unauthenticated")
	if !fault.Is(err, "unauthenticated") {
		t.Error(err)
	}
}
