package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/embedded"
)

// databasePatience is how long a start waits for a database that does not answer yet, as after a power cut of both machines.
const databasePatience = 30 * time.Second

// store is the opened database, with the embedded PostgreSQL below it if there is one.
type store struct {
	db    *pg.DB
	place *embedded.Server // nil with DATABASE_URL
}

// openStore starts the embedded PostgreSQL if there is no DATABASE_URL, opens the pool and waits until it answers.
func openStore(ctx context.Context, o Options) (s store, err error) {
	address := o.Config.DatabaseURL.Reveal()
	if address == "" {
		if s.place, err = embedded.Start(ctx, embedded.Options{DataDir: o.Config.DataDir, Getenv: o.Getenv, Log: o.Log}); err != nil {
			return store{}, err
		}
		address = s.place.URL()
	}
	s.db, err = pg.Open(ctx, pg.Options{URL: address, Clock: o.Clock, Tracer: o.Tracer})
	if err == nil {
		err = answers(ctx, s.db, o.Log)
	}
	if err != nil {
		return store{}, errors.Join(err, s.close(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// close ends the pool, then the embedded PostgreSQL. A store that was never opened has nothing to close.
func (s store) close(ctx context.Context) error {
	if s.db != nil {
		s.db.Close()
	}
	if s.place == nil {
		return nil
	}
	if err := s.place.Stop(ctx); err != nil {
		return fmt.Errorf("stop the embedded PostgreSQL: %w", err)
	}
	return nil
}

// answers waits for the database. What waiting does not mend (a wrong password, no such database) is said at once.
func answers(ctx context.Context, db *pg.DB, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, databasePatience)
	defer cancel()
	pause := 100 * time.Millisecond
	for said := false; ; said = true {
		err := db.Pool.Ping(ctx)
		if err == nil {
			return nil
		}
		var refused *pgconn.PgError
		if errors.As(err, &refused) && refused.Code[:2] != "57" && refused.Code[:2] != "53" {
			return fmt.Errorf("DATABASE_URL: PostgreSQL refuses: %s (%s)", refused.Message, refused.Code)
		}
		if !said {
			log.WarnContext(ctx, "waiting for the database", "patience", databasePatience.String())
		}
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), context.Canceled) {
				return ctx.Err()
			}
			return fmt.Errorf("DATABASE_URL: PostgreSQL did not answer within %s: %w", databasePatience, err)
		case <-time.After(pause):
			pause = min(2*pause, 2*time.Second)
		}
	}
}

// prepare brings the schema up and fills an empty directory of departments.
func prepare(ctx context.Context, db *pg.DB, log *slog.Logger) error {
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	report, err := department.LoadShipped(ctx, db)
	if err != nil {
		return fmt.Errorf("load the shipped departments: %w", err)
	}
	if report.Created > 0 {
		log.InfoContext(ctx, "loaded the shipped departments", "count", report.Created)
	}
	return nil
}

const placeEvery = 2 * time.Second

// watchOver ends the process when the embedded PostgreSQL is gone, so that a service manager starts both again: alone we could
// only refuse every request. It asks the socket, which refuses when nobody listens; a busy pool says nothing of that kind.
func (a *App) watchOver(ctx context.Context, place string) {
	u, err := url.Parse(place)
	if err != nil {
		return
	}
	socket := filepath.Join(u.Query().Get("host"), ".s.PGSQL."+u.Query().Get("port"))
	refused := 0
	repeat(ctx, placeEvery, func(ctx context.Context) {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
		if err == nil {
			_ = conn.Close()
			refused = 0
			return
		}
		if refused++; refused == 2 && ctx.Err() == nil {
			a.failed <- fmt.Errorf("the embedded PostgreSQL ended by itself: its log is %s", a.store.place.LogFile())
		}
	})
}
