package finder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/pkg/names"
)

// Kept is how long what was asked for is counted.
const Kept = 24 * time.Hour

// An attempt is sealed under the key of the month in which it was made.
const attemptPlace = "search_attempts.names_ct"

// Attempt is a request that named someone: each two words by which a person could be found, and the first attempt of the row of
// attempts in which it stands.
type Attempt struct {
	ID    uuid.UUID `json:"-"`
	At    time.Time `json:"-"`
	Names []string  `json:"names"`
	First uuid.UUID `json:"first"`
}

// Seal seals an attempt for its row. All of about one length look alike: two of one name must not be known by it.
func (a Attempt) Seal(key seal.Key, row uuid.UUID) ([]byte, error) {
	plain, err := json.Marshal(a)
	if err != nil {
		return nil, errors.New("encode attempt: it does not go into JSON") // the encoder's own text may repeat a name
	}
	plain = append(plain, bytes.Repeat([]byte{' '}, attemptStep-len(plain)%attemptStep)...)
	return key.Seal(attemptPlace, row, plain)
}

const attemptStep = 512

// attempts are those of the last day.
type attempts struct {
	index *names.Index[attemptName]

	mu   sync.RWMutex
	made map[uuid.UUID]Attempt
	row  []uuid.UUID // in the order in which they became visible
}

// attemptName is one of the names of an attempt.
type attemptName struct {
	attempt uuid.UUID
	n       int
}

func newAttempts() *attempts {
	return &attempts{index: names.NewIndex[attemptName](nil), made: map[uuid.UUID]Attempt{}}
}

func (a *attempts) add(at Attempt) {
	a.mu.Lock()
	a.made[at.ID] = at
	a.row = append(a.row, at.ID)
	a.mu.Unlock()
	for n, name := range at.Names {
		a.index.Put(attemptName{at.ID, n}, names.Person{Names: []names.Name{names.Parse(name)}})
	}
}

// forget drops what was made before.
func (a *attempts) forget(before time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.row) > 0 && !a.made[a.row[0]].At.After(before) {
		for n := range a.made[a.row[0]].Names {
			a.index.Remove(attemptName{a.row[0], n})
		}
		delete(a.made, a.row[0])
		a.row = a.row[1:]
	}
}

func (f *Finder) feedAttempts(ctx context.Context, rows pgx.Rows) error {
	var id uuid.UUID
	var at time.Time
	var ct []byte
	_, err := pgx.ForEachRow(rows, []any{&id, &at, &ct}, func() error {
		made := Attempt{ID: id, At: at}
		key, err := f.ring.PeriodKey(seal.Period(at))
		if errors.Is(err, seal.ErrDestroyed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("open attempt: %w", err)
		}
		if err := key.OpenJSON(attemptPlace, id, ct, &made); err != nil {
			f.log.ErrorContext(ctx, "an attempt does not open and is not counted", "id", id)
			return nil
		}
		f.held.attempts.add(made)
		return nil
	})
	return err
}

// anew is how many times more are compared where the first left some out that share as much, and few of them were meant. Of a day of 120,000 searches three of ten
// have more than a hundred before them that share the sounds of both words (of Серіков Серік all the Серіковs), and none more than a thousand; comparing these
// takes 2.3 ms.
const anew = 10

// Attempts gives those after a time that asked for the same two words, in whatever spelling, the latest first. So many are compared, those that share
// the most, or some more (anew); where even more share the words, more is true.
func (l *Look) Attempts(name string, after time.Time, most int) (found []Attempt, more bool) {
	q := names.Parse(name)
	if found, more = l.asked(q, after, most); more && len(found) < most/2 {
		found, more = l.asked(q, after, anew*most)
	}
	slices.SortFunc(found, func(x, y Attempt) int { return y.At.Compare(x.At) })
	return found, more
}

// asked gives the attempts for q among those that share the most with it, at most so many of them.
func (l *Look) asked(q names.Name, after time.Time, most int) (found []Attempt, more bool) {
	hits, more := l.in.attempts.index.Writings(q, most)
	a := l.in.attempts
	a.mu.RLock()
	defer a.mu.RUnlock()
	seen, written := map[uuid.UUID]bool{}, map[string]bool{} // many write a name alike: it is compared once
	for _, h := range hits {
		made, there := a.made[h.attempt]
		if !there || seen[made.ID] || !made.At.After(after) {
			continue
		}
		text := made.Names[h.n]
		meant, known := written[text]
		if !known {
			meant = same(q, names.Parse(text))
			written[text] = meant
		}
		if meant {
			seen[made.ID] = true
			found = append(found, made)
		}
	}
	return found, more
}

// SameWords tells whether two names are writings of the same words. How rare they are is no question here: who asks for a common
// name over and over asks for one name.
func SameWords(a, b string) bool { return same(names.Parse(a), names.Parse(b)) }

func same(a, b names.Name) bool {
	v := names.Compare(names.Person{Names: []names.Name{a}}, names.Person{Names: []names.Name{b}})
	if a.Words() == 1 && b.Words() == 1 {
		return v.Tier >= names.Possible // a word by itself is no more than that
	}
	return v.Tier >= names.Likely
}
