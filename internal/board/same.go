package board

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/door"
)

// A board stands open on many screens, and between two changes all of them ask for the same. What was counted for one is kept for the next who
// asks the same by the same rights, until something changes: a row (the view is read anew) or, by the clock alone, a limit that passes or a word
// about a door that grows old.

// question is what a board depends on beside what is known: what is asked for, and by which rights.
type question struct {
	city                 string
	assembly, department uuid.UUID
	by                   string
}

// everybody is the right of the service itself; no grant reads like it.
const everybody = "*"

func questionOf(p account.Principal, f Filter) question {
	q := question{city: f.City}
	if f.AssemblyID != nil {
		q.assembly = *f.AssemblyID
	}
	if f.DepartmentID != nil {
		q.department = *f.DepartmentID
	}
	var by strings.Builder
	for _, g := range p.Grants {
		if g.Organisation == p.Organisation && g.Role != account.Admin {
			fmt.Fprintf(&by, "%s%q", g.Role, g.Cities)
		}
		if g.Role == account.Lawyer || p.Account != p.Owner {
			by.WriteString(p.Account.String()) // what a lawyer sees hangs on where they are; a shadow stands in its own name
		}
	}
	q.by = by.String()
	return q
}

// answer is a board that was counted, and what was made of it for its readers.
type answer struct {
	Shown
	from, until time.Time
	once        sync.Once
	made        any
	err         error
}

// mostKept bounds the answers of an organisation that are kept: coordinators share a few, lawyers have one each.
const mostKept = 512

// kept gives the answer to a question that still stands, or counts it anew; under the view's lock.
func (v *view) kept(q question, now time.Time, count func() Shown) *answer {
	if a := v.answers[q]; a != nil && !now.Before(a.from) && now.Before(a.until) {
		return a
	}
	if v.answers == nil || len(v.answers) >= mostKept {
		v.answers = map[question]*answer{}
	}
	a := &answer{Shown: count(), from: now, until: v.turns(now)}
	v.answers[q] = a
	return a
}

// turns is when the clock alone next changes what is shown of anybody.
func (v *view) turns(now time.Time) time.Time {
	next := now.Add(renew)
	for _, p := range v.people {
		if p.NextDue != nil && p.NextDue.After(now) && p.NextDue.Before(next) {
			next = *p.NextDue
		}
	}
	for _, reports := range v.doors {
		if turn := door.Turns(reports, now); !turn.IsZero() && turn.Before(next) {
			next = turn
		}
	}
	return next
}

// Answer gives what its caller makes of a board for this reader; of makes it once for all who are shown the same. Faults: forbidden.
func (b *Board) Answer(ctx context.Context, p account.Principal, f Filter, of func(Shown) (any, error)) (any, error) {
	a, err := b.answer(ctx, p, f)
	if err != nil {
		return nil, err
	}
	a.once.Do(func() { a.made, a.err = of(a.Shown) })
	return a.made, a.err
}
