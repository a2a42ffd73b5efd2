package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
)

// longest answer that is read; a page of a hundred records stays far below.
const longestAnswer = 32 << 20

// prover proves who calls.
type prover interface {
	// bearer gives what stands after "Bearer", or nothing.
	bearer(ctx context.Context) (string, error)
	// expired is told that the server refused this token as run out. It says whether another try can help.
	expired(ctx context.Context, token string) bool
}

// nobody proves nothing.
type nobody struct{}

func (nobody) bearer(context.Context) (string, error) { return "", nil }
func (nobody) expired(context.Context, string) bool   { return false }

// sender sends each request until it is answered, and turns refusals into problems. The generated core calls Do.
type sender struct {
	options Options
	who     prover
}

// Do gives an answer with a status below 400, its body already read, or an error.
func (s *sender) Do(req *http.Request) (*http.Response, error) {
	s.dress(req)
	renewed, challenges := false, 0
	for try := 1; ; {
		token, err := s.who.bearer(req.Context())
		if err != nil {
			return nil, err
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		resp, failure := s.once(req)
		if failure == nil {
			return resp, nil
		}
		var problem *Problem
		errors.As(failure, &problem)
		switch {
		case problem.is(api.ProblemCodeTokenExpired) && !renewed && rewindable(req) && s.who.expired(req.Context(), token):
			renewed = true
		case problem.is(api.ProblemCodeChallengeRequired) && challenges < 3 && rewindable(req):
			challenges++
			if err := s.prove(req, problem); err != nil {
				return nil, err
			}
		default:
			if err := s.rest(req, try, failure, problem); err != nil {
				return nil, err
			}
			try++
		}
		if err := rewind(req); err != nil {
			return nil, err
		}
	}
}

// dress adds what every request carries.
func (s *sender) dress(req *http.Request) {
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", s.options.UserAgent)
	}
	if req.Header.Get("Accept-Language") == "" && s.options.Language != "" {
		req.Header.Set("Accept-Language", s.options.Language)
	}
	writes := req.Method == http.MethodPost || req.Method == http.MethodPatch
	if writes && req.Header.Get("Idempotency-Key") == "" {
		req.Header.Set("Idempotency-Key", uuid.NewString())
	}
}

// once is one try, within its own time. The whole body is read inside it: a connection cut in the middle of an answer is
// a lost answer like any other.
func (s *sender) once(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), s.options.AttemptTimeout)
	defer cancel()
	resp, err := s.options.HTTPClient.Do(req.WithContext(ctx))
	if err != nil {
		return nil, lost(req, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, longestAnswer+1))
	if err != nil {
		return nil, lost(req, err)
	}
	if len(body) > longestAnswer {
		return nil, fmt.Errorf("qorgau: the answer to %s %s is too long", req.Method, req.URL.Path)
	}
	if resp.StatusCode >= 300 && resp.StatusCode != http.StatusNotModified {
		return nil, problemOf(resp, body, s.options.Now())
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// lostError is a try without an answer: the server may or may not have acted.
type lostError struct {
	method, path string
	cause        error
}

func (e *lostError) Error() string {
	return "qorgau: " + e.method + " " + e.path + ": " + e.cause.Error()
}
func (e *lostError) Unwrap() error { return e.cause }

// lost strips the address from what net/http says: a query may hold a name.
func lost(req *http.Request, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return &lostError{method: req.Method, path: req.URL.Path, cause: err}
}

// rest waits before the next try, or gives the failure back when another try is useless, not safe, or too late.
func (s *sender) rest(req *http.Request, try int, failure error, problem *Problem) error {
	if try >= s.options.Attempts || !rewindable(req) || !passing(failure, problem) {
		return failure
	}
	ctx := req.Context()
	if ctx.Err() != nil {
		return failure
	}
	wait := pause(try)
	if problem != nil && problem.RetryAfter > 0 {
		wait = problem.RetryAfter + wait/4
		if problem.RetryAfter > s.options.MaxWait {
			return failure
		}
	}
	if deadline, ok := ctx.Deadline(); ok && s.options.Now().Add(wait).After(deadline) {
		return failure
	}
	if err := s.options.Sleep(ctx, wait); err != nil {
		return failure
	}
	return nil
}

// passing tells whether the failure is of a kind that goes by.
func passing(failure error, problem *Problem) bool {
	if problem == nil {
		var l *lostError
		var stranger *tls.CertificateVerificationError
		return errors.As(failure, &l) && !errors.As(failure, &stranger)
	}
	switch problem.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return problem.is(api.ProblemCodeInFlight)
}

// rewindable tells whether the body can be sent a second time. The methods themselves can: reads and deletes by nature,
// POST and PATCH by their key.
func rewindable(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}

func rewind(req *http.Request) error {
	if req.GetBody == nil {
		return nil
	}
	body, err := req.GetBody()
	if err != nil {
		return fmt.Errorf("qorgau: reading the request again: %w", err)
	}
	req.Body = body
	return nil
}

// retryAfter reads the header in both of its forms: seconds, or a date.
func retryAfter(value string, now time.Time) time.Duration {
	if value == "" {
		return 0
	}
	if seconds, err := strconv.Atoi(value); err == nil && seconds >= 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
