package dispatch_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/dispatch"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/push/pushtest"
	"github.com/qorgau/qorgau/internal/seal"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// city is a coordinator's city with departments a kilometre or so apart.
type city struct {
	testing.TB
	db           *pgtest.Database
	ring         *seal.Ring
	desk         *dispatch.Desk
	center       *push.Center
	phones       *pushtest.Phones
	organisation uuid.UUID
	boss         account.Principal
	mu           sync.Mutex
	needs        map[uuid.UUID]dispatch.Need
	places       map[uuid.UUID]dispatch.Place
	skills       map[uuid.UUID]dispatch.Skills
	blind        error         // the board cannot be read
	accounts     *account.Desk // when set, what lawyers can do is opened from their accounts
}

func newCity(t testing.TB) *city {
	t.Helper()
	c := &city{TB: t, db: pgtest.New(t), organisation: uuid.New(), needs: map[uuid.UUID]dispatch.Need{}, places: map[uuid.UUID]dispatch.Place{}, skills: map[uuid.UUID]dispatch.Skills{}}
	ks, err := seal.NewKeyset(c.db.Now())
	must(t, err)
	ring, err := seal.Open(ks)
	must(t, err)
	c.ring = ring
	c.phones = &pushtest.Phones{}
	c.center, err = push.New(push.Options{DB: c.db.DB, Ring: ring, Senders: map[string]push.Sender{push.FCM: c.phones}})
	must(t, err)
	book, err := law.Shipped()
	must(t, err)
	c.desk = dispatch.NewDesk(dispatch.Options{DB: c.db.DB, Ring: ring, Audit: audit.New(ring), Push: c.center, Law: book,
		Needs: func(context.Context, uuid.UUID) (map[uuid.UUID]dispatch.Need, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.needs, c.blind
		},
		Places: func(context.Context, *pg.Tx, uuid.UUID) (map[uuid.UUID]dispatch.Place, error) { return c.places, nil },
		Skills: func(ctx context.Context, tx *pg.Tx, ids ...uuid.UUID) (map[uuid.UUID]dispatch.Skills, error) {
			if c.accounts == nil {
				return c.skills, nil
			}
			can, err := c.accounts.Credentials(ctx, tx, ids...)
			out := make(map[uuid.UUID]dispatch.Skills, len(can))
			for id, x := range can {
				out[id] = dispatch.Skills{Languages: x.Languages, Minors: x.Minors, Migrants: x.Migrants, Trained: x.Trained()}
			}
			return out, err
		},
	})
	c.exec("insert into organisations (id, name, created_at) values ($1, 'o', $2)", c.organisation, c.db.Now())
	c.boss = c.person(account.Coordinator)
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (c *city) exec(query string, args ...any) {
	c.Helper()
	if _, err := c.db.Pool.Exec(context.Background(), query, args...); err != nil {
		c.Fatal(err)
	}
}

func (c *city) count(query string, args ...any) int {
	c.Helper()
	var n int
	if err := c.db.Pool.QueryRow(context.Background(), query, args...).Scan(&n); err != nil {
		c.Fatal(err)
	}
	return n
}

func (c *city) person(role account.Role, cities ...string) account.Principal {
	c.Helper()
	if cities == nil {
		cities = []string{}
	}
	p := account.Principal{Account: uuid.New(), Session: uuid.New(), Organisation: c.organisation}
	p.Grants = []account.Grant{{ID: uuid.New(), Role: role, Organisation: c.organisation, Cities: cities}}
	c.exec(`with k as (insert into data_keys (id, organisation_id, scope, period, wrapped) values ($3, $1, 'account', '2026-11', $4) returning id),
		a as (insert into accounts (id, organisation_id, key_id, name_ct, state, created_at, updated_at) select $5, $1, k.id, $4, 'active', $2, $2 from k returning id)
		insert into grants (id, account_id, organisation_id, role, cities, valid_from, valid_until, created_at)
		select $6, a.id, $1, $7, $8, $2, $2::timestamptz + interval '30 days', $2 from a`,
		c.organisation, c.db.Now(), uuid.New(), []byte("Q1"+strings.Repeat("x", 40)), p.Account, p.Grants[0].ID, string(role), cities)
	return p
}

// department stands so many kilometres east of the first.
func (c *city) department(km float64) uuid.UUID {
	c.Helper()
	id := uuid.New()
	c.exec(`insert into departments (id, kind, name_kk, name_ru, name_en, city, city_ru, city_en, region, address, phone, source, confidence, lat, lon, geo_precision, created_at, updated_at)
		values ($1, 'police_department', 'д', 'д', 'd', 'almaty', 'Алматы', 'Almaty', 'KZ-75', '', '', 'test', 'low', 43.25, $2, 'city', $3, $3)`, id, 76.9+km/81.0, c.db.Now())
	return id
}

// onShift is a lawyer with a shift at a department that began an hour ago.
func (c *city) onShift(department uuid.UUID) account.Principal {
	c.Helper()
	p := c.person(account.Lawyer)
	c.exec(`insert into shifts (id, organisation_id, account_id, department_id, state, starts_at, ends_at, created_at)
		values ($1, $2, $3, $4, 'present', $5, $6, $5)`, uuid.New(), c.organisation, p.Account, department, c.db.Now().Add(-time.Hour), c.db.Now().Add(12*time.Hour))
	return p
}

func (c *city) call(n dispatch.New) dispatch.Dispatch {
	c.Helper()
	if n.ClientID == uuid.Nil {
		n.ClientID = uuid.New()
	}
	d, first, err := c.desk.Call(context.Background(), c.boss, n)
	if err != nil || !first {
		c.Fatalf("first %v, %v", first, err)
	}
	return d
}

func (c *city) do(p account.Principal, id uuid.UUID, act dispatch.Act) dispatch.Dispatch {
	c.Helper()
	d, err := c.desk.Do(context.Background(), p, id, act, nil)
	if err != nil {
		c.Fatalf("%s: %v", act, err)
	}
	return d
}

func (c *city) refused(p account.Principal, id uuid.UUID, act dispatch.Act, code string) {
	c.Helper()
	_, err := c.desk.Do(context.Background(), p, id, act, nil)
	if !fault.Is(err, code) {
		c.Fatalf("%s: got %v, want %s", act, err, code)
	}
}

// pass lets time go by and does what is due.
func (c *city) pass(d time.Duration) {
	c.Helper()
	c.db.Clock.Move(d)
	for did := true; did; {
		var err error
		if did, err = c.desk.Tick(context.Background()); err != nil {
			c.Fatal(err)
		}
	}
}

func (c *city) told(p account.Principal, kind string) int {
	c.Helper()
	return c.count("select count(*) from notices where owner_id = $1 and kind = $2 and superseded_at is null", p.Account, kind)
}

func (c *city) alerts(kind string) int {
	c.Helper()
	return c.count("select count(*) from alerts where kind = $1", kind)
}

func TestAnOfferGoesItsWay(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here, there := c.department(0), c.department(2)
	lawyer := c.onShift(there)
	d := c.call(dispatch.New{DepartmentID: here, Accounts: []uuid.UUID{lawyer.Account}, Note: "автобус, Марат у входа"})
	if d.State != dispatch.Offered || len(d.Offers) != 1 || c.told(lawyer, push.Offer) != 1 {
		t.Fatalf("%+v", d)
	}
	if d.Target.Sub(d.CreatedAt) != 3*time.Hour || !strings.Contains(d.Norm, "750(4)") {
		t.Fatalf("target %v, %q", d.Target, d.Norm)
	}
	for _, step := range []struct {
		act  dispatch.Act
		want dispatch.State
	}{{dispatch.Accept, dispatch.Accepted}, {dispatch.Accept, dispatch.Accepted}, {dispatch.Go, dispatch.EnRoute}, {dispatch.Arrive, dispatch.Arrived},
		{dispatch.Arrive, dispatch.Arrived}, {dispatch.Finish, dispatch.Done}, {dispatch.Finish, dispatch.Done}} {
		if got := c.do(lawyer, d.ID, step.act); got.State != step.want || got.Note != "автобус, Марат у входа" {
			t.Fatalf("after %s: %+v", step.act, got)
		}
	}
	c.refused(c.boss, d.ID, dispatch.CallOff, "ended")
	c.refused(lawyer, d.ID, dispatch.Go, "ended")
	if n := c.count("select count(*) from audit_entries where subject_id = $1", d.ID); n != 5 {
		t.Fatalf("%d audit rows, want made, accept, en_route, arrive, done", n)
	}
	if n := c.count("select count(*) from dispatches where note_ct is not null and position('\\xd09cd0b0d180d0b0d182'::bytea in note_ct) > 0"); n != 0 {
		t.Fatal("the note lies open in the database")
	}
}

func TestARepeatedCallIsOne(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here := c.department(0)
	lawyer := c.onShift(c.department(1))
	n := dispatch.New{ClientID: uuid.New(), DepartmentID: here}
	d := c.call(n)
	again, first, err := c.desk.Call(t.Context(), c.boss, n)
	if err != nil || first || again.ID != d.ID || c.told(lawyer, push.Offer) != 1 {
		t.Fatalf("%v %v %v", first, err, again.ID)
	}
	other := newCityBeside(c)
	if _, _, err := c.desk.Call(t.Context(), other, dispatch.New{ClientID: n.ClientID, DepartmentID: here}); !fault.Is(err, "client_id_taken") {
		t.Fatal(err)
	}
	if _, err := c.desk.Get(t.Context(), other, d.ID); !fault.Is(err, "not_found") {
		t.Fatal(err)
	}
	if page, _, err := c.desk.List(t.Context(), other, dispatch.Filter{Limit: 10}); err != nil || len(page) != 0 {
		t.Fatalf("%v, %v", page, err)
	}
}

// newCityBeside is a coordinator of another organisation.
func newCityBeside(c *city) account.Principal {
	ours := c.organisation
	defer func() { c.organisation = ours }()
	c.organisation = uuid.New()
	c.exec("insert into organisations (id, name, created_at) values ($1, 'b', $2)", c.organisation, c.db.Now())
	return c.person(account.Coordinator)
}

func TestCallRefuses(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here := c.department(0)
	asleep, engaged := c.person(account.Lawyer), c.onShift(c.department(1))
	d := c.call(dispatch.New{DepartmentID: here, Accounts: []uuid.UUID{engaged.Account}})
	c.do(engaged, d.ID, dispatch.Accept)
	locked := c.onShift(c.department(1))
	c.exec("update accounts set state = 'locked' where id = $1", locked.Account)
	_, _, err := c.desk.Call(t.Context(), c.boss, dispatch.New{ClientID: uuid.New(), DepartmentID: here,
		Accounts: []uuid.UUID{asleep.Account, engaged.Account, locked.Account, c.boss.Account, uuid.New()}})
	f := fault.As(err)
	if f == nil || len(f.Fields) != 5 {
		t.Fatal(err)
	}
	for i, want := range []string{"off_duty", "engaged", "unknown", "unknown", "unknown"} {
		if f.Fields[i].Code != want {
			t.Fatalf("account %d: %s, want %s", i, f.Fields[i].Code, want)
		}
	}
	if n := c.count("select count(*) from dispatches"); n != 1 {
		t.Fatalf("%d dispatches: a refused call left one", n)
	}
	for _, bad := range []dispatch.New{{DepartmentID: here}, {ClientID: uuid.New(), DepartmentID: here, Wait: time.Second},
		{ClientID: uuid.New(), DepartmentID: here, Note: strings.Repeat("я", 1001)},
		{ClientID: uuid.New(), DepartmentID: here, Accounts: []uuid.UUID{engaged.Account, engaged.Account}}} {
		if _, _, err := c.desk.Call(t.Context(), c.boss, bad); !fault.Is(err, "invalid") {
			t.Fatalf("%+v: %v", bad, err)
		}
	}
	if _, _, err := c.desk.Call(t.Context(), c.boss, dispatch.New{ClientID: uuid.New(), DepartmentID: uuid.New()}); !fault.Is(err, "not_found") {
		t.Fatal(err)
	}
	for _, p := range []account.Principal{engaged, c.person(account.Operator), c.person(account.Coordinator, "astana")} {
		if _, _, err := c.desk.Call(t.Context(), p, dispatch.New{ClientID: uuid.New(), DepartmentID: here}); !fault.Is(err, "forbidden") {
			t.Fatal(err)
		}
	}
	woken := c.call(dispatch.New{DepartmentID: here, Accounts: []uuid.UUID{asleep.Account}, OffDuty: true})
	if len(woken.Offers) != 1 || c.told(asleep, push.Offer) != 1 {
		t.Fatalf("%+v", woken)
	}
}

// An offer that runs out is followed by the next nearest, and then by the coordinator; nobody off duty is called.
func TestUnansweredOffersMoveOn(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here := c.department(0)
	near, far := c.onShift(c.department(1)), c.onShift(c.department(8))
	asleep := c.person(account.Lawyer)
	d := c.call(dispatch.New{DepartmentID: here})
	if c.told(near, push.Offer) != 1 || c.told(far, push.Offer) != 0 {
		t.Fatal("not the nearest first")
	}
	c.pass(time.Minute)
	if c.told(far, push.Offer) != 0 {
		t.Fatal("the next was asked before the time was over")
	}
	c.pass(2 * time.Minute)
	if c.told(far, push.Offer) != 1 {
		t.Fatal("the next was not asked")
	}
	c.do(far, d.ID, dispatch.Decline)
	got, err := c.desk.Get(t.Context(), c.boss, d.ID)
	if err != nil || got.State != dispatch.Unanswered || c.alerts("dispatch_unanswered") != 1 || c.told(asleep, push.Offer) != 0 {
		t.Fatalf("%+v, %v, alerts %d, asleep told %d", got, err, c.alerts("dispatch_unanswered"), c.told(asleep, push.Offer))
	}
	c.pass(time.Hour)
	if c.alerts("dispatch_unanswered") != 1 {
		t.Fatal("told again and again")
	}
	// A coordinator may wake somebody; a late yes of the first counts, too, until then.
	if _, err := c.desk.More(t.Context(), c.boss, d.ID, []uuid.UUID{asleep.Account}, false); !fault.Is(err, "invalid") {
		t.Fatal(err)
	}
	if got, err = c.desk.More(t.Context(), c.boss, d.ID, []uuid.UUID{asleep.Account, far.Account}, true); err != nil || got.State != dispatch.Offered || c.told(far, push.Offer) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if got := c.do(near, d.ID, dispatch.Accept); got.State != dispatch.Accepted {
		t.Fatalf("%+v", got)
	}
	if c.told(asleep, push.OfferGone) != 1 || c.told(far, push.OfferGone) != 1 {
		t.Fatal("who need not come was not told")
	}
	c.refused(asleep, d.ID, dispatch.Accept, "taken")
	if _, err := c.desk.More(t.Context(), c.boss, d.ID, []uuid.UUID{far.Account}, true); !fault.Is(err, "taken") {
		t.Fatal(err)
	}
}

func TestWhoIsLateIsMissed(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	d := c.call(dispatch.New{DepartmentID: c.department(0), Accounts: []uuid.UUID{c.onShift(c.department(1)).Account}})
	lawyer := account.Principal{Account: d.Offers[0].AccountID, Organisation: c.organisation, Grants: []account.Grant{{Role: account.Lawyer, Organisation: c.organisation}}}
	eta := 20 * time.Minute
	if _, err := c.desk.Do(t.Context(), lawyer, d.ID, dispatch.Accept, &eta); err != nil {
		t.Fatal(err)
	}
	c.pass(19 * time.Minute)
	if c.alerts("dispatch_late") != 0 {
		t.Fatal("missed too early")
	}
	c.pass(2 * time.Minute)
	if c.alerts("dispatch_late") != 1 {
		t.Fatal("not missed")
	}
	c.pass(5 * time.Hour)
	if c.alerts("dispatch_late") != 1 {
		t.Fatal("missed more than once")
	}
}

// Who cannot go after all gives the call back, and so does who is locked on the way.
func TestACallComesBack(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here := c.department(0)
	first, second, third := c.onShift(c.department(1)), c.onShift(c.department(4)), c.onShift(c.department(9))
	d := c.call(dispatch.New{DepartmentID: here})
	c.do(first, d.ID, dispatch.Accept)
	c.do(first, d.ID, dispatch.Go)
	got := c.do(first, d.ID, dispatch.Decline)
	if got.State != dispatch.Offered || got.TakenBy != nil || c.told(second, push.Offer) != 1 {
		t.Fatalf("%+v", got)
	}
	c.refused(first, d.ID, dispatch.Accept, "already_decided")
	c.do(second, d.ID, dispatch.Accept)
	must(t, c.db.InTx(t.Context(), func(tx *pg.Tx) error { return dispatch.Return(t.Context(), tx, second.Account) }))
	c.exec("update accounts set state = 'locked' where id = $1", second.Account)
	c.pass(0)
	if c.told(third, push.Offer) != 1 {
		t.Fatal("the call of a locked lawyer was not passed on")
	}
	c.do(third, d.ID, dispatch.Accept)
	must(t, c.db.InTx(t.Context(), func(tx *pg.Tx) error { return c.desk.Arrived(t.Context(), tx, third.Account, here, tx.Now) }))
	if got, err := c.desk.Get(t.Context(), third, d.ID); err != nil || got.State != dispatch.Arrived || len(got.Offers) != 1 {
		t.Fatalf("%+v, %v: a lawyer sees of the offers their own", got, err)
	}
}

func TestCallingOffReachesThePhone(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here := c.department(0)
	goes, asked := c.onShift(c.department(1)), c.onShift(c.department(2))
	d := c.call(dispatch.New{DepartmentID: here, Accounts: []uuid.UUID{goes.Account}})
	c.do(goes, d.ID, dispatch.Accept)
	open := c.call(dispatch.New{DepartmentID: here, Accounts: []uuid.UUID{asked.Account}})
	c.refused(goes, d.ID, dispatch.CallOff, "forbidden")
	for _, id := range []uuid.UUID{d.ID, open.ID} {
		if got := c.do(c.boss, id, dispatch.CallOff); got.State != dispatch.Cancelled {
			t.Fatalf("%+v", got)
		}
		c.do(c.boss, id, dispatch.CallOff)
	}
	if c.told(goes, push.OfferGone) != 1 || c.told(asked, push.OfferGone) != 1 {
		t.Fatal("not told")
	}
	c.refused(asked, open.ID, dispatch.Accept, "ended")
	c.pass(time.Hour)
	if n := c.alerts("dispatch_unanswered") + c.alerts("dispatch_late"); n != 0 {
		t.Fatalf("%d alerts of what was called off", n)
	}
}

// A thousand races of two: one winner each, and nobody is on two ways.
func TestOneWinnerInAThousandRaces(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here, there := c.department(0), c.department(1)
	a, b := c.onShift(there), c.onShift(there)
	races := 1000
	if testing.Short() {
		races = 50
	}
	wins := map[uuid.UUID]int{}
	for range races {
		d := c.call(dispatch.New{DepartmentID: here, Accounts: []uuid.UUID{a.Account, b.Account}})
		var won, lost int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for _, p := range []account.Principal{a, b} {
			wg.Go(func() {
				got, err := c.desk.Do(context.Background(), p, d.ID, dispatch.Accept, nil)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil && *got.TakenBy == p.Account:
					won++
					wins[p.Account]++
				case fault.Is(err, "taken"):
					lost++
				default:
					t.Errorf("%+v, %v", got, err)
				}
			})
		}
		wg.Wait()
		if won != 1 || lost != 1 {
			t.Fatalf("%d won, %d lost", won, lost)
		}
		c.do(c.boss, d.ID, dispatch.CallOff)
	}
	t.Logf("%d races: %d and %d won", races, wins[a.Account], wins[b.Account])
}

// One lawyer, two calls, both accepted at once: one of the answers is engaged.
func TestALawyerIsOnOneWay(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	lawyer := c.onShift(c.department(1))
	for range 20 {
		one := c.call(dispatch.New{DepartmentID: c.department(2), Accounts: []uuid.UUID{lawyer.Account}})
		two := c.call(dispatch.New{DepartmentID: c.department(3), Accounts: []uuid.UUID{lawyer.Account}})
		codes := make([]error, 2)
		var wg sync.WaitGroup
		for i, id := range []uuid.UUID{one.ID, two.ID} {
			wg.Go(func() { _, codes[i] = c.desk.Do(context.Background(), lawyer, id, dispatch.Accept, nil) })
		}
		wg.Wait()
		if (codes[0] == nil) == (codes[1] == nil) || !fault.Is(codes[0], "engaged") && !fault.Is(codes[1], "engaged") {
			t.Fatalf("%v and %v", codes[0], codes[1])
		}
		c.do(c.boss, one.ID, dispatch.CallOff)
		c.do(c.boss, two.ID, dispatch.CallOff)
	}
}

// Two nodes look at once, and one dies in the middle of it (its transaction is rolled back): each step is done once.
func TestEscalationSurvivesEveryStep(t *testing.T) {
	t.Parallel()
	c := newCity(t)
	here := c.department(0)
	lawyers := []account.Principal{c.onShift(c.department(1)), c.onShift(c.department(2)), c.onShift(c.department(3))}
	d := c.call(dispatch.New{DepartmentID: here})
	for range len(lawyers) {
		c.db.Clock.Move(3*time.Minute + time.Second)
		dying, kill := context.WithCancel(t.Context())
		kill()
		_, _ = c.desk.Tick(dying)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for did := true; did; {
					var err error
					if did, err = c.desk.Tick(context.Background()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}
	for i, p := range lawyers {
		if n := c.told(p, push.Offer); n != 1 {
			t.Fatalf("lawyer %d was asked %d times", i, n)
		}
	}
	if got, err := c.desk.Get(t.Context(), c.boss, d.ID); err != nil || got.State != dispatch.Unanswered || c.alerts("dispatch_unanswered") != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
}
