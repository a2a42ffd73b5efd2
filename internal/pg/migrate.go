package pg

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// lockPatience is how many seconds a node waits for another one that migrates.
const lockPatience = 600

//go:embed migrations/*.sql
var migrations embed.FS

// Migration is one step of the schema and whether this database has it.
type Migration struct {
	Name    string
	Applied bool
}

// Migrate brings the schema up, River's tables after ours, each under an advisory lock: many nodes may start at once.
// Migrations are forward only.
func (db *DB) Migrate(ctx context.Context) error {
	pool, err := db.patient(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := migrateOurs(ctx, pool); err != nil {
		return err
	}
	return migrateRiver(ctx, pool)
}

// patient opens a few connections without the limit on statements: building an index over a year of rows takes longer than a
// request may, and so does waiting for the node that builds it.
func (db *DB) patient(ctx context.Context) (*pgxpool.Pool, error) {
	cfg := db.Pool.Config()
	cfg.MaxConns = 4
	cfg.ConnConfig.RuntimeParams["statement_timeout"] = "0"
	cfg.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "0"
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open pool for migrations: %w", scrub(err))
	}
	return pool, nil
}

func migrateOurs(ctx context.Context, pool *pgxpool.Pool) error {
	conns := stdlib.OpenDBFromPool(pool)
	defer func() { _ = conns.Close() }()
	p, err := provider(conns)
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return unavailable(fmt.Errorf("migrate: %w", scrub(err)))
	}
	return nil
}

func migrateRiver(ctx context.Context, pool *pgxpool.Pool) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return unavailable(err)
	}
	defer conn.Release()
	// River's own lock is held inside each step only.
	const riverLock = 7215304891 // any number, the same on every node
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", int64(riverLock)); err != nil {
		return fmt.Errorf("lock river migration: %w", unavailable(err))
	}
	defer func() {
		_, _ = conn.Exec(context.WithoutCancel(ctx), "select pg_advisory_unlock($1)", int64(riverLock))
	}()
	rm, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return fmt.Errorf("river migrations: %w", err)
	}
	if _, err := rm.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate river: %w", unavailable(err))
	}
	// These serve searches of jobs by argument and kind in River's own user interface, which we do not run; every job of every batch would pay for them, each time that it
	// is handed over, taken and closed.
	if _, err := conn.Exec(ctx, "drop index if exists river_job_args_index, river_job_metadata_index, river_job_kind"); err != nil {
		return fmt.Errorf("drop unused river indexes: %w", unavailable(err))
	}
	return nil
}

// Migrations lists the steps this program knows, and which of them the database has.
func (db *DB) Migrations(ctx context.Context) ([]Migration, error) {
	p, err := provider(db.sql)
	if err != nil {
		return nil, err
	}
	st, err := p.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("migration status: %w", unavailable(err))
	}
	out := make([]Migration, 0, len(st))
	for _, s := range st {
		out = append(out, Migration{Name: s.Source.Path, Applied: s.State == goose.StateApplied})
	}
	return out, nil
}

func provider(conns *sql.DB) (*goose.Provider, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("embedded migrations: %w", err)
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, lockPatience))
	if err != nil {
		return nil, fmt.Errorf("migration lock: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, conns, dir, goose.WithSessionLocker(locker), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return nil, fmt.Errorf("prepare migrations: %w", err)
	}
	return p, nil
}
