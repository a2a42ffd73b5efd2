package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/google/uuid"
	"github.com/mdp/qrterminal/v3"
	"github.com/spf13/cobra"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/fault"
)

// beside runs a command beside a running server, with its database and keys.
func (c *cli) beside(ctx context.Context, do func(ctx context.Context, t *app.Tools) error) (err error) {
	o, err := c.options(slog.LevelWarn)
	if err != nil {
		return err
	}
	t, err := app.Attach(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close(ctx)) }()
	return do(ctx, t)
}

func (c *cli) invite() *cobra.Command {
	var r account.InviteRequest
	var role, organisation string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "invite --role ROLE --name NAME", Short: "Make a one-time code for a person", Args: exact(0),
		Long: "Makes an account and prints the code with which its person opens a session, once, within 72 hours. Works beside a running\n" +
			"server. Who types here holds the keys, so that coordinators and admins need no second person.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if role == "" || strings.TrimSpace(r.Name) == "" {
				return usageError{errors.New("--role and --name are needed; `qorgau invite --help` shows how it is used")}
			}
			r.Role = account.Role(role)
			if organisation != "" {
				id, err := uuid.Parse(organisation)
				if err != nil {
					return usageError{errors.New("--organisation wants an id; `qorgau organisations list` shows them")}
				}
				r.Organisation = id
			}
			return c.beside(cmd.Context(), func(ctx context.Context, t *app.Tools) error {
				code, err := t.Accounts.InviteFromServer(ctx, r)
				if f := fault.As(err); f != nil && f.Kind == fault.Invalid {
					return usageError{errors.New(inviteFaults(f))}
				}
				if err != nil {
					return err
				}
				return c.showCode(code, asJSON)
			})
		},
	}
	cmd.Flags().StringVar(&role, "role", "", "lawyer, operator, coordinator or admin")
	cmd.Flags().StringVar(&r.Name, "name", "", "the person's name, as colleagues see it")
	cmd.Flags().StringSliceVar(&r.Cities, "city", nil, "only this city, as in the directory, for example almaty; may be repeated")
	cmd.Flags().StringVar(&organisation, "organisation", "", "the organisation's id; absent: the first one")
	cmd.Flags().BoolVar(&asJSON, "json", false, `print {"code": "…"} alone`)
	return cmd
}

// inviteFaults says what is wrong in the words of the flags.
func inviteFaults(f *fault.Error) string {
	wants := map[string]string{"role": "--role wants lawyer, operator, coordinator or admin", "name": "--name wants 1 to 300 characters",
		"cities": "--city wants a city as in the directory, for example almaty"}
	var said []string
	for _, field := range f.Fields {
		member, _, _ := strings.Cut(strings.TrimPrefix(field.Pointer, "/"), "/")
		if text := wants[member]; text != "" {
			said = append(said, text)
		} else {
			said = append(said, field.Pointer+" "+field.Code)
		}
	}
	return strings.Join(said, "; ")
}

func (c *cli) showCode(code string, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(c.stdout).Encode(map[string]string{"code": code})
	}
	if c.stdoutIsTerminal() {
		qrterminal.GenerateHalfBlock(code, qrterminal.L, c.stdout)
	}
	_, err := fmt.Fprintf(c.stdout, "%s\nGive it to this person only. It works once, within 72 hours.\n", code)
	return err
}

func (c *cli) importing() *cobra.Command {
	return group("import", "Bring data in from a file", &cobra.Command{
		Use: "departments FILE.csv", Short: "Bring the directory of departments up to a file: docs/data.md", Args: exact(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := c.options(slog.LevelWarn)
			if err != nil {
				return err
			}
			file, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = file.Close() }()
			t, err := app.AttachData(cmd.Context(), o)
			if err != nil {
				return err
			}
			report, err := department.Import(cmd.Context(), t.DB, file)
			if err = errors.Join(err, t.Close(cmd.Context())); err != nil {
				return c.importFaults(report, err)
			}
			_, err = fmt.Fprintf(c.stdout, "%d rows: %d new, %d brought up to date, %d unchanged\n", report.Rows, report.Created, report.Updated, report.Unchanged)
			return err
		},
	})
}

// importFaults lists every bad row; nothing was stored.
func (c *cli) importFaults(report department.ImportReport, err error) error {
	if len(report.Faults) == 0 {
		return err
	}
	for _, f := range report.Faults {
		if _, werr := fmt.Fprintf(c.stderr, "line %d: %s: %s\n", f.Line, f.Column, f.Code); werr != nil {
			return werr
		}
	}
	return fmt.Errorf("nothing was stored: %d faults in the file", len(report.Faults))
}

func (c *cli) verify() *cobra.Command {
	return &cobra.Command{Use: "verify", Short: "Check the audit chain: that no row was changed, taken out or put in", Args: exact(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := c.options(slog.LevelWarn)
			if err != nil {
				return err
			}
			t, err := app.AttachData(cmd.Context(), o)
			if err != nil {
				return err
			}
			n, err := audit.Verify(cmd.Context(), t.DB)
			if err = errors.Join(err, t.Close(cmd.Context())); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.stdout, "the audit chain holds: %d rows\n", n)
			return err
		}}
}

func (c *cli) organisations() *cobra.Command {
	var owner, reader string
	var cities []string
	list := &cobra.Command{Use: "list", Short: "List them, the first one first", Args: exact(0), RunE: func(cmd *cobra.Command, _ []string) error {
		return c.beside(cmd.Context(), c.listOrganisations)
	}}
	add := &cobra.Command{Use: "add NAME", Short: "Make one, and print its id", Args: exact(1), RunE: func(cmd *cobra.Command, args []string) error {
		return c.beside(cmd.Context(), func(ctx context.Context, t *app.Tools) error {
			id, err := t.AddOrganisation(ctx, args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.stdout, id)
			return err
		})
	}}
	share := &cobra.Command{Use: "share --owner ID --reader ID", Short: "Let one read and match what another logs", Args: exact(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s := app.Share{Cities: cities}
			var oerr, rerr error
			s.Owner, oerr = uuid.Parse(owner)
			s.Reader, rerr = uuid.Parse(reader)
			if oerr != nil || rerr != nil {
				return usageError{errors.New("--owner and --reader want ids; `qorgau organisations list` shows them")}
			}
			return c.beside(cmd.Context(), func(ctx context.Context, t *app.Tools) error { return t.ShareOrganisation(ctx, s) })
		}}
	share.Flags().StringVar(&owner, "owner", "", "whose records")
	share.Flags().StringVar(&reader, "reader", "", "who may read them")
	share.Flags().StringSliceVar(&cities, "city", nil, "only this city; may be repeated")
	return group("organisations", "List, add and connect the organisations on this server", list, add, share)
}

func (c *cli) listOrganisations(ctx context.Context, t *app.Tools) error {
	all, err := t.Organisations(ctx)
	if err != nil {
		return err
	}
	for _, o := range all {
		if _, err := fmt.Fprintf(c.stdout, "%s  %s  (%d accounts)\n", o.ID, o.Name, o.Accounts); err != nil {
			return err
		}
		for _, s := range o.SharedTo {
			where := "every city"
			if len(s.Cities) > 0 {
				where = strings.Join(s.Cities, ", ")
			}
			if _, err := fmt.Fprintf(c.stdout, "    read by %s in %s\n", s.Reader, where); err != nil {
				return err
			}
		}
	}
	return nil
}
