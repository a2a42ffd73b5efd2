package alert_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// More of the same is told once for all, a while later: never not at all. What is new or urgent is told at once.
func TestWhatGathersIsTold(t *testing.T) {
	t.Parallel()
	x := newTown(t)
	ks, err := seal.NewKeyset(x.Now())
	x.must(err)
	ring, err := seal.Open(ks)
	x.must(err)
	n := alert.News{Organisation: x.ours, Kind: alert.ClockBreach, SubjectKind: "department", Subject: uuid.New(), ForLawyers: true, Ring: ring}
	gathers := func(urgent bool, codes ...string) {
		t.Helper()
		x.must(x.InTx(x.ctx, func(tx *pg.Tx) error {
			for _, c := range codes {
				if err := alert.Gather(x.ctx, tx, n, urgent, alert.Item{Detention: uuid.New(), Code: c, Norm: "789(1)", At: tx.Now}); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	told := func(what string, want ...time.Duration) {
		t.Helper()
		var ahead []time.Duration
		rows, err := x.Pool.Query(x.ctx, "select scheduled_at, state = 'scheduled' from river_job where kind = 'alert_raised' order by id")
		x.must(err)
		for rows.Next() {
			var at time.Time
			var later bool
			x.must(rows.Scan(&at, &later))
			if !later {
				at = x.Now()
			}
			ahead = append(ahead, at.Sub(x.Now()).Round(time.Second))
		}
		x.must(rows.Err())
		if len(ahead) != len(want) {
			t.Fatalf("%s: told %v ahead, want %v", what, ahead, want)
		}
		for i := range want {
			if ahead[i] != want[i] {
				t.Errorf("%s: told %v ahead, want %v", what, ahead, want)
			}
		}
		x.exec("delete from river_job")
	}
	gathers(false, "ADM-3H", "ADM-3H", "ADM-3H")
	told("a bus: at once, and the rest a while later", 0, 15*time.Minute)
	x.Clock.Move(5 * time.Minute)
	gathers(false, "ADM-3H")
	told("more of the same: with what is told anyway")
	gathers(false, "CRIM-48H")
	told("something new", 0)
	gathers(true, "ADM-3H")
	told("something urgent", 0)
	x.Clock.Move(10 * time.Minute) // what was arranged is told now
	gathers(false, "ADM-3H")
	told("just after it was told", 15*time.Minute)
	x.Clock.Move(31 * time.Minute)
	gathers(false, "ADM-3H")
	told("after a silence", 0)
	coordinator := x.granted(grant{organisation: x.ours, role: "coordinator"})
	list := x.lists(coordinator, uuid.Nil, true, 10)
	if len(list) != 1 || list[0].Count != 8 {
		t.Fatalf("%+v", list)
	}
	_, err = x.acknowledges(coordinator, list[0].ID)
	x.must(err)
	gathers(false, "ADM-3H")
	told("after somebody took it up", 0)
	if list := x.lists(coordinator, uuid.Nil, true, 10); len(list) != 1 || list[0].Count != 1 {
		t.Errorf("%+v", list)
	}
}
