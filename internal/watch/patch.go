package watch

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/hotline"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

// SearchPatch is a merge patch of a search read at Revision. What is nil stays. Close ends the search, with a reason in the
// relative's words; there is no way back. Proof answers a challenge that a changed name may meet.
type SearchPatch struct {
	Revision    int
	Name        *string
	AlsoKnownAs *detention.Set[[]string]
	BirthYear   *detention.Set[int]
	Sex         *detention.Set[string]
	Relation    *detention.Set[string]
	City        *detention.Set[string]
	Language    *string
	CallNote    *detention.Set[string]
	CallBack    *time.Time // as of NewSearch
	Close       bool
	CloseReason string
	Proof       *Proof
}

// Patch changes a search and renews it: it then stands for another Term. An empty patch only renews. A changed name or year
// passes the guard and is matched anew. Faults: not_found, forbidden (staff, of a search that the relative made herself),
// stale (with the View as it is now and the fields that differ from what was sent), conflict (it is closed), invalid,
// challenge_required, too_many.
func (p *Post) Patch(ctx context.Context, who Caller, id uuid.UUID, c SearchPatch) (View, error) {
	if err := p.finder.Loaded(ctx); err != nil {
		return View{}, err
	}
	var v View
	var refused *fault.Error // a refusal is committed: what the guard counted must stay
	err := p.db.InTx(ctx, func(tx *pg.Tx) error {
		was, err := p.find(ctx, tx, who, id, toWrite)
		if err != nil {
			return err
		}
		is := was
		changed, err := c.apply(&is, tx.Now)
		if err != nil {
			return err
		}
		if was.Revision != c.Revision {
			return p.stale(ctx, tx, who, was, changed)
		}
		if !was.standing(tx.Now) {
			return fault.Clash("conflict")
		}
		if slices.ContainsFunc(changed, naming) {
			// The search is its own origin: renamed over and over it would ask for everyone on a list.
			g, err := p.guard(ctx, tx, asking{names: is.forms(), proof: c.Proof, source: id.String(), staff: who.Staff != nil,
				organisation: was.OrganisationID})
			if refused = g.refused; err != nil || refused != nil {
				return err
			}
			is.Guessed = is.Guessed || g.suspected && who.Staff == nil
		}
		if err := p.callBack(ctx, tx, who, was, c.CallBack); err != nil {
			return err
		}
		if err := p.keepPatch(ctx, tx, who, &is, changed); err != nil {
			return err
		}
		v, err = p.view(ctx, tx, who, is)
		return err
	})
	if err == nil && refused != nil {
		err = refused
	}
	return v, err
}

func (p *Post) stale(ctx context.Context, tx *pg.Tx, who Caller, s Search, changed []string) error {
	now, err := p.view(ctx, tx, who, s)
	if err != nil {
		return err
	}
	f := fault.New(fault.Stale, "stale")
	f.Current = now
	for _, field := range changed {
		f.Fields = append(f.Fields, fault.Field{Pointer: "/" + field, Code: "changed"})
	}
	return f
}

// apply puts the patch into s and names the fields that it changes.
func (c SearchPatch) apply(s *Search, now time.Time) ([]string, error) {
	was := *s
	if c.Name != nil {
		s.Name = strings.TrimSpace(*c.Name)
	}
	set(c.AlsoKnownAs, &s.AlsoKnownAs)
	s.AlsoKnownAs = trimmed(s.AlsoKnownAs)
	set(c.BirthYear, &s.BirthYear)
	set(c.Sex, &s.Sex)
	set(c.Relation, &s.Relation)
	s.Relation = strings.TrimSpace(s.Relation)
	set(c.CallNote, &s.CallNote)
	s.CallNote = strings.TrimSpace(s.CallNote)
	if c.City != nil {
		s.City = orAbsent(c.City.Value)
	}
	if c.Language != nil {
		s.Language = *c.Language
	}
	var bad fields
	reason := strings.TrimSpace(c.CloseReason)
	switch {
	case c.Close && reason == "":
		bad.add("/close_reason", "required")
	case c.Close:
		s.State, s.CloseReason = Closed, reason
	case reason != "":
		bad.add("/close_reason", "not_allowed")
	}
	s.check(&bad, now)
	if c.Name != nil { // what was taken once can still be renewed
		onePerson(&bad, "/name", s.Name)
	}
	if c.AlsoKnownAs != nil {
		othersOfOne(&bad, s.AlsoKnownAs)
	}
	city := ""
	if s.City != nil {
		city = *s.City
	}
	checkPlace(&bad, s.Language, city)
	return differing(was, *s), bad.fault()
}

// set takes a member of a merge patch: a value, or null for none.
func set[T any](from *detention.Set[T], to *T) {
	if from != nil {
		var none T
		if *to = from.Value; from.Clear {
			*to = none
		}
	}
}

// differing names the fields in which two states of a search differ, by their wire names.
func differing(a, b Search) []string {
	var out []string
	for _, f := range []struct {
		field string
		a, b  any
	}{
		{"name", a.Name, b.Name}, {"also_known_as", append([]string{}, a.AlsoKnownAs...), append([]string{}, b.AlsoKnownAs...)},
		{"birth_year", a.BirthYear, b.BirthYear}, {"sex", a.Sex, b.Sex}, {"relation", a.Relation, b.Relation}, {"city", a.City, b.City},
		{"call_note", a.CallNote, b.CallNote}, {"language", a.Language, b.Language}, {"state", a.State, b.State}, {"close_reason", a.CloseReason, b.CloseReason},
	} {
		if !reflect.DeepEqual(f.a, f.b) {
			out = append(out, f.field)
		}
	}
	return out
}

// naming tells whether a field says who is searched for.
func naming(field string) bool {
	return field == "name" || field == "also_known_as" || field == "birth_year"
}

// keepPatch writes the changed search and what follows from it.
func (p *Post) keepPatch(ctx context.Context, tx *pg.Tx, who Caller, s *Search, changed []string) error {
	key, err := p.keyOf(ctx, tx, s.SearchRow)
	if err != nil {
		return err
	}
	if s.ProfileCT, err = key.SealJSON(searchPlace, s.ID, s.SearchProfile); err != nil {
		return err
	}
	s.Revision, s.UpdatedAt = s.Revision+1, tx.Now
	action := "search.changed"
	switch {
	case s.State == Closed:
		action = "search.closed"
		if err := p.fallSilent(ctx, tx, s.ID); err != nil {
			return err
		}
	default:
		s.ExpiresAt = tx.Now.Add(Term)
		if len(changed) == 0 {
			action = "search.renewed"
		}
	}
	if err := keepSearch(ctx, tx, s.SearchRow); err != nil {
		return err
	}
	if slices.ContainsFunc(changed, func(f string) bool { return naming(f) || f == "city" || f == "state" }) {
		tx.Enqueue(Searched{SearchID: s.ID}, nil)
	}
	return p.log.Write(ctx, tx, audit.Entry{Organisation: s.OrganisationID, Actor: who.actor(s.ID), Action: action, SubjectKind: "search",
		Subject: s.ID, Details: map[string]any{"fields": append([]string{}, changed...)}})
}

// callBack puts a call into the hotline's queue for when she asked to be called back.
func (p *Post) callBack(ctx context.Context, tx *pg.Tx, who Caller, s Search, at *time.Time) error {
	if at == nil {
		return nil
	}
	channels, err := p.push.Channels(ctx, tx, s.owner())
	if err != nil {
		return err
	}
	var bad fields
	checkCallBack(&bad, at, tx.Now, who.Staff != nil && slices.ContainsFunc(channels, func(c push.Channel) bool { return c.Kind == push.Call }))
	if err := bad.fault(); err != nil {
		return err
	}
	return hotline.Later(ctx, tx, s.OrganisationID, s.ID, *at)
}

// fallSilent stops what waits to be told of a search, by voice too.
func (p *Post) fallSilent(ctx context.Context, tx *pg.Tx, id uuid.UUID) error {
	if err := hotline.Over(ctx, tx, id); err != nil { // the call before its notices, as who reports it locks them
		return err
	}
	matches, err := matchesOf(ctx, tx, id)
	if err != nil {
		return err
	}
	for _, m := range matches {
		if err := p.push.Supersede(ctx, tx, m); err != nil {
			return err
		}
	}
	return nil
}

// Erase stops all telling at once and says so on the search's channels; the sweep then erases it for good, by the returned
// time at the latest. Said again meanwhile, it answers the same. Faults: not_found, forbidden (staff, of a search that the
// relative made herself).
func (p *Post) Erase(ctx context.Context, who Caller, id uuid.UUID) (by time.Time, err error) {
	err = p.db.InTx(ctx, func(tx *pg.Tx) error {
		s, err := p.find(ctx, tx, who, id, toErase)
		if err != nil {
			return err
		}
		if s.State == Erasing {
			by = s.UpdatedAt.Add(eraseWithin)
			return nil
		}
		by = tx.Now.Add(eraseWithin)
		if err := markErasing(ctx, tx, id); err != nil {
			return err
		}
		if err := p.fallSilent(ctx, tx, id); err != nil {
			return err
		}
		if _, err := p.push.Tell(ctx, tx, push.Notice{Organisation: s.OrganisationID, Kind: push.Erased, SubjectKind: "search", Subject: id, Turn: id,
			Owner: s.owner(), Language: s.Language}); err != nil {
			return err
		}
		return p.log.Write(ctx, tx, audit.Entry{Organisation: s.OrganisationID, Actor: who.actor(id), Action: "search.erasing", SubjectKind: "search", Subject: id})
	})
	return by, err
}
