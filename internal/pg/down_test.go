package pg_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
)

// wire lies between a pool and the cluster and can be cut.
type wire struct {
	t        *testing.T
	backend  string // the cluster's socket
	url      string
	mu       sync.Mutex
	listener net.Listener
	open     map[net.Conn]bool
	onCommit func(client, server net.Conn, message []byte)
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	w := &wire{t: t, backend: q.Get("host") + "/.s.PGSQL." + q.Get("port"), open: map[net.Conn]bool{}}
	w.mend("127.0.0.1:0")
	u.Host, u.RawQuery = w.listener.Addr().String(), "sslmode=disable"
	w.url = u.String()
	t.Cleanup(w.cut)
	return w
}

// mend listens (again); the address stays what it was.
func (w *wire) mend(address string) {
	w.t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.listener = l
	w.mu.Unlock()
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", w.backend)
			if err != nil {
				_ = client.Close()
				continue
			}
			w.mu.Lock()
			w.open[client], w.open[server] = true, true
			w.mu.Unlock()
			go func() {
				_, _ = io.Copy(client, server)
				_ = client.Close()
			}()
			go w.listen(client, server)
		}
	}()
}

func (w *wire) listen(client, server net.Conn) {
	defer func() { _ = server.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := client.Read(buffer)
		if err != nil {
			return
		}
		w.mu.Lock()
		onCommit := w.onCommit
		w.mu.Unlock()
		if message := buffer[:n]; onCommit != nil && bytes.Contains(message, []byte("commit\x00")) {
			onCommit(client, server, message)
			return
		}
		if _, err := server.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// cut ends the listener and every connection, as a machine that dies does.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.listener.Close()
	for c := range w.open {
		_ = c.Close()
	}
	clear(w.open)
}

func (w *wire) atCommit(do func(client, server net.Conn, message []byte)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.onCommit = do
}

// isDown tells whether err is what a phone is asked to try again after.
func isDown(err error) bool {
	f := fault.As(err)
	return f != nil && f.Kind == fault.Unavailable && f.RetryAfter > 0
}

func add(ctx context.Context, id uuid.UUID) func(tx *pg.Tx) error {
	return func(tx *pg.Tx) error {
		_, err := tx.Exec(ctx, insert, id, "x", tx.Now)
		return err
	}
}

// A database that goes away is a fault that asks for patience, at whichever moment it goes; and when it is back, so are we.
func TestTheDatabaseGoesAway(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	straight := pgtest.New(t)
	w := newWire(t, straight.URL)
	db := opened(t, pg.Options{URL: w.url})
	if err := db.InTx(ctx, add(ctx, uuid.New())); err != nil {
		t.Fatal(err)
	}

	for name, goes := range map[string]func(tx *pg.Tx) error{
		"its machine dies": func(*pg.Tx) error { w.cut(); return nil },
		"it is stopped": func(tx *pg.Tx) error {
			var pid int
			if err := tx.QueryRow(ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
				return err
			}
			_, err := straight.Pool.Exec(ctx, "select pg_terminate_backend($1, 10000)", pid)
			return err
		},
	} {
		for _, after := range []string{"raw SQL", "GORM", "nothing"} {
			err := db.InTx(ctx, func(tx *pg.Tx) error {
				if err := add(ctx, uuid.New())(tx); err != nil {
					return err
				}
				if err := goes(tx); err != nil {
					t.Error(err)
				}
				switch after {
				case "raw SQL":
					return fmt.Errorf("add: %w", add(ctx, uuid.New())(tx))
				case "GORM":
					return fmt.Errorf("add: %w", tx.Gorm(ctx).Create(&organisation{ID: uuid.New(), Name: "x", CreatedAt: tx.Now}).Error)
				}
				return nil
			})
			if !isDown(err) {
				t.Errorf("%s in a transaction, then %s: %v", name, after, err)
			}
			if name == "its machine dies" {
				away(ctx, t, db)
				w.mend(w.listener.Addr().String())
			}
			if err := db.InTx(ctx, func(*pg.Tx) error { return nil }); err != nil {
				t.Errorf("%s, and is back: %v", name, err)
			}
		}
	}
	if n := organisations(t, straight.DB); n != 1 {
		t.Errorf("%d rows, want the 1 of the transaction that committed", n)
	}
}

// away asks while nobody listens.
func away(ctx context.Context, t *testing.T, db *pg.DB) {
	t.Helper()
	called := false
	if err := db.InTx(ctx, func(*pg.Tx) error { called = true; return nil }); !isDown(err) || called {
		t.Errorf("a transaction while it is away: %v (begun: %v)", err, called)
	}
	var n int64
	if err := pg.Unavailable(fmt.Errorf("count: %w", db.Read(ctx).Model(&organisation{}).Count(&n).Error)); !isDown(err) {
		t.Errorf("a read by GORM while it is away: %v", err)
	}
	if err := pg.Unavailable(db.Pool.QueryRow(ctx, "select 1").Scan(&n)); !isDown(err) {
		t.Errorf("a read while it is away: %v", err)
	}
	if err := db.Migrate(ctx); !isDown(err) {
		t.Errorf("a migration while it is away: %v", err)
	}
}

// The answer to a commit may be lost: the caller hears an error, yet the row is there. Cut off a moment sooner it is not, and
// nobody can tell the two apart; hence constraints that make a repeat harmless.
func TestTheAnswerToACommitIsLost(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	straight := pgtest.New(t)
	w := newWire(t, straight.URL)
	db := opened(t, pg.Options{URL: w.url})
	cut := func(client, server net.Conn) { _, _ = client.Close(), server.Close() }
	for _, c := range []struct {
		name string
		do   func(client, server net.Conn, message []byte)
		rows int
	}{
		{"before the database heard of it", func(client, server net.Conn, _ []byte) { cut(client, server) }, 0},
		{"after the database did it", func(client, server net.Conn, message []byte) {
			_, _ = server.Write(message)
			for count(t, straight.DB, "select count(*) from organisations") == 0 && t.Context().Err() == nil {
				runtime.Gosched()
			}
			cut(client, server)
		}, 1},
	} {
		id := uuid.New()
		// The pipe to the client is cut first, so that the server's answer cannot pass.
		w.atCommit(func(client, server net.Conn, message []byte) { _ = client.Close(); c.do(client, server, message) })
		err := db.InTx(ctx, add(ctx, id))
		if !isDown(err) {
			t.Errorf("%s: %v", c.name, err)
		}
		w.atCommit(nil)
		settled(t, straight.DB)
		if n := organisations(t, straight.DB); n != c.rows {
			t.Errorf("%s: %d rows, want %d", c.name, n, c.rows)
		}
		if err := db.InTx(ctx, add(ctx, id)); pg.Violates(err, "organisations_pkey") != (c.rows == 1) {
			t.Errorf("%s, repeated: %v", c.name, err)
		}
		if _, err := straight.Pool.Exec(ctx, "delete from organisations"); err != nil {
			t.Fatal(err)
		}
	}
}

// settled waits until the database has let go of every transaction.
func settled(t *testing.T, db *pg.DB) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		if count(t, db, `select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
			and state <> 'idle'`) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the database is still busy")
		}
	}
}

// Whoever waits longer than a request may for a connection, or whose statement takes too long, is asked to come back.
func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	url := pgtest.Clone(t)
	db := opened(t, pg.Options{URL: url, MaxConns: 1})
	if err := db.InTx(ctx, func(*pg.Tx) error {
		limit, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		called := false
		if err := db.InTx(limit, func(*pg.Tx) error { called = true; return nil }); !isDown(err) || called {
			t.Errorf("a second transaction on a pool of one: %v (begun: %v)", err, called)
		}
		var n int64
		if err := pg.Unavailable(db.Read(limit).Model(&organisation{}).Count(&n).Error); !isDown(err) {
			t.Errorf("a read on a pool of one: %v", err)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if err := db.InTx(ctx, func(*pg.Tx) error { return nil }); err != nil {
		t.Errorf("the pool after a wait in vain: %v", err)
	}

	if err := db.InTx(ctx, func(tx *pg.Tx) error {
		if _, err := tx.Exec(ctx, "set local statement_timeout = 20"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "select pg_sleep(30)")
		return err
	}); !isDown(err) || pg.Code(err) != "sql_57014" {
		t.Errorf("a statement that hangs: %v", err)
	}
	limit, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if err := db.InTx(limit, func(tx *pg.Tx) error {
		_, err := tx.Exec(limit, "select pg_sleep(30)")
		return err
	}); !isDown(err) {
		t.Errorf("a request whose time is up: %v", err)
	}
	gone, leave := context.WithCancel(ctx)
	leave()
	if err := db.InTx(gone, func(*pg.Tx) error { return nil }); err == nil {
		t.Error("a transaction for a request that is gone")
	}
	var limited string
	if err := db.Pool.QueryRow(ctx, "show statement_timeout").Scan(&limited); err != nil || limited != "15s" {
		t.Errorf("statements are limited to %s (%v), want 15s", limited, err)
	}
	if err := db.Pool.QueryRow(ctx, "show idle_in_transaction_session_timeout").Scan(&limited); err != nil || limited != "30s" {
		t.Errorf("who stands still in a transaction is ended after %s (%v), want 30s", limited, err)
	}
}

// What asks for patience, and what is a mistake of ours that no repeat mends.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	u, err := url.Parse(pgtest.Clone(t))
	if err != nil {
		t.Fatal(err)
	}
	nowhere, stranger := *u, *u
	nowhere.Path = "/not_there"
	stranger.User = url.User("stranger")
	for name, u := range map[string]*url.URL{"no such database": &nowhere, "no such user": &stranger} {
		if err := opened(t, pg.Options{URL: u.String()}).InTx(ctx, func(*pg.Tx) error { return nil }); !isDown(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for code, down := range map[string]bool{
		"08006": true, "40001": true, "40P01": true, "53100": true, "53300": true, "57014": true, "57P01": true, "57P03": true,
		"25006": true, "25P03": true, "25P02": false, "23505": false, "42601": false, "22P02": false, "XX000": false, "": false,
	} {
		if got := isDown(pg.Unavailable(fmt.Errorf("do: %w", &pgconn.PgError{Code: code}))); got != down {
			t.Errorf("SQLSTATE %q asks for patience: %v, want %v", code, got, down)
		}
	}
	for _, err := range []error{io.ErrUnexpectedEOF, net.ErrClosed, context.DeadlineExceeded} {
		if !isDown(pg.Unavailable(fmt.Errorf("do: %w", err))) {
			t.Errorf("%v does not ask for patience", err)
		}
	}
	mistake := errors.New("a mistake")
	if err := pg.Unavailable(mistake); !errors.Is(err, mistake) || fault.As(err) != nil {
		t.Errorf("a mistake became %v", err)
	}
	if err := pg.Unavailable(fmt.Errorf("do: %w", fault.Absent())); !fault.Is(err, "not_found") {
		t.Errorf("a fault became %v", err)
	}
	closed := opened(t, pg.Options{URL: u.String()})
	closed.Close()
	if err := closed.InTx(ctx, func(*pg.Tx) error { return nil }); err == nil {
		t.Error("a closed database began a transaction")
	}
}
