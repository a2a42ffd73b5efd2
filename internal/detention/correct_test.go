package detention_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

func TestAStaleCorrectionShowsBoth(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат", Note: "без очков", Facts: fact("birth_year", "1990")})
	f.correct(p, id, detention.Correction{Revision: 1, Name: set("Оспанов Берік"), Note: set("очки")})
	reads := f.count("select count(*) from audit_entries where action = 'detention.read'")
	_, err := f.ledger.Correct(f.ctx, p, id, detention.Correction{Revision: 1, Name: set("Оспанов Бекжан"), Note: set("очки"), Facts: fact("birth_year", `"1990"`)})
	f.refused(err, "stale", "/name changed") // the note and the year are the same by now: nothing to choose
	if now, ok := fault.As(err).Current.(detention.Detention); !ok || now.Name != "Оспанов Берік" || now.Note != "очки" || now.Revision != 2 {
		t.Errorf("current is %+v", fault.As(err).Current)
	}
	f.counts(reads+1, "select count(*) from audit_entries where action = 'detention.read'")
	if d := f.get(p, id); d.Name != "Оспанов Берік" || d.Revision != 2 {
		t.Errorf("a stale correction went in: %+v", d)
	}
	f.counts(2, "select count(*) from detention_events")
	f.counts(1, "select count(*) from river_job where kind = 'detention_corrected'")
}

func TestACorrectionKeepsWhatWas(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат", Note: "без очков", AlsoKnownAs: []string{"Бека"}})
	d := f.correct(p, id, detention.Correction{Revision: 1, Name: set(" Сейтов Нұрлан "), AlsoKnownAs: &detention.Set[[]string]{Clear: true}})
	if d.Name != "Сейтов Нұрлан" || d.AlsoKnownAs != nil || d.Note != "без очков" || d.Revision != 2 || d.ID != id {
		t.Errorf("%+v", d)
	}
	chain, err := f.ledger.Events(f.ctx, p, id)
	f.must(err)
	if len(chain) != 2 || chain[1].Kind != detention.CorrectedKind || chain[1].RecordedBy != p.Account || !slices.Equal(chain[1].Details.Fields, []string{"name", "also_known_as"}) ||
		chain[1].Details.Before == nil || chain[1].Details.Before.Name != "Оспанов Бекзат" || chain[1].Details.Before.AlsoKnownAs[0] != "Бека" {
		t.Errorf("chain %+v", chain)
	}
	// Found by the new name, no longer by the old.
	for name, want := range map[string]int{"Seitov Nurlan": 1, "Оспанов Бекзат": 0, "Бека": 0} {
		page, _, err := f.ledger.List(f.ctx, p, detention.Filter{Query: name, Limit: 10})
		f.must(err)
		if len(page) != want {
			t.Errorf("%s finds %d", name, len(page))
		}
	}
	f.counts(1, "select count(*) from audit_entries where action = 'detention.corrected' and subject_id = $1", id)
	// A name may go when there is a description.
	f.correct(p, id, detention.Correction{Revision: 2, Name: &detention.Set[string]{Clear: true}, Description: set("мужчина, около 40")})
	if page, _, err := f.ledger.List(f.ctx, p, detention.Filter{Query: "Seitov Nurlan", Limit: 10}); err != nil || len(page) != 0 {
		t.Errorf("without a name: %d found, %v", len(page), err)
	}
	// Nothing changed is no change.
	if d := f.correct(p, id, detention.Correction{Revision: 3, Description: set("мужчина, около 40")}); d.Revision != 3 {
		t.Errorf("revision %d", d.Revision)
	}
	f.counts(3, "select count(*) from detention_events")
}

func TestWhatACorrectionAnnounces(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	sealed := detention.Sealed
	for name, c := range map[string]struct {
		change            detention.Correction
		named, moved, say bool
	}{
		"name":               {detention.Correction{Name: set("Сейтов Нұрлан")}, true, false, false},
		"another form":       {detention.Correction{AlsoKnownAs: set([]string{"Бека"})}, true, false, false},
		"year":               {detention.Correction{Facts: fact("birth_year", "1991")}, true, false, true},
		"a year unread":      {detention.Correction{Facts: fact("birth_year", `"16 лет"`)}, true, false, true},
		"department":         {detention.Correction{Department: &f.medeu}, false, true, false},
		"disclosure":         {detention.Correction{Disclosure: &sealed}, false, false, true},
		"do not tell":        {detention.Correction{DoNotTell: set([]string{"бывший муж"})}, false, false, true},
		"needs":              {detention.Correction{Facts: fact("needs", `["asylum"]`)}, false, false, true},
		"name and place":     {detention.Correction{Name: set("Сейтов Нұрлан"), Department: &f.medeu}, true, true, false},
		"note":               {detention.Correction{Note: set("очки")}, false, false, false},
		"description":        {detention.Correction{Description: set("в очках")}, false, false, false},
		"reported by":        {detention.Correction{ReportedBy: set("коллега")}, false, false, false},
		"sex":                {detention.Correction{Facts: fact("sex", `"м"`)}, false, false, false},
		"the same name":      {detention.Correction{Name: set("Оспанов Бекзат")}, false, false, false},
		"the same place":     {detention.Correction{Department: &f.almaly}, false, false, false},
		"an unreadable fact": {detention.Correction{Facts: fact("source", `"сосед"`)}, false, false, false},
	} {
		id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат", Facts: fact("birth_year", "1990")})
		c.change.Revision = 1
		f.correct(p, id, c.change)
		var got []detention.Corrected
		for _, j := range jobs[detention.Corrected](f) {
			if j.DetentionID == id {
				got = append(got, j)
			}
		}
		if !c.named && !c.moved && !c.say {
			if len(got) != 0 {
				t.Errorf("%s: announced %+v", name, got)
			}
			continue
		}
		want := detention.Corrected{DetentionID: id, ActorID: p.Account, Named: c.named, Moved: c.moved, Told: c.say,
			EventID: value[uuid.UUID](f, "select id from detention_events where detention_id = $1 and kind = 'corrected'", id)}
		if len(got) != 1 || got[0] != want {
			t.Errorf("%s: announced %+v, want %+v", name, got, want)
		}
	}
	// What only replaces one unreadable year by another tells nobody anew who they are.
	id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат", Facts: fact("birth_year", `"около 30"`)})
	f.correct(p, id, detention.Correction{Revision: 1, Facts: fact("birth_year", `"около 16"`)})
	all := jobs[detention.Corrected](f)
	if last := all[len(all)-1]; last.DetentionID != id || last.Named || !last.Told {
		t.Errorf("%+v", last)
	}
}

func TestAWithdrawnEntryIsHistory(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
	f.add(p, id, detention.WithdrawnKind, time.Minute, nil)
	_, err := f.ledger.Correct(f.ctx, p, id, detention.Correction{Revision: 2, Name: set("Сейтов Нұрлан")})
	f.refused(err, "conflict")
	if d := f.get(p, id); d.Name != "Оспанов Бекзат" {
		t.Errorf("%+v", d)
	}
}

// A mistyped department is no move: a move that is reported later but happened before the correction still counts.
func TestACorrectedPlaceAndALateMove(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
	f.db.Clock.Move(2 * time.Hour)
	if d := f.correct(p, id, detention.Correction{Revision: 1, Department: &f.medeu}); d.DepartmentID != f.medeu {
		t.Errorf("corrected to %v", d.DepartmentID)
	}
	f.add(p, id, "searched", 30*time.Minute, nil)
	if d := f.get(p, id); d.DepartmentID != f.medeu {
		t.Error("an event took the correction back")
	}
	f.add(p, id, detention.MovedKind, time.Hour, &f.saryarqa)
	if d := f.get(p, id); d.DepartmentID != f.saryarqa {
		t.Error("the move lost to the correction of what was before it")
	}
	// A correction now is of the move; an older one reported after it finds its place before.
	f.correct(p, id, detention.Correction{Revision: f.get(p, id).Revision, Department: &f.almaly})
	f.add(p, id, detention.MovedKind, 90*time.Minute, &f.medeu)
	if d := f.get(p, id); d.DepartmentID != f.almaly {
		t.Error("an older move won over a corrected later one")
	}
	f.correct(p, id, detention.Correction{Revision: f.get(p, id).Revision, Department: &f.medeu})
	if d := f.get(p, id); d.DepartmentID != f.medeu {
		t.Error("a second correction was lost")
	}
}

// Ten people correct one record from what they see, again and again: no correction is lost, none is doubled, and nobody is told
// that the person does not exist while others move them.
func TestCorrectionsAtOnce(t *testing.T) {
	t.Parallel()
	f := newField(t)
	first := f.lawyer()
	id := f.one(first, f.almaly, detention.Entry{Name: "Оспанов Бекзат", Note: "-"})
	other := f.one(first, f.almaly, detention.Entry{Name: "Сейтов Нұрлан", Note: "-"})
	const people, each = 6, 8
	var wg sync.WaitGroup
	fail := func(what string, err error) { t.Errorf("%s: %v (%v)", what, err, errors.Unwrap(err)) }
	for n := range people {
		p := f.coordinator()
		wg.Go(func() {
			for i := range each {
				mark := fmt.Sprintf("%d-%d", n, i)
				d, err := f.ledger.Get(f.ctx, p, id)
				for err == nil {
					c := detention.Correction{Revision: d.Revision, AlsoKnownAs: set(append(slices.Clone(d.AlsoKnownAs), "Бека"+mark)[max(0, len(d.AlsoKnownAs)-18):]), Note: set(mark)}
					if _, err = f.ledger.Correct(f.ctx, p, id, c); fault.Is(err, "stale") {
						d, err = fault.As(err).Current.(detention.Detention), nil
						continue
					}
					break
				}
				if err != nil {
					fail("correct", err)
					return
				}
			}
		})
	}
	for n := range 2 { // both people are moved to and fro meanwhile
		p := f.operator()
		wg.Go(func() {
			for i := range each * 2 {
				to := []uuid.UUID{f.medeu, f.almaly, f.saryarqa}[(i+n)%3]
				for _, d := range [][]uuid.UUID{{id, other}, {other, id}}[n] {
					if _, _, err := f.ledger.Add(f.ctx, p, d, f.event(detention.MovedKind, 0, &to)); err != nil {
						fail("move", err)
						return
					}
				}
			}
		})
	}
	wg.Go(func() { f.matcher(id, other, each*4) })
	wg.Wait()
	d := f.get(first, id)
	events := f.count("select count(*) from detention_events where detention_id = $1 and kind = 'corrected'", id)
	if events != people*each {
		t.Errorf("%d corrections in the chain, want %d", events, people*each)
	}
	chain, err := f.ledger.Events(f.ctx, first, id)
	f.must(err)
	seen := map[string]bool{}
	for _, e := range chain {
		if e.Details.Before != nil {
			if seen[e.Details.Before.Note] {
				t.Errorf("two corrections replaced the same state %s", e.Details.Before.Note)
			}
			seen[e.Details.Before.Note] = true
		}
	}
	moved := 0
	for _, j := range jobs[detention.Happened](f) {
		if j.DetentionID == id {
			moved++
		}
	}
	if d.Revision != 1+events+moved {
		t.Errorf("revision %d after %d corrections and %d moves", d.Revision, events, moved)
	}
}

// matcher locks as watch does: detentions, then searches, each in the order of their ids, and then refers to the detention.
func (f *field) matcher(a, b uuid.UUID, times int) {
	search := uuid.New()
	f.exec(`insert into data_keys (id, organisation_id, scope, period, wrapped) select $1, $2, 'search', '2026-11', wrapped from data_keys limit 1`, search, f.org)
	f.exec(`insert into searches (id, organisation_id, client_id, secret_hash, key_id, language, state, created_at, updated_at, expires_at)
		values ($1, $2, $1, decode(repeat('00', 32), 'hex'), $1, 'kk', 'erased', $3, $3, $3)`, search, f.org, f.db.Now())
	for i := range times {
		err := f.db.InTx(f.ctx, func(tx *pg.Tx) error {
			if _, err := tx.Exec(f.ctx, "select 1 from detentions where id = any($1::uuid[]) order by id for no key update", []uuid.UUID{a, b}); err != nil {
				return err
			}
			if _, err := tx.Exec(f.ctx, "select 1 from searches where id = $1 for no key update", search); err != nil {
				return err
			}
			_, err := tx.Exec(f.ctx, `insert into matches (id, search_id, detention_id, tier, score, state, created_at, updated_at)
				values ($1, $2, $3, 'possible', 0.5, 'proposed', $4, $4) on conflict do nothing`, uuid.New(), search, []uuid.UUID{a, b}[i%2], tx.Now)
			return err
		})
		if err != nil {
			f.Errorf("match: %v (%v)", err, errors.Unwrap(err))
			return
		}
	}
}

// Who waits for a move to commit must find the person where they are now, not nobody.
func TestACorrectionWaitsForAMove(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p, boss := f.lawyer(), f.coordinator("almaty", "astana")
	writes := map[string]func(d uuid.UUID) error{
		"correct": func(d uuid.UUID) error {
			_, err := f.ledger.Correct(f.ctx, p, d, detention.Correction{Revision: 2, Note: set("очки")})
			return err
		},
		"event": func(d uuid.UUID) error {
			_, _, err := f.ledger.Add(f.ctx, boss, d, f.event("searched", 0, nil))
			return err
		},
		"represent": func(d uuid.UUID) error {
			_, err := f.ledger.Represent(f.ctx, p, d, detention.Representation{})
			return err
		},
	}
	for name, write := range writes {
		id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
		f.behind(id, "update detentions set department_id = $2, revision = 2 where id = $1", f.saryarqa, func(done <-chan error) {
			if err := <-done; err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}, write)
	}
	// Moved out of sight meanwhile is not there.
	near := f.coordinator("almaty")
	id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
	f.behind(id, "update detentions set department_id = $2, revision = 2 where id = $1", f.saryarqa, func(done <-chan error) {
		f.refused(<-done, "not_found")
	}, func(d uuid.UUID) error {
		_, err := f.ledger.Correct(f.ctx, near, d, detention.Correction{Revision: 2, Note: set("очки")})
		return err
	})
}

// behind runs write while a statement holds the row, commits the statement when write waits, and looks at write's answer.
func (f *field) behind(id uuid.UUID, statement string, arg any, look func(<-chan error), write func(uuid.UUID) error) {
	f.Helper()
	tx, err := f.db.Pool.Begin(f.ctx)
	f.must(err)
	defer func() { _ = tx.Rollback(f.ctx) }()
	_, err = tx.Exec(f.ctx, statement, id, arg)
	f.must(err)
	done := make(chan error, 1)
	go func() { done <- write(id) }()
	for f.count("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()") == 0 {
		select {
		case err := <-done:
			f.Fatalf("did not wait: %v", err)
		case <-time.After(2 * time.Millisecond):
		}
	}
	f.must(tx.Commit(f.ctx))
	look(done)
}

func TestCiphertextsStayInTheirRow(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	a, b := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат"}), f.one(p, f.medeu, detention.Entry{Name: "Сейтов Нұрлан"})
	broken := func(name string) {
		t.Helper()
		for _, id := range []uuid.UUID{a, b} {
			if d, err := f.ledger.Get(f.ctx, p, id); err == nil || fault.As(err) != nil {
				t.Errorf("%s: opened as %q, error %v", name, d.Name, err)
			}
		}
	}
	swap := "update detentions d set %s from detentions o where (d.id, o.id) in (($1, $2), ($2, $1))"
	f.exec(fmt.Sprintf(swap, "profile_ct = o.profile_ct"), a, b)
	broken("profiles")
	f.exec(fmt.Sprintf(swap, "key_id = o.key_id"), a, b)
	broken("profiles and keys")
	f.exec(fmt.Sprintf(swap, "key_id = o.key_id, profile_ct = o.profile_ct"), a, b)
	if d := f.get(p, a); d.Name != "Оспанов Бекзат" {
		t.Errorf("put back: %q", d.Name)
	}
	f.exec("update detention_events d set details_ct = o.details_ct from detention_events o where d.detention_id = $1 and o.detention_id = $2", a, b)
	if _, err := f.ledger.Events(f.ctx, p, a); err == nil {
		t.Error("an event of another opened")
	}
	// A whole data key that stands for another record's.
	f.exec("update data_keys d set wrapped = o.wrapped from data_keys o where d.id = $1 and o.id = $2", a, b)
	if _, err := f.ledger.Get(f.ctx, p, a); err == nil {
		t.Error("a swapped key opened")
	}
}

func TestAnErasedRecordIsGone(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	id := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
	stays := f.one(p, f.almaly, detention.Entry{Name: "Оспанов Бекзат"})
	f.must(f.db.InTx(f.ctx, func(tx *pg.Tx) error { return seal.Destroy(f.ctx, tx, id) }))
	_, err := f.ledger.Get(f.ctx, p, id)
	f.refused(err, "not_found")
	_, err = f.ledger.Correct(f.ctx, p, id, detention.Correction{Revision: 1, Name: set("Сейтов Нұрлан")})
	f.refused(err, "not_found")
	_, _, err = f.ledger.Add(f.ctx, p, id, f.event("searched", 0, nil))
	f.refused(err, "not_found")
	for _, filter := range []detention.Filter{{Limit: 10}, {Limit: 10, Query: "Оспанов Бекзат"}} {
		page, more, err := f.ledger.List(f.ctx, p, filter)
		f.must(err)
		if !slices.Equal(ids(page), []uuid.UUID{stays}) || more {
			t.Errorf("%+v lists %v, more %t", filter, ids(page), more)
		}
	}
	f.must(f.db.InTx(f.ctx, func(tx *pg.Tx) error {
		found, err := f.ledger.Load(f.ctx, tx, id, stays)
		if len(found) != 1 || found[0].ID != stays {
			t.Errorf("loaded %v", ids(found))
		}
		return err
	}))
}
