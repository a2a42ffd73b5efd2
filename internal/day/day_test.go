package day

import (
	"bytes"
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/app"
)

// A small day is played through the real server and is equal to its ledger; and the comparison is worth something: of everything that is
// planted in the ledger afterwards it tells.
func TestADayIsEqualToItsLedger(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	d, err := play(t.Context(), Options{App: app.Options{Getenv: func(string) string { return "" }}, Seed: 7, Scale: .004, Out: &out})
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	d.report()
	if found := compare(d.book, d.seen); len(found) > 0 {
		t.Fatalf("%s\n%s", strings.Join(found, "\n"), out.String())
	}
	d.someOfEverything(t, out.String())
	for _, plant := range plants(d) {
		undo := plant.do()
		found := compare(d.book, d.seen)
		undo()
		if len(found) == 0 || !strings.Contains(strings.Join(found, "\n"), plant.tells) {
			t.Errorf("%s: not told of %q, but %q", plant.what, plant.tells, found)
		}
	}
	if found := compare(d.book, d.seen); len(found) > 0 {
		t.Errorf("the plants were not taken back: %q", found)
	}
}

// someOfEverything: a day on which nothing was lost, merged or told proves nothing.
func (d *day) someOfEverything(t *testing.T, printed string) {
	t.Helper()
	due := 0
	for _, f := range d.book.families {
		if d.book.mustHear(f) {
			due++
		}
	}
	for what, n := range map[string]int{"families to tell": due, "answers lost": d.wire.lost, "searches sent twice": d.book.repeated, "merges": d.book.merged,
		"namesakes": d.plan.sakes, "lawyers present": len(d.seen.lawyers), "searches listed": len(d.seen.searches), "people listed": len(d.seen.people)} {
		if n == 0 {
			t.Errorf("%s: none", what)
		}
	}
	for _, line := range []string{"searches/s", "batches/s", "batch acknowledged to the phone", "Offers made", "First lawyer at a department", "Each department, by city", "seed 7"} {
		if !strings.Contains(printed, line) {
			t.Errorf("the report does not say %q", line)
		}
	}
}

// plant is a fault put into the book, or into what was seen; do gives what takes it back.
type plant struct {
	what, tells string
	do          func() (undo func())
}

func plants(d *day) []plant {
	l := d.book
	var told *family
	for _, f := range l.families {
		if l.mustHear(f) {
			told = f
		}
	}
	other := l.families[0]
	for _, f := range l.families {
		if !l.mustHear(f) {
			other = f
		}
	}
	somebody := told.person
	c := l.custody[somebody]
	record := c.records[0]
	return []plant{
		{"a detention that the server does not have", "lost: the person of record", func() func() {
			ghost, id := &person{}, uuid.New()
			l.people, l.custody[ghost], l.person[id] = append(l.people, ghost), &custody{records: []uuid.UUID{id}, state: "held"}, ghost
			return func() { l.people = l.people[:len(l.people)-1]; delete(l.custody, ghost); delete(l.person, id) }
		}},
		{"a detention that was never acknowledged", "lost: a person of wave", func() func() {
			delete(l.custody, somebody)
			return func() { l.custody[somebody] = c }
		}},
		{"a record of which the ledger does not know", "double: the list of people gives record", func() func() {
			delete(l.person, record)
			return func() { l.person[record] = somebody }
		}},
		{"somebody listed twice", "double: the person of record", func() func() {
			again := uuid.New()
			c.records, l.person[again], d.seen.people[again] = append(c.records, again), somebody, d.seen.people[standing(d, c)]
			return func() {
				c.records = c.records[:len(c.records)-1]
				delete(l.person, again)
				delete(d.seen.people, again)
			}
		}},
		{"one more in a department", "on the board", func() func() {
			was := *c
			c.state, c.rumour = map[bool]string{true: released, false: "held"}[c.inCustody()], false
			return func() { *c = was }
		}},
		{"a lawyer who stands elsewhere", "the place of lawyer", func() func() {
			w := l.lawyers[0]
			was := w.place
			w.place = was + 1
			return func() { w.place = was }
		}},
		{"a search that the server does not have", "lost: search", func() func() {
			was := other.key
			other.key.ID = uuid.New()
			return func() { other.key = was }
		}},
		{"a search of which the ledger does not know", "double: search", func() func() {
			delete(l.family, other.key.ID)
			return func() { l.family[other.key.ID] = other }
		}},
		{"a family that was not told", "lost: family", func() func() {
			was := d.seen.rings[told.token()]
			delete(d.seen.rings, told.token())
			return func() { d.seen.rings[told.token()] = was }
		}},
		{"a family told by two notices", "double: family", func() func() {
			was := d.seen.rings[told.token()]
			d.seen.rings[told.token()] = append(was[:len(was):len(was)], ring{notice: uuid.NewString(), kind: "match"})
			return func() { d.seen.rings[told.token()] = was }
		}},
		{"a notice that came twice", "double: notice", func() func() {
			was := d.seen.rings[told.token()]
			d.seen.rings[told.token()] = append(was[:len(was):len(was)], was[0])
			return func() { d.seen.rings[told.token()] = was }
		}},
		{"a family told of a namesake", "was told and must not be", func() func() {
			told.person = nil
			return func() { told.person = somebody }
		}},
	}
}

// standing is the record by which somebody is listed.
func standing(d *day, c *custody) uuid.UUID {
	for _, id := range c.records {
		if _, there := d.seen.people[id]; there {
			return id
		}
	}
	return uuid.Nil
}

// The seed alone plans the day, and no two of its people could be taken for each other by what is written of them.
func TestASeedPlansADay(t *testing.T) {
	t.Parallel()
	plan := func(seed uint64) *plan {
		d := day{o: Options{Seed: seed}}
		return newPlan(sizeOf(.05), 2026, 6, d.chance(chanceOfPlan))
	}
	one, same, other := plan(1), plan(1), plan(2)
	if !reflect.DeepEqual(one, same) {
		t.Error("one seed, two days")
	}
	if reflect.DeepEqual(one.people, other.people) {
		t.Error("two seeds, one day")
	}
	if len(one.people) != 300 || len(one.families) != 6000 {
		t.Errorf("%d people, %d families", len(one.people), len(one.families))
	}
	for i, p := range one.people {
		for _, q := range one.people[:i] {
			if who(p.called) == who(q.called) && !free([]*person{q}, p.called, p.year) {
				t.Errorf("two people could be one: %+v %+v", p, q)
			}
		}
	}
}

func TestNamesAreWrittenInThreeWays(t *testing.T) {
	t.Parallel()
	p := pool{surnames: []string{"Серіков"}, men: []string{"Ерлан", "Ғали"}, women: []string{"Әйгерім"}}
	for _, c := range []struct {
		called called
		s      spelling
		want   string
	}{
		{called{}, kazakh, "Серіков Ерлан Ерланұлы"},
		{called{}, russian, "Сериков Ерлан Ерланович"},
		{called{}, inLatin, "Serikov Erlan Erlanovich"},
		{called{female: true, father: 1}, russian, "Серикова Айгерим Галикызы"},
		{called{female: true, father: 1}, kazakh, "Серікова Әйгерім Ғалиқызы"},
	} {
		if got := p.write(c.called, c.s, true); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// A day that is called off ends, and leaves nothing behind.
func TestADayCanBeCalledOff(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := play(ctx, Options{App: app.Options{}, Seed: 1, Scale: .004, Out: &bytes.Buffer{}}); err == nil {
		t.Error("a day was played that had been called off")
	}
}
