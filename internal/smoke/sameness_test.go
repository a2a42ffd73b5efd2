package smoke_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/pkg/client"
)

// healing is a phone whose line heals whenever it rests before the next try. rests says how often that was.
func healing(l *line, rests *atomic.Int32) client.Options {
	return client.Options{Sleep: func(context.Context, time.Duration) error {
		rests.Add(1)
		l.heal()
		return nil
	}}
}

// The promise: wherever in the answer the connection breaks, the phone's repeat gets the same ids, there is one record of each
// person, one search of each family, and one notice.
func TestAnAnswerCutOffAfterTheCommitIsHarmless(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	l := newLine(t, tw.url)
	var rests atomic.Int32
	bad := tw.at(l.url(), healing(l, &rests))
	lawyer := bad.invited(account.Lawyer)
	var families []*family
	cuts := []struct{ search, batch int }{{0, 0}, {1, 1}, {100, 100}, {480, 800}} // nothing, of the status line, of a header, of the body
	for round, cut := range cuts {
		l.cutAnswers(cut.search)
		f := bad.searches(person(10 * round))
		if rests.Swap(0) == 0 {
			t.Errorf("a search's answer was not cut after %d bytes", cut.search)
		}
		note := batchOf(almaly, persons(10*round, 3)...)
		l.cutAnswers(cut.batch)
		first := lawyer.logsBatch(&note)
		if rests.Swap(0) == 0 {
			t.Errorf("a batch's answer was not cut after %d bytes", cut.batch)
		}
		for i, r := range first {
			if r.Outcome != "created" {
				t.Errorf("cut after %d bytes: the stored answer says %s of entry %d", cut.batch, r.Outcome, i)
			}
		}
		again := lawyer.logsBatch(&note) // another Idempotency-Key, as from an app that was killed meanwhile
		if !slices.Equal(logged(again), logged(first)) {
			t.Errorf("cut after %d bytes: the ids are %v, and then %v", cut.batch, logged(first), logged(again))
		}
		families = append(families, f)
	}
	for _, f := range families {
		f.expectNotice("match")
	}
	tw.settled()
	for i, f := range families {
		if n := len(f.pushes("match")); n != 1 {
			t.Errorf("family %d got %d pushes", i, n)
		}
	}
	if d, s, n := tw.count("select count(*) from detentions"), tw.count("select count(*) from searches"), tw.count("select count(*) from notices"); d != 3*len(cuts) || s != len(cuts) || n != len(cuts) {
		t.Errorf("%d records, %d searches, %d notices; want %d, %d, %d", d, s, n, 3*len(cuts), len(cuts), len(cuts))
	}
}

// safe keeps everything that a phone was told to keep.
type safe struct {
	mu   sync.Mutex
	kept []client.Credentials
}

func (s *safe) Save(_ context.Context, c client.Credentials) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, c)
	return nil
}

// midway is what was kept while a refresh was under way.
func (s *safe) midway() client.Credentials {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.kept, func(c client.Credentials) bool { return c.NextRefreshToken != "" })
	return s.kept[i]
}

// The promise: a lawyer whose line broke while the app refreshed stays signed in, also when the app was killed at that moment;
// a thief who comes later with the old token ends the session, and a coordinator learns of it.
func TestALostRefreshKeepsTheSessionAndAStolenTokenEndsIt(t *testing.T) {
	t.Parallel()
	clock := pgtest.NewClock(time.Now())
	tw := newTown(t, func(o *app.Options) { o.Clock = clock.Now })
	l := newLine(t, tw.url)
	var rests atomic.Int32
	o := healing(l, &rests)
	o.Now = clock.Now
	bad := tw.at(l.url(), o)
	coordinator := tw.invited(account.Coordinator)

	store := &safe{}
	lawyer, err := bad.anyone().OpenSession(tw.ctx, tw.code(account.Lawyer), client.Installation{Name: "телефон", Platform: "android", Store: store})
	tw.must(err)
	opened, err := lawyer.Credentials(tw.ctx)
	tw.must(err)

	clock.Move(10 * time.Minute) // the access token is over
	l.cutAnswers(0)
	me, err := lawyer.GetMeWithResponse(tw.ctx, nil)
	tw.must(err)
	after, err := lawyer.Credentials(tw.ctx)
	tw.must(err)
	if rests.Load() == 0 || after.SessionID != opened.SessionID || after.RefreshToken == opened.RefreshToken {
		t.Fatalf("rested %d times; session %s became %s, new token: %t", rests.Load(), opened.SessionID, after.SessionID, after.RefreshToken != opened.RefreshToken)
	}
	revived, err := bad.anyone().ResumeSession(store.midway(), client.Installation{})
	tw.must(err)
	_, err = revived.GetMeWithResponse(tw.ctx, nil)
	tw.must(err)
	if kept, err := revived.Credentials(tw.ctx); err != nil || kept != after {
		t.Errorf("the app killed in the middle has other credentials than its twin: %v", err)
	}
	if n := tw.count("select count(*) from sessions where account_id = $1 and revoked_at is null", me.JSON200.Account.ID); n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}

	clock.Move(10 * time.Minute)
	_, err = lawyer.GetMeWithResponse(tw.ctx, nil) // uses the successor
	tw.must(err)
	thief, err := bad.anyone().ResumeSession(opened, client.Installation{})
	tw.must(err)
	_, err = thief.GetMeWithResponse(tw.ctx, nil)
	tw.refused(err, "unauthenticated")
	_, err = lawyer.GetMeWithResponse(tw.ctx, nil)
	tw.refused(err, "unauthenticated")
	raised := coordinator.alerts("token_reuse")
	if len(raised) != 1 || raised[0].SubjectID == nil || *raised[0].SubjectID != me.JSON200.Account.ID {
		t.Errorf("alerts: %+v", raised)
	}
}

// The promise: when two lawyers, or one lawyer's two phones, send one list at the same moment, whole or turned round, every
// answer names the same records, exactly one of them as its maker, and the family hears once.
func TestTheSameBatchFromTwoPhonesAtOnce(t *testing.T) {
	t.Parallel()
	const rounds, people = 20, 11
	tw := newTown(t)
	seen := tw.observed()
	first, second := tw.invited(account.Lawyer), tw.invited(account.Lawyer)
	var families []*family
	for round := range rounds {
		families = append(families, tw.searches(person(people*round+round%people)))
		note := batchOf(almaly, persons(people*round, people)...)
		turned := note
		turned.Detainees = slices.Clone(note.Detainees)
		slices.Reverse(turned.Detainees)
		phones := []struct {
			*staff
			note api.DetentionBatch
		}{{first, note}, {second, note}, {first, turned}, {second, turned}}
		answers := make([][]api.DetaineeResult, len(phones))
		errs := make([]error, len(phones))
		start := make(chan struct{})
		var all sync.WaitGroup
		for i, p := range phones {
			all.Go(func() {
				<-start
				out, err := p.Log(tw.ctx, &p.note)
				answers[i], errs[i] = out.Results, err
			})
		}
		close(start)
		all.Wait()
		made := map[uuid.UUID]int{}
		ids := map[uuid.UUID]uuid.UUID{}
		for i, a := range answers {
			tw.must(errs[i])
			for _, r := range a {
				if id, there := ids[r.ClientID]; there && id != r.DetentionID {
					t.Errorf("round %d: one person is %s and %s", round, id, r.DetentionID)
				}
				ids[r.ClientID] = r.DetentionID
				if r.Outcome == "created" {
					made[r.ClientID]++
				}
				if len(r.Warnings) != 0 {
					t.Errorf("round %d, phone %d: warnings %v for the same content", round, i, r.Warnings)
				}
			}
		}
		for _, d := range note.Detainees {
			if made[d.ClientID] != 1 {
				t.Errorf("round %d: %d answers made one record", round, made[d.ClientID])
			}
		}
	}
	for _, f := range families {
		f.expectNotice("match")
	}
	tw.settled()
	if n := tw.count("select count(*) from detentions"); n != rounds*people {
		t.Errorf("%d records, want %d", n, rounds*people)
	}
	if n, pushes := tw.count("select count(*) from notices"), len(tw.phones.Messages()); n != rounds || pushes != rounds {
		t.Errorf("%d notices and %d pushes for %d families", n, pushes, rounds)
	}
	t.Logf("answers by status: %v", seen.counts())
}

// The promise: a lock holds everywhere. A lawyer whose phone is in other hands is refused on every node within two seconds,
// however busy that phone is.
func TestALockIsRefusedOnEveryNodeWithinTwoSeconds(t *testing.T) {
	t.Parallel()
	database := pgtest.Clone(t)
	one := prepareTown(t, database)
	one.start()
	two := prepareTown(t, database, func(o *app.Options) { o.Config.Keyset = one.opts.Config.Keyset })
	two.start()
	lawyer, coordinator := one.invited(account.Lawyer), one.invited(account.Coordinator)
	kept, err := lawyer.Credentials(one.ctx)
	one.must(err)
	there, err := two.anyone().ResumeSession(kept, client.Installation{})
	one.must(err)

	type end struct {
		lastGood time.Time // when the last request that was served had been sent
		err      error
	}
	busy := func(s *client.Staff, served *atomic.Int32) <-chan end {
		done := make(chan end, 1)
		go func() {
			var e end
			for e.err == nil && one.ctx.Err() == nil {
				sent := time.Now()
				if _, e.err = s.GetMeWithResponse(one.ctx, nil); e.err == nil {
					e.lastGood = sent
					served.Add(1)
				}
			}
			done <- e
		}()
		return done
	}
	var here, elsewhere atomic.Int32
	ends := []<-chan end{busy(lawyer.Staff, &here), busy(there, &elsewhere)}
	one.eventually("both nodes to serve her", func() bool { return here.Load() > 20 && elsewhere.Load() > 20 })
	_, err = coordinator.LockAccountWithResponse(one.ctx, lawyer.me.ID, nil, api.LockAccountJSONRequestBody{})
	one.must(err)
	locked := time.Now()
	for i, done := range ends {
		select {
		case e := <-done:
			one.refused(e.err, "unauthenticated")
			if late := e.lastGood.Sub(locked); late > 2*time.Second {
				t.Errorf("node %d served a request that came %s after the lock", i+1, late)
			} else {
				t.Logf("node %d: last request served %s after the lock", i+1, late.Round(time.Millisecond))
			}
		case <-time.After(patience):
			t.Fatalf("node %d goes on serving", i+1)
		}
	}
	for _, s := range []*client.Staff{lawyer.Staff, there} {
		note := batchOf(almaly, eleven...)
		_, err := s.Log(one.ctx, &note)
		one.refused(err, "unauthenticated")
	}
	if n := one.count("select count(*) from detentions"); n != 0 {
		t.Errorf("%d records of a locked lawyer", n)
	}
}
