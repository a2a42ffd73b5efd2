package day

import (
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// ledger is the simulator's own book of what the server acknowledged, and of who must be told. It is kept from answers alone; the
// server is never asked for it.
type ledger struct {
	mu       sync.Mutex
	custody  map[*person]*custody
	person   map[uuid.UUID]*person // by record
	family   map[uuid.UUID]*family // by search
	people   []*person
	families []*family
	lawyers  []*worker
	places   []placeOf
	trouble  []string // what went wrong in the telling of the day itself: each is a difference

	records, batches, again, repeated, merged int
	confirmed, rejected, holds                int
	offers, accepted, taken, declined, doors  int
	first                                     map[int]time.Time // by department: the first person acknowledged there
	reached                                   map[int]time.Time // by department: the first lawyer's check-in acknowledged
	heldUp                                    map[*family]bool  // families whom a person's decision let hear
	passedOn                                  map[uuid.UUID]int // by match: how many operators had to leave it to another
}

// placeOf is what the book knows of a department.
type placeOf struct {
	city  string
	names []string // in all languages
}

// custody is a person as the server acknowledged them.
type custody struct {
	records     []uuid.UUID
	by          *worker // who logged the first record
	recorded    time.Time
	acked       time.Time // the answer to the first report
	place       int
	assembly    int
	state       string // held, released, hospitalised
	rumour      bool   // a release is reported that nobody has seen
	represented bool
	merged      bool
	turns       int
}

func newLedger() *ledger {
	return &ledger{custody: map[*person]*custody{}, person: map[uuid.UUID]*person{}, family: map[uuid.UUID]*family{},
		first: map[int]time.Time{}, reached: map[int]time.Time{}, heldUp: map[*family]bool{}, passedOn: map[uuid.UUID]int{}}
}

// inCustody tells whether a board counts them: a rumour of a release ends nothing.
func (c *custody) inCustody() bool { return c.state != released || c.rumour }

// logged keeps a record. Called in the order of acknowledgement.
func (l *ledger) logged(line report, id uuid.UUID, by *worker, b bus, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if was := l.person[id]; was != nil {
		l.trouble = append(l.trouble, "one record for two people: "+id.String())
	}
	l.person[id] = line.person
	l.records++
	c := l.custody[line.person]
	if c == nil {
		c = &custody{by: by, recorded: at, acked: at, place: b.place, assembly: b.assembly, state: "held"}
		l.custody[line.person] = c
	}
	c.records = append(c.records, id)
	if _, known := l.first[b.place]; !known {
		l.first[b.place] = at
	}
}

// turned keeps what happened to somebody.
func (l *ledger) turned(t turn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.custody[t.person]
	c.turns++
	switch t.kind {
	case moved:
		c.place = t.to
	case released:
		c.state = released
	case rumoured:
		c.state, c.rumour = released, true
	case hospitalised:
		c.state = hospitalised
	}
}

// with lets f read or write the book.
func (l *ledger) with(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

func (l *ledger) wrong(what string) { l.with(func() { l.trouble = append(l.trouble, what) }) }

// mustHear tells whether a family must be told: their search and the person were acknowledged, and the person lets relatives know.
func (l *ledger) mustHear(f *family) bool {
	return f.person != nil && !f.person.sealed && !f.asked.IsZero() && l.custody[f.person] != nil
}

// known is when both were acknowledged: from then on the family waits.
func (l *ledger) known(f *family) time.Time {
	if at := l.custody[f.person].acked; at.After(f.asked) {
		return at
	}
	return f.asked
}

// means tells whether a search and a record are of one person.
func (l *ledger) means(search, record uuid.UUID) (f *family, p *person, same bool) {
	f, p = l.family[search], l.person[record]
	return f, p, f != nil && p != nil && f.person == p
}

// unmerged are the people of whom two records stand.
func (l *ledger) unmerged() []*custody {
	var out []*custody
	for _, c := range l.custody {
		if len(c.records) > 1 && !c.merged {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b *custody) int { return slices.Compare(a.records[0][:], b.records[0][:]) })
	return out
}
