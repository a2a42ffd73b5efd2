package watch_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

// Somebody asks that nobody be told, or an entry is withdrawn: what is on its way is not sent from then on, though the match follows in a job that still waits.
func TestWhatWasSealedAMomentAgoDoesNotGoOut(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	stands := func(s seeker, d uuid.UUID) (is bool) {
		t.Helper()
		n := push.Notice{Kind: push.Match, Subject: f.matchID(s, d), Owner: push.Owner{Kind: push.SearchOwner, ID: s.id}, Language: "kk"}
		f.must(f.db.InTx(f.ctx, func(tx *pg.Tx) (err error) {
			is, err = f.post.StillTrue(f.ctx, tx, n)
			return err
		}))
		return is
	}
	s, s2 := f.search("Ахметов Арман", 1990), f.search("Оспанов Ерлан", 1985)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))[0]
	d2 := f.log(lawyer, almaly, entry("Оспанов Ерлан", 1985))[0]
	f.must(f.post.MatchDetentions(f.ctx, []uuid.UUID{d, d2}))
	if !stands(s, d) || !stands(s2, d2) {
		t.Fatal("nothing stands: nothing is tested")
	}
	was, err := f.ledger.Get(f.ctx, lawyer, d)
	f.must(err)
	sealed := detention.Sealed
	_, err = f.ledger.Correct(f.ctx, lawyer, d, detention.Correction{Revision: was.Revision, Disclosure: &sealed})
	f.must(err)
	if stands(s, d) {
		t.Error("the person has asked that nobody be told; a push goes out all the same")
	}
	at := f.db.Now()
	_, _, err = f.ledger.Add(f.ctx, lawyer, d2, detention.NewEvent{ClientID: uuid.New(), Kind: detention.WithdrawnKind, Details: detention.Details{HappenedAt: &at}})
	f.must(err)
	if stands(s2, d2) {
		t.Error("the entry was withdrawn; a push goes out all the same")
	}
}
