package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/fault"
)

func (c *cli) texts() *cobra.Command {
	return group("sms", "What lawyers need to report by SMS", &cobra.Command{
		Use: "sheet ACCOUNT FILE.pdf", Short: "Print a new sheet of one-time codes for an account", Args: exact(2),
		Long: "Writes a page with 40 codes to FILE, mode 0600; the account's earlier sheet is void. A coordinator has registered the account's number before. FILE must\n" +
			"not be there. Works beside a running server, with its QORGAU_SMS_NUMBER.",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := uuid.Parse(args[0])
			if err != nil {
				return usageError{errors.New("ACCOUNT wants an id")}
			}
			return c.beside(cmd.Context(), func(ctx context.Context, t *app.Tools) error { return c.printSheet(ctx, t, id, args[1]) })
		}}, &cobra.Command{
		Use: "void ACCOUNT|all", Short: "Void the sheet of an account, or every sheet", Args: exact(1),
		Long: "None of the codes is good any more; the numbers stay registered, and new sheets may be printed. After a backup was restored void all: codes that were used\n" +
			"since it was made are good again. Works beside a running server.",
		RunE: func(cmd *cobra.Command, args []string) error {
			var which *uuid.UUID
			if args[0] != "all" {
				id, err := uuid.Parse(args[0])
				if err != nil {
					return usageError{errors.New("ACCOUNT wants an id, or all")}
				}
				which = &id
			}
			return c.beside(cmd.Context(), func(ctx context.Context, t *app.Tools) error {
				n, err := t.Texts.VoidFromServer(ctx, which)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(c.stdout, "sheets voided: %d\n", n)
				return err
			})
		}})
}

// printSheet opens the file first: a sheet that is not written would have voided the one before.
func (c *cli) printSheet(ctx context.Context, t *app.Tools, id uuid.UUID, path string) (err error) {
	const ownerOnly = 0o600
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, ownerOnly)
	if errors.Is(err, fs.ErrExist) {
		return usageError{errors.New("FILE is there already; a sheet is never overwritten")}
	}
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			_ = os.Remove(path)
		}
	}()
	page, err := t.Texts.SheetFromServer(ctx, id)
	switch {
	case fault.Is(err, "not_found"):
		return usageError{errors.New("QORGAU_SMS_NUMBER is needed: it stands on the sheet")}
	case fault.Is(err, "conflict"):
		return usageError{errors.New("no number is registered for this account: PUT /v1/accounts/{id}/sms-number, by a coordinator")}
	case err != nil:
		return err
	}
	if _, err := out.Write(page); err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "%s holds 40 codes; the sheet before is void. Print it, hand it over, and delete the file.\n", path)
	return err
}
