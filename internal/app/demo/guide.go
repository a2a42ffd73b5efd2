package demo

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
)

// guide says what to try now: a code for each role, and lines to paste.
func (s *story) guide(ctx context.Context) error {
	s.say("\nThe server goes on at %s until you press Ctrl-C. The API is described at %s/docs.", s.url, s.url)
	s.say("\nOne-time codes, each good for one session within 72 hours (POST /v1/sessions):")
	for _, role := range []account.Role{account.Lawyer, account.Operator, account.Coordinator, account.Admin} {
		code, err := s.invite(ctx, role, "Demo "+string(role))
		if err != nil {
			return fmt.Errorf("invite a %s: %w", role, err)
		}
		s.say("    %-12s %s", role, code)
	}
	lines, err := s.curls(ctx)
	if err != nil {
		return err
	}
	s.say("\nThree lines to paste into another terminal: is the server ready, what the wife sees, whom the coordinator sees.")
	for _, l := range lines {
		s.say("\n%s", l)
	}
	s.say("")
	return nil
}

// curls gives three commands that work when pasted, also more than once: the last one names its device and refresh token, so
// that its code opens the same session again.
func (s *story) curls(ctx context.Context) ([]string, error) {
	code, err := s.invite(ctx, account.Coordinator, "Demo curl")
	if err != nil {
		return nil, fmt.Errorf("invite for curl: %w", err)
	}
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails: crypto/rand ends the process instead
	refresh := base64.RawURLEncoding.EncodeToString(raw[:])
	open := fmt.Sprintf(`{"invitation":"%s","device":{"id":"%s","name":"curl","platform":"cli"},"refresh_token":"%s"}`, code, uuid.New(), refresh)
	token := fmt.Sprintf(`$(curl -s %s/v1/sessions -H 'Content-Type: application/json' -d '%s' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')`, s.url, open)
	lines := []string{fmt.Sprintf(`curl -s %s/readyz`, s.url)}
	if s.memory.Wife.ID != uuid.Nil {
		lines = append(lines, fmt.Sprintf(`curl -s %s/v1/searches/%s -H 'Authorization: Bearer %s'`, s.url, s.memory.Wife.ID, s.memory.Wife.Secret))
	}
	return append(lines, fmt.Sprintf(`curl -s %s/v1/detentions -H "Authorization: Bearer %s"`, s.url, token)), nil
}
