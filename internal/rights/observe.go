package rights

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/pg"
)

const (
	// MaxSheet is how many answers one request carries: a sheet of paper has 30 items.
	MaxSheet = 60
	maxNote  = 4000
	// maxAhead is how far a phone's clock may run ahead before a time is refused as a mistake, as for events.
	maxAhead = 24 * time.Hour
	place    = "observations.answer_ct"
)

// NewAnswer is what somebody saw, or could not see. At is when; nil: now. Answers from paper come late, with the time that was written.
type NewAnswer struct {
	ClientID uuid.UUID
	Item     string
	Value    string // observed, breached, not_checked
	At       *time.Time
	Note     string
}

// Observation is an answer as it was recorded.
type Observation struct {
	ID          uuid.UUID
	DetentionID uuid.UUID
	ClientID    uuid.UUID
	RecordedBy  uuid.UUID
	RecordedAt  time.Time
	Said
	// First is false where the client_id had been recorded before.
	First bool
}

// Said is sealed.
type Said struct {
	Item  string    `json:"item"`
	Value string    `json:"value"`
	At    time.Time `json:"at"`
	Note  string    `json:"note,omitempty"`
}

// Observe records answers about one person, all or none. Sent again, whole or in part, they are the same. A breach of something critical
// reaches the coordinators at once, with the norm. Faults: invalid (with a pointer to each), forbidden, not_found, client_id_taken.
func (w *Watch) Observe(ctx context.Context, p account.Principal, id uuid.UUID, list []NewAnswer) ([]Observation, error) {
	var out []Observation
	err := w.db.InTx(ctx, func(tx *pg.Tx) error {
		f, err := w.ledger.LockFile(ctx, tx, p, id)
		if err != nil {
			return err
		}
		if err := w.check(f, list, tx.Now); err != nil {
			return err
		}
		before, err := w.observations(ctx, tx, f)
		if err != nil {
			return err
		}
		if out, err = w.keep(ctx, tx, p, f, list, before[f.ID]); err != nil {
			return err
		}
		return w.audit.Write(ctx, tx, audit.Entry{Organisation: f.OrganisationID, Actor: p.Account, Action: "detention.observed",
			SubjectKind: "detention", Subject: f.ID, Details: map[string]int{"answers": len(list)}})
	})
	return out, err
}

func (w *Watch) check(f detention.File, list []NewAnswer, now time.Time) error {
	var bad []fault.Field
	v := w.version(f)
	switch {
	case len(list) == 0:
		return fault.BadField("/observations", "too_few")
	case len(list) > MaxSheet:
		return fault.BadField("/observations", "too_many")
	}
	for i, a := range list {
		wrong := func(when bool, field, code string) {
			if when {
				bad = append(bad, fault.Field{Pointer: fmt.Sprintf("/observations/%d/%s", i, field), Code: code})
			}
		}
		wrong(a.ClientID == uuid.Nil, "client_id", "required")
		wrong(v.Item(a.Item) == nil, "item", "unknown")
		wrong(!slices.Contains([]string{"observed", "breached", "not_checked"}, a.Value), "value", "not_allowed")
		wrong(a.At != nil && a.At.After(now.Add(maxAhead)), "at", "out_of_range")
		wrong(a.At != nil && f.BirthYear > 0 && a.At.Year() < f.BirthYear, "at", "before_birth")
		wrong(utf8.RuneCountInString(a.Note) > maxNote, "note", "too_long")
	}
	if len(bad) > 0 {
		return fault.BadFields(bad...)
	}
	return nil
}

// keep writes what is new of the list and tells of breaches. The record is locked, so that a repeat is seen here.
func (w *Watch) keep(ctx context.Context, tx *pg.Tx, p account.Principal, f detention.File, list []NewAnswer, before []Observation) ([]Observation, error) {
	keys, err := w.ring.Load(ctx, tx, f.KeyID)
	if err != nil {
		return nil, err
	}
	key := keys[f.KeyID]
	v, news := w.version(f), gathering{}
	out := make([]Observation, len(list))
	for i, a := range list {
		if at := slices.IndexFunc(before, func(o Observation) bool { return o.ClientID == a.ClientID }); at >= 0 {
			out[i] = before[at]
			continue
		}
		o := Observation{DetentionID: f.ID, ClientID: a.ClientID, RecordedBy: p.Account, RecordedAt: tx.Now, First: true,
			Said: Said{Item: a.Item, Value: a.Value, At: tx.Now, Note: a.Note}}
		if a.At != nil {
			o.At = a.At.UTC()
		}
		if o.ID, err = uuid.NewV7(); err != nil {
			return nil, fmt.Errorf("observation id: %w", err)
		}
		ct, err := key.SealJSON(place, o.ID, o.Said)
		if err != nil {
			return nil, err
		}
		_, err = tx.Exec(ctx, `insert into observations (id, organisation_id, detention_id, client_id, key_id, answer_ct, recorded_by, recorded_at)
			values ($1, $2, $3, $4, $5, $6, $7, $8)`, o.ID, f.OrganisationID, f.ID, o.ClientID, f.KeyID, ct, p.Account, tx.Now)
		if pg.Violates(err, "observations_client_id") {
			e := fault.Clash("client_id_taken")
			e.Fields = []fault.Field{{Pointer: fmt.Sprintf("/observations/%d/client_id", i), Code: "not_allowed"}}
			return nil, e
		}
		if err != nil {
			return nil, fmt.Errorf("keep observation: %w", err)
		}
		first := o
		first.First = false
		before = append(before, first) // the same answer twice in one sheet is one
		out[i] = o
		if item := v.Item(o.Item); o.Value == "breached" && item.Severity == law.Critical && !f.Canary {
			news.add(f, event{alert.RightsBreach, item.Code, item.Norm, o.At})
		}
	}
	if _, err := tx.Exec(ctx, `insert into clocks (detention_id, next_at) values ($1, $2) on conflict (detention_id) do update set next_at = excluded.next_at`, f.ID, tx.Now); err != nil {
		return nil, fmt.Errorf("have the clocks looked at: %w", err)
	}
	return out, w.tell(ctx, tx, news)
}

// Observations gives what was answered about a person, the newest first; audited. Faults: forbidden, not_found.
func (w *Watch) Observations(ctx context.Context, p account.Principal, id uuid.UUID) ([]Observation, error) {
	var out []Observation
	err := w.db.InTx(ctx, func(tx *pg.Tx) error {
		f, err := w.ledger.ReadFile(ctx, tx, p, id)
		if err != nil {
			return err
		}
		all, err := w.observations(ctx, tx, f)
		if err != nil {
			return err
		}
		out = all[f.ID]
		slices.SortStableFunc(out, func(a, b Observation) int { return b.At.Compare(a.At) })
		return w.read(ctx, tx, p, f, "detention.observations_read")
	})
	return out, err
}

// observations opens what was answered, in the order of recording.
func (w *Watch) observations(ctx context.Context, tx *pg.Tx, files ...detention.File) (map[uuid.UUID][]Observation, error) {
	ids := make([]uuid.UUID, len(files))
	for i, f := range files {
		ids[i] = f.ID
	}
	rows, err := tx.Query(ctx, `select o.id, o.detention_id, o.client_id, o.recorded_by, o.recorded_at, o.key_id, o.answer_ct
		from observations o where o.detention_id = any($1::uuid[]) order by o.id`, ids)
	if err != nil {
		return nil, fmt.Errorf("read observations: %w", err)
	}
	type row struct {
		Observation
		key uuid.UUID
		ct  []byte
	}
	found, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (row, error) {
		var o row
		return o, r.Scan(&o.ID, &o.DetentionID, &o.ClientID, &o.RecordedBy, &o.RecordedAt, &o.key, &o.ct)
	})
	if err != nil {
		return nil, fmt.Errorf("read observations: %w", err)
	}
	out := map[uuid.UUID][]Observation{}
	if len(found) == 0 {
		return out, nil
	}
	used := map[uuid.UUID]bool{}
	var keyIDs []uuid.UUID
	for _, o := range found {
		if !used[o.key] {
			used[o.key], keyIDs = true, append(keyIDs, o.key)
		}
	}
	keys, err := w.ring.Load(ctx, tx, keyIDs...)
	if err != nil {
		return nil, err
	}
	for _, o := range found {
		key, there := keys[o.key]
		if !there {
			continue // erased
		}
		if err := key.OpenJSON(place, o.ID, o.ct, &o.Said); err != nil {
			return nil, err
		}
		out[o.DetentionID] = append(out[o.DetentionID], o.Observation)
	}
	return out, nil
}

// answers are the observations as the rules read them.
func (w *Watch) answers(ctx context.Context, tx *pg.Tx, files ...detention.File) (map[uuid.UUID][]law.Answer, error) {
	all, err := w.observations(ctx, tx, files...)
	if err != nil {
		return nil, err
	}
	out := make(map[uuid.UUID][]law.Answer, len(all))
	for id, list := range all {
		for _, o := range list {
			out[id] = append(out[id], law.Answer{Item: o.Item, Value: o.Value, At: o.At})
		}
	}
	return out, nil
}
