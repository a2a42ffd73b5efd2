package smoke_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/department"
)

// The world in which the table is tried: four organisations, two cities, someone of each role and in each state, and one
// thing of each kind in each place.

// Organisations, as one of `ours` sees them.
const (
	ours      = "ours"
	theirs    = "theirs"    // shares nothing
	shared    = "shared"    // shares everything with ours
	elsewhere = "elsewhere" // shares Astana with ours, and nothing else
)

// Cities: `ours` have grants for Almaty; Astana is outside. Nowhere is a search that names no city.
const (
	almaty  = "almaty"
	outside = "astana"
	nowhere = ""
)

// Columns of the table. The last two are for people whose rights are gone: whoever comes without a proof that holds gets
// 401 everywhere, and who holds no grant in force gets 403.
const (
	lawyerColumn = iota
	operatorColumn
	coordinatorColumn
	adminColumn
	relativeColumn
	grantlessColumn
	unprovenColumn
)

// actor is someone who tries.
type actor struct {
	name    string
	column  int
	org     string
	cities  []string // none: every city
	bearer  string
	self    *staff // whose token it is; none for who has another proof
	account uuid.UUID
	strange bool // comes without any proof: may do what anyone may
	locks   bool // may lock themself at the end
}

func (a *actor) in(city string) bool {
	if len(a.cities) == 0 || city == nowhere {
		return true
	}
	for _, c := range a.cities {
		if c == city {
			return true
		}
	}
	return false
}

// renew takes a fresh token before the old one ends: the trial may last longer than a token. Who lost the right to one keeps the old.
func (a *actor) renew(ctx context.Context) {
	if a.self == nil {
		return
	}
	if token, err := a.self.AccessToken(ctx); err == nil {
		a.bearer = token
	}
}

// thing is what is tried.
type thing struct {
	name      string
	id        uuid.UUID
	org, city string
	about     string    // for a match: the city of the search
	searcher  string    // for a match: the organisation of the search
	place     uuid.UUID // a department
	canary    bool
	entered   bool      // a search that staff entered for a caller
	admin     bool      // an account that is an admin's, or a role that is asked for
	owner     string    // the one actor whose it is
	second    uuid.UUID // what the body names
}

type world struct {
	*town
	orgs   map[string]uuid.UUID
	actors []*actor
	things map[string][]*thing
	people map[string]*staff // of each organisation: a reporter, and an operator of every city
	named  int
}

func newWorld(tw *town) *world {
	tw.Helper()
	w := &world{town: tw, orgs: map[string]uuid.UUID{}, things: map[string][]*thing{}, people: map[string]*staff{}}
	w.makeOrganisations()
	w.makeActors()
	w.makeDetentions()
	w.makeSearches()
	w.makeMatches()
	w.makeRest()
	w.settled()
	w.loseRights()
	w.makeOwn()
	return w
}

func (w *world) makeOrganisations() {
	w.Helper()
	tools, err := app.Attach(w.ctx, w.opts)
	w.must(err)
	defer func() { w.must(tools.Close(w.ctx)) }()
	existing, err := tools.Organisations(w.ctx)
	w.must(err)
	w.orgs[ours] = existing[0].ID
	for _, name := range []string{theirs, shared, elsewhere} {
		w.orgs[name], err = tools.AddOrganisation(w.ctx, name)
		w.must(err)
	}
	w.must(tools.ShareOrganisation(w.ctx, app.Share{Owner: w.orgs[shared], Reader: w.orgs[ours]}))
	w.must(tools.ShareOrganisation(w.ctx, app.Share{Owner: w.orgs[elsewhere], Reader: w.orgs[ours], Cities: []string{outside}}))
	for name, id := range w.orgs {
		w.people["reporter of "+name] = w.invited(account.Lawyer, inOrganisation(id))
		w.people["operator of "+name] = w.invited(account.Operator, inOrganisation(id))
	}
}

func (w *world) act(name string, column int, org string, s *staff, cities ...string) *actor {
	w.Helper()
	a := &actor{name: name, column: column, org: org, cities: cities, bearer: s.bearer(), self: s, account: s.me.ID, locks: true}
	w.actors = append(w.actors, a)
	return a
}

func (w *world) makeActors() {
	w.Helper()
	roles := []account.Role{account.Lawyer, account.Operator, account.Coordinator, account.Admin}
	for column, role := range roles {
		w.act(string(role), column, ours, w.invited(role, inCities(almaty)), almaty)
		w.act(string(role)+" of another organisation", column, theirs, w.invited(role, inCities(almaty), inOrganisation(w.orgs[theirs])), almaty)
	}
	w.act("operator of every city", operatorColumn, ours, w.invited(account.Operator))
	chief := w.invited(account.Coordinator)
	w.act("coordinator of every city", coordinatorColumn, ours, chief)

	// A lawyer who is to be a coordinator, and waits for the second person, is a lawyer.
	waiting := w.invited(account.Lawyer, inCities(almaty))
	r, err := chief.PatchAccountWithResponse(w.ctx, waiting.me.ID, &api.PatchAccountParams{IfMatch: ptr(`"` + fmt.Sprint(waiting.me.Revision) + `"`)},
		api.AccountPatch{Grants: &[]api.GrantGive{{Role: "lawyer", Cities: []string{almaty}}, {Role: "coordinator", Cities: []string{almaty}}}})
	w.must(err)
	if n := len(r.JSON200.Grants); n != 2 {
		w.Fatalf("the one who waits holds %d grants", n)
	}
	w.act("lawyer whose coordinator's grant waits", lawyerColumn, ours, waiting, almaty)

	for _, name := range []string{"relative", "another relative"} {
		w.actors = append(w.actors, &actor{name: name, column: relativeColumn, bearer: strings.Repeat(name[:1], 43)})
	}
	w.actors = append(w.actors, &actor{name: "nobody", column: unprovenColumn, strange: true},
		&actor{name: "one with a foreign token", column: unprovenColumn, bearer: "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"},
		&actor{name: "one with a secret of no search", column: relativeColumn, bearer: strings.Repeat("x", 43)})
}

// loseRights makes those whose rights are gone; before it they had them, and their tokens still hold.
func (w *world) loseRights() {
	w.Helper()
	lose := func(name string, column int, role account.Role, statement string) *actor {
		s := w.invited(role, inCities(almaty))
		a := w.act(name, column, ours, s, almaty)
		a.locks = column == grantlessColumn
		w.exec(statement, s.me.ID)
		return a
	}
	const grants = "update grants set %s where account_id = $1"
	ended := fmt.Sprintf(grants, "valid_from = '2020-01-01', valid_until = '2020-01-02'")
	fallen := []*actor{
		lose("lawyer whose grant has ended", grantlessColumn, account.Lawyer, ended),
		lose("operator whose grant has ended", grantlessColumn, account.Operator, ended),
		lose("coordinator whose grant has ended", grantlessColumn, account.Coordinator, ended),
		lose("admin whose grant has ended", grantlessColumn, account.Admin, ended),
		lose("coordinator whose grant begins tomorrow", grantlessColumn, account.Coordinator, fmt.Sprintf(grants, "valid_from = now() + interval '1 day'")),
		lose("coordinator whose grant was revoked", grantlessColumn, account.Coordinator, fmt.Sprintf(grants, "revoked_at = now()")),
		lose("coordinator who was locked", unprovenColumn, account.Coordinator, "update accounts set state = 'locked' where id = $1"),
		lose("coordinator who was signed out", unprovenColumn, account.Coordinator, "update sessions set revoked_at = now(), revoked_reason = 'signed_out' where account_id = $1"),
	}
	for _, a := range fallen {
		want := http.StatusForbidden
		if a.column == unprovenColumn {
			want = http.StatusUnauthorized
		}
		w.eventually(a.name+" loses their rights", func() bool { return w.ask("GET", "/v1/detentions", a.bearer, "").status == want })
	}
}

func (w *world) add(kind string, t *thing) *thing {
	t.name = strings.Join(strings.Fields(strings.Join([]string{t.org, t.city, t.name}, " ")), " ")
	w.things[kind] = append(w.things[kind], t)
	return t
}

// person is a name that no other sounds like, with a birth year.
func (w *world) person() string {
	w.named++
	syllables := []string{"ба", "де", "ги", "жо", "зу", "ке", "ло", "ми", "но", "пу", "ра", "са", "то", "фу", "ха", "ша"}
	pick := func(n int) string { return syllables[n/16%16] + syllables[n%16] }
	upper := func(s string) string { return strings.ToUpper(s[:2]) + s[2:] }
	n := w.named
	return fmt.Sprintf("%s %s, %d", upper(pick(n*37)+pick(n)+"ров"), upper(pick(n*53)+"р"+pick(n*7)), 1950+n%50)
}

func (w *world) logged(org string, place uuid.UUID, change func(*api.Detainee)) uuid.UUID {
	w.Helper()
	b := batchOf(place, w.person())
	if change != nil {
		change(&b.Detainees[0])
	}
	return w.people["reporter of "+org].logsBatch(&b)[0].DetentionID
}

var placeIn = map[string]uuid.UUID{almaty: almaly, outside: astana}

func (w *world) actor(name string) *actor {
	for _, a := range w.actors {
		if a.name == name {
			return a
		}
	}
	w.Fatalf("nobody is %s", name)
	return nil
}

func (w *world) makeDetentions() {
	w.Helper()
	lawyer := w.actor("lawyer")
	acting := map[string]uuid.UUID{ours: lawyer.account, theirs: w.actor("lawyer of another organisation").account}
	for _, kind := range []string{"detention", "detention to act for", "detention acted for"} {
		for _, org := range []string{ours, theirs, shared, elsewhere} {
			for _, city := range []string{almaty, outside} {
				w.add(kind, &thing{id: w.logged(org, placeIn[city], nil), org: org, city: city, place: placeIn[city], second: acting[org]})
			}
		}
		// What the lawyer logged is hers wherever it is.
		var out api.DetentionBatchResult
		b := batchOf(astana, w.person())
		w.decode(w.ask("POST", "/v1/detentions/batch", lawyer.bearer, w.written(b)), &out)
		w.add(kind, &thing{name: "logged by the lawyer", id: out.Results[0].DetentionID, org: ours, city: outside, place: astana, owner: "lawyer", second: lawyer.account})
	}
	for _, org := range []string{ours, theirs, shared, elsewhere} {
		for _, city := range []string{almaty, outside} {
			w.add("detention logged twice", &thing{id: w.logged(org, placeIn[city], nil), second: w.logged(org, placeIn[city], nil), org: org, city: city})
			one, two := w.logged(org, placeIn[city], nil), w.logged(org, placeIn[city], nil)
			w.decode(w.ask("POST", "/v1/detentions/"+one.String()+"/merge", w.people["operator of "+org].bearer(),
				`{"client_id": "`+uuid.NewString()+`", "other_id": "`+two.String()+`", "reason": "x"}`), &struct{}{})
			w.add("detention merged", &thing{id: two, org: org, city: city})
		}
	}
	acts := w.add("detention", &thing{name: "for whom the lawyer acts", id: w.logged(ours, astana, nil), org: ours, city: outside, place: astana, owner: "lawyer"})
	acted := w.add("detention", &thing{name: "for whom the lawyer acted", id: w.logged(ours, astana, nil), org: ours, city: outside, place: astana})
	for _, t := range []*thing{acts, acted} {
		w.exec(`insert into representations (id, detention_id, account_id, valid_from, created_by, created_at) values ($1, $2, $3, now(), $3, now())`, uuid.New(), t.id, lawyer.account)
	}
	w.exec("update representations set ended_at = now() where detention_id = $1", acted.id)

	shift := `insert into shifts (id, organisation_id, account_id, department_id, state, starts_at, ends_at, created_at) values ($1, $2, $3, $4, 'present', $5, $6, now())`
	now, turksib := time.Now(), department.IDOf("UP-75-TURKSIB")
	w.exec(shift, uuid.New(), w.orgs[ours], lawyer.account, medeu, now.Add(-time.Hour), now.Add(time.Hour))
	w.exec(shift, uuid.New(), w.orgs[ours], lawyer.account, turksib, now.Add(-3*time.Hour), now.Add(-time.Hour))
	w.add("detention", &thing{name: "where the lawyer is on shift", id: w.logged(ours, medeu, nil), org: ours, city: almaty, place: medeu, owner: "lawyer"})
	w.add("detention", &thing{name: "of another organisation, where the lawyer is on shift", id: w.logged(theirs, medeu, nil), org: theirs, city: almaty, place: medeu})
	w.add("detention", &thing{name: "where the lawyer's shift has ended", id: w.logged(ours, turksib, nil), org: ours, city: almaty, place: turksib})

	for org, city := range map[string]string{ours: almaty, shared: almaty} {
		planter := w.invited(account.Coordinator, inOrganisation(w.orgs[org]))
		name, _, _ := strings.Cut(w.person(), ",")
		r, err := planter.PlantCanaryWithResponse(w.ctx, nil, api.CanaryPlant{ClientID: uuid.New(), Name: name, DepartmentID: placeIn[city]})
		w.must(err)
		w.add("detention", &thing{name: "a canary", id: r.JSON201.ID, org: org, city: city, place: placeIn[city], canary: true})
	}
}

func (w *world) decode(a answer, into any) {
	w.Helper()
	if a.status >= 300 {
		w.Fatalf("%d %s", a.status, a.body)
	}
	w.must(json.Unmarshal(a.body, into))
}

func (w *world) searched(org, city, name, secret string) uuid.UUID {
	w.Helper()
	id := w.orgs[org]
	return w.searches(name, func(b *api.SearchCreate) {
		b.OrganisationID, b.Secret = &id, secret
		if city != nowhere {
			b.City = &city
		}
	}).Key().ID
}

func (w *world) makeSearches() {
	w.Helper()
	for _, kind := range []string{"search", "search to erase"} {
		for _, org := range []string{ours, theirs, shared} {
			for _, city := range []string{almaty, outside, nowhere} {
				t := &thing{org: org, city: city, name: "hers"}
				t.id = w.searched(org, city, w.person(), "")
				w.add(kind, t)
			}
		}
		for _, name := range []string{"relative", "another relative"} {
			w.add(kind, &thing{name: "of " + name, owner: name, org: ours, city: almaty, id: w.searched(ours, almaty, w.person(), strings.Repeat(name[:1], 43))})
		}
		for org, city := range map[string]string{ours: almaty, theirs: almaty} {
			w.add(kind, w.enteredSearch(org, city))
		}
		w.add(kind, w.enteredSearch(ours, outside))
	}
	for _, t := range w.things["search"] {
		call := *t
		call.id, call.owner = uuid.New(), ""
		w.exec(`insert into calls (id, organisation_id, search_id, not_before, created_at, updated_at) values ($1, $2, $3, now(), now(), now())`, call.id, w.orgs[t.org], t.id)
		w.add("call", &call)
		t.second = uuid.New()
		w.exec(`insert into notices (id, organisation_id, kind, subject_kind, subject_id, subject_turn, owner_kind, owner_id, language, created_at)
			values ($1, $2, 'match', 'search', $3, $3, 'search', $3, 'ru', now())`, t.second, w.orgs[t.org], t.id)
		// One phone is gone, and of the other nobody knows yet.
		notice := *t
		notice.id, notice.owner = t.second, ""
		for channel, state := range map[uuid.UUID]string{t.second: "dead", uuid.New(): "pending"} {
			w.exec(`with c as (insert into channels (id, owner_kind, owner_id, position, kind, key_id, address_mac, created_at, confirmed_at, dropped_at)
					select $1, 'search', id, 0, 'fcm', key_id, $2, now(), now(), now() from searches where id = $3 returning id)
				insert into deliveries (id, notice_id, channel_id, state, attempts, created_at, updated_at) select $1, $4, id, $5, 1, now(), now() from c`,
				channel, channel[:], t.id, t.second, state)
		}
		w.add("notice", &notice)
	}
}

func (w *world) enteredSearch(org, city string) *thing {
	w.Helper()
	name, _, _ := strings.Cut(w.person(), ",")
	r, err := w.people["operator of "+org].CreateSearchWithResponse(w.ctx, nil, api.SearchCreate{ClientID: uuid.New(),
		Secret: strings.ReplaceAll(uuid.NewString()+uuid.NewString(), "-", "")[:42] + "A", Name: name, City: &city, Language: ptr(api.Language("ru"))})
	w.must(err)
	return &thing{name: "entered for a caller", org: org, city: city, entered: true, id: r.JSON201.ID}
}

// makeMatches makes pairs that wait for a person because the detained one named someone who must not be told.
func (w *world) makeMatches() {
	w.Helper()
	type side struct{ org, city string }
	for _, kind := range []string{"match"} {
		for _, m := range []struct{ search, detention side }{
			{side{ours, almaty}, side{ours, almaty}}, {side{ours, nowhere}, side{ours, almaty}}, {side{ours, outside}, side{ours, almaty}},
			{side{ours, almaty}, side{ours, outside}}, {side{theirs, almaty}, side{theirs, almaty}}, {side{shared, almaty}, side{shared, almaty}},
			{side{ours, almaty}, side{shared, almaty}}, {side{ours, almaty}, side{elsewhere, outside}},
		} {
			name := w.person()
			b := batchOf(placeIn[m.detention.city], name)
			b.Detainees[0].DoNotTell = []string{"ағасы"}
			d := w.people["reporter of "+m.detention.org].logsBatch(&b)[0].DetentionID
			s := w.searched(m.search.org, m.search.city, name, "")
			w.addMatch(kind, &thing{name: "searched in " + m.search.org + " " + m.search.city, org: m.detention.org, city: m.detention.city, searcher: m.search.org, about: m.search.city}, s, d)
		}
		planter := w.invited(account.Coordinator)
		name := w.person()
		cut, _, _ := strings.Cut(name, ",")
		year := 1950 + w.named%50
		r, err := planter.PlantCanaryWithResponse(w.ctx, nil, api.CanaryPlant{ClientID: uuid.New(), Name: cut, BirthYear: &year, DepartmentID: almaly})
		w.must(err)
		w.addMatch(kind, &thing{name: "of a canary", org: ours, city: almaty, searcher: ours, about: almaty, canary: true}, w.searched(ours, almaty, name, ""), r.JSON201.ID)
	}
}

func (w *world) addMatch(kind string, t *thing, search, detention uuid.UUID) {
	w.Helper()
	const find = "select id from matches where search_id = $1 and detention_id = $2"
	w.eventually("a match of "+t.name, func() bool { return w.count("select count(*) from ("+find+") m", search, detention) == 1 })
	w.sql(func(tools *app.Tools) error {
		return tools.DB.Pool.QueryRow(w.ctx, find, search, detention).Scan(&t.id)
	})
	w.add(kind, t)
}

func (w *world) makeRest() {
	w.Helper()
	w.add("nothing", &thing{})
	for city, place := range placeIn {
		w.add("department", &thing{id: place, city: city, place: place})
	}
	for _, org := range []string{ours, theirs, shared} {
		id := w.orgs[org]
		reporter := w.people["reporter of "+org]
		w.add("organisation", &thing{org: org, second: id})
		for _, city := range []string{almaty, outside} {
			r, err := reporter.CreateAssemblyWithResponse(w.ctx, nil, api.AssemblyCreate{ClientID: uuid.New(), Title: "Алаң", City: city, StartsAt: time.Now()})
			w.must(err)
			w.add("assembly", &thing{org: org, city: city, id: r.JSON201.ID})
		}
		for _, city := range []string{almaty, outside} {
			w.obstructed(reporter.bearer(), &thing{org: org, city: city, place: placeIn[city]})
			export := uuid.New()
			w.exec(`insert into exports (id, organisation_id, department_id, client_id, from_at, to_at, state, asked_by, asked_at)
				values ($1, $2, $3, $1, '2026-01-01', '2026-02-01', 'waiting', $4, now())`, export, id, placeIn[city], reporter.me.ID)
			w.add("export", &thing{org: org, city: city, id: export})
		}
		for _, city := range []string{almaty, outside} {
			w.add("shift", &thing{org: org, city: city, id: w.onDuty(id, reporter.me.ID, placeIn[city])})
			w.add("dispatch", &thing{org: org, city: city, id: w.called(id, reporter.me.ID, placeIn[city], reporter.me.ID)})
		}
		for _, city := range []string{almaty, outside, nowhere} {
			w.add("sms report", &thing{org: org, city: city, id: w.texted(id, reporter.me.ID, placeIn[city])})
		}
		w.add("timer", &thing{org: org, id: w.timed(id, reporter.me.ID)})
		w.add("alarm", &thing{org: org, id: w.cried(id, reporter.me.ID)})
		w.add("provisional", &thing{org: org, id: w.held(id, reporter.me.ID)})
		alert, hold, entry := uuid.New(), uuid.New(), uuid.New()
		w.exec(`insert into alerts (id, organisation_id, kind, dedupe, created_at, last_at) values ($1, $2, 'hold', $3, now(), now())`, alert, id, alert.String())
		w.exec(`insert into holds (id, organisation_id, reporter_id, state, opened_at) values ($1, $2, $3, 'open', now())`, hold, id, reporter.me.ID)
		w.exec(`insert into audit_entries (id, organisation_id, at, actor, action, subject_kind, period) values ($1, $2, now(), '\x00', 'table.tried', 'table', '2026-11')`, entry, id)
		w.add("alert", &thing{org: org, id: alert})
		w.add("hold", &thing{org: org, id: hold})
		w.add("entry", &thing{org: org, id: entry})
		for _, role := range []account.Role{account.Lawyer, account.Admin} {
			w.code(role, inOrganisation(id), func(r *account.InviteRequest) { r.Name = "Жаңа " + string(role) + " " + org })
			var account uuid.UUID
			w.sql(func(tools *app.Tools) error {
				return tools.DB.Pool.QueryRow(w.ctx, "select id from accounts where organisation_id = $1 order by id desc limit 1", id).Scan(&account)
			})
			w.add("account", &thing{name: "an account of a " + string(role), org: org, id: account, admin: role == "admin"})
		}
	}
	lawyer := w.actor("lawyer")
	w.add("timer", &thing{name: "of the lawyer", org: ours, owner: "lawyer", id: w.timed(w.orgs[ours], lawyer.account)})
	w.add("alarm", &thing{name: "of the lawyer", org: ours, owner: "lawyer", id: w.cried(w.orgs[ours], lawyer.account)})
	w.add("provisional", &thing{name: "of the lawyer", org: ours, owner: "lawyer", id: w.held(w.orgs[ours], lawyer.account)})
	w.add("shift", &thing{name: "of the lawyer", org: ours, city: outside, owner: "lawyer", id: w.onDuty(w.orgs[ours], lawyer.account, placeIn[outside])})
	w.add("dispatch", &thing{name: "to which the lawyer was asked", org: ours, city: outside, owner: "lawyer",
		id: w.called(w.orgs[ours], w.people["reporter of "+ours].me.ID, placeIn[outside], lawyer.account)})
	w.obstructed(lawyer.bearer, &thing{name: "said by the lawyer", org: ours, city: almaty, place: almaly, owner: "lawyer"})
	w.obstructed(lawyer.bearer, &thing{name: "said by the lawyer", org: ours, city: outside, place: astana, owner: "lawyer"})
	w.obstructed(w.people["reporter of "+ours].bearer(), &thing{name: "where the lawyer is on shift", org: ours, city: almaty, place: medeu, owner: "lawyer"})
	for _, role := range []string{"lawyer", "operator", "coordinator", "admin"} {
		for _, city := range []string{almaty, outside} {
			w.add("invitation", &thing{name: role, city: city, admin: role == "admin"})
		}
	}
}

// texted is a report by SMS of nobody; without a place when there is none.
func (w *world) texted(org, who, place uuid.UUID) uuid.UUID {
	w.Helper()
	id := uuid.New()
	w.exec(`insert into sms_reports (id, organisation_id, account_id, state, department_id, list_mac, received_at, sent_at, period)
		values ($1, $2, $3, 'waiting', nullif($4, '00000000-0000-0000-0000-000000000000'::uuid), '\x00', now(), now(), '2026-11')`, id, org, who, place)
	return id
}

func (w *world) timed(org, who uuid.UUID) uuid.UUID {
	w.Helper()
	id := uuid.New()
	w.exec(`insert into timers (id, organisation_id, client_id, account_id, until, next_at, state, period, created_at, updated_at)
		values ($1, $2, $1, $3, now() + interval '1 day', now() + interval '1 day', 'running', '2026-11', now(), now())`, id, org, who)
	return id
}

func (w *world) cried(org, who uuid.UUID) uuid.UUID {
	w.Helper()
	id := uuid.New()
	w.exec(`insert into alarms (id, organisation_id, client_id, account_id, test, raised_at, step, next_at, turn, period) values ($1, $2, $1, $3, true, now(), 1, now() + interval '1 day', $1, '2026-11')`, id, org, who)
	return id
}

// held is an alarm of which it is said that its lawyer is detained, nobody knows where.
func (w *world) held(org, who uuid.UUID) uuid.UUID {
	w.Helper()
	id := uuid.New()
	w.exec(`insert into alarms (id, organisation_id, client_id, account_id, test, raised_at, step, next_at, turn, period) values ($1, $2, $1, $3, false, now(), 1, now() + interval '1 day', $1, '2026-11')`, id, org, who)
	w.exec(`insert into provisional_detentions (alarm_id, organisation_id, account_id, state, made_by, made_at, next_at, period) values ($1, $2, $3, 'provisional', $3, now(), now() + interval '1 day', '2026-11')`, id, org, who)
	return id
}

// onDuty is a shift that begins tomorrow: it opens nothing yet.
func (w *world) onDuty(org, who, place uuid.UUID) uuid.UUID {
	w.Helper()
	id := uuid.New()
	w.exec(`insert into shifts (id, organisation_id, account_id, department_id, state, starts_at, ends_at, created_at) values ($1, $2, $3, $4, 'planned', $5, $6, now())`,
		id, org, who, place, time.Now().Add(24*time.Hour), time.Now().Add(30*time.Hour))
	return id
}

// called is a call for a lawyer, made by someone, to which one was asked.
func (w *world) called(org, by, place, asked uuid.UUID) uuid.UUID {
	w.Helper()
	id := uuid.New()
	w.exec(`insert into dispatches (id, organisation_id, client_id, department_id, state, wait_s, off_duty, next_at, period, created_by, created_at, updated_at)
		values ($1, $2, $1, $3, 'offered', 180, false, 'infinity', '2026-11', $4, now(), now())`, id, org, place, by)
	w.exec(`insert into offers (dispatch_id, account_id, state, turn, offered_at, expires_at) values ($1, $2, 'offered', $3, now(), now() + interval '3 minutes')`, id, asked, uuid.New())
	return id
}

// obstructed has somebody say that they were hindered at a place, and, in Almaly, how its door stands.
func (w *world) obstructed(bearer string, t *thing) {
	w.Helper()
	var made struct{ ID uuid.UUID }
	w.decode(w.ask("POST", "/v1/obstructions", bearer, `{"client_id": "`+uuid.NewString()+`", "department_id": "`+t.place.String()+`", "code": "LONG_WAIT", "at": "2026-01-01T00:00:00Z"}`), &made)
	incident := *t
	incident.id = made.ID
	w.add("obstruction", &incident)
	if t.place == almaly {
		w.decode(w.ask("POST", "/v1/departments/"+t.place.String()+"/access-reports", bearer, `{"client_id": "`+uuid.NewString()+`", "status": "delayed"}`), &made)
		t.id = made.ID
		w.add("access report", t)
	}
}

// makeOwn gives everyone who can sign in a second session.
func (w *world) makeOwn() {
	w.Helper()
	for _, a := range w.actors {
		if a.locks {
			w.add("oneself", &thing{name: a.name, owner: a.name, id: a.account})
			w.add("session", &thing{name: "of " + a.name, owner: a.name, id: w.secondSession(a)})
		}
	}
}

// secondSession signs the same person in on another device.
func (w *world) secondSession(a *actor) uuid.UUID {
	w.Helper()
	var code api.Invitation
	w.decode(w.ask("POST", "/v1/me/invitations", a.bearer, ""), &code)
	var tokens api.SessionTokens
	w.decode(w.ask("POST", "/v1/sessions", "", w.written(api.SessionOpen{Invitation: code.Code, Device: api.DeviceOpen{Name: "планшет", Platform: "android"}})), &tokens)
	return tokens.SessionID
}
