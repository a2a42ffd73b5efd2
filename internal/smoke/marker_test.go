package smoke_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/oapi-codegen/nullable"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/pg/embedded"
	"github.com/qorgau/qorgau/internal/push"
	gateway "github.com/qorgau/qorgau/internal/push/sms/standin"
	"github.com/qorgau/qorgau/pkg/client"
)

// No name stands anywhere but in sealed columns and in replies to those who may see it (architecture.md, position 7). Names
// are put in by every way there is, rightly and wrongly; things fail; then they are looked for in all that the service leaves
// behind. Half of it happens on a PostgreSQL whose operator logs every statement with its parameters, so that what is notified
// or asked is looked through too.
func TestNoNameIsLeftBehind(t *testing.T) {
	t.Parallel()
	dir := passableDir(t)
	if s, err := embedded.Start(t.Context(), embedded.Options{DataDir: dir, Getenv: os.Getenv, Settings: map[string]string{"log_statement": "all"}}); err == nil {
		_ = s.Stop(t.Context())
		t.Fatal("the embedded PostgreSQL lets an operator log statements")
	}
	place := &ownPlace{T: t, dir: dir}
	place.start()
	lit := &fuse{}
	tw := prepareTown(t, place.server.URL(), func(o *app.Options) { o.Config.MetricsAddr, o.Clock = "127.0.0.1:0", lit.now })
	wires := tapWires(tw)
	sent := &eavesdropper{next: tw.answers.next}
	tw.answers.next = sent
	tw.start()
	p := &planter{town: tw, find: newFinder(), place: place, wires: wires, fuse: lit}

	p.plant("on a silent PostgreSQL")
	p.placesByName()
	p.breakThings()
	p.searchFiles("the files before a checkpoint")

	place.stop(false)
	place.start()
	place.carelessly(tw.opts.Config.DatabaseURL.Reveal())
	p.plant("on a talkative PostgreSQL")
	p.breakThings()
	place.stop(true) // in the middle: what is not written down is replayed
	place.start()

	p.selfCheck()
	p.searchFiles("the files before a checkpoint")
	tw.exec("checkpoint")
	p.searchFiles("the files after a checkpoint")
	p.searchTables()
	p.searchLogs()
	p.searchTraffic(sent)
	for _, r := range p.find.reports {
		t.Errorf("LEFT BEHIND %s", r)
	}
	p.selfChecked()
	t.Logf("searched %d sinks, %d MB, %d markers × %d forms (%d writings): %d found", len(p.find.sinks), p.find.bytes>>20, len(p.find.marks)-1,
		len(p.find.forms), p.writings(), len(p.find.reports))
	for _, name := range slices.Sorted(maps.Keys(p.find.sinks)) {
		t.Logf("  %-34s %8d KB", name, p.find.sinks[name]>>10)
	}
}

// ownPlace is a PostgreSQL of this test alone, as careful with its data as a real one.
type ownPlace struct {
	*testing.T
	dir    string
	server *embedded.Server
}

// passableDir is a temporary directory that PostgreSQL's own user can pass, when we are root.
func passableDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "qm-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (o *ownPlace) start() {
	o.Helper()
	// What may be turned up is turned up; pages in the log of changes stay readable, so that a name in them would be seen.
	s, err := embedded.Start(o.Context(), embedded.Options{DataDir: o.dir, Getenv: os.Getenv, Settings: map[string]string{
		"wal_compression": "off", "log_connections": "on", "log_disconnections": "on", "log_checkpoints": "on", "log_lock_waits": "on",
		"log_temp_files": "0", "log_autovacuum_min_duration": "0", "log_line_prefix": "%m [%p] %q%u@%d %a ", "autovacuum_naptime": "5"}})
	if err != nil {
		o.Fatal(err)
	}
	o.server = s
	o.Cleanup(func() { _ = s.Stop(context.WithoutCancel(o.Context())) })
}

// stop ends it, cleanly or as a pulled plug does.
func (o *ownPlace) stop(pulled bool) {
	o.Helper()
	// Its last checkpoint waits for the disk, which the other tests of this package write to at the same time.
	ctx, cancel := context.WithTimeout(o.Context(), 2*time.Minute)
	defer cancel()
	if pulled {
		cancel() // then the stop is an immediate one, and says so
	}
	if err := o.server.Stop(ctx); err != nil && !pulled {
		o.Fatal(err)
	}
}

// carelessly sets for the database what an operator of a PostgreSQL of their own may have set.
func (o *ownPlace) carelessly(url string) {
	o.Helper()
	conn, err := pgx.Connect(o.Context(), url)
	if err != nil {
		o.Fatal(err)
	}
	defer func() { _ = conn.Close(o.Context()) }()
	for _, s := range []string{"log_statement = 'all'", "log_min_messages = 'info'", "log_min_error_statement = 'info'", "log_error_verbosity = 'verbose'",
		"log_parameter_max_length = -1", "log_parameter_max_length_on_error = -1", "log_min_duration_statement = 0", "log_duration = on"} {
		if _, err := conn.Exec(o.Context(), "alter database qorgau set "+s); err != nil {
			o.Fatal(err)
		}
	}
	// Connections that stand keep the old settings.
	if _, err := conn.Exec(o.Context(), "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = current_database()"); err != nil {
		o.Fatal(err)
	}
}

// eavesdropper keeps what the server answers.
type eavesdropper struct {
	next     http.RoundTripper
	mu       sync.Mutex
	problems map[int]int
	bodies   bytes.Buffer // of problems
	headers  bytes.Buffer // of all answers
}

var recordShown = regexp.MustCompile(`"current":\{.*\}`)

func (e *eavesdropper) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := e.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	e.mu.Lock()
	defer e.mu.Unlock()
	fmt.Fprintf(&e.headers, "%v\n", resp.Header)
	if resp.StatusCode >= 400 {
		if e.problems == nil {
			e.problems = map[int]int{}
		}
		e.problems[resp.StatusCode]++
		// With stale the record itself is shown, to someone who may see it.
		e.bodies.Write(recordShown.ReplaceAll(body, nil))
	}
	return resp, nil
}

// planter puts names in.
type planter struct {
	*town
	find  *finder
	place *ownPlace
	wires *wiretap
	fuse  *fuse
	n     int
	pass  string

	lawyer, operator, chief, second *staff
	held                            uuid.UUID // someone detained
	his                             string    // his name
}

// name makes a name that stands nowhere else, in Cyrillic, Kazakh or Latin letters in turn.
func (p *planter) name(way string) string {
	p.n++
	syllables := [][]string{{"ба", "ге", "ди", "ко", "му", "ни", "по", "ту"}, {"ға", "қе", "ңі", "ұқ", "үл", "өт", "әм", "жі"}, {"ba", "ge", "di", "ko", "mu", "ni", "po", "tu"}}
	s := syllables[p.n%3]
	middle := s[p.n/64%8] + s[p.n/8%8] + s[p.n%8]
	word := []string{"Маркер" + middle + "лова", "Қызметбел" + middle + "қожа", "Zhanmarker" + middle + "kova"}[p.n%3]
	whole := word + []string{" Сандуғаш", " Ақбөпе", " Sandugash"}[p.n%3]
	p.find.look(mark{way: way + ", " + p.pass, whole: whole, word: word})
	return whole
}

// digits is a phone number that stands nowhere else.
func (p *planter) phone(way string) string {
	p.n++
	number := fmt.Sprintf("7707%07d", 4815162+p.n*7919%1000000)
	p.find.look(mark{way: way + ", " + p.pass, whole: "+" + number, word: number})
	return "+" + number
}

func (p *planter) token(way string) string {
	p.n++
	token := fmt.Sprintf("markertoken-%s-%d", uuid.NewString(), p.n)
	p.find.look(mark{way: way + ", " + p.pass, whole: token, word: token})
	p.find.spared[token] = wireOf(push.FCM) // it is whom the push is for
	return token
}

// secret is one that stands nowhere in the clear; its hash is what is kept of it.
func (p *planter) secret(way, value string) {
	p.find.look(mark{way: way + ", " + p.pass, whole: value, word: value}, "plain", "hex", "base64")
}

func (p *planter) raw(names ...string) []json.RawMessage {
	var out []json.RawMessage
	for _, n := range names {
		out = append(out, json.RawMessage(p.written(n)))
	}
	return out
}

// plant puts names in by every way that takes them.
func (p *planter) plant(pass string) {
	p.Helper()
	p.pass = pass
	p.staff()
	p.detentions()
	p.searches()
	p.onEveryWire()
	p.bySMS()
	p.ladderOfStaff()
	p.decisions()
	p.texts()
	p.wrongly()
	p.readable()
}

func (p *planter) staff() {
	p.Helper()
	named := func(way string) func(*account.InviteRequest) {
		name := p.name(way)
		return func(r *account.InviteRequest) { r.Name = name }
	}
	p.chief = p.invited(account.Coordinator, named("name of an account made on the server"))
	p.second = p.invited(account.Coordinator)
	p.operator = p.invited(account.Operator)
	invited, err := p.chief.InviteAccountWithResponse(p.ctx, nil, api.AccountInvite{ClientID: uuid.New(), Name: p.name("name of an invited"), Role: "lawyer"})
	p.must(err)
	s, err := p.anyone().OpenSession(p.ctx, invited.JSON201.Invitation.Code, client.Installation{Name: p.name("name of a device"), Platform: "ios", PushToken: p.token("push token of a session")})
	p.must(err)
	me, err := s.GetMeWithResponse(p.ctx, nil)
	p.must(err)
	p.lawyer = &staff{Staff: s, town: p.town, me: me.JSON200.Account}
	kept, err := s.Credentials(p.ctx)
	p.must(err)
	p.secret("refresh token", kept.RefreshToken)
	p.secret("access token", p.lawyer.bearer())
	_, err = s.PutPushTokenWithResponse(p.ctx, nil, api.PushTokenPut{Token: p.token("push token that was put")})
	p.must(err)
	_, err = p.chief.PatchAccountWithResponse(p.ctx, me.JSON200.Account.ID, &api.PatchAccountParams{IfMatch: p.tag(me.JSON200.Account.Revision)}, api.AccountPatch{Name: ptr(p.name("new name of an account"))})
	p.must(err)
	locked, err := p.chief.InviteAccountWithResponse(p.ctx, nil, api.AccountInvite{ClientID: uuid.New(), Name: p.name("name of one who is locked"), Role: "operator"})
	p.must(err)
	_, err = p.chief.LockAccountWithResponse(p.ctx, locked.JSON201.Account.ID, nil, api.ReasonGiven{Reason: ptr(p.name("reason of a lock"))})
	p.must(err)
	_, err = p.chief.UnlockAccountWithResponse(p.ctx, locked.JSON201.Account.ID, nil, api.ReasonGiven{Reason: ptr(p.name("reason of an unlock"))})
	p.must(err)
}

func (p *planter) tag(revision int64) *string { return ptr(fmt.Sprintf(`"%d"`, revision)) }

func (p *planter) detentions() {
	p.Helper()
	p.his = p.name("name in a batch")
	b := api.DetentionBatch{DepartmentID: almaly, Detainees: []api.Detainee{
		{ClientID: uuid.New(), Name: &p.his, BirthYear: json.RawMessage("1981"), AlsoKnownAs: []string{p.name("other name in a batch")}, Note: ptr(p.name("note in a batch")),
			Description: ptr(p.name("description in a batch")), ReportedBy: ptr(p.name("reporter in a batch")),
			Consent: &api.Consent{Status: "asked", Basis: ptr(p.name("basis of consent in a batch"))}},
		{ClientID: uuid.New(), Description: ptr(p.name("description without a name")), BirthYear: p.raw(p.name("birth year that is a name"))[0], Sex: p.raw(p.name("sex that is a name"))[0],
			TakenAt: p.raw(p.name("time that is a name"))[0], Source: p.raw(p.name("source that is a name"))[0], Citizenship: p.raw(p.name("citizenship that is a name"))[0],
			Needs: json.RawMessage("[" + p.written(p.name("need that is a name")) + "]"), DoNotTell: []string{p.name("who must not be told")}},
	}}
	out := p.lawyer.logsBatch(&b)
	p.held = out[0].DetentionID
	again := b.Detainees[0]
	again.Name = ptr(p.name("name in a repeat with other content"))
	p.lawyer.logsBatch(&api.DetentionBatch{DepartmentID: almaly, Detainees: []api.Detainee{again}})

	r, err := p.lawyer.GetDetentionWithResponse(p.ctx, p.held, nil)
	p.must(err)
	etag := client.ETag(r.HTTPResponse)
	patch := fmt.Sprintf(`{"also_known_as": [%s], "note": %s, "description": %s, "reported_by": %s, "citizenship": %s, "consent": {"status": "asked", "basis": %s}}`,
		p.quoted("corrected other name"), p.quoted("corrected note"), p.quoted("corrected description"), p.quoted("corrected reporter"), p.quoted("corrected citizenship"), p.quoted("corrected basis of consent"))
	p.expect(200, p.ask("PATCH", "/v1/detentions/"+p.held.String(), p.lawyer.bearer(), patch, "If-Match", etag))
	p.expect(412, p.ask("PATCH", "/v1/detentions/"+p.held.String(), p.lawyer.bearer(), `{"name": `+p.quoted("name in a stale correction")+`}`, "If-Match", etag))
	p.expect(200, p.ask("PATCH", "/v1/detentions/"+out[1].DetentionID.String(), p.lawyer.bearer(), `{"name": `+p.quoted("corrected name")+`, "do_not_tell": [`+p.quoted("corrected who must not be told")+`]}`, "If-Match", `"1"`))
	for _, kind := range []api.EventKind{"arrived", "complaint_filed"} {
		_, err := p.lawyer.AddEventWithResponse(p.ctx, p.held, nil, api.EventAdd{ClientID: uuid.New(), Kind: kind, HappenedAt: time.Now(), Source: "seen",
			Place: ptr(p.name("place of an event")), Note: ptr(p.name("note of an event"))})
		p.must(err)
	}
	_, err = p.lawyer.AddObservationWithResponse(p.ctx, p.held, nil, api.ObservationAdd{ClientID: uuid.New(), Item: "TOILET_ACCESS", Value: "breached", Note: ptr(p.name("note of an answer"))})
	p.must(err)
	p.expect(201, p.ask("POST", "/v1/departments/"+almaly.String()+"/access-reports", p.lawyer.bearer(), `{"client_id": "`+uuid.NewString()+
		`", "status": "fortress", "pretext": `+p.quoted("pretext at a door")+`, "note": `+p.quoted("note on a door")+`}`))
	p.expect(201, p.ask("POST", "/v1/obstructions", p.lawyer.bearer(), `{"client_id": "`+uuid.NewString()+`", "department_id": "`+almaly.String()+
		`", "code": "ENTRY_REFUSED", "at": "2026-01-01T00:00:00Z", "officer": `+p.quoted("officer at a door")+`, "badge": `+p.quoted("badge at a door")+`, "note": `+p.quoted("note on an officer")+`}`))
	p.exports()
	p.day()
	p.help()
	p.expect(400, p.ask("POST", "/v1/detentions/"+p.held.String()+"/observations", p.lawyer.bearer(), `{"client_id": "`+uuid.NewString()+`", "item": "TOILET_ACCESS", "value": "observed", "at": `+p.quoted("time of an answer")+`}`))
	_, err = p.lawyer.ListObservationsWithResponse(p.ctx, p.held, nil)
	p.must(err)
	_, err = p.operator.RecordInquiryWithResponse(p.ctx, almaly, nil, api.InquiryAdd{ClientID: uuid.New(), Name: ptr(p.name("name asked of a department")),
		Answer: "denied", SpokeTo: ptr(p.name("who answered at a department")), Note: ptr(p.name("note of an inquiry"))})
	p.must(err)
	p.expect(400, p.ask("POST", "/v1/departments/"+almaly.String()+"/inquiries", p.operator.bearer(), `{"client_id": "`+uuid.NewString()+`", "answer": `+p.quoted("answer of an inquiry")+`}`))
	_, err = p.operator.ListInquiriesWithResponse(p.ctx, almaly, nil)
	p.must(err)
	for _, who := range []*staff{p.lawyer, p.operator} {
		q := p.name("name asked for in a list")
		_, err := who.ListDetentionsWithResponse(p.ctx, &api.ListDetentionsParams{Q: &q})
		p.must(err)
	}
	_, err = p.chief.PlantCanaryWithResponse(p.ctx, nil, api.CanaryPlant{ClientID: uuid.New(), Name: p.name("name of a canary"), DepartmentID: almaly})
	p.must(err)
}

// exports has evidence leave the house, in every form: officers and pretexts stand in it, and nowhere else.
func (p *planter) exports() {
	p.Helper()
	var made struct{ ID uuid.UUID }
	a := p.ask("POST", "/v1/exports", p.chief.bearer(), `{"client_id": "`+uuid.NewString()+`", "department_id": "`+almaly.String()+`", "from": "2025-12-01T00:00:00Z", "to": "`+
		time.Now().UTC().Format(time.RFC3339Nano)+`"}`)
	p.expect(201, a)
	p.must(json.Unmarshal(a.body, &made))
	p.expect(200, p.ask("POST", "/v1/exports/"+made.ID.String()+"/decision", p.second.bearer(), `{"decision": "approve"}`))
	for _, format := range []string{"json", "csv", "pdf"} {
		p.expect(200, p.ask("GET", "/v1/exports/"+made.ID.String()+"/evidence?format="+format, p.chief.bearer(), ""))
	}
}

// day prepares it: what a lawyer can do is kept, and their shifts stand in a calendar. Its address is a secret that travels in URLs, as it must, and lies
// nowhere else.
func (p *planter) day() {
	p.Helper()
	account := "/v1/accounts/" + p.lawyer.me.ID.String()
	revision := func() string {
		r, err := p.lawyer.GetMeWithResponse(p.ctx, nil)
		p.must(err)
		return *p.tag(r.JSON200.Account.Revision)
	}
	p.expect(200, p.ask("PUT", account+"/credentials", p.lawyer.bearer(), `{"bar_number": `+p.quoted("bar number")+`, "languages": ["kk"], "minors": true, "migrants": true, "training": {"certificate": `+
		p.quoted("certificate")+`, "issued_on": "2026-01-01"}}`, "If-Match", revision()))
	p.expect(400, p.ask("PUT", account+"/credentials", p.lawyer.bearer(), `{"languages": [`+p.quoted("language")+`], "minors": true, "migrants": true}`, "If-Match", revision()))
	minted, err := p.lawyer.MintCalendarFeedWithResponse(p.ctx, &api.MintCalendarFeedParams{IdempotencyKey: ptr(uuid.NewString())})
	p.must(err)
	address := minted.JSON201.Path
	secret := strings.Split(address, "/")[3]
	p.secret("address of a calendar", secret)
	p.find.spared[secret] = "URLs of requests"
	p.expect(200, p.ask("GET", address, "", ""))
	p.expect(404, p.askAnything("GET", "/v1/calendars/"+url.PathEscape(p.name("address that is a name"))+"/shifts.ics", "", ""))
}

// help asks lawyers to come, has families called, and takes back what one reported.
func (p *planter) help() {
	p.Helper()
	p.expect(201, p.ask("POST", "/v1/dispatches", p.chief.bearer(), `{"client_id": "`+uuid.NewString()+`", "department_id": "`+almaly.String()+
		`", "account_ids": ["`+p.lawyer.me.ID.String()+`"], "off_duty": true, "note": `+p.quoted("note of a call for a lawyer")+`}`))
	p.expect(200, p.ask("GET", "/v1/board", p.chief.bearer(), ""))
	p.expect(200, p.ask("GET", "/v1/dispatch-suggestions?department_id="+almaly.String(), p.chief.bearer(), ""))
	p.expect(201, p.ask("POST", "/v1/timers", p.lawyer.bearer(), `{"client_id": "`+uuid.NewString()+`", "until": "`+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`", "note": `+p.quoted("note of a timer")+`}`))
	p.expect(201, p.ask("POST", "/v1/alarms", p.lawyer.bearer(), `{"client_id": "`+uuid.NewString()+`", "test": true, "note": `+p.quoted("note of an alarm")+`}`))
	p.detained()
	p.forced()
	p.expect(201, p.ask("POST", "/v1/check-ins", p.lawyer.bearer(), `{"client_id": "`+uuid.NewString()+`", "department_id": "`+almaly.String()+`", "lat": 43.25, "lon": 76.9}`))
	p.expect(400, p.ask("POST", "/v1/shifts", p.chief.bearer(), `{"shifts": [{"client_id": "`+uuid.NewString()+`", "account_id": "`+uuid.NewString()+`", "city": `+p.quoted("city of a shift")+`, "starts_at": "2026-01-01T00:00:00Z", "ends_at": "2026-01-01T01:00:00Z"}]}`))
	for _, path := range []string{"/v1/shifts", "/v1/timers", "/v1/alarms", "/v1/calls", "/v1/dispatches", "/v1/changes"} {
		p.expect(200, p.ask("GET", path, p.chief.bearer(), ""))
	}
	search := p.town.searches(p.name("name of who is called about")).Key().ID
	call := uuid.New()
	p.exec(`insert into calls (id, organisation_id, search_id, not_before, created_at, updated_at) values ($1, $2, $3, now(), now(), now())`, call, p.operator.me.OrganisationID, search)
	p.expect(200, p.ask("POST", "/v1/calls/"+call.String()+"/report", p.operator.bearer(), `{"outcome": "no_answer", "note": `+p.quoted("note of a call")+`}`))
	impostor := p.invited(account.Lawyer)
	impostor.logs(almaly, p.name("name that an impostor logged"))
	p.expect(202, p.ask("POST", "/v1/accounts/"+impostor.me.ID.String()+"/retract-reports", p.chief.bearer(), `{"client_id": "`+uuid.NewString()+`", "reason": `+p.quoted("reason of a retraction of reports")+`}`))
}

// detained has lawyers taken, as their phones and a coordinator say: one is confirmed, one refused, one left open.
func (p *planter) detained() {
	p.Helper()
	for _, decision := range []string{"confirm", "refuse", ""} {
		taken := p.invited(account.Lawyer)
		a := p.ask("POST", "/v1/alarms", taken.bearer(), `{"client_id": "`+uuid.NewString()+`", "note": `+p.quoted("note of an alarm of who is detained, to "+decision)+`}`)
		p.expect(201, a)
		var made struct{ ID uuid.UUID }
		p.must(json.Unmarshal(a.body, &made))
		path := "/v1/alarms/" + made.ID.String()
		p.expect(200, p.ask("POST", path+"/detention", p.chief.bearer(), `{"department_id": "`+almaly.String()+`", "name": `+p.quoted("name of a lawyer who is detained, to "+decision)+`}`))
		switch decision {
		case "confirm":
			p.expect(200, p.ask("POST", path+"/detention/confirm", p.chief.bearer(), `{"name": `+p.quoted("name of a lawyer whose detention is confirmed")+`}`))
		case "refuse":
			p.expect(200, p.ask("POST", path+"/detention/refuse", p.chief.bearer(), ""))
		}
		p.expect(200, p.ask("GET", path, p.chief.bearer(), ""))
	}
}

// forced has a lawyer set PINs, and be made to open the app; and a buddy lock them.
func (p *planter) forced() {
	p.Helper()
	w := &watched{staff: p.invited(account.Lawyer, func(r *account.InviteRequest) { r.Name = p.name("name of who is made to open the app") })}
	w.token = w.bearer()
	pins := [3]string{}
	for i, way := range []string{"a PIN", "a PIN for duress", "a wrong PIN"} {
		for range 12 {
			pins[i] += string(rune('0' + rand.IntN(10)))
		}
		p.secret(way, pins[i])
	}
	w.expect(204, w.says("PUT", "/v1/me/pin", fmt.Sprintf(`{"pin":%q,"duress_pin":%q}`, pins[0], pins[1])))
	w.arrives(almaly)
	w.expect(403, w.enters(pins[2]))
	w.expect(200, w.enters(pins[0]))
	w.expect(200, w.enters(pins[1]))
	w.expect(200, w.says("GET", "/v1/detentions", ""))
	var code api.BuddyCode
	p.must(json.Unmarshal(w.expect(201, w.says("POST", "/v1/me/buddy-code", "")).body, &code))
	p.secret("a buddy's code", code.Code)
	p.secret("a buddy's code, as it is read", strings.ReplaceAll(code.Code, "-", ""))
	p.expect(204, p.ask("POST", "/v1/locks", "", fmt.Sprintf(`{"code":%q}`, code.Code)))
}

func (p *planter) quoted(way string) string { return p.written(p.name(way)) }

func (p *planter) searches() {
	p.Helper()
	token, year := p.token("push token of a search"), 1981
	wife, err := p.anyone().StartSearch(p.ctx, api.SearchCreate{Name: p.his, AlsoKnownAs: []string{p.name("other name in a search")}, BirthYear: &year, Language: ptr(api.Language("kk")),
		Relation: ptr(p.name("relation in a search")), CallNote: ptr(p.name("call note in a search")), Channels: []api.ChannelAdd{{Kind: "fcm", Token: &token}, {Kind: "call", Phone: ptr(p.phone("phone of a search")), Understood: ptr(true)}}})
	p.must(err)
	p.secret("secret of a search", wife.Key().Secret)
	p.eventually("the push for his wife", func() bool { return (&family{town: p.town, token: token}).pushes("match") != nil })
	_, err = wife.Change(p.ctx, api.SearchPatch{Name: ptr(p.name("new name in a search")), Relation: nullable.NewNullableWithValue(p.name("new relation in a search")),
		CallNote: nullable.NewNullableWithValue(p.name("new call note in a search"))})
	p.must(err)
	p.must(wife.TellMe(p.ctx, api.ChannelAdd{Kind: "call", Phone: ptr(p.phone("new phone of a search")), Understood: ptr(true)}, api.ChannelAdd{Kind: "fcm", Token: ptr(p.token("new push token of a search"))}))
	_, err = wife.Close(p.ctx, p.name("reason of a closing"))
	p.must(err)

	gone, err := p.anyone().StartSearch(p.ctx, api.SearchCreate{Name: p.name("name in a search that is erased"), Language: ptr(api.Language("ru")), Channels: []api.ChannelAdd{{Kind: "fcm", Token: ptr(p.token("push token of a search that is erased"))}}})
	p.must(err)
	_, err = gone.Erase(p.ctx)
	p.must(err)
	_, err = p.operator.CreateSearchWithResponse(p.ctx, nil, api.SearchCreate{ClientID: uuid.New(), Secret: client.NewSearchKey().Secret, Name: p.name("name in a caller's search"), Language: ptr(api.Language("en")),
		Channels: []api.ChannelAdd{{Kind: "call", Phone: ptr(p.phone("phone of a caller"))}}})
	p.must(err)
}

func (p *planter) decisions() {
	p.Helper()
	name := p.name("name that two records hold")
	b := batchOf(almaly, name+", 1975")
	b.Detainees[0].DoNotTell = []string{p.name("another who must not be told")}
	d := p.lawyer.logsBatch(&b)[0].DetentionID
	f := p.town.searches(name + ", 1975")
	var match uuid.UUID
	p.eventually("a match that waits", func() bool {
		r, err := p.operator.ListMatchesWithResponse(p.ctx, nil)
		p.must(err)
		for _, m := range r.JSON200.Items {
			if m.DetentionID == d && m.SearchID == f.Key().ID {
				match = m.ID
			}
		}
		return match != uuid.Nil
	})
	_, err := p.operator.DecideMatchWithResponse(p.ctx, match, nil, api.MatchDecision{Decision: "confirm", Reason: p.name("reason of a decision")})
	p.must(err)
	f.expectNotice("match")
	_, err = p.operator.DecideMatchWithResponse(p.ctx, match, nil, api.MatchDecision{Decision: "retract", Reason: p.name("reason of a retraction")})
	p.must(err)
	twice := p.lawyer.logs(almaly, p.name("name logged once"), p.name("name logged twice"))
	one, two := "/v1/detentions/"+twice[0].DetentionID.String(), "/v1/detentions/"+twice[1].DetentionID.String()
	chief, id := p.chief.bearer(), uuid.NewString
	p.expect(201, p.ask("POST", one+"/merge", chief, `{"client_id": "`+id()+`", "other_id": "`+twice[1].DetentionID.String()+`", "reason": `+p.quoted("reason of a merge")+`}`))
	p.expect(201, p.ask("POST", two+"/unmerge", chief, `{"client_id": "`+id()+`", "reason": `+p.quoted("reason of its undoing")+`}`))
	p.expect(204, p.ask("POST", one+"/duplicates/"+p.held.String()+"/reject", chief, `{"reason": `+p.quoted("reason why two are two")+`}`))
	hold := uuid.New()
	p.exec(`insert into holds (id, organisation_id, reporter_id, state, opened_at) values ($1, $2, $3, 'open', now())`, hold, p.lawyer.me.OrganisationID, p.lawyer.me.ID)
	_, err = p.second.DecideHoldWithResponse(p.ctx, hold, nil, api.HoldDecision{Decision: "reject", Reason: p.name("reason of a decision on a hold")})
	p.must(err)
}

func (p *planter) expect(status int, a answer) {
	p.Helper()
	if a.status != status {
		p.Errorf("answered %d, want %d: %s", a.status, status, a.body)
	}
}

// wrongly puts names where they do not belong.
func (p *planter) wrongly() {
	p.Helper()
	lawyer, chief, new := p.lawyer.bearer(), p.chief.bearer(), uuid.NewString
	q := p.quoted
	batch := `{"department_id": "` + almaly.String() + `", "detainees": [{"client_id": "` + new() + `", "name": `
	search := `{"client_id": "` + new() + `", "secret": "` + strings.Repeat("q", 43) + `", "language": "ru", "name": `
	long := strings.Repeat(p.name("name in a body that is too long")+" ", 60000)
	for _, w := range []struct {
		status             int
		method, path, body string
	}{
		{400, "POST", "/v1/detentions/batch", batch + q("name in broken JSON")},
		{400, "POST", "/v1/detentions/batch", batch + `[` + q("name of a wrong type") + `]}]}`},
		{400, "POST", "/v1/detentions/batch", batch + q("name beside an unknown field") + `, ` + q("unknown field") + `: 1}]}`},
		{400, "POST", "/v1/detentions/batch", batch + p.written(strings.Repeat(p.name("name that is too long"), 20)) + `}]}`},
		{400, "POST", "/v1/detentions/batch", `{"department_id": ` + q("department that is a name") + `, "detainees": []}`},
		{400, "POST", "/v1/detentions/batch", strings.Replace(batch, almaly.String(), new(), 1) + q("name in an unknown department") + `}]}`},
		{413, "POST", "/v1/detentions/batch", batch + p.written(long) + `}]}`},
		{400, "POST", "/v1/searches", search + `{"x": ` + q("name of a wrong type in a search") + `}}`},
		{400, "POST", "/v1/searches", search + p.written(p.name("one word in a search")[:20]) + `, "city": ` + q("city that is a name") + `}`},
		{400, "POST", "/v1/searches", search + q("name beside a wrong secret") + `, "secret": ` + q("secret that is a name") + `}`},
		{400, "POST", "/v1/accounts", `{"client_id": "` + new() + `", "name": ` + q("name of an invited of no role") + `, "role": ` + q("role that is a name") + `}`},
		{400, "POST", "/v1/sessions", `{"invitation": "x", "device": {"name": ` + q("device of nobody") + `, "platform": ` + q("platform that is a name") + `}}`},
		{401, "POST", "/v1/sessions", `{"invitation": ` + p.written(p.name("code that is a name")) + `, "device": {"name": ` + q("device without a code") + `, "platform": "web"}}`},
		{404, "PATCH", "/v1/detentions/" + new(), `{"name": ` + q("name in a correction of nobody") + `}`},
		{404, "POST", "/v1/detentions/" + new() + "/events", `{"client_id": "` + new() + `", "kind": "arrived", "happened_at": "2026-01-01T00:00:00Z", "source": "seen", "note": ` + q("note on nobody") + `}`},
		{404, "POST", "/v1/matches/" + new() + "/decision", `{"decision": "confirm", "reason": ` + q("reason for no match") + `}`},
	} {
		by := lawyer
		if strings.Contains(w.path, "accounts") || strings.Contains(w.path, "matches") {
			by = chief
		}
		if w.path == "/v1/searches" {
			by = ""
		}
		p.expect(w.status, p.askAnything(w.method, w.path, by, w.body, "If-Match", `"1"`))
	}
	p.misdirected(lawyer)
	p.clashes(lawyer, batch)
}

// misdirected puts names into paths, queries and headers.
func (p *planter) misdirected(lawyer string) {
	p.Helper()
	in := func(way string) string { return url.QueryEscape(p.name(way)) }
	p.expect(400, p.askAnything("GET", "/v1/detentions/"+in("name in a path"), lawyer, ""))
	p.expect(404, p.askAnything("GET", "/v1/"+in("name in an unknown path"), lawyer, ""))
	p.expect(405, p.askAnything("DELETE", "/v1/detentions?q="+in("name in the query of a wrong method"), lawyer, ""))
	p.expect(400, p.askAnything("GET", "/v1/detentions?"+in("name of a parameter")+"=1", lawyer, ""))
	p.expect(400, p.askAnything("GET", "/v1/detentions?state="+in("state that is a name"), lawyer, ""))
	p.expect(400, p.askAnything("GET", "/v1/detentions?cursor="+in("cursor that is a name"), lawyer, ""))
	p.expect(400, p.askAnything("GET", "/v1/detentions?department_id="+in("department that is asked for by name"), lawyer, ""))
	p.expect(400, p.askAnything("GET", "/v1/matches?q="+in("name asked for where none is"), lawyer, ""))
	p.expect(401, p.askAnything("GET", "/v1/me", in("token that is a name"), ""))
	p.expect(401, p.askAnything("GET", "/v1/me", "a."+p.name("token that holds a name")+".c", ""))
	p.expect(200, p.askAnything("GET", "/v1/me", lawyer, "", "Accept-Language", p.name("language that is a name"), "User-Agent", p.name("app that is a name"),
		"X-Forwarded-For", p.name("address that is a name"), "X-Request-Id", p.name("request id that is a name"), "Referer", "/"+p.name("referer that is a name"), "If-None-Match", `"`+p.name("etag that is a name")+`"`))
	p.expect(400, p.askAnything("POST", "/v1/detentions/batch", lawyer, `{"department_id": "`+almaly.String()+`", "detainees": []}`, "Idempotency-Key", p.name("key that is a name")))
	p.expect(415, p.askAnything("POST", "/v1/detentions/batch", lawyer, p.name("body that is no JSON"), "Content-Type", "text/"+in("media type that is a name")))
}

// clashes repeats what was sent with something else in it.
func (p *planter) clashes(lawyer, batch string) {
	p.Helper()
	key := uuid.NewString()
	p.expect(201, p.ask("POST", "/v1/detentions/batch", lawyer, batch+p.quoted("name under a key")+`}]}`, "Idempotency-Key", key))
	p.expect(422, p.ask("POST", "/v1/detentions/batch", lawyer, batch+p.quoted("another name under the same key")+`}]}`, "Idempotency-Key", key))
	theirs := client.NewSearchKey()
	body := func(secret, name string) string {
		return p.written(api.SearchCreate{ClientID: theirs.ClientID, Secret: secret, Name: name, Language: ptr(api.Language("ru"))})
	}
	p.expect(201, p.ask("POST", "/v1/searches", "", body(theirs.Secret, p.name("name in a search of one"))))
	p.expect(409, p.ask("POST", "/v1/searches", "", body(client.NewSearchKey().Secret, p.name("name in a search of another"))))
	p.expect(428, p.ask("PATCH", "/v1/detentions/"+p.held.String(), lawyer, `{"name": `+p.quoted("name in a correction without a version")+`}`))
	p.expect(400, p.ask("POST", "/v1/detentions/"+p.held.String()+"/events", lawyer, `{"client_id": "`+uuid.NewString()+`", "kind": "moved", "to_department_id": "`+uuid.NewString()+
		`", "happened_at": "2026-01-01T00:00:00Z", "source": "seen", "note": `+p.quoted("note on a move to nowhere")+`}`))
}

// texts sends names and codes by SMS, of people held elsewhere than all others of this test, since the answer to a lawyer says where: in a report that is confirmed, in one that is refused, in one without a place, with a wrong code, and from nobody.
func (p *planter) texts() {
	p.Helper()
	number, stranger := p.phone("number of a lawyer"), p.phone("number of somebody who writes")
	for _, n := range []string{number, stranger} {
		p.find.spared[strings.TrimPrefix(n, "+")] = wireOf(push.SMS) // it is whom the answer is for
	}
	codes := p.chief.sheetOf(p.lawyer, number)
	p.sheet(codes)
	report := func(way, place string) string {
		code := codes[0]
		codes = codes[1:]
		return code + " " + place + "\n" + p.name("name in "+way) + " 1977\n" + p.name("another name in "+way) + " 2009 ж н " + p.name("unclear piece in "+way)
	}
	for _, m := range []gateway.Said{
		{From: number, Text: report("an SMS that is confirmed", "UP-75-MEDEU")}, {From: number, Text: report("an SMS that is refused", "UP-75-MEDEU")},
		{From: number, Text: report("an SMS without a place", "UP-99")}, {From: number, Text: "K7T4X2M UP-75-MEDEU\n" + p.name("name in an SMS with a wrong code")},
		{From: stranger, Text: p.name("name in a stranger's SMS")}, {From: stranger, Text: "СТАТУС " + p.name("name where a code should stand")},
		{From: stranger, Text: "СТОП " + p.name("name behind a stop word")},
	} {
		p.brings(p.wires.texts, m, http.StatusNoContent)
	}
	forged := gateway.Said{From: stranger, Text: p.name("name in a forged SMS"), Forged: true}
	p.brings(p.wires.texts, forged, http.StatusUnauthorized)
	unknown := `{"id": "x", "at": "2026-07-01T12:00:00Z", "from": ` + p.quoted("name for a number") + `, "text": ` + p.quoted("name in an SMS that cannot be read") + `}`
	p.expect(400, p.ask("POST", "/v1/sms", "", unknown, "Qorgau-Signature", gateway.Signature("0123456789abcdef", unknown, time.Now())))
	p.eventually("the reports", func() bool { return len(p.chief.textReports()) == 3 })
	placed := []string{`{"decision": "refuse"}`, `{"decision": "confirm"}`}
	for _, r := range p.chief.textReports() { // in whichever order they were worked
		decision := `{"decision": "confirm", "department_id": "` + medeu.String() + `"}`
		if r.DepartmentID != nil {
			decision, placed = placed[0], placed[1:]
		}
		p.expect(200, p.ask("POST", "/v1/sms-reports/"+r.ID.String()+"/decision", p.chief.bearer(), decision))
	}
	p.eventually("answers", func() bool { return p.count("select count(*) from sms_messages where state <> 'over'") == 0 })
}

// placesByName asks the directory. It holds no people and its questions are not sealed from the database, so this is done on
// the PostgreSQL that keeps questions to itself.
func (p *planter) placesByName() {
	p.Helper()
	q := p.name("name asked for in the directory")
	_, err := p.lawyer.ListDepartmentsWithResponse(p.ctx, &api.ListDepartmentsParams{Q: &q})
	p.must(err)
}

// breakThings lets requests and jobs fail with names in them: a table that is gone, a row that breaks a rule, a connection
// that is killed, no database at all.
func (p *planter) breakThings() {
	p.Helper()
	p.panics()
	lawyer := p.lawyer.bearer()
	log := func(way string) answer {
		return p.ask("POST", "/v1/detentions/batch", lawyer, p.written(batchOf(almaly, p.name(way))))
	}
	for _, table := range []string{"detentions", "detention_events"} {
		p.exec("alter table " + table + " rename to hidden")
		p.expect(500, log("name while "+table+" is gone"))
		p.exec("alter table hidden rename to " + table)
	}
	p.exec("alter table detentions add constraint nobody check (recorded_at < '2020-01-01') not valid")
	p.expect(500, log("name in a row that breaks a rule"))
	p.exec("alter table detentions drop constraint nobody")

	// A job that fails: it comes back a second later.
	p.exec("alter table matches rename to hidden")
	name := p.name("name while matches is gone")
	p.lawyer.logs(almaly, name+", 1966")
	f := p.town.searches(name + ", 1966")
	p.eventually("a job to fail", func() bool {
		return p.count("select count(*) from river_job where cardinality(errors) > 0 and finalized_at is null") > 0
	})
	p.exec("alter table hidden rename to matches")
	f.expectNotice("match")

	// A killed connection: PostgreSQL says what it was at, and starts anew.
	var pid int
	p.sql(func(tools *app.Tools) error {
		return tools.DB.Pool.QueryRow(p.ctx, "select pid from pg_stat_activity where application_name = 'qorgau' and pid <> pg_backend_pid() and state = 'idle' limit 1").Scan(&pid)
	})
	p.must(syscall.Kill(pid, syscall.SIGKILL))
	again := p.written(batchOf(almaly, p.name("name while PostgreSQL starts anew")))
	p.eventually("PostgreSQL to come back", func() bool { return p.ask("POST", "/v1/detentions/batch", lawyer, again).status == 201 })
}

// readable proves that the names went in: those who may read them do.
func (p *planter) readable() {
	p.Helper()
	a := p.ask("GET", "/v1/detentions?limit=100", p.chief.bearer(), "")
	b := p.ask("GET", "/v1/searches?limit=100", p.chief.bearer(), "")
	c := p.ask("GET", "/v1/accounts?limit=100", p.chief.bearer(), "")
	seen := 0
	for _, m := range p.find.marks {
		if strings.HasSuffix(m.way, p.pass) && bytes.Contains(slices.Concat(a.body, b.body, c.body), []byte(m.whole)) {
			seen++
		}
	}
	if seen < 25 {
		p.Errorf("only %d of the names that were put in %s can be read by who may", seen, p.pass)
	}
}

func (p *planter) writings() (n int) {
	for _, w := range p.find.wanted {
		n += len(w)
	}
	return n
}

var selfWord = mark{way: "itself", whole: "Өзінтексерген Саматқызы", word: "Өзінтексерген"}

// selfCheck leaves one name behind on purpose, in every form.
func (p *planter) selfCheck() {
	p.Helper()
	p.find.look(selfWord)
	p.find.spared[selfWord.word] = everywhere
	p.exec("create table scratch (form text, writing bytea, said text)")
	p.blab()
	p.seenWords()
	for form, texts := range selfWord.forms() {
		for _, s := range texts {
			p.exec("insert into scratch values ($1, $2, $3)", form, []byte(s), strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), ""))
			p.opts.Log.Debug("self-check", "writing", s)
		}
	}
}

// selfChecked holds that it was found, and takes it out of the count.
func (p *planter) selfChecked() {
	p.Helper()
	for form := range selfWord.forms() {
		for _, sink := range []string{"the files before a checkpoint", "the files after a checkpoint"} {
			if !p.find.found[sink+"|itself|"+form] {
				p.Errorf("the search is blind: %s of a name was left in %s and not found", form, sink)
			}
		}
	}
	for _, sink := range []string{"the tables", "our log"} {
		if !p.find.found[sink+"|itself|plain"] {
			p.Errorf("the search is blind: a name was left in %s and not found", sink)
		}
	}
	p.blabbed()
	p.sawWords()
}

func (p *planter) searchFiles(sink string) {
	p.Helper()
	p.must(filepath.WalkDir(p.place.dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && !entry.Type().IsRegular() {
			return nil // files come and go
		}
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && !strings.HasPrefix(filepath.Base(path), "postgres.log") {
			p.find.search(sink, strings.TrimPrefix(path, p.place.dir), data)
		}
		return err
	}))
}

func (p *planter) searchTables() {
	p.Helper()
	p.sql(func(tools *app.Tools) error {
		rows, err := tools.DB.Pool.Query(p.ctx, "select relname from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public' and relkind in ('r', 'p', 'm', 'v') order by 1")
		if err != nil {
			return err
		}
		tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, table := range append(tables, "pg_stat_activity", "pg_stats", "pg_settings") {
			sink := "the tables"
			if table == "river_job" {
				sink = "jobs"
			}
			rows, err := tools.DB.Pool.Query(p.ctx, "select row_to_json(t)::text from "+table+" t")
			if err != nil {
				return err
			}
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				return err
			}
			for _, line := range lines {
				p.find.search(sink, table, []byte(line))
			}
		}
		return nil
	})
}

var metricsAt = regexp.MustCompile(`"msg":"metrics","addr":"([^"]+)"`)

func (p *planter) searchLogs() {
	p.Helper()
	ours := p.logs.String()
	p.find.search("our log", "debug", []byte(ours))
	talked := false // a log that grew is put aside at the next start: either holds what was said
	for _, path := range []string{p.place.server.LogFile(), p.place.server.LogFile() + ".old"} {
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		p.must(err)
		p.find.search("PostgreSQL's log", filepath.Base(path), data)
		talked = talked || bytes.Contains(data, []byte("insert into detentions")) && bytes.Contains(data, []byte("parameters: $1 = "))
	}
	if !talked {
		p.Error("PostgreSQL's log was to hold statements and parameters, and does not")
	}
	at := metricsAt.FindStringSubmatch(ours)
	if at == nil {
		p.Fatal("the log does not say where the metrics are")
	}
	resp, err := http.Get("http://" + at[1] + "/metrics")
	p.must(err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	p.must(err)
	if !bytes.Contains(text, []byte("qorgau_http_request_seconds")) {
		p.Error("the metrics hold no requests")
	}
	p.find.search("metrics", "/metrics", text)
}

func (p *planter) searchTraffic(sent *eavesdropper) {
	p.Helper()
	p.searchWires()
	// What is asked for by name stands after q=, by the contract; what was misdirected on purpose went another way.
	for _, u := range p.answers.seen() {
		p.find.search("URLs of requests", "", regexp.MustCompile(`\bq=[^&]*`).ReplaceAll([]byte(u), nil))
	}
	sent.mu.Lock()
	defer sent.mu.Unlock()
	p.find.search("bodies of problems", "", sent.bodies.Bytes())
	p.find.search("headers of answers", "", sent.headers.Bytes())
	for _, status := range []int{400, 401, 404, 405, 409, 412, 413, 415, 422, 428, 500} {
		if sent.problems[status] == 0 {
			p.Errorf("no answer was a %d: the ways of failing are not all tried", status)
		}
	}
}
