package watch_test

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/watch"
	"github.com/qorgau/qorgau/pkg/names"
)

// node is one more server on the database, with an index of its own.
func (f *field) node(limits watch.Limits) *watch.Post {
	f.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	index := finder.New(f.db.DB, f.ring, quiet)
	f.Cleanup(index.Close)
	center, err := push.New(push.Options{DB: f.db.DB, Ring: f.ring, Log: quiet})
	f.must(err)
	log := audit.New(f.ring)
	post := watch.New(watch.Options{DB: f.db.DB, Ring: f.ring, Audit: log, Finder: index, Detentions: detention.New(f.db.DB, f.ring, log, index),
		Push: center, Limits: limits, Log: quiet})
	post.Slice(time.Hour)
	return post
}

// held takes a lock that stops whoever comes to it, until it is let go.
func (f *field) held(statement string, args ...any) (letGo func()) {
	f.Helper()
	tx, err := f.db.Pool.BeginTx(f.ctx, pgx.TxOptions{})
	f.must(err)
	f.Cleanup(func() { _ = tx.Rollback(f.ctx) })
	_, err = tx.Exec(f.ctx, statement, args...)
	f.must(err)
	return func() { f.must(tx.Rollback(f.ctx)) }
}

func (f *field) stopped() {
	f.Helper()
	for range 1000 {
		if f.count("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") > 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	f.Fatal("nobody was stopped")
}

// Who begins first commits last, on either side, and another node works the jobs: whichever job comes second finds the pair, once.
func TestWhoBeginsFirstCommitsLast(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	other := f.node(open)
	const name = "Ахметов Арман Серікұлы"
	match := func(s seeker, d []uuid.UUID, searchFirst bool) {
		t.Helper()
		for n := range 4 { // a job may run twice, on any node
			post := []*watch.Post{f.post, other}[n%2]
			if (n < 2) == searchFirst {
				f.must(post.MatchSearch(f.ctx, s.id))
			} else {
				f.must(post.MatchDetentions(f.ctx, d))
			}
		}
		f.expect(s, d[0], seen{"certain", "notified", "", 1})
	}

	letGo := f.held("lock table channels in share row exclusive mode") // a search comes to it after its row
	made := make(chan seeker)
	go func() {
		n := asked()
		n.Name, n.BirthYear, n.Channels = name, 1980, []push.Address{{Kind: push.FCM, Value: "t1"}}
		made <- f.make(n)
	}()
	f.stopped()
	d := f.log(lawyer, almaly, entry(name, 1980))
	f.must(f.post.MatchDetentions(f.ctx, d))
	f.must(other.MatchDetentions(f.ctx, d))
	if n := f.count("select count(*) from matches"); n != 0 {
		t.Errorf("%d matches with a search that is not committed", n)
	}
	letGo()
	match(<-made, d, true)

	letGo = f.held("select 1 from departments where id = $1 for update", almaly) // a detention comes to it after its row
	logged := make(chan []uuid.UUID)
	go func() { logged <- f.log(lawyer, almaly, entry(name, 1950)) }()
	f.stopped()
	s := f.search(name, 1950)
	f.must(f.post.MatchSearch(f.ctx, s.id))
	f.must(other.MatchSearch(f.ctx, s.id))
	if n := f.count("select count(*) from matches where search_id = $1 and tier = 'certain'", s.id); n != 0 {
		t.Errorf("%d matches with a detention that is not committed", n)
	}
	letGo()
	match(s, <-logged, false)
}

// Many searches and detentions at once, their jobs on two nodes and in any order: every pair is matched, and told once.
func TestEveryPairIsMatchedOnce(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{})
	lawyer := f.person(account.Lawyer, f.org)
	nodes := []*watch.Post{f.post, f.node(watch.Limits{})}
	const pairs = 40
	searches, detentions := make([]seeker, pairs), make([][]uuid.UUID, pairs)
	called := func(i int) string { return fmt.Sprintf("%sов %sбек", syllables(i), syllables(i*7+3)) }
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := w; i < pairs; i += 4 {
				var both sync.WaitGroup
				both.Go(func() {
					searches[i] = f.search(called(i), 1950+i)
					f.must(nodes[i%2].MatchSearch(f.ctx, searches[i].id))
				})
				both.Go(func() {
					detentions[i] = f.log(lawyer, almaly, entry(called(i), 1950+i))
					f.must(nodes[(i+1)%2].MatchDetentions(f.ctx, detentions[i]))
				})
				both.Wait()
			}
		})
	}
	wg.Wait()
	for i, s := range searches {
		if got := f.seen(s, detentions[i][0]); got.state != "notified" || got.notices != 1 {
			t.Errorf("pair %d (%s): %+v", i, called(i), got)
		}
	}
}

func syllables(i int) string {
	parts := []string{"ба", "да", "га", "ка", "ла", "ма", "на", "па", "ра", "са", "та", "жа", "ша", "за"}
	return parts[i%14] + parts[(i/14+i*3)%14] + parts[(i*5+1)%14]
}

// More people share a name than are compared: a person decides, and coordinators are told that not all were looked at.
func TestACommonNameIsNotToldByItself(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{})
	lawyer := f.person(account.Lawyer, f.org)
	const name = "Ахметов Арман Серікұлы"
	for range names.Compared + 1 {
		f.search(name, 1990)
	}
	d := f.log(lawyer, almaly, entry(name, 1990))
	f.must(f.post.MatchDetentions(f.ctx, d))
	f.must(f.post.MatchDetentions(f.ctx, d))
	waiting := f.count("select count(*) from matches where state = 'proposed' and review_reason in ('common_name', 'tier')")
	if told := f.count("select count(*) from notices"); told != 0 || waiting != names.Compared {
		t.Errorf("%d told, %d wait for a person", told, waiting)
	}
	if n := f.count("select count(*) from alerts where kind = 'candidates_overflow' and subject_id = $1", d[0]); n != 1 {
		t.Errorf("%d alerts", n)
	}
}

// A job hands on what it does not come to in its slice; nobody is lost, and nobody is matched twice.
func TestAJobHandsTheRestOn(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{})
	lawyer := f.person(account.Lawyer, f.org)
	f.post.Slice(0)
	var searches []seeker
	var entries []detention.Entry
	for i := range 5 {
		name := fmt.Sprintf("%sов %sбек", syllables(i), syllables(i*7+3))
		searches = append(searches, f.search(name, 1980))
		entries = append(entries, entry(name, 1980))
	}
	d := f.log(lawyer, almaly, entries...)
	_, err := f.db.Pool.Exec(f.ctx, "delete from river_job")
	f.must(err)
	work, rounds := d, 0
	for ; len(work) > 0 && rounds < 10; rounds++ {
		time.Sleep(time.Millisecond)
		f.must(f.post.MatchDetentions(f.ctx, work))
		var next detention.Recorded
		rows, err := f.db.Pool.Query(f.ctx, "delete from river_job where kind = 'detention_recorded' and queue = $1 and max_attempts > 1000 returning args", watch.LaterQueue)
		f.must(err)
		found, err := pgx.CollectRows(rows, pgx.RowTo[detention.Recorded])
		f.must(err)
		if len(found) > 0 {
			next = found[0]
		}
		if len(next.DetentionIDs) >= len(work) || !slices.Equal(next.DetentionIDs, work[len(work)-len(next.DetentionIDs):]) {
			t.Fatalf("of %v it hands on %v", work, next.DetentionIDs)
		}
		work = next.DetentionIDs
	}
	for i, s := range searches {
		f.expect(s, d[i], seen{"certain", "notified", "", 1})
	}
	if rounds < 2 {
		t.Errorf("%d rounds: nothing was handed on", rounds)
	}
}

// When a whole city begins to search at once, a batch does not wait behind them all: it answers many, and there are few.
func TestABatchDoesNotWaitBehindSearches(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	f.search("Ахметов Арман", 1990)
	f.log(f.person(account.Lawyer, f.org), almaly, entry("Оспанов Тимур", 1980))
	if n := f.count(`select count(*) from river_job s, river_job d where s.kind = 'search_made' and d.kind = 'detention_recorded' and s.queue = d.queue and s.id < d.id
		and d.priority < s.priority`); n != 1 {
		t.Errorf("the batch goes before the search that was there first: %d times", n)
	}
}
