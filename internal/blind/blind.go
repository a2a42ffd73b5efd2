// Package blind finds who may be meant by a name without the database knowing any name.
//
// Each stored name leaves keyed hashes of its forms in name_keys; asking for a name computes the same hashes for the other
// side and looks for a common one. What comes back are candidates: rows to open and to compare with pkg/names, which decides.
// The two sides hash under different keys, so that a dump cannot join searches with detentions.
//
// This is the one place that a better index replaces: Stored and Asked say which keys a name leaves and asks for,
// Candidates asks.
package blind

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/pkg/names"
)

// Limit is how many candidates one look takes. More is said aloud (overflow), never cut in silence: 1,000 is where
// ordering by shared keys still kept the right one at 1,000,000 records (names.md, section 3).
const Limit = 1000

// Index computes keys and asks for candidates.
type Index struct {
	ring *seal.Ring
}

// NewIndex makes the index over the ring's blind keys.
func NewIndex(ring *seal.Ring) *Index { return &Index{ring: ring} }

// Kinds of keys. A pair of words carries a name. One word carries it only together with a birth year: "solo" is left by
// names of one word, so that a full name can ask for them without meeting every namesake; "word" is left on the search side by
// all, for a detention of which one word is known. "any" is left on the detention side alone: for a lawyer's look through a
// list by one word, and for a search of one word. (What the detention side leaves is paid for in every batch.)
const (
	kindPair = "p|"
	kindSolo = "1|"
	kindWord = "w|"
	kindAny  = "a|"
)

// Stored gives the keys that a person leaves on a side.
func (x *Index) Stored(side seal.Side, p names.Person) []int32 {
	out := make([]int32, 0, 32)
	b := x.ring.Blinder(side)
	year := "|" + strconv.Itoa(p.BirthYear)
	for _, n := range p.Names {
		for _, k := range n.PairKeys() {
			out = append(out, b.Blind(kindPair+string(k)))
		}
		for _, k := range n.WordKeys() {
			if side == seal.DetentionSide {
				out = append(out, b.Blind(kindAny+string(k)))
			} else if p.BirthYear != 0 {
				out = append(out, b.Blind(kindWord+string(k)+year))
			}
			if p.BirthYear != 0 && n.Words() == 1 {
				out = append(out, b.Blind(kindSolo+string(k)+year))
			}
		}
	}
	return distinct(out)
}

// Asked gives the keys to look for on a side when searching for a person there; the birth year may be one off.
func (x *Index) Asked(side seal.Side, p names.Person) []int32 {
	out := make([]int32, 0, 32)
	b := x.ring.Blinder(side)
	for _, n := range p.Names {
		for _, k := range n.PairKeys() {
			out = append(out, b.Blind(kindPair+string(k)))
		}
		for _, k := range n.WordKeys() {
			switch {
			case n.Words() == 1 && side == seal.DetentionSide:
				out = append(out, b.Blind(kindAny+string(k)))
			case n.Words() == 1 && p.BirthYear != 0:
				out = appendYears(out, b, kindWord+string(k), p.BirthYear)
			}
			if p.BirthYear != 0 {
				out = appendYears(out, b, kindSolo+string(k), p.BirthYear)
			}
		}
	}
	return distinct(out)
}

// appendYears adds a word with the birth year and the years beside it.
func appendYears(out []int32, b *seal.Blinder, word string, year int) []int32 {
	for y := year - 1; y <= year+1; y++ {
		out = append(out, b.Blind(word+"|"+strconv.Itoa(y)))
	}
	return out
}

func distinct(keys []int32) []int32 {
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Put replaces the keys of one owner. Keys of an earlier epoch go too: they are of the name that was replaced. Someone without
// a name leaves none.
func (x *Index) Put(ctx context.Context, tx *pg.Tx, side seal.Side, owner uuid.UUID, keys []int32) error {
	if len(keys) == 0 {
		return x.Drop(ctx, tx, side, owner)
	}
	_, err := tx.Exec(ctx, `with outdated as (delete from name_keys where owner_id = $2 and side = $1 and epoch <> $3)
		insert into name_keys (side, owner_id, epoch, keys) values ($1, $2, $3, $4)
		on conflict (owner_id, side, epoch) do update set keys = excluded.keys`, side, owner, x.ring.Epoch(), keys)
	if err != nil {
		return fmt.Errorf("put name keys: %w", err)
	}
	return nil
}

// Drop takes an owner out of the index, in every epoch.
func (x *Index) Drop(ctx context.Context, tx *pg.Tx, side seal.Side, owner uuid.UUID) error {
	if _, err := tx.Exec(ctx, "delete from name_keys where side = $1 and owner_id = $2", side, owner); err != nil {
		return fmt.Errorf("drop name keys: %w", err)
	}
	return nil
}

// The sides are written out so that the planner can use the side's own partial index. The array operator's estimate is
// poor for keys that are in no statistics: without enable_seqscan off it reads the whole table (names.md, planner trap).
const (
	someCandidates = `select owner_id from name_keys where side = '%[1]s' and epoch = $1 and keys && $2::int[] limit $3`
	bestCandidates = `select owner_id from name_keys where side = '%[1]s' and epoch = $1 and keys && $2::int[]
		order by cardinality(array(select unnest(keys) intersect select unnest($2::int[]))) desc, owner_id limit $3`
)

// Candidates gives who on that side shares a key, at most Limit; overflow says that there were more and that those with the
// most keys in common were taken.
func (x *Index) Candidates(ctx context.Context, tx *pg.Tx, side seal.Side, keys []int32) (owners []uuid.UUID, overflow bool, err error) {
	if len(keys) == 0 {
		return nil, false, nil
	}
	owners, err = x.ask(ctx, tx, fmt.Sprintf(someCandidates, side), keys, Limit+1)
	if err != nil || len(owners) <= Limit {
		return owners, false, err
	}
	owners, err = x.ask(ctx, tx, fmt.Sprintf(bestCandidates, side), keys, Limit)
	return owners, true, err
}

// askable gives which of several key sets anyone on the search side shares a key with.
const askable = `select q.i from unnest($2::text[]) with ordinality q(keys, i)
	where exists (select 1 from name_keys n where n.side = 'search' and n.epoch = $1 and n.keys && q.keys::int[])`

// Sought tells, for each set of keys, whether any search may be meant: one statement for a whole batch, because most of those
// who are logged are not searched for yet.
func (x *Index) Sought(ctx context.Context, tx *pg.Tx, sets [][]int32) ([]bool, error) {
	texts := make([]string, len(sets))
	for i, keys := range sets {
		texts[i] = ArrayText(keys)
	}
	out := make([]bool, len(sets))
	b := &pgx.Batch{}
	b.Queue("set local enable_seqscan = off")
	b.Queue(askable, x.ring.Epoch(), texts).Query(func(rows pgx.Rows) error {
		var i int64
		_, err := pgx.ForEachRow(rows, []any{&i}, func() error {
			out[i-1] = true
			return nil
		})
		return err
	})
	b.Queue("set local enable_seqscan = on")
	if err := tx.Send(ctx, b).Close(); err != nil {
		return nil, fmt.Errorf("ask who is sought: %w", err)
	}
	return out, nil
}

// ArrayText is the text form of an integer array: unnest cannot take an array of arrays of different lengths.
func ArrayText(keys []int32) string {
	b := make([]byte, 0, 2+11*len(keys))
	b = append(b, '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(k), 10)
	}
	return string(append(b, '}'))
}

func (x *Index) ask(ctx context.Context, tx *pg.Tx, query string, keys []int32, limit int) ([]uuid.UUID, error) {
	b := &pgx.Batch{}
	b.Queue("set local enable_seqscan = off")
	var owners []uuid.UUID
	b.Queue(query, x.ring.Epoch(), keys, limit).Query(func(rows pgx.Rows) (err error) {
		owners, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	b.Queue("set local enable_seqscan = on")
	if err := tx.Send(ctx, b).Close(); err != nil {
		return nil, fmt.Errorf("ask for candidates: %w", err)
	}
	return owners, nil
}
