package rights

import (
	"context"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/pg"
)

// Clocks are the legal limits of one custody as they stand now.
type Clocks struct {
	Version *law.Version
	Clocks  []law.Clock
}

// Clocks gives the legal limits that apply to a person in the reader's scope; audited. Faults: forbidden, not_found.
func (w *Watch) Clocks(ctx context.Context, p account.Principal, id uuid.UUID) (Clocks, error) {
	s, err := w.readStanding(ctx, p, id, "detention.clocks_read")
	return Clocks{Version: s.version, Clocks: s.clocks}, err
}

// readStanding judges the custody of a person in the reader's scope; audited under this action.
func (w *Watch) readStanding(ctx context.Context, p account.Principal, id uuid.UUID, action string) (s standing, err error) {
	err = w.db.InTx(ctx, func(tx *pg.Tx) error {
		f, err := w.ledger.ReadFile(ctx, tx, p, id)
		if err != nil {
			return err
		}
		if s, err = w.stands(ctx, tx, f); err != nil {
			return err
		}
		return w.read(ctx, tx, p, f, action)
	})
	return s, err
}

// stands judges one file.
func (w *Watch) stands(ctx context.Context, tx *pg.Tx, f detention.File) (standing, error) {
	answers, err := w.answers(ctx, tx, f)
	if err != nil {
		return standing{}, err
	}
	paces, err := w.paces(ctx, tx, []detention.File{f})
	if err != nil {
		return standing{}, err
	}
	return w.judge(f, answers[f.ID], paces[f.OrganisationID], tx.Now), nil
}

func (w *Watch) read(ctx context.Context, tx *pg.Tx, p account.Principal, f detention.File, action string) error {
	return w.audit.Write(ctx, tx, audit.Entry{Organisation: f.OrganisationID, Actor: p.Account, Action: action, SubjectKind: "detention", Subject: f.ID})
}
