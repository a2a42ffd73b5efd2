package detention_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/pg"
)

func TestNeedsAreReadAsHurriedPeopleWriteThem(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 12, 16, 9, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		who  detention.Profile
		want []law.Need
	}{
		{detention.Profile{}, nil},
		{detention.Profile{Needs: []string{"thirsty", "хочет пить"}}, nil},
		// The codes themselves, whatever their order.
		{detention.Profile{Needs: []string{"lone_father", "child_under_14", "interpreter", "consular", "disability", "asylum", "medicine", "pregnant", "minor", "children_at_home", "injured"}},
			[]law.Need{law.Injured, law.ChildrenAtHome, law.Minor, law.Pregnant, law.Medicine, law.Asylum, law.Disability, law.Consular, law.Interpreter, law.ChildUnder14, law.LoneFather}},
		{detention.Profile{Needs: []string{"Травма головы", "нужен инсулин"}}, []law.Need{law.Injured, law.Medicine}},
		{detention.Profile{Needs: []string{"жүкті", "жарақат алған"}}, []law.Need{law.Injured, law.Pregnant}},
		{detention.Profile{Needs: []string{"дома дети, ребёнок один"}}, []law.Need{law.ChildrenAtHome}},
		{detention.Profile{Needs: []string{"отец-одиночка"}}, []law.Need{law.LoneFather}},
		{detention.Profile{Needs: []string{"переводчик", "БЕРЕМЕННА"}}, []law.Need{law.Pregnant, law.Interpreter}},
		{detention.Profile{Needs: []string{"нет травм"}}, []law.Need{law.Injured}}, // a question too many
		{detention.Profile{BirthYear: 2009}, []law.Need{law.Minor}},
		{detention.Profile{BirthYear: 1990, Citizenship: "KZ"}, nil},
		{detention.Profile{BirthYear: 1990, Citizenship: "KG"}, []law.Need{law.Consular}},
	} {
		if got := c.who.Flags(now); !slices.Equal(got, c.want) {
			t.Errorf("%v %d %s: %v, want %v", c.who.Needs, c.who.BirthYear, c.who.Citizenship, got, c.want)
		}
		if c.who.Asylum() != slices.Contains(c.want, law.Asylum) {
			t.Errorf("%v: asylum %t", c.who.Needs, c.who.Asylum())
		}
	}
}

// needy logs someone with these needs and gives the id.
func (f *field) needy(p account.Principal, place uuid.UUID, needs ...string) uuid.UUID {
	f.Helper()
	raw, err := json.Marshal(needs)
	f.must(err)
	return f.one(p, place, detention.Entry{Name: "Жүнісова Гүлнар", Facts: detention.Facts{Needs: raw}})
}

func TestWhoNeedsSomeoneMostComesFirst(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p, chief := f.lawyer(), f.coordinator("almaty")
	plain := f.needy(p, f.almaly)
	ill := f.needy(p, f.almaly, "medicine")
	hurt := f.needy(p, f.almaly, "injured")
	ill2 := f.needy(p, f.medeu, "medicine")
	child := f.needy(p, f.almaly, "minor", "medicine")
	f.needy(p, f.saryarqa, "injured") // another city
	freed, reported := f.needy(p, f.almaly, "injured"), f.needy(p, f.almaly, "pregnant")
	f.add(p, freed, detention.ReleasedKind, 0, nil)
	heard := f.event(detention.ReleasedKind, 0, nil)
	heard.Details.Source = "call"
	_, _, err := f.ledger.Add(f.ctx, p, reported, heard)
	f.must(err)

	want := []uuid.UUID{hurt, child, reported, ill, ill2, plain}
	for _, limit := range []int{1, 4, 100} {
		var got []uuid.UUID
		for skip := 0; ; skip += limit {
			page, more, err := f.ledger.List(f.ctx, chief, detention.Filter{ByNeed: true, Skip: skip, Limit: limit})
			f.must(err)
			got = append(got, ids(page)...)
			if !more {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("by %d: %v, want %v", limit, got, want)
		}
	}
	for _, c := range []struct {
		filter detention.Filter
		want   []uuid.UUID
	}{
		{detention.Filter{Need: law.Medicine}, []uuid.UUID{child, ill, ill2}},
		{detention.Filter{Need: law.Medicine, DepartmentID: &f.medeu}, []uuid.UUID{ill2}},
		{detention.Filter{Need: law.Injured, State: detention.Released}, []uuid.UUID{freed}},
		{detention.Filter{Need: law.Interpreter}, nil},
	} {
		c.filter.Limit = 100
		page, _, err := f.ledger.List(f.ctx, chief, c.filter)
		f.must(err)
		if got := ids(page); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.filter, got, c.want)
		}
	}
	_, _, err = f.ledger.List(f.ctx, chief, detention.Filter{Query: "Жүнісова", ByNeed: true, Limit: 10})
	f.refused(err, "invalid", "#sort not_allowed")
	if page, _, err := f.ledger.List(f.ctx, f.lawyer(), detention.Filter{ByNeed: true, Limit: 10}); err != nil || len(page) != 0 {
		t.Errorf("another lawyer sees %d, %v", len(page), err)
	}
}

// alarms are the open alerts of someone: "code of the need, subject's kind, count", in the order in which they came.
func (f *field) alarms(p account.Principal) []string {
	f.Helper()
	var out []string
	f.must(f.db.InTx(f.ctx, func(tx *pg.Tx) error {
		list, err := alert.List(f.ctx, tx, p.Account, uuid.Nil, true, 100)
		for _, a := range slices.Backward(list) {
			d, err := a.Details(f.ring)
			if err != nil {
				return err
			}
			out = append(out, fmt.Sprint(a.Kind, " ", d.Code, " ", a.SubjectKind, " ", a.Count))
		}
		return err
	}))
	return out
}

func TestCoordinatorsHearOfNeeds(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p, chief := f.lawyer(), f.coordinator()
	raw := func(needs string) detention.Facts { return detention.Facts{Needs: []byte(needs)} }
	bus := entries(eleven...)
	for i := range bus[:6] {
		bus[i].Facts = raw(`["minor"]`)
	}
	bus[7].Facts, bus[8].Facts = raw(`["injured", "minor"]`), raw(`["children_at_home"]`)
	f.record(p, f.almaly, bus...)
	want := []string{"need minor department 6", "need injured detention 1", "need children_at_home detention 1"}
	if got := f.alarms(chief); !slices.Equal(got, want) {
		t.Fatalf("%q, want %q", got, want)
	}
	f.record(p, f.almaly, bus...) // the phone sends it again: nothing new
	_, err := f.ledger.PlantCanary(f.ctx, chief, f.almaly, detention.Entry{ClientID: uuid.New(), Name: "Жоқадам", Facts: raw(`["injured"]`)})
	f.must(err)
	f.one(p, f.medeu, detention.Entry{Name: "Петров Сергей", Facts: raw(`["lone_father"]`)}) // an argument, not a call
	if got := f.alarms(chief); !slices.Equal(got, want) {
		t.Fatalf("%q, want %q", got, want)
	}
	// What is learned later is news; what was known is not.
	id := f.one(p, f.medeu, detention.Entry{Name: "Ким Виктория", Facts: raw(`["medicine"]`)})
	want = append(want, "need medicine department 1")
	f.correct(p, id, detention.Correction{Revision: 1, Note: set("в камере 4")})
	f.correct(p, id, detention.Correction{Revision: 2, Facts: raw(`["medicine", "injured"]`)})
	want = append(want, "need injured detention 1")
	f.correct(p, id, detention.Correction{Revision: 3, Facts: raw(`["medicine"]`)})
	if got := f.alarms(chief); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A country-day: 6,000 held people, sorted by need for a coordinator of all of it.
func BenchmarkListByNeed(b *testing.B) {
	f := newField(b)
	p, chief := f.lawyer(), f.coordinator()
	for range 30 {
		list := entries(slices.Repeat(eleven, 19)[:200]...)
		for i := range list {
			if i%10 == 0 {
				list[i].Facts.Needs = []byte(`["medicine"]`)
			}
		}
		f.record(p, f.almaly, list...)
	}
	for b.Loop() {
		page, more, err := f.ledger.List(f.ctx, chief, detention.Filter{ByNeed: true, Limit: 100})
		if err != nil || len(page) != 100 || !more {
			b.Fatal(len(page), more, err)
		}
	}
}
