package client

import (
	"context"
	"crypto"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
)

// Credentials are what a session needs to survive a crash of the app. They are secrets: keep them where the platform
// keeps keys.
type Credentials struct {
	SessionID    uuid.UUID `json:"session_id"`
	RefreshToken string    `json:"refresh_token"`
	// NextRefreshToken is set while a refresh is under way. The same one is sent again after a crash, so that the
	// successor which the server has perhaps stored already is not taken for a thief's.
	NextRefreshToken string `json:"next_refresh_token,omitempty"`
	// Opening is set until the server has answered the first time; it holds the invitation.
	Opening *api.SessionOpen `json:"opening,omitempty"`
}

// TokenStore keeps credentials for the next start of the app.
type TokenStore interface {
	// Save replaces what was kept. It is called before a request that depends on it is sent; an error stops the request.
	Save(ctx context.Context, c Credentials) error
}

// forgetful keeps nothing: the session ends with the process.
type forgetful struct{}

func (forgetful) Save(context.Context, Credentials) error { return nil }

// Installation is the app on one phone or computer, to which a session is bound.
type Installation struct {
	// ID is made by [Client.OpenSession] when it is zero.
	ID       uuid.UUID
	Name     string
	Platform api.Platform
	// PushToken registers the device for push at once. Optional.
	PushToken string
	// Key binds the session to a key on P-256, best in the device's secure element: each refresh is signed with it, so
	// that stolen credentials alone are worth nothing. Optional.
	Key crypto.Signer
	// Store keeps the credentials. Without one the session ends with the process.
	Store TokenStore
}

// Staff speaks for a lawyer, operator, coordinator or admin, within one session. It is safe for concurrent use: when the
// access token runs out, one caller refreshes it and the others wait.
type Staff struct {
	*ClientWithResponses
	session *session
}

// OpenSession turns an invitation into a session. Device id and refresh token are made here and stored before they are
// sent, so that a lost answer, or a crash while waiting for it, is repeated without harm.
//
// A code that does not work comes back as a *Problem with code unauthenticated.
func (c *Client) OpenSession(ctx context.Context, invitation string, on Installation) (*Staff, error) {
	if on.ID == uuid.Nil {
		on.ID = uuid.New()
	}
	open := api.SessionOpen{
		Invitation: invitation,
		Device:     api.DeviceOpen{ID: &on.ID, Name: on.Name, Platform: on.Platform},
	}
	if on.Key != nil {
		public, err := deviceKey(on.Key)
		if err != nil {
			return nil, err
		}
		open.Device.PublicKey = public
	}
	if on.PushToken != "" {
		open.PushToken = &on.PushToken
	}
	refresh := mint()
	open.RefreshToken = &refresh
	staff, err := c.ResumeSession(Credentials{RefreshToken: refresh, Opening: &open}, on)
	if err != nil {
		return nil, err
	}
	if err := staff.session.save(ctx); err != nil {
		return nil, err
	}
	if _, err := staff.session.bearer(ctx); err != nil {
		return nil, err
	}
	return staff, nil
}

// ResumeSession continues a session from what a [TokenStore] kept. Nothing is sent until the first call. Of the installation only
// Key and Store are used.
func (c *Client) ResumeSession(kept Credentials, on Installation) (*Staff, error) {
	if kept.RefreshToken == "" {
		return nil, errors.New("qorgau: there is no session to resume")
	}
	store := on.Store
	if store == nil {
		store = forgetful{}
	}
	s := &session{open: c.ClientWithResponses, now: c.options.Now, store: store, key: on.Key, kept: kept, turn: make(chan struct{}, 1)}
	core, err := c.speaker(s)
	if err != nil {
		return nil, err
	}
	return &Staff{ClientWithResponses: core, session: s}, nil
}

// Credentials gives what would be kept now.
func (s *Staff) Credentials(ctx context.Context) (Credentials, error) {
	if err := s.session.lock(ctx); err != nil {
		return Credentials{}, err
	}
	defer s.session.unlock()
	return s.session.kept, nil
}

// AccessToken gives a token that is good now, refreshed if need be: for a stream or a page outside this package.
func (s *Staff) AccessToken(ctx context.Context) (string, error) { return s.session.bearer(ctx) }

// session proves who calls with an access token and renews it.
type session struct {
	open  *ClientWithResponses // speaks for nobody: opening and refreshing need no token
	now   func() time.Time
	store TokenStore
	key   crypto.Signer

	// turn is a lock whose wait ends with a context. It guards what follows.
	turn   chan struct{}
	kept   Credentials
	access string
	renew  time.Time // from then on the access token is refreshed before use
	ended  error     // the server's last word: no refresh can help
}

func (s *session) lock(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *session) unlock() { <-s.turn }

func (s *session) bearer(ctx context.Context) (string, error) {
	if err := s.lock(ctx); err != nil {
		return "", err
	}
	defer s.unlock()
	if s.ended != nil {
		return "", s.ended
	}
	if s.access != "" && s.now().Before(s.renew) {
		return s.access, nil
	}
	var err error
	if s.kept.Opening != nil {
		err = s.enter(ctx)
	} else {
		err = s.refresh(ctx)
	}
	var refused *Problem
	if errors.As(err, &refused) && refused.Status == http.StatusUnauthorized {
		s.ended = err
	}
	return s.access, err
}

func (s *session) expired(ctx context.Context, token string) bool {
	if s.lock(ctx) != nil {
		return false
	}
	defer s.unlock()
	if s.access == token { // otherwise another caller has renewed it in the meantime
		s.access = ""
	}
	return true
}

// enter opens the session. The caller holds the turn.
func (s *session) enter(ctx context.Context) error {
	resp, err := s.open.OpenSessionWithResponse(ctx, nil, *s.kept.Opening)
	if err != nil {
		return err
	}
	return s.take(ctx, resp.JSON201)
}

// refresh exchanges the refresh token. The successor is minted and stored first. The caller holds the turn.
func (s *session) refresh(ctx context.Context) error {
	s.access = ""
	if s.kept.NextRefreshToken == "" {
		s.kept.NextRefreshToken = mint()
		if err := s.save(ctx); err != nil {
			s.kept.NextRefreshToken = ""
			return err
		}
	}
	body := api.SessionRefresh{RefreshToken: s.kept.RefreshToken, NextRefreshToken: &s.kept.NextRefreshToken}
	if s.key != nil {
		signed, err := proof(s.key, s.kept.RefreshToken, s.now())
		if err != nil {
			return err
		}
		body.Proof = &signed
	}
	resp, err := s.open.RefreshSessionWithResponse(ctx, nil, body)
	if err != nil {
		return err
	}
	return s.take(ctx, resp.JSON200)
}

// take keeps what the server gave.
func (s *session) take(ctx context.Context, given *api.SessionTokens) error {
	if given == nil {
		return errors.New("qorgau: the answer holds no tokens")
	}
	before := s.kept
	s.kept = Credentials{SessionID: given.SessionID, RefreshToken: given.RefreshToken}
	if err := s.save(ctx); err != nil {
		s.kept = before
		return err
	}
	s.grant(given.AccessToken, given.ExpiresIn)
	return nil
}

// grant goes on with an access token that is good for so many seconds. The caller holds the turn.
func (s *session) grant(token string, seconds int) {
	life := time.Duration(seconds) * time.Second
	s.access, s.renew = token, s.now().Add(life-min(30*time.Second, life/4))
}

func (s *session) save(ctx context.Context) error {
	if err := s.store.Save(ctx, s.kept); err != nil {
		return fmt.Errorf("qorgau: keeping the credentials: %w", err)
	}
	return nil
}

// mint makes 32 random bytes in base64url: a refresh token, or the secret of a search.
func mint() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}
