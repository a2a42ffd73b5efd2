package account

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/fault"
)

func TestCodesAreReadAsPeopleTypeThem(t *testing.T) {
	t.Parallel()
	for range 200 {
		code, err := mintCode()
		must(t, err)
		shown := grouped(code)
		if len(shown) != 14 || shown[4] != '-' || shown[9] != '-' {
			t.Fatalf("form %q", shown)
		}
		for _, typed := range []string{shown, code, strings.ToLower(shown), strings.ReplaceAll(shown, "-", " "), " " + shown + "  ",
			strings.ReplaceAll(shown, "-", "\u2013"), strings.ReplaceAll(strings.ReplaceAll(shown, "0", "o"), "1", "l")} {
			got, ok := readCode(typed)
			if !ok || got != code {
				t.Fatalf("%q read as %q", typed, got)
			}
		}
	}
	for _, bad := range []string{"", "----", "ABCD", "ABCD-EFGH-JKMU", "ABCD-EFGH-JKMNP", "ABCD-EFGH-JKМN", strings.Repeat("A", 100)} {
		if _, ok := readCode(bad); ok {
			t.Errorf("%q was read", bad)
		}
	}
}

func TestACodeOpensOneSession(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	code, err := p.desk.InviteFromServer(p.ctx, InviteRequest{Name: "Айгүл Сәрсенова", Role: Lawyer, Cities: []string{"almaty"}})
	must(t, err)
	r := opening(strings.ToLower(code))
	r.PushToken = "fcm-token"
	o, err := p.desk.OpenSession(p.ctx, r)
	must(t, err)
	if o.Account.Name != "Айгүл Сәрсенова" || o.Account.State != Active || o.RefreshToken != r.RefreshToken || o.ExpiresIn != 5*time.Minute {
		t.Fatalf("opened %+v", o)
	}
	if p.push.sets.Load() != 1 {
		t.Error("push token was not handed on")
	}
	who := p.who(o)
	if who.Account != o.Account.ID || who.Session != o.Session || who.Organisation != p.org || !who.HasIn(p.org, "almaty", Lawyer) || who.HasIn(p.org, "astana", Lawyer) {
		t.Fatalf("principal %+v", who)
	}
	_, err = p.desk.OpenSession(p.ctx, opening(code))
	wantCode(t, err, "unauthenticated")
	if n := p.acts("session.opened"); n != 1 {
		t.Errorf("%d audit rows", n)
	}
}

func TestALostAnswerIsRepeatedWithoutHarm(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	code, err := p.desk.InviteFromServer(p.ctx, InviteRequest{Name: "Айгүл", Role: Lawyer})
	must(t, err)
	r := opening(code)
	r.Device.PublicKey = newDeviceKey(t).public
	sessions := make([]uuid.UUID, 8)
	for _, err := range together(8, func(i int) error {
		o, err := p.desk.OpenSession(p.ctx, r)
		sessions[i] = o.Session
		if err == nil {
			_, err = p.desk.Authenticate(p.ctx, o.AccessToken)
		}
		return err
	}) {
		must(t, err)
	}
	for _, s := range sessions {
		if s != sessions[0] {
			t.Fatal("two sessions for one code")
		}
	}
	if n := p.count("select count(*) from sessions"); n != 1 {
		t.Fatalf("%d sessions", n)
	}
	for name, change := range map[string]func(r *OpenRequest){
		"another device":  func(r *OpenRequest) { r.Device.ID = uuid.New() },
		"another token":   func(r *OpenRequest) { r.RefreshToken = token43() },
		"no token":        func(r *OpenRequest) { r.RefreshToken = "" },
		"no key":          func(r *OpenRequest) { r.Device.PublicKey = nil },
		"someone's token": func(r *OpenRequest) { _, o := p.person(Lawyer, p.org); r.RefreshToken = o.RefreshToken },
	} {
		other := r
		change(&other)
		if _, err := p.desk.OpenSession(p.ctx, other); !fault.Is(err, "unauthenticated") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Once the session was refreshed its answer has surely arrived: the code is no second way in.
func TestAnOpeningIsNotRepeatedAfterARefresh(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	code, err := p.desk.InviteFromServer(p.ctx, InviteRequest{Name: "Айгүл", Role: Lawyer})
	must(t, err)
	r := opening(code)
	o, err := p.desk.OpenSession(p.ctx, r)
	must(t, err)
	next, err := p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken})
	must(t, err)
	_, err = p.desk.OpenSession(p.ctx, r)
	wantCode(t, err, "unauthenticated")
	p.who(next)
}

func TestTwoPhonesCannotShareOneCode(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	code, err := p.desk.InviteFromServer(p.ctx, InviteRequest{Name: "Айгүл", Role: Lawyer})
	must(t, err)
	in := 0
	for _, err := range together(8, func(int) error { _, err := p.desk.OpenSession(p.ctx, opening(code)); return err }) {
		if err == nil {
			in++
		} else {
			wantCode(t, err, "unauthenticated")
		}
	}
	if in != 1 {
		t.Fatalf("%d phones got in", in)
	}
}

func TestCodesRunOut(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	code, err := p.desk.InviteFromServer(p.ctx, InviteRequest{Name: "Айгүл", Role: Lawyer})
	must(t, err)
	p.db.Clock.Move(72 * time.Hour)
	_, err = p.desk.OpenSession(p.ctx, opening(code))
	wantCode(t, err, "unauthenticated")
}

func TestWrongCodesAreLimitedAndARightOneStillOpens(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.desk.wrong = wrongCodes(5)
	code, err := p.desk.InviteFromServer(p.ctx, InviteRequest{Name: "Айгүл", Role: Lawyer})
	must(t, err)
	for range 5 {
		_, err := p.desk.OpenSession(p.ctx, opening("0000-0000-0000"))
		wantCode(t, err, "unauthenticated")
	}
	_, err = p.desk.OpenSession(p.ctx, opening("0000-0000-0001"))
	wantCode(t, err, "too_many")
	if fault.As(err).RetryAfter <= 0 {
		t.Error("no Retry-After")
	}
	p.enter(code)
	p.db.Clock.Move(time.Minute)
	_, err = p.desk.OpenSession(p.ctx, opening("not a code"))
	wantCode(t, err, "unauthenticated")
}

func TestOpenSessionPointsAtWhatIsWrong(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := OpenRequest{Invitation: "x", RefreshToken: "short", PushToken: strings.Repeat("x", 5000),
		Device: OpenDevice{Platform: "fax", PublicKey: &DeviceKey{Kty: "EC", Crv: "P-256", X: strings.Repeat("A", 43), Y: strings.Repeat("A", 43)}}}
	_, err := p.desk.OpenSession(p.ctx, r)
	wantCode(t, err, "invalid")
	got := map[string]string{}
	for _, f := range fault.As(err).Fields {
		got[f.Pointer] = f.Code
	}
	want := map[string]string{"/device/name": "required", "/device/platform": "not_allowed", "/device/public_key": "bad_format",
		"/refresh_token": "bad_format", "/push_token": "too_long"}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s: %q, want %q", k, got[k], v)
		}
	}
}

func TestSomeoneElsesIdsAreRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	first := opening("")
	var err error
	first.Invitation, err = p.desk.InviteFromServer(p.ctx, InviteRequest{Name: "А", Role: Lawyer})
	must(t, err)
	_, err = p.desk.OpenSession(p.ctx, first)
	must(t, err)
	code, err := p.desk.InviteFromServer(p.ctx, InviteRequest{Name: "Б", Role: Lawyer})
	must(t, err)
	r := opening(code)
	r.Device.ID = first.Device.ID
	_, err = p.desk.OpenSession(p.ctx, r)
	wantCode(t, err, "client_id_taken")
	r = opening(code)
	r.RefreshToken = first.RefreshToken
	_, err = p.desk.OpenSession(p.ctx, r)
	wantCode(t, err, "invalid")
	p.enter(code) // a refused try did not use the code up
}

func TestASecondDeviceAndTheSameDeviceAgain(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	who, first := p.person(Lawyer, p.org)
	old, err := p.desk.InviteDevice(p.ctx, who)
	must(t, err)
	inv, err := p.desk.InviteDevice(p.ctx, who)
	must(t, err)
	_, err = p.desk.OpenSession(p.ctx, opening(old.Code))
	wantCode(t, err, "unauthenticated") // the earlier unused code stopped working
	p.db.Clock.Move(time.Minute)
	r := opening(inv.Code)
	second, err := p.desk.OpenSession(p.ctx, r)
	must(t, err)
	if second.Account.ID != first.Account.ID || second.Session == first.Session {
		t.Fatal("not a second session of the same account")
	}
	list, more, err := p.desk.Sessions(p.ctx, who, SessionCursor{}, 50)
	must(t, err)
	if len(list) != 2 || more || list[0].ID != second.Session || list[0].Device.Name != "Телефон Айгүл" {
		t.Fatalf("sessions %+v", list)
	}
	rest, _, err := p.desk.Sessions(p.ctx, who, SessionCursor{LastUsed: list[0].LastUsedAt, ID: list[0].ID}, 50)
	must(t, err)
	if len(rest) != 1 || rest[0].ID != first.Session {
		t.Fatalf("next page %+v", rest)
	}
	// The same phone signs in anew: its old session ends.
	inv, err = p.desk.InviteDevice(p.ctx, who)
	must(t, err)
	r.Invitation, r.RefreshToken = inv.Code, token43()
	third, err := p.desk.OpenSession(p.ctx, r)
	must(t, err)
	if n := p.count("select count(*) from sessions where revoked_reason = 'replaced' and id = $1", second.Session); n != 1 {
		t.Error("the device's old session lives on")
	}
	// One's own session can be read and ended, another's cannot.
	stranger, _ := p.person(Lawyer, p.org)
	_, err = p.desk.Session(p.ctx, stranger, third.Session)
	wantCode(t, err, "not_found")
	wantCode(t, p.desk.End(p.ctx, stranger, third.Session), "not_found")
	got, err := p.desk.Session(p.ctx, who, third.Session)
	must(t, err)
	if got.Device.Platform != "android" {
		t.Errorf("device %+v", got.Device)
	}
	p.who(third)
	must(t, p.desk.End(p.ctx, who, third.Session))
	must(t, p.desk.End(p.ctx, who, third.Session))
	_, err = p.desk.Authenticate(p.ctx, third.AccessToken)
	wantCode(t, err, "unauthenticated")
	_, err = p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: third.RefreshToken})
	wantCode(t, err, "unauthenticated")
	_, err = p.desk.Session(p.ctx, who, third.Session)
	wantCode(t, err, "not_found")
	if n := p.acts("session.ended"); n != 1 {
		t.Errorf("%d audit rows of one end", n)
	}
}

func TestMeAndPush(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	who, _ := p.person(Operator, p.org, "astana", "almaty", "astana")
	me, err := p.desk.Me(p.ctx, who)
	must(t, err)
	if me.Name != "Сәуле operator" || len(me.Grants) != 1 || strings.Join(me.Grants[0].Cities, " ") != "almaty astana" {
		t.Fatalf("me %+v", me)
	}
	_, err = p.desk.SetPushToken(p.ctx, who, "token")
	must(t, err)
	must(t, p.desk.DropPushToken(p.ctx, who))
	st, err := p.desk.PushToken(p.ctx, who)
	must(t, err)
	if st.State != "none" || p.push.sets.Load() != 1 || p.push.drops.Load() != 1 {
		t.Error("push was not asked")
	}
	_, err = p.desk.Me(p.ctx, Principal{})
	wantCode(t, err, "unauthenticated")
}

func TestTheFirstOrganisationIsMadeOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	if _, err := p.db.Pool.Exec(p.ctx, "delete from audit_entries; delete from organisations"); err != nil {
		t.Fatal(err)
	}
	_, err := p.desk.InviteFromServer(p.ctx, InviteRequest{Name: "А", Role: Admin})
	if err == nil {
		t.Fatal("invited into nothing")
	}
	ids := make([]uuid.UUID, 6)
	for _, err := range together(6, func(i int) (err error) { ids[i], err = p.desk.EnsureOrganisation(p.ctx, "Көмек"); return err }) {
		must(t, err)
	}
	if n := p.count("select count(*) from organisations"); n != 1 || ids[0] != ids[5] {
		t.Fatalf("%d organisations", n)
	}
}
