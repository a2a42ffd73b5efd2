package account

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

// A repeated invitation must not be a way to a code for someone who has become more than the inviter may touch.
func TestRepeatingAnInvitationDoesNotOpenAnAdmin(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	coordinator, _ := p.person(Coordinator, p.org)
	one, _ := p.person(Admin, p.org)
	two, _ := p.person(Admin, p.org)
	r := inviting(Lawyer)
	a, _, err := p.desk.Invite(p.ctx, coordinator, r)
	must(t, err)
	a, err = p.desk.Patch(p.ctx, one, PatchRequest{ID: a.ID, Revision: a.Revision, Grants: &[]GrantRequest{{Role: Lawyer}, {Role: Admin}}})
	must(t, err)
	_, err = p.desk.Approve(p.ctx, two, a.ID)
	must(t, err)
	_, _, err = p.desk.Reinvite(p.ctx, coordinator, a.ID)
	wantCode(t, err, "forbidden")
	_, _, err = p.desk.Invite(p.ctx, coordinator, r)
	wantCode(t, err, "forbidden")
}

// Nor for an account of an organisation in which the inviter has no say any more.
func TestRepeatingAnInvitationElsewhere(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	elsewhere := p.organisation("Басқа")
	admin, session := p.person(Admin, p.org)
	r := inviting(Lawyer)
	r.Organisation = elsewhere
	_, _, err := p.desk.Invite(p.ctx, admin, r)
	must(t, err)
	_, err = p.db.Pool.Exec(p.ctx, "update grants set role = 'coordinator' where account_id = $1", admin.Account)
	must(t, err)
	p.db.Clock.Move(2 * time.Second)
	demoted, err := p.desk.Authenticate(p.ctx, session.AccessToken)
	must(t, err)
	r.Organisation = uuid.Nil
	_, _, err = p.desk.Invite(p.ctx, demoted, r)
	wantCode(t, err, "client_id_taken")
}

// A stolen session is ended by the alarm; a code that the thief made with it for a device of their own ends with it.
func TestAReusedTokenVoidsCodesToo(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	lawyer, opened := p.person(Lawyer, p.org)
	code, err := p.desk.InviteDevice(p.ctx, lawyer)
	must(t, err)
	second, err := p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: opened.RefreshToken})
	must(t, err)
	_, err = p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: second.RefreshToken})
	must(t, err)
	p.db.Clock.Move(2 * time.Minute)
	_, err = p.desk.Refresh(p.ctx, RefreshRequest{RefreshToken: opened.RefreshToken})
	wantCode(t, err, "unauthenticated")
	_, err = p.desk.OpenSession(p.ctx, opening(code.Code))
	wantCode(t, err, "unauthenticated")
}

// What was approved for one organisation is not approved for another.
func TestAnApprovalDoesNotCoverAnotherOrganisation(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	admin, _ := p.person(Admin, p.org)
	a, _, err := p.desk.Invite(p.ctx, admin, inviting(Lawyer))
	must(t, err)
	elsewhere := p.organisation("Басқа")
	_, err = p.db.Pool.Exec(p.ctx, `insert into grants (id, account_id, organisation_id, role, valid_from, created_at) values ($1, $2, $3, 'coordinator', $4, $4)`,
		uuid.New(), a.ID, elsewhere, p.db.Now())
	must(t, err)
	a, err = p.desk.Patch(p.ctx, admin, PatchRequest{ID: a.ID, Revision: a.Revision, Grants: &[]GrantRequest{{Role: Coordinator}}})
	must(t, err)
	for _, h := range a.Grants {
		if h.Role == Coordinator && h.Organisation == p.org && !h.Waits() {
			t.Errorf("a coordinator of this organisation on another's approval: %+v", h)
		}
	}
	if n := p.count("select count(*) from grants where account_id = $1 and organisation_id = $2 and role = 'coordinator' and needs_second and revoked_at is null", a.ID, p.org); n != 1 {
		t.Errorf("%d grants wait, want 1", n)
	}
}
