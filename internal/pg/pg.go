// Package pg opens the database and is the only place that knows how a transaction is made.
//
// One pgxpool serves three users: GORM (through database/sql), raw SQL (pgx) and River. InTx joins them: the rows that
// GORM writes, the statements that features send and the jobs that River takes over commit together or not at all.
//
// Invariants. tx.Now is the only clock in writes. GORM's logger never prints values. Errors that leave here carry no row and no
// value (scrub.go): PgError.Detail holds the row that failed, so it is cut off before anyone can log it.
package pg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/qorgau/qorgau/internal/fault"
)

// DB is the opened database.
type DB struct {
	Pool   *pgxpool.Pool
	sql    *sql.DB
	gorm   *gorm.DB
	jobs   *river.Client[pgx.Tx]
	queues *pgxpool.Pool
	clock  func() time.Time
}

// Options for Open. Clock nil is time.Now. MaxConns 0 takes the URL's pool_max_conns, but at least 24. Tracer is told of every statement with
// its parameters: for tests only, because parameters are names before they are sealed.
type Options struct {
	URL      string
	Clock    func() time.Time
	MaxConns int32
	Tracer   pgx.QueryTracer
}

// Open makes the pool; it does not wait for the database to answer.
func Open(ctx context.Context, o Options) (*DB, error) {
	cfg, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, errors.New("DATABASE_URL cannot be read as a PostgreSQL URL (its text is not repeated here: it may hold a password)")
	}
	if o.MaxConns > 0 {
		cfg.MaxConns = o.MaxConns
	} else if cfg.MaxConns < 24 {
		cfg.MaxConns = 24
	}
	// A statement that hangs must not hold a lawyer's request for ever; workers set longer limits themselves.
	if _, set := cfg.ConnConfig.RuntimeParams["statement_timeout"]; !set {
		cfg.ConnConfig.RuntimeParams["statement_timeout"] = "15000"
	}
	// A machine that loses its power, or stands still, says no farewell: what its open transactions lock (the call whose next lawyer it was about to
	// ask) would be nobody's for as long as TCP believes in it, which is two hours. No transaction of ours waits for anything but the database.
	if _, set := cfg.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"]; !set {
		cfg.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "30000"
	}
	cfg.ConnConfig.Tracer = o.Tracer
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
	cfg.ConnConfig.RuntimeParams["application_name"] = "qorgau"
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	// Times come back in UTC whatever the machine's zone is: they travel as they are read.
	cfg.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		// Without it a list of ids is written each by each through database/sql's Valuer: 4 ms of processor time for 500.
		pgxuuid.Register(conn.TypeMap())
		conn.TypeMap().RegisterType(&pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC}})
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open pool: %w", scrub(err))
	}
	db := &DB{Pool: pool, sql: stdlib.OpenDBFromPool(pool), clock: o.Clock}
	if db.clock == nil {
		db.clock = time.Now
	}
	// It only hands jobs over; its logger would repeat what comes back as an error.
	if db.jobs, err = river.NewClient(riverpgxv5.New(pool), &river.Config{Logger: slog.New(slog.DiscardHandler), FetchCooldown: wakeEvery}); err != nil {
		pool.Close()
		return nil, fmt.Errorf("job client: %w", err)
	}
	// ParameterizedQueries: GORM's default logger prints values, and values are names.
	db.gorm, err = gorm.Open(dialect{&postgres.Dialector{Config: &postgres.Config{Conn: statements{db.sql}}}}, &gorm.Config{
		Logger:                 logger.New(discard{}, logger.Config{LogLevel: logger.Silent, ParameterizedQueries: true}),
		SkipDefaultTransaction: true,
		DisableAutomaticPing:   true,
		TranslateError:         true, // by dialect: values leave no error
		NowFunc:                db.Now,
	})
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("open gorm: %w", scrub(err))
	}
	return db, nil
}

// wakeEvery is how often at most who works a queue is woken by what this node hands over, which River calls a cooldown. What comes in between is found by the same
// look, or else 200 ms later; with River's own tenth of a second that was one of two jobs of a steady fifty a second.
const wakeEvery = time.Millisecond

type discard struct{}

func (discard) Printf(string, ...any) {}

// Alone opens a connection outside the pool, with settings of its own: for who must not wait for the pool because callers that
// hold its connections wait for them. Whoever takes it closes it, and hands its errors to Unavailable.
func (db *DB) Alone(ctx context.Context, settings map[string]string) (*pgx.Conn, error) {
	cfg := db.Pool.Config().ConnConfig
	maps.Copy(cfg.RuntimeParams, settings)
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, unavailable(err)
	}
	return conn, nil
}

// ForJobs opens a pool beside the other, for who takes jobs from so many queues. Its statements are planned anew each time: a plan that PostgreSQL kept from
// an hour in which the queue was empty reads the whole queue for each job of a burst, until the table is analysed a minute later. Telling 30,000 at once took five
// times as long (2.4 ms of the database's processor for each against 0.4). It is called once, and Close ends it.
func (db *DB) ForJobs(ctx context.Context, queues int) (*pgxpool.Pool, error) {
	const beside = 4 // to listen, to lead, to say what is done
	cfg := db.Pool.Config()
	// Each queue may wait for its jobs at once: whoever holds the table up for a while must not keep the others from starting, or the process gives up.
	cfg.MaxConns = int32(queues) + beside
	cfg.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_custom_plan"
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open pool for jobs: %w", scrub(err))
	}
	db.queues = pool
	return pool, nil
}

// Close ends all connections.
func (db *DB) Close() {
	if db.queues != nil {
		db.queues.Close()
	}
	_ = db.sql.Close()
	db.Pool.Close()
}

// Now is the clock, in UTC and cut to the microsecond that PostgreSQL keeps.
func (db *DB) Now() time.Time { return db.clock().UTC().Truncate(time.Microsecond) }

// Read is GORM outside a transaction, for single reads.
func (db *DB) Read(ctx context.Context) *gorm.DB { return db.gorm.WithContext(ctx) }

// Tx is an open transaction.
type Tx struct {
	// Now is the transaction's time, the only clock in writes.
	Now  time.Time
	db   *DB
	conn *sql.Conn
	pgx  pgx.Tx
	gorm *gorm.DB
	jobs []river.InsertManyParams
}

// Gorm is GORM on this transaction, for the dull four fifths of the statements.
func (tx *Tx) Gorm(ctx context.Context) *gorm.DB {
	if tx.gorm == nil {
		// Context, because only then does Session copy the statement: without it the next line would put this
		// transaction's connection under every other user of GORM in the process.
		s := tx.db.gorm.Session(&gorm.Session{NewDB: true, SkipDefaultTransaction: true, Context: ctx})
		s.Statement.ConnPool = statements{tx.conn}
		tx.gorm = s
	}
	return tx.gorm.WithContext(ctx)
}

// Exec runs a raw statement; args may be pgx.NamedArgs. It returns how many rows it touched.
func (tx *Tx) Exec(ctx context.Context, statement string, args ...any) (int64, error) {
	tag, err := tx.pgx.Exec(ctx, statement, args...)
	return tag.RowsAffected(), scrub(err)
}

// Query runs a raw query; collect it with pgx.CollectRows.
func (tx *Tx) Query(ctx context.Context, statement string, args ...any) (pgx.Rows, error) {
	rows, err := tx.pgx.Query(ctx, statement, args...)
	return scrubbedRows{rows}, scrub(err)
}

// QueryRow runs a raw query of at most one row.
func (tx *Tx) QueryRow(ctx context.Context, statement string, args ...any) pgx.Row {
	return scrubbedRow{tx.pgx.QueryRow(ctx, statement, args...)}
}

// Send pipelines several statements in one round trip.
func (tx *Tx) Send(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return scrubbedResults{tx.pgx.SendBatch(ctx, b)}
}

// Enqueue hands a job to River when the transaction commits. Arguments are plaintext rows: ids only, never a name.
func (tx *Tx) Enqueue(args river.JobArgs, opts *river.InsertOpts) {
	tx.jobs = append(tx.jobs, river.InsertManyParams{Args: args, InsertOpts: opts})
}

// InTx runs fn in one transaction (read committed) and commits when it returns nil. A database that does not answer
// becomes fault.Unavailable: the caller repeats, and unique constraints make the repeat harmless, even when the commit
// had gone through and only its answer was lost.
func (db *DB) InTx(ctx context.Context, fn func(tx *Tx) error) error {
	conn, err := db.sql.Conn(ctx)
	if err != nil {
		return unavailable(err)
	}
	defer func() { _ = conn.Close() }()
	var raw *pgx.Conn
	if err := conn.Raw(func(dc any) error {
		raw = dc.(*stdlib.Conn).Conn()
		return nil
	}); err != nil {
		return unavailable(err)
	}
	ptx, err := raw.Begin(ctx)
	if err != nil {
		return unavailable(err)
	}
	defer rollback(ctx, ptx)
	tx := &Tx{Now: db.Now(), db: db, conn: conn, pgx: ptx}
	if err := fn(tx); err != nil {
		return unavailable(err)
	}
	if len(tx.jobs) > 0 {
		if _, err := db.jobs.InsertManyTx(ctx, ptx, tx.jobs); err != nil {
			return unavailable(fmt.Errorf("enqueue: %w", scrub(err)))
		}
	}
	if err := ptx.Commit(ctx); err != nil {
		return unavailable(fmt.Errorf("commit: %w", scrub(err)))
	}
	return nil
}

// rollback does nothing after a commit. The request's context may be gone by now: the connection must go back clean all the same,
// and one whose other end is silent must not hold the caller.
func rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackLimit)
	defer cancel()
	_ = tx.Rollback(ctx)
}

const rollbackLimit = 5 * time.Second

// Violates tells whether err is the violation of that constraint.
func Violates(err error, constraint string) bool {
	var pe *pgconn.PgError
	return errors.As(err, &pe) && pe.ConstraintName == constraint
}

// NoRow tells whether err says that there was no row, in GORM's words or pgx's.
func NoRow(err error) bool {
	return errors.Is(err, pgx.ErrNoRows) || errors.Is(err, gorm.ErrRecordNotFound)
}

// Unavailable turns what says "the database is not there" into a fault, and scrubs the rest. InTx does it by itself; reads
// outside do it here.
func Unavailable(err error) error { return unavailable(err) }

func unavailable(err error) error {
	err = scrub(err)
	if err == nil || fault.As(err) != nil {
		return err
	}
	// A refused login is also a database that is not there: it is as it was once an operator has mended it.
	var ce *pgconn.ConnectError
	if errors.As(err, &ce) || errors.Is(err, sql.ErrConnDone) {
		return fault.Down(err)
	}
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		if isPassing(pe.Code) {
			return fault.Down(err)
		}
		return err
	}
	if pgconn.SafeToRetry(err) || errors.Is(err, context.DeadlineExceeded) || isNetwork(err) {
		return fault.Down(err)
	}
	return err
}

// isPassing tells whether the same statement may go through a moment later.
func isPassing(code string) bool {
	switch code {
	case "25006", "25P03": // a server that has become a standby; a transaction that idled too long
		return true
	}
	return len(code) == 5 && slices.Contains([]string{"08", "40", "53", "57"}, code[:2]) // connection, rollback, resources, operator
}
