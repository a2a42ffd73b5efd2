package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// Idempotency-Key: the first request claims the key (in_flight), runs, and leaves its answer sealed (done). A repeat gets
// that answer. Only what was done is kept (2xx): a refusal did nothing, so asking again is harmless and its answer then
// is the truer one; a key whose request was refused is free again.
//
// The two little transactions do not wait for the disk (synchronous_commit off). They need not: what must not happen twice
// is held by client_id, If-Match and state in the feature's own transaction, whose flush also carries the claim written
// before it. A crash of PostgreSQL can lose the stored answer of the last moment; the repeat then runs again and finds
// that nothing is left to do.
const (
	keptFor       = 14 * 24 * time.Hour
	abandoned     = 60 * time.Second // longer than any request lives: its process is gone
	answerPlace   = "idempotency.response_ct"
	storeWithin   = 35 * time.Second // from the claim on: the longest request and a little
	replayedField = "Idempotency-Replayed"
	answerStep    = 256 // bytes; stored answers come in its multiples
)

// keptHeaders are the headers that belong to the stored answer; all others belong to the request at hand.
var keptHeaders = []string{"Content-Type", "ETag", "Location"}

// attempt is one request under a key. mark is the keyed hash of what was asked.
type attempt struct {
	owner []byte
	route string
	key   string
	mark  []byte
	row   uuid.UUID // names this attempt, and the place that its answer is sealed for
}

// answer is a stored answer.
type answer struct {
	status  int
	headers map[string]string
	body    []byte
}

// fingerprint is a keyed hash of what was asked: a plain hash of a body would be a dictionary of names. The path counts
// with its ids, and If-Match, since another revision is another request.
func (s *Server) fingerprint(r *http.Request, body []byte) []byte {
	return s.Ring.MAC(seal.ForFingerprint, []byte(r.Method), []byte(r.URL.RequestURI()), []byte(r.Header.Get("If-Match")), body)
}

// once runs next unless the key has an answer already. Faults: conflict in_flight while the first is at work,
// unprocessable idempotency_mismatch when the key belongs to another body.
func (s *Server) once(c echo.Context, a attempt, next echo.HandlerFunc) error {
	ctx := c.Request().Context()
	stored, err := s.claim(ctx, &a)
	if err != nil {
		return err
	}
	h, ok := c.Response().Writer.(*held)
	if !ok {
		return errors.New("idempotency: the answer is not held back")
	}
	if stored != nil {
		for k, v := range stored.headers {
			h.Header().Set(k, v)
		}
		h.Header().Set(replayedField, "true")
		h.WriteHeader(stored.status)
		_, _ = h.Write(stored.body)
		return nil
	}
	// The caller may be gone by the time the work is done; that is when the stored answer is worth most.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeWithin)
	defer cancel()
	done := false
	defer func() {
		if !done {
			s.settle(after, s.forget(after, a))
		}
	}()
	if err := next(c); err != nil {
		return err
	}
	if h.status >= http.StatusOK && h.status < http.StatusMultipleChoices {
		done = true
		s.settle(after, s.keep(after, a, h))
	}
	return nil
}

// settle logs a failure to write down how it ended. The caller has a true answer all the same; a repeat is refused as
// in_flight until the claim is abandoned.
func (s *Server) settle(ctx context.Context, err error) {
	if err != nil {
		s.Log.Warn("idempotency", "request_id", visitOf(ctx).id, "cause", describe(err))
	}
}

// claim takes the key for this attempt, or gives the answer that it has.
func (s *Server) claim(ctx context.Context, a *attempt) (*answer, error) {
	row, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("idempotency row id: %w", err)
	}
	a.row = row
	n, err := s.unhurried(ctx, `insert into idempotency (owner, route, key, fingerprint, state, row_id, created_at)
		select $1, $2, $3, $4, 'in_flight', $5, $6 from `+asynchronous+` on conflict do nothing`,
		a.owner, a.route, a.key, a.mark, a.row, s.DB.Now())
	if err != nil {
		return nil, fmt.Errorf("claim key: %w", err)
	}
	if n == 1 {
		return nil, nil
	}
	var stored *answer
	err = s.DB.InTx(ctx, func(tx *pg.Tx) error {
		stored, err = s.meet(ctx, tx, *a)
		return err
	})
	return stored, err
}

// meet deals with a key that is there already: another request's, answered, at work, or abandoned (then it is ours now).
func (s *Server) meet(ctx context.Context, tx *pg.Tx, a attempt) (*answer, error) {
	var mark, ct []byte
	var state string
	var status *int
	var period *string
	var row uuid.UUID
	var at time.Time
	err := tx.QueryRow(ctx, `select fingerprint, state, status, period, response_ct, row_id, created_at from idempotency
		where owner = $1 and route = $2 and key = $3 for update`, a.owner, a.route, a.key).Scan(&mark, &state, &status, &period, &ct, &row, &at)
	switch {
	case pg.NoRow(err): // refused and freed in between
		return nil, inFlight()
	case err != nil:
		return nil, fmt.Errorf("read key: %w", err)
	case !bytes.Equal(mark, a.mark):
		return nil, fault.New(fault.Unprocessable, "idempotency_mismatch")
	case state == "done" && status != nil && period != nil:
		stored, err := s.unseal(row, *period, ct)
		if err == nil {
			stored.status = *status
			return stored, nil
		}
		if !errors.Is(err, seal.ErrDestroyed) {
			return nil, err
		}
	case tx.Now.Sub(at) < abandoned:
		return nil, inFlight()
	}
	_, err = tx.Exec(ctx, `update idempotency set state = 'in_flight', status = null, period = null, response_ct = null, row_id = $4, created_at = $5
		where owner = $1 and route = $2 and key = $3`, a.owner, a.route, a.key, a.row, tx.Now)
	if err != nil {
		return nil, fmt.Errorf("take over key: %w", err)
	}
	return nil, nil
}

func inFlight() error {
	f := fault.Clash("in_flight")
	f.RetryAfter = time.Second
	return f
}

// keep seals the answer. An attempt that was taken over in the meantime keeps nothing.
func (s *Server) keep(ctx context.Context, a attempt, h *held) error {
	headers := map[string]string{}
	for _, k := range keptHeaders {
		if v := h.Header().Get(k); v != "" {
			headers[k] = v
		}
	}
	plain, err := json.Marshal(headers)
	if err != nil {
		return fmt.Errorf("write headers: %w", err)
	}
	// Spaces after the headers, so that the length of a name in the answer does not show.
	blank := bytes.Repeat([]byte{' '}, answerStep-(len(plain)+1+h.body.Len())%answerStep)
	plain = slices.Concat(plain, blank, []byte{'\n'}, h.body.Bytes())
	period := seal.Period(s.DB.Now())
	key, err := s.Ring.PeriodKey(period)
	if err != nil {
		return err
	}
	ct, err := key.Seal(answerPlace, a.row, plain)
	if err != nil {
		return err
	}
	_, err = s.unhurried(ctx, `update idempotency i set state = 'done', status = $5, period = $6, response_ct = $7
		from `+asynchronous+` where i.owner = $1 and i.route = $2 and i.key = $3 and i.row_id = $4`,
		a.owner, a.route, a.key, a.row, h.status, period, ct)
	if err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	return nil
}

// forget frees the key of a request that did nothing.
func (s *Server) forget(ctx context.Context, a attempt) error {
	_, err := s.unhurried(ctx, `delete from idempotency i using `+asynchronous+`
		where i.owner = $1 and i.route = $2 and i.key = $3 and i.row_id = $4`, a.owner, a.route, a.key, a.row)
	if err != nil {
		return fmt.Errorf("free key: %w", err)
	}
	return nil
}

func (s *Server) unseal(row uuid.UUID, period string, ct []byte) (*answer, error) {
	key, err := s.Ring.PeriodKey(period)
	if err != nil {
		return nil, err
	}
	plain, err := key.Open(answerPlace, row, ct)
	if err != nil {
		return nil, err
	}
	head, body, _ := bytes.Cut(plain, []byte("\n"))
	out := &answer{body: body}
	if err := json.Unmarshal(head, &out.headers); err != nil {
		return nil, fmt.Errorf("stored headers: %w", err)
	}
	return out, nil
}

// asynchronous, read by a statement, makes its commit not wait for the disk. offset 0 keeps the planner from leaving it out.
const asynchronous = `(select set_config('synchronous_commit', 'off', true) offset 0) unhurried`

// unhurried runs one statement that is its own transaction: one round trip, where begin and commit would make it three, twice
// for each write of every phone.
func (s *Server) unhurried(ctx context.Context, statement string, args ...any) (int64, error) {
	tag, err := s.DB.Pool.Exec(ctx, statement, args...)
	return tag.RowsAffected(), pg.Unavailable(err)
}

// PurgeIdempotency deletes what is older than the 14 days for which answers are kept, and says how much that was. Run it
// daily.
func PurgeIdempotency(ctx context.Context, db *pg.DB) (int64, error) {
	var n int64
	err := db.InTx(ctx, func(tx *pg.Tx) error {
		var err error
		n, err = tx.Exec(ctx, "delete from idempotency where created_at < $1", tx.Now.Add(-keptFor))
		if err != nil {
			return fmt.Errorf("purge idempotency: %w", err)
		}
		return nil
	})
	return n, err
}
