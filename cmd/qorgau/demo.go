package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/qorgau/qorgau/internal/app/demo"
)

func (c *cli) demo() *cobra.Command {
	var fresh bool
	cmd := &cobra.Command{
		Use: "demo", Short: "Show everything on this machine: the story of the eleven, then a server to try", Args: exact(0),
		Long: "Starts a private PostgreSQL in QORGAU_DATA_DIR (default ./qorgau-data), plays the story of the eleven against itself with\n" +
			"real requests, and goes on serving. A second start reuses the data. Ctrl-C stops cleanly.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := c.bent(apart()).options(slog.LevelWarn)
			if err != nil {
				return err
			}
			if c.getenv("DATABASE_URL") != "" || c.getenv("DATABASE_URL_FILE") != "" {
				if _, err := fmt.Fprintln(c.stderr, "The demo leaves DATABASE_URL alone: it runs on a PostgreSQL of its own."); err != nil {
					return err
				}
			}
			return demo.Run(cmd.Context(), demo.Options{App: o, Fresh: fresh, Out: c.stdout})
		},
	}
	cmd.Flags().BoolVar(&fresh, "fresh", false, "wipe what an earlier demo left, and start over")
	return cmd
}

// apart is an environment in which nothing leads to a database of somebody's, or to people's phones.
func apart() map[string]string {
	out := map[string]string{}
	for _, name := range []string{"DATABASE_URL", "DATABASE_URL_FILE", "QORGAU_FCM_CREDENTIALS", "QORGAU_FCM_ENDPOINT", "QORGAU_WEBPUSH_KEYS", "QORGAU_SMS_GATEWAY", "QORGAU_TELEGRAM_TOKEN", "QORGAU_MAIL_HOST"} {
		out[name] = ""
	}
	return out
}

// bent is the same program under another environment: what overlay names goes first.
func (c *cli) bent(overlay map[string]string) *cli {
	other := *c
	other.getenv = func(name string) string {
		if v, there := overlay[name]; there {
			return v
		}
		return c.getenv(name)
	}
	return &other
}
