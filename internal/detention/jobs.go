package detention

import "github.com/google/uuid"

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

// Happened: an event joined the chain and changed where or how the person is held.
type Happened struct {
	DetentionID uuid.UUID `json:"detention_id"`
	EventID     uuid.UUID `json:"event_id"`
	ActorID     uuid.UUID `json:"actor_id"`
	State       State     `json:"state"`
}

// Kind names the job.
func (Happened) Kind() string { return "detention_happened" }
