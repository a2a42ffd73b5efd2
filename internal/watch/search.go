package watch

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/hotline"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/pkg/names"
)

// Limits of what a search may say, in characters and items. They are those of openapi.yaml.
const (
	maxName        = 300
	maxOtherNames  = 10
	maxRelation    = 100
	maxCloseReason = 500
	maxCallNote    = 500
	secretText     = 43 // 32 bytes in base64url without padding
	secretBytes    = 32
	firstYear      = 1900
)

// NewSearch is what a relative's phone sends, or an operator for a caller (By). ClientID and Secret are minted by the phone.
// OrganisationID nil is the oldest organisation, or By's own. Source is an opaque mark of where the request comes from; it is
// counted in memory and never stored.
type NewSearch struct {
	ClientID       uuid.UUID
	Secret         string
	Name           string
	AlsoKnownAs    []string
	BirthYear      int
	Sex            string
	Relation       string
	Language       string
	City           string
	OrganisationID *uuid.UUID
	Channels       []push.Address
	CallNote       string
	CallBack       *time.Time // when she asked to be called back; for staff only, and with a call channel
	Proof          *Proof
	By             *account.Principal
	Source         string
}

// Created is all that anyone learns from making a search.
type Created struct {
	ID        uuid.UUID
	State     SearchState
	ExpiresAt time.Time
}

// Create makes a standing search; matching follows after the commit, so that the answer says and takes the same whatever is
// known. The same ClientID and Secret again give the same answer and change nothing; two at once make one search. Faults:
// invalid (with a pointer to each), forbidden (By is neither operator nor coordinator), client_id_taken (another secret, or a
// search that was erased), challenge_required (with a Challenge) and too_many from the guard.
func (p *Post) Create(ctx context.Context, n NewSearch) (Created, error) {
	if n.By != nil {
		if err := n.By.Needs(account.Operator, account.Coordinator); err != nil {
			return Created{}, err
		}
	}
	profile, err := n.check(p.db.Now())
	if err != nil {
		return Created{}, err
	}
	var out Created
	if err := p.finder.Loaded(ctx); err != nil {
		return out, err
	}
	var refused *fault.Error // a refusal is committed: what the guard counted must stay
	err = p.db.InTx(ctx, func(tx *pg.Tx) error {
		known, err := p.repeated(ctx, tx, n)
		if err != nil || known != nil {
			if known != nil {
				out = *known
			}
			return err
		}
		organisation, err := organisationFor(ctx, tx, n)
		if err != nil {
			return err
		}
		g, err := p.guard(ctx, tx, asking{names: profile.forms(), proof: n.Proof, source: n.Source, staff: n.By != nil, organisation: organisation})
		if refused = g.refused; err != nil || refused != nil {
			return err
		}
		profile.Guessed = g.suspected && n.By == nil // staff have heard the caller
		out, err = p.create(ctx, tx, n, profile, organisation)
		return err
	})
	if err == nil && refused != nil {
		err = refused
	}
	return out, err
}

// create writes the search and all that hangs on it.
func (p *Post) create(ctx context.Context, tx *pg.Tx, n NewSearch, profile SearchProfile, organisation uuid.UUID) (Created, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Created{}, fmt.Errorf("search id: %w", err)
	}
	key, err := p.ring.Mint(searchScope, id, tx.Now)
	if err != nil {
		return Created{}, err
	}
	if err := seal.Keep(ctx, tx, organisation, key); err != nil {
		return Created{}, err
	}
	ct, err := key.SealJSON(searchPlace, id, profile)
	if err != nil {
		return Created{}, err
	}
	s := Search{SearchRow: SearchRow{ID: id, OrganisationID: organisation, ClientID: n.ClientID, SecretHash: hashOf(n.Secret), KeyID: id, ProfileCT: ct,
		Language: n.Language, City: orAbsent(n.City), State: Open, CreatedAt: tx.Now, UpdatedAt: tx.Now, ExpiresAt: tx.Now.Add(Term), Revision: 1}, SearchProfile: profile}
	actor := id // the relative is known by her search alone
	if n.By != nil {
		s.EnteredBy, actor = &n.By.Account, n.By.Account
	}
	if err := insertSearch(ctx, tx, s.SearchRow); err != nil {
		return Created{}, err
	}
	if len(n.Channels) > 0 {
		if err := p.push.SetChannels(ctx, tx, s.book(key.Key), n.Channels); err != nil {
			return Created{}, err
		}
	}
	if n.CallBack != nil {
		if err := hotline.Later(ctx, tx, organisation, id, *n.CallBack); err != nil {
			return Created{}, err
		}
	}
	tx.Enqueue(Searched{SearchID: id}, nil)
	return Created{ID: id, State: Open, ExpiresAt: s.ExpiresAt}, p.log.Write(ctx, tx, audit.Entry{Organisation: organisation, Actor: actor,
		Action: "search.created", SubjectKind: "search", Subject: id})
}

// repeated gives the answer to a request that was answered before.
func (p *Post) repeated(ctx context.Context, tx *pg.Tx, n NewSearch) (*Created, error) {
	found, err := lockClientID(ctx, tx, n.ClientID)
	if err != nil || found == nil {
		return nil, err
	}
	same := subtle.ConstantTimeCompare(found.secretHash, hashOf(n.Secret)) == 1
	if !same || found.State == Erasing || found.State == Erased {
		return nil, fault.Clash("client_id_taken")
	}
	return &found.Created, nil
}

func organisationFor(ctx context.Context, tx *pg.Tx, n NewSearch) (uuid.UUID, error) {
	if n.By == nil {
		return findOrganisation(ctx, tx, n.OrganisationID)
	}
	organisation := n.By.Organisation
	if n.OrganisationID != nil {
		organisation = *n.OrganisationID
	}
	mine := func(g account.Grant) bool {
		return g.Organisation == organisation && (g.Role == account.Operator || g.Role == account.Coordinator)
	}
	switch {
	case slices.ContainsFunc(n.By.Grants, mine):
		return organisation, nil
	case n.OrganisationID != nil:
		return uuid.Nil, fault.BadField("/organisation_id", "unknown")
	}
	return uuid.Nil, fault.Denied() // the right is held in another organisation, which must then be named
}

// check reads the request; faults carry a pointer each.
func (n NewSearch) check(now time.Time) (SearchProfile, error) {
	var bad fields
	if n.ClientID == uuid.Nil {
		bad.add("/client_id", "required")
	}
	if raw, err := base64.RawURLEncoding.DecodeString(n.Secret); err != nil || len(n.Secret) != secretText || len(raw) != secretBytes {
		bad.add("/secret", "bad_format")
	}
	profile := SearchProfile{Name: strings.TrimSpace(n.Name), AlsoKnownAs: trimmed(n.AlsoKnownAs), BirthYear: n.BirthYear, Sex: n.Sex,
		Relation: strings.TrimSpace(n.Relation), CallNote: strings.TrimSpace(n.CallNote)}
	profile.check(&bad, now)
	checkCallBack(&bad, n.CallBack, now, n.By != nil && slices.ContainsFunc(n.Channels, func(a push.Address) bool { return a.Kind == push.Call }))
	onePerson(&bad, "/name", profile.Name)
	othersOfOne(&bad, profile.AlsoKnownAs)
	checkPlace(&bad, n.Language, n.City)
	return profile, bad.fault()
}

// check adds what is wrong with the profile. A name of one word fits half a town, so it needs a second fact.
func (p SearchProfile) check(bad *fields, now time.Time) {
	switch {
	case p.Name == "":
		bad.add("/name", "required")
	case utf8.RuneCountInString(p.Name) > maxName:
		bad.add("/name", "too_long")
	case names.Parse(p.Name).Words() == 0:
		bad.add("/name", "bad_format") // nothing in it can be read as a name: it could never be found
	case p.BirthYear == 0 && !slices.ContainsFunc(p.forms(), tellsEnough):
		bad.add("/birth_year", "required")
	}
	if len(p.AlsoKnownAs) > maxOtherNames {
		bad.add("/also_known_as", "too_many")
	}
	for i, n := range p.AlsoKnownAs {
		switch {
		case n == "":
			bad.add("/also_known_as/"+strconv.Itoa(i), "required")
		case utf8.RuneCountInString(n) > maxName:
			bad.add("/also_known_as/"+strconv.Itoa(i), "too_long")
		}
	}
	if p.BirthYear != 0 && (p.BirthYear < firstYear || p.BirthYear > now.Year()) {
		bad.add("/birth_year", "out_of_range")
	}
	if p.Sex != "" && p.Sex != "male" && p.Sex != "female" {
		bad.add("/sex", "not_allowed")
	}
	if utf8.RuneCountInString(p.Relation) > maxRelation {
		bad.add("/relation", "too_long")
	}
	if utf8.RuneCountInString(p.CallNote) > maxCallNote {
		bad.add("/call_note", "too_long")
	}
	if utf8.RuneCountInString(p.CloseReason) > maxCloseReason {
		bad.add("/close_reason", "too_long")
	}
}

// checkCallBack looks at when somebody asks to be called back; can: there is a number to call, and staff say so. Else the hotline's queue could be filled
// by anyone.
func checkCallBack(bad *fields, at *time.Time, now time.Time, can bool) {
	if at == nil {
		return
	}
	if code := hotline.CheckCallBack(*at, now); code != "" {
		bad.add("/call_back_at", code)
	} else if !can {
		bad.add("/call_back_at", "not_allowed")
	}
}

// onePerson refuses a list of people: which of them was found could not be said, and whoever may ask for one may not ask for all.
func onePerson(bad *fields, pointer, name string) {
	if utf8.RuneCountInString(name) <= maxName && names.Split(name) != nil {
		bad.add(pointer, "several_names")
	}
}

func othersOfOne(bad *fields, forms []string) {
	for i, name := range forms[:min(len(forms), maxOtherNames)] {
		onePerson(bad, "/also_known_as/"+strconv.Itoa(i), name)
	}
}

func tellsEnough(name string) bool {
	n := names.Parse(name)
	return n.Words() > 1 || n.HasPatronymic()
}

// forms are all writings of the name.
func (p SearchProfile) forms() []string { return append([]string{p.Name}, p.AlsoKnownAs...) }

var citySlug = regexp.MustCompile(`^[a-z0-9-]{1,60}$`)

func checkPlace(bad *fields, language, city string) {
	if language != "kk" && language != "ru" && language != "en" {
		bad.add("/language", "not_allowed")
	}
	if city != "" && !citySlug.MatchString(city) {
		bad.add("/city", "bad_format")
	}
}

// fields collects what is wrong with a request.
type fields []fault.Field

func (f *fields) add(pointer, code string) {
	*f = append(*f, fault.Field{Pointer: pointer, Code: code})
}

func (f fields) fault() error {
	if len(f) == 0 {
		return nil
	}
	return fault.BadFields(f...)
}

func trimmed(list []string) []string {
	var out []string
	for _, s := range list {
		out = append(out, strings.TrimSpace(s))
	}
	return out
}

// hashOf is all that is kept of a secret. It has 256 random bits, so a plain hash cannot be tried out.
func hashOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

func orAbsent(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (s SearchRow) owner() push.Owner { return push.Owner{Kind: push.SearchOwner, ID: s.ID} }

// book is the ladder of a search: where its relative is told, sealed with its key.
func (s SearchRow) book(key seal.Key) push.Book {
	return push.Book{Owner: s.owner(), Key: key, Organisation: s.OrganisationID, Language: s.Language}
}
