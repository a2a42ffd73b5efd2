package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/board"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/dispatch"
	"github.com/qorgau/qorgau/internal/door"
	"github.com/qorgau/qorgau/internal/hotline"
	"github.com/qorgau/qorgau/internal/live"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/seal"
)

// newDispatch makes the desk that sends lawyers, and lends it what the board knows of departments, and the accounts of people.
func newDispatch(db *pg.DB, log *audit.Log, p *parts, overview *board.Board) *dispatch.Desk {
	calendar := p.roster
	return dispatch.NewDesk(dispatch.Options{DB: db, Ring: p.ring, Audit: log, Push: p.center, Law: p.law,
		Needs: func(ctx context.Context, organisation uuid.UUID) (map[uuid.UUID]dispatch.Need, error) {
			shown, err := overview.All(ctx, organisation)
			if err != nil {
				return nil, err
			}
			out := make(map[uuid.UUID]dispatch.Need, len(shown.Rows))
			for _, r := range shown.Rows {
				out[r.DepartmentID] = need(r)
			}
			return out, nil
		},
		Places: func(ctx context.Context, tx *pg.Tx, organisation uuid.UUID) (map[uuid.UUID]dispatch.Place, error) {
			seen, err := calendar.Places(ctx, tx, organisation)
			if err != nil {
				return nil, err
			}
			out := make(map[uuid.UUID]dispatch.Place, len(seen))
			for id, at := range seen {
				out[id] = dispatch.Place{Lat: at.Lat, Lon: at.Lon, At: at.At}
			}
			return out, nil
		},
		Skills: func(ctx context.Context, tx *pg.Tx, ids ...uuid.UUID) (map[uuid.UUID]dispatch.Skills, error) {
			can, err := p.desk.Credentials(ctx, tx, ids...)
			if err != nil {
				return nil, err
			}
			out := make(map[uuid.UUID]dispatch.Skills, len(can))
			for id, c := range can {
				out[id] = dispatch.Skills{Languages: c.Languages, Minors: c.Minors, Migrants: c.Migrants, Trained: c.Trained()}
			}
			return out, nil
		},
	})
}

// newHotline makes the operators' desk, and lends it what push knows of notices.
func newHotline(db *pg.DB, ring *seal.Ring, log *audit.Log, center *push.Center) *hotline.Desk {
	return hotline.New(db, ring, log, func(ctx context.Context, tx *pg.Tx, search uuid.UUID, until time.Time) error {
		return center.HeardAll(ctx, tx, push.Owner{Kind: push.SearchOwner, ID: search}, until)
	})
}

func need(r board.Row) dispatch.Need {
	n := dispatch.Need{People: r.Held, WithoutLawyer: r.WithoutLawyer, Vulnerable: r.Vulnerable, Minors: r.Minors, Foreigners: r.Foreign, NextDue: r.NextDue,
		Shut: r.Door.Status == door.Refused || r.Door.Status == door.Fortress, Slow: r.Door.Status == door.Delayed}
	for _, l := range r.Lawyers {
		if l.State == board.Present {
			n.Lawyers++
		}
	}
	return n
}

// lookEvery is how long what is due waits: little beside the minutes of an offer, and of an alarm. A reminder has an hour.
const (
	lookEvery   = 250 * time.Millisecond
	remindEvery = 5 * time.Second
	coverEvery  = 10 * time.Second
)

// look has something done that comes due, one thing after another, a quarter of a second behind. What fails is said once.
func look(ctx context.Context, log *slog.Logger, complaint string, tick func(context.Context) (bool, error)) {
	lookEach(ctx, lookEvery, log, complaint, tick)
}

func lookEach(ctx context.Context, every time.Duration, log *slog.Logger, complaint string, tick func(context.Context) (bool, error)) {
	failing := false
	repeat(ctx, every, func(ctx context.Context) {
		var err error
		for did := true; did && err == nil; {
			did, err = tick(ctx)
		}
		if err != nil && !failing && ctx.Err() == nil {
			log.WarnContext(ctx, complaint, "code", coded(err).Error())
		}
		failing = err != nil
	})
}

// seeing is what those see who listen; who is let in no more is left out.
func seeing(db *pg.DB, desk *account.Desk, ledger *detention.Ledger) live.Rights {
	return func(ctx context.Context, who []live.Who) (map[live.Who]*detention.Sight, error) {
		var sessions, accounts []uuid.UUID
		for _, w := range who {
			sessions, accounts = append(sessions, w.Session), append(accounts, w.Account)
		}
		out := map[live.Who]*detention.Sight{}
		err := db.InTx(ctx, func(tx *pg.Tx) error {
			clear(out)
			living, err := desk.Living(ctx, tx, sessions)
			if err != nil {
				return err
			}
			sights, err := ledger.Sights(ctx, tx, accounts...)
			if err != nil {
				return err
			}
			for _, w := range who {
				if sight := sights[w.Account]; living[w.Session] == w.Account && sight != nil {
					out[w] = sight
				}
			}
			return nil
		})
		return out, err
	}
}
