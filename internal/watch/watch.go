// Package watch keeps a relative's standing search and tells her when the person she looks for is logged.
//
// A search answers now and keeps answering: matching runs when a search is made or changed and when a detention is logged
// or corrected, always after the commit of what it looks at, so that whichever side came second sees the other. A match is
// search × detention with a tier (pkg/names): `certain` is told at once unless a rule sends it to a person (review.go);
// `likely` waits for an operator; `possible` is shown to staff only. States: proposed → notified | confirmed | rejected,
// and retracted when what a family was told no longer stands.
//
// Invariants. Whoever asks learns nothing from how the answer looks: a search is accepted in the same words whether or not
// someone is held. A family is told of one record once. The first news is held back only for reasons that concern this
// person or this reporter, never for a global count. The secret is minted by the phone; only its hash is kept.
package watch

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/inquiry"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/pkg/names"
)

// Post is where searches are kept and watched.
type Post struct {
	db         *pg.DB
	ring       *seal.Ring
	log        *audit.Log
	finder     *finder.Finder
	detentions *detention.Ledger
	push       *push.Center
	limits     Limits
	hotline    string
	promise    time.Duration
	out        *slog.Logger
	sources    *sources
	slice      time.Duration
}

// Options for New. Promise is within which time a family hears again after news; zero: nothing is promised by itself. Hotline is the number that families see where a department's own is not verified; empty shows none.
type Options struct {
	DB         *pg.DB
	Ring       *seal.Ring
	Audit      *audit.Log
	Finder     *finder.Finder
	Detentions *detention.Ledger
	Push       *push.Center
	Limits     Limits
	Hotline    string
	Promise    time.Duration
	Inquiries  *inquiry.Desk
	Log        *slog.Logger
}

// New makes the post and lends push the functions that look at a case again just before a notice goes out.
func New(o Options) *Post {
	p := &Post{db: o.DB, ring: o.Ring, log: o.Audit, finder: o.Finder, detentions: o.Detentions, push: o.Push, limits: o.Limits,
		hotline: o.Hotline, promise: o.Promise, out: o.Log, sources: newSources(), slice: matchSlice}
	o.Push.Recheck(push.Erased, func(context.Context, *pg.Tx, push.Notice) (bool, error) { return true, nil })
	for _, kind := range []string{push.Match, push.Update, push.Retraction, push.Correction} {
		o.Push.RecheckAll(kind, p.stillTrue)
	}
	o.Push.TellPlaces(p.placesOf)
	if o.Inquiries != nil {
		o.Inquiries.Lend(p.searchFor, p.afterInquiry)
	}
	return p
}

// Limits of guarding. Zero switches a limit off (simulations).
type Limits struct {
	// NameFree is how many searches for one name within a day pass without a challenge.
	NameFree int
	// NameAlarm is the count at which coordinators are told that someone guesses.
	NameAlarm int
	// NameMost is the count at which further ones are refused for the day. It is off unless an operator sets it: who asks often
	// enough could keep a family out. From NameAlarm on nothing is told by itself instead (ReasonGuessing).
	NameMost int
	// SourceFree is how many searches one origin makes in ten minutes without a challenge; an origin is never refused for
	// its address: a city shares one behind its carrier.
	SourceFree int
	// Told is how many different searches are told of one person before the rest goes to an operator (domain.md: five).
	Told int
	// Reporter is how many families are told on one reporter's word within an hour before the rest waits for a second
	// person; first finds, changes and retractions are counted apart.
	Reporter int
	// Releases is the same for releases, on which a family acts: a comparable system sent some 8,000 false ones after one update.
	Releases int
}

// DefaultLimits are in force unless QORGAU_LIMITS says otherwise.
var DefaultLimits = Limits{NameFree: 3, NameAlarm: 8, SourceFree: 5, Told: 5, Reporter: 100, Releases: 50}

// Term is how long a search stands unless renewed.
const Term = 30 * 24 * time.Hour

// SearchState of a search.
type SearchState string

// The states. Erasing: DELETE came, nothing is told any more, the data goes within a day. Erased: gone.
const (
	Open    SearchState = "open"
	Closed  SearchState = "closed"
	Erasing SearchState = "erasing"
	Erased  SearchState = "erased"
)

// SearchRow is a search as it lies in the database.
type SearchRow struct {
	ID             uuid.UUID
	OrganisationID uuid.UUID
	ClientID       uuid.UUID
	SecretHash     []byte
	KeyID          uuid.UUID
	ProfileCT      []byte
	Language       string
	City           *string
	State          SearchState
	EnteredBy      *uuid.UUID
	CreatedAt      time.Time
	UpdatedAt      time.Time
	ExpiresAt      time.Time
	Revision       int
	NextUpdateBy   *time.Time
}

const searchColumns = `s.id, s.organisation_id, s.client_id, s.secret_hash, s.key_id, s.profile_ct, s.language, s.city, s.state,
	s.entered_by, s.created_at, s.updated_at, s.expires_at, s.revision, s.next_update_by`

// SearchProfile is everything about the two people, sealed as one field.
type SearchProfile struct {
	Name        string   `json:"name"`
	AlsoKnownAs []string `json:"also_known_as,omitempty"`
	BirthYear   int      `json:"birth_year,omitempty"`
	Sex         string   `json:"sex,omitempty"`
	Relation    string   `json:"relation,omitempty"`
	CloseReason string   `json:"close_reason,omitempty"`
	CallNote    string   `json:"call_note,omitempty"` // how and when to call
	// Guessed: the name was asked for so often when this search took it that someone may be trying facts. A person decides on
	// its matches; the search itself looks as any other.
	Guessed bool `json:"guessed,omitempty"`
}

// Person is what matching compares: the name and every other form (names.People).
func (p SearchProfile) Person() names.Person {
	return names.People(p.BirthYear, append([]string{p.Name}, p.AlsoKnownAs...)...)
}

// Search is an opened search. It carries the key that opened it: what its family is told is sealed with that.
type Search struct {
	SearchRow
	SearchProfile

	key seal.Key
}

// searchReadable is who among the staff reads a search, as SQL over searches s, @reader and @now (domain.md: operators and
// coordinators of the organisation, in the cities of their grant or where the search names none).
const searchReadable = `exists (select 1 from grants g where g.account_id = @reader and ` + account.GrantInForce + `
	and g.organisation_id = s.organisation_id and g.role in ('operator', 'coordinator')
	and (g.cities = '{}' or s.city is null or s.city = any(g.cities)))`

const (
	searchPlace   = "searches.profile_ct"
	decisionPlace = "matches.decision_ct"
	searchScope   = "search"
)

type secretKey struct{}

// WithSecret puts a relative's secret on the request's context.
func WithSecret(ctx context.Context, secret string) context.Context {
	return context.WithValue(ctx, secretKey{}, secret)
}

// SecretFrom takes it from there.
func SecretFrom(ctx context.Context) (string, bool) {
	s, ok := ctx.Value(secretKey{}).(string)
	return s, ok
}

// Searched is the job of a new or changed search.
type Searched struct {
	SearchID uuid.UUID `json:"search_id"`
}

// Kind names the job.
func (Searched) Kind() string { return "search_made" }

// afterNews lets a detention go first, and what became of one: when all of a city begins to search within minutes, a batch must not wait
// behind them all, for it answers many, and there are few.
const afterNews = river.PriorityDefault + 1

// InsertOpts puts it into its queue.
func (Searched) InsertOpts() river.InsertOpts {
	o := detention.MatchOpts()
	o.Priority = afterNews
	return o
}
