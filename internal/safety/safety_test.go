package safety_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/push/pushtest"
	"github.com/qorgau/qorgau/internal/safety"
	"github.com/qorgau/qorgau/internal/seal"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const lawyersName = "Оспанова Айгерим Бериковна"

type night struct {
	*testing.T
	db     *pgtest.Database
	ring   *seal.Ring
	center *push.Center
	phones *pushtest.Phones
	guard  *safety.Guard
	ledger *detention.Ledger
	org    uuid.UUID
	lawyer account.Principal
}

func newNight(t *testing.T) *night {
	t.Helper()
	n := &night{T: t, db: pgtest.New(t), org: uuid.New()}
	ks, err := seal.NewKeyset(n.db.Now())
	n.must(err)
	ring, err := seal.Open(ks)
	n.must(err)
	n.ring, n.phones = ring, &pushtest.Phones{}
	n.center, err = push.New(push.Options{DB: n.db.DB, Ring: ring, Senders: map[string]push.Sender{push.FCM: n.phones}})
	n.must(err)
	index := finder.New(n.db.DB, ring, nil)
	t.Cleanup(index.Close)
	n.ledger = detention.New(n.db.DB, ring, audit.New(ring), index)
	n.guard = safety.New(safety.Options{DB: n.db.DB, Ring: ring, Audit: audit.New(ring), Push: n.center, Detentions: n.ledger,
		Names: func(_ context.Context, _ *pg.Tx, ids ...uuid.UUID) (map[uuid.UUID]string, error) {
			out := map[uuid.UUID]string{}
			for _, id := range ids {
				out[id] = lawyersName
			}
			return out, nil
		}})
	n.exec("insert into organisations (id, name, created_at) values ($1, 'o', $2)", n.org, n.db.Now())
	n.lawyer = n.person(account.Lawyer)
	return n
}

func (n *night) must(err error) {
	n.Helper()
	if err != nil {
		n.Fatal(err)
	}
}

func (n *night) exec(query string, args ...any) {
	n.Helper()
	_, err := n.db.Pool.Exec(n.Context(), query, args...)
	n.must(err)
}

func (n *night) count(query string, args ...any) int {
	n.Helper()
	var c int
	n.must(n.db.Pool.QueryRow(n.Context(), query, args...).Scan(&c))
	return c
}

func (n *night) person(role account.Role) account.Principal {
	n.Helper()
	p := account.Principal{Account: uuid.New(), Session: uuid.New(), Organisation: n.org, Grants: []account.Grant{{ID: uuid.New(), Role: role, Organisation: n.org}}}
	n.exec(`with k as (insert into data_keys (id, organisation_id, scope, period, wrapped) values ($3, $1, 'account', '2026-11', $4) returning id),
		a as (insert into accounts (id, organisation_id, key_id, name_ct, state, created_at, updated_at) select $5, $1, k.id, $4, 'active', $2, $2 from k returning id)
		insert into grants (id, account_id, organisation_id, role, cities, valid_from, valid_until, created_at) select $6, a.id, $1, $7, '{}', $2, $2::timestamptz + interval '30 days', $2 from a`,
		n.org, n.db.Now(), uuid.New(), []byte("Q1"+strings.Repeat("x", 40)), p.Account, p.Grants[0].ID, string(role))
	return p
}

// reachable gives somebody a phone.
func (n *night) reachable(p account.Principal) {
	n.Helper()
	n.exec(`insert into channels (id, owner_kind, owner_id, position, kind, key_id, address_ct, address_mac, created_at, confirmed_at)
		select $1, 'account', a.id, 0, 'fcm', a.key_id, a.name_ct, $2, a.created_at, a.created_at from accounts a where a.id = $3`, uuid.New(), p.Account[:], p.Account)
}

// onDuty gives a coordinator a duty shift that is on, and a phone.
func (n *night) onDuty(p account.Principal) uuid.UUID {
	n.Helper()
	id := uuid.New()
	n.reachable(p)
	n.exec(`insert into shifts (id, organisation_id, account_id, kind, city, state, starts_at, ends_at, created_at) values ($1, $2, $3, 'duty', 'almaty', 'planned', $4, $5, $4)`,
		id, n.org, p.Account, n.db.Now().Add(-time.Hour), n.db.Now().Add(12*time.Hour))
	return id
}

func (n *night) told(p account.Principal, kind string) int {
	n.Helper()
	return n.count("select count(*) from notices where owner_id = $1 and kind = $2", p.Account, kind)
}

// pass lets time go by; several nodes look at once, and one of them dies.
func (n *night) pass(d time.Duration) {
	n.Helper()
	n.db.Clock.Move(d)
	dying, kill := context.WithCancel(n.Context())
	kill()
	_, _ = n.guard.Tick(dying)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for did := true; did; {
				var err error
				if did, err = n.guard.Tick(context.WithoutCancel(n.Context())); err != nil {
					n.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func (n *night) refused(err error, code string) {
	n.Helper()
	if !fault.Is(err, code) {
		n.Fatalf("got %v, want %s", err, code)
	}
}

func TestAnAlarmIsToldUntilSomebodyTakesIt(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	duty, other := n.person(account.Coordinator), n.person(account.Coordinator)
	shift := n.onDuty(duty)
	lat, lon := 43.2512345, 76.9012345
	cry := safety.Cry{ClientID: uuid.New(), Said: safety.Said{Lat: &lat, Lon: &lon, Note: " нас увозят, спросите Айгуль "}}
	a, err := n.guard.Raise(t.Context(), n.lawyer, cry)
	n.must(err)
	again, err := n.guard.Raise(t.Context(), n.lawyer, cry)
	n.must(err)
	if !a.First || again.First || again.ID != a.ID || *a.Lat != 43.251 || a.Note != " нас увозят, спросите Айгуль " {
		t.Fatalf("%+v", a)
	}
	steps := []struct {
		wait        time.Duration
		duty, other int
	}{{0, 1, 0}, {30 * time.Second, 1, 0}, {30 * time.Second, 2, 0}, {2 * time.Minute, 3, 1}, {3 * time.Minute, 4, 2}, {3 * time.Minute, 5, 3}}
	for i, s := range steps {
		n.pass(s.wait)
		if a, b := n.told(duty, push.Alarm), n.told(other, push.Alarm); a != s.duty || b != s.other {
			t.Fatalf("step %d: the one on duty was told %d times, the other %d; want %d and %d", i, a, b, s.duty, s.other)
		}
	}
	_, err = n.guard.Acknowledge(t.Context(), n.lawyer, a.ID)
	n.refused(err, "forbidden")
	taken, err := n.guard.Acknowledge(t.Context(), duty, a.ID)
	n.must(err)
	if taken.AcknowledgedBy == nil || *taken.AcknowledgedBy != duty.Account || taken.ShiftID == nil || *taken.ShiftID != shift {
		t.Fatalf("%+v", taken)
	}
	if late, err := n.guard.Acknowledge(t.Context(), other, a.ID); err != nil || *late.AcknowledgedBy != duty.Account {
		t.Fatalf("%+v, %v", late, err)
	}
	n.pass(time.Hour)
	if n.told(duty, push.Alarm) != 5 {
		t.Fatal("told again after somebody took it")
	}
	if seen, err := n.guard.Alarm(t.Context(), n.lawyer, a.ID); err != nil || seen.AcknowledgedAt == nil {
		t.Fatalf("who raised it does not see that it was taken: %+v, %v", seen, err)
	}
	if c := n.count("select count(*) from alarms where position('Айгуль'::bytea in said_ct) + position('43.251'::bytea in said_ct) > 0"); c != 0 {
		t.Fatal("where and why lies open")
	}
	n.db.Clock.Move(24 * time.Hour)
	if wiped, err := n.guard.Forget(t.Context()); err != nil || wiped != 1 {
		t.Fatalf("%d, %v", wiped, err)
	}
}

// Whatever is wrong with it, a cry for help is heard; with nobody on duty, by all; with nobody at all, by the first who comes.
func TestNoAlarmIsRefused(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	nonsense, lon := 1e9, 0.0
	fallen := account.Principal{Account: n.lawyer.Account, Organisation: n.org}
	a, err := n.guard.Raise(t.Context(), fallen, safety.Cry{ClientID: uuid.New(), Said: safety.Said{Lat: &nonsense, Lon: &lon, Note: strings.Repeat("я", 5000)}})
	n.must(err)
	if a.Lat != nil || len([]rune(a.Note)) != 1000 {
		t.Fatalf("%v, %d characters", a.Lat, len([]rune(a.Note)))
	}
	chief := n.person(account.Coordinator)
	n.pass(time.Minute)
	if n.told(chief, push.Alarm) != 1 {
		t.Fatal("who came later does not hear of it")
	}
	_, err = n.guard.Raise(t.Context(), account.Principal{}, safety.Cry{ClientID: uuid.New()})
	n.refused(err, "unauthenticated")
	own, err := n.guard.Raise(t.Context(), chief, safety.Cry{ClientID: uuid.New(), Test: true})
	n.must(err)
	_, err = n.guard.Acknowledge(t.Context(), chief, own.ID)
	n.refused(err, "second_person_needed")
}

// Who is on duty without a phone that a push can reach keeps nobody asleep.
func TestADutyWithoutAPhoneWakesAll(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	duty, other := n.person(account.Coordinator), n.person(account.Coordinator)
	n.onDuty(duty)
	n.exec("update channels set dropped_at = $1, address_ct = null", n.db.Now())
	_, err := n.guard.Raise(t.Context(), n.lawyer, safety.Cry{ClientID: uuid.New()})
	n.must(err)
	if n.told(other, push.Alarm) != 1 || n.told(duty, push.Alarm) != 1 {
		t.Fatalf("told %d and %d times", n.told(duty, push.Alarm), n.told(other, push.Alarm))
	}
}

func TestATimerMissesWhoDoesNotComeBack(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	chief := n.person(account.Coordinator)
	start := func(d time.Duration) safety.Timer {
		timer, err := n.guard.StartTimer(t.Context(), n.lawyer, uuid.New(), n.db.Now().Add(d), "отдел на Карасай батыра")
		n.must(err)
		return timer
	}
	ends, fires := start(30*time.Minute), start(time.Hour)
	n.pass(24 * time.Minute)
	if n.told(n.lawyer, push.Timer) != 0 {
		t.Fatal("reminded too early")
	}
	n.pass(time.Minute)
	if n.told(n.lawyer, push.Timer) != 1 {
		t.Fatal("not reminded")
	}
	longer, err := n.guard.ChangeTimer(t.Context(), n.lawyer, ends.ID, n.db.Now().Add(20*time.Minute))
	n.must(err)
	n.pass(10 * time.Minute)
	for range 2 {
		got, err := n.guard.ChangeTimer(t.Context(), n.lawyer, longer.ID, time.Time{})
		if err != nil || got.State != "ended" {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	n.pass(24 * time.Minute)
	if n.count("select count(*) from alarms") != 0 {
		t.Fatal("fired too early, or after it was ended")
	}
	n.pass(time.Minute)
	if n.told(chief, push.Alarm) != 1 || n.count("select count(*) from alarms where timer_id = $1 and not test", fires.ID) != 1 {
		t.Fatal("did not fire once")
	}
	_, err = n.guard.ChangeTimer(t.Context(), n.lawyer, fires.ID, time.Time{})
	n.refused(err, "ended")
	for _, bad := range []time.Time{n.db.Now(), n.db.Now().Add(49 * time.Hour)} {
		_, err = n.guard.StartTimer(t.Context(), n.lawyer, uuid.New(), bad, "")
		n.refused(err, "invalid")
	}
	_, err = n.guard.ChangeTimer(t.Context(), chief, ends.ID, time.Time{})
	n.refused(err, "not_found")
	if list, _, err := n.guard.Timers(t.Context(), chief, 0, 10); err != nil || len(list) != 0 {
		t.Fatalf("%+v, %v", list, err)
	}
}

// Hours without a server: what ran out meanwhile fires when it is back, once.
func TestATimerFiresAfterAnOutage(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	chief := n.person(account.Coordinator)
	_, err := n.guard.StartTimer(t.Context(), n.lawyer, uuid.New(), n.db.Now().Add(10*time.Minute), "")
	n.must(err)
	n.pass(5 * time.Hour)
	n.pass(0)
	if n.told(chief, push.Alarm) != 1 || n.told(n.lawyer, push.Timer) != 0 {
		t.Fatalf("%d alarms, %d reminders", n.told(chief, push.Alarm), n.told(n.lawyer, push.Timer))
	}
}
