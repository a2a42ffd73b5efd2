package main

import (
	"errors"
	"log/slog"
	"math/rand/v2"

	"github.com/spf13/cobra"

	"github.com/qorgau/qorgau/internal/day"
)

func (c *cli) simulate() *cobra.Command {
	var whole bool
	var seed uint64
	var scale float64
	cmd := &cobra.Command{
		Use: "simulate", Short: "Play a whole day of a country on this machine, and compare every figure with a ledger of its own", Args: exact(0),
		Long: "Starts a server on a private PostgreSQL in a directory of its own, plays 6,000 detentions, 120 departments, 60 lawyers and 120,000\n" +
			"searches through its API as fast as the machine allows, prints what it took, and compares what the server says with what the\n" +
			"simulator knows. Exit code 1 when they differ. The data is removed afterwards. docs/performance.md says what the figures mean.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case !whole:
				return usageError{errors.New("simulate wants --day: `qorgau simulate --day`")}
			case scale <= 0 || scale > 10:
				return usageError{errors.New("--scale wants a number above 0, at most 10; 1 is the whole day")}
			}
			if !cmd.Flags().Changed("seed") {
				seed = rand.Uint64N(1_000_000)
			}
			alone := apart()
			alone["QORGAU_LIMITS"], alone["QORGAU_TRUSTED_PROXIES"] = "", ""
			o, err := c.bent(alone).options(slog.LevelError)
			if err != nil {
				return err
			}
			return day.Run(cmd.Context(), day.Options{App: o, Seed: seed, Scale: scale, Out: c.stdout})
		},
	}
	cmd.Flags().BoolVar(&whole, "day", false, "play a day")
	cmd.Flags().Uint64Var(&seed, "seed", 0, "where chance begins: the same seed plans the same day; chosen and printed when not given")
	cmd.Flags().Float64Var(&scale, "scale", 1, "how much of the day: 0.01 is sixty people")
	return cmd
}
