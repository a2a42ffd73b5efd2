package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/qorgau/qorgau/pkg/names/lab"
)

func (c *cli) namesMatch() *cobra.Command {
	var index, queries, out string
	most := 50
	cmd := &cobra.Command{
		Use: "match --index FILE --queries FILE [--out FILE]", Short: "Find, for many names at once, who of a list may be meant", Args: exact(0),
		Long: "Both files hold lines of an id, a name and a birth year (may be empty), separated by tabs; .gz is unpacked. What comes out are lines of\n" +
			"query id, rank, id, score and tier, best first, on all cores. A score is how sure it is that both are one person.",
		RunE: func(*cobra.Command, []string) error {
			if index == "" || queries == "" {
				return usageError{fmt.Errorf("--index and --queries are needed")}
			}
			if most < 1 {
				return usageError{fmt.Errorf("--most wants at least 1")}
			}
			people, err := lab.Records(index)
			if err != nil {
				return fmt.Errorf("read the index: %w", err)
			}
			asked, err := lab.Records(queries)
			if err != nil {
				return fmt.Errorf("read the queries: %w", err)
			}
			return c.into(out, func(w io.Writer) error { return lab.Match(w, people, asked, most) })
		},
	}
	cmd.Flags().StringVar(&index, "index", "", "whom to look among")
	cmd.Flags().StringVar(&queries, "queries", "", "whom to look for")
	cmd.Flags().StringVar(&out, "out", "", "where the answers go, instead of to the terminal")
	cmd.Flags().IntVar(&most, "most", most, "answers for one query")
	return cmd
}

// into gives do a file to write, or the terminal. What was written is on disk when it returns without an error.
func (c *cli) into(path string, do func(io.Writer) error) error {
	to := c.stdout
	if path != "" {
		f, err := os.Create(path)
		if err != nil {
			return fmt.Errorf("write the answers: %w", err)
		}
		defer func() { _ = f.Close() }()
		to = f
	}
	w := bufio.NewWriterSize(to, 1<<16)
	if err := do(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write the answers: %w", err)
	}
	if f, ok := to.(*os.File); ok && path != "" {
		return f.Close()
	}
	return nil
}
