package account

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

const (
	rightPin  = "271828"
	duressPin = "314159"
	wrongPin  = "000000"
)

// pinned is a lawyer who has both PINs, on a session that is shut.
func (p *place) pinned(role Role, org uuid.UUID) (Principal, Opened) {
	p.t.Helper()
	who, o := p.person(role, org)
	must(p.t, p.desk.SetPins(p.ctx, who, Pins{Pin: rightPin, Duress: duressPin}))
	must(p.t, p.desk.ShutSession(p.ctx, who))
	return who, o
}

func (p *place) enterPin(o Opened, pin string) Principal {
	p.t.Helper()
	opened, _, err := p.desk.EnterPin(p.ctx, p.who(o), pin)
	must(p.t, err)
	return p.who(opened)
}

func TestAPinOpensAsItsOwnerTheOtherAsAShadow(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	owner, o := p.pinned(Coordinator, p.org)
	shut := p.who(o)
	if !shut.Shut || shut.Owner != owner.Account || shut.Account == owner.Account {
		t.Fatalf("shut: %+v", shut)
	}
	wantCode(t, shut.Needs(Lawyer), "pin_needed")
	if again := p.enterPin(o, rightPin); again.Account != owner.Account || again.Shut || !again.Has(Coordinator) {
		t.Fatalf("the right PIN: %+v", again)
	}
	shadow := p.enterPin(o, duressPin)
	if shadow.Account == owner.Account || shadow.Owner != owner.Account || shadow.Shut || shadow.Has(Coordinator) || !shadow.Has(Lawyer) || shadow.Organisation != p.org {
		t.Fatalf("the other PIN: %+v", shadow)
	}
	me, err := p.desk.Me(p.ctx, shadow)
	must(t, err)
	if me.Name != "Сәуле coordinator" || me.State != Shadow {
		t.Errorf("the shadow is %+v", me)
	}
	// Whoever holds the phone gets no further with the right one.
	if still := p.enterPin(o, rightPin); still.Account != shadow.Account {
		t.Errorf("after the right PIN: %+v", still)
	}
	next, err := p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken})
	must(t, err)
	if next.Account.ID != shadow.Account {
		t.Errorf("the next token is of %s, not of the shadow", next.Account.ID)
	}
	if err := p.desk.ShutSession(p.ctx, shadow); err != nil || !p.who(next).Shut {
		t.Errorf("a shadow's session does not shut: %v", err)
	}
}

// On a stream one stays let in without asking again: a PIN must end it.
func TestWhoWasLetInIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	owner, o := p.pinned(Lawyer, p.org)
	other, _ := p.person(Lawyer, p.org)
	living := func() (out map[uuid.UUID]uuid.UUID) {
		must(t, p.db.InTx(p.ctx, func(tx *pg.Tx) (err error) {
			out, err = p.desk.Living(p.ctx, tx, []uuid.UUID{o.Session, other.Session})
			return err
		}))
		return out
	}
	if got := living(); len(got) != 1 || got[other.Session] != other.Account {
		t.Errorf("shut: %v", got)
	}
	p.enterPin(o, rightPin)
	if got := living(); got[o.Session] != owner.Account {
		t.Errorf("open: %v", got)
	}
	shadow := p.enterPin(o, duressPin)
	if got := living(); got[o.Session] != shadow.Account {
		t.Errorf("as a shadow: %v", got)
	}
}

func TestPinsAreSixDigitsAndDiffer(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	who, _ := p.person(Lawyer, p.org)
	for _, c := range []struct {
		pins Pins
		want string
	}{
		{Pins{Pin: "12345"}, "[{/pin bad_format}]"},
		{Pins{Pin: "1234567890123"}, "[{/pin bad_format}]"},
		{Pins{Pin: "12345a", Duress: "١٢٣٤٥٦"}, "[{/pin bad_format} {/duress_pin bad_format}]"},
		{Pins{Pin: rightPin, Duress: rightPin}, "[{/duress_pin not_allowed}]"},
	} {
		err := p.desk.SetPins(p.ctx, who, c.pins)
		wantCode(t, err, "invalid")
		if got := fmt.Sprint(fault.As(err).Fields); got != c.want {
			t.Errorf("%+v: %s", c.pins, got)
		}
	}
	_, _, err := p.desk.EnterPin(p.ctx, who, rightPin)
	wantCode(t, err, "conflict") // there is none
	wantCode(t, p.desk.SetPins(p.ctx, Principal{}, Pins{Pin: rightPin}), "unauthenticated")
}

func TestTheFifthWrongPinEndsTheSession(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	_, o := p.pinned(Lawyer, p.org)
	shut := p.who(o)
	wrong := func() error {
		_, _, err := p.desk.EnterPin(p.ctx, shut, wrongPin)
		return err
	}
	for range wrongPins - 1 {
		wantCode(t, wrong(), "wrong_pin")
	}
	p.enterPin(o, rightPin) // begins anew
	for range wrongPins - 2 {
		wantCode(t, wrong(), "wrong_pin")
	}
	wantCode(t, p.desk.SetPins(p.ctx, p.who(o), Pins{Current: wrongPin, Pin: "111111"}), "wrong_pin") // is counted like any
	wantCode(t, wrong(), "unauthenticated")
	_, err := p.desk.Authenticate(p.ctx, o.AccessToken)
	wantCode(t, err, "unauthenticated")
	_, err = p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken})
	wantCode(t, err, "unauthenticated")
	if n := p.count("select count(*) from alerts where kind = 'pin_guessed'"); n != 1 {
		t.Errorf("%d alerts", n)
	}
}

// Guesses at once are guesses one after the other.
func TestWrongPinsAtOnceAreAllCounted(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	_, o := p.pinned(Lawyer, p.org)
	shut := p.who(o)
	ended := 0
	for _, err := range together(12, func(int) error { _, _, err := p.desk.EnterPin(p.ctx, shut, wrongPin); return err }) {
		if fault.Is(err, "unauthenticated") {
			ended++
		} else if !fault.Is(err, "wrong_pin") {
			t.Error(err)
		}
	}
	if n := p.count("select count(*) from sessions where revoked_reason = 'wrong_pins'"); n != 1 || ended == 0 {
		t.Errorf("%d sessions ended, %d were told so", n, ended)
	}
}

func TestInAShadowPinsChangeTheShadowsOnly(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	owner, o := p.pinned(Lawyer, p.org)
	shadow := p.enterPin(o, duressPin)
	must(t, p.desk.SetPins(p.ctx, shadow, Pins{Current: duressPin, Pin: "555555", Duress: "666666"}))
	code, err := p.desk.InviteDevice(p.ctx, shadow)
	must(t, err)
	second, err := p.desk.OpenSession(p.ctx, opening(code.Code))
	must(t, err)
	if second.Account.ID != shadow.Account {
		t.Errorf("a session that waits for a PIN shows %s, who is not the shadow", second.Account.ID)
	}
	if as := p.who(second); !as.Shut {
		t.Fatalf("a second device is open without a PIN: %+v", as)
	}
	if as := p.enterPin(second, "555555"); as.Account != shadow.Account {
		t.Errorf("the PIN that the shadow chose opens %s", as.Account)
	}
	third, err := p.desk.OpenSession(p.ctx, opening(must2(p.desk.InviteDevice(p.ctx, shadow)).Code))
	must(t, err)
	if as := p.enterPin(third, rightPin); as.Account != owner.Account {
		t.Errorf("the owner's own PIN opens %s", as.Account)
	}
	_, _, err = p.desk.EnterPin(p.ctx, p.who(third), duressPin)
	wantCode(t, err, "wrong_pin")
}

func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A PIN must not keep a right alive that was taken away.
func TestAShadowsRightsEndWithItsOwners(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	chief, _ := p.person(Coordinator, p.org)
	owner, o := p.pinned(Lawyer, p.org)
	shadow := p.enterPin(o, duressPin)
	a, err := p.desk.Get(p.ctx, chief, owner.Account)
	must(t, err)
	_, err = p.desk.Patch(p.ctx, chief, PatchRequest{ID: owner.Account, Revision: a.Revision, Grants: &[]GrantRequest{}})
	must(t, err)
	p.desk.known.forget(owner.Account)
	if as := p.who(o); as.Account != shadow.Account || len(as.Grants) != 0 {
		t.Errorf("after its owner's grants were revoked the shadow has %v", as.Grants)
	}
	if as := p.enterPin(o, duressPin); len(as.Grants) != 0 {
		t.Errorf("a PIN brings rights back: %v", as.Grants)
	}
}

func TestNobodyMeetsAShadow(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	admin, _ := p.person(Admin, p.org)
	owner, o := p.pinned(Lawyer, p.org)
	shadow := p.enterPin(o, duressPin)
	list, _, err := p.desk.List(p.ctx, admin, uuid.Nil, 100)
	must(t, err)
	if slices.ContainsFunc(list, func(a Account) bool { return a.ID == shadow.Account }) {
		t.Error("an admin's list shows a shadow")
	}
	_, err = p.desk.Get(p.ctx, admin, shadow.Account)
	wantCode(t, err, "not_found")
	_, err = p.desk.Lock(p.ctx, admin, shadow.Account, "")
	wantCode(t, err, "not_found")

	// Of the owner's devices the shadow sees its own.
	other := must2(p.desk.OpenSession(p.ctx, opening(must2(p.desk.InviteDevice(p.ctx, owner)).Code)))
	mine, _, err := p.desk.Sessions(p.ctx, shadow, SessionCursor{}, 10)
	must(t, err)
	if len(mine) != 1 || mine[0].ID != o.Session {
		t.Errorf("the shadow's sessions: %v", mine)
	}
	_, err = p.desk.Session(p.ctx, shadow, other.Session)
	wantCode(t, err, "not_found")
	wantCode(t, p.desk.End(p.ctx, shadow, other.Session), "not_found")
	must(t, p.desk.End(p.ctx, shadow, o.Session))
}

// What follows a PIN: nothing for the one, for the other the phone is cut off and help is called, once however often the job runs.
func TestHelpIsCalledWhenAShadowIsOpened(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	var called []Duress
	p.desk.duress = func(_ context.Context, _ *pg.Tx, who Duress) error { called = append(called, who); return nil }
	owner, o := p.pinned(Lawyer, p.org)
	var lengths []int
	follow := func() (id uuid.UUID) {
		t.Helper()
		must(t, p.db.Pool.QueryRow(p.ctx, "select (args->>'id')::uuid from river_job where kind = 'pin_entered' order by id desc limit 1").Scan(&id))
		lengths = append(lengths, p.count("select octet_length(entry_ct) from pin_entries where id = $1", id))
		must(t, p.desk.afterPin(p.ctx, id))
		return id
	}
	p.enterPin(o, rightPin)
	follow()
	if len(called) != 0 || p.push.drops.Load() != 0 {
		t.Fatalf("the right PIN calls for help: %v", called)
	}
	p.enterPin(o, duressPin)
	id := follow()
	must(t, p.desk.afterPin(p.ctx, id))
	if want := (Duress{Organisation: p.org, Account: owner.Account, ID: id}); len(called) != 1 || called[0] != want || p.push.drops.Load() != 1 {
		t.Errorf("called %v, want %v once; %d phones cut off", called, want, p.push.drops.Load())
	}
	if lengths[0] != lengths[1] || p.count("select count(*) from pin_entries") != 0 {
		t.Errorf("the rows tell which PIN it was: %v", lengths)
	}
}

func TestAPinOpensForTwelveHours(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	_, o := p.pinned(Lawyer, p.org)
	_, until, err := p.desk.EnterPin(p.ctx, p.who(o), rightPin)
	must(t, err)
	if left := until.Sub(p.db.Now()); left > pinOpens || left < pinOpens-time.Minute {
		t.Errorf("open for %s", left)
	}
	if _, err := p.db.Pool.Exec(p.ctx, "update sessions set open_until = $2 where id = $1", o.Session, p.db.Now()); err != nil {
		t.Fatal(err)
	}
	p.desk.known.forget(o.Account.ID)
	if !p.who(o).Shut {
		t.Error("a session stays open after its time")
	}
}

// Who is locked and let in again has no PINs: they set them anew, and get another shadow.
func TestUnlockingForgetsThePins(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	chief, _ := p.person(Coordinator, p.org)
	owner, o := p.pinned(Lawyer, p.org)
	shadow := p.enterPin(o, duressPin)
	_, err := p.desk.Lock(p.ctx, chief, owner.Account, "")
	must(t, err)
	_, err = p.desk.Authenticate(p.ctx, o.AccessToken)
	wantCode(t, err, "unauthenticated")
	_, err = p.desk.Unlock(p.ctx, chief, owner.Account, "")
	must(t, err)
	_, code, err := p.desk.Reinvite(p.ctx, chief, owner.Account)
	must(t, err)
	back, opened := p.enter(code.Code)
	if back.Shut || back.Account != owner.Account {
		t.Fatalf("let in again: %+v", back)
	}
	must(t, p.desk.SetPins(p.ctx, back, Pins{Pin: rightPin, Duress: duressPin}))
	if again := p.enterPin(opened, duressPin); again.Account == shadow.Account || again.Account == owner.Account {
		t.Errorf("the new shadow is %s", again.Account)
	}
}

// Both PINs that are chosen in a forced session open it afterwards, as they do in any other: who tries them must not learn more.
func TestPinsChosenInAShadowBothOpenIt(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	owner, o := p.pinned(Lawyer, p.org)
	shadow := p.enterPin(o, duressPin)
	must(t, p.desk.SetPins(p.ctx, shadow, Pins{Current: duressPin, Pin: "555555", Duress: "666666"}))
	for _, pin := range []string{"666666", "555555"} {
		if as := p.enterPin(o, pin); as.Account != shadow.Account {
			t.Errorf("%s opens %s", pin, as.Account)
		}
	}
	must(t, p.desk.SetPins(p.ctx, shadow, Pins{Current: "666666", Pin: "777777"}))
	for _, old := range []string{"555555", "666666", duressPin} {
		_, _, err := p.desk.EnterPin(p.ctx, p.who(o), old)
		wantCode(t, err, "wrong_pin")
	}
	third := must2(p.desk.OpenSession(p.ctx, opening(must2(p.desk.InviteDevice(p.ctx, shadow)).Code)))
	if as := p.enterPin(third, rightPin); as.Account != owner.Account {
		t.Errorf("the owner's own PIN opens %s", as.Account)
	}
}

// A phone that lies open is taken, and its PINs are to be changed: with the PIN for that day nobody gets a PIN that opens it as its owner.
func TestTheOtherPinChangesItselfAlone(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	called := 0
	p.desk.duress = func(context.Context, *pg.Tx, Duress) error { called++; return nil }
	owner, o := p.pinned(Lawyer, p.org)
	open := p.enterPin(o, rightPin)
	must(t, p.desk.SetPins(p.ctx, open, Pins{Current: duressPin, Pin: "555555"}))
	var id uuid.UUID
	must(t, p.db.Pool.QueryRow(p.ctx, "select (args->>'id')::uuid from river_job where kind = 'pin_entered' order by id desc limit 1").Scan(&id))
	must(t, p.desk.afterPin(p.ctx, id))
	if called != 1 {
		t.Errorf("help was called %d times", called)
	}
	if as := p.who(o); as.Account != owner.Account {
		t.Errorf("what lies open is another's day at once: %s", as.Account)
	}
	must(t, p.desk.ShutSession(p.ctx, open))
	if as := p.enterPin(o, "555555"); as.Account == owner.Account {
		t.Error("who was given the PIN for such a day chose a PIN of the owner's")
	}
	other := must2(p.desk.OpenSession(p.ctx, opening(must2(p.desk.InviteDevice(p.ctx, owner)).Code)))
	if as := p.enterPin(other, rightPin); as.Account != owner.Account {
		t.Errorf("the owner's own PIN opens %s", as.Account)
	}
}

// Who knows one PIN begins anew with it after every fourth guess at the other: so wrong ones are counted by the day, too, and then the account is locked.
func TestGuessesBetweenRightPinsLockTheAccount(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	owner, o := p.pinned(Lawyer, p.org)
	p.enterPin(o, duressPin)
	guesses := 0
	for ; guesses < 100; guesses++ {
		if guesses%(wrongPins-1) == wrongPins-2 {
			p.enterPin(o, duressPin)
		}
		_, _, err := p.desk.EnterPin(p.ctx, p.who(o), wrongPin)
		if fault.Is(err, "unauthenticated") {
			break
		}
		wantCode(t, err, "wrong_pin")
	}
	if guesses >= 30 || p.count("select count(*) from accounts where id = $1 and state = 'locked'", owner.Account) != 1 {
		t.Fatalf("%d guesses, and the account is not locked", guesses+1)
	}
	if n := p.count("select count(*) from alerts where kind = 'pin_guessed' and subject_id = $1", owner.Account); n != 1 {
		t.Errorf("%d alerts", n)
	}

	// A tired person, day after day, is not locked out.
	_, o = p.pinned(Lawyer, p.org)
	for range 10 {
		for range wrongPins - 1 {
			_, _, err := p.desk.EnterPin(p.ctx, p.who(o), wrongPin)
			wantCode(t, err, "wrong_pin")
		}
		p.enterPin(o, rightPin)
		p.db.Clock.Move(25 * time.Hour)
		r, err := p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken})
		must(t, err)
		o = r
	}
}

// What a shadow changes of its own stays as the screen is locked and opened again: with anybody else it does.
func TestAPinLeavesWhatAShadowSaidOfItself(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	_, o := p.pinned(Lawyer, p.org)
	shadow := p.enterPin(o, duressPin)
	me := must2(p.desk.Me(p.ctx, shadow))
	put, err := p.desk.PutCredentials(p.ctx, shadow, CredentialsPut{ID: shadow.Account, Revision: me.Revision, Credentials: Credentials{BarNumber: "А-17", Languages: []string{"kk"}}})
	must(t, err)
	must(t, p.desk.ShutSession(p.ctx, shadow))
	if me := must2(p.desk.Me(p.ctx, p.enterPin(o, duressPin))); me.Credentials.BarNumber != "А-17" || me.Revision != put.Revision {
		t.Errorf("after the PIN it is %+v", me)
	}
}
