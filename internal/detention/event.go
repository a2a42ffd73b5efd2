package detention

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// EventKind is one of the kinds in domain.md ("Kinds of events").
type EventKind string

// The kinds that change where or how a person is held. The others are recorded for the clocks.
const (
	TakenKind              EventKind = "taken"
	ArrivedKind            EventKind = "arrived"
	MovedKind              EventKind = "moved"
	ReleasedKind           EventKind = "released"
	HospitalisedKind       EventKind = "hospitalised"
	WhereaboutsUnknownKind EventKind = "whereabouts_unknown"
	DiedKind               EventKind = "died"
	WithdrawnKind          EventKind = "withdrawn"
	CorrectedKind          EventKind = "corrected" // written by Correct only
)

// stateAfter is what a kind makes of the custody; kinds not named here leave it.
var stateAfter = map[EventKind]State{TakenKind: Held, ArrivedKind: Held, MovedKind: Held, ReleasedKind: Released,
	HospitalisedKind: Hospitalised, WhereaboutsUnknownKind: WhereaboutsUnknown, DiedKind: Died}

// Details of an event are sealed. Fields, Before and Corrects belong to corrections: what was changed, what it was, and which
// event had named the mistyped department.
type Details struct {
	HappenedAt   *time.Time `json:"happened_at,omitempty"`
	Certainty    string     `json:"certainty,omitempty"`
	DocumentedAt *time.Time `json:"documented_at,omitempty"`
	Source       string     `json:"source,omitempty"`
	Place        string     `json:"place,omitempty"`
	Note         string     `json:"note,omitempty"`
	Fields       []string   `json:"fields,omitempty"`
	Before       *Profile   `json:"before,omitempty"`
	Corrects     *uuid.UUID `json:"corrects,omitempty"`
}

// Event is one opened link of the chain.
type Event struct {
	ID             uuid.UUID
	DetentionID    uuid.UUID
	ClientID       *uuid.UUID
	Kind           EventKind
	ToDepartmentID *uuid.UUID
	RecordedBy     uuid.UUID
	RecordedAt     time.Time
	Details        Details
}

// at is the event's place in the chain: when it happened, or, unknown, when it was recorded. Nothing happens after it was
// recorded: a phone whose clock runs ahead must not overrule what others report in the hours between.
func (e Event) at() time.Time {
	if t := e.Details.HappenedAt; t != nil && t.Before(e.RecordedAt) {
		return *t
	}
	return e.RecordedAt
}

// NewEvent is what a person adds to the chain.
type NewEvent struct {
	ClientID       uuid.UUID
	Kind           EventKind
	ToDepartmentID *uuid.UUID
	Details        Details
}

// maxAhead is how far a phone's clock may run ahead before a time is refused as a mistake.
const maxAhead = 24 * time.Hour

func (e NewEvent) check(now time.Time) error {
	var bad []fault.Field
	if e.ClientID == uuid.Nil {
		bad = append(bad, fault.Field{Pointer: "/client_id", Code: "required"})
	}
	if e.Kind == MovedKind && e.ToDepartmentID == nil {
		bad = append(bad, fault.Field{Pointer: "/to_department_id", Code: "required"})
	}
	if e.Kind == CorrectedKind {
		bad = append(bad, fault.Field{Pointer: "/kind", Code: "not_allowed"})
	}
	for _, t := range []struct {
		field string
		at    *time.Time
	}{{"happened_at", e.Details.HappenedAt}, {"documented_at", e.Details.DocumentedAt}} {
		if t.at != nil && t.at.After(now.Add(maxAhead)) {
			bad = append(bad, fault.Field{Pointer: "/" + t.field, Code: "out_of_range"})
		}
	}
	for _, f := range []struct {
		field, text string
		most        int
	}{{"place", e.Details.Place, maxPlace}, {"note", e.Details.Note, maxNote}} {
		if utf8.RuneCountInString(f.text) > f.most {
			bad = append(bad, fault.Field{Pointer: "/" + f.field, Code: "too_long"})
		}
	}
	if len(bad) > 0 {
		return fault.BadFields(bad...)
	}
	return nil
}

// Add appends an event and computes state and department anew from the whole chain, so that a late event finds its place.
// first is false when the client_id had been recorded before: nothing changes. Faults: invalid, not_found, forbidden (a
// lawyer takes back only what they logged), client_id_taken.
func (l *Ledger) Add(ctx context.Context, p account.Principal, id uuid.UUID, n NewEvent) (event Event, first bool, err error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return Event{}, false, err
	}
	if err := n.check(l.db.Now()); err != nil {
		return Event{}, false, err
	}
	err = l.db.InTx(ctx, func(tx *pg.Tx) error {
		d, err := l.lock(ctx, tx, p, id)
		if err != nil {
			return err
		}
		if n.Kind == WithdrawnKind && d.RecordedBy != p.Account && !p.HasIn(d.OrganisationID, d.City, account.Operator, account.Coordinator) {
			return fault.Denied()
		}
		event, first, err = l.add(ctx, tx, p, d, n)
		return err
	})
	return event, first, err
}

func (l *Ledger) add(ctx context.Context, tx *pg.Tx, p account.Principal, d Detention, n NewEvent) (Event, bool, error) {
	chain, err := chainOf(ctx, tx, d)
	if err != nil {
		return Event{}, false, err
	}
	for _, e := range chain {
		if e.ClientID != nil && *e.ClientID == n.ClientID {
			// d is locked, so a repeat is seen here, never doubled. What comes back may be another's words: it is a read.
			return e, false, l.eventsRead(ctx, tx, p, d)
		}
	}
	eventID, err := appendEvent(ctx, tx, d.key, appended{detention: d.ID, client: &n.ClientID, kind: n.Kind, to: n.ToDepartmentID,
		by: p.Account, details: n.Details})
	if err != nil {
		return Event{}, false, err
	}
	event := Event{ID: eventID, DetentionID: d.ID, ClientID: &n.ClientID, Kind: n.Kind, ToDepartmentID: n.ToDepartmentID,
		RecordedBy: p.Account, RecordedAt: tx.Now, Details: n.Details}
	state, department := where(append(chain, event))
	if state != d.State || department != d.DepartmentID {
		if _, err := tx.Exec(ctx, "update detentions set state = $2, department_id = $3, revision = revision + 1, updated_at = $4 where id = $1",
			d.ID, state, department, tx.Now); err != nil {
			return Event{}, false, fmt.Errorf("update custody: %w", err)
		}
		tx.Enqueue(Happened{DetentionID: d.ID, EventID: eventID, ActorID: p.Account, State: state}, nil)
	}
	return event, true, l.log.Write(ctx, tx, audit.Entry{Organisation: d.OrganisationID, Actor: p.Account, Action: "detention.event",
		SubjectKind: "detention", Subject: d.ID, Details: map[string]any{"kind": n.Kind}})
}

// opening tells whether the event is the one that the record was logged with.
func (e Event) opening() bool { return e.Kind == TakenKind && e.ClientID == nil }

// inOrder gives a chain in the order in which things happened. The opening event says where the person was when logged;
// nothing known can lie before it.
func inOrder(chain []Event) []Event {
	sorted := slices.Clone(chain)
	slices.SortStableFunc(sorted, func(a, b Event) int {
		switch {
		case a.opening() && !b.opening():
			return -1
		case b.opening() && !a.opening():
			return 1
		}
		return cmp.Or(a.at().Compare(b.at()), a.RecordedAt.Compare(b.RecordedAt), slices.Compare(a.ID[:], b.ID[:]))
	})
	return sorted
}

// where reads state and department off a chain. Withdrawn is final: an entry that was a mistake stays one.
func where(chain []Event) (State, uuid.UUID) {
	state := Held
	for _, e := range inOrder(chain) {
		if e.Kind == WithdrawnKind {
			return Withdrawn, place(chain).department
		}
		if s, ok := stateAfter[e.Kind]; ok {
			state = s
		}
	}
	return state, place(chain).department
}

// placed is a department and the event that says the person is there.
type placed struct {
	event, department uuid.UUID
}

// place is where the chain says the person is now. A correction is no move: it changes what the event it corrects says, so
// that a move which is reported later but happened after that event still counts.
func place(chain []Event) placed {
	corrected := map[uuid.UUID]uuid.UUID{}
	for _, e := range chain { // as read: in the order in which they were recorded, the last correction wins
		if e.Details.Corrects != nil && e.ToDepartmentID != nil {
			corrected[*e.Details.Corrects] = *e.ToDepartmentID
		}
	}
	var at placed
	for _, e := range inOrder(chain) {
		if e.Kind == CorrectedKind || e.ToDepartmentID == nil {
			continue
		}
		at = placed{event: e.ID, department: *e.ToDepartmentID}
		if put, ok := corrected[e.ID]; ok {
			at.department = put
		}
	}
	return at
}

// Events gives the chain in the order in which things happened. Faults: forbidden, not_found.
func (l *Ledger) Events(ctx context.Context, p account.Principal, id uuid.UUID) ([]Event, error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return nil, err
	}
	var chain []Event
	err := l.db.InTx(ctx, func(tx *pg.Tx) error {
		d, err := l.find(ctx, tx, p, id)
		if err != nil {
			return err
		}
		if chain, err = chainOf(ctx, tx, d); err != nil {
			return err
		}
		chain = inOrder(chain)
		return l.eventsRead(ctx, tx, p, d)
	})
	return chain, err
}

func (l *Ledger) eventsRead(ctx context.Context, tx *pg.Tx, p account.Principal, d Detention) error {
	return l.log.Write(ctx, tx, audit.Entry{Organisation: d.OrganisationID, Actor: p.Account, Action: "detention.events_read",
		SubjectKind: "detention", Subject: d.ID})
}

// chainOf gives a detention's events in the order in which they were recorded.
func chainOf(ctx context.Context, tx *pg.Tx, d Detention) ([]Event, error) {
	rows, err := tx.Query(ctx, `select id, detention_id, client_id, kind, to_department_id, recorded_by, recorded_at, details_ct
		from detention_events where detention_id = $1 order by id`, d.ID)
	if err != nil {
		return nil, fmt.Errorf("read chain: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Event, error) {
		var e Event
		var ct []byte
		if err := row.Scan(&e.ID, &e.DetentionID, &e.ClientID, &e.Kind, &e.ToDepartmentID, &e.RecordedBy, &e.RecordedAt, &ct); err != nil {
			return e, err
		}
		return e, d.key.OpenJSON(detailsPlace, e.ID, ct, &e.Details)
	})
}

type appended struct {
	detention uuid.UUID
	client    *uuid.UUID
	kind      EventKind
	to        *uuid.UUID
	by        uuid.UUID
	details   Details
}

func appendEvent(ctx context.Context, tx *pg.Tx, key seal.Key, a appended) (uuid.UUID, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.Nil, fmt.Errorf("event id: %w", err)
	}
	ct, err := key.SealJSON(detailsPlace, id, a.details)
	if err != nil {
		return uuid.Nil, err
	}
	_, err = tx.Exec(ctx, `insert into detention_events (id, detention_id, client_id, kind, to_department_id, key_id, details_ct, recorded_by, recorded_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, id, a.detention, a.client, a.kind, a.to, key.ID, ct, a.by, tx.Now)
	switch {
	case pg.Violates(err, "detention_events_client_id"):
		e := fault.Clash("client_id_taken")
		e.Fields = []fault.Field{{Pointer: "/client_id", Code: "not_allowed"}}
		return uuid.Nil, e
	case pg.Violates(err, "detention_events_department"):
		return uuid.Nil, fault.BadField("/to_department_id", "unknown")
	case err != nil:
		return uuid.Nil, fmt.Errorf("append event: %w", err)
	}
	return id, nil
}
