package watch

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// Question is what a family is asked after a release was reported: is he with you? It lies sealed among what she was told, and so does
// her answer.
type Question struct {
	ID      uuid.UUID `json:"id"`
	AskedAt time.Time `json:"asked_at"`
	// Stranger: the release was the first that she was told. Somebody who hears of a release and then knows the name is no relative.
	Stranger bool      `json:"stranger,omitempty"`
	Answer   string    `json:"answer,omitempty"` // yes or no
	ClientID uuid.UUID `json:"client_id,omitzero"`
}

// Open tells whether an answer is still waited for: what she was told last is a release that is only reported.
func (t Told) Open() bool {
	return t.Question != nil && t.Question.Answer == "" && t.Release == detention.ReleaseReported
}

// asks carries a question over to what is told now, or asks one: once for each release that is told.
func (t Told) asks(was Told, m MatchRow, now time.Time) *Question {
	if t.Release == detention.ReleaseReported && (was.Question == nil || was.Release == "") {
		return &Question{ID: uuid.New(), AskedAt: now.UTC(), Stranger: m.ToldState == nil || *m.ToldState == callHotline}
	}
	return was.Question
}

// Answer of a family to a question.
type Answer struct {
	ClientID, Question uuid.UUID
	With               bool
}

// Answer keeps a family's answer and brings it into the chain. Only who was told of the release, and whose match stands, is asked. A
// repeat changes nothing; who said yes may still say no. Faults: not_found, already_decided (no was said before), client_id_taken.
func (p *Post) Answer(ctx context.Context, who Caller, id uuid.UUID, a Answer) error {
	return p.onFreshRecords(ctx, func(tx *pg.Tx) error {
		s, err := p.find(ctx, tx, who, id, toRead)
		if err != nil {
			return err
		}
		if a.ClientID == uuid.Nil {
			return fault.BadField("/client_id", "required")
		}
		m, _, err := p.asked(ctx, tx, s, a.Question)
		if err != nil {
			return err
		}
		// The person's records before the search, as every writer of matches does.
		records, err := recordsOf(ctx, tx, m.DetentionID)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "select 1 from detentions where id = any($1::uuid[]) order by id for no key update", records); err != nil {
			return fmt.Errorf("lock detention: %w", err)
		}
		if s, err = p.find(ctx, tx, who, id, toWrite); err != nil {
			return err
		}
		m, told, err := p.asked(ctx, tx, s, a.Question)
		if err != nil {
			return err
		}
		return p.answer(ctx, tx, who, s, answered{MatchRow: m, told: told, Answer: a})
	})
}

type answered struct {
	MatchRow
	Answer
	told Told
}

func (p *Post) answer(ctx context.Context, tx *pg.Tx, who Caller, s Search, a answered) error {
	word := map[bool]string{true: "yes", false: "no"}[a.With]
	switch q := a.told.Question; {
	case !s.standing(tx.Now):
		return fault.Absent()
	case q.Answer == word || q.ClientID == a.ClientID:
		return nil
	case q.Answer == "no":
		return fault.Clash("already_decided")
	}
	if err := p.detentions.HearRelative(ctx, tx, a.DetentionID, detention.Heard{Search: s.ID, Client: a.ClientID, With: a.With,
		Stranger: a.told.Question.Stranger}); err != nil {
		return err
	}
	m := a.MatchRow
	if m.HoldID == nil { // what waits for a second person is not shown by an answer
		found, err := p.detentions.Load(ctx, tx, m.DetentionID)
		if err != nil || len(found) == 0 {
			return err
		}
		if m, err = p.shown(ctx, tx, m, s, found[0]); err != nil {
			return err
		}
	}
	told, err := m.lastTold(s)
	if err != nil {
		return err
	}
	q := *a.told.Question
	q.Answer, q.ClientID = word, a.ClientID
	told.Question = &q
	if m.ToldCT, err = s.key.SealJSON(toldPlace, m.ID, told); err != nil {
		return err
	}
	if err := p.keep(ctx, tx, m); err != nil {
		return err
	}
	return p.log.Write(ctx, tx, audit.Entry{Organisation: s.OrganisationID, Actor: who.actor(s.ID), Action: "search.answered", SubjectKind: "search", Subject: s.ID})
}

// asked finds the standing match in which the question was asked.
func (p *Post) asked(ctx context.Context, tx *pg.Tx, s Search, question uuid.UUID) (MatchRow, Told, error) {
	rows, err := tx.Query(ctx, "select "+matchColumns+" from matches m where m.search_id = $1 and m.state in ('notified', 'confirmed') and m.told_ct is not null", s.ID)
	if err != nil {
		return MatchRow{}, Told{}, fmt.Errorf("read told matches: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[MatchRow])
	if err != nil {
		return MatchRow{}, Told{}, fmt.Errorf("read told matches: %w", err)
	}
	for _, m := range found {
		t, err := m.lastTold(s)
		if err != nil {
			return MatchRow{}, Told{}, err
		}
		if t.Question != nil && t.Question.ID == question {
			return m, t, nil
		}
	}
	return MatchRow{}, Told{}, fault.Absent()
}
