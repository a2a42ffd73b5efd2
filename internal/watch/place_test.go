package watch_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

// A text may say the department of a certain match, as she reads it with her secret; of anything else it says none.
func TestWhichPlaceATextMaySay(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	places := func(s seeker, d uuid.UUID, kind string) (out []string) {
		t.Helper()
		n := push.Notice{Kind: kind, Subject: f.matchID(s, d), Owner: push.Owner{Kind: push.SearchOwner, ID: s.id}, Language: "kk"}
		f.must(f.db.InTx(f.ctx, func(tx *pg.Tx) (err error) {
			out, err = f.post.PlacesOf(f.ctx, tx, n)
			return err
		}))
		return out
	}
	s := f.search("Ахметов Арман", 1990)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))[0]
	f.must(f.post.MatchDetentions(f.ctx, []uuid.UUID{d}))
	if got, want := places(s, d, push.Match), []string{"Алмалы ауданының Полиция басқармасы, Алматы", "Алмалы ауд. ПБ, Алматы", "Алмалы ауд. ПБ"}; !slices.Equal(got, want) {
		t.Fatalf("%q, want %q", got, want)
	}
	if got := places(s, d, push.Retraction); got != nil {
		t.Errorf("a retraction says %q", got)
	}
	other := f.search("Оспанов Ерлан", 1985)
	f.must(f.db.InTx(f.ctx, func(tx *pg.Tx) error {
		got, err := f.post.PlacesOf(f.ctx, tx, push.Notice{Kind: push.Match, Subject: f.matchID(s, d), Owner: push.Owner{Kind: push.SearchOwner, ID: other.id}})
		if got != nil {
			t.Errorf("another's match says %q", got)
		}
		return err
	}))

	f.exec("update matches set tier = 'likely', state = 'confirmed' where search_id = $1", s.id)
	if got := places(s, d, push.Match); got != nil {
		t.Errorf("a match that is not certain says %q", got)
	}
	f.exec("update matches set tier = 'certain' where search_id = $1", s.id)
	f.exec("update departments set created_by = $1, verified_at = null, verified_by = null where id = $2", lawyer.Account, almaly)
	if got := places(s, d, push.Match); got != nil {
		t.Errorf("a name that was typed on the spot: %q", got)
	}
	f.exec("update departments set created_by = null, kind = $1 where id = $2", department.Hospital, almaly)
	if got := places(s, d, push.Match); got != nil {
		t.Errorf("a hospital: %q", got)
	}
	f.exec("update departments set kind = $1 where id = $2", department.CityDivision, almaly)
	if places(s, d, push.Match) == nil {
		t.Fatal("no place any more")
	}
	f.event(lawyer, d, detention.ReleasedKind, nil)
	if got := places(s, d, push.Match); got != nil {
		t.Errorf("of who was released: %q", got)
	}
	f.exec("update matches set told_state = 'held', state = 'retracted' where search_id = $1", s.id)
	if got := places(s, d, push.Match); got != nil {
		t.Errorf("of what was taken back: %q", got)
	}
}
