package detention

import "github.com/google/uuid"

// Jobs say what happened; who wants to know works them. Ids only: a job's arguments are plaintext rows.

// Recorded: a batch holds new detentions.
type Recorded struct {
	BatchID uuid.UUID `json:"batch_id"`
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
