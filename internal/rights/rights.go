// Package rights watches over people in custody while the legal clocks run: which limits near their end or have passed, which rights
// somebody has looked after, which were broken. It exists so that nobody has to remember when three hours end, and so that a broken right
// reaches a coordinator with the norm to quote.
//
// States. A clock: running ─▶ warned ─▶ met | breached; or lifted by a longer one (internal/law). An item of the checklist: open ─▶ overdue,
// done ─▶ open again where it repeats, breached ─▶ done. Neither is kept: both are read off the chain and the answers, whenever somebody
// looks. What is kept is when to look next (clocks.next_at), what was told already (clock_marks), and the numbers that SQL adds up.
//
// Invariants. Each warning, each breach and each time at which an item becomes overdue is told once, whatever restarts and however many
// nodes look; a corrected start makes new times, which are told anew. A tick costs one look into an index while nothing is due. A record
// that cannot be read stops nobody else's clock. After an outage what is late comes at once: of a limit that has passed meanwhile
// the breach, not the warning. Answers are only added; which item they are about is sealed.
package rights

import (
	"log/slog"
	"time"

	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// Watch is the watch over rights and clocks.
type Watch struct {
	db     *pg.DB
	ring   *seal.Ring
	audit  *audit.Log
	ledger *detention.Ledger
	book   law.Book
	log    *slog.Logger
}

// Options of New; all are needed.
type Options struct {
	DB         *pg.DB
	Ring       *seal.Ring
	Audit      *audit.Log
	Detentions *detention.Ledger
	Law        law.Book
	Log        *slog.Logger
}

// New makes a watch.
func New(o Options) *Watch {
	return &Watch{db: o.DB, ring: o.Ring, audit: o.Audit, ledger: o.Detentions, book: o.Law, log: o.Log}
}

// version is the law that a case keeps: the one in force when liberty was restricted, as far as that is known.
func (w *Watch) version(f detention.File) *law.Version { return w.book.At(f.Began()) }

// standing is a custody as the rules read it.
type standing struct {
	version *law.Version
	clocks  []law.Clock
	tasks   []law.Task
	later   time.Time // when the next of what was said comes true: a phone's clock may run ahead; zero: nothing is ahead
}

// judge applies the law to a file.
func (w *Watch) judge(f detention.File, answers []law.Answer, paces map[string]law.Pace, now time.Time) standing {
	c := f.Case()
	c.Answers = answers
	v := w.version(f)
	s := standing{version: v, clocks: v.Clocks(c, now), tasks: v.Checklist(c, paces, now)}
	ahead := func(at time.Time) {
		if at.After(now) && (s.later.IsZero() || at.Before(s.later)) {
			s.later = at
		}
	}
	for _, e := range c.Events {
		ahead(e.At)
	}
	for _, a := range answers {
		ahead(a.At)
	}
	return s
}

// next is when somebody must look again; pgx reads infinity as never.
func (s standing) next(now time.Time) any {
	at, ok := law.NextAt(s.clocks, now)
	if due, more := law.NextDue(s.tasks, now); more && (!ok || due.Before(at)) {
		at, ok = due, true
	}
	if !s.later.IsZero() && (!ok || s.later.Before(at)) {
		at, ok = s.later, true
	}
	if !ok {
		return "infinity"
	}
	return at
}

// numbers are what SQL may add up.
type numbers struct {
	breached, broken, overdue int
	due                       *time.Time // when the next limit of detention ends
}

func (s standing) numbers(now time.Time) numbers {
	var n numbers
	for _, k := range s.clocks {
		if k.Limit.Kind == law.Benchmark {
			continue
		}
		if k.State == law.Breached {
			n.breached++
		}
		if k.State == law.Running && k.Limit.Kind == law.MaxDetention && k.Due.After(now) && (n.due == nil || k.Due.Before(*n.due)) {
			n.due = &k.Due
		}
	}
	for _, t := range s.tasks {
		switch {
		case t.State == law.TaskBreach:
			n.broken++
		case t.State == law.TaskOverdue && !t.Uncertain:
			n.overdue++
		}
	}
	return n
}

// watched tells whether somebody looks after this custody at all: not what was entered by mistake. Files leave out records that were
// merged into another one.
func watched(f detention.File) bool { return f.Custody.State != detention.Withdrawn }
