package detention

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// Heard is a relative's answer to "is he with you?", asked after a release was reported.
type Heard struct {
	Search, Client uuid.UUID
	With           bool
	// Stranger: whoever asks was first told of this person when the release was reported already. Their yes is no proof of one.
	Stranger bool
}

// HearRelative brings an answer into the chain. Whoever knows a name can answer, and who holds someone may want the clocks to stop: so a
// no reopens the custody, and a yes confirms a release only if no other family said no to it. What a lawyer saw stands against both. Where
// answers contradict each other the clocks go on, and a coordinator decides; no further answer changes the chain. The caller has locked
// the person's records.
func (l *Ledger) HearRelative(ctx context.Context, tx *pg.Tx, id uuid.UUID, h Heard) error {
	found, err := l.Load(ctx, tx, id)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fault.Absent()
	}
	d := found[0]
	chain, err := l.chainOf(ctx, tx, d)
	if err != nil {
		return err
	}
	say := answer(chain, h)
	for i, v := range say.void {
		a := appended{kind: CorrectedKind, details: Details{Corrects: &v, Void: true, Source: "relative", Search: &h.Search}}
		if i == 0 {
			a.client = &h.Client
		}
		e, err := l.append(ctx, tx, d, chain, a)
		if err != nil {
			return err
		}
		chain = append(chain, e)
	}
	if say.confirm {
		if _, err := l.append(ctx, tx, d, chain, appended{client: &h.Client, kind: ReleasedKind, details: Details{Source: "relative", Search: &h.Search}}); err != nil {
			return err
		}
	}
	return alertOf(ctx, tx, d, say.alert)
}

// alertOf calls a person. That relatives alone confirmed a release is one line for a department: a coordinator looks through them, and
// takes back what is not so, by voiding the event.
func alertOf(ctx context.Context, tx *pg.Tx, d Detention, kind alert.Kind) error {
	switch kind {
	case "":
		return nil
	case alert.ReleaseByRelative:
		return alert.Raise(ctx, tx, alert.News{Organisation: d.OrganisationID, Kind: kind, SubjectKind: "department", Subject: d.DepartmentID})
	}
	return alert.Raise(ctx, tx, alert.News{Organisation: d.OrganisationID, Kind: kind, SubjectKind: "detention", Subject: d.Stands(), ForLawyers: true})
}

// said is what an answer does to a chain.
type said struct {
	void    []uuid.UUID // events that it says are not so
	confirm bool
	alert   alert.Kind
}

// answer weighs an answer against what the chain says of the release that stands.
func answer(chain []Event, h Heard) said {
	c := read(chain)
	if c.State != Released {
		if h.With {
			return said{alert: alert.ReleaseDisputed} // another family said no first, or they were taken again
		}
		return said{}
	}
	r := releaseOf(chain, h.Search)
	switch {
	case h.With && r.denied:
		return said{alert: alert.ReleaseDisputed}
	case h.With && c.Release == ReleaseConfirmed:
		return said{}
	case h.With:
		return said{confirm: !h.Stranger, alert: alert.ReleaseByRelative}
	case r.seen:
		return said{alert: alert.ReleaseDisputed}
	case r.affirmed && len(r.confirmations) < len(r.events):
		return said{void: r.confirmations, alert: alert.ReleaseDisputed}
	}
	return said{void: r.events, alert: alert.ReleaseDenied}
}

// release is what stands of a release, and what other families than the one that answers said to it.
type release struct {
	events, confirmations  []uuid.UUID // the latter by relatives through their searches
	seen, affirmed, denied bool
}

func releaseOf(chain []Event, search uuid.UUID) release {
	var r release
	var since time.Time // of the first report that stands: what was answered to an earlier one is of that
	for _, e := range corrected(chain) {
		if e.Kind != ReleasedKind {
			continue
		}
		if since.IsZero() || e.RecordedAt.Before(since) {
			since = e.RecordedAt
		}
		r.events = append(r.events, e.ID)
		r.seen = r.seen || e.Details.Source == "seen"
		if e.Details.Search != nil {
			r.confirmations = append(r.confirmations, e.ID)
		}
	}
	other := slices.DeleteFunc(slices.Clone(chain), func(e Event) bool {
		return e.Details.Search == nil || *e.Details.Search == search || e.RecordedAt.Before(since)
	})
	for _, e := range other {
		r.affirmed = r.affirmed || e.Kind == ReleasedKind
		r.denied = r.denied || e.Kind == CorrectedKind
	}
	return r
}
