package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/qorgau/qorgau/pkg/names"
)

// names holds what can be asked of pkg/names without a server, a database or a key.
func (c *cli) names() *cobra.Command {
	return group("names", "Ask how names are matched", c.namesCompare(), c.namesMatch(), c.namesScore(), c.namesFit())
}

// comparison is what `names compare` was asked.
type comparison struct {
	yearA, yearB int
	lang         string
	asJSON       bool
}

func (c *cli) namesCompare() *cobra.Command {
	var o comparison
	cmd := &cobra.Command{
		Use: "compare A B", Short: "Say whether two written names can be one person's, and why", Args: exact(2),
		Long: "Lays the parts of two names side by side, each with its reason, and says which further facts would change the outcome.\n" +
			"Nothing is stored and nobody is asked; but what is typed here may stay in the history of your shell.",
		RunE: func(_ *cobra.Command, args []string) error {
			a, err := o.person("A", args[0], "--year-a", o.yearA)
			if err != nil {
				return err
			}
			b, err := o.person("B", args[1], "--year-b", o.yearB)
			if err != nil {
				return err
			}
			if !slices.Contains([]string{"kk", "ru", "en"}, o.lang) {
				return usageError{errors.New("--lang wants kk, ru or en")}
			}
			if o.asJSON {
				return json.NewEncoder(c.stdout).Encode(o.report(a, b))
			}
			return o.report(a, b).write(c.stdout, o.lang)
		},
	}
	cmd.Flags().IntVar(&o.yearA, "year-a", 0, "the first one's birth year")
	cmd.Flags().IntVar(&o.yearB, "year-b", 0, "the second one's birth year")
	cmd.Flags().StringVar(&o.lang, "lang", "en", "the language of the reasons: kk, ru or en")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print JSON")
	return cmd
}

// Limits as in openapi.yaml.
const (
	longestName         = 300
	firstYear, lastYear = 1850, 2200
)

// person reads one side; argument and flag are what they are called on the command line.
func (o *comparison) person(argument, name, flag string, year int) (names.Person, error) {
	n := names.Parse(name)
	switch {
	case utf8.RuneCountInString(name) > longestName:
		return names.Person{}, usageError{fmt.Errorf("%s is longer than %d characters", argument, longestName)}
	case n.Words() == 0:
		return names.Person{}, usageError{fmt.Errorf("%s holds no word that can be read as a name", argument)}
	case names.Split(name) != nil:
		return names.Person{}, usageError{fmt.Errorf("%s reads as a list of several people; compare them one by one", argument)}
	case year != 0 && (year < firstYear || year > lastYear):
		return names.Person{}, usageError{fmt.Errorf("%s wants a year, for example 1990", flag)}
	}
	return names.Person{Names: []names.Name{n}, BirthYear: year}, nil
}

// outcome is what a comparison says. Its JSON is that of the API.
type outcome struct {
	Tier     string    `json:"tier"`
	TierText string    `json:"tier_text"`
	Score    float64   `json:"score"`
	Reasons  []because `json:"reasons"`
	Levers   []whatIf  `json:"levers"`
}

type because struct {
	Code   string `json:"code"`
	Left   string `json:"left,omitempty"`
	Right  string `json:"right,omitempty"`
	Detail string `json:"detail,omitempty"`
	Text   string `json:"text"`
}

type whatIf struct {
	Code string `json:"code"`
	Side string `json:"side,omitempty"`
	Tier string `json:"tier"`
	Text string `json:"text"`
}

func (o *comparison) report(a, b names.Person) outcome {
	v := names.Compare(a, b)
	out := outcome{Tier: v.Tier.String(), TierText: v.Tier.Text(o.lang), Score: v.Score, Reasons: []because{}, Levers: []whatIf{}}
	for _, r := range v.Reasons {
		out.Reasons = append(out.Reasons, because{Code: r.Code, Left: r.Left, Right: r.Right, Detail: r.Detail, Text: r.Text(o.lang)})
	}
	for _, l := range names.Levers(a, b, names.Compare) {
		out.Levers = append(out.Levers, whatIf{Code: l.Code, Side: l.Side, Tier: l.Tier.String(), Text: l.Text(o.lang)})
	}
	return out
}

// further stands over the levers.
var further = map[string]string{"kk": "Тағы не сұрауға болады:", "ru": "Что ещё можно спросить:", "en": "What could still be asked:"}

func (o outcome) write(w io.Writer, lang string) error {
	if _, err := fmt.Fprintf(w, "%s: %s (%.2f)\n", o.Tier, o.TierText, o.Score); err != nil {
		return err
	}
	for _, r := range o.Reasons {
		if _, err := fmt.Fprintf(w, "  %s\n", r.Text); err != nil {
			return err
		}
	}
	if len(o.Levers) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(w, further[lang]); err != nil {
		return err
	}
	for _, l := range o.Levers {
		side := "A, B"
		if l.Side != "" {
			side = map[string]string{"a": "A", "b": "B"}[l.Side]
		}
		if _, err := fmt.Fprintf(w, "  %s: %s\n", side, l.Text); err != nil {
			return err
		}
	}
	return nil
}
