package dispatch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/seal"
)

// State of a dispatch.
type State string

// The states. Unanswered: nobody who was asked has said yes, and a coordinator must see to it; a late yes still counts.
const (
	Offered    State = "offered"
	Unanswered State = "unanswered"
	Accepted   State = "accepted"
	EnRoute    State = "en_route"
	Arrived    State = "arrived"
	Done       State = "done"
	Cancelled  State = "cancelled"
)

// States of an offer beyond those of a dispatch. Taken: another lawyer goes. Returned: they had said yes, and cannot go after all.
const (
	declined = "declined"
	expired  = "expired"
	taken    = "taken"
	returned = "returned"
)

// Offer is the question to one lawyer.
type Offer struct {
	AccountID  uuid.UUID
	State      string
	OfferedAt  time.Time
	ExpiresAt  time.Time
	AnsweredAt *time.Time
}

// Dispatch is a call for a lawyer to a department, as its reader sees it: a lawyer sees of the offers only their own.
type Dispatch struct {
	ID             uuid.UUID
	OrganisationID uuid.UUID
	ClientID       uuid.UUID
	DepartmentID   uuid.UUID
	State          State
	Wait           time.Duration
	OffDuty        bool
	TakenBy        *uuid.UUID
	AcceptedAt     *time.Time
	EnRouteAt      *time.Time
	ETA            *time.Time
	ArrivedAt      *time.Time
	EndedAt        *time.Time
	CreatedBy      uuid.UUID
	CreatedAt      time.Time
	UpdatedAt      time.Time
	Revision       int
	Note           string
	Offers         []Offer
	// Target is by when the law wants a defender there, and the norm; zero when the law in force has no such limit.
	Target time.Time
	Norm   string

	period string
	noteCT []byte
}

const columns = `d.id, d.organisation_id, d.client_id, d.department_id, d.state, d.wait_s, d.off_duty, d.taken_by, d.accepted_at, d.en_route_at, d.eta_at,
	d.arrived_at, d.ended_at, d.created_by, d.created_at, d.updated_at, d.revision, d.period, d.note_ct`

func scan(row pgx.CollectableRow) (Dispatch, error) {
	var d Dispatch
	var wait int
	err := row.Scan(&d.ID, &d.OrganisationID, &d.ClientID, &d.DepartmentID, &d.State, &wait, &d.OffDuty, &d.TakenBy, &d.AcceptedAt, &d.EnRouteAt, &d.ETA,
		&d.ArrivedAt, &d.EndedAt, &d.CreatedBy, &d.CreatedAt, &d.UpdatedAt, &d.Revision, &d.period, &d.noteCT)
	d.Wait = time.Duration(wait) * time.Second
	return d, err
}

// Desk sends lawyers.
type Desk struct {
	db     *pg.DB
	ring   *seal.Ring
	log    *audit.Log
	push   *push.Center
	book   law.Book
	needs  func(ctx context.Context, organisation uuid.UUID) (map[uuid.UUID]Need, error)
	places func(ctx context.Context, tx *pg.Tx, organisation uuid.UUID) (map[uuid.UUID]Place, error)
	skills func(ctx context.Context, tx *pg.Tx, accounts ...uuid.UUID) (map[uuid.UUID]Skills, error)
}

// Options of NewDesk; all are needed. Needs, Places and Skills are lent by those who know them: what departments need, where lawyers
// were seen last, what they can.
type Options struct {
	DB     *pg.DB
	Ring   *seal.Ring
	Audit  *audit.Log
	Push   *push.Center
	Law    law.Book
	Needs  func(ctx context.Context, organisation uuid.UUID) (map[uuid.UUID]Need, error)
	Places func(ctx context.Context, tx *pg.Tx, organisation uuid.UUID) (map[uuid.UUID]Place, error)
	Skills func(ctx context.Context, tx *pg.Tx, accounts ...uuid.UUID) (map[uuid.UUID]Skills, error)
}

// NewDesk makes the desk and registers when its notices still stand.
func NewDesk(o Options) *Desk {
	d := &Desk{db: o.DB, ring: o.Ring, log: o.Audit, push: o.Push, book: o.Law, needs: o.Needs, places: o.Places, skills: o.Skills}
	o.Push.Recheck(push.Offer, stillOffered)
	o.Push.Recheck(push.OfferGone, stillGone)
	return d
}

const (
	notePlace = "dispatches.note_ct"
	maxNote   = 1000
	maxAsked  = 20
	// waits is how long one lawyer is waited for before the next is asked: our judgement, long enough to read and answer in a corridor,
	// short enough that three lawyers are asked in ten minutes.
	waits    = 3 * time.Minute
	waitsMin = 30 * time.Second
	waitsMax = time.Hour
)

// New is a call. Accounts empty: the one who suggests themselves first is asked. Wait zero: 3 minutes. OffDuty lets also those be asked
// who have no shift now: only a coordinator can say so, and of whom they name they say it of those alone.
type New struct {
	ClientID     uuid.UUID
	DepartmentID uuid.UUID
	Accounts     []uuid.UUID
	Note         string
	Wait         time.Duration
	OffDuty      bool
}

func (n *New) check() error {
	var bad []fault.Field
	wrong := func(when bool, pointer, code string) {
		if when {
			bad = append(bad, fault.Field{Pointer: pointer, Code: code})
		}
	}
	n.Note = strings.TrimSpace(n.Note)
	if n.Wait == 0 {
		n.Wait = waits
	}
	wrong(n.ClientID == uuid.Nil, "/client_id", "required")
	wrong(len(n.Accounts) > maxAsked, "/account_ids", "too_many")
	wrong(utf8.RuneCountInString(n.Note) > maxNote, "/note", "too_long")
	wrong(n.Wait < waitsMin || n.Wait > waitsMax, "/expires_in_s", "out_of_range")
	for i, id := range n.Accounts {
		wrong(slices.Contains(n.Accounts[:i], id), fmt.Sprintf("/account_ids/%d", i), "duplicate")
	}
	if len(bad) > 0 {
		return fault.BadFields(bad...)
	}
	return nil
}

// Call asks lawyers to go to a department; the first who says yes goes. Who does not answer in time is followed by the next best, and when
// nobody is left a coordinator hears of it. first is false when the client_id had been sent before: nothing changes. Faults: forbidden,
// invalid (account_ids: unknown, off_duty, engaged), not_found (the department), client_id_taken.
func (k *Desk) Call(ctx context.Context, p account.Principal, n New) (made Dispatch, first bool, err error) {
	if err := p.Needs(account.Coordinator); err != nil {
		return Dispatch{}, false, err
	}
	if err := n.check(); err != nil {
		return Dispatch{}, false, err
	}
	var needs map[uuid.UUID]Need
	if len(n.Accounts) == 0 {
		needs = k.wanted(ctx, p.Organisation)
	}
	err = k.db.InTx(ctx, func(tx *pg.Tx) error {
		first = false
		if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(hashtextextended($1::text, 7215304896))", n.ClientID.String()); err != nil {
			return fmt.Errorf("lock dispatch: %w", err)
		}
		was, err := k.before(ctx, tx, p, n.ClientID)
		if err != nil || was != nil {
			if was != nil {
				made = *was
			}
			return err
		}
		place, err := department.Find(ctx, tx, n.DepartmentID)
		if err != nil {
			return err
		}
		if !p.HasIn(p.Organisation, place.City, account.Coordinator) {
			return fault.Denied()
		}
		if made, err = k.open(ctx, tx, p, n); err != nil {
			return err
		}
		first = true
		if len(n.Accounts) == 0 {
			able, err := k.candidates(ctx, tx, made.OrganisationID, made.DepartmentID)
			if err != nil {
				return err
			}
			return k.askNext(ctx, tx, &made, able, needs)
		}
		return k.ask(ctx, tx, &made, n.Accounts, n.OffDuty)
	})
	return made, first, err
}

// before gives what was made of this client id.
func (k *Desk) before(ctx context.Context, tx *pg.Tx, p account.Principal, client uuid.UUID) (*Dispatch, error) {
	found, err := k.collect(ctx, tx, p, "d.client_id = @client", pgx.NamedArgs{"client": client})
	if err != nil {
		return nil, err
	}
	if len(found) == 1 && found[0].OrganisationID == p.Organisation {
		return &found[0], nil
	}
	var taken bool
	if err := tx.QueryRow(ctx, "select exists (select 1 from dispatches where client_id = $1)", client).Scan(&taken); err != nil {
		return nil, fmt.Errorf("look for dispatch: %w", err)
	}
	if taken {
		return nil, fault.Clash("client_id_taken")
	}
	return nil, nil
}

func (k *Desk) open(ctx context.Context, tx *pg.Tx, p account.Principal, n New) (Dispatch, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Dispatch{}, fmt.Errorf("dispatch id: %w", err)
	}
	// Who names one sleeping lawyer has not said that the whole city may be woken when that one does not answer.
	d := Dispatch{ID: id, OrganisationID: p.Organisation, ClientID: n.ClientID, DepartmentID: n.DepartmentID, State: Offered, Wait: n.Wait, OffDuty: n.OffDuty && len(n.Accounts) == 0,
		CreatedBy: p.Account, CreatedAt: tx.Now, UpdatedAt: tx.Now, Revision: 1, Note: n.Note, period: seal.Period(tx.Now)}
	d.Target, d.Norm = k.target(d)
	if n.Note != "" {
		key, err := k.ring.PeriodKey(d.period)
		if err != nil {
			return d, err
		}
		if d.noteCT, err = key.SealJSON(notePlace, id, n.Note); err != nil {
			return d, err
		}
	}
	_, err = tx.Exec(ctx, `insert into dispatches (id, organisation_id, client_id, department_id, state, wait_s, off_duty, next_at, period, note_ct, created_by, created_at, updated_at)
		values ($1, $2, $3, $4, $5, $6, $7, 'infinity', $8, $9, $10, $11, $11)`, id, d.OrganisationID, d.ClientID, d.DepartmentID, d.State, int(d.Wait.Seconds()),
		d.OffDuty, d.period, d.noteCT, d.CreatedBy, tx.Now)
	if err != nil {
		return d, fmt.Errorf("open dispatch: %w", err)
	}
	return d, k.log.Write(ctx, tx, audit.Entry{Organisation: d.OrganisationID, Actor: p.Account, Action: "dispatch.made", SubjectKind: "dispatch", Subject: id,
		Details: map[string]any{"asked": len(n.Accounts), "off_duty": n.OffDuty}})
}

// chosenDefender is the limit by which a defender whom the detained person chose must come, or another is offered (CoAO art. 750(4)).
const chosenDefender = "ADM-LAWYER-REPLACE-3H"

// target is by when the law wants a lawyer there, counted from the call: when each person was taken is on their own clocks.
func (k *Desk) target(d Dispatch) (time.Time, string) {
	l := k.book.At(d.CreatedAt).Limit(chosenDefender)
	if l == nil || l.Length == nil {
		return time.Time{}, ""
	}
	return d.CreatedAt.Add(*l.Length), l.Norm
}

// ask makes offers to those named.
func (k *Desk) ask(ctx context.Context, tx *pg.Tx, d *Dispatch, accounts []uuid.UUID, offDuty bool) error {
	able, err := k.candidates(ctx, tx, d.OrganisationID, d.DepartmentID)
	if err != nil {
		return err
	}
	var bad []fault.Field
	for i, id := range accounts {
		at := slices.IndexFunc(able, func(c candidate) bool { return c.account == id })
		code := ""
		switch {
		case at < 0:
			code = "unknown"
		case able[at].engaged:
			code = "engaged"
		case !able[at].onDuty && !offDuty && !d.OffDuty:
			code = "off_duty"
		}
		if code != "" {
			bad = append(bad, fault.Field{Pointer: fmt.Sprintf("/account_ids/%d", i), Code: code})
		}
	}
	if len(bad) > 0 {
		return fault.BadFields(bad...)
	}
	// Who thinks about it already is not woken again, and keeps the time that they were given.
	accounts = slices.DeleteFunc(slices.Clone(accounts), func(id uuid.UUID) bool {
		return slices.ContainsFunc(d.Offers, func(o Offer) bool {
			return o.AccountID == id && o.State == string(Offered) && o.ExpiresAt.After(tx.Now)
		})
	})
	if len(accounts) == 0 {
		return nil
	}
	return k.offer(ctx, tx, d, accounts...)
}

// offer asks these lawyers.
func (k *Desk) offer(ctx context.Context, tx *pg.Tx, d *Dispatch, accounts ...uuid.UUID) error {
	until := tx.Now.Add(d.Wait)
	notices := make([]push.Notice, len(accounts))
	b := &pgx.Batch{}
	for i, id := range accounts {
		turn := uuid.New()
		b.Queue(`insert into offers (dispatch_id, account_id, state, turn, offered_at, expires_at) values ($1, $2, 'offered', $3, $4, $5)
			on conflict (dispatch_id, account_id) do update set state = 'offered', turn = excluded.turn, offered_at = excluded.offered_at,
				expires_at = excluded.expires_at, answered_at = null`, d.ID, id, turn, tx.Now, until)
		d.Offers = append(d.Offers, Offer{AccountID: id, State: string(Offered), OfferedAt: tx.Now, ExpiresAt: until})
		notices[i] = noticeTo(d, id, turn, push.Offer)
	}
	b.Queue("update dispatches set state = 'offered', next_at = $2 where id = $1", d.ID, until)
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("make offers: %w", err)
	}
	d.State = Offered
	_, err := k.push.Tell(ctx, tx, notices...)
	return err
}

func noticeTo(d *Dispatch, account, turn uuid.UUID, kind string) push.Notice {
	return push.Notice{Organisation: d.OrganisationID, Kind: kind, SubjectKind: "dispatch", Subject: d.ID, Turn: turn,
		Owner: push.Owner{Kind: push.AccountOwner, ID: account}, Language: "ru"}
}

// stillOffered is asked by push just before a lawyer is called: does the offer still stand?
func stillOffered(ctx context.Context, tx *pg.Tx, n push.Notice) (stands bool, err error) {
	err = tx.QueryRow(ctx, "select exists (select 1 from offers where dispatch_id = $1 and account_id = $2 and turn = $3 and state = 'offered')",
		n.Subject, n.Owner.ID, n.Turn).Scan(&stands)
	if err != nil {
		return false, fmt.Errorf("look at offer: %w", err)
	}
	return stands, nil
}

// stillGone: that they need not come.
func stillGone(ctx context.Context, tx *pg.Tx, n push.Notice) (gone bool, err error) {
	err = tx.QueryRow(ctx, "select exists (select 1 from offers where dispatch_id = $1 and account_id = $2 and turn = $3 and state in ('taken', 'cancelled', 'returned'))",
		n.Subject, n.Owner.ID, n.Turn).Scan(&gone)
	if err != nil {
		return false, fmt.Errorf("look at offer: %w", err)
	}
	return gone, nil
}
