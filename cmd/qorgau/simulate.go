package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/qorgau/qorgau/internal/day"
	"github.com/qorgau/qorgau/internal/trial"
)

// simulation is what the command line asks for.
type simulation struct {
	day, faults bool
	seed        uint64
	scale       float64
	only        string
}

func (c *cli) simulate() *cobra.Command {
	var s simulation
	cmd := &cobra.Command{
		Use: "simulate", Short: "Play a whole day of a country, or every fault of the ways out, on this machine, and compare with a ledger of its own", Args: exact(0),
		Long: "--day starts a server on a private PostgreSQL in a directory of its own, plays 6,000 detentions, 120 departments, 60 lawyers and 120,000\n" +
			"searches through its API as fast as the machine allows, prints what it took, and compares what the server says with what the\n" +
			"simulator knows. docs/performance.md says what the figures mean.\n" +
			"--faults breaks each way by which people are told, kills workers and the database, and prints for each fault what became of the news.\n" +
			"Exit code 1 when something differs, is lost or double. The data is removed afterwards.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case s.day == s.faults:
				return usageError{errors.New("simulate wants --day or --faults: `qorgau simulate --day`")}
			case s.scale <= 0 || s.scale > 10:
				return usageError{errors.New("--scale wants a number above 0, at most 10; 1 is the whole day")}
			case s.day && s.only != "":
				return usageError{errors.New("--only chooses rows of --faults")}
			}
			if _, err := regexp.Compile(s.only); err != nil {
				return usageError{fmt.Errorf("--only wants a pattern: %w", err)}
			}
			if !cmd.Flags().Changed("seed") {
				s.seed = rand.Uint64N(1_000_000)
			}
			return c.play(cmd, s)
		},
	}
	cmd.Flags().BoolVar(&s.day, "day", false, "play a day")
	cmd.Flags().BoolVar(&s.faults, "faults", false, "play the table of faults")
	cmd.Flags().StringVar(&s.only, "only", "", "of the faults those whose name and channel fit this pattern: 'black hole/sms', 'killed'")
	cmd.Flags().Uint64Var(&s.seed, "seed", 0, "where chance begins: the same seed plans the same day; chosen and printed when not given")
	cmd.Flags().Float64Var(&s.scale, "scale", 1, "how much of the day: 0.01 is sixty people; or of the flood among the faults: 0.01 is a thousand notices")
	return cmd
}

func (c *cli) play(cmd *cobra.Command, s simulation) error {
	if s.faults {
		const flood = 100_000
		return trial.Run(cmd.Context(), trial.Options{Getenv: c.getenv, Seed: s.seed, Only: s.only, Volume: max(1, int(flood*s.scale)), Out: c.stdout})
	}
	alone := apart()
	alone["QORGAU_LIMITS"], alone["QORGAU_TRUSTED_PROXIES"] = "", ""
	o, err := c.bent(alone).options(slog.LevelError)
	if err != nil {
		return err
	}
	return day.Run(cmd.Context(), day.Options{App: o, Seed: s.seed, Scale: s.scale, Out: c.stdout})
}
