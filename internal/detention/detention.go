// Package detention keeps a person's custody: one record from taking to release, with its chain of events.
//
// A record is a row (place, state, who logged it and when: what scope needs in SQL) and a sealed profile (everything about
// the person). States: held → released | hospitalised | whereabouts_unknown | died, and withdrawn when it was entered by
// mistake; the state is always computed from the whole chain, so that a late event finds its place.
//
// Two records of one person are merged by people and parted again by people (merge.go): nothing moves, the chain is read over all of
// them, and lists and totals show the one that stands for the person.
//
// Invariants. Nothing logged is lost: a batch is stored whole, an optional fact that cannot be read is kept as given, a
// repeat of a client_id changes nothing, a correction keeps what it replaced in the chain. The chain is append-only.
// Out of scope does not exist. What happened is announced to the packages on the right by jobs (jobs.go) that carry ids only.
package detention

import (
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/pkg/names"
)

// Ledger records and reads detentions.
type Ledger struct {
	db     *pg.DB
	ring   *seal.Ring
	log    *audit.Log
	finder *finder.Finder
}

// New makes the ledger.
func New(db *pg.DB, ring *seal.Ring, log *audit.Log, f *finder.Finder) *Ledger {
	return &Ledger{db: db, ring: ring, log: log, finder: f}
}

// State of a custody.
type State string

// The states.
const (
	Held               State = "held"
	Released           State = "released"
	Hospitalised       State = "hospitalised"
	WhereaboutsUnknown State = "whereabouts_unknown"
	Died               State = "died"
	Withdrawn          State = "withdrawn"
)

// Disclosure says what may be told.
type Disclosure string

// The disclosures. Relatives is the default: matched searches only.
const (
	Sealed    Disclosure = "sealed"
	Relatives Disclosure = "relatives"
	Public    Disclosure = "public"
)

// Via is how a record came in.
type Via string

// The ways.
const (
	ViaAPI Via = "api"
	ViaSMS Via = "sms" // unconfirmed at first: a sender is easily forged
)

// Row is a detention as it lies in the database.
type Row struct {
	ID             uuid.UUID
	OrganisationID uuid.UUID
	ClientID       uuid.UUID
	DepartmentID   uuid.UUID
	AssemblyID     *uuid.UUID
	State          State
	PlaceKind      PlaceKind
	Release        *Release
	Contradicted   bool
	MergedInto     *uuid.UUID
	Previous       *uuid.UUID // the earlier custody of someone who was taken anew
	Via            Via
	Unconfirmed    bool // nobody has confirmed what came in by SMS: no family is told of it by itself
	KeyID          uuid.UUID
	ProfileCT      []byte
	RecordedBy     uuid.UUID
	OffShift       bool
	RecordedAt     time.Time
	UpdatedAt      time.Time
	Revision       int
}

// columns of Row, for a table aliased d.
const columns = `d.id, d.organisation_id, d.client_id, d.department_id, d.assembly_id, d.state,
	d.place_kind, d.release, d.contradicted, d.merged_into, d.previous_detention_id, d.via, d.unconfirmed, d.key_id, d.profile_ct,
	d.recorded_by, d.off_shift, d.recorded_at, d.updated_at, d.revision`

// Detention is an opened record. It carries the key that opened it, so that a change is sealed under the same one.
type Detention struct {
	Row
	Profile
	City          string
	RepresentedBy []uuid.UUID
	// Custody is what the chain says, read over all records of the person; the reads that show a record read it, matching does not.
	Custody Custody
	// Merges are those by which the person's records are one, oldest first.
	Merges []Merge

	key    seal.Key
	others []Detention // the person's other records
	chain  []Event     // of all of them, as recorded; there where Custody is
}

// Person is what matching compares.
func (d Detention) Person() names.Person { return d.Profile.Person() }

const (
	profilePlace = "detentions.profile_ct"
	detailsPlace = "detention_events.details_ct"
	keyScope     = "detention"
)
