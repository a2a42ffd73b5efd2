package blind_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/blind"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/pkg/names"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func open(t *testing.T, db *pgtest.Database) *blind.Index {
	t.Helper()
	ks, err := seal.NewKeyset(db.Now())
	if err != nil {
		t.Fatal(err)
	}
	ring, err := seal.Open(ks)
	if err != nil {
		t.Fatal(err)
	}
	return blind.NewIndex(ring)
}

func person(year int, forms ...string) names.Person {
	p := names.Person{BirthYear: year}
	for _, n := range forms {
		p.Names = append(p.Names, names.Parse(n))
	}
	return p
}

func meet(a, b []int32) bool {
	return slices.ContainsFunc(a, func(k int32) bool { return slices.Contains(b, k) })
}

// Who is meant by whom: a name of two words carries itself; one word needs the year on the search side, and finds everyone
// with that word on the detention side.
func TestAskedMeetsStored(t *testing.T) {
	t.Parallel()
	x := open(t, pgtest.New(t))
	for name, c := range map[string]struct {
		stored, asked names.Person
		search, held  bool
	}{
		"another script and order":   {person(0, "Ахметов Арман Серікұлы"), person(0, "Arman Akhmetov"), true, true},
		"another form":               {person(0, "Белгісіз Біреу", "Ахметов Арман"), person(0, "Akhmetov Arman"), true, true},
		"another person":             {person(1990, "Ахметов Арман"), person(1990, "Сейтов Нұрлан"), false, false},
		"one word without a year":    {person(0, "Ахметов"), person(0, "Akhmetov"), false, true},
		"one word with the year":     {person(1990, "Ахметов"), person(1990, "Ахметов"), true, true},
		"a year off by one":          {person(1990, "Ахметов"), person(1991, "Ахметов"), true, true},
		"a year off by two":          {person(1990, "Ахметов"), person(1992, "Ахметов"), false, true},
		"one word asks a full name":  {person(1990, "Ахметов Арман"), person(1989, "Ахметов"), true, true},
		"a given name alone asks":    {person(1990, "Ахметов Арман Серікұлы"), person(1990, "Arman"), true, true},
		"a full name asks one word":  {person(1990, "Ахметов"), person(1990, "Ахметов Арман"), true, true},
		"a full name, no namesakes":  {person(1990, "Ахметов Берік"), person(1990, "Ахметов Арман"), false, false},
		"one word asks, year lacks":  {person(0, "Ахметов Арман"), person(1990, "Ахметов"), false, true},
		"another word":               {person(1990, "Ахметов Арман"), person(1990, "Сейтов"), false, false},
		"nobody":                     {person(1990), person(1990), false, false},
		"the same year is no person": {person(1990, "Ахметов Арман"), person(1990), false, false},
	} {
		for side, want := range map[seal.Side]bool{seal.SearchSide: c.search, seal.DetentionSide: c.held} {
			if got := meet(x.Stored(side, c.stored), x.Asked(side, c.asked)); got != want {
				t.Errorf("%s, %s side: meet %t", name, side, got)
			}
		}
	}
}

// A dump holds nothing that joins the two sides, and nothing that another keyset would hash alike.
func TestSidesDoNotJoin(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	x, other := open(t, db), open(t, db)
	p := person(1990, "Ахметов Арман Серікұлы", "Сейтов", "Ким Виктория")
	search, detention := x.Stored(seal.SearchSide, p), x.Stored(seal.DetentionSide, p)
	if len(search) == 0 || meet(search, detention) {
		t.Error("a key stands on both sides")
	}
	if meet(detention, other.Stored(seal.DetentionSide, p)) {
		t.Error("two keysets hash alike")
	}
	if !slices.Equal(detention, x.Stored(seal.DetentionSide, person(1990, "Ким Виктория", "Сейтов", "Ахметов Арман Серікұлы"))) {
		t.Error("keys tell in which order the forms were given")
	}
	if !slices.IsSorted(detention) || len(slices.Compact(slices.Clone(detention))) != len(detention) {
		t.Error("keys are not a sorted set")
	}
}

func TestPutAskDrop(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	x := open(t, db)
	ctx := context.Background()
	in := func(fn func(tx *pg.Tx) error) {
		t.Helper()
		if err := db.InTx(ctx, fn); err != nil {
			t.Fatal(err)
		}
	}
	arman, dauren := person(0, "Ахметов Арман"), person(0, "Қасымов Дәурен")
	owner, searcher := uuid.New(), uuid.New()
	in(func(tx *pg.Tx) error {
		return x.Put(ctx, tx, seal.DetentionSide, owner, x.Stored(seal.DetentionSide, arman))
	})
	in(func(tx *pg.Tx) error {
		return x.Put(ctx, tx, seal.SearchSide, searcher, x.Stored(seal.SearchSide, arman))
	})
	finds := func(side seal.Side, p names.Person, want ...uuid.UUID) {
		t.Helper()
		in(func(tx *pg.Tx) error {
			got, overflow, err := x.Candidates(ctx, tx, side, x.Asked(side, p))
			if !slices.Equal(got, want) || overflow {
				t.Errorf("finds %v, want %v, overflow %t", got, want, overflow)
			}
			return err
		})
	}
	finds(seal.DetentionSide, person(0, "Arman Akhmetov"), owner)
	finds(seal.SearchSide, person(0, "Arman Akhmetov"), searcher)
	finds(seal.DetentionSide, dauren)
	finds(seal.DetentionSide, person(1990, "Ахметов"), owner)
	finds(seal.SearchSide, person(1990, "Ахметов"))
	in(func(tx *pg.Tx) error {
		sought, err := x.Sought(ctx, tx, [][]int32{x.Asked(seal.SearchSide, dauren), nil, x.Asked(seal.SearchSide, arman)})
		if !slices.Equal(sought, []bool{false, false, true}) {
			t.Errorf("sought %v", sought)
		}
		return err
	})

	in(func(tx *pg.Tx) error {
		return x.Put(ctx, tx, seal.DetentionSide, owner, x.Stored(seal.DetentionSide, dauren))
	})
	finds(seal.DetentionSide, person(0, "Arman Akhmetov"))
	finds(seal.DetentionSide, person(0, "Kassymov Dauren"), owner)
	// Someone whose name was taken away leaves none: not a row without keys, and no fault.
	in(func(tx *pg.Tx) error {
		return x.Put(ctx, tx, seal.DetentionSide, owner, x.Stored(seal.DetentionSide, person(1990)))
	})
	finds(seal.DetentionSide, dauren)
	in(func(tx *pg.Tx) error {
		return x.Put(ctx, tx, seal.DetentionSide, owner, x.Stored(seal.DetentionSide, dauren))
	})
	in(func(tx *pg.Tx) error { return x.Drop(ctx, tx, seal.DetentionSide, owner) })
	finds(seal.DetentionSide, dauren)
	finds(seal.SearchSide, arman, searcher)
	in(func(tx *pg.Tx) error { return x.Drop(ctx, tx, seal.SearchSide, searcher) })
	finds(seal.SearchSide, arman)
	// The look leaves the planner as it found it for what comes after in the transaction.
	in(func(tx *pg.Tx) error {
		if _, _, err := x.Candidates(ctx, tx, seal.SearchSide, x.Asked(seal.SearchSide, arman)); err != nil {
			return err
		}
		var on string
		if err := tx.QueryRow(ctx, "show enable_seqscan").Scan(&on); err != nil || on != "on" {
			t.Errorf("enable_seqscan is %s, %v", on, err)
		}
		return nil
	})
}

// Beyond the limit those with the most in common are taken, and it is said.
func TestOverflowKeepsTheBest(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	x := open(t, db)
	ctx := context.Background()
	asked := x.Asked(seal.DetentionSide, person(1990, "Ахметов Арман Серікұлы"))
	if len(asked) < 3 {
		t.Fatalf("%d keys", len(asked))
	}
	best := uuid.New()
	look := func() ([]uuid.UUID, bool) {
		t.Helper()
		var got []uuid.UUID
		var overflow bool
		if err := db.InTx(ctx, func(tx *pg.Tx) (err error) {
			got, overflow, err = x.Candidates(ctx, tx, seal.DetentionSide, asked)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return got, overflow
	}
	if _, err := db.Pool.Exec(ctx, `insert into name_keys (side, owner_id, epoch, keys) select 'detention', gen_random_uuid(), 1, array[$1::int, g] from generate_series(1, $2::int) g`,
		asked[0], blind.Limit); err != nil {
		t.Fatal(err)
	}
	if got, overflow := look(); len(got) != blind.Limit || overflow {
		t.Errorf("at the limit: %d, overflow %t", len(got), overflow)
	}
	if _, err := db.Pool.Exec(ctx, "insert into name_keys (side, owner_id, epoch, keys) values ('detention', $1, 1, $2)", best, asked[:3]); err != nil {
		t.Fatal(err)
	}
	if got, overflow := look(); len(got) != blind.Limit || !overflow || got[0] != best {
		t.Errorf("above the limit: %d, overflow %t, the best first %t", len(got), overflow, len(got) > 0 && got[0] == best)
	}
}
