package watch

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/pg"
)

// Told is what a family was told beside state and department, as of the moment in which they were told (docs/adr/0007). It lies
// sealed on the match, with the search's key: when the search is erased, so is this.
type Told struct {
	PlaceKind detention.PlaceKind `json:"place_kind,omitempty"` // empty of who is free, and of what is told by voice
	Place     string              `json:"place,omitempty"`
	Since     *time.Time          `json:"since,omitempty"` // when they came there; it is no news by itself
	Release   detention.Release   `json:"release,omitempty"`
	Hearing   *Hearing            `json:"hearing,omitempty"`
	Sentence  *detention.Sentence `json:"sentence,omitempty"`
	Question  *Question           `json:"question,omitempty"`
}

// Hearing is the court date that a family was told of.
type Hearing struct {
	At           *time.Time             `json:"at,omitempty"`
	DepartmentID *uuid.UUID             `json:"department_id,omitempty"`
	Place        string                 `json:"place,omitempty"`
	Court        *department.FamilyView `json:"-"` // DepartmentID, as the family may read it
}

const toldPlace = "matches.told_ct"

// placesTold are the places of which a family is told the words. Where a bus stands, or an open place, is told as its kind alone:
// it has driven on when they come, and who stands around it is taken too.
var placesTold = []detention.PlaceKind{detention.InHospital, detention.InCourt, detention.InOtherRegion}

// toldOf is what a family may be told of a custody. Charge, vehicle and notes stay with the legal team; of what is told by voice
// nothing else is told either.
func toldOf(d detention.Detention) Told {
	c := d.Custody
	if tellable(d.State) == callHotline {
		return Told{}
	}
	t := Told{Release: c.Release, Sentence: c.Sentence}
	if d.State != detention.Released {
		t.PlaceKind = c.PlaceKind
		if !c.Since.IsZero() {
			since := c.Since.UTC()
			t.Since = &since
		}
		if slices.Contains(placesTold, c.PlaceKind) {
			t.Place = c.Place
		}
	}
	if h := c.Hearing; h != nil && (h.At != nil || h.DepartmentID != nil || h.Place != "") {
		t.Hearing = &Hearing{DepartmentID: h.DepartmentID, Place: h.Place}
		if h.At != nil {
			at := h.At.UTC()
			t.Hearing.At = &at
		}
	}
	return t
}

// says tells whether both would be the same news.
func (t Told) says(other Told) bool {
	t.Since, other.Since, t.Question, other.Question = nil, nil, nil, nil
	return reflect.DeepEqual(t, other)
}

// lastTold opens what the family was told. Before these facts were kept, they were told of a department and a state, no more.
func (m MatchRow) lastTold(s Search) (Told, error) {
	if m.ToldCT != nil {
		var t Told
		return t, s.key.OpenJSON(toldPlace, m.ID, m.ToldCT, &t)
	}
	switch {
	case m.ToldState == nil || *m.ToldState == callHotline:
		return Told{}, nil
	case *m.ToldState == string(detention.Released):
		return Told{Release: detention.ReleaseReported}, nil
	}
	return Told{PlaceKind: detention.AtDepartment}, nil
}

// news tells whether a family that reads this match would read something else if it were brought up to the record.
func (p *Post) news(ctx context.Context, tx *pg.Tx, m MatchRow, s Search, d detention.Detention) (bool, error) {
	if m.ToldState == nil || *m.ToldState != tellable(d.State) || m.ToldDepartmentID == nil || *m.ToldDepartmentID != d.DepartmentID {
		return true, nil
	}
	d, err := p.withCustody(ctx, tx, d)
	if err != nil {
		return false, err
	}
	was, err := m.lastTold(s)
	return !was.says(toldOf(d)), err
}

// shown puts what the family may now read on the match.
func (p *Post) shown(ctx context.Context, tx *pg.Tx, m MatchRow, s Search, d detention.Detention) (MatchRow, error) {
	d, err := p.withCustody(ctx, tx, d)
	if err != nil {
		return m, err
	}
	was, err := m.lastTold(s)
	if err != nil {
		return m, err
	}
	t := toldOf(d)
	t.Question = t.asks(was, m, tx.Now)
	state, place := tellable(d.State), d.DepartmentID
	m.ToldState, m.ToldDepartmentID, m.ToldAt = &state, &place, &tx.Now
	m.ToldCT, err = s.key.SealJSON(toldPlace, m.ID, t)
	return m, err
}

// withCustody reads the chain, if it was not read before: matching alone does not ask for it.
func (p *Post) withCustody(ctx context.Context, tx *pg.Tx, d detention.Detention) (detention.Detention, error) {
	if d.Custody.State != "" {
		return d, nil
	}
	one := []detention.Detention{d}
	err := p.detentions.WithCustody(ctx, tx, one)
	return one[0], err
}

// readTold opens what the family was told for reading, with the court as they may read it.
func (p *Post) readTold(ctx context.Context, tx *pg.Tx, m MatchRow, s Search) (Told, error) {
	t, err := m.lastTold(s)
	if err != nil {
		return Told{}, fmt.Errorf("open what was told: %w", err)
	}
	if t.Hearing != nil && t.Hearing.DepartmentID != nil {
		court, err := department.Find(ctx, tx, *t.Hearing.DepartmentID)
		if err != nil {
			return Told{}, err
		}
		view := court.ForFamily(s.Language, p.hotline)
		t.Hearing.Court = &view
	}
	return t, nil
}
