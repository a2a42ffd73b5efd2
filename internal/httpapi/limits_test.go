package httpapi

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/fault"
)

func TestParseLimits(t *testing.T) {
	t.Parallel()
	d := DefaultLimits()
	faster := d
	faster.Account, faster.SecretBurst = 50, 5
	for text, want := range map[string]Limits{"": d, " ": d, "off": {}, "account=50, secret_burst=5": faster} {
		if got, err := ParseLimits(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"on", "account", "account=fast", "account=-1", "account=NaN", "account=inf", "speed=3", "secret_burst=0", "secret_burst=1.5", "account=1,,"} {
		if _, err := ParseLimits(text); err == nil || !strings.HasPrefix(err.Error(), "limits: ") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCallersAreHeldToAPace(t *testing.T) {
	t.Parallel()
	g := newRig(t, func(s *Server) { s.Limits = Limits{Account: 0.5, AccountBurst: 2, Secret: 1, SecretBurst: 1} })
	g.getDetention = func(context.Context, GetDetentionRequestObject) (GetDetentionResponseObject, error) {
		return nil, fault.Absent()
	}
	g.acknowledge = func(context.Context, AcknowledgeNoticeRequestObject) (AcknowledgeNoticeResponseObject, error) {
		return AcknowledgeNotice204Response{}, nil
	}
	for range 2 {
		expect(t, g.ask(t, "GET", aDetention, ""), 404, "not_found")
	}
	r := g.ask(t, "GET", aDetention, "")
	expect(t, r, 429, "too_many")
	if r.Header.Get("Retry-After") != "2" || *r.problem(t).RetryAfter != 2 {
		t.Errorf("Retry-After %q in %s", r.Header.Get("Retry-After"), r.text)
	}
	// a relative's pace is her own
	const path, body = "/v1/searches/0198f3b2-6c1a-7d30-9a41-5b0c7de1f2c1/acknowledgements", `{"notice_id":"4f30a0ad-bd54-4a3e-8d81-5e4d3f20b1a2"}`
	expect(t, g.ask(t, "POST", path, body, "Authorization", "Bearer "+lawyerSecret), 204, "")
	expect(t, g.ask(t, "POST", path, body, "Authorization", "Bearer "+lawyerSecret), 429, "too_many")
	expect(t, g.ask(t, "POST", path, body, "Authorization", "Bearer x"+lawyerSecret[1:]), 204, "")
	// a 429 costs nothing: after the pause there is room
	g.db.Clock.Move(2 * time.Second)
	expect(t, g.ask(t, "GET", aDetention, ""), 404, "not_found")
	// health is not limited
	for range 5 {
		expect(t, g.ask(t, "GET", "/healthz", ""), 200, "")
	}
}

func TestBucketsAreBounded(t *testing.T) {
	t.Parallel()
	b := newBuckets(1, 1, 3)
	now := time.Now()
	for _, k := range []string{"a", "b", "c", "a", "d", "e"} {
		_ = b.take(k, now)
	}
	if len(b.byKey) != 3 || b.recent.Len() != 3 {
		t.Errorf("%d keys, %d in the list", len(b.byKey), b.recent.Len())
	}
	if b.byKey["a"] == nil || b.byKey["b"] != nil {
		t.Error("the one unused for longest was not the one to go")
	}
	if err := b.take("e", now); !fault.Is(err, "too_many") {
		t.Errorf("second at once: %v", err)
	}
	if err := newBuckets(0, 0, 3).take("a", now); err != nil {
		t.Errorf("off: %v", err)
	}
}

// A phone that has just sent four days of its owner's work can still call for help.
func TestAnAlarmHasAPaceOfItsOwn(t *testing.T) {
	t.Parallel()
	g := newRig(t, func(s *Server) { s.Limits = Limits{Account: 0.5, AccountBurst: 2, Secret: 1, SecretBurst: 1} })
	g.getDetention = func(context.Context, GetDetentionRequestObject) (GetDetentionResponseObject, error) {
		return nil, fault.Absent()
	}
	for range 2 {
		expect(t, g.ask(t, "GET", aDetention, ""), 404, "not_found")
	}
	expect(t, g.ask(t, "GET", aDetention, ""), 429, "too_many")
	for range 2 { // past the limit, to where its body is looked at
		expect(t, g.ask(t, "POST", "/v1/alarms", "{}"), 400, "invalid")
	}
	expect(t, g.ask(t, "POST", "/v1/alarms", "{}"), 429, "too_many")
}
