package finder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/pkg/names"
)

const (
	connectLimit = 5 * time.Second
	catchUpLimit = 10 * time.Second // what became visible since the last one, a second ago or less
	loadLimit    = 10 * time.Minute
	hangUpLimit  = time.Second
	atOnce       = 256 // rows that one core opens before it takes more
)

var errClosed = errors.New("the finder is closed")

// side is what the two tables differ in.
type side struct {
	table, alive, place string
	index               func(*indexes) *names.Index[uuid.UUID]
}

var sides = []side{
	{"searches", "r.state = 'open'", "searches.profile_ct", func(in *indexes) *names.Index[uuid.UUID] { return in.searches }},
	{"detentions", "r.state <> 'withdrawn'", "detentions.profile_ct", func(in *indexes) *names.Index[uuid.UUID] { return in.detentions }},
}

const (
	rowsOf = `select r.id, %[2]s and k.wrapped is not null, k.id, k.scope, k.period, k.wrapped, r.profile_ct
		from %[1]s r join data_keys k on k.id = r.key_id`
	// Visible now and not then. The first condition finds by index what the second decides.
	becameVisible = ` where r.names_xid >= pg_snapshot_xmin($1::text::pg_snapshot) and not pg_visible_in_snapshot(r.names_xid, $1::text::pg_snapshot)`
	// No transaction here has these numbers yet: they are of the cluster that a dump was taken from, and would be read at every
	// catch-up until this one has come so far.
	ofAnotherCluster = `update %[1]s set names_xid = pg_current_xact_id() where names_xid >= pg_snapshot_xmax(pg_current_snapshot())`
)

// catchUp brings the indexes up to the database: by what changed, or wholly when nothing is known of what it held before. A
// connection that was lost is made anew, once: a server that was restarted is then no failed look.
func (f *Finder) catchUp() error {
	if f.conn != nil {
		err := f.within(catchUpLimit, f.readChanges)
		if err == nil {
			return nil
		}
		f.hangUp()
		if f.ctx.Err() != nil {
			return err
		}
	}
	if err := f.within(connectLimit, f.connect); err != nil {
		return err
	}
	began := time.Now()
	if err := f.within(loadLimit, f.load); err != nil {
		f.hangUp()
		return err
	}
	f.ready.Store(true)
	f.log.InfoContext(f.ctx, "names are indexed", "searches", f.held.searches.Len(), "detentions", f.held.detentions.Len(),
		"took", time.Since(began).Round(time.Millisecond).String())
	return nil
}

func (f *Finder) within(limit time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(f.ctx, limit)
	defer cancel()
	return do(ctx)
}

// connect takes a connection of the finder's own. The planner knows nothing of numbers that were given out since it last looked, and
// would read a million rows for the three that changed: so by index alone, but for the first time.
func (f *Finder) connect(ctx context.Context) (err error) {
	f.conn, err = f.db.Alone(ctx, map[string]string{"statement_timeout": "0", "jit": "off",
		"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"})
	return err
}

var wholeTables = []string{"set local work_mem = '64MB'", "set local enable_seqscan = on", "set local enable_hashjoin = on", "set local enable_mergejoin = on"}

// hangUp forgets the connection and with it what the indexes were good for.
func (f *Finder) hangUp() {
	f.ready.Store(false)
	f.held, f.snapshot = nil, ""
	if f.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), hangUpLimit)
	defer cancel()
	_ = f.conn.Close(ctx)
	f.conn = nil
}

// load reads everything, in one snapshot.
func (f *Finder) load(ctx context.Context) error {
	for _, table := range []string{sides[0].table, sides[1].table, "search_attempts"} {
		if _, err := f.conn.Exec(ctx, fmt.Sprintf(ofAnotherCluster, table)); err != nil {
			return fmt.Errorf("take over names of another cluster: %w", err)
		}
	}
	f.held = newIndexes()
	return f.read(ctx, "", nil, wholeTables...)
}

func (f *Finder) readChanges(ctx context.Context) error {
	return f.read(ctx, becameVisible, []any{f.snapshot})
}

// read feeds the rows of all tables for which a condition holds, as one snapshot sees them, and remembers the snapshot.
func (f *Finder) read(ctx context.Context, where string, args []any, first ...string) error {
	f.held.attempts.forget(f.db.Now().Add(-Kept))
	return pgx.BeginTxFunc(ctx, f.conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		for _, statement := range first {
			b.Queue(statement)
		}
		var snapshot string
		b.Queue("select pg_current_snapshot()::text").QueryRow(func(row pgx.Row) error { return row.Scan(&snapshot) })
		for _, s := range sides {
			b.Queue(fmt.Sprintf(rowsOf, s.table, s.alive)+where, args...).Query(func(rows pgx.Rows) error { return f.feed(ctx, s, rows) })
		}
		b.Queue("select r.id, r.at, r.names_ct from search_attempts r"+where+" order by r.at", args...).Query(func(rows pgx.Rows) error {
			return f.feedAttempts(ctx, rows)
		})
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return fmt.Errorf("read names: %w", err)
		}
		f.snapshot = snapshot
		return nil
	})
}

// sealedRow is a row as the index needs it.
type sealedRow struct {
	id, key       uuid.UUID
	alive         bool
	scope, period string
	wrapped       []byte
	profileCT     []byte
}

// feed puts rows into a side's index as they come, on all cores, and keeps none of them.
func (f *Finder) feed(ctx context.Context, s side, rows pgx.Rows) error {
	var workers sync.WaitGroup
	var failed atomic.Pointer[error]
	work := make(chan []sealedRow, runtime.GOMAXPROCS(0))
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for some := range work {
				if err := f.put(ctx, s, some); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	chunk := make([]sealedRow, 0, atOnce)
	var r sealedRow
	_, err := pgx.ForEachRow(rows, []any{&r.id, &r.alive, &r.key, &r.scope, &r.period, &r.wrapped, &r.profileCT}, func() error {
		if chunk = append(chunk, r); len(chunk) == atOnce {
			work <- chunk
			chunk = make([]sealedRow, 0, atOnce)
		}
		r.wrapped, r.profileCT = nil, nil
		return nil
	})
	if len(chunk) > 0 {
		work <- chunk
	}
	close(work)
	workers.Wait()
	if err == nil && failed.Load() != nil {
		err = *failed.Load()
	}
	return err
}

func (f *Finder) put(ctx context.Context, s side, some []sealedRow) error {
	index := s.index(f.held)
	for _, r := range some {
		p, err := f.open(s, r)
		switch {
		case errors.Is(err, seal.ErrOpen):
			// Whoever reads the record is told so; that it is not found must not keep everyone else from being found.
			f.log.ErrorContext(ctx, "a record does not open and is not indexed", "table", s.table, "id", r.id)
			fallthrough
		case err == nil && len(p.Names) == 0:
			index.Remove(r.id)
		case err != nil:
			return err
		default:
			index.Put(r.id, p)
		}
	}
	return nil
}

// profile is what both sides' profiles have in common.
type profile struct {
	Name        string   `json:"name"`
	AlsoKnownAs []string `json:"also_known_as"`
	BirthYear   int      `json:"birth_year"`
}

// open gives the person of a row; one without a name is in no index. A destroyed key is no error: its record is erased.
func (f *Finder) open(s side, r sealedRow) (names.Person, error) {
	if !r.alive {
		return names.Person{}, nil
	}
	key, err := f.ring.Unwrap(r.scope, r.key, r.period, r.wrapped)
	if errors.Is(err, seal.ErrDestroyed) {
		return names.Person{}, nil
	}
	if err != nil {
		return names.Person{}, fmt.Errorf("open names: %w", err)
	}
	plain, err := key.Open(s.place, r.id, r.profileCT)
	if err != nil {
		return names.Person{}, fmt.Errorf("open names: %w", err)
	}
	var p profile
	if json.Unmarshal(plain, &p) != nil {
		return names.Person{}, fmt.Errorf("read names: %w", seal.ErrOpen) // the decoder's own error may repeat what is in it
	}
	return p.person(), nil
}

func (p profile) person() names.Person {
	return names.People(p.BirthYear, append([]string{p.Name}, p.AlsoKnownAs...)...)
}
