package account

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestTheFourthLockNeedsASecondPerson(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	chief, _ := p.person(Coordinator, p.org)
	second, _ := p.person(Coordinator, p.org)
	var lawyers []uuid.UUID
	for range freeLocks + 2 {
		l, _ := p.person(Lawyer, p.org)
		lawyers = append(lawyers, l.Account)
	}
	for _, id := range lawyers[:freeLocks] {
		a, err := p.desk.Lock(p.ctx, chief, id, "")
		must(t, err)
		if a.State != Locked {
			t.Fatalf("the account is %s", a.State)
		}
		_, err = p.desk.Lock(p.ctx, chief, id, "") // said again it counts nothing
		must(t, err)
	}
	last := lawyers[freeLocks]
	for range 2 {
		_, err := p.desk.Lock(p.ctx, chief, last, "")
		wantCode(t, err, "second_person_needed")
	}
	if p.count("select count(*) from accounts where id = $1 and state = 'locked'", last) != 0 {
		t.Error("it was locked all the same")
	}
	open := func() int {
		return p.count("select count(*) from alerts where kind = 'lock_waits' and subject_id = $1 and acknowledged_at is null", last)
	}
	if open() != 1 {
		t.Errorf("%d alerts ask for a second person", open())
	}
	_, err := p.desk.Lock(p.ctx, second, last, "")
	must(t, err)
	if open() != 0 {
		t.Error("the second person is still asked for")
	}
	_, err = p.desk.Lock(p.ctx, chief, chief.Account, "") // one's own is never held up
	must(t, err)
}

func TestLocksAreFreeAgainTenMinutesLater(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	chief, _ := p.person(Coordinator, p.org)
	lawyer, _ := p.person(Lawyer, p.org)
	for range freeLocks {
		if _, err := p.db.Pool.Exec(p.ctx, "insert into locks (account_id, locked_by, at) values ($1, $2, $3)", lawyer.Account, chief.Account, p.db.Now().Add(-locksWithin-time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := p.desk.Lock(p.ctx, chief, lawyer.Account, "")
	must(t, err)
}

func TestLocksAtOnceAreCounted(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	chief, _ := p.person(Coordinator, p.org)
	var lawyers []uuid.UUID
	for range 8 {
		l, _ := p.person(Lawyer, p.org)
		lawyers = append(lawyers, l.Account)
	}
	together(len(lawyers), func(i int) error { _, err := p.desk.Lock(p.ctx, chief, lawyers[i], ""); return err })
	if n := p.count("select count(*) from accounts where state = 'locked'"); n != freeLocks {
		t.Errorf("%d were locked at once by one person", n)
	}
}

func TestABuddysCodeLocksOneLawyer(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	lawyer, o := p.person(Lawyer, p.org)
	other, oo := p.person(Lawyer, p.org)
	old := must2(p.desk.BuddyCode(p.ctx, lawyer))
	code := must2(p.desk.BuddyCode(p.ctx, lawyer))
	for _, wrong := range []string{"", "x", "0000-0000-0000", old.Code} {
		wantCode(t, p.desk.LockByBuddy(p.ctx, wrong), "unauthenticated")
	}
	_, err := p.desk.OpenSession(p.ctx, opening(code.Code))
	wantCode(t, err, "unauthenticated") // it opens nothing
	must(t, p.desk.LockByBuddy(p.ctx, code.Code))
	must(t, p.desk.LockByBuddy(p.ctx, code.Code)) // the answer was lost
	_, err = p.desk.Authenticate(p.ctx, o.AccessToken)
	wantCode(t, err, "unauthenticated")
	if got := p.who(oo); got.Account != other.Account {
		t.Error("another lawyer was locked")
	}
	if n := p.count("select count(*) from alerts where kind = 'buddy_locked' and subject_id = $1", lawyer.Account); n != 1 {
		t.Errorf("%d alerts", n)
	}
	if p.push.drops.Load() == 0 || p.acts("account.locked_by_buddy") != 1 {
		t.Errorf("%d phones cut off, %d rows of audit", p.push.drops.Load(), p.acts("account.locked_by_buddy"))
	}

	chief, _ := p.person(Coordinator, p.org)
	_, err = p.desk.Unlock(p.ctx, chief, lawyer.Account, "")
	must(t, err)
	wantCode(t, p.desk.LockByBuddy(p.ctx, code.Code), "unauthenticated") // it worked once
	dropped := must2(p.desk.BuddyCode(p.ctx, other))
	must(t, p.desk.DropBuddyCode(p.ctx, other))
	wantCode(t, p.desk.LockByBuddy(p.ctx, dropped.Code), "unauthenticated")
}

// The code that a shadow makes leaves its owner's buddy's in force, and locks the owner.
func TestAShadowsBuddyCodeLocksItsOwner(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	owner, o := p.pinned(Lawyer, p.org)
	code := must2(p.desk.BuddyCode(p.ctx, p.enterPin(o, rightPin)))
	shadows := must2(p.desk.BuddyCode(p.ctx, p.enterPin(o, duressPin)))
	must(t, p.desk.LockByBuddy(p.ctx, shadows.Code))
	if p.count("select count(*) from accounts where id = $1 and state = 'locked'", owner.Account) != 1 {
		t.Error("the owner is not locked")
	}
	must(t, p.desk.LockByBuddy(p.ctx, code.Code))
}

func TestABuddysCodeRunsOut(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	lawyer, _ := p.person(Lawyer, p.org)
	code := must2(p.desk.BuddyCode(p.ctx, lawyer))
	if _, err := p.db.Pool.Exec(p.ctx, "update buddy_codes set expires_at = $1", p.db.Now()); err != nil {
		t.Fatal(err)
	}
	wantCode(t, p.desk.LockByBuddy(p.ctx, code.Code), "unauthenticated")
}

// Who is made to open the app may lock their own account like anybody: it is done, and the answer is that of any other.
func TestAShadowLocksItsOwner(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	owner, o := p.pinned(Coordinator, p.org)
	shadow := p.enterPin(o, duressPin)
	a, err := p.desk.Lock(p.ctx, shadow, shadow.Account, "")
	must(t, err)
	if a.ID != shadow.Account || a.State != Locked || len(a.Grants) != 1 || a.Grants[0].Role != Lawyer {
		t.Errorf("answered with %+v", a)
	}
	if p.count("select count(*) from accounts where id = $1 and state = 'locked'", owner.Account) != 1 {
		t.Error("the owner is not locked")
	}
	_, err = p.desk.Authenticate(p.ctx, o.AccessToken)
	wantCode(t, err, "unauthenticated")
	plain, oo := p.pinned(Lawyer, p.org)
	b, err := p.desk.Lock(p.ctx, p.enterPin(oo, rightPin), plain.Account, "")
	must(t, err)
	if b.Revision != a.Revision || b.State != a.State {
		t.Errorf("revision %d of a shadow, %d of anybody", a.Revision, b.Revision)
	}
}

// Taking somebody's rights away shuts them out as a lock does, and is counted with them.
func TestRightsThatAreTakenAwayCountAsLocks(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	thief, _ := p.person(Coordinator, p.org)
	second, _ := p.person(Coordinator, p.org)
	read := func(id uuid.UUID) Account { return must2(p.desk.Get(p.ctx, second, id)) }
	tomorrow := p.db.Now().Add(time.Hour)
	for what, grants := range map[string][]GrantRequest{"none": {}, "a lawyer": {{Role: Lawyer}}, "for an hour": {{Role: Coordinator, Until: &tomorrow}}} {
		boss, _ := p.person(Coordinator, p.org)
		_, err := p.desk.Patch(p.ctx, thief, PatchRequest{ID: boss.Account, Revision: read(boss.Account).Revision, Grants: &grants})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	boss, o := p.person(Coordinator, p.org)
	lawyer, _ := p.person(Lawyer, p.org)
	for _, id := range []uuid.UUID{boss.Account, lawyer.Account} {
		_, err := p.desk.Patch(p.ctx, thief, PatchRequest{ID: id, Revision: read(id).Revision, Grants: &[]GrantRequest{}})
		wantCode(t, err, "second_person_needed")
		if n := p.count("select count(*) from alerts where kind = 'lock_waits' and subject_id = $1", id); n != 1 {
			t.Errorf("%d alerts", n)
		}
	}
	if who := p.who(o); !who.Has(Coordinator) {
		t.Error("taken away all the same")
	}
	_, err := p.desk.Lock(p.ctx, thief, lawyer.Account, "")
	wantCode(t, err, "second_person_needed")
	// What is given, or moved to another city, is not held up.
	_, err = p.desk.Patch(p.ctx, thief, PatchRequest{ID: lawyer.Account, Revision: read(lawyer.Account).Revision, Grants: &[]GrantRequest{{Role: Lawyer, Cities: []string{"astana"}}}})
	must(t, err)
	_, err = p.desk.Patch(p.ctx, thief, PatchRequest{ID: boss.Account, Revision: read(boss.Account).Revision, Grants: &[]GrantRequest{{Role: Coordinator}, {Role: Lawyer}}})
	must(t, err)
	_, err = p.desk.Patch(p.ctx, second, PatchRequest{ID: boss.Account, Revision: read(boss.Account).Revision, Grants: &[]GrantRequest{}})
	must(t, err)
}
