package pg

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migration is one step of the schema and whether this database has it.
type Migration struct {
	Name    string
	Applied bool
}

// Migrate brings the schema up, River's tables first, under goose's advisory lock: many nodes may start at once.
// Migrations are forward only.
func (db *DB) Migrate(ctx context.Context) error {
	p, err := db.goose()
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", scrub(err))
	}
	// River's own migrations take their own lock inside each step.
	conn, err := db.Pool.Acquire(ctx)
	if err != nil {
		return unavailable(err)
	}
	defer conn.Release()
	const riverLock = 7215304891 // any number, the same on every node
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", int64(riverLock)); err != nil {
		return fmt.Errorf("lock river migration: %w", scrub(err))
	}
	defer func() {
		_, _ = conn.Exec(context.WithoutCancel(ctx), "select pg_advisory_unlock($1)", int64(riverLock))
	}()
	rm, err := rivermigrate.New(riverpgxv5.New(db.Pool), nil)
	if err != nil {
		return fmt.Errorf("river migrations: %w", err)
	}
	if _, err := rm.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate river: %w", scrub(err))
	}
	// These two serve searches of jobs by argument in River's own user interface, which we do not run; every job of every batch
	// would pay for them. (The reindexer in app/jobs.go leaves them out.)
	if _, err := conn.Exec(ctx, "drop index if exists river_job_args_index, river_job_metadata_index"); err != nil {
		return fmt.Errorf("drop unused river indexes: %w", scrub(err))
	}
	return nil
}

// Migrations lists the steps this program knows, and which of them the database has.
func (db *DB) Migrations(ctx context.Context) ([]Migration, error) {
	p, err := db.goose()
	if err != nil {
		return nil, err
	}
	st, err := p.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("migration status: %w", scrub(err))
	}
	out := make([]Migration, 0, len(st))
	for _, s := range st {
		out = append(out, Migration{Name: s.Source.Path, Applied: s.State == goose.StateApplied})
	}
	return out, nil
}

func (db *DB) goose() (*goose.Provider, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("embedded migrations: %w", err)
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, fmt.Errorf("migration lock: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db.sql, dir, goose.WithSessionLocker(locker), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return nil, fmt.Errorf("prepare migrations: %w", err)
	}
	return p, nil
}
