package finder_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/pkg/names"
)

const arman = "Ахметов Арман Серікұлы"

// Transactions commit in another order than they began, beside looks of two nodes: each look sees what was committed before it,
// and nothing else.
func TestWhateverTheOrderOfCommits(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	other := s.node()
	var want []uuid.UUID
	check := func(when string) {
		t.Helper()
		for n, f := range []*finder.Finder{s.finder, other} {
			s.seen(fmt.Sprintf("%s, node %d, searches", when, n), ids(s.look(f).Searches(person("Akhmetov Arman"))), want)
			s.seen(fmt.Sprintf("%s, node %d, detentions", when, n), ids(s.look(f).Detentions(person("Akhmetov Arman"))), want)
		}
	}
	both := func(to sender) (out []uuid.UUID) {
		// One id on both sides, so that one list says it all.
		id := s.search(to, arman)
		key, b := s.mint("detention", uuid.New()), &pgx.Batch{}
		s.queueKey(b, key)
		ct, err := key.SealJSON("detentions.profile_ct", id, profile{Name: arman})
		s.must(err)
		b.Queue(`insert into detentions (id, organisation_id, client_id, batch_id, department_id, state, key_id, profile_ct, recorded_by, off_shift, recorded_at, updated_at)
			values ($1, $2, $1, $1, $3, 'held', $4, $5, $6, false, $7, $7)`, id, s.org, s.place, key.ID, ct, s.account, s.db.Now())
		s.must(to.SendBatch(s.ctx, b).Close())
		return []uuid.UUID{id}
	}
	check("nothing is there")
	early := s.begin()
	a := both(early)
	check("the first is open")
	late := s.begin()
	b := both(late)
	s.must(late.Commit(s.ctx))
	want = append(want, b...)
	check("the second is committed before the first")
	gone := s.begin()
	both(gone)
	check("a third is open")
	want = append(want, both(s.db.Pool)...)
	check("a fourth is committed")
	s.must(early.Commit(s.ctx))
	want = append(want, a...)
	check("the first is committed last")
	s.must(gone.Rollback(s.ctx))
	check("the third is rolled back")
	want = append(want, both(s.db.Pool)...)
	check("a fifth after it")
	s.seen("a node that starts", ids(s.look(s.node()).Searches(person(arman))), want)
}

// Who goes, goes at the next look: closed, erased, withdrawn, renamed, or its key destroyed; and comes back if the row does.
func TestWhoGoesLeavesTheIndex(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	found := func() (n [2]int) {
		l := s.look(s.finder)
		return [2]int{len(ids(l.Searches(person("Akhmetov Arman")))), len(ids(l.Detentions(person("Akhmetov Arman"))))}
	}
	for when, c := range map[string][2]string{
		"closed, withdrawn":  {"update searches set state = 'closed' where id = $1", "update detentions set state = 'withdrawn' where id = $1"},
		"erasing, destroyed": {"update searches set state = 'erasing' where id = $1", "update data_keys set wrapped = null, destroyed_at = '2026-11-22' where id = $1"},
		"erased":             {"update searches set state = 'erased', profile_ct = null where id = $1", "update detentions set state = 'withdrawn' where id = $1"},
		"destroyed":          {"update data_keys set wrapped = null, destroyed_at = '2026-11-22' where id = $1", "update data_keys set wrapped = null, destroyed_at = '2026-11-22' where id = $1"},
	} {
		search, detention := s.search(s.db.Pool, arman), s.detention(s.db.Pool, arman)
		if n := found(); n != [2]int{1, 1} {
			t.Fatalf("before: %v", n)
		}
		s.exec(c[0], search)
		s.exec(c[1], detention)
		if n := found(); n != [2]int{} {
			t.Errorf("%s: still found %v", when, n)
		}
		if l := s.look(s.node()); len(ids(l.Searches(person(arman))))+len(ids(l.Detentions(person(arman)))) != 0 {
			t.Errorf("%s: a node that starts finds it", when)
		}
	}
	back := s.detention(s.db.Pool, arman)
	s.exec("update detentions set state = 'withdrawn' where id = $1", back)
	found()
	s.exec("update detentions set state = 'released' where id = $1", back)
	if n := found(); n[1] != 1 {
		t.Errorf("released: %v", n)
	}
	key := s.mint("detention", uuid.New())
	s.keep(s.db.Pool, key)
	s.exec("update detentions set key_id = $2, profile_ct = $3 where id = $1", back, key.ID, s.sealed(key.Key, "detentions", back, "Сейтов Нұрлан"))
	if n := found(); n[1] != 0 {
		t.Errorf("renamed: %v", n)
	}
	s.exec("update detentions set profile_ct = $2 where id = $1", back, s.sealed(key.Key, "detentions", back, ""))
	if hits, _ := s.look(s.finder).Detentions(person("Сейтов Нұрлан")); len(hits) != 0 {
		t.Errorf("without a name: %d", len(hits))
	}
}

// A row that is damaged is left out, and keeps nobody else from being found.
func TestADamagedRowIsLeftOut(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	bad, good := s.search(s.db.Pool, arman), s.search(s.db.Pool, arman)
	s.exec("update searches set profile_ct = profile_ct || '\\x00' where id = $1", bad)
	s.seen("at the first look", ids(s.look(s.finder).Searches(person(arman))), []uuid.UUID{good})
	s.exec("update searches set profile_ct = profile_ct || '\\x00' where id = $1", good)
	s.seen("later", ids(s.look(s.finder).Searches(person(arman))), nil)
}

// blocked waits until someone of this database waits for a lock.
func (s *shelf) blocked() {
	s.Helper()
	for range 1000 {
		var n int
		s.must(s.db.Pool.QueryRow(s.ctx, "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'").Scan(&n))
		if n > 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.Fatal("nobody waits")
}

// Who asks while a catch-up runs gets one that began afterwards; those who ask together share it.
func TestALookBeginsAfterItWasAskedFor(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.look(s.finder)
	wall := s.begin()
	_, err := wall.Exec(s.ctx, "lock table detentions in access exclusive mode")
	s.must(err)
	early := make(chan []uuid.UUID)
	go func() { early <- ids(s.look(s.finder).Searches(person(arman))) }()
	s.blocked() // it has read the searches, and waits before the detentions
	id := s.search(s.db.Pool, arman)
	const many = 20
	late := make(chan []uuid.UUID, many)
	for range many {
		go func() { late <- ids(s.look(s.finder).Searches(person(arman))) }()
	}
	time.Sleep(50 * time.Millisecond)
	s.must(wall.Rollback(s.ctx))
	<-early
	for range many {
		s.seen("asked for after the commit", <-late, []uuid.UUID{id})
	}
}

// Callers that hold every connection of the pool may look.
func TestALookTakesNoConnectionOfThePool(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	id := s.search(s.db.Pool, arman)
	small, err := pg.Open(s.ctx, pg.Options{URL: s.db.URL, MaxConns: 2, Clock: s.db.Clock.Now})
	s.must(err)
	t.Cleanup(small.Close)
	f := finder.New(small, s.ring, nil)
	t.Cleanup(f.Close)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			err := small.InTx(s.ctx, func(tx *pg.Tx) error {
				ctx, cancel := context.WithTimeout(s.ctx, 2*time.Minute)
				defer cancel()
				look, err := f.Look(ctx)
				if err == nil {
					s.seen("within a transaction", ids(look.Searches(person(arman))), []uuid.UUID{id})
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func (s *shelf) cutOff(who string) {
	s.Helper()
	s.exec("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and " + who)
}

// The connection is cut during a catch-up: the look goes on with a new one. The database is away: looks say so, and go on when it is
// back, with what was committed meanwhile.
func TestAnOutage(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	var want []uuid.UUID
	write := func() { want = append(want, s.search(s.db.Pool, arman)) }
	write()
	s.look(s.finder)
	if !s.finder.Ready() {
		t.Error("not ready after the first look")
	}
	write()
	wall := s.begin()
	_, err := wall.Exec(s.ctx, "lock table detentions in access exclusive mode")
	s.must(err)
	got := make(chan []uuid.UUID)
	go func() { got <- ids(s.look(s.finder).Searches(person(arman))) }()
	s.blocked()
	s.cutOff("wait_event_type = 'Lock'")
	s.must(wall.Rollback(s.ctx))
	s.seen("cut off in the middle", <-got, want)

	host, err := pgxpool.New(s.ctx, pgtestHost(s.db.URL))
	s.must(err)
	t.Cleanup(host.Close)
	close := func(allow bool) {
		_, err := host.Exec(s.ctx, fmt.Sprintf("alter database %s with allow_connections %t", pgtestName(s.db.URL), allow))
		s.must(err)
	}
	write()
	s.cutOff("state = 'idle' and application_name = 'qorgau'")
	close(false)
	if _, err := s.finder.Look(s.ctx); !fault.Is(err, "unavailable") || s.finder.Ready() {
		t.Errorf("while the database is away: %v, ready %t", err, s.finder.Ready())
	}
	close(true)
	write()
	s.seen("back", ids(s.look(s.finder).Searches(person(arman))), want)
	write()
	s.seen("after it", ids(s.look(s.finder).Searches(person(arman))), want)
}

// A dump that was restored brings numbers of transactions that this cluster has not come to.
func TestARestoredDump(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	want := []uuid.UUID{s.search(s.db.Pool, arman), s.search(s.db.Pool, arman)}
	held := []uuid.UUID{s.detention(s.db.Pool, arman)}
	s.exec("update searches set names_xid = '900000000000'")
	s.exec("update detentions set names_xid = '900000000000'")
	s.seen("searches", ids(s.look(s.finder).Searches(person(arman))), want)
	s.seen("detentions", ids(s.look(s.finder).Detentions(person(arman))), held)
	var foreign int
	s.must(s.db.Pool.QueryRow(s.ctx, `select (select count(*) from searches where names_xid >= pg_snapshot_xmax(pg_current_snapshot())) +
		(select count(*) from detentions where names_xid >= pg_snapshot_xmax(pg_current_snapshot()))`).Scan(&foreign))
	if foreign != 0 {
		t.Errorf("%d rows are read again at each look", foreign)
	}
	want = append(want, s.search(s.db.Pool, arman))
	s.seen("a search after it", ids(s.look(s.finder).Searches(person(arman))), want)
}

// A look reads what changed by index, however little the planner knows: after the first one, no table is scanned.
func TestACatchUpReadsNoWholeTable(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	scansOf := func(looks int) int {
		before, f := s.scans(), s.node()
		for range looks {
			s.search(s.db.Pool, arman)
			s.look(f)
		}
		f.Close() // hands its statistics in
		for range 1000 {
			if after := s.scans(); after > before {
				return after - before
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Fatal("no scan was counted: this test sees nothing")
		return 0
	}
	if once, often := scansOf(1), scansOf(6); once != often {
		t.Errorf("%d scans for the first look, %d for six", once, often)
	}
}

func (s *shelf) scans() (n int) {
	s.Helper()
	s.must(s.db.Pool.QueryRow(s.ctx, "select coalesce(sum(seq_scan), 0) from pg_stat_user_tables where relname in ('searches', 'detentions', 'data_keys')").Scan(&n))
	return n
}

// What was asked for is counted on every node, after a restart, and for a day.
func TestAttempts(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	add := func(first uuid.UUID, asked ...string) uuid.UUID {
		t.Helper()
		id := uuid.New()
		key, err := s.ring.PeriodKey(seal.Period(s.db.Now()))
		s.must(err)
		ct, err := finder.Attempt{Names: asked, First: first}.Seal(key, id)
		s.must(err)
		s.exec("insert into search_attempts (id, names_ct, at) values ($1, $2, $3)", id, ct, s.db.Now())
		return id
	}
	counts := func(when string, want int) {
		t.Helper()
		for n, f := range []*finder.Finder{s.finder, s.node()} {
			found, more := s.look(f).Attempts("Akhmetov Arman", s.db.Now().Add(-finder.Kept), 100)
			if len(found) != want || more {
				t.Errorf("%s, node %d: %d counted, want %d, more %t", when, n, len(found), want, more)
			}
		}
	}
	counts("at first", 0)
	first := add(uuid.New(), "ахметов арман", "ахметов иванов", "арман иванов")
	add(first, "сериков ерлан")
	s.db.Clock.Move(time.Hour)
	second := add(first, "арман ахмметов", "ахметов арман")
	counts("twice", 2)
	if found, _ := s.look(s.finder).Attempts("арман ахметов", s.db.Now().Add(-finder.Kept), 100); found[0].ID != second || found[0].First != first || found[1].ID != first {
		t.Errorf("%+v", found)
	}
	s.exec("update search_attempts set names_xid = '900000000000'")
	s.cutOff("application_name = 'qorgau' and state = 'idle'")
	counts("restored", 2)
	s.db.Clock.Move(23 * time.Hour)
	counts("a day after the first", 1)
	s.db.Clock.Move(time.Hour)
	counts("a day after the second", 0)
}

// Many write, rename and look at once; in the end both nodes know what the table says.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	nodes := []*finder.Finder{s.finder, s.node()}
	people := []string{arman, "Сейтов Нұрлан Болатұлы", "Қасымов Дәурен", "Ким Виктория", "Оспанов Бекзат Ерланұлы"}
	var wg sync.WaitGroup
	var mu sync.Mutex
	want := map[string][]uuid.UUID{}
	for i := range 4 {
		wg.Go(func() {
			for n := range 25 {
				name := people[(i+n)%len(people)]
				tx, err := s.db.Pool.Begin(s.ctx)
				if err != nil {
					t.Error(err)
					return
				}
				id := s.search(tx, name)
				if n%5 == 0 {
					_ = tx.Rollback(s.ctx)
					continue
				}
				s.must(tx.Commit(s.ctx))
				mu.Lock()
				want[name] = append(want[name], id)
				mu.Unlock()
				if hits, _ := s.look(nodes[n%2]).Searches(person(name)); !slices.Contains(finder.IDs(hits, names.None), id) {
					t.Errorf("%d of writer %d is not seen by the look after it", n, i)
				}
			}
		})
	}
	wg.Wait()
	for n, f := range nodes {
		for name, all := range want {
			s.seen(fmt.Sprintf("node %d, %s", n, name), ids(s.look(f).Searches(person(name))), slices.Clone(all))
		}
	}
}
