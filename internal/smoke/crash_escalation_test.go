//go:build unix

package smoke_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/push/fcm/standin"
)

// An offer stands an hour here, so that it runs out only when the test lets time pass, however slow the machine is.
const offerStands = time.Hour

// call is a department that needs a lawyer, two lawyers on duty elsewhere, and who called them, with their phones.
type call struct {
	*town
	chief, first, second *staff
	id                   uuid.UUID
	conn                 *pgx.Conn // the test's own, to hold what a process runs into
}

func newCall(tw *town) *call {
	tw.Helper()
	c := &call{town: tw, chief: tw.invited(account.Coordinator), first: tw.invited(account.Lawyer), second: tw.invited(account.Lawyer)}
	for _, s := range []*staff{c.first, c.second} {
		if a := tw.ask("POST", "/v1/check-ins", s.bearer(), `{"client_id": "`+uuid.NewString()+`", "department_id": "`+medeu.String()+`"}`); a.status != http.StatusCreated {
			tw.Fatalf("%d %s", a.status, a.body)
		}
	}
	r, err := c.chief.CreateDispatchWithResponse(tw.ctx, nil, api.DispatchNew{ClientID: uuid.New(), DepartmentID: almaly, AccountIds: []uuid.UUID{c.first.me.ID},
		ExpiresInS: ptr(int(offerStands.Seconds()))})
	tw.must(err)
	if r.JSON201 == nil {
		tw.Fatalf("%d %s", r.StatusCode(), r.Body)
	}
	c.id = r.JSON201.ID
	c.conn, err = pgx.Connect(tw.ctx, tw.opts.Config.DatabaseURL.Reveal())
	tw.must(err)
	tw.Cleanup(func() { _ = c.conn.Close(context.Background()) })
	return c
}

// pass lets the offer's hour pass: what is stored grows older, and so does what a dead process was at.
func (c *call) pass() {
	c.Helper()
	for _, grow := range []string{
		"update offers set offered_at = offered_at - $1::interval, expires_at = expires_at - $1::interval",
		"update dispatches set next_at = next_at - $1::interval where next_at <> 'infinity'",
		"update river_job set attempted_at = attempted_at - $1::interval where state = 'running'",
	} {
		_, err := c.conn.Exec(c.ctx, grow, offerStands+time.Second)
		c.must(err)
	}
}

// caught does something while nobody can write to a table, once a transaction that has read from another waits there: in the middle of what it does.
func (c *call) caught(reading, table string, do func()) {
	c.Helper()
	tx, err := c.conn.Begin(c.ctx)
	c.must(err)
	defer func() { c.must(tx.Rollback(c.ctx)) }()
	_, err = tx.Exec(c.ctx, "lock table "+table+" in share mode")
	c.must(err)
	c.eventually("a transaction to be caught at "+table, func() (caught bool) {
		c.must(tx.QueryRow(c.ctx, `select exists (select 1 from pg_locks w join pg_locks h on h.pid = w.pid and h.granted and h.relation = $2::regclass and h.database = w.database
			where not w.granted and w.relation = $1::regclass and w.database = (select oid from pg_database where datname = current_database()))`, table, reading).Scan(&caught))
		return caught
	})
	do()
}

// rung are the messages of a kind that reached somebody's phone.
func (c *call) rung(s *staff, kind string) []standin.Received {
	var out []standin.Received
	for _, m := range c.phones.Messages() {
		if m.Token == s.phone && m.Data["kind"] == kind {
			out = append(out, m)
		}
	}
	return out
}

// onTheWire waits until a message is being handed over that will not arrive.
func (c *call) onTheWire() {
	c.Helper()
	c.eventually("a push to be on the wire", func() bool {
		return c.count("select count(*) from river_job where kind = 'push_deliver' and state = 'running'") == 1
	})
}

// history is the call as its coordinator reads it: its state, and who was asked with what answer.
func (c *call) history() string {
	c.Helper()
	r, err := c.chief.GetDispatchWithResponse(c.ctx, c.id, nil)
	c.must(err)
	if r.JSON200 == nil {
		c.Fatalf("%d %s", r.StatusCode(), r.Body)
	}
	out := string(r.JSON200.State)
	for _, who := range []*staff{c.first, c.second} {
		for _, o := range r.JSON200.Offers {
			if o.AccountID == who.me.ID {
				out += " " + string(o.State)
			}
		}
	}
	return fmt.Sprintf("%s (%d offers)", out, len(r.JSON200.Offers))
}

func (c *call) becomes(want string) {
	c.Helper()
	var got string
	c.eventually("the call to be "+want, func() bool {
		got = c.history()
		return got == want
	})
}

// settled waits until nothing is on its way to anybody.
func (c *call) settled() {
	c.Helper()
	c.eventually("all telling to end", func() bool {
		return c.count("select count(*) from river_job where (queue in ('match', 'push') or kind = 'alert_raised') and finalized_at is null") == 0
	})
}

// oneNotice: each of them was told of one thing, once or, where a message may have been taken when the process died, again under the same id.
func (c *call) oneNotice(who *staff, kind string, mostMessages int) {
	c.Helper()
	got := c.rung(who, kind)
	ids := map[string]bool{}
	for _, m := range got {
		ids[m.NoticeID] = true
	}
	stored := c.count("select count(*) from notices where owner_id = $1 and kind = $2", who.me.ID, kind)
	if len(ids) != 1 || stored != 1 || len(got) > mostMessages {
		c.Errorf("%s for %s: %d messages under %d ids, %d notices", kind, who.me.Name, len(got), len(ids), stored)
	}
}

// The promise: killed at any step of an offer's way to the next lawyer and to the coordinator, the step is made when a process runs again, and made once.
func killedWhileEscalating(t *testing.T, program string) {
	tw, n := prepareNode(t, program)
	google := n.google(tw)
	n.start("--role", "api")
	c := newCall(tw) // the offer is made, and told to nobody yet
	n.kill()
	if len(tw.phones.Attempts()) != 0 {
		t.Fatal("told too early to test anything")
	}
	killedAt := func(reading, table string) {
		t.Helper()
		n.launch()
		c.caught(reading, table, n.kill)
	}
	killedOnTheWire := func(whose *staff, kind string) {
		t.Helper()
		google.swallow()
		n.start()
		c.onTheWire()
		n.kill()
		google = n.google(tw)
		if len(c.rung(whose, kind)) != 0 {
			t.Fatalf("%s had arrived: nothing is tested", kind)
		}
		_, err := c.conn.Exec(tw.ctx, "update river_job set attempted_at = attempted_at - interval '1 minute' where state = 'running'")
		tw.must(err)
	}

	killedOnTheWire(c.first, "offer")
	n.start()
	tw.eventually("the first lawyer's phone to ring", func() bool { return len(c.rung(c.first, "offer")) > 0 })
	c.becomes("offered offered (1 offers)")
	n.kill()

	// Nobody answers. It runs out while no process lives, and the look that finds it is killed wherever it writes.
	c.pass()
	for _, table := range []string{"offers", "notices", "deliveries", "river_job"} {
		killedAt("dispatches", table)
		if still := tw.count("select count(*) from offers where dispatch_id = $1 and state = 'offered' and account_id = $2", c.id, c.first.me.ID); still != 1 {
			t.Errorf("killed at %s, half of the step is there", table)
		}
	}
	killedOnTheWire(c.second, "offer")
	n.start()
	tw.eventually("the second lawyer's phone to ring", func() bool { return len(c.rung(c.second, "offer")) > 0 })
	c.becomes("offered expired offered (2 offers)")
	n.kill()

	// Nobody is left: the coordinator hears of it.
	c.pass()
	killedAt("dispatches", "offers")
	killedAt("dispatches", "alerts")
	killedAt("alerts", "notices") // it is written down, and the work that tells of it is killed
	if raised := tw.count("select count(*) from alerts where kind = 'dispatch_unanswered'"); raised != 1 {
		t.Errorf("%d alerts", raised)
	}
	c.pass()
	killedOnTheWire(c.chief, "alert")
	n.start()
	tw.eventually("the coordinator's phone to ring", func() bool { return len(c.rung(c.chief, "alert")) > 0 })
	c.becomes("unanswered expired expired (2 offers)")
	tw.delivered()
	c.settled()
	c.oneNotice(c.first, "offer", 2)
	c.oneNotice(c.second, "offer", 2)
	c.oneNotice(c.chief, "alert", 2)
	if raised := tw.count("select coalesce(sum(count), 0) from alerts"); raised != 1 {
		t.Errorf("alerts were raised %d times", raised)
	}
	n.stop()
	if out, err := n.command("verify").CombinedOutput(); err != nil {
		t.Errorf("qorgau verify: %v\n%s", err, out)
	}
}

// The promise: of two nodes one dies in the middle of a step, and the other makes it, alone; so it does when the first does not die but stands still,
// as a machine that is paused or cut off, and when that one wakes it changes nothing.
func killedBesideAnother(t *testing.T, program string) {
	tw, n := prepareNode(t, program)
	// What stands still in a transaction is ended after a second here; pg.Open says after how long else.
	for i, set := range n.env {
		if strings.HasPrefix(set, "DATABASE_URL=") {
			n.env[i] += "&idle_in_transaction_session_timeout=1000"
		}
	}
	n.start()
	c := newCall(tw)
	tw.eventually("the first lawyer's phone to ring", func() bool { return len(c.rung(c.first, "offer")) > 0 })
	c.settled()
	n.kill()
	c.pass()
	other := &node{T: t, program: program, env: n.env}
	t.Cleanup(func() {
		if other.cmd != nil {
			other.kill()
		}
	})
	n.launch()
	c.caught("dispatches", "notices", func() {
		other.start()
		n.kill()
	})
	tw.eventually("the second lawyer's phone to ring", func() bool { return len(c.rung(c.second, "offer")) > 0 })
	n.addr.Store(other.addr.Load())
	c.becomes("offered expired offered (2 offers)")
	c.settled()
	other.kill()
	c.pass()

	n.launch()
	c.caught("dispatches", "alerts", func() {
		other.start()
		tw.must(n.cmd.Process.Signal(syscall.SIGSTOP))
	})
	tw.eventually("the coordinator's phone to ring", func() bool { return len(c.rung(c.chief, "alert")) > 0 })
	tw.must(n.cmd.Process.Signal(syscall.SIGCONT))
	n.serving()
	c.becomes("unanswered expired expired (2 offers)")
	c.settled()
	c.oneNotice(c.first, "offer", 1)
	c.oneNotice(c.second, "offer", 1)
	c.oneNotice(c.chief, "alert", 1)
	if raised := tw.count("select coalesce(sum(count), 0) from alerts"); raised != 1 {
		t.Errorf("alerts were raised %d times", raised)
	}
	n.stop()
	other.stop()
}
