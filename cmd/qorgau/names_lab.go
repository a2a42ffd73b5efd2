package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/qorgau/qorgau/pkg/names"
	"github.com/qorgau/qorgau/pkg/names/lab"
)

// measuring is what the commands that need labelled pairs share.
type measuring struct {
	dir, pairs string
}

func (m *measuring) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.dir, "data", "", "folder with dev-pairs.tsv and background-names.txt.gz")
	cmd.Flags().StringVar(&m.pairs, "pairs", "", "another file of pairs")
}

func (m *measuring) load() (*lab.Data, error) {
	if m.dir == "" {
		return nil, usageError{errors.New("--data is needed: the folder with dev-pairs.tsv and background-names.txt.gz, which are not in this repository")}
	}
	d, err := lab.Load(m.dir, m.pairs)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("no measuring data there: %w", err)
	case err != nil:
		return nil, fmt.Errorf("read the measuring data: %w", err)
	case len(d.Pairs) == 0:
		return nil, errors.New("the file of pairs is empty")
	}
	return d, nil
}

func (c *cli) namesScore() *cobra.Command {
	var m measuring
	var ablate, noFolds bool
	var sizes []int
	cmd := &cobra.Command{
		Use: "score --data DIR", Short: "Measure matching on labelled pairs: fitted on one half, reported on the other", Args: exact(0),
		RunE: func(*cobra.Command, []string) error {
			d, err := m.load()
			if err != nil {
				return err
			}
			if !noFolds {
				lab.Run(d, c.progress).Write(c.stdout)
			}
			if ablate {
				fmt.Fprintf(c.stdout, "\nthe shipped model, all pairs, with years; each rule left out, nothing fitted anew\n\n")
				lab.Ablate(c.stdout, d, names.Shipped())
			}
			for _, n := range sizes {
				c.progress(fmt.Sprintf("growing the index to %d", n))
				lab.Grow(d, n)
				fmt.Fprintf(c.stdout, "\nthe shipped model at this size: ")
				lab.AtSize(d, names.Shipped()).Write(c.stdout)
			}
			return nil
		},
	}
	m.flags(cmd)
	cmd.Flags().BoolVar(&ablate, "ablate", false, "also with each rule left out")
	cmd.Flags().BoolVar(&noFolds, "no-halves", false, "leave the halves out")
	cmd.Flags().IntSliceVar(&sizes, "sizes", nil, "also with indexes of these sizes, growing")
	return cmd
}

func (c *cli) namesFit() *cobra.Command {
	var m measuring
	var out string
	cmd := &cobra.Command{
		Use: "fit --data DIR [--pairs FILE] [--out FILE]", Short: "Fit the weights of matching on labelled pairs", Args: exact(0),
		RunE: func(*cobra.Command, []string) error {
			d, err := m.load()
			if err != nil {
				return err
			}
			c.progress(fmt.Sprintf("fitting on %d pairs among %d people", len(d.Pairs), len(d.Background)))
			model := lab.Fit(d)
			return c.into(out, func(w io.Writer) error {
				_, err := io.WriteString(w, lab.Heading(d)+model.String())
				return err
			})
		},
	}
	m.flags(cmd)
	cmd.Flags().StringVar(&out, "out", "", "where the model goes, instead of to the terminal")
	return cmd
}

func (c *cli) progress(what string) { fmt.Fprintln(c.stderr, what+" …") }
