// Package app joins the features into one process: what is made of what, what starts before what, and what stops first.
//
// It exists so that the whole object graph is read in one function (assemble, below), the start and the stop in another
// (run.go), and so that a test can have the whole server on a free port with a clock of its own.
//
// States of a process:
//
//	listening ─▶ locked (the keyset waits for its passphrase: healthz answers, the rest is 503) ─▶ serving ─▶ stopping
//	    └──────────────────────────────────────────────────────────────────────────────────────────▶ serving
//
// Invariants. The database is migrated, the keyset compared with the database's mark and the shipped departments loaded
// before the first request is answered. A keyset is made only beside a fresh embedded database, never over sealed data.
// Stopping goes against the stream: readiness, HTTP, jobs, senders, pool, database; what was accepted is finished or stays
// queued. Nothing here logs a name.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/board"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/dispatch"
	"github.com/qorgau/qorgau/internal/door"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/httpapi"
	"github.com/qorgau/qorgau/internal/inquiry"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/live"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/rights"
	"github.com/qorgau/qorgau/internal/roster"
	"github.com/qorgau/qorgau/internal/safety"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/internal/texting"
	"github.com/qorgau/qorgau/internal/watch"
)

// issuer stands in access tokens and must be the same on all nodes.
const issuer = "qorgau"

// firstOrganisation is the name of the organisation that a new server works for; `qorgau organisations` lists and adds.
const firstOrganisation = "Qorgau"

// parts is the assembled server.
type parts struct {
	server   *httpapi.Server
	post     *watch.Post
	center   *push.Center
	desk     *account.Desk
	ring     *seal.Ring
	finder   *finder.Finder
	law      law.Book
	rights   *rights.Watch
	dispatch *dispatch.Desk
	roster   *roster.Calendar
	safety   *safety.Guard
	live     *live.Hub
	texts    *texting.Desk
	carriers Carriers
	meters   *prometheus.Registry
}

// assemble makes every object of the process, in the order in which they need each other.
func assemble(ctx context.Context, o Options, db *pg.DB, ring *seal.Ring) (*parts, error) {
	limits, err := readLimits(o.Config.Limits)
	if err != nil {
		return nil, err
	}
	book, err := law.Read(o.Config.LawDir)
	if err != nil {
		return nil, fmt.Errorf("QORGAU_LAW_DIR: %w", err)
	}
	p := &parts{ring: ring, law: book, meters: prometheus.NewRegistry()}
	p.meters.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	p.carriers, err = OpenCarriers(ctx, o.Config, o.Log)
	if err != nil {
		return nil, err
	}
	log := audit.New(ring)
	p.center, err = push.New(push.Options{DB: db, Ring: ring, Audit: log, Senders: p.carriers.Senders, Checks: p.carriers.Checks, Bot: p.carriers.Bot,
		Hotline: o.Config.Hotline, Latin: o.Config.SMSLatin, Delay: o.Config.PushDelay, Cover: o.Config.PushCover, Log: o.Log, Metrics: p.meters})
	if err != nil {
		return nil, err
	}
	desk := deskOptions(db, ring, o.Log, p.center, limits)
	desk.ShadowDay = func(ctx context.Context, tx *pg.Tx, owner, shadow uuid.UUID) error {
		return p.roster.Shadow(ctx, tx, owner, shadow)
	}
	desk.Duress = func(ctx context.Context, tx *pg.Tx, who account.Duress) error {
		return errors.Join(dispatch.Return(ctx, tx, who.Account), safety.Return(ctx, tx, who.Account), p.safety.Duress(ctx, tx, who))
	}
	p.desk = account.New(desk)
	p.finder = finder.New(db, ring, o.Log)
	ledger := detention.New(db, ring, log, p.finder)
	inquiries := inquiry.New(db, ring, log, ledger)
	p.post = watch.New(watch.Options{DB: db, Ring: ring, Audit: log, Finder: p.finder, Detentions: ledger, Push: p.center,
		Limits: limits.watch, Hotline: o.Config.Hotline, Promise: o.Config.Promise, Inquiries: inquiries, Log: o.Log})
	p.rights = rights.New(rights.Options{DB: db, Ring: ring, Audit: log, Detentions: ledger, Law: book, Log: o.Log})
	doors := door.New(door.Options{DB: db, Ring: ring, Audit: log, Accounts: p.desk, Law: book})
	overview := board.New(db, p.rights, doors)
	p.roster = roster.New(roster.Options{DB: db, Ring: ring, Audit: log, Rights: p.rights, Push: p.center,
		Arrived: func(ctx context.Context, tx *pg.Tx, who, department uuid.UUID, at time.Time) error {
			return p.dispatch.Arrived(ctx, tx, who, department, at)
		},
		Left: func(ctx context.Context, tx *pg.Tx, who uuid.UUID) error { return p.dispatch.Left(ctx, tx, who) },
	})
	p.dispatch = newDispatch(db, log, p, overview)
	p.safety = safety.New(safety.Options{DB: db, Ring: ring, Audit: log, Push: p.center, Detentions: ledger, Names: p.desk.Names})
	p.texts = texting.New(texting.Options{DB: db, Ring: ring, Audit: log, Accounts: p.desk, Push: p.center, Detentions: ledger, Watch: p.post, Gateway: p.carriers.texts,
		Number: o.Config.SMSNumber, Latin: o.Config.SMSLatin, Log: o.Log})
	p.meters.MustRegister(p.texts.Meter())
	p.live = live.NewHub(db, limits.streams, seeing(db, p.desk, ledger))
	p.server = &httpapi.Server{
		DB: db, Ring: ring, Audit: log, Accounts: p.desk, Departments: department.New(db, log), Push: p.center,
		Detentions: ledger, Watch: p.post, Calendar: p.roster, Law: book, Rights: p.rights, Inquiries: inquiries, Doors: doors,
		Board: overview, Dispatch: p.dispatch, Hotline: newHotline(db, ring, log, p.center), Safety: p.safety, Texts: p.texts, Live: p.live, Log: o.Log, Version: o.Version,
		Limits: limits.api, TrustedProxies: o.Config.TrustedProxies, Metrics: p.meters, Indexed: p.finder.Ready,
		// Deliveries that nobody has tried say that jobs do not move; those that wait for a provider say nothing about us.
		OldestPending: func(ctx context.Context) (time.Duration, error) {
			w, err := push.Progress(ctx, db)
			return w.Untried, err
		},
	}
	return p, nil
}

// deskOptions lend the desk what push knows of a phone: push stands to its right.
func deskOptions(db *pg.DB, ring *seal.Ring, log *slog.Logger, center *push.Center, l limits) account.Options {
	return account.Options{
		DB: db, Ring: ring, Audit: audit.New(ring), Log: log, Issuer: issuer, WrongCodesPerMinute: l.wrongCodes,
		SetPushToken: func(ctx context.Context, tx *pg.Tx, id uuid.UUID, key seal.Key, token string) error {
			return pushTokenFault(center.SetPhone(ctx, tx, id, key, token))
		},
		PushToken: func(ctx context.Context, tx *pg.Tx, id uuid.UUID) (account.PushState, error) {
			state, err := center.Phone(ctx, tx, id)
			return account.PushState{State: state}, err
		},
		DropPushToken: center.DropPhone,
		DropChannels: func(ctx context.Context, tx *pg.Tx, id uuid.UUID) error {
			return center.SetChannels(ctx, tx, push.Book{Owner: push.Owner{Kind: push.AccountOwner, ID: id}}, nil)
		},
		Locked: func(ctx context.Context, tx *pg.Tx, who uuid.UUID) error {
			return errors.Join(dispatch.Return(ctx, tx, who), safety.Return(ctx, tx, who), roster.Locked(ctx, tx, who), roster.DropFeed(ctx, tx, who), texting.Locked(ctx, tx, who))
		},
		NoLawyer: func(ctx context.Context, tx *pg.Tx, who uuid.UUID) error {
			return errors.Join(dispatch.Return(ctx, tx, who), roster.Locked(ctx, tx, who))
		},
		ShadowPush: center.ShadowPhone,
	}
}

// pushTokenFault points at the token of the request at hand: push knows ladders of channels only.
func pushTokenFault(err error) error {
	f := fault.As(err)
	if f == nil {
		return err
	}
	moved := *f
	moved.Fields = nil
	for _, field := range f.Fields {
		moved.Fields = append(moved.Fields, fault.Field{Pointer: "/push_token", Code: field.Code})
	}
	return &moved
}
