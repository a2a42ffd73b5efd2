package detention_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/detention"
)

func TestWhoIsTakenAnewIsInANewCustody(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p, stranger, chief := f.lawyer(), f.lawyer(), f.coordinator()
	first := f.one(p, f.almaly, detention.Entry{Name: eleven[0]})
	f.add(p, first, detention.ReleasedKind, 0, nil)
	second := f.one(p, f.almaly, detention.Entry{Name: eleven[0], Previous: &first})
	if d := f.get(p, second); d.Previous == nil || *d.Previous != first || d.State != detention.Held {
		t.Errorf("%+v", d.Row)
	}
	if d := f.get(p, first); d.State != detention.Released || len(f.alarms(chief)) != 0 {
		t.Errorf("the earlier custody is %s, alarms %q", d.State, f.alarms(chief))
	}
	// Nobody ended the second custody: a person says which of the two is so.
	third := f.one(p, f.almaly, detention.Entry{Name: eleven[0], Previous: &second})
	if got := f.alarms(chief); !slices.Equal(got, []string{"contradiction  detention 1"}) {
		t.Errorf("%q", got)
	}
	// An id that the caller does not see is kept, and nobody learns whether it exists.
	for _, id := range []uuid.UUID{first, uuid.New()} {
		res := f.record(stranger, f.almaly, detention.Entry{ClientID: uuid.New(), Name: eleven[0], Previous: &id})
		if w := res[0].Warnings; len(w) != 1 || w[0].Pointer != "/detainees/0/previous_detention_id" || w[0].Code != "unknown" {
			t.Errorf("%+v", w)
		}
		if d := f.get(stranger, res[0].DetentionID); d.Previous != nil || string(d.AsGiven["previous_detention_id"]) != `"`+id.String()+`"` {
			t.Errorf("%v, as given %s", d.Previous, d.AsGiven)
		}
	}
	// Linked afterwards, and unlinked.
	fourth := f.one(p, f.medeu, detention.Entry{Name: eleven[0]})
	if d := f.correct(p, fourth, detention.Correction{Revision: 1, Previous: set(third)}); d.Previous == nil || *d.Previous != third {
		t.Errorf("linked to %v", d.Previous)
	}
	for _, c := range []struct {
		of, to uuid.UUID
		code   string
	}{{fourth, uuid.New(), "unknown"}, {fourth, fourth, "not_allowed"}, {third, fourth, "not_allowed"}} {
		_, err := f.ledger.Correct(f.ctx, p, c.of, detention.Correction{Revision: f.get(p, c.of).Revision, Previous: set(c.to)})
		f.refused(err, "invalid", "/previous_detention_id "+c.code)
	}
	if d := f.correct(p, fourth, detention.Correction{Revision: 2, Previous: &detention.Set[uuid.UUID]{Clear: true}}); d.Previous != nil {
		t.Errorf("linked to %v", d.Previous)
	}
}
