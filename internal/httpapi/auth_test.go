package httpapi

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/watch"
)

func TestWhoCallsIsAskedByTheContract(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.getDetention = func(ctx context.Context, _ GetDetentionRequestObject) (GetDetentionResponseObject, error) {
		p, ok := account.From(ctx)
		if !ok || p.Account != lawyer.Account {
			t.Errorf("principal %+v, %v", p, ok)
		}
		return nil, fault.Absent()
	}
	for authorization, want := range map[string]string{
		"Bearer " + lawyerToken:             "not_found",
		"bearer " + lawyerToken:             "not_found",
		"Bearer " + expiredToken:            "token_expired",
		"Bearer foreign.token.x":            "unauthenticated",
		"Bearer " + lawyerSecret:            "unauthenticated", // a relative's proof on a staff path
		"Basic bGF3eWVyOng=":                "unauthenticated",
		"Bearer ":                           "unauthenticated",
		"Bearer":                            "unauthenticated",
		lawyerToken:                         "unauthenticated",
		"":                                  "unauthenticated",
		"Bearer " + strings.Repeat("a", 42): "unauthenticated",
		"Bearer " + strings.Repeat("a", 4000) + ".b.c":       "unauthenticated",
		"Bearer 0123456789012345678901234567890123456789ab=": "unauthenticated",
	} {
		r := g.ask(t, "GET", aDetention, "", "Authorization", authorization)
		if code := string(r.problem(t).Code); code != want {
			t.Errorf("%.60q: %s, want %s", authorization, code, want)
		}
		auth := r.Header.Get("WWW-Authenticate")
		if want != "not_found" && (!strings.HasPrefix(auth, "Bearer ") || strings.Contains(auth, "invalid_token") != (authorization != "")) {
			t.Errorf("%.60q: WWW-Authenticate %q", authorization, auth)
		}
	}
}

func TestRelativeAndAnyone(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.acknowledge = func(ctx context.Context, _ AcknowledgeNoticeRequestObject) (AcknowledgeNoticeResponseObject, error) {
		if secret, ok := watch.SecretFrom(ctx); ok && secret == lawyerSecret {
			return AcknowledgeNotice204Response{}, nil
		}
		if _, staff := account.From(ctx); staff {
			return nil, fault.Absent()
		}
		t.Error("neither secret nor principal")
		return nil, fault.Denied()
	}
	const path, body = "/v1/searches/0198f3b2-6c1a-7d30-9a41-5b0c7de1f2c1/acknowledgements", `{"notice_id":"4f30a0ad-bd54-4a3e-8d81-5e4d3f20b1a2"}`
	expect(t, g.ask(t, "POST", path, body, "Authorization", "Bearer "+lawyerSecret), 204, "")
	expect(t, g.ask(t, "POST", path, body), 404, "not_found")
	expect(t, g.ask(t, "POST", path, body, "Authorization", ""), 401, "unauthenticated")

	var staff, source bool
	var sources [][]byte
	g.createSearch = func(ctx context.Context, _ CreateSearchRequestObject) (CreateSearchResponseObject, error) {
		_, staff = account.From(ctx)
		sources = append(sources, SourceOf(ctx))
		source = len(SourceOf(ctx)) == 32
		return nil, fault.Absent()
	}
	search := `{"client_id":"3e2f9f9c-ac43-4f2d-9c70-4d3c2e1fa091","secret":"` + lawyerSecret + `","name":"x y"}`
	expect(t, g.ask(t, "POST", "/v1/searches", search, "Authorization", ""), 404, "not_found")
	if staff || !source {
		t.Errorf("anyone: staff %v, source %v", staff, source)
	}
	expect(t, g.ask(t, "POST", "/v1/searches", search), 404, "not_found")
	if !staff {
		t.Error("a caller's search is entered without a principal")
	}
	// a proof that is given must be good, also where none is needed
	expect(t, g.ask(t, "POST", "/v1/searches", search, "Authorization", "Bearer "+expiredToken), 401, "token_expired")
	expect(t, g.ask(t, "POST", "/v1/searches", search, "Authorization", "Bearer "+lawyerSecret), 401, "unauthenticated")

	// X-Forwarded-For from anyone changes nothing
	expect(t, g.ask(t, "POST", "/v1/searches", search, "Authorization", "", "X-Forwarded-For", "203.0.113.9", "X-Real-Ip", "203.0.113.9"), 404, "")
	if !bytes.Equal(sources[0], sources[len(sources)-1]) {
		t.Error("a stranger's X-Forwarded-For was believed")
	}
}

func TestForwardedForIsBelievedFromOurProxiesOnly(t *testing.T) {
	t.Parallel()
	direct, proxied := &Server{}, &Server{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}}
	for _, c := range []struct {
		s              *Server
		remote, header string
		want           string
	}{
		{direct, "10.1.2.3:5", "203.0.113.9", "10.1.2.3"},
		{proxied, "10.1.2.3:5", "203.0.113.9", "203.0.113.9"},
		{proxied, "[fd00::1]:5", "203.0.113.9", "203.0.113.9"},
		{proxied, "10.1.2.3:5", "198.51.100.1, 203.0.113.9, 10.1.9.9", "203.0.113.9"},
		{proxied, "10.2.2.3:5", "203.0.113.9", "10.2.2.3"},
		{proxied, "127.0.0.1:5", "203.0.113.9", "127.0.0.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.remote
		r.Header.Set("X-Forwarded-For", c.header)
		if got := c.s.origin()(r); got != c.want {
			t.Errorf("%s with %q: %s, want %s", c.remote, c.header, got, c.want)
		}
	}
}

func TestSourceIsTheNetworkOfIPv6(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	src := func(ip string) string { return string(SourceOf(g.withSource(context.Background(), ip))) }
	if src("2001:db8:1:2::1") != src("2001:db8:1:2:ffff::9") || src("2001:db8:1:2::1") == src("2001:db8:1:3::1") {
		t.Error("IPv6 does not count by /64")
	}
	if src("::ffff:192.0.2.1") != src("192.0.2.1") || src("192.0.2.1") == src("192.0.2.2") || src("nonsense") != "" {
		t.Error("IPv4 does not count by address")
	}
}

// Every operation of the contract stands behind the edge: without a proof, those that need one answer 401 before anything
// else is looked at.
func TestNoOperationIsOpenByAccident(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	spec, err := GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	ops, err := operations(spec)
	if err != nil {
		t.Fatal(err)
	}
	open := map[string]bool{"openSession": true, "lockByBuddy": true, "hearSms": true, "refreshSession": true, "createSearch": true,
		"readCalendarFeed":  true,                                                                                                        // its address is its proof
		"listCustodyLimits": true, "listChannelKinds": true, "getChecklist": true, "getChecklistPdf": true, "listObstructionTypes": true} // the law is everyone's
	tried := 0
	for id, op := range ops {
		if !op.private || open[id] {
			continue
		}
		tried++
		path := strings.ReplaceAll(op.route, "{id}", uuid.NewString())
		r := g.ask(t, op.contract.Method, path, "", "Authorization", "")
		if r.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s %s: %d %s", op.contract.Method, op.route, r.StatusCode, r.text)
		}
	}
	if tried < 40 {
		t.Errorf("only %d operations tried", tried)
	}
}
