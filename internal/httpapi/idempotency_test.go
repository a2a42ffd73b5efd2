package httpapi

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

const key = "6f1c2c7e-0c0f-4f5e-9a37-2f5b3a1d9c11"

func (g *rig) rows(t testing.TB) int {
	t.Helper()
	var n int
	err := g.db.InTx(context.Background(), func(tx *pg.Tx) error {
		return tx.QueryRow(context.Background(), "select count(*) from idempotency").Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTheSameKeyGivesTheStoredAnswer(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	runs := 0
	g.logDetentions = func(context.Context, LogDetentionsRequestObject) (LogDetentionsResponseObject, error) {
		runs++
		return LogDetentions201JSONResponse{BatchID: oneResult.BatchID, Results: []api.DetaineeResult{{Outcome: "created", Warnings: []api.Warning{{Pointer: "Marker"}}}}}, nil
	}
	first := g.ask(t, "POST", "/v1/detentions/batch", goodBatch, "Idempotency-Key", key)
	again := g.ask(t, "POST", "/v1/detentions/batch", goodBatch, "Idempotency-Key", key)
	expect(t, first, 201, "")
	expect(t, again, 201, "")
	if runs != 1 || first.text != again.text || again.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%d runs, %q and %q", runs, first.text, again.text)
	}
	if first.Header.Get(replayedField) != "" || again.Header.Get(replayedField) != "true" {
		t.Errorf("replayed %q, %q", first.Header.Get(replayedField), again.Header.Get(replayedField))
	}
	if first.Header.Get("X-Request-Id") == again.Header.Get("X-Request-Id") {
		t.Error("the repeat carries the first request's id")
	}
	other := strings.Replace(goodBatch, "Арман", "Ерлан", 1)
	expect(t, g.ask(t, "POST", "/v1/detentions/batch", other, "Idempotency-Key", key), 422, "idempotency_mismatch")
	expect(t, g.ask(t, "POST", "/v1/detentions/batch", other, "Idempotency-Key", key+"2"), 201, "")
	expect(t, g.ask(t, "POST", "/v1/detentions/batch", other), 201, "")
	if runs != 3 {
		t.Errorf("%d runs", runs)
	}
	// what lies in the table says nothing
	err := g.db.InTx(context.Background(), func(tx *pg.Tx) error {
		var ct, mark []byte
		var route string
		err := tx.QueryRow(context.Background(), "select response_ct, fingerprint, route from idempotency where key = $1", key).Scan(&ct, &mark, &route)
		if bytes.Contains(ct, []byte("Marker")) || len(mark) != 32 || route != "POST /v1/detentions/batch" {
			t.Errorf("stored %q, %x, %s", ct, mark, route)
		}
		if sealed := len("Q1") + 12 + 16; (len(ct)-sealed)%answerStep != 0 {
			t.Errorf("an answer of %d bytes: its length tells of what is in it", len(ct))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// two weeks later it is gone
	g.db.Clock.Move(keptFor - time.Minute)
	if n, err := PurgeIdempotency(context.Background(), g.DB); n != 0 || err != nil {
		t.Errorf("purged %d early, %v", n, err)
	}
	g.db.Clock.Move(2 * time.Minute)
	if n, err := PurgeIdempotency(context.Background(), g.DB); n != 2 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
}

func TestWhatDidNothingIsNotStored(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	var err error
	g.logDetentions = func(context.Context, LogDetentionsRequestObject) (LogDetentionsResponseObject, error) {
		if err == nil {
			return oneResult, nil
		}
		return nil, err
	}
	for _, err = range []error{fault.Down(context.DeadlineExceeded), fault.Limited(time.Second), fault.Absent(), fault.New(fault.Stale, "stale"), context.Canceled} {
		r := g.ask(t, "POST", "/v1/detentions/batch", goodBatch, "Idempotency-Key", key)
		if r.StatusCode < 400 || g.rows(t) != 0 {
			t.Errorf("%v: %d, %d rows", err, r.StatusCode, g.rows(t))
		}
	}
	g.logDetentions = func(context.Context, LogDetentionsRequestObject) (LogDetentionsResponseObject, error) { panic("x") }
	expect(t, g.ask(t, "POST", "/v1/detentions/batch", goodBatch, "Idempotency-Key", key), 500, "internal")
	if g.rows(t) != 0 {
		t.Error("a panic leaves the key taken")
	}
	// a refused body never claims the key
	expect(t, g.ask(t, "POST", "/v1/detentions/batch", `{}`, "Idempotency-Key", key), 400, "invalid")
	g.logDetentions = accepts
	expect(t, g.ask(t, "POST", "/v1/detentions/batch", goodBatch, "Idempotency-Key", key), 201, "")
}

func TestInFlight(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	started, finish := make(chan struct{}, 1), make(chan struct{})
	g.logDetentions = func(context.Context, LogDetentionsRequestObject) (LogDetentionsResponseObject, error) {
		started <- struct{}{}
		<-finish
		return oneResult, nil
	}
	var wg sync.WaitGroup
	ask := func() {
		wg.Go(func() {
			expect(t, g.ask(t, "POST", "/v1/detentions/batch", goodBatch, "Idempotency-Key", key), 201, "")
		})
	}
	ask()
	<-started
	r := g.ask(t, "POST", "/v1/detentions/batch", goodBatch, "Idempotency-Key", key)
	expect(t, r, 409, "in_flight")
	if r.Header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
	}
	expect(t, g.ask(t, "POST", "/v1/detentions/batch", strings.Replace(goodBatch, "Арман", "Х", 1), "Idempotency-Key", key), 422, "idempotency_mismatch")
	// its process seems dead after a minute: the next one takes over, and the first, should it live, stores nothing
	g.db.Clock.Move(abandoned + time.Second)
	ask()
	<-started
	close(finish)
	wg.Wait()
	r = g.ask(t, "POST", "/v1/detentions/batch", goodBatch, "Idempotency-Key", key)
	expect(t, r, 201, "")
	if r.Header.Get(replayedField) != "true" || g.rows(t) != 1 {
		t.Errorf("not stored by the one that took over: %v, %d rows", r.Header, g.rows(t))
	}
}

func TestManyAtOnceRunOnce(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	var mu sync.Mutex
	runs := 0
	g.logDetentions = func(context.Context, LogDetentionsRequestObject) (LogDetentionsResponseObject, error) {
		mu.Lock()
		defer mu.Unlock()
		runs++
		return oneResult, nil
	}
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			if r := g.ask(t, "POST", "/v1/detentions/batch", goodBatch, "Idempotency-Key", key); r.StatusCode != 201 && r.StatusCode != 409 {
				t.Errorf("%d %s", r.StatusCode, r.text)
			}
		})
	}
	wg.Wait()
	if runs != 1 {
		t.Errorf("%d runs", runs)
	}
}

func TestKeysBelongToTheirOwner(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	runs := 0
	g.acknowledge = func(context.Context, AcknowledgeNoticeRequestObject) (AcknowledgeNoticeResponseObject, error) {
		runs++
		return AcknowledgeNotice204Response{}, nil
	}
	const path, body = "/v1/searches/0198f3b2-6c1a-7d30-9a41-5b0c7de1f2c1/acknowledgements", `{"notice_id":"4f30a0ad-bd54-4a3e-8d81-5e4d3f20b1a2"}`
	other := "x" + lawyerSecret[1:]
	for _, who := range []string{lawyerSecret, other, lawyerToken, lawyerSecret} {
		expect(t, g.ask(t, "POST", path, body, "Authorization", "Bearer "+who, "Idempotency-Key", key), 204, "")
	}
	if runs != 3 {
		t.Errorf("%d runs for three callers, one of them twice", runs)
	}
	// the same key on another thing is another request
	expect(t, g.ask(t, "POST", strings.Replace(path, "f2c1", "f2c2", 1), body, "Authorization", "Bearer "+other, "Idempotency-Key", key), 422, "idempotency_mismatch")
	// anyone has no name under which an answer could be kept
	g.createSearch = func(context.Context, CreateSearchRequestObject) (CreateSearchResponseObject, error) {
		return CreateSearch201JSONResponse{State: "open"}, nil
	}
	before := g.rows(t)
	search := `{"client_id":"3e2f9f9c-ac43-4f2d-9c70-4d3c2e1fa091","secret":"` + lawyerSecret + `","name":"x y"}`
	r := g.ask(t, "POST", "/v1/searches", search, "Authorization", "", "Idempotency-Key", key)
	if r.StatusCode != http.StatusCreated || g.rows(t) != before {
		t.Errorf("%d, rows %d and %d", r.StatusCode, before, g.rows(t))
	}
}

func TestAnAnswerIsStoredThoughTheCallerIsGone(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	g.logDetentions = func(inner context.Context, _ LogDetentionsRequestObject) (LogDetentionsResponseObject, error) {
		cancel()
		<-inner.Done()
		close(ended)
		return oneResult, nil
	}
	r, err := http.NewRequestWithContext(ctx, "POST", g.url+"/v1/detentions/batch", strings.NewReader(goodBatch))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+lawyerToken)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	if res, err := http.DefaultClient.Do(r); err == nil {
		_ = res.Body.Close()
		t.Fatal("the caller did not hang up")
	}
	<-ended
	g.logDetentions = func(context.Context, LogDetentionsRequestObject) (LogDetentionsResponseObject, error) {
		t.Error("ran again")
		return oneResult, nil
	}
	for range 3000 {
		if again := g.ask(t, "POST", "/v1/detentions/batch", goodBatch, "Idempotency-Key", key); again.StatusCode == 201 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("the answer is not there after a minute")
}
