package live_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/live"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
)

// house is an organisation with a place where somebody may be held, and what those who listen see by.
type house struct {
	*pgtest.Database
	org, place uuid.UUID
	mu         sync.Mutex
	sights     map[live.Who]*detention.Sight
}

func newHouse(t testing.TB) *house {
	h := &house{Database: pgtest.New(t), org: uuid.New(), place: uuid.New(), sights: map[live.Who]*detention.Sight{}}
	if _, err := h.Pool.Exec(t.Context(), `insert into departments (id, kind, name_kk, name_ru, name_en, city, created_at, updated_at)
		values ($1, 'police_department', 'к', 'р', 'e', 'almaty', $2, $2)`, h.place, h.Now()); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) hub(t testing.TB, most int) *live.Hub {
	hub := live.NewHub(h.DB, most, func(_ context.Context, who []live.Who) (map[live.Who]*detention.Sight, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		out := map[live.Who]*detention.Sight{}
		for _, w := range who {
			if h.sights[w] != nil {
				out[w] = h.sights[w]
			}
		}
		return out, nil
	})
	go hub.Run(t.Context(), func(err error) { t.Error(err) })
	return hub
}

// somebody coordinates an organisation, in these cities or all.
func (h *house) somebody(org uuid.UUID, cities ...string) live.Who {
	w := live.Who{Account: uuid.New(), Session: uuid.New()}
	h.sees(w, &detention.Sight{Areas: []detention.Area{{Organisation: org, Cities: cities, Coordinates: true}}})
	return w
}

func (h *house) sees(w live.Who, s *detention.Sight) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sights[w] = s
}

const here = "insert into changes (organisation_id, kind, subject_id, department_id) values ($1, 'detention', $2, $3)"

func (h *house) changes(t testing.TB, org uuid.UUID) uuid.UUID {
	t.Helper()
	id := uuid.New()
	if _, err := h.Pool.Exec(t.Context(), here, org, id, h.place); err != nil {
		t.Fatal(err)
	}
	return id
}

func (h *house) many(t testing.TB, n int) {
	t.Helper()
	if _, err := h.Pool.Exec(t.Context(), `insert into changes (organisation_id, kind, subject_id, department_id)
		select $1, 'detention', gen_random_uuid(), $2 from generate_series(1, $3)`, h.org, h.place, n); err != nil {
		t.Fatal(err)
	}
}

func same(string, *detention.Sight) string { return "" }

func joins(t testing.TB, hub *live.Hub, who live.Who, from *live.From) *live.Listener {
	t.Helper()
	l, err := hub.Join(t.Context(), who, from, same)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// hears waits for a change of a subject; told says what was told until then.
func hears(t testing.TB, l *live.Listener, id uuid.UUID) (at live.Position, told []uuid.UUID) {
	t.Helper()
	late := time.After(time.Minute)
	for {
		select {
		case <-l.Wake():
			got := l.Take()
			if got.Reset {
				t.Fatal("to load all anew")
			}
			for _, c := range got.Changes {
				if told = append(told, c.Subject); c.Subject == id {
					return c.Position, told
				}
			}
		case <-late:
			t.Fatal("not told")
		}
	}
}

// resets waits until the listener is told to load all anew.
func resets(t testing.TB, l *live.Listener) live.Told {
	t.Helper()
	late := time.After(time.Minute)
	for {
		select {
		case <-l.Wake():
			if got := l.Take(); got.Reset {
				return got
			}
		case <-late:
			t.Fatal("not told to load all anew")
		}
	}
}

func ends(t testing.TB, l *live.Listener) {
	t.Helper()
	select {
	case <-l.Ended():
	case <-time.After(time.Minute):
		t.Fatal("still told")
	}
}

// Who comes back hears what they missed, first and in order, and nothing twice; of others' people nothing at all.
func TestWhoComesBackHearsWhatTheyMissed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	hub := h.hub(t, 10)
	one, other := h.somebody(h.org), h.somebody(uuid.New())
	l, stranger := joins(t, hub, one, nil), joins(t, hub, other, nil)
	at, _ := hears(t, l, h.changes(t, h.org))
	l.Leave()
	var missed []uuid.UUID
	for range 5 {
		missed = append(missed, h.changes(t, h.org))
	}
	again := joins(t, hub, one, &live.From{At: at})
	last := h.changes(t, h.org)
	_, told := hears(t, again, last)
	if want := append(missed, last); !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
	if got := stranger.Take(); len(got.Changes) > 0 || got.Reset {
		t.Errorf("another organisation was told: %+v", got)
	}
}

// What cannot be told any more, or was told by other rights, is to be loaded anew: it is never left out in silence.
func TestWhoMissedTooMuchLoadsAnew(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	hub := h.hub(t, 10)
	who := h.somebody(h.org)
	l := joins(t, hub, who, nil)
	at, _ := hears(t, l, h.changes(t, h.org))
	resets(t, joins(t, hub, who, &live.From{At: at, Mark: "other rights"}))
	h.many(t, 5001)
	resets(t, l) // did not read
	resets(t, joins(t, hub, who, &live.From{At: at}))
	// What lay before was swept.
	_, now, _ := since(t, h.Database, at, 10000)
	_ = h.changes(t, h.org) // or nothing would lie between, and nothing be missed
	_, err := h.Pool.Exec(t.Context(), "insert into change_marks (at, xact, swept) values ($1, pg_current_xact_id(), true)", h.Now().Add(-live.Kept))
	must(t, err)
	back := joins(t, hub, who, &live.From{At: now})
	told := resets(t, back)
	// From there on it goes on.
	if got, _ := hears(t, back, h.changes(t, h.org)); got.Xact < told.At.Xact {
		t.Errorf("%v after %v", got, told.At)
	}
}

// Rights are read again while somebody listens: what they show from now on is loaded anew, and whose session has ended hears no more.
func TestRightsOfWhoListens(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	hub := h.hub(t, 10)
	who := h.somebody(h.org, "nowhere")
	l := joins(t, hub, who, nil)
	h.sees(who, &detention.Sight{Areas: []detention.Area{{Organisation: h.org}}})
	if told := resets(t, l); len(told.Changes) > 0 {
		t.Errorf("%+v", told)
	}
	_, _ = hears(t, l, h.changes(t, h.org))
	h.sees(who, nil)
	ends(t, l)
	if _, err := hub.Join(t.Context(), who, nil, same); !fault.Is(err, "unauthenticated") {
		t.Errorf("whose session has ended joins: %v", err)
	}
}

// Only who coordinates in a place is told which person it is; everyone who works there, that it was somebody.
func TestWhoIsNamed(t *testing.T) {
	t.Parallel()
	org, place := uuid.New(), uuid.New()
	me := live.Who{Account: uuid.New()}
	change := func(kind string, of *uuid.UUID) *live.Change {
		return &live.Change{Organisation: org, Kind: kind, Subject: uuid.New(), Department: &place, City: "almaty", Account: of}
	}
	chief := &detention.Sight{Areas: []detention.Area{{Organisation: org, Cities: []string{"almaty"}, Coordinates: true}}}
	operator := &detention.Sight{Areas: []detention.Area{{Organisation: org}}}
	elsewhere := &detention.Sight{Areas: []detention.Area{{Organisation: org, Cities: []string{"astana"}, Coordinates: true}}}
	for _, c := range []struct {
		sight *detention.Sight
		about *live.Change
		named bool
	}{
		{chief, change("detention", nil), true}, {operator, change("detention", nil), false}, {elsewhere, change("detention", nil), false},
		{operator, change("detention", &me.Account), false}, {operator, change("dispatch", nil), false}, {operator, change("dispatch", &me.Account), true},
		{operator, change("door", nil), true}, {chief, change("shift", nil), true},
	} {
		if got := (live.Told{Who: me, Sight: c.sight}).Names(c.about); got != c.named {
			t.Errorf("%+v of %+v: %v", c.sight.Areas, *c.about, got)
		}
	}
}

// Who reads nothing costs a bounded list; others hear all.
func TestASlowListenerHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	hub := h.hub(t, 3)
	slow := joins(t, hub, h.somebody(h.org), nil)
	quick := joins(t, hub, h.somebody(h.org), nil)
	h.many(t, 2001)
	resets(t, quick)
	_, _ = hears(t, quick, h.changes(t, h.org))
	if told := slow.Take(); !told.Reset || len(told.Changes) > 2000 {
		t.Errorf("reset %v, %d changes wait", told.Reset, len(told.Changes))
	}
	third := joins(t, hub, h.somebody(h.org), nil)
	if _, err := hub.Join(t.Context(), h.somebody(h.org), nil, same); !fault.Is(err, "too_many") {
		t.Fatalf("a fourth of three: %v", err)
	}
	third.Leave()
	_ = joins(t, hub, h.somebody(h.org), nil)
}

// A phone on a bad line leaves dead streams behind, which the server takes for alive until a write fails, minutes later. The newest counts: who comes
// back is let in, and the oldest ends; others keep theirs.
func TestOneAccountHasAFewStreamsTheNewest(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	hub := h.hub(t, 100)
	who, other := h.somebody(h.org), joins(t, hub, h.somebody(h.org), nil)
	var left []*live.Listener
	for range 12 { // none of the dead reads anything, or leaves by itself
		left = append(left, joins(t, hub, who, nil))
	}
	for _, l := range left[:4] {
		ends(t, l)
	}
	for _, l := range append(left[4:], other) {
		select {
		case <-l.Ended():
			t.Fatal("one too many was ended")
		default:
		}
	}
	hears(t, left[11], h.changes(t, h.org))
	// Whoever opens them faster than they end is refused all the same: the dead still take room.
	for range 4 {
		joins(t, hub, who, nil)
	}
	if _, err := hub.Join(t.Context(), who, nil, same); !fault.Is(err, "too_many") {
		t.Fatalf("a seventeenth: %v", err)
	}
	left[0].Leave()
	joins(t, hub, who, nil)
}

func TestANodeThatStopsEndsEveryone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	hub := h.hub(t, 10)
	l := joins(t, hub, h.somebody(h.org), nil)
	hub.Close()
	ends(t, l)
	if _, err := hub.Join(t.Context(), h.somebody(h.org), nil, same); !fault.Is(err, "unavailable") {
		t.Errorf("a node that stops lets in: %v", err)
	}
	l.Leave()
}

// Two nodes, writers that commit in any order, a listener whose line breaks again and again and who goes now here, now there: nobody is left out.
func TestNothingIsLostOverBrokenLinesAndNodes(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	nodes := []*live.Hub{h.hub(t, 10), h.hub(t, 10)}
	who := h.somebody(h.org)
	l := joins(t, nodes[0], who, nil)
	var writers sync.WaitGroup
	var mu sync.Mutex
	written := map[uuid.UUID]bool{}
	for w := range 4 {
		writers.Go(func() {
			dice := rand.New(rand.NewPCG(uint64(w), 7))
			ctx := context.WithoutCancel(t.Context())
			for range 30 {
				tx, err := h.Pool.Begin(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				id := uuid.New()
				_, err = tx.Exec(ctx, here, h.org, id, h.place)
				time.Sleep(time.Duration(dice.IntN(20)) * time.Millisecond)
				if err != nil || tx.Commit(ctx) != nil {
					t.Error("not written")
					return
				}
				mu.Lock()
				written[id] = true
				mu.Unlock()
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	heard := map[uuid.UUID]bool{}
	dice := rand.New(rand.NewPCG(3, 3))
	var at *live.From
	late := time.After(time.Minute)
	for finished := false; !finished || len(heard) < len(written); {
		select {
		case <-l.Wake():
			told := l.Take()
			if told.Reset {
				t.Fatal("to load all anew")
			}
			for i, c := range told.Changes {
				if i > 0 && dice.IntN(3) == 0 { // the line breaks within what was sent
					break
				}
				heard[c.Subject] = true
				at = &live.From{At: c.Position}
			}
			if at != nil {
				l.Leave()
				l = joins(t, nodes[dice.IntN(2)], who, at)
			}
		case <-done:
			finished, done = true, nil
		case <-late:
			t.Fatalf("%d of %d heard", len(heard), len(written))
		}
	}
}

// BenchmarkFanOut tells a thousand listeners of a change: from its commit until each of them has it in hand.
func BenchmarkFanOut(b *testing.B) {
	h := newHouse(b)
	hub := h.hub(b, 5000)
	var mu sync.Mutex
	var took []time.Duration
	var committed time.Time
	var round sync.WaitGroup
	for range 1000 {
		l := joins(b, hub, h.somebody(h.org), nil)
		go func() {
			for range l.Wake() {
				if len(l.Take().Changes) > 0 {
					mu.Lock()
					took = append(took, time.Since(committed))
					mu.Unlock()
					round.Done()
				}
			}
		}()
	}
	for range b.N {
		round.Add(1000)
		mu.Lock()
		h.changes(b, h.org)
		committed = time.Now()
		mu.Unlock()
		round.Wait()
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
