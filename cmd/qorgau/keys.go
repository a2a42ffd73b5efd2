package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/qorgau/qorgau/internal/seal"
)

// monthsAhead is how far `keys extend` reaches, as far as a new keyset does.
const monthsAhead = 36

func (c *cli) keys() *cobra.Command {
	var file string
	var yes bool
	create := &cobra.Command{Use: "new FILE", Short: "Make a keyset for a new database", Args: exact(1),
		Long: "Makes a keyset of fresh random keys (mode 0600). Keep a copy away from the database: without it nothing that is logged can\n" +
			"be read. With a passphrase the server starts locked until the passphrase is given. An existing file is never replaced.",
		RunE: func(cmd *cobra.Command, args []string) error {
			passphrase, err := readPassphrase(file)
			if err != nil {
				return err
			}
			ks, err := seal.NewKeyset(time.Now())
			if err != nil {
				return err
			}
			if err := seal.WriteKeyset(args[0], ks, passphrase, false); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.stdout, "%s holds keys until %s. Keep a copy in another place; run `qorgau keys extend` before they end.\n", args[0], lastPeriod(ks))
			return err
		}}
	extend := &cobra.Command{Use: "extend FILE", Short: "Add keys for the months to come", Args: exact(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.change(args[0], file, func(ks *seal.Keyset) (string, error) {
				err := ks.ExtendPeriods(time.Now(), monthsAhead)
				return fmt.Sprintf("%s holds keys until %s. Restart every server that uses it, and renew your copies.", args[0], lastPeriod(*ks)), err
			})
		}}
	destroy := &cobra.Command{Use: "destroy-period FILE YYYY-MM", Short: "Erase for good what began in a month, backups included", Args: exact(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes {
				return usageError{fmt.Errorf("this makes every record, search and account that began in %s unreadable for good; repeat with --yes", args[1])}
			}
			return c.change(args[0], file, func(ks *seal.Keyset) (string, error) {
				return fmt.Sprintf("the key of %s is gone from %s. Restart every server that uses it, and destroy every copy of the old file.", args[1], args[0]),
					destroyPeriod(ks, args[1], time.Now())
			})
		}}
	destroy.Flags().BoolVar(&yes, "yes", false, "really do it")
	g := group("keys", "Make and keep the keyset", create, extend, destroy)
	g.PersistentFlags().StringVar(&file, "passphrase-file", "", "a file with the passphrase that wraps the keyset")
	return g
}

// change rewrites a keyset as it was wrapped.
func (c *cli) change(path, passphraseFile string, do func(*seal.Keyset) (string, error)) error {
	passphrase, err := readPassphrase(passphraseFile)
	if err != nil {
		return err
	}
	ks, err := seal.ReadKeyset(path, passphrase)
	if errors.Is(err, seal.ErrLocked) {
		return fmt.Errorf("%w: give it with --passphrase-file", err)
	}
	if err != nil {
		return err
	}
	if passphrase != "" {
		// A passphrase for a keyset without one would wrap it unasked, and the next start would stand locked.
		if _, err := seal.ReadKeyset(path, ""); err == nil {
			return fmt.Errorf("%s is not wrapped: leave --passphrase-file out", path)
		}
	}
	said, err := do(&ks)
	if err != nil {
		return err
	}
	if err := seal.WriteKeyset(path, ks, passphrase, true); err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.stdout, said)
	return err
}

func destroyPeriod(ks *seal.Keyset, period string, now time.Time) error {
	if _, err := time.Parse("2006-01", period); err != nil {
		return usageError{errors.New("a period is a month, written 2026-11")}
	}
	if period >= seal.Period(now) {
		return fmt.Errorf("%s is not over: its key is in use, or will be", period)
	}
	if _, there := ks.Periods[period]; !there {
		return fmt.Errorf("the keyset holds no key of %s", period)
	}
	delete(ks.Periods, period)
	return nil
}

func lastPeriod(ks seal.Keyset) string {
	last := ""
	for p := range ks.Periods {
		last = max(last, p)
	}
	return last
}

func readPassphrase(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	passphrase := strings.TrimRight(string(raw), "\r\n")
	if passphrase == "" {
		return "", fmt.Errorf("%s is empty: a passphrase is one line", file)
	}
	return passphrase, nil
}
