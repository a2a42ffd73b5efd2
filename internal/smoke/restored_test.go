package smoke_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
)

// A dump is loaded in the place of the database while phones are away and boards stand open. Places in what changed mean something else there: whoever
// comes with one is told to load everything anew, rather than that there is nothing new.
func TestWhoWasAwayDuringARestoreLoadsAnew(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	chief := tw.invited(account.Coordinator)
	before := chief.logs(almaly, "Ахметов Арман, 1990")[0].DetentionID
	p := &phone{town: tw, who: chief, people: map[uuid.UUID]api.Detention{}}
	p.settles("the phone has who is there", func() bool { return p.has(before) && p.resets == 0 })
	ear := tw.listens(chief.bearer(), "")
	heard := chief.logs(almaly, "Сейтов Нұрлан, 1981")[0].DetentionID
	if !ear.hears(heard) {
		t.Fatal("the stream ended")
	}
	pgtest.Replace(t, tw.opts.Config.DatabaseURL.Reveal())
	after := chief.logs(medeu, "Оспанов Ержан, 1969")[0].DetentionID
	p.settles("the phone is told to load all anew", func() bool { return p.resets == 1 && p.has(before) && p.has(heard) && p.has(after) })
	for range ear.lines { // the line was cut, or ends as soon as the server finds another database
	}
	if line := tw.listens(chief.bearer(), ear.last).next("event: "); line != "event: reset" {
		t.Fatalf("who listened before the restore goes on as if nothing had happened: %q", line)
	}
}
