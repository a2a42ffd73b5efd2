package detention

import (
	"github.com/google/uuid"
	"github.com/riverqueue/river"
)

// MatchQueue is the queue of everything that may end in news for a family.
const MatchQueue = "match"

// A match that fails goes on until it succeeds: the number is "for ever", its waits are the worker's.
const maxAttempts = 10000

// MatchOpts puts a job into the queue.
func MatchOpts() river.InsertOpts {
	return river.InsertOpts{Queue: MatchQueue, MaxAttempts: maxAttempts}
}

// Jobs say what happened; who wants to know works them. Ids only: a job's arguments are plaintext rows.

// recordedAtOnce is how many detentions one Recorded job carries: few enough that a job ends well within its timeout even
// when every name is common, enough that the eleven are one job.
const recordedAtOnce = 20

// Recorded: these detentions are new.
type Recorded struct {
	DetentionIDs []uuid.UUID `json:"detention_ids"`
}

// Kind names the job.
func (Recorded) Kind() string { return "detention_recorded" }

// InsertOpts puts it into its queue.
func (Recorded) InsertOpts() river.InsertOpts { return MatchOpts() }

// Corrected: facts of a detention were corrected by the event. Named says that what matching compares changed; Moved that
// the department had been mistyped; Told that who may be told changed.
type Corrected struct {
	DetentionID uuid.UUID `json:"detention_id"`
	EventID     uuid.UUID `json:"event_id"`
	ActorID     uuid.UUID `json:"actor_id"`
	Named       bool      `json:"named,omitempty"`
	Moved       bool      `json:"moved,omitempty"`
	Told        bool      `json:"told,omitempty"`
}

// Kind names the job.
func (Corrected) Kind() string { return "detention_corrected" }

// InsertOpts puts it into its queue.
func (Corrected) InsertOpts() river.InsertOpts { return MatchOpts() }

// Happened: an event joined the chain and changed where or how the person is held.
type Happened struct {
	DetentionID uuid.UUID `json:"detention_id"`
	EventID     uuid.UUID `json:"event_id"`
	ActorID     uuid.UUID `json:"actor_id"`
	State       State     `json:"state"`
}

// Kind names the job.
func (Happened) Kind() string { return "detention_happened" }

// InsertOpts puts it into its queue.
func (Happened) InsertOpts() river.InsertOpts { return MatchOpts() }

// Merged: records were found to be of one person, for whom this one stands.
type Merged struct {
	MergeID     uuid.UUID `json:"merge_id"`
	DetentionID uuid.UUID `json:"detention_id"`
	ActorID     uuid.UUID `json:"actor_id"`
}

// Kind names the job.
func (Merged) Kind() string { return "detention_merged" }

// InsertOpts puts it into its queue.
func (Merged) InsertOpts() river.InsertOpts { return MatchOpts() }

// Unmerged: a merge was undone; these two people are what it left.
type Unmerged struct {
	MergeID      uuid.UUID   `json:"merge_id"`
	DetentionIDs []uuid.UUID `json:"detention_ids"`
	ActorID      uuid.UUID   `json:"actor_id"`
}

// Kind names the job.
func (Unmerged) Kind() string { return "detention_unmerged" }

// InsertOpts puts it into its queue.
func (Unmerged) InsertOpts() river.InsertOpts { return MatchOpts() }
