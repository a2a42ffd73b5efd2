package detention_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/pkg/names"
)

// proposed walks through all pages and gives the pairs, each as the ids of its two records.
func (f *field) proposed(p account.Principal, filter detention.Filter) [][2]uuid.UUID {
	f.Helper()
	var out [][2]uuid.UUID
	filter.Limit = 1
	for {
		page, next, _, err := f.ledger.Proposals(f.ctx, p, filter)
		f.must(err)
		for _, pr := range page {
			if pr.Verdict.Tier < names.Likely || len(pr.Verdict.Reasons) == 0 {
				f.Errorf("%s and %s: %+v", pr.First.Name, pr.Name, pr.Verdict)
			}
			out = append(out, [2]uuid.UUID{pr.First.ID, pr.ID})
		}
		if next == uuid.Nil {
			return out
		}
		filter.Before = next
	}
}

// Pairs are proposed once each, in the reader's sight; who was told apart, merged or parted is not proposed again.
func TestPairsAreProposed(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p, chief, near := f.lawyer(), f.coordinator(), f.operator("almaty")
	a := f.one(p, f.almaly, detention.Entry{Name: "Ахметов Арман Серікұлы", Facts: fact("birth_year", "1990")})
	b := f.one(p, f.medeu, detention.Entry{Name: "Akhmetov Arman Serikovich", Facts: fact("birth_year", "1990")})
	c := f.one(p, f.saryarqa, detention.Entry{Name: "Арман Ахметов", Facts: fact("birth_year", "1990")})
	f.one(p, f.almaly, detention.Entry{Name: "Сейтов Нұрлан"})
	f.one(p, f.almaly, detention.Entry{Description: "женщина в красном"})
	_, err := f.ledger.PlantCanary(f.ctx, chief, f.almaly, detention.Entry{ClientID: uuid.New(), Name: "Ахметов Арман Серікұлы", Facts: fact("birth_year", "1990")})
	f.must(err)
	again := f.one(p, f.almaly, detention.Entry{Name: "Ахметов Арман Серікұлы", Facts: fact("birth_year", "1990"), Previous: &a})
	f.add(p, again, detention.WithdrawnKind, 0, nil)

	if got, want := f.proposed(chief, detention.Filter{}), [][2]uuid.UUID{{c, b}, {c, a}, {b, a}}; !samePairs(got, want) {
		t.Errorf("%d pairs, want %d", len(got), len(want))
	}
	if got, want := f.proposed(near, detention.Filter{}), [][2]uuid.UUID{{b, a}}; !samePairs(got, want) {
		t.Errorf("an operator of one city is shown %d pairs", len(got))
	}
	if got, want := f.proposed(chief, detention.Filter{DepartmentID: &f.almaly}), [][2]uuid.UUID{{a, b}, {a, c}}; !samePairs(got, want) {
		t.Errorf("of one department: %d pairs", len(got))
	}
	_, _, _, err = f.ledger.Proposals(f.ctx, p, detention.Filter{Limit: 1})
	f.refused(err, "forbidden")

	f.must(f.ledger.TellApart(f.ctx, chief, c, a, "отчества разные"))
	f.must(f.ledger.TellApart(f.ctx, chief, a, c, "сказано ещё раз"))
	f.counts(1, "select count(*) from told_apart")
	f.refused(f.ledger.TellApart(f.ctx, near, a, c, "x"), "not_found")
	f.refused(f.ledger.TellApart(f.ctx, chief, a, a, "x"), "not_found")
	f.refused(f.ledger.TellApart(f.ctx, chief, a, b, ""), "invalid", "/reason required")
	f.refused(f.ledger.TellApart(f.ctx, p, a, b, "x"), "forbidden")
	if got, want := f.proposed(chief, detention.Filter{}), [][2]uuid.UUID{{c, b}, {b, a}}; !samePairs(got, want) {
		t.Errorf("told apart: %d pairs", len(got))
	}
	if found, _, err := f.ledger.Duplicates(f.ctx, chief, c); err != nil || slices.ContainsFunc(found, func(d detention.Likeness) bool { return d.ID == a }) {
		t.Errorf("told apart, and proposed: %v", err)
	}
	// a and b are one now: c, who is not a, is not b either until somebody says more.
	f.merge(chief, a, b)
	if got := f.proposed(chief, detention.Filter{}); len(got) != 0 {
		t.Errorf("merged: %d pairs", len(got))
	}
	f.part(chief, b)
	if got, want := f.proposed(chief, detention.Filter{}), [][2]uuid.UUID{{c, b}}; !samePairs(got, want) {
		t.Errorf("parted: %d pairs", len(got))
	}
	// Found by the spelling of a record that was merged, the one that stands is shown.
	f.merge(chief, a, b)
	d := f.one(p, f.almaly, detention.Entry{Name: "Akhmetov Arman Serikovich", Facts: fact("birth_year", "1990")})
	found, _, err := f.ledger.Duplicates(f.ctx, chief, d)
	f.must(err)
	shown := make([]uuid.UUID, len(found))
	for i, l := range found {
		shown[i] = l.ID
	}
	if !slices.Contains(shown, a) || slices.Contains(shown, b) || len(shown) != len(slices.Compact(slices.Clone(shown))) {
		t.Errorf("shown %v", shown)
	}
	f.counts(0, "select count(*) from merges where merged_by <> $1", chief.Account) // nothing merges by itself
}

func samePairs(got, want [][2]uuid.UUID) bool {
	return len(got) == len(want) && !slices.ContainsFunc(want, func(pair [2]uuid.UUID) bool { return !slices.Contains(got, pair) })
}

// Two namesakes with other birth years are never proposed as certain, however rare the name, and whatever a third record says.
func TestNamesakesOfOtherYearsAreNeverCertain(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p, chief := f.lawyer(), f.coordinator()
	people := []string{"Ахметов Арман", "Ахметов Арман Серікұлы", "Әбдіғалиев Мұрат Тілеубердіұлы", "Ким Виктория", "Жүнісова Гүлнар Бекзатқызы"}
	for _, name := range people {
		for _, year := range []int{1950, 1972, 1990, 1993, 2009} {
			f.one(p, f.almaly, detention.Entry{Name: name, Facts: fact("birth_year", fmt.Sprint(year))})
		}
		f.one(p, f.medeu, detention.Entry{Name: name})
	}
	page, _, err := f.ledger.List(f.ctx, chief, detention.Filter{Limit: 100})
	f.must(err)
	pairs, certain := 0, 0
	judge := func() {
		for _, d := range page {
			found, _, err := f.ledger.Duplicates(f.ctx, chief, d.ID)
			f.must(err)
			for _, o := range found {
				pairs++
				if o.Verdict.Tier != names.Certain {
					continue
				}
				certain++
				if d.BirthYear != 0 && o.BirthYear != 0 && max(d.BirthYear, o.BirthYear)-min(d.BirthYear, o.BirthYear) > 1 {
					t.Errorf("%s of %d and of %d are certain", d.Name, d.BirthYear, o.BirthYear)
				}
			}
		}
	}
	judge()
	// Whoever has no year of their own takes that of the record they are merged with.
	var nameless, dated uuid.UUID
	for _, d := range page {
		if d.Name == people[1] && d.BirthYear == 0 {
			nameless = d.ID
		}
		if d.Name == people[1] && d.BirthYear == 1990 {
			dated = d.ID
		}
	}
	f.merge(chief, nameless, dated)
	found, _, err := f.ledger.Duplicates(f.ctx, chief, nameless)
	f.must(err)
	for _, o := range found {
		if o.Verdict.Tier == names.Certain && o.BirthYear != 0 && o.BirthYear != 1990 {
			t.Errorf("%s of 1990 and of %d are certain", o.Name, o.BirthYear)
		}
	}
	t.Logf("%d pairs proposed, %d of them certain", pairs, certain)
}

// Totals count a person once, where they are, of the assembly that any of their records names; nobody who does not exist.
func TestTotals(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p, chief, near := f.lawyer(), f.coordinator(), f.operator("almaty")
	assembly := uuid.New()
	f.exec(`insert into assemblies (id, organisation_id, client_id, title, city, starts_at, created_by, created_at, updated_at) values ($1, $2, $1, 'a', 'almaty', $3, $4, $3, $3)`,
		assembly, f.org, f.db.Now(), p.Account)
	batch := func(place uuid.UUID, at *uuid.UUID, list ...detention.Entry) []uuid.UUID {
		for i := range list {
			list[i].ClientID = uuid.New()
		}
		_, res, err := f.ledger.Record(f.ctx, p, detention.Batch{DepartmentID: place, AssemblyID: at, Entries: list})
		f.must(err)
		out := make([]uuid.UUID, len(res))
		for i, r := range res {
			out[i] = r.DetentionID
		}
		return out
	}
	of := batch(f.almaly, &assembly, detention.Entry{Name: "Ахметов Арман"}, detention.Entry{Name: "Сейтов Нұрлан", Facts: fact("birth_year", "2010")},
		detention.Entry{Name: "Ким Виктория"}, detention.Entry{Name: "Петров Сергей"}, detention.Entry{Name: "Оспанов Бекзат"})
	f.db.Clock.Move(time.Minute)
	twice := batch(f.medeu, nil, detention.Entry{Name: "Akhmetov Arman"})[0]
	_, err := f.ledger.PlantCanary(f.ctx, chief, f.medeu, detention.Entry{ClientID: uuid.New(), Name: "Жоқадам Ешқашан"})
	f.must(err)
	f.add(p, of[2], detention.MovedKind, 0, &f.saryarqa)
	_, _, err = f.ledger.Add(f.ctx, p, of[3], f.said("call", detention.ReleasedKind, 0, nil))
	f.must(err)
	f.add(p, of[4], detention.WithdrawnKind, 0, nil)
	_, err = f.ledger.Represent(f.ctx, p, twice, detention.Representation{})
	f.must(err)

	counted := func(who account.Principal, filter detention.Filter) detention.Totals {
		f.Helper()
		totals, err := f.ledger.Totals(f.ctx, who, filter)
		f.must(err)
		return totals
	}
	before := counted(chief, detention.Filter{AssemblyID: &assembly})
	if want := (detention.Counts{People: 4, Held: 3, Released: 1, ReleasedReported: 1, Minors: 1, WithoutLawyer: 3}); before.Total != want || len(before.Parts) != 2 {
		t.Errorf("%+v", before)
	}
	if got := counted(near, detention.Filter{DepartmentID: &f.medeu}).Total.People; got != 1 {
		t.Errorf("an operator counts %d, among them who does not exist", got)
	}
	if got := counted(near, detention.Filter{AssemblyID: &assembly}).Total.People; got != 3 {
		t.Errorf("an operator of one city counts %d", got)
	}
	// Merged, the one whose record names no assembly stands; the assembly loses nobody.
	f.merge(chief, twice, of[0])
	after := counted(chief, detention.Filter{AssemblyID: &assembly})
	if want := (detention.Counts{People: 4, Held: 3, Released: 1, ReleasedReported: 1, Minors: 1, WithoutLawyer: 2}); after.Total != want || len(after.Parts) != 3 {
		t.Errorf("%+v", after)
	}
	page, _, err := f.ledger.List(f.ctx, chief, detention.Filter{AssemblyID: &assembly, State: detention.Held, Limit: 100})
	if err != nil || !slices.Contains(ids(page), twice) || slices.Contains(ids(page), of[0]) || len(page) != 3 {
		t.Errorf("listed %d, %v", len(page), err)
	}
	f.part(chief, of[0])
	if now := counted(chief, detention.Filter{AssemblyID: &assembly}); now.Total != before.Total || len(now.Parts) != len(before.Parts) {
		t.Errorf("parted: %+v", now)
	}
	_, err = f.ledger.Totals(f.ctx, chief, detention.Filter{})
	f.refused(err, "invalid", "#assembly_id required", "#department_id required")
	_, err = f.ledger.Totals(f.ctx, f.person(grant{role: account.Admin, org: f.org}), detention.Filter{DepartmentID: &f.medeu})
	f.refused(err, "forbidden")
	foreign := f.person(grant{role: account.Coordinator, org: f.organisation()})
	if got := counted(foreign, detention.Filter{DepartmentID: &f.almaly}).Total; got != (detention.Counts{}) {
		t.Errorf("another organisation counts %+v", got)
	}
}
