package smoke_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/pkg/client"
)

func TestABodyThatCannotBeTakenIsRefusedWholeAndSaysWhere(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	token := tw.invited(account.Lawyer).bearer()
	one := func(fields string) string {
		return `{"department_id": "` + almaly.String() + `", "detainees": [{"client_id": "` + uuid.NewString() + `", "name": "Первый Годный"}, {"client_id": "` + uuid.NewString() + `"` + fields + `}]}`
	}
	many := func(n int) string {
		var people []string
		for range n {
			people = append(people, "Ахметов Арман")
		}
		return tw.written(batchOf(almaly, people...))
	}
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	long := strings.Repeat("ә", 301)
	for _, c := range []struct {
		what, body   string
		status       int
		code, faults string
	}{
		{"nothing", "", 400, "malformed", ""},
		{"half a body", one(`, "name": "x"`)[:100], 400, "malformed", ""},
		{"two bodies", one(`, "name": "x"`) + "{}", 400, "malformed", ""},
		{"not an object", `[]`, 400, "invalid", " wrong_type"},
		{"broken UTF-8", one(`, "name": "` + "\xd0" + `"`), 400, "malformed", ""},
		{"a hundred levels", one(`, "needs": ` + deep), 400, "malformed", ""},
		{"a key twice", one(`, "name": "x", "name": "y"`), 400, "malformed", "/detainees/1/name not_allowed"},
		{"a zero byte", one(`, "name": "Ахм\u0000етов"`), 400, "invalid", "/detainees/1/name bad_format"},
		{"a name that is a number", one(`, "name": 7`), 400, "invalid", "/detainees/1/name wrong_type"},
		{"a name that is a list", one(`, "name": ["x"]`), 400, "invalid", "/detainees/1/name wrong_type"},
		{"other names that are a text", one(`, "name": "x", "also_known_as": "y"`), 400, "invalid", "/detainees/1/also_known_as wrong_type"},
		{"a fact that is an object", one(`, "name": "x", "birth_year": {}`), 400, "invalid", "/detainees/1/birth_year wrong_type"},
		{"an unknown field", one(`, "name": "x", "surname": "y"`), 400, "unknown_field", "/detainees/1/surname unknown_field"},
		{"no name and no description", one(``), 400, "invalid", "/detainees/1/name required"},
		{"a name that is too long", one(`, "name": "` + long + `"`), 400, "invalid", "/detainees/1/name too_long"},
		{"an id that is none", strings.Replace(one(`, "name": "x"`), almaly.String(), "almaly", 1), 400, "invalid", "/department_id bad_format"},
		{"an unknown department", strings.Replace(one(`, "name": "x"`), almaly.String(), uuid.NewString(), 1), 400, "invalid", "/department_id unknown"},
		{"an unknown disclosure", one(`, "name": "x", "disclosure": "secret"`), 400, "invalid", "/detainees/1/disclosure not_allowed"},
		{"several faults", one(`, "name": 7, "note": 8, "x": 9`), 400, "unknown_field", "/detainees/1/name wrong_type, /detainees/1/note wrong_type, /detainees/1/x unknown_field"},
		{"nobody", `{"department_id": "` + almaly.String() + `", "detainees": []}`, 400, "invalid", "/detainees too_few"},
		{"201 people", many(201), 400, "invalid", "/detainees too_many"},
		{"ten megabytes", one(`, "note": "` + strings.Repeat("ж", 5<<20) + `"`), 413, "too_large", ""},
	} {
		a := tw.ask("POST", "/v1/detentions/batch", token, c.body, "Content-Type", "application/json")
		if a.status != c.status || a.code() != c.code || sortedFaults(a.faults()) != sortedFaults(c.faults) {
			t.Errorf("%s: %d %s %q, want %d %s %q", c.what, a.status, a.code(), a.faults(), c.status, c.code, c.faults)
		}
	}
	if a := tw.ask("POST", "/v1/detentions/batch", token, one(`, "name": "x"`), "Content-Type", "text/plain"); a.status != http.StatusUnsupportedMediaType {
		t.Errorf("text/plain: %d", a.status)
	}
	if n := tw.count("select count(*) from detentions") + tw.count("select count(*) from data_keys where scope = 'detention'"); n != 0 {
		t.Errorf("%d rows of refused bodies", n)
	}
	if a := tw.ask("POST", "/v1/detentions/batch", token, many(200)); a.status != http.StatusCreated {
		t.Errorf("200 people: %d %s", a.status, a.body)
	}
}

func sortedFaults(s string) string {
	parts := strings.Split(s, ", ")
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// An odd fact never loses a report: it is kept as given, with a warning.
func TestWhatCannotBeUnderstoodIsKeptAsGiven(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer := tw.invited(account.Lawyer)
	b := batchOf(almaly, "Ахметов Арман")
	d := &b.Detainees[0]
	d.BirthYear, d.Sex, d.TakenAt, d.Source, d.Citizenship, d.Needs = []byte(`"около сорока"`), []byte(`7`), []byte(`"после обеда"`), []byte(`"сосед"`), []byte(`"Марс"`), []byte(`[1, "инсулин"]`)
	r := lawyer.logsBatch(&b)[0]
	var warned []string
	for _, w := range r.Warnings {
		warned = append(warned, w.Pointer+" "+string(w.Code))
	}
	if got := sortedFaults(strings.Join(warned, ", ")); !strings.Contains(got, "/detainees/0/birth_year not_understood") || !strings.Contains(got, "/detainees/0/taken_at not_understood") || len(warned) < 5 {
		t.Errorf("warnings: %s", got)
	}
	rec, _ := lawyer.record(r.DetentionID)
	for field, want := range map[string]string{"birth_year": `"около сорока"`, "sex": `7`, "taken_at": `"после обеда"`, "source": `"сосед"`, "citizenship": `"Марс"`} {
		if string(rec.AsGiven[field]) != want {
			t.Errorf("%s is kept as %s, was %s", field, rec.AsGiven[field], want)
		}
	}
}

// The same client_id with other content: the first stays, and the answer says so.
func TestADuplicateWithOtherContentChangesNothing(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer, colleague := tw.invited(account.Lawyer), tw.invited(account.Operator)
	first := batchOf(almaly, "Ахметов Арман, 1990", "Оспанов Нұрлан, 1985")
	was := lawyer.logsBatch(&first)
	other := first
	other.Detainees = append([]api.Detainee{}, first.Detainees...)
	other.Detainees[1].Name = ptr("Сейтов Тимур")
	for _, by := range []*staff{lawyer, colleague} {
		is := by.logsBatch(&other)
		if is[0].Outcome != "duplicate" || len(is[0].Warnings) != 0 || is[1].Outcome != "duplicate" || len(is[1].Warnings) != 1 || is[1].Warnings[0].Code != "other_content" || is[1].DetentionID != was[1].DetentionID {
			t.Errorf("sent with other content: %+v", is)
		}
	}
	if rec, _ := lawyer.record(was[1].DetentionID); *rec.Name != "Оспанов Нұрлан" || rec.Revision != 1 {
		t.Errorf("the first is now %+v", rec)
	}
	// Another organisation's phone that mints the same id is told nothing of ours.
	var org uuid.UUID
	tw.tool(func(tools *app.Tools) (err error) {
		org, err = tools.AddOrganisation(tw.ctx, "Басқа")
		return err
	})
	_, err := tw.invited(account.Lawyer, inOrganisation(org)).Log(tw.ctx, &first)
	if p := tw.refused(err, "client_id_taken"); len(p.Pointers) != 1 {
		t.Errorf("told another organisation %+v", p.Pointers)
	}
	if n := tw.count("select count(*) from detentions"); n != 2 {
		t.Errorf("%d records, want 2", n)
	}
}

// tool works at the server's own command line.
func (tw *town) tool(do func(tools *app.Tools) error) {
	tw.Helper()
	tools, err := app.Attach(tw.ctx, tw.opts)
	tw.must(err)
	defer func() { tw.must(tools.Close(tw.ctx)) }()
	tw.must(do(tools))
}

func TestARecordOutOfScopeDoesNotExist(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer, colleague := tw.invited(account.Lawyer), tw.invited(account.Lawyer)
	id := lawyer.logs(almaly, "Ахметов Арман, 1990")[0].DetentionID
	for _, o := range []struct{ method, below, body string }{
		{"GET", "", ""}, {"GET", "/events", ""}, {"PATCH", "", `{"note": "x"}`}, {"PUT", "/representation", `{}`}, {"DELETE", "/representation", ""},
		{"POST", "/events", `{"client_id": "` + uuid.NewString() + `", "kind": "released", "happened_at": "2026-01-01T00:00:00Z", "source": "seen"}`},
	} {
		ask := func(id uuid.UUID) answer {
			return tw.ask(o.method, "/v1/detentions/"+id.String()+o.below, colleague.bearer(), o.body, "If-Match", `"1"`)
		}
		if there, absent := ask(id), ask(uuid.New()); there.status != http.StatusNotFound || !there.like(absent) {
			t.Errorf("%s %s: %d %s, of what does not exist %d %s", o.method, o.below, there.status, there.body, absent.status, absent.body)
		}
	}
	list, err := colleague.ListDetentionsWithResponse(tw.ctx, &api.ListDetentionsParams{Q: ptr("Ахметов Арман")})
	tw.must(err)
	if len(list.JSON200.Items) != 0 {
		t.Errorf("a list shows %d records out of scope", len(list.JSON200.Items))
	}
}

func TestATokenIsTakenOnlyWhileAndWhereItIsGood(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	tw := newTown(t, func(o *app.Options) {
		o.Clock = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	lawyer := tw.invited(account.Lawyer)
	good := lawyer.bearer()
	kept, err := lawyer.Credentials(tw.ctx)
	tw.must(err)
	head, claims, _ := strings.Cut(good, ".")
	claims, sum, _ := strings.Cut(claims, ".")
	keys := tw.ask("GET", "/.well-known/jwks.json", "", "")
	var jwks api.SigningKeys
	tw.must(json.Unmarshal(keys.body, &jwks))
	public, err := base64.RawURLEncoding.DecodeString(jwks.Keys[0].X)
	tw.must(err)
	encode := base64.RawURLEncoding.EncodeToString
	header := func(text string) string { return encode([]byte(text)) }
	kid := jwks.Keys[0].Kid
	_, strange, err := ed25519.GenerateKey(rand.Reader)
	tw.must(err)
	hs256 := func(signed string) string {
		mac := hmac.New(sha256.New, public)
		mac.Write([]byte(signed))
		return signed + "." + encode(mac.Sum(nil))
	}
	plain, err := base64.RawURLEncoding.DecodeString(claims)
	tw.must(err)
	var who map[string]any
	tw.must(json.Unmarshal(plain, &who))
	for _, private := range []string{"role", "name", "city", "cities", "grants"} {
		if who[private] != nil {
			t.Errorf("the token says %s", private)
		}
	}
	forHim := strings.Replace(string(plain), lawyer.me.ID.String(), uuid.NewString(), 1)
	for what, token := range map[string]string{
		"of another server":          head + "." + claims + "." + encode(ed25519.Sign(strange, []byte(head+"."+claims))),
		"for another account":        head + "." + encode([]byte(forHim)) + "." + sum,
		"without a signature":        header(`{"alg":"none","typ":"JWT","kid":"`+kid+`"}`) + "." + claims + ".",
		"signed with the public key": hs256(header(`{"alg":"HS256","typ":"JWT","kid":"`+kid+`"}`) + "." + claims),
		"cut short":                  good[:len(good)-4],
		"that is a refresh token":    kept.RefreshToken,
		"that is a search's secret":  client.NewSearchKey().Secret,
		"that is nothing":            "x",
	} {
		if a := tw.ask("GET", "/v1/me", token, ""); a.status != http.StatusUnauthorized || a.code() != "unauthenticated" {
			t.Errorf("a token %s: %d %s", what, a.status, a.code())
		}
	}
	if a := tw.ask("GET", "/v1/me", good, ""); a.status != http.StatusOK {
		t.Errorf("the good token: %d", a.status)
	}
	search := tw.searches("Ахметов Арман, 1990")
	if a := tw.ask("GET", "/v1/me", search.Key().Secret, ""); a.status != http.StatusUnauthorized {
		t.Errorf("a relative's secret opens %d", a.status)
	}

	ahead.Store(int64(6 * time.Minute))
	if a := tw.ask("GET", "/v1/me", good, ""); a.status != http.StatusUnauthorized || a.code() != "token_expired" {
		t.Errorf("an expired token: %d %s", a.status, a.code())
	}
	_, err = lawyer.GetMeWithResponse(tw.ctx, nil) // the client refreshes, and nobody notices
	tw.must(err)
	ahead.Store(int64(31 * 24 * time.Hour))
	if a := tw.ask("POST", "/v1/sessions/refresh", "", fmt.Sprintf(`{"refresh_token": %q}`, kept.RefreshToken)); a.status != http.StatusUnauthorized {
		t.Errorf("a session of a month ago is refreshed: %d", a.status)
	}
	if read := tw.ask("GET", "/v1/searches/"+search.Key().ID.String(), search.Key().Secret, ""); !strings.Contains(string(read.body), `"state":"closed"`) {
		t.Errorf("a search that ran out reads %d %s", read.status, read.body)
	}
}

func TestAnIdempotencyKeyBelongsToOneRequest(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer, colleague := tw.invited(account.Lawyer), tw.invited(account.Lawyer)
	key := uuid.NewString()
	send := func(by *staff, b api.DetentionBatch) answer {
		return tw.ask("POST", "/v1/detentions/batch", by.bearer(), tw.written(b), "Idempotency-Key", key)
	}
	b := batchOf(almaly, "Ахметов Арман, 1990")
	first := send(lawyer, b)
	if again := send(lawyer, b); again.status != http.StatusCreated || string(again.body) != string(first.body) {
		t.Errorf("the same key and body: %d %s, first %s", again.status, again.body, first.body)
	}
	if other := send(lawyer, batchOf(almaly, "Оспанов Нұрлан, 1985")); other.status != http.StatusUnprocessableEntity || other.code() != "idempotency_mismatch" {
		t.Errorf("the same key, another body: %d %s", other.status, other.code())
	}
	if hers := send(colleague, batchOf(almaly, "Оспанов Нұрлан, 1985")); hers.status != http.StatusCreated {
		t.Errorf("the same key of someone else: %d %s", hers.status, hers.body)
	}
}
