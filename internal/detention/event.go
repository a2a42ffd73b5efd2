package detention

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// EventKind is one of the kinds in domain.md ("Kinds of events").
type EventKind string

// The kinds that change where or how a person is held, and those that the procedure is read from. The others are recorded for the
// clocks.
const (
	TakenKind              EventKind = "taken"
	ArrivedKind            EventKind = "arrived"
	MovedKind              EventKind = "moved"
	CourtKind              EventKind = "court"
	SentencedKind          EventKind = "sentenced"
	ReleasedKind           EventKind = "released"
	HospitalisedKind       EventKind = "hospitalised"
	WhereaboutsUnknownKind EventKind = "whereabouts_unknown"
	DiedKind               EventKind = "died"
	WithdrawnKind          EventKind = "withdrawn"
	CorrectedKind          EventKind = "corrected"
)

// stateAfter is what a kind makes of the custody; kinds not named here leave it.
var stateAfter = map[EventKind]State{TakenKind: Held, ArrivedKind: Held, MovedKind: Held, ReleasedKind: Released,
	HospitalisedKind: Hospitalised, WhereaboutsUnknownKind: WhereaboutsUnknown, DiedKind: Died}

// Details of an event are sealed.
type Details struct {
	HappenedAt    *time.Time         `json:"happened_at,omitempty"`
	Certainty     string             `json:"certainty,omitempty"`
	DocumentedAt  *time.Time         `json:"documented_at,omitempty"`
	Source        string             `json:"source,omitempty"`
	PlaceKind     PlaceKind          `json:"place_kind,omitempty"`
	Place         string             `json:"place,omitempty"`
	Vehicle       *Vehicle           `json:"vehicle,omitempty"`
	Regime        law.Regime         `json:"regime,omitempty"`
	Charge        string             `json:"charge,omitempty"`
	Circumstances []law.Circumstance `json:"circumstances,omitempty"`
	ScheduledAt   *time.Time         `json:"scheduled_at,omitempty"` // of a hearing
	Sentence      *Sentence          `json:"sentence,omitempty"`
	Note          string             `json:"note,omitempty"`
	// Of corrections: the event that is put right, the last correction of it that the author knew, whether it is voided. Of those
	// that Correct writes: which facts of the record changed and what they were.
	Corrects   *uuid.UUID `json:"corrects,omitempty"`
	Supersedes *uuid.UUID `json:"supersedes,omitempty"`
	Void       bool       `json:"void,omitempty"`
	Fields     []string   `json:"fields,omitempty"`
	Before     *Profile   `json:"before,omitempty"`
	// Search is whose relative said it, when nobody with an account did.
	Search *uuid.UUID `json:"search,omitempty"`
}

// Event is one opened link of the chain. RecordedBy is uuid.Nil when a relative said it through her search.
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

// NewEvent is what a person adds to the chain.
type NewEvent struct {
	ClientID       uuid.UUID
	Kind           EventKind
	ToDepartmentID *uuid.UUID
	Details        Details
}

// Add appends an event and computes state and department anew from the whole chain, so that a late event finds its place.
// first is false when the client_id had been recorded before: nothing changes. Faults: invalid, not_found, forbidden (a
// lawyer takes back, and puts right, only what they logged), client_id_taken, stale (the event was corrected meanwhile by someone whose
// correction the author did not know: with the event as it stands). Said of a record that was merged, the event is one of the person,
// whoever stands for them; it stays on the record that it was said of, and goes with it when the two are parted.
func (l *Ledger) Add(ctx context.Context, p account.Principal, id uuid.UUID, n NewEvent) (event Event, first bool, err error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return Event{}, false, err
	}
	if err := n.check(l.db.Now()); err != nil {
		return Event{}, false, err
	}
	err = l.write(ctx, func(tx *pg.Tx) error {
		d, err := l.lock(ctx, tx, p, id)
		if err != nil {
			return err
		}
		event, first, err = l.add(ctx, tx, p, d, n)
		return err
	})
	return event, first, err
}

func (l *Ledger) add(ctx context.Context, tx *pg.Tx, p account.Principal, d Detention, n NewEvent) (Event, bool, error) {
	chain := slices.Clip(d.chain)
	for _, e := range chain {
		if e.ClientID != nil && *e.ClientID == n.ClientID {
			// d is locked, so a repeat is seen here, never doubled. What comes back may be another's words: it is a read.
			return e, false, l.eventsRead(ctx, tx, p, d)
		}
	}
	switch was, err := l.partedSince(ctx, tx, p, chain, n); {
	case err != nil:
		return Event{}, false, err
	case was != nil:
		return *was, false, nil
	}
	if err := mayAdd(p, d, chain, n); err != nil {
		return Event{}, false, err
	}
	event, err := l.append(ctx, tx, d, chain, appended{client: &n.ClientID, kind: n.Kind, to: n.ToDepartmentID, by: p.Account, details: n.Details})
	if err != nil {
		return Event{}, false, err
	}
	if err := mindEndings(ctx, tx, p, d, n.Kind); err != nil {
		return Event{}, false, err
	}
	return event, true, l.log.Write(ctx, tx, audit.Entry{Organisation: d.OrganisationID, Actor: p.Account, Action: "detention.event",
		SubjectKind: "detention", Subject: d.ID, Details: map[string]any{"kind": n.Kind}})
}

// mostEndings is how many custodies one account may end within an hour before coordinators are called: as many as releases are told by
// themselves (issue: 50). A stolen phone that reports everyone free stops their clocks; what it said can be retracted.
const mostEndings = 50

func mindEndings(ctx context.Context, tx *pg.Tx, p account.Principal, d Detention, kind EventKind) error {
	if kind != ReleasedKind && kind != DiedKind && kind != WithdrawnKind {
		return nil
	}
	var n int
	if err := tx.QueryRow(ctx, "select count(*) from detention_events where recorded_by = $1 and recorded_at > $2 and kind in ('released', 'died', 'withdrawn')",
		p.Account, tx.Now.Add(-time.Hour)).Scan(&n); err != nil {
		return fmt.Errorf("count endings: %w", err)
	}
	if n <= mostEndings {
		return nil
	}
	return alert.Raise(ctx, tx, alert.News{Organisation: d.OrganisationID, Kind: alert.BulkEndings, SubjectKind: "account", Subject: p.Account})
}

// append writes an event, brings the row up to what the chain says with it, lets the clocks be looked at anew, and announces what
// changed for a family.
func (l *Ledger) append(ctx context.Context, tx *pg.Tx, d Detention, chain []Event, a appended) (Event, error) {
	key := d.key
	a.detention = d.ID
	if a.kind == CorrectedKind { // it stays with what it puts right
		if of, there := recordOf(chain, a.details.Corrects); there {
			if k, opens := d.KeyOf(of); opens {
				a.detention, key = of, k
			}
		}
	}
	id, err := appendEvent(ctx, tx, key, a)
	if err != nil {
		return Event{}, err
	}
	event := Event{ID: id, DetentionID: a.detention, ClientID: a.client, Kind: a.kind, ToDepartmentID: a.to, RecordedBy: a.by, RecordedAt: tx.Now, Details: a.details}
	was, is := read(chain), read(append(chain, event))
	if err := l.settle(ctx, tx, &d, is); err != nil {
		return Event{}, err
	}
	if len(is.Contradictions) > len(was.Contradictions) {
		if err := alert.Raise(ctx, tx, alert.News{Organisation: d.OrganisationID, Kind: alert.Contradiction, SubjectKind: "detention", Subject: d.Stands()}); err != nil {
			return Event{}, err
		}
	}
	switch changed := was.differs(is); {
	case a.kind == CorrectedKind && changed:
		tx.Enqueue(Corrected{DetentionID: a.detention, EventID: id, ActorID: a.by, Moved: true, Named: was.State == Withdrawn && is.State != Withdrawn}, nil)
	case changed, a.kind == ReleasedKind && is.State == Released: // a second word that they are free is told where the first one waits for a person
		tx.Enqueue(Happened{DetentionID: d.Stands(), EventID: id, ActorID: a.by, State: is.State}, nil)
	}
	return event, nil
}

// differs tells whether a family that may know of one would hear news with the other.
func (c Custody) differs(other Custody) bool {
	return c.State != other.State || c.DepartmentID != other.DepartmentID || c.PlaceKind != other.PlaceKind || c.Place != other.Place ||
		c.Release != other.Release || !reflect.DeepEqual(c.Hearing, other.Hearing) || !reflect.DeepEqual(c.Sentence, other.Sentence)
}

// settle brings the rows, by which SQL counts and lists, up to what the chain says, and has the clocks looked at anew. A record that was
// merged is where the person is: who may read and change it goes by that.
func (l *Ledger) settle(ctx context.Context, tx *pg.Tx, d *Detention, c Custody) error {
	var release *Release
	if c.Release != "" {
		release = &c.Release
	}
	b := &pgx.Batch{}
	b.Queue(`update detentions set state = $2, department_id = $3, place_kind = $4, release = $5, contradicted = $6, revision = revision + 1, updated_at = $7
		where id = any($1::uuid[]) and (state, department_id, place_kind, release, contradicted) is distinct from ($2, $3, $4, $5, $6)`,
		idsOf(d.records()), c.State, c.DepartmentID, c.PlaceKind, release, len(c.Contradictions) > 0, tx.Now)
	b.Queue("insert into clocks (detention_id, next_at) values ($1, $2) on conflict (detention_id) do update set next_at = excluded.next_at", d.Stands(), tx.Now)
	b.Queue("select state, department_id, place_kind, release, contradicted, revision, updated_at from detentions where id = $1", d.ID).QueryRow(func(row pgx.Row) error {
		return row.Scan(&d.State, &d.DepartmentID, &d.PlaceKind, &d.Release, &d.Contradicted, &d.Revision, &d.UpdatedAt)
	})
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("update custody: %w", err)
	}
	return nil
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
		chain = inOrder(d.chain)
		return l.eventsRead(ctx, tx, p, d)
	})
	return chain, err
}

func (l *Ledger) eventsRead(ctx context.Context, tx *pg.Tx, p account.Principal, d Detention) error {
	return l.log.Write(ctx, tx, audit.Entry{Organisation: d.OrganisationID, Actor: p.Account, Action: "detention.events_read",
		SubjectKind: "detention", Subject: d.ID})
}

// recordOf is the record on which an event of the chain lies.
func recordOf(chain []Event, id *uuid.UUID) (uuid.UUID, bool) {
	for _, e := range chain {
		if id != nil && e.ID == *id {
			return e.DetentionID, true
		}
	}
	return uuid.Nil, false
}

// partedSince gives a correction that its author sends again after the records were parted: it lies with what it put right, which is no
// longer of this chain.
func (l *Ledger) partedSince(ctx context.Context, tx *pg.Tx, p account.Principal, chain []Event, n NewEvent) (*Event, error) {
	if _, here := recordOf(chain, n.Details.Corrects); n.Kind != CorrectedKind || here {
		return nil, nil
	}
	var of uuid.UUID
	err := tx.QueryRow(ctx, "select detention_id from detention_events where client_id = $1 and recorded_by = $2 and kind = 'corrected'", n.ClientID, p.Account).Scan(&of)
	if pg.NoRow(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for a correction: %w", err)
	}
	found, err := l.Load(ctx, tx, of)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	there, err := l.chainOf(ctx, tx, found[0])
	if err != nil {
		return nil, err
	}
	for _, e := range there {
		if e.ClientID != nil && *e.ClientID == n.ClientID {
			return &e, l.eventsRead(ctx, tx, p, found[0])
		}
	}
	return nil, nil
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
		values ($1, $2, $3, $4, $5, $6, $7, nullif($8, '00000000-0000-0000-0000-000000000000'::uuid), $9)`, id, a.detention, a.client, a.kind, a.to, key.ID, ct, a.by, tx.Now)
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
