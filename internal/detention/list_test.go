package detention_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/pkg/names"
)

// pages reads a list to its end.
func (f *field) pages(p account.Principal, filter detention.Filter, between func()) []uuid.UUID {
	f.Helper()
	var all []uuid.UUID
	for n := 0; ; n++ {
		page, more, err := f.ledger.List(f.ctx, p, filter)
		f.must(err)
		if len(page) > filter.Limit || (more && len(page) == 0) {
			f.Fatalf("page %d holds %d, more %t", n, len(page), more)
		}
		all = append(all, ids(page)...)
		if !more {
			return all
		}
		if filter.Query != "" {
			filter.Skip += len(page)
		} else {
			filter.Before = page[len(page)-1].ID
		}
		if between != nil {
			between()
		}
	}
}

func TestPagesLoseAndDoubleNothingWhileOthersLog(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p, other := f.lawyer(), f.lawyer()
	var mine []uuid.UUID
	for range 6 {
		for _, r := range f.record(p, f.almaly, entries(eleven...)...) {
			mine = append(mine, r.DetentionID)
		}
		f.record(other, f.almaly, entries(eleven[:4]...)...)
	}
	slices.Reverse(mine)
	stop, logged := make(chan struct{}), sync.WaitGroup{}
	logged.Go(func() {
		for range 100 {
			select {
			case <-stop:
				return
			default:
				f.record(p, f.almaly, entries(eleven[:3]...)...)
			}
		}
	})
	for _, limit := range []int{1, 7, 11, 50, 100} {
		var got []uuid.UUID
		for _, id := range f.pages(p, detention.Filter{Limit: limit}, func() { f.record(p, f.almaly, entries(eleven[:1]...)...) }) {
			if i := slices.Index(mine, id); i >= 0 {
				got = append(got, id)
			} else if len(got) > 0 {
				t.Errorf("limit %d: a newer one among the older", limit)
			}
		}
		if !slices.Equal(got, mine) {
			t.Errorf("limit %d: %d of %d, or in another order", limit, len(got), len(mine))
		}
	}
	close(stop)
	logged.Wait()
}

// What is left out of a page (canaries, erased records) must not end the list.
func TestPagesGoPastWhatIsNotShown(t *testing.T) {
	t.Parallel()
	f := newField(t)
	boss, p := f.coordinator(), f.operator()
	var want []uuid.UUID
	for i := range 12 {
		id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
		switch {
		case i%3 == 0:
			want = append(want, id)
		case i%3 == 1 || i > 7:
			f.must(f.db.InTx(f.ctx, func(tx *pg.Tx) error { return seal.Destroy(f.ctx, tx, id) }))
		default:
			_, err := f.ledger.PlantCanary(f.ctx, boss, f.almaly, detention.Entry{ClientID: uuid.New(), Name: "Оспанов Бекзат"})
			f.must(err)
			want = append(want, id)
		}
	}
	slices.Reverse(want)
	for limit := 1; limit <= 6; limit++ {
		if got := f.pages(p, detention.Filter{Limit: limit}, nil); !slices.Equal(got, want) {
			t.Errorf("limit %d: %d shown, want %d", limit, len(got), len(want))
		}
		got := f.pages(p, detention.Filter{Limit: limit, Query: "Оспанов"}, nil)
		if len(got) != len(want) {
			t.Errorf("limit %d, by name: %d shown, want %d", limit, len(got), len(want))
		}
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	f := newField(t)
	boss, p := f.coordinator(), f.lawyer()
	assembly := uuid.New()
	f.exec(`insert into assemblies (id, organisation_id, client_id, title, city, starts_at, created_at, updated_at) values ($1, $2, $1, 't', 'almaty', $3, $3, $3)`,
		assembly, f.org, f.db.Now())
	a := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
	_, res, err := f.ledger.Record(f.ctx, boss, detention.Batch{DepartmentID: f.medeu, AssemblyID: &assembly, Entries: entries("Сейтов Нұрлан")})
	f.must(err)
	b := res[0].DetentionID
	f.add(boss, a, detention.ReleasedKind, 0, nil)
	for name, c := range map[string]struct {
		filter detention.Filter
		want   []uuid.UUID
	}{
		"all":        {detention.Filter{}, []uuid.UUID{b, a}},
		"department": {detention.Filter{DepartmentID: &f.almaly}, []uuid.UUID{a}},
		"assembly":   {detention.Filter{AssemblyID: &assembly}, []uuid.UUID{b}},
		"state":      {detention.Filter{State: detention.Released}, []uuid.UUID{a}},
		"mine":       {detention.Filter{RecordedByMe: true}, []uuid.UUID{b}},
		"both":       {detention.Filter{RecordedByMe: true, State: detention.Released}, []uuid.UUID{}},
		"by name":    {detention.Filter{Query: "Оспанов", DepartmentID: &f.medeu}, []uuid.UUID{}},
	} {
		before := f.count("select count(*) from audit_entries where action = 'detention.listed'")
		c.filter.Limit = 10
		page, more, err := f.ledger.List(f.ctx, boss, c.filter)
		if err != nil || more || !slices.Equal(ids(page), c.want) {
			t.Errorf("%s: %v, more %t, %v", name, ids(page), more, err)
		}
		f.counts(before+1, "select count(*) from audit_entries where action = 'detention.listed'") // one row for the list
	}
}

func TestFoundByName(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	res := f.record(p, f.almaly, entries(eleven...)...)
	at := func(i int) uuid.UUID { return res[i].DetentionID }
	alias := f.one(p, f.almaly, detention.Entry{Description: "мужчина, около 40", AlsoKnownAs: []string{"Рахимбаев Тимур"}})
	for query, want := range map[string]uuid.UUID{
		"Ахметов": at(0), "Akhmetov": at(0), "Akhmetov Arman": at(0), "arman akhmetov": at(0), "Ахметов Арман Серикович": at(0),
		"Kim Viktoria": at(6), "Виктория Ким": at(6), "Kassymov Dauren": at(4), "Ospanov Bekzat": at(7), "Zhunisova Gulnar": at(8), "Rakhimbayev Timur": alias,
	} {
		page, more, err := f.ledger.List(f.ctx, p, detention.Filter{Query: query, Limit: 10})
		f.must(err)
		if len(page) == 0 || page[0].ID != want || more {
			t.Errorf("%s finds %d, the first %v", query, len(page), ids(page))
		}
	}
	for _, query := range []string{"Жаңабаев Олжас", "Zhanabayev"} {
		if page, _, err := f.ledger.List(f.ctx, p, detention.Filter{Query: query, Limit: 10}); err != nil || len(page) != 0 {
			t.Errorf("%s finds %d, %v", query, len(page), err)
		}
	}
	_, _, err := f.ledger.List(f.ctx, p, detention.Filter{Query: "...", Limit: 10})
	f.refused(err, "invalid", "#q bad_format")
}

func TestTooManyNamesakesAreSaidAloud(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	for range names.Compared / detention.MaxBatch {
		f.record(p, f.almaly, entries(slices.Repeat([]string{"Оспанов Бекзат"}, detention.MaxBatch)...)...)
	}
	all := func(query string) int {
		return len(f.pages(p, detention.Filter{Query: query, Limit: 100}, nil))
	}
	if n := all("Ospanov"); n != names.Compared {
		t.Errorf("%d of %d", n, names.Compared)
	}
	f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
	for _, query := range []string{"Оспанов", "Ospanov Bekzat"} {
		_, _, err := f.ledger.List(f.ctx, p, detention.Filter{Query: query, Limit: 100})
		f.refused(err, "invalid", "#q too_many")
	}
	id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Марат"})
	if page, _, err := f.ledger.List(f.ctx, p, detention.Filter{Query: "Ospanov Marat", Limit: 5}); err != nil || len(page) == 0 || page[0].ID != id {
		t.Errorf("more of the name: %v, %v", ids(page), err)
	}
}
