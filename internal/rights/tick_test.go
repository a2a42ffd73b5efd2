package rights_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/rights"
)

// Beside a record that cannot be read several nodes look at the same people one by one: nobody is told of twice, and nobody is put off.
func TestNodesThatLookOneByOneDoNotPutOffEachOthers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	broken := d.taken(0)
	for range 45 {
		d.taken(0)
	}
	d.tick()
	d.exec(`update detention_events set details_ct = overlay(details_ct placing '\x00000000'::bytea from 30 for 4) where detention_id = $1`, broken)
	d.exec("update clocks set next_at = $1", d.db.Now()) // all in the same batch
	d.db.Clock.Move(4 * time.Hour)
	var nodes sync.WaitGroup
	for range 4 {
		nodes.Go(d.tick)
	}
	nodes.Wait()
	for line := range strings.Lines(d.log.String()) {
		if !strings.Contains(line, broken.String()) {
			t.Errorf("put off: %s", line)
		}
	}
	if n := has(d.told(alert.ClockBreach), "clock_breach ADM-3H"); n > 45 {
		t.Errorf("45 people, %d breaches", n)
	}
	var told int
	d.must(d.db.Pool.QueryRow(d.ctx, "select count(distinct detention_id) from clock_marks where told_at = $1", d.db.Now()).Scan(&told))
	if told != 45 {
		t.Errorf("told of %d people, want 45", told)
	}
}

// A right that was seen broken is told at once, and again when its time has come and nobody has looked since.
func TestABreachIsNotTheEndOfIt(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.taken(0)
	d.tick()
	d.says(id, "TOILET_ACCESS", "breached")
	d.passes(179 * time.Minute)
	overdue := func() int { return has(d.told(alert.RightsOverdue), "rights_overdue TOILET_ACCESS") }
	if n := overdue(); n != 0 {
		t.Errorf("overdue %d times, three hours have not passed", n)
	}
	d.passes(time.Minute)
	if n := overdue(); n != 1 {
		t.Errorf("overdue %d times when nobody looked again", n)
	}
	d.passes(time.Hour)
	if n := overdue(); n != 1 {
		t.Errorf("overdue %d times of one time", n)
	}
}

// A phone's clock runs ahead: what it said counts when its time has come, and the totals say so then.
func TestWhatIsAheadIsLookedAtInItsTime(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, at := d.taken(0), d.db.Now().Add(7*time.Minute)
	_, err := d.watch.Observe(d.ctx, d.lawyer, id, []rights.NewAnswer{{ClientID: uuid.New(), Item: "TIME_CORRECT", Value: "breached", At: &at}})
	d.must(err)
	broken := func() int {
		totals, err := d.watch.Totals(d.ctx, d.chief, rights.TotalsFilter{})
		d.must(err)
		return totals[0].Broken
	}
	d.passes(6 * time.Minute)
	if n := broken(); n != 0 {
		t.Errorf("%d broken before its time", n)
	}
	d.passes(time.Minute)
	if n := broken(); n != 1 {
		t.Errorf("%d broken", n)
	}
}

// BenchmarkBurst is the worst minute: 100,000 clocks run, and of a thousand people who were taken together a limit nears its end in one
// second. Reported is how long after that second the last of them is told, from one node; a tick comes up to 250 ms after the second.
func BenchmarkBurst(b *testing.B) {
	for _, people := range []int{1, 40, 1000} {
		b.Run(fmt.Sprintf("%d_people", people), func(b *testing.B) {
			d := newDesk(b)
			var list []detention.Entry
			for i := range people {
				at := []byte(`"` + d.db.Now().Format(time.RFC3339) + `"`)
				list = append(list, detention.Entry{ClientID: uuid.New(), Name: fmt.Sprintf("Ахметов%d Арман", i), Facts: detention.Facts{TakenAt: at, Sex: []byte(`"male"`), BirthYear: []byte(`1990`)}})
			}
			for some := range slices.Chunk(list, 50) {
				_, _, err := d.ledger.Record(d.ctx, d.lawyer, detention.Batch{DepartmentID: d.almaly, Entries: some})
				d.must(err)
			}
			d.tick()
			d.db.Clock.Move(2*time.Hour + 14*time.Minute)
			d.tick()
			d.exec(`alter table clocks drop constraint clocks_detention_id_fkey`)
			d.exec(`insert into clocks (detention_id, next_at) select gen_random_uuid(), $1::timestamptz + n * interval '1 second' from generate_series(1, 100000) n`, d.db.Now().Add(100*time.Hour))
			d.exec("analyze")
			d.db.Clock.Move(time.Minute)
			for b.Loop() {
				b.StopTimer()
				d.exec("delete from clock_marks where told_at = $1", d.db.Now())
				d.exec("update clocks set next_at = $1 where detention_id in (select id from detentions)", d.db.Now())
				b.StartTimer()
				d.tick()
			}
			var told int
			d.must(d.db.Pool.QueryRow(d.ctx, "select count(*) from clock_marks where told_at = $1", d.db.Now()).Scan(&told))
			if told < people {
				b.Fatalf("told of %d", told)
			}
		})
	}
}
