package audit_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/pg"
)

// chains ties that many rows and no more. An open transaction holds the tying back even from another database of the cluster, and
// other tests have theirs: what is due comes, but perhaps not at the first try.
func (d *desk) chains(want int) {
	d.t.Helper()
	tied := 0
	for deadline := time.Now().Add(2 * time.Minute); ; {
		n, err := audit.Chain(d.ctx, d.DB)
		d.must(err)
		if tied += n; tied >= want || time.Now().After(deadline) {
			break
		}
	}
	if tied != want {
		d.t.Fatalf("%d rows were tied, want %d", tied, want)
	}
}

func (d *desk) holds(want int64) {
	d.t.Helper()
	if n, err := audit.Verify(d.ctx, d.DB); err != nil || n != want {
		d.t.Errorf("verified %d rows (%v), want %d", n, err, want)
	}
}

// chained gives the actions in the order of the chain.
func (d *desk) chained() (actions []string) {
	d.t.Helper()
	d.must(d.Pool.QueryRow(d.ctx, `select coalesce(array_agg(e.action order by c.position), '{}') from audit_chain c join audit_entries e on e.id = c.entry_id`).Scan(&actions))
	return actions
}

// begins writes an entry in a transaction that stays open until the returned func is called.
func (d *desk) begins(action string) (commits func()) {
	d.t.Helper()
	written, commit, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- d.InTx(d.ctx, func(tx *pg.Tx) error {
			if err := d.log.Write(d.ctx, tx, d.act(action)); err != nil {
				return err
			}
			close(written)
			<-commit
			return nil
		})
	}()
	select {
	case <-written:
	case err := <-done:
		d.t.Fatal(err)
	}
	end := sync.OnceValue(func() error {
		close(commit)
		return <-done
	})
	d.t.Cleanup(func() { _ = end() })
	return func() {
		d.t.Helper()
		d.must(end())
	}
}

// Rows are tied once each, in the order of their transactions, although an older one commits after a younger; nothing that is
// still open is passed over.
func TestChainFollowsVisibility(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.chains(0)
	d.holds(0)
	d.writes(d.act("a"), d.act("b"))
	older := d.begins("c, committed last")
	d.writes(d.act("d"))
	younger := d.begins("e")
	d.chains(2) // d is there, but c may still come before it
	d.chains(0)
	younger()
	d.chains(0)
	d.holds(2)
	older()
	d.chains(3)
	d.chains(0)
	d.holds(5)
	if got, want := d.chained(), []string{"a", "b", "c, committed last", "d", "e"}; !slices.Equal(got, want) {
		t.Errorf("chained %v, want %v", got, want)
	}
	// The reader sees where each row stands.
	var positions []int64
	for _, r := range d.lists(d.log, d.ours, uuid.Nil, 10) {
		positions = append(positions, r.Position)
	}
	if slices.Sort(positions); !slices.Equal(positions, []int64{1, 2, 3, 4, 5}) {
		t.Errorf("positions %v", positions)
	}
}

// Nodes tie at once while acts go on: one chain, every row in it once.
func TestNodesChainAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const writers, each, nodes = 4, 40, 3
	var acts, ties sync.WaitGroup
	var over atomic.Bool
	var tied atomic.Int64
	for w := range writers {
		acts.Go(func() {
			for i := range each {
				if err := d.InTx(d.ctx, func(tx *pg.Tx) error { return d.log.Write(d.ctx, tx, d.act(fmt.Sprint(w, " ", i))) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range nodes {
		ties.Go(func() {
			for {
				last := over.Load()
				n, err := audit.Chain(d.ctx, d.DB)
				if err != nil {
					t.Error(err)
					return
				}
				if tied.Add(int64(n)); last && n == 0 {
					return
				}
			}
		})
	}
	acts.Wait()
	over.Store(true)
	ties.Wait()
	d.chains(writers*each - int(tied.Load())) // a node that found the lock taken went home
	d.chains(0)
	d.holds(writers * each)
	// Each writer's acts came one after another, and stand so.
	last := map[string]int{}
	for _, action := range d.chained() {
		var w string
		var i int
		if _, err := fmt.Sscanf(action, "%s %d", &w, &i); err != nil || i != last[w] {
			t.Fatalf("act %q comes where %d was due (%v)", action, last[w], err)
		}
		last[w]++
	}
}

// Long queues are tied in steps, each a transaction of its own.
func TestChainSteps(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.writes(slices.Repeat([]audit.Entry{{Organisation: d.ours, Action: "x", SubjectKind: "y"}}, 2100)...)
	d.chains(2000)
	d.holds(2000)
	d.chains(100)
	d.holds(2100)
}

// Whoever changes the past is found, and where.
func TestTampering(t *testing.T) {
	t.Parallel()
	const row = "(select entry_id from audit_chain where position = 3)"
	for what, c := range map[string]struct {
		do []string
		at int64
	}{
		"an action is changed":         {[]string{"update audit_entries set action = 'harmless' where id = " + row}, 3},
		"an actor is changed":          {[]string{"update audit_entries set actor = '\\x00' where id = " + row}, 3},
		"a time is changed":            {[]string{"update audit_entries set at = at + interval '1 microsecond' where id = " + row}, 3},
		"a subject is taken out":       {[]string{"update audit_entries set subject_id = null where id = " + row}, 3},
		"a subject's kind is changed":  {[]string{"update audit_entries set subject_kind = 'search' where id = " + row}, 3},
		"details are taken out":        {[]string{"update audit_entries set details_ct = null where id = " + row}, 3},
		"it is another organisation's": {[]string{"update audit_entries set organisation_id = (select id from organisations where id <> organisation_id limit 1) where id = " + row}, 3},
		"its month is changed":         {[]string{"update audit_entries set period = '1999-01' where id = " + row}, 3},
		"words move between fields":    {[]string{"update audit_entries set action = action || 'd', subject_kind = substr(subject_kind, 2) where id = " + row}, 3},
		"a row and its link are gone": {[]string{
			"with gone as (delete from audit_chain where position = 3 returning entry_id) select * from gone",
			"delete from audit_entries where chained and id not in (select entry_id from audit_chain)",
		}, 3},
		"and the rest moved up": {[]string{
			"with gone as (delete from audit_chain where position = 3 returning entry_id) select * from gone",
			"delete from audit_entries where chained and id not in (select entry_id from audit_chain)",
			"update audit_chain set position = position - 1 where position = 4",
			"update audit_chain set position = position - 1 where position = 5",
		}, 3},
		"the first is gone": {[]string{
			"delete from audit_chain where position = 1",
			"delete from audit_entries where chained and id not in (select entry_id from audit_chain)",
		}, 1},
		"a row is gone behind the database's back": {[]string{
			"alter table audit_chain drop constraint audit_chain_entry_id_fkey",
			"delete from audit_entries where id = " + row,
		}, 3},
		"two rows change places": {[]string{
			"alter table audit_chain drop constraint audit_chain_entry_id_key",
			"update audit_chain a set entry_id = b.entry_id from audit_chain b where (a.position, b.position) in ((3, 4), (4, 3))",
		}, 3},
		"two links change places": {[]string{
			"update audit_chain set position = 30 where position = 3",
			"update audit_chain set position = 3 where position = 4",
			"update audit_chain set position = 4 where position = 30",
		}, 3},
		"a link gets another number":      {[]string{"update audit_chain set position = 9 where position = 5"}, 5},
		"a link is forged":                {[]string{"update audit_chain set salt = '\\x00112233445566778899aabbccddeeff' where position = 3"}, 3},
		"links are cut off the end":       {[]string{"delete from audit_chain where position >= 4"}, 4},
		"a row is put in past the chain":  {[]string{"update audit_entries set chained = true where not chained"}, 6},
		"the last one's words are others": {[]string{"update audit_entries set action = 'harmless' where id = (select entry_id from audit_chain where position = 5)"}, 5},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			for _, a := range []string{"a", "b", "c", "d", "e"} {
				e := d.act(a)
				e.Details = map[string]string{"field": a}
				d.writes(e)
			}
			d.chains(5)
			d.holds(5)
			d.writes(d.act("not chained yet"))
			d.holds(5)
			for _, statement := range c.do {
				d.exec(statement)
			}
			var broken audit.ErrBroken
			if _, err := audit.Verify(d.ctx, d.DB); !errors.As(err, &broken) || broken.Position != c.at {
				t.Errorf("found %v, want broken at %d", err, c.at)
			}
		})
	}
}

// A database restored into another cluster brings rows that this cluster's count of transactions has not reached. They are
// tied all the same, first and in their order, and the chain goes on with the cluster's own.
func TestChainAfterARestore(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.writes(d.act("tied before the dump"))
	d.chains(1)
	d.writes(d.act("restored second"))
	d.writes(d.act("restored first"))
	d.exec("update audit_entries set commit_xid = '900000000000' where action = 'restored second'")
	d.exec("update audit_entries set commit_xid = '800000000000' where action = 'restored first'")
	d.exec("update audit_entries set commit_xid = '700000000000' where action = 'tied before the dump'")
	d.writes(d.act("written here"))
	open := d.begins("still open")
	d.chains(2)
	d.chains(1)
	open()
	d.chains(1)
	d.chains(0)
	d.holds(5)
	if got, want := d.chained(), []string{"tied before the dump", "restored first", "restored second", "written here", "still open"}; !slices.Equal(got, want) {
		t.Errorf("chained %v, want %v", got, want)
	}
}
