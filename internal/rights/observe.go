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
	err := w.ledger.Change(ctx, p, id, func(tx *pg.Tx, f detention.File) error {
		if err := w.check(f, list, tx.Now); err != nil {
			return err
		}
		before, err := w.observations(ctx, tx, f)
		if err != nil {
			return err
		}
		sheet := sheet{by: p.Account, of: id, file: f, before: before[f.ID]}
		if out, err = w.keep(ctx, tx, sheet, list); err != nil {
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

// sheet is what answers are said of: a record of the person, on which they stay when it is parted from the others.
type sheet struct {
	by     uuid.UUID
	of     uuid.UUID
	file   detention.File
	before []Observation
}

// keep writes what is new of the list and tells of breaches. The person is locked, so that a repeat is seen here.
func (w *Watch) keep(ctx context.Context, tx *pg.Tx, s sheet, list []NewAnswer) ([]Observation, error) {
	v, news := w.version(s.file), gathering{}
	out := make([]Observation, len(list))
	for i, a := range list {
		if at := slices.IndexFunc(s.before, func(o Observation) bool { return o.ClientID == a.ClientID }); at >= 0 {
			out[i] = s.before[at]
			continue
		}
		o, err := s.write(ctx, tx, a)
		if f := fault.As(err); f != nil {
			for j := range f.Fields {
				f.Fields[j].Pointer = fmt.Sprintf("/observations/%d%s", i, f.Fields[j].Pointer)
			}
		}
		if err != nil {
			return nil, err
		}
		s.before = append(s.before, o) // the same answer twice in one sheet is one
		o.First = true
		out[i] = o
		if item := v.Item(o.Item); o.Value == "breached" && item.Severity == law.Critical && !s.file.Canary {
			news.add(s.file, event{alert.RightsBreach, item.Code, item.Norm, o.At})
		}
	}
	if _, err := tx.Exec(ctx, `insert into clocks (detention_id, next_at) values ($1, $2) on conflict (detention_id) do update set next_at = excluded.next_at`,
		s.file.ID, tx.Now); err != nil {
		return nil, fmt.Errorf("have the clocks looked at: %w", err)
	}
	return out, w.tell(ctx, tx, news)
}

func (s sheet) write(ctx context.Context, tx *pg.Tx, a NewAnswer) (Observation, error) {
	key, there := s.file.KeyOf(s.of)
	if !there {
		return Observation{}, fault.Absent() // erased meanwhile
	}
	o := Observation{DetentionID: s.of, ClientID: a.ClientID, RecordedBy: s.by, RecordedAt: tx.Now, Said: Said{Item: a.Item, Value: a.Value, At: tx.Now, Note: a.Note}}
	if a.At != nil {
		o.At = a.At.UTC()
	}
	var err error
	if o.ID, err = uuid.NewV7(); err != nil {
		return o, fmt.Errorf("observation id: %w", err)
	}
	ct, err := key.SealJSON(place, o.ID, o.Said)
	if err != nil {
		return o, err
	}
	_, err = tx.Exec(ctx, `insert into observations (id, organisation_id, detention_id, client_id, key_id, answer_ct, recorded_by, recorded_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8)`, o.ID, s.file.OrganisationID, s.of, o.ClientID, key.ID, ct, s.by, tx.Now)
	switch {
	case pg.Violates(err, "observations_client_id"):
		e := fault.Clash("client_id_taken")
		e.Fields = []fault.Field{{Pointer: "/client_id", Code: "not_allowed"}}
		return o, e
	case err != nil:
		return o, fmt.Errorf("keep observation: %w", err)
	}
	return o, nil
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

// observations opens what was answered of all records of each person, in the order of recording, by the record that stands for them.
func (w *Watch) observations(ctx context.Context, tx *pg.Tx, files ...detention.File) (map[uuid.UUID][]Observation, error) {
	stands := map[uuid.UUID]detention.File{}
	var ids []uuid.UUID
	for _, f := range files {
		for _, id := range f.Records() {
			stands[id], ids = f, append(ids, id)
		}
	}
	rows, err := tx.Query(ctx, `select id, detention_id, client_id, recorded_by, recorded_at, answer_ct
		from observations where detention_id = any($1::uuid[]) order by id`, ids)
	if err != nil {
		return nil, fmt.Errorf("read observations: %w", err)
	}
	out := map[uuid.UUID][]Observation{}
	var o Observation
	var ct []byte
	_, err = pgx.ForEachRow(rows, []any{&o.ID, &o.DetentionID, &o.ClientID, &o.RecordedBy, &o.RecordedAt, &ct}, func() error {
		of, opened := stands[o.DetentionID], o
		key, there := of.KeyOf(o.DetentionID)
		if !there {
			return nil // erased
		}
		if err := key.OpenJSON(place, opened.ID, ct, &opened.Said); err != nil {
			return err
		}
		out[of.ID] = append(out[of.ID], opened)
		ct = nil
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read observations: %w", err)
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
