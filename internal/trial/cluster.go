package trial

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/pg/embedded"
)

// cluster is a private PostgreSQL with one database for each row, copied from one in which a server has begun before.
type cluster struct {
	dir    string
	getenv func(string) string

	mu     sync.Mutex // one copy at a time: PostgreSQL wants nobody else in the original
	server *embedded.Server
	copies atomic.Int64
}

// startCluster starts one; begin is given its database, and leaves it as the original of all copies.
func startCluster(ctx context.Context, dir string, getenv func(string) string, begin func(ctx context.Context, url string) error) (*cluster, error) {
	c := &cluster{dir: dir, getenv: getenv}
	if err := c.start(ctx); err != nil {
		return nil, err
	}
	if err := begin(ctx, c.server.URL()); err != nil {
		return nil, errors.Join(err, c.stop(ctx))
	}
	return c, nil
}

func (c *cluster) start(ctx context.Context) (err error) {
	c.server, err = embedded.Start(ctx, embedded.Options{DataDir: c.dir, Getenv: c.getenv})
	return err
}

func (c *cluster) stop(ctx context.Context) error { return c.server.Stop(context.WithoutCancel(ctx)) }

// copy makes a database and gives its URL.
func (c *cluster) copy(ctx context.Context) (string, error) {
	u, err := url.Parse(c.server.URL())
	if err != nil {
		return "", fmt.Errorf("address of the trial's database: %w", err)
	}
	original, name := strings.TrimPrefix(u.Path, "/"), "trial"+strconv.FormatInt(c.copies.Add(1), 10)
	admin := *u
	admin.Path = "/postgres"
	c.mu.Lock()
	defer c.mu.Unlock()
	conn, err := pgx.Connect(ctx, admin.String())
	if err != nil {
		return "", fmt.Errorf("copy a database: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "create database "+name+" template "+original); err != nil {
		return "", fmt.Errorf("copy a database: %w", err)
	}
	u.Path = "/" + name
	return u.String(), nil
}

// killed ends PostgreSQL as kill -9 of its first process does; again starts it, at the same address.
func (c *cluster) killed(ctx context.Context) error {
	body, err := os.ReadFile(filepath.Join(c.server.DataDir(), "pg", "postmaster.pid"))
	if err != nil {
		return fmt.Errorf("find PostgreSQL: %w", err)
	}
	first, _, _ := strings.Cut(string(body), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		return fmt.Errorf("find PostgreSQL: %w", err)
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return fmt.Errorf("find PostgreSQL: %w", err)
	}
	if err := p.Kill(); err != nil {
		return fmt.Errorf("kill PostgreSQL: %w", err)
	}
	_ = c.stop(ctx) // lets go of the directory; that it ended badly is what was wanted
	return nil
}

func (c *cluster) again(ctx context.Context) error {
	was := c.server.URL()
	if err := c.start(ctx); err != nil {
		return err
	}
	if c.server.URL() != was {
		return errors.New("PostgreSQL came back at another address")
	}
	return nil
}
