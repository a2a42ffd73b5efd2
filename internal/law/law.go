// Package law keeps what the law of Kazakhstan limits and demands for a person in custody, as versioned data, and the pure rules that
// read it: which clocks run for a case, what is due, what is breached, and which norm says so. It exists so that a lawyer at a door
// quotes the right article, and so that nobody has to remember when 3, 12, 24, 48 or 72 hours end.
//
// The data lies in data/<version>/*.csv; a change of the law adds a version, and a case keeps the version that was in force when
// liberty was restricted. Sources stand in each row and in docs/data.md. It is not legal advice: an advocate signs it off.
//
// Invariants. No I/O and no clock of its own: now is passed in. The clock of a custody runs from the real restriction of liberty,
// whatever the paper says (CoAO art. 789(1)). A change of regime restarts nothing. An unknown start takes the earliest plausible
// time and says so.
package law

import "time"

// Regime is the procedure under which someone is held.
type Regime string

// The regimes of custody-limits.csv. Any and International apply beside whichever of the others.
const (
	Any            Regime = "any"
	Administrative Regime = "administrative"
	Criminal       Regime = "criminal"
	Custody        Regime = "custody" // held in a custody place, after the police station
	International  Regime = "international"
)

// LimitKind is what sort of limit it is.
type LimitKind string

// The kinds of custody-limits.csv.
const (
	MaxDetention     LimitKind = "max_detention"
	DutyDeadline     LimitKind = "duty_deadline"
	ImmediateDuty    LimitKind = "immediate_duty"
	CourtSanctionMax LimitKind = "court_sanction_max"
	Benchmark        LimitKind = "benchmark"
)

// Certainty says how sure a clock's start is.
type Certainty string

// The certainties. Earliest: nobody said when; the earliest plausible time stands in.
const (
	Exact       Certainty = "exact"
	Approximate Certainty = "approximate"
	Earliest    Certainty = "earliest_plausible"
)

// Limit is one row of custody-limits.csv.
type Limit struct {
	Code       string
	Regime     Regime
	Kind       LimitKind
	StartsAt   string         // starts_at_event, as in the file
	Length     *time.Duration // nil: the law names no figure
	AppliesTo  string         // as in the file; mapped to a predicate by its exact text
	Norm       string
	Note       string
	Source     string
	AsOf       string
	Confidence string
	// Ours, marked as our reading in the file: which checklist items or events show that the duty was done, and which shorter limits
	// give way while this one applies for a known reason.
	MetBy []string
	Lifts []string
	// How long before and after its end people are told, our judgement too; nil: they are not.
	warn, alarm *time.Duration
	read        bool // limit-readings.csv has its row
	applies     func(*facts) bool
	starts      func(*facts) []start
}

// Circumstance is a fact of a case that a limit asks for and that a person has to state (an event carries it).
type Circumstance string

// The circumstances.
const (
	Intoxicated       Circumstance = "intoxicated"
	SpecialRegime     Circumstance = "special_regime"      // protected sites, migration, border and customs regime, shelf (CoAO 789(2))
	CurfewNoDocuments Circumstance = "curfew_no_documents" // CoAO 789(2)
	Exception72h      Circumstance = "exception_72h"       // one of the six of CPC 131(4)
	MandatoryDefence  Circumstance = "mandatory_defence"   // CoAO 749(1)
	WithoutWitnesses  Circumstance = "without_witnesses"   // CoAO 791(7)
	CustodyPlace      Circumstance = "custody_place"       // held in a custody place (Law 353-I)
)

// Need is a fact about a person that decides what applies to them, who must look after them, and how a list is sorted.
type Need string

// The needs.
const (
	Minor          Need = "minor"
	Injured        Need = "injured"
	Pregnant       Need = "pregnant"
	Medicine       Need = "medicine"
	Interpreter    Need = "interpreter"
	Consular       Need = "consular" // a foreigner: consular notice
	ChildrenAtHome Need = "children_at_home"
	Asylum         Need = "asylum"
	Disability     Need = "disability"
	ChildUnder14   Need = "child_under_14"
	LoneFather     Need = "lone_father"
)

// Person is what the rules know of someone. Minor is among Needs when they may be one. Foreign: a citizenship is known and it is not
// Kazakhstan's. Ages are in whole years, -1 unknown; only the year of birth is known, so Least is the age before and Most the age
// after this year's birthday.
type Person struct {
	Sex         string // "male", "female" or ""
	Foreign     bool
	Least, Most int
	Needs       []Need
}

// Event is a link of the chain as the rules read it. Kind is a kind of domain.md. At is when it happened, Documented when the police
// wrote it happened.
type Event struct {
	Kind          string
	At            time.Time
	Certainty     Certainty
	Documented    *time.Time
	Regime        Regime // of protocol_drawn, regime_changed, taken: "" when not said
	Charge        string // article and part, "488(6)", "" when not said
	ArrestDays    int    // of sentenced: days of arrest, 0 when not said
	Circumstances []Circumstance
	Announced     bool // of court: a date was given; nobody was before a judge yet
}

// Answer is the last answer to a checklist item, or to a duty by its limit's code.
type Answer struct {
	Item  string
	Value string // "observed", "breached" or "not_checked"
	At    time.Time
}

// Case is what is known of one custody: events in the order in which they happened, corrected ones as corrected, void ones left out.
type Case struct {
	Person   Person
	Events   []Event
	Answers  []Answer
	Recorded time.Time
	// Assembly is when the assembly began at which they were taken: the earliest plausible time when nobody said any.
	Assembly *time.Time
	// Ended is when the custody ended for sure: a relative or a lawyer has seen the person free. nil: it runs, also while a release is
	// only reported.
	Ended *time.Time
}

// State of a clock.
type State string

// The states. Met: the duty was done, or the custody ended, in time. Lifted: a longer limit applies for a known reason. Unknown: its time
// has passed, and nothing that is recorded could show whether the duty was done.
const (
	Running  State = "running"
	Met      State = "met"
	Breached State = "breached"
	Lifted   State = "lifted"
	Unknown  State = "unknown"
)

// Clock is a limit that applies to a case. Due is when it ends (zero: the law names no figure, and nothing fires). Warn and Alarm are
// when people are told before and after; both zero for benchmarks and what is met.
type Clock struct {
	Limit     *Limit
	Starts    time.Time
	Certainty Certainty
	Due       time.Time
	Warn      time.Time
	Alarm     time.Time
	State     State
	// Argument is a code of something to argue, not a rule: "exempt_from_arrest" (CoAO 50(2)).
	Argument string
}
