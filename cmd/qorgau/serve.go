package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/config"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push/fcm/standin"
)

func (c *cli) serve() *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use: "serve", Short: "Run the server", Args: exact(0),
		Long: "Runs API and workers on DATABASE_URL, or on an embedded PostgreSQL in QORGAU_DATA_DIR. Migrates, and loads the shipped\n" +
			"departments into an empty directory, before it is ready. Ctrl-C stops cleanly; a second one stops at once.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := c.options(slog.LevelInfo)
			if err != nil {
				return err
			}
			switch o.Role = app.Role(role); o.Role {
			case app.All, app.API, app.Worker:
			default:
				return usageError{fmt.Errorf("--role wants api, worker or all; %q is none of them", role)}
			}
			return app.Run(cmd.Context(), o, nil)
		},
	}
	cmd.Flags().StringVar(&role, "role", string(app.All), "what this node does: api, worker or all")
	return cmd
}

func (c *cli) migrate() *cobra.Command {
	act := func(do func(ctx context.Context, db *pg.DB) error) func(*cobra.Command, []string) error {
		return func(cmd *cobra.Command, _ []string) error {
			o, err := c.options(slog.LevelWarn)
			if err != nil {
				return err
			}
			return app.Migrate(cmd.Context(), o, do)
		}
	}
	return group("migrate", "Bring the database's tables up, or say where they stand",
		&cobra.Command{Use: "up", Short: "Apply what is missing", Args: exact(0), RunE: act(func(ctx context.Context, db *pg.DB) error {
			if err := db.Migrate(ctx); err != nil {
				return err
			}
			return c.listMigrations(ctx, db)
		})},
		&cobra.Command{Use: "status", Short: "List what is applied and what is missing", Args: exact(0), RunE: act(c.listMigrations)})
}

func (c *cli) listMigrations(ctx context.Context, db *pg.DB) error {
	all, err := db.Migrations(ctx)
	if err != nil {
		return err
	}
	for _, m := range all {
		state := "missing"
		if m.Applied {
			state = "applied"
		}
		if _, err := fmt.Fprintf(c.stdout, "%-8s %s\n", state, m.Name); err != nil {
			return err
		}
	}
	return nil
}

func (c *cli) standIn() *cobra.Command {
	var addr string
	cmd := &cobra.Command{Use: "fcm-stand-in", Short: "Imitate Firebase on this machine: docs/fcm.md", Args: exact(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return standin.Serve(cmd.Context(), addr, c.stdout) }}
	cmd.Flags().StringVar(&addr, "addr", "127.0.0.1:9099", "where to listen")
	return cmd
}

// health asks the server on QORGAU_ADDR, for health checks of containers that have no shell.
func (c *cli) health() *cobra.Command {
	var ready bool
	cmd := &cobra.Command{Use: "health", Short: "Ask the server on QORGAU_ADDR whether it is well", Args: exact(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			addr := c.getenv("QORGAU_ADDR")
			if addr == "" {
				addr = config.DefaultAddr
			}
			path := "/healthz"
			if ready {
				path = "/readyz"
			}
			return probe(cmd.Context(), addr, path)
		}}
	cmd.Flags().BoolVar(&ready, "ready", false, "ask whether it is ready, not only alive: a locked server is not")
	return cmd
}

func probe(ctx context.Context, addr, path string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("QORGAU_ADDR: wants host:port, for example %s", config.DefaultAddr)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+path, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		const enough = 2 << 10
		body, _ := io.ReadAll(io.LimitReader(resp.Body, enough))
		return fmt.Errorf("%s answers %s: %s", path, resp.Status, body)
	}
	return nil
}

// stdoutIsTerminal tells whether a person looks at the output.
func (c *cli) stdoutIsTerminal() bool { return isTerminal(c.stdout) }
