package account

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

func inviting(role Role, cities ...string) InviteRequest {
	return InviteRequest{ClientID: uuid.New(), Name: "Данияр Оспанов", Role: role, Cities: cities}
}

// The row of domain.md: who invites whom, and who is refused.
func TestWhoInvitesWhom(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	callers := map[Role]Principal{}
	for _, r := range []Role{Lawyer, Operator, Coordinator, Admin} {
		callers[r], _ = p.person(r, p.org)
	}
	want := map[Role]map[Role]string{
		Lawyer:      {Lawyer: "forbidden", Operator: "forbidden", Coordinator: "forbidden", Admin: "forbidden"},
		Operator:    {Lawyer: "forbidden", Operator: "forbidden", Coordinator: "forbidden", Admin: "forbidden"},
		Coordinator: {Lawyer: "invited", Operator: "invited", Coordinator: "waiting", Admin: "forbidden"},
		Admin:       {Lawyer: "invited", Operator: "invited", Coordinator: "waiting", Admin: "waiting"},
	}
	for by, row := range want {
		for role, outcome := range row {
			a, code, err := p.desk.Invite(p.ctx, callers[by], inviting(role))
			if outcome == "forbidden" {
				if !fault.Is(err, "forbidden") {
					t.Errorf("%s invites %s: %v", by, role, err)
				}
				continue
			}
			must(t, err)
			if string(a.State) != outcome || a.OrganisationID != p.org || code.Waiting != (outcome == "waiting") || a.Name != "Данияр Оспанов" {
				t.Errorf("%s invites %s: %+v", by, role, a)
			}
		}
	}
	_, _, err := p.desk.Invite(p.ctx, Principal{}, inviting(Lawyer))
	wantCode(t, err, "unauthenticated")
	r := inviting(Lawyer)
	r.Organisation = p.organisation("Басқа")
	_, _, err = p.desk.Invite(p.ctx, callers[Coordinator], r)
	wantCode(t, err, "forbidden")
	a, _, err := p.desk.Invite(p.ctx, callers[Admin], r)
	must(t, err)
	if a.OrganisationID != r.Organisation {
		t.Error("not into the organisation named")
	}
}

func TestCitiesStayWithinTheInvitersOwn(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	c, _ := p.person(Coordinator, p.org, "almaty", "astana")
	_, _, err := p.desk.Invite(p.ctx, c, inviting(Lawyer, "almaty", "oral"))
	wantCode(t, err, "invalid")
	if f := fault.As(err).Fields[0]; f.Pointer != "/cities/1" || f.Code != "not_allowed" {
		t.Errorf("field %+v", f)
	}
	a, _, err := p.desk.Invite(p.ctx, c, inviting(Lawyer, "astana"))
	must(t, err)
	_, err = p.desk.Patch(p.ctx, c, PatchRequest{ID: a.ID, Revision: a.Revision, Grants: &[]GrantRequest{{Role: Lawyer}}})
	wantCode(t, err, "invalid") // no cities is every city
	a, _, err = p.desk.Invite(p.ctx, c, inviting(Lawyer))
	must(t, err)
	if fmt.Sprint(a.Grants[0].Cities) != "[almaty astana]" {
		t.Errorf("cities %v", a.Grants[0].Cities)
	}
}

func TestInviteRefusesWhatIsWrong(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	c, _ := p.person(Coordinator, p.org)
	past := p.db.Now().Add(-time.Hour)
	_, _, err := p.desk.Invite(p.ctx, c, InviteRequest{Name: " ", Role: "boss", Cities: []string{"Алматы"}, Until: &past})
	wantCode(t, err, "invalid")
	if got := fmt.Sprint(fault.As(err).Fields); got != "[{/name required} {/client_id required} {/role not_allowed} {/cities/0 bad_format} {/until out_of_range}]" {
		t.Errorf("fields %s", got)
	}
}

func TestInvitingTwiceIsInvitingOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	c, _ := p.person(Coordinator, p.org)
	other, _ := p.person(Coordinator, p.org)
	r := inviting(Lawyer)
	before := p.count("select count(*) from accounts")
	for _, err := range together(6, func(int) error { _, _, err := p.desk.Invite(p.ctx, c, r); return err }) {
		must(t, err)
	}
	if n := p.count("select count(*) from accounts"); n != before+1 {
		t.Fatalf("%d accounts more", n-before)
	}
	_, old, err := p.desk.Invite(p.ctx, c, r)
	must(t, err)
	_, fresh, err := p.desk.Invite(p.ctx, c, r)
	must(t, err)
	_, err = p.desk.OpenSession(p.ctx, opening(old.Code))
	wantCode(t, err, "unauthenticated")
	_, _, err = p.desk.Invite(p.ctx, other, r)
	wantCode(t, err, "client_id_taken")
	p.enter(fresh.Code)
	_, _, err = p.desk.Invite(p.ctx, c, r)
	wantCode(t, err, "conflict") // a code for a person who is in would open their account to the inviter
}

func TestTheSecondPerson(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	author, _ := p.person(Coordinator, p.org)
	second, _ := p.person(Coordinator, p.org)
	elsewhere, _ := p.person(Coordinator, p.organisation("Басқа"))
	lawyer, _ := p.person(Lawyer, p.org)
	admin, _ := p.person(Admin, p.org)
	admin2, _ := p.person(Admin, p.organisation("Үшінші"))

	a, code, err := p.desk.Invite(p.ctx, author, inviting(Coordinator))
	must(t, err)
	_, err = p.desk.OpenSession(p.ctx, opening(code.Code))
	wantCode(t, err, "unauthenticated") // waits
	_, err = p.desk.Approve(p.ctx, author, a.ID)
	wantCode(t, err, "second_person_needed")
	_, err = p.desk.Approve(p.ctx, lawyer, a.ID)
	wantCode(t, err, "forbidden")
	_, err = p.desk.Approve(p.ctx, elsewhere, a.ID)
	wantCode(t, err, "not_found")
	a, err = p.desk.Approve(p.ctx, second, a.ID)
	must(t, err)
	if a.State != Invited || a.Grants[0].Waits() || *a.Grants[0].ApprovedBy != second.Account {
		t.Fatalf("approved %+v", a)
	}
	_, err = p.desk.Approve(p.ctx, second, a.ID)
	wantCode(t, err, "already_decided")
	who, _ := p.enter(code.Code)
	if !who.Has(Coordinator) {
		t.Error("approved, but no coordinator")
	}

	a, code, err = p.desk.Invite(p.ctx, admin, inviting(Admin))
	must(t, err)
	_, err = p.desk.Approve(p.ctx, second, a.ID)
	wantCode(t, err, "forbidden") // a coordinator does not make admins
	_, err = p.desk.Approve(p.ctx, admin, a.ID)
	wantCode(t, err, "second_person_needed")
	_, err = p.desk.Approve(p.ctx, admin2, a.ID)
	must(t, err)
	who, _ = p.enter(code.Code)
	if !who.Has(Admin) {
		t.Error("approved, but no admin")
	}
}

func TestWhoSeesWhichAccounts(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	far := p.organisation("Басқа")
	here, _ := p.person(Lawyer, p.org)
	there, _ := p.person(Lawyer, far)
	c, _ := p.person(Coordinator, p.org)
	admin, _ := p.person(Admin, p.org)
	operator, _ := p.person(Operator, p.org)
	for name, cell := range map[string]struct {
		by   Principal
		id   uuid.UUID
		want string
	}{
		"coordinator, own":     {c, here.Account, ""},
		"coordinator, foreign": {c, there.Account, "not_found"},
		"coordinator, nobody":  {c, uuid.New(), "not_found"},
		"admin, foreign":       {admin, there.Account, ""},
		"admin, nobody":        {admin, uuid.New(), "not_found"},
		"operator, own":        {operator, here.Account, "forbidden"},
		"lawyer, own":          {here, here.Account, "forbidden"},
		"lawyer, foreign":      {here, there.Account, "forbidden"},
	} {
		name2 := "Жаңа"
		deeds := map[string]func() error{
			"get":    func() error { _, err := p.desk.Get(p.ctx, cell.by, cell.id); return err },
			"unlock": func() error { _, err := p.desk.Unlock(p.ctx, cell.by, cell.id, ""); return err },
			"patch": func() error {
				_, err := p.desk.Patch(p.ctx, cell.by, PatchRequest{ID: cell.id, Revision: 0, Name: &name2})
				if fault.Is(err, "stale") {
					return nil // seen, and that is what is asked here
				}
				return err
			},
			"approve": func() error {
				_, err := p.desk.Approve(p.ctx, cell.by, cell.id)
				if fault.Is(err, "already_decided") {
					return nil
				}
				return err
			},
			"reinvite": func() error {
				_, _, err := p.desk.Reinvite(p.ctx, cell.by, cell.id)
				if fault.Is(err, "conflict") {
					return nil
				}
				return err
			},
		}
		for deed, do := range deeds {
			err := do()
			if cell.want == "" && err != nil || cell.want != "" && !fault.Is(err, cell.want) {
				t.Errorf("%s: %s: %v", name, deed, err)
			}
		}
	}
	list, more, err := p.desk.List(p.ctx, c, uuid.Nil, 50)
	must(t, err)
	all, cut, err := p.desk.List(p.ctx, admin, uuid.Nil, 2)
	must(t, err)
	rest, _, err := p.desk.List(p.ctx, admin, all[1].ID, 50)
	must(t, err)
	if len(list) != 4 || more || !cut || len(all)+len(rest) != 5 || list[3].Name != "Сәуле lawyer" {
		t.Errorf("lists %d %d %d", len(list), len(all), len(rest))
	}
	_, _, err = p.desk.List(p.ctx, operator, uuid.Nil, 50)
	wantCode(t, err, "forbidden")
	if n := p.acts("account.listed"); n != 3 {
		t.Errorf("%d audit rows of three lists", n)
	}
}

// A grant that ended, waits or was revoked gives no scope, whatever the principal of a moment ago says.
func TestScopeIsReadInTheDatabase(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	lawyer, _ := p.person(Lawyer, p.org)
	c, _ := p.person(Coordinator, p.org)
	_, err := p.desk.Get(p.ctx, c, lawyer.Account)
	must(t, err)
	for name, change := range map[string]string{
		"revoked": "revoked_at = $2",
		"ended":   "valid_until = $2",
		"waiting": "needs_second = true, approved_by = null, created_at = $2",
		"later":   "valid_from = $2::timestamptz + interval '1 hour'",
	} {
		t.Run(name, func(t *testing.T) {
			tx, err := p.db.Pool.Begin(p.ctx)
			must(t, err)
			_, err = tx.Exec(p.ctx, "update grants set "+change+" where account_id = $1", c.Account, p.db.Now())
			must(t, err)
			must(t, tx.Commit(p.ctx))
			_, err = p.desk.Get(p.ctx, c, lawyer.Account)
			wantCode(t, err, "not_found")
			_, err = p.db.Pool.Exec(p.ctx, "update grants set revoked_at = null, valid_until = null, needs_second = false, valid_from = created_at where account_id = $1", c.Account)
			must(t, err)
			_, err = p.desk.Get(p.ctx, c, lawyer.Account)
			must(t, err)
		})
	}
}

func TestALockIsSeenOnEveryNode(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	other := p.another()
	c, _ := p.person(Coordinator, p.org)
	lawyer, o := p.person(Lawyer, p.org)
	inv, err := p.desk.InviteDevice(p.ctx, lawyer)
	must(t, err)
	_, err = other.Authenticate(p.ctx, o.AccessToken)
	must(t, err)
	_, err = p.desk.Authenticate(p.ctx, o.AccessToken)
	must(t, err)
	a, err := p.desk.Lock(p.ctx, c, lawyer.Account, "телефон отобран")
	must(t, err)
	if a.State != Locked || p.push.drops.Load() != 1 {
		t.Fatalf("locked %+v", a)
	}
	_, err = p.desk.Authenticate(p.ctx, o.AccessToken)
	wantCode(t, err, "unauthenticated") // at once on this node
	_, err = other.Authenticate(p.ctx, o.AccessToken)
	must(t, err) // the other node knows the session from a moment ago: the test would be empty otherwise
	p.db.Clock.Move(time.Second)
	_, err = other.Authenticate(p.ctx, o.AccessToken)
	wantCode(t, err, "unauthenticated")
	for _, d := range []*Desk{p.desk, other} {
		_, err = d.Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken})
		wantCode(t, err, "unauthenticated")
		_, err = d.OpenSession(p.ctx, opening(inv.Code))
		wantCode(t, err, "unauthenticated")
	}
	_, err = p.desk.InviteDevice(p.ctx, lawyer)
	wantCode(t, err, "unauthenticated") // with a principal of a moment ago
	_, err = p.desk.Lock(p.ctx, c, lawyer.Account, "")
	must(t, err)
	if n := p.acts("account.locked"); n != 1 {
		t.Errorf("%d audit rows", n)
	}
	// Unlocked, the old sessions stay dead and a fresh code lets in.
	a, err = p.desk.Unlock(p.ctx, c, lawyer.Account, "")
	must(t, err)
	_, err = p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken})
	wantCode(t, err, "unauthenticated")
	_, err = p.desk.OpenSession(p.ctx, opening(inv.Code))
	wantCode(t, err, "unauthenticated")
	if a.State != Invited {
		t.Errorf("unlocked is %s", a.State)
	}
	_, fresh, err := p.desk.Reinvite(p.ctx, c, lawyer.Account)
	must(t, err)
	who, _ := p.enter(fresh.Code)
	if who.Account != lawyer.Account || !who.Has(Lawyer) {
		t.Errorf("back as %+v", who)
	}
	_, _, err = p.desk.Reinvite(p.ctx, c, lawyer.Account)
	wantCode(t, err, "conflict")
}

func TestWhoLocksWhom(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	far := p.organisation("Басқа")
	c, _ := p.person(Coordinator, p.org)
	admin, _ := p.person(Admin, p.org)
	lawyer, _ := p.person(Lawyer, p.org)
	operator, _ := p.person(Operator, p.org)
	foreign, _ := p.person(Coordinator, far)
	for _, cell := range []struct {
		name   string
		by     Principal
		target uuid.UUID
		want   string
	}{
		{"lawyer locks an operator", lawyer, operator.Account, "forbidden"},
		{"coordinator locks an admin", c, admin.Account, "forbidden"},
		{"coordinator locks another organisation's", c, foreign.Account, "not_found"},
		{"nobody locks", Principal{}, uuid.Nil, "unauthenticated"},
		{"lawyer locks themself", lawyer, lawyer.Account, ""},
		{"coordinator locks an operator", c, operator.Account, ""},
		{"admin locks another organisation's coordinator", admin, foreign.Account, ""},
		{"admin locks themself", admin, admin.Account, ""},
	} {
		_, err := p.desk.Lock(p.ctx, cell.by, cell.target, "")
		if cell.want == "" && err != nil || cell.want != "" && !fault.Is(err, cell.want) {
			t.Errorf("%s: %v", cell.name, err)
		}
	}
}

// One admin must not become their own second person by locking a colleague and taking the new code.
func TestUnlockingDoesNotMakeASecondPerson(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	bad, _ := p.person(Admin, p.org)
	colleague, _ := p.person(Admin, p.org)
	third, _ := p.person(Admin, p.org)
	_, err := p.desk.Lock(p.ctx, bad, colleague.Account, "")
	must(t, err)
	a, err := p.desk.Unlock(p.ctx, bad, colleague.Account, "")
	must(t, err)
	_, inv, err := p.desk.Reinvite(p.ctx, bad, colleague.Account)
	must(t, err)
	if a.State != Waiting || !inv.Waiting {
		t.Fatalf("unlocked %+v", a)
	}
	_, err = p.desk.OpenSession(p.ctx, opening(inv.Code))
	wantCode(t, err, "unauthenticated")
	_, err = p.desk.Approve(p.ctx, bad, colleague.Account)
	wantCode(t, err, "second_person_needed")
	_, err = p.desk.Approve(p.ctx, third, colleague.Account)
	must(t, err)
	who, _ := p.enter(inv.Code)
	if !who.Has(Admin) {
		t.Error("not an admin again")
	}
}

func TestOpeningAndLockingAtOnceLeavesNoSession(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for range 10 {
		c, _ := p.person(Coordinator, p.org) // another each time: a fourth lock would wait
		a, inv, err := p.desk.Invite(p.ctx, c, inviting(Lawyer))
		must(t, err)
		for _, err := range together(2, func(i int) error {
			if i == 0 {
				_, err := p.desk.Lock(p.ctx, c, a.ID, "")
				return err
			}
			_, err := p.desk.OpenSession(p.ctx, opening(inv.Code))
			if fault.Is(err, "unauthenticated") {
				return nil
			}
			return err
		}) {
			must(t, err)
		}
		if n := p.count("select count(*) from sessions where account_id = $1 and revoked_at is null", a.ID); n != 0 {
			t.Fatalf("%d sessions of a locked account", n)
		}
		if n := p.count("select count(*) from accounts where id = $1 and state = 'locked'", a.ID); n != 1 {
			t.Fatal("not locked")
		}
	}
}

func TestPatch(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	c, _ := p.person(Coordinator, p.org)
	second, _ := p.person(Coordinator, p.org)
	lawyer, o := p.person(Lawyer, p.org, "almaty")
	a, err := p.desk.Get(p.ctx, c, lawyer.Account)
	must(t, err)
	name := "Сәуле Нұрланқызы"
	a, err = p.desk.Patch(p.ctx, c, PatchRequest{ID: a.ID, Revision: a.Revision, Name: &name})
	must(t, err)
	if a.Name != name {
		t.Errorf("name %q", a.Name)
	}
	// Someone else read it before: told what differs, with the account as it is.
	other := "Сәуле Н."
	same := []GrantRequest{{Role: Lawyer, Cities: []string{"almaty"}}}
	_, err = p.desk.Patch(p.ctx, second, PatchRequest{ID: a.ID, Revision: a.Revision - 1, Name: &other, Grants: &same})
	wantCode(t, err, "stale")
	f := fault.As(err)
	if cur, ok := f.Current.(Account); !ok || cur.Name != name || fmt.Sprint(f.Fields) != "[{/name changed}]" {
		t.Errorf("stale %+v", f)
	}
	// An added coordinator's grant waits; the lawyer's one goes on meanwhile.
	grants := []GrantRequest{{Role: Lawyer, Cities: []string{"almaty"}}, {Role: Coordinator, Cities: []string{"almaty"}}}
	kept := a.Grants[0].ID
	a, err = p.desk.Patch(p.ctx, c, PatchRequest{ID: a.ID, Revision: a.Revision, Grants: &grants})
	must(t, err)
	if len(a.Grants) != 2 || a.Grants[0].ID != kept || !a.Grants[1].Waits() || a.State != Active {
		t.Fatalf("patched %+v", a)
	}
	who, err := p.desk.Authenticate(p.ctx, o.AccessToken)
	must(t, err)
	if who.Has(Coordinator) || !who.Has(Lawyer) {
		t.Errorf("rights %+v", who.Grants)
	}
	_, err = p.desk.Approve(p.ctx, c, a.ID)
	wantCode(t, err, "second_person_needed")
	a, err = p.desk.Approve(p.ctx, second, a.ID)
	must(t, err)
	who, err = p.desk.Authenticate(p.ctx, o.AccessToken)
	must(t, err)
	if !who.Has(Coordinator) {
		t.Error("approved, but not in force")
	}
	// Shortened, it keeps its approval; widened, it waits again.
	end := p.db.Now().Add(time.Hour)
	grants[1].Until = &end
	a, err = p.desk.Patch(p.ctx, c, PatchRequest{ID: a.ID, Revision: a.Revision, Grants: &grants})
	must(t, err)
	if a.Grants[1].Waits() || a.Grants[1].Until == nil {
		t.Errorf("shortened %+v", a.Grants[1])
	}
	grants[1].Cities = nil
	a, err = p.desk.Patch(p.ctx, c, PatchRequest{ID: a.ID, Revision: a.Revision, Grants: &grants})
	must(t, err)
	if !a.Grants[1].Waits() {
		t.Error("widened without a second person")
	}
	// Grants end by themselves.
	short := []GrantRequest{{Role: Lawyer, Until: &end}}
	a, err = p.desk.Patch(p.ctx, c, PatchRequest{ID: a.ID, Revision: a.Revision, Grants: &short})
	must(t, err)
	p.db.Clock.Move(time.Hour)
	r, err := p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken})
	must(t, err)
	if who := p.who(r); len(who.Grants) != 0 || len(r.Account.Grants) != 0 {
		t.Errorf("grants after their end: %+v", who.Grants)
	}
	none := []GrantRequest{}
	if _, err = p.desk.Patch(p.ctx, c, PatchRequest{ID: a.ID, Revision: a.Revision, Grants: &none}); err != nil {
		t.Error(err)
	}
}

func TestWhatPatchRefuses(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	c, _ := p.person(Coordinator, p.org)
	admin, _ := p.person(Admin, p.org)
	lawyer, _ := p.person(Lawyer, p.org)
	name, empty := "Аты", " "
	more := []GrantRequest{{Role: Admin}}
	bad := []GrantRequest{{Role: "boss", Cities: []string{"A b"}}}
	for what, cell := range map[string]struct {
		by   Principal
		r    PatchRequest
		want string
	}{
		"one's own grants":                {c, PatchRequest{ID: c.Account, Revision: 2, Grants: &more}, "second_person_needed"},
		"an admin's own grants":           {admin, PatchRequest{ID: admin.Account, Revision: 2, Grants: &[]GrantRequest{}}, "second_person_needed"},
		"an admin's name, by coordinator": {c, PatchRequest{ID: admin.Account, Revision: 2, Name: &name}, "forbidden"},
		"an admin made by coordinator":    {c, PatchRequest{ID: lawyer.Account, Revision: 2, Grants: &more}, "forbidden"},
		"an empty name":                   {c, PatchRequest{ID: lawyer.Account, Revision: 2, Name: &empty}, "invalid"},
		"an unknown role":                 {c, PatchRequest{ID: lawyer.Account, Revision: 2, Grants: &bad}, "invalid"},
	} {
		if _, err := p.desk.Patch(p.ctx, cell.by, cell.r); !fault.Is(err, cell.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	own, err := p.desk.Patch(p.ctx, c, PatchRequest{ID: c.Account, Revision: 2, Name: &name})
	must(t, err)
	nothing, err := p.desk.Patch(p.ctx, c, PatchRequest{ID: c.Account, Revision: own.Revision, Name: &name})
	must(t, err)
	if own.Revision != 3 || nothing.Revision != 3 {
		t.Errorf("revisions %d %d", own.Revision, nothing.Revision)
	}
}

func TestPatchesAtOnceDoNotOverwriteEachOther(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	c, _ := p.person(Coordinator, p.org)
	lawyer, _ := p.person(Lawyer, p.org)
	won := 0
	for _, err := range together(6, func(i int) error {
		name := fmt.Sprintf("Аты %d", i)
		_, err := p.desk.Patch(p.ctx, c, PatchRequest{ID: lawyer.Account, Revision: 2, Name: &name})
		return err
	}) {
		if err == nil {
			won++
		} else {
			wantCode(t, err, "stale")
		}
	}
	if won != 1 {
		t.Fatalf("%d won", won)
	}
}

func TestAuthenticateAsksTheDatabaseOnceASecond(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	who, o := p.person(Lawyer, p.org)
	p.db.Clock.Move(-time.Minute) // a clock set back proves nothing about what is remembered
	if _, fresh := p.desk.known.get(who.Session, p.db.Now()); fresh {
		t.Error("remembered from the future")
	}
	p.db.Clock.Move(time.Minute)
	if _, fresh := p.desk.known.get(who.Session, p.db.Now()); !fresh {
		t.Error("not remembered")
	}
	// Another account's token for that session is not let in by what is remembered.
	stranger, err := p.desk.tokens.issue(uuid.New(), o.Session)
	must(t, err)
	_, err = p.desk.Authenticate(p.ctx, stranger)
	wantCode(t, err, "unauthenticated")
	p.db.Clock.Move(6 * time.Minute)
	_, err = p.desk.Authenticate(p.ctx, o.AccessToken)
	wantCode(t, err, "token_expired")
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	m := newMemory()
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for range memorySize + 500 {
		m.put(Principal{Session: uuid.New()}, now)
	}
	if len(m.by) != memorySize {
		t.Fatalf("%d remembered", len(m.by))
	}
	late := uuid.New()
	m.put(Principal{Session: late}, now.Add(2*time.Second))
	if _, fresh := m.get(late, now.Add(2*time.Second)); !fresh || len(m.by) != 1 {
		t.Fatalf("%d after the sweep", len(m.by))
	}
}

// Nothing that opens a door, and no name, lies in the database as it was said.
func TestNothingReadableIsStored(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	code, err := p.desk.InviteFromServer(p.ctx, InviteRequest{Name: "Жасырын Есімұлы", Role: Lawyer})
	must(t, err)
	r := opening(code)
	r.Device.Name = "Жасырын телефон"
	o, err := p.desk.OpenSession(p.ctx, r)
	must(t, err)
	next, err := p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: o.RefreshToken})
	must(t, err)
	plain, _ := readCode(code)
	for _, table := range []string{"accounts", "devices", "invitations", "sessions", "refresh_tokens", "audit_entries", "grants", "data_keys"} {
		rows, err := p.db.Pool.Query(p.ctx, "select t::text from "+table+" t")
		must(t, err)
		for rows.Next() {
			var row []byte
			must(t, rows.Scan(&row))
			for _, secret := range []string{"Жасырын", plain, code, o.RefreshToken, next.RefreshToken, o.AccessToken,
				fmt.Sprintf("%x", "Жасырын"), fmt.Sprintf("%x", plain), fmt.Sprintf("%x", o.RefreshToken)} {
				if bytes.Contains(row, []byte(secret)) {
					t.Errorf("%s holds a secret", table)
				}
			}
		}
		must(t, rows.Err())
	}
}

// Who is no lawyer any more can follow no call: who counts on them hears of it, once, and not when only their cities change.
func TestWhoIsNoLawyerAnyMoreIsCountedOnNoMore(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	var told []uuid.UUID
	p.desk.noLawyer = func(_ context.Context, _ *pg.Tx, who uuid.UUID) error {
		told = append(told, who)
		return nil
	}
	c, _ := p.person(Coordinator, p.org)
	lawyer, _ := p.person(Lawyer, p.org, "almaty")
	a, err := p.desk.Get(p.ctx, c, lawyer.Account)
	must(t, err)
	for _, step := range []struct {
		grants []GrantRequest
		want   int
	}{{[]GrantRequest{{Role: Lawyer, Cities: []string{"almaty", "astana"}}}, 0}, {[]GrantRequest{{Role: Lawyer}, {Role: Operator}}, 0}, {[]GrantRequest{{Role: Operator}}, 1}, {[]GrantRequest{}, 1}} {
		a, err = p.desk.Patch(p.ctx, c, PatchRequest{ID: a.ID, Revision: a.Revision, Grants: &step.grants})
		must(t, err)
		if len(told) != step.want || step.want > 0 && told[0] != lawyer.Account {
			t.Fatalf("with %+v: told of %v, want %d", step.grants, told, step.want)
		}
	}
}
