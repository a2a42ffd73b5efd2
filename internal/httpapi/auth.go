package httpapi

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/netip"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/internal/watch"
)

// proofs are the proofs of who calls that an operation accepts (securitySchemes of the contract).
type proofs struct {
	nobody, staff, secret bool
}

func proofsOf(security openapi3.SecurityRequirements) (proofs, error) {
	p := proofs{nobody: len(security) == 0}
	for _, one := range security {
		if len(one) == 0 {
			p.nobody = true
		}
		for scheme := range one {
			switch scheme {
			case "staff":
				p.staff = true
			case "searchSecret":
				p.secret = true
			default:
				return p, errors.New("security scheme that the edge does not know")
			}
		}
	}
	return p, nil
}

// caller is who calls, as far as limits and stored answers need to know.
type caller struct {
	account bool
	owner   []byte // account id, or SHA-256 of a secret; nil for anyone
	rights  []byte // of an account: which grants are in force
}

const secretText = 43 // 32 bytes in base64url without padding

// identify reads the proof and puts who calls on the context: a principal for a staff token, a secret for a relative.
// Whether a secret opens the search of the path is for watch to say.
func (s *Server) identify(c echo.Context, op *operation) (context.Context, caller, error) {
	ctx := c.Request().Context()
	if op.proofs.nobody && op.private {
		ctx = s.withSource(ctx, c.RealIP())
	}
	header := c.Request().Header.Get(echo.HeaderAuthorization)
	if header == "" || !op.proofs.staff && !op.proofs.secret {
		if op.proofs.nobody {
			return ctx, caller{}, nil
		}
		return ctx, caller{}, fault.Unauthorised()
	}
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ctx, caller{}, fault.Unauthorised()
	}
	switch token = strings.TrimSpace(token); {
	case op.proofs.staff && strings.Contains(token, "."):
		p, err := s.authenticate(ctx, token)
		if err != nil {
			return ctx, caller{}, err
		}
		if p.Shut && !whileShut[op.id] {
			return ctx, caller{}, fault.New(fault.Forbidden, "pin_needed")
		}
		return account.With(ctx, p), caller{account: true, owner: p.Account[:], rights: s.rightsOf(p)}, nil
	case op.proofs.secret && isSecret(token):
		sum := sha256.Sum256([]byte(token))
		return watch.WithSecret(ctx, token), caller{owner: sum[:]}, nil
	}
	return ctx, caller{}, fault.Unauthorised()
}

// whileShut is what a session allows that waits for a PIN: to enter it, and to call for help.
var whileShut = map[string]bool{"enterPin": true, "shutSession": true, "raiseAlarm": true}

const rightsBytes = 8

// rightsOf names the grants that are in force, so that an answer which was kept for somebody is not repeated to them once
// their rights are others: the request then runs anew, and is refused or harmless.
func (s *Server) rightsOf(p account.Principal) []byte {
	parts := make([][]byte, len(p.Grants))
	for i := range p.Grants {
		parts[i] = p.Grants[i].ID[:]
	}
	return s.Ring.MAC(seal.ForFingerprint, append([][]byte{[]byte("rights")}, parts...)...)[:rightsBytes]
}

func isSecret(t string) bool {
	if len(t) != secretText {
		return false
	}
	for i := range len(t) {
		c := t[i]
		if !(c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
			return false
		}
	}
	return true
}

// paceOf takes one request from the caller's bucket. A cry for help has a bucket of its own: it is not refused because the phone has just sent a day that it had kept.
func (s *Server) paceOf(who caller, operation string) error {
	switch {
	case who.owner == nil:
		return nil
	case operation == "raiseAlarm":
		return s.accountPace.take("alarm "+string(who.owner), s.DB.Now())
	case who.account:
		return s.accountPace.take(string(who.owner), s.DB.Now())
	}
	return s.secretPace.take(string(who.owner), s.DB.Now())
}

type sourceKey struct{}

// withSource lends the origin of an anonymous request, as a keyed hash: limits in memory may count by it beside other
// things, nothing can store or log an address. Of IPv6 the network counts: a phone changes the rest at will.
func (s *Server) withSource(ctx context.Context, ip string) context.Context {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ctx
	}
	if addr = addr.Unmap().WithZone(""); addr.Is6() {
		const network = 64
		if p, err := addr.Prefix(network); err == nil {
			addr = p.Addr()
		}
	}
	return context.WithValue(ctx, sourceKey{}, s.Ring.MAC(seal.ForSource, addr.AsSlice()))
}

// SourceOf gives the keyed hash of an anonymous request's origin; nil when it is not known.
func SourceOf(ctx context.Context) []byte {
	b, _ := ctx.Value(sourceKey{}).([]byte)
	return b
}
