package smoke_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/push/fcm/standin"
	"github.com/qorgau/qorgau/pkg/client"
)

// work is lawyers who log groups of people, for one of whom a family searches, before or after; all of them until they are
// stopped, and again and again until they are answered.
type work struct {
	*town
	stop    chan struct{}
	all     sync.WaitGroup
	batches atomic.Int32 // acknowledged

	mu       sync.Mutex
	people   int
	records  map[uuid.UUID]uuid.UUID // client id → the id that was acknowledged
	families []*awaiting

	slowest time.Duration
	doubled int
}

// awaiting is a family whose person was logged. since is when both that and their search had been acknowledged.
type awaiting struct {
	*family
	since time.Time
}

const (
	groupSize = 11
	// pace is a lawyer's rest between two groups: load enough to be hit by what happens, not so much that catching up takes long.
	pace = 60 * time.Millisecond
)

func startWork(tw *town, lawyers int) *work {
	tw.Helper()
	app := stubborn()
	app.Attempts = 6
	w := &work{town: tw.at(tw.url, app), stop: make(chan struct{}), records: map[uuid.UUID]uuid.UUID{}}
	for i := range lawyers {
		s := w.invited(account.Lawyer)
		w.all.Go(func() {
			for n := i; ; n++ {
				select {
				case <-w.stop:
					return
				case <-time.After(pace):
					w.group(s, n%2 == 0)
				}
			}
		})
	}
	return w
}

func (w *work) group(s *staff, searchedBefore bool) {
	w.mu.Lock()
	first := w.people
	w.people += groupSize
	w.mu.Unlock()
	sought := person(first + first/groupSize%groupSize)
	f := &awaiting{}
	if searchedBefore {
		f.family = w.search(sought)
	}
	note := batchOf(almaly, persons(first, groupSize)...)
	var results []api.DetaineeResult
	w.insist(func() error {
		out, err := s.Log(w.ctx, &note)
		results = out.Results
		return err
	})
	w.batches.Add(1)
	if !searchedBefore {
		f.family = w.search(sought)
	}
	f.since = time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range results {
		w.records[r.ClientID] = r.DetentionID
	}
	w.families = append(w.families, f)
}

// insist is a person at a phone: where the app gives up, she presses again, which is a new request for the same thing.
func (w *work) insist(do func() error) {
	for {
		err := do()
		var p *client.Problem
		switch {
		case err == nil:
			return
		case w.ctx.Err() != nil, errors.As(err, &p) && p.Status != http.StatusServiceUnavailable && !client.Is(err, api.ProblemCodeInFlight):
			w.Error(err)
			runtime.Goexit()
		}
	}
}

func (w *work) search(name string) *family {
	key := client.NewSearchKey()
	token := "phone-" + uuid.NewString()
	var f *family
	w.insist(func() error {
		var err error
		f, err = w.trySearch(name, func(b *api.SearchCreate) {
			b.ClientID, b.Secret, b.Channels = key.ClientID, key.Secret, []api.ChannelAdd{{Kind: "fcm", Token: &token}}
		})
		return err
	})
	f.token = token
	return f
}

// reach waits until so many more batches are acknowledged.
func (w *work) reach(what string, more int32) {
	w.Helper()
	goal := w.batches.Load() + more
	w.eventually(what, func() bool { return w.batches.Load() >= goal || w.Failed() })
}

// end lets everyone finish what they began.
func (w *work) end() {
	close(w.stop)
	w.all.Wait()
}

// check holds what there is against what was acknowledged: the same records under the same ids; one notice for each family,
// handed over within the given time; and, where nothing allows a doubled message, no doubled message.
func (w *work) check(within time.Duration, once bool) {
	w.Helper()
	var pushes map[string][]standin.Received
	untold := func() int {
		pushes = map[string][]standin.Received{}
		for _, m := range w.phones.Messages() {
			pushes[m.Token] = append(pushes[m.Token], m)
		}
		return len(slices.DeleteFunc(slices.Clone(w.families), func(f *awaiting) bool { return len(pushes[f.token]) > 0 }))
	}
	for end := time.Now().Add(within); untold() > 0 && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	if n := untold(); n > 0 {
		w.Errorf("%d of %d families were not told within %s", n, len(w.families), within)
	}
	// What a dead process was at is done once more; that must not be heard.
	jobs := func() int {
		return w.count("select count(*) from river_job where queue in ('match', 'push') and finalized_at is null")
	}
	for end := time.Now().Add(within); jobs() > 0 && time.Now().Before(end); {
		time.Sleep(100 * time.Millisecond)
	}
	if n := jobs(); n > 0 {
		w.Errorf("%d jobs do not end", n)
	}
	untold()

	if there := pairs[uuid.UUID, uuid.UUID](w.town, "select client_id, id from detentions"); !maps.Equal(there, w.records) {
		lost := 0
		for client, id := range w.records {
			if there[client] != id {
				lost++
			}
		}
		w.Errorf("%d people were acknowledged, %d are there; %d acknowledged ones are missing or have another id", len(w.records), len(there), lost)
	}
	notices := pairs[uuid.UUID, int](w.town, "select owner_id, count(*)::int from notices where owner_kind = 'search' group by owner_id")
	if len(notices) != len(w.families) {
		w.Errorf("notices for %d families of %d", len(notices), len(w.families))
	}
	for _, f := range w.families {
		got := pushes[f.token]
		if notices[f.Key().ID] != 1 {
			w.Errorf("family %s has %d notices", f.Key().ID, notices[f.Key().ID])
		}
		if len(got) == 0 {
			continue
		}
		w.slowest = max(w.slowest, got[0].At.Sub(f.since))
		for _, m := range got[1:] {
			w.doubled++
			if once || m.NoticeID != got[0].NoticeID {
				w.Errorf("family %s got a second message: notice %s, then %s", f.Key().ID, got[0].NoticeID, m.NoticeID)
			}
		}
	}
}

func (w *work) figures() string {
	told := w.count("select count(distinct n.owner_id) from notices n join deliveries d on d.notice_id = n.id where d.state = 'accepted'")
	return fmt.Sprintf("%d batches acknowledged, %d of %d people logged, %d of %d families told, slowest %.1f s, %d messages doubled", w.batches.Load(),
		w.count("select count(*) from detentions"), len(w.records), told, len(w.families), w.slowest.Seconds(), w.doubled)
}
