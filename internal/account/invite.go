package account

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// InviteRequest asks for an account with one grant. ClientID is the phone's. Organisation uuid.Nil is the inviter's own (on
// the command line: the oldest). No cities: every city that the inviter may give. From nil is now, Until nil without end.
type InviteRequest struct {
	ClientID     uuid.UUID
	Organisation uuid.UUID
	Name         string
	Role         Role
	Cities       []string
	From         *time.Time
	Until        *time.Time
}

func (r InviteRequest) grant() GrantRequest {
	return GrantRequest{Role: r.Role, Cities: r.Cities, From: r.From, Until: r.Until}
}

// GrantRequest is a right to be given.
type GrantRequest struct {
	Role   Role
	Cities []string
	From   *time.Time
	Until  *time.Time
}

// Invite makes an account and its one-time code. Coordinators invite lawyers, operators and coordinators into their own
// organisation, admins everyone; coordinators and admins wait for a second person (domain.md). The same client id again
// gives the same account and a fresh code, as long as no code was used.
//
// Faults: forbidden, invalid with pointers, client_id_taken (by someone else), conflict (the person is in already).
func (d *Desk) Invite(ctx context.Context, p Principal, r InviteRequest) (Account, Invitation, error) {
	if err := p.Needs(Coordinator, Admin); err != nil {
		return Account{}, Invitation{}, err
	}
	if r.Organisation == uuid.Nil {
		r.Organisation = p.Organisation
	}
	reach, may := p.mayGive(r.Organisation, r.Role)
	if !may && r.Role.known() {
		return Account{}, Invitation{}, fault.Denied()
	}
	if err := r.check(d.db.Now()); err != nil {
		return Account{}, Invitation{}, err
	}
	if len(r.Cities) == 0 {
		r.Cities = reach
	}
	if bad := beyond(reach, r.Cities, "/cities"); bad != nil {
		return Account{}, Invitation{}, fault.BadFields(bad...)
	}
	a, code, err := d.inviteOnce(ctx, p, r)
	if pg.Violates(err, "accounts_client_id_key") {
		// The same request was faster on another connection; now its account can be seen.
		a, code, err = d.inviteOnce(ctx, p, r)
	}
	return a, code, err
}

func (d *Desk) inviteOnce(ctx context.Context, p Principal, r InviteRequest) (a Account, code Invitation, err error) {
	err = d.db.InTx(ctx, func(tx *pg.Tx) error {
		a, err = get[Account](ctx, tx, "client_id", r.ClientID, true)
		switch {
		case fault.Is(err, "not_found"):
			a, err = d.make(ctx, tx, &p.Account, r)
		case err == nil && (a.CreatedBy == nil || *a.CreatedBy != p.Account || a.OrganisationID != r.Organisation):
			err = fault.Clash("client_id_taken")
		case err == nil:
			err = d.mayRepeat(ctx, tx, p, &a)
		}
		if err != nil {
			return err
		}
		if code, err = d.invite(ctx, tx, &a, &p.Account); err != nil {
			return err
		}
		if err := d.audit.Write(ctx, tx, audit.Entry{Organisation: a.OrganisationID, Actor: p.Account, Action: "account.invited",
			SubjectKind: "account", Subject: a.ID, Details: map[string]any{"role": r.Role}}); err != nil {
			return err
		}
		return d.fillOne(ctx, tx, &a)
	})
	return a, code, err
}

// Reinvite gives a fresh code to an account whose person is not in: the code ran out, or the account was unlocked. Faults:
// forbidden, not_found, conflict (the person is in, or locked).
func (d *Desk) Reinvite(ctx context.Context, p Principal, id uuid.UUID) (Account, Invitation, error) {
	var code Invitation
	a, err := d.handle(ctx, p, act{account: id, action: "account.reinvited", do: func(tx *pg.Tx, a *Account) (bool, error) {
		if err := canEnter(*a); err != nil {
			return false, err
		}
		var err error
		code, err = d.invite(ctx, tx, a, &p.Account)
		return true, err
	}})
	return a, code, err
}

// mayRepeat asks again for the rights that a code needs: since the first request the account may have become an admin's.
func (d *Desk) mayRepeat(ctx context.Context, tx *pg.Tx, p Principal, a *Account) error {
	if err := d.fillOne(ctx, tx, a); err != nil {
		return err
	}
	if err := p.over(*a); err != nil {
		return err
	}
	return canEnter(*a)
}

// canEnter refuses a code to who is in already (it would open the account to the inviter) and to who is locked.
func canEnter(a Account) error {
	if a.State == Active || a.State == Locked {
		return fault.Clash("conflict")
	}
	return nil
}

// InviteFromServer makes an account from the server's own command line, where whoever types holds the keys anyway: no second
// person. It returns the code. Faults: invalid with pointers.
func (d *Desk) InviteFromServer(ctx context.Context, r InviteRequest) (string, error) {
	if r.ClientID == uuid.Nil {
		r.ClientID = uuid.New()
	}
	if err := r.check(d.db.Now()); err != nil {
		return "", err
	}
	var code Invitation
	err := d.db.InTx(ctx, func(tx *pg.Tx) error {
		var err error
		if r.Organisation == uuid.Nil {
			if r.Organisation, err = oldestOrganisation(ctx, tx); pg.NoRow(err) {
				return errNoOrganisation
			} else if err != nil {
				return err
			}
		}
		a, err := d.make(ctx, tx, nil, r)
		if err != nil {
			return err
		}
		if code, err = d.invite(ctx, tx, &a, nil); err != nil {
			return err
		}
		return d.audit.Write(ctx, tx, audit.Entry{Organisation: a.OrganisationID, Actor: audit.System, Action: "account.invited",
			SubjectKind: "account", Subject: a.ID, Details: map[string]any{"role": r.Role}})
	})
	return code.Code, err
}

// make writes the account, its key and its grant. by nil is the command line.
func (d *Desk) make(ctx context.Context, tx *pg.Tx, by *uuid.UUID, r InviteRequest) (Account, error) {
	ids := make([]uuid.UUID, 3)
	for i := range ids {
		var err error
		if ids[i], err = uuid.NewV7(); err != nil {
			return Account{}, fmt.Errorf("account id: %w", err)
		}
	}
	key, err := d.ring.Mint(keyScope, ids[1], tx.Now)
	if err != nil {
		return Account{}, err
	}
	h := r.grant().held(ids[2], r.Organisation, by, tx.Now)
	a := Account{ID: ids[0], OrganisationID: r.Organisation, ClientID: &r.ClientID, KeyID: key.ID, State: standing([]Held{h}),
		CreatedBy: by, CreatedAt: tx.Now, UpdatedAt: tx.Now, Revision: 1}
	if a.NameCT, err = key.SealText(namePlace, a.ID, r.Name); err != nil {
		return Account{}, err
	}
	if err := seal.Keep(ctx, tx, a.OrganisationID, key); err != nil {
		return Account{}, err
	}
	if err := insert(ctx, tx, &a); err != nil {
		return Account{}, err
	}
	return a, give(ctx, tx, a.ID, h)
}

// held is the grant that a request asks for. From the command line (by nil) nothing waits.
func (r GrantRequest) held(id, organisation uuid.UUID, by *uuid.UUID, now time.Time) Held {
	h := Held{Grant: Grant{ID: id, Role: r.Role, Organisation: organisation, Cities: tidy(r.Cities), From: now, Until: r.Until},
		GrantedBy: by, NeedsSecond: by != nil && (r.Role == Coordinator || r.Role == Admin)}
	if r.From != nil {
		h.From = *r.From
	}
	return h
}

// tidy sorts cities and takes doubles out, so that two ways to write one scope are one; never nil.
func tidy(cities []string) []string {
	out := append([]string{}, cities...)
	slices.Sort(out)
	return slices.Compact(out)
}

func (r Role) known() bool {
	return r == Lawyer || r == Operator || r == Coordinator || r == Admin
}

// mayGive tells whether a grant of the caller lets them give that role in that organisation, and in which cities (nil: all).
func (p Principal) mayGive(organisation uuid.UUID, role Role) (cities []string, ok bool) {
	for _, g := range p.Grants {
		if g.Role == Admin || (g.Role == Coordinator && g.Organisation == organisation && role != Admin) {
			if len(g.Cities) == 0 {
				return nil, true
			}
			cities, ok = append(cities, g.Cities...), true
		}
	}
	return cities, ok
}

// beyond points at cities outside of reach (nil: everywhere).
func beyond(reach, cities []string, pointer string) []fault.Field {
	if reach == nil {
		return nil
	}
	if len(cities) == 0 {
		return []fault.Field{{Pointer: pointer, Code: "not_allowed"}} // none given is every city
	}
	var bad []fault.Field
	for i, c := range cities {
		if !slices.Contains(reach, c) {
			bad = append(bad, fault.Field{Pointer: fmt.Sprintf("%s/%d", pointer, i), Code: "not_allowed"})
		}
	}
	return bad
}

func (r InviteRequest) check(now time.Time) error {
	bad := checkName(r.Name)
	if r.ClientID == uuid.Nil {
		bad = append(bad, fault.Field{Pointer: "/client_id", Code: "required"})
	}
	if bad = append(bad, r.grant().faults("", now)...); bad != nil {
		return fault.BadFields(bad...)
	}
	return nil
}

func checkName(name string) []fault.Field {
	switch {
	case strings.TrimSpace(name) == "":
		return []fault.Field{{Pointer: "/name", Code: "required"}}
	case utf8.RuneCountInString(name) > maxName:
		return []fault.Field{{Pointer: "/name", Code: "too_long"}}
	}
	return nil
}

var cityForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// faults of a grant, with pointers below prefix.
func (r GrantRequest) faults(prefix string, now time.Time) []fault.Field {
	var bad []fault.Field
	if !r.Role.known() {
		bad = append(bad, fault.Field{Pointer: prefix + "/role", Code: "not_allowed"})
	}
	if len(r.Cities) > maxCities {
		bad = append(bad, fault.Field{Pointer: prefix + "/cities", Code: "too_many"})
	}
	for i, c := range r.Cities {
		if len(c) > 60 || !cityForm.MatchString(c) {
			bad = append(bad, fault.Field{Pointer: fmt.Sprintf("%s/cities/%d", prefix, i), Code: "bad_format"})
		}
	}
	if r.Until != nil && (!r.Until.After(now) || (r.From != nil && !r.Until.After(*r.From))) {
		bad = append(bad, fault.Field{Pointer: prefix + "/until", Code: "out_of_range"})
	}
	return bad
}
