package httpapi

import (
	"context"
	"time"

	openapitypes "github.com/oapi-codegen/runtime/types"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
)

// ListAccounts lists the people in the caller's scope.
func (s *Server) ListAccounts(ctx context.Context, r ListAccountsRequestObject) (ListAccountsResponseObject, error) {
	p, _ := account.From(ctx)
	before, err := readCursor(r.Params.Cursor)
	if err != nil {
		return nil, err
	}
	list, more, err := s.Accounts.List(ctx, p, before, limitOf(r.Params.Limit))
	if err != nil {
		return nil, err
	}
	out := api.AccountPage{Items: make([]api.Account, len(list))}
	for i, a := range list {
		out.Items[i] = accountWire(a)
	}
	if more {
		out.NextCursor = cursorOf(list[len(list)-1].ID, more)
	}
	return ListAccounts200JSONResponse{Body: out}, nil
}

// InviteAccount makes an account and its code.
func (s *Server) InviteAccount(ctx context.Context, r InviteAccountRequestObject) (InviteAccountResponseObject, error) {
	p, _ := account.From(ctx)
	a, code, err := s.Accounts.Invite(ctx, p, account.InviteRequest{ClientID: r.Body.ClientID, Name: r.Body.Name,
		Role: account.Role(r.Body.Role), Cities: r.Body.Cities, From: r.Body.From, Until: r.Body.Until})
	if err != nil {
		return nil, err
	}
	return InviteAccount201JSONResponse{Account: accountWire(a), Invitation: invitationWire(code)}, nil
}

// GetAccount reads one account.
func (s *Server) GetAccount(ctx context.Context, r GetAccountRequestObject) (GetAccountResponseObject, error) {
	p, _ := account.From(ctx)
	a, err := s.Accounts.Get(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	return GetAccount200JSONResponse{Body: accountWire(a), Headers: GetAccount200ResponseHeaders{ETag: revisionTag(a.Revision)}}, nil
}

// PatchAccount changes a name or the grants.
func (s *Server) PatchAccount(ctx context.Context, r PatchAccountRequestObject) (PatchAccountResponseObject, error) {
	p, _ := account.From(ctx)
	revision, err := ifMatch(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	patch := account.PatchRequest{ID: r.ID, Revision: revision, Name: r.Body.Name}
	if r.Body.Grants != nil {
		grants := make([]account.GrantRequest, len(*r.Body.Grants))
		for i, g := range *r.Body.Grants {
			grants[i] = account.GrantRequest{Role: account.Role(g.Role), Cities: g.Cities, From: g.From, Until: g.Until}
		}
		patch.Grants = &grants
	}
	a, err := s.Accounts.Patch(ctx, p, patch)
	if err != nil {
		return nil, shown(err, accountWire)
	}
	return PatchAccount200JSONResponse{Body: accountWire(a), Headers: PatchAccount200ResponseHeaders{ETag: revisionTag(a.Revision)}}, nil
}

// PutCredentials says what a person can do.
func (s *Server) PutCredentials(ctx context.Context, r PutCredentialsRequestObject) (PutCredentialsResponseObject, error) {
	p, _ := account.From(ctx)
	revision, err := ifMatch(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	b := r.Body
	put := account.CredentialsPut{ID: r.ID, Revision: revision, Credentials: account.Credentials{BarNumber: orZero(b.BarNumber), Languages: b.Languages,
		Minors: b.Minors, Migrants: b.Migrants}}
	if t := b.Training; t != nil {
		put.Training = &account.Training{Certificate: t.Certificate, IssuedOn: t.IssuedOn.String()}
		if t.ExpiresOn != nil {
			put.Training.ExpiresOn = t.ExpiresOn.String()
		}
		put.Confirmed = orZero(t.Confirmed)
	}
	a, err := s.Accounts.PutCredentials(ctx, p, put)
	if err != nil {
		return nil, shown(err, accountWire)
	}
	return PutCredentials200JSONResponse{Body: accountWire(a), Headers: PutCredentials200ResponseHeaders{ETag: revisionTag(a.Revision)}}, nil
}

// ApproveAccount is the second person's yes.
func (s *Server) ApproveAccount(ctx context.Context, r ApproveAccountRequestObject) (ApproveAccountResponseObject, error) {
	p, _ := account.From(ctx)
	a, err := s.Accounts.Approve(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	return ApproveAccount200JSONResponse{Body: accountWire(a), Headers: ApproveAccount200ResponseHeaders{ETag: revisionTag(a.Revision)}}, nil
}

// ReinviteAccount gives a fresh code to someone who is not in.
func (s *Server) ReinviteAccount(ctx context.Context, r ReinviteAccountRequestObject) (ReinviteAccountResponseObject, error) {
	p, _ := account.From(ctx)
	a, code, err := s.Accounts.Reinvite(ctx, p, r.ID)
	if err != nil {
		return nil, err
	}
	return ReinviteAccount201JSONResponse(api.InvitedAccount{Account: accountWire(a), Invitation: invitationWire(code)}), nil
}

// LockAccount is the kill switch.
func (s *Server) LockAccount(ctx context.Context, r LockAccountRequestObject) (LockAccountResponseObject, error) {
	p, _ := account.From(ctx)
	a, err := s.Accounts.Lock(ctx, p, r.ID, reasonIn(r.Body))
	if err != nil {
		return nil, err
	}
	return LockAccount200JSONResponse{Body: accountWire(a), Headers: LockAccount200ResponseHeaders{ETag: revisionTag(a.Revision)}}, nil
}

// UnlockAccount lets a person in again, with a new code.
func (s *Server) UnlockAccount(ctx context.Context, r UnlockAccountRequestObject) (UnlockAccountResponseObject, error) {
	p, _ := account.From(ctx)
	a, err := s.Accounts.Unlock(ctx, p, r.ID, reasonIn(r.Body))
	if err != nil {
		return nil, err
	}
	return UnlockAccount200JSONResponse{Body: accountWire(a), Headers: UnlockAccount200ResponseHeaders{ETag: revisionTag(a.Revision)}}, nil
}

func reasonIn(body *api.ReasonGiven) string {
	if body == nil {
		return ""
	}
	return orZero(body.Reason)
}

func accountWire(a account.Account) api.Account {
	out := api.Account{ID: a.ID, Name: a.Name, OrganisationID: a.OrganisationID, State: api.AccountState(a.State),
		Credentials: credentialsWire(a), Grants: make([]api.Grant, len(a.Grants)), CreatedAt: a.CreatedAt.UTC(), Revision: int64(a.Revision)}
	if a.State == account.Shadow {
		out.State = api.AccountStateActive // whoever holds the phone must not see what it is
	}
	for i, h := range a.Grants {
		out.Grants[i] = api.Grant{ID: h.ID, Role: api.Role(h.Role), OrganisationID: h.Organisation, Cities: orEmpty(h.Cities),
			From: h.From.UTC(), Until: inUTC(h.Until), State: api.GrantStateActive}
		if h.Waits() {
			out.Grants[i].State = api.GrantStateWaiting
		}
	}
	return out
}

// credentialsWire leaves out what nobody has said.
func credentialsWire(a account.Account) *api.AccountCredentials {
	if a.CredentialsCT == nil {
		return nil
	}
	c := a.Credentials
	out := &api.AccountCredentials{BarNumber: orNil(c.BarNumber), Languages: orEmpty(c.Languages), Minors: c.Minors, Migrants: c.Migrants}
	if t := c.Training; t != nil {
		out.Training = &api.Training{Certificate: t.Certificate, State: api.TrainingState(t.State), ConfirmedBy: t.ConfirmedBy, ExpiresOn: dayWire(t.ExpiresOn)}
		if on := dayWire(t.IssuedOn); on != nil {
			out.Training.IssuedOn = *on
		}
	}
	return out
}

// dayWire is a day as JSON writes it; nil for none.
func dayWire(day string) *openapitypes.Date {
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return nil
	}
	return &openapitypes.Date{Time: at}
}

func invitationWire(i account.Invitation) api.Invitation {
	out := api.Invitation{Code: i.Code, ExpiresAt: i.ExpiresAt.UTC(), State: api.InvitationStateReady}
	if i.Waiting {
		out.State = api.InvitationStateWaiting
	}
	return out
}
