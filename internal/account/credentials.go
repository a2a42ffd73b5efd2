package account

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// Credentials are what a person can do for those whom they defend. The zero value is of somebody of whom nothing is known. Languages are
// ISO 639 codes, sorted, each once; Minors and Migrants: they have worked with them.
type Credentials struct {
	BarNumber string    `json:"bar_number,omitempty"`
	Languages []string  `json:"languages,omitempty"`
	Minors    bool      `json:"minors,omitempty"`
	Migrants  bool      `json:"migrants,omitempty"`
	Training  *Training `json:"training,omitempty"`
}

// Training is the certificate of one. IssuedOn and ExpiresOn are days (2006-01-02) in Kazakhstan; ExpiresOn is the last on which it holds, empty:
// it does not end. ConfirmedBy is who, other than its owner, has seen it.
type Training struct {
	Certificate string     `json:"certificate"`
	IssuedOn    string     `json:"issued_on"`
	ExpiresOn   string     `json:"expires_on,omitempty"`
	ConfirmedBy *uuid.UUID `json:"confirmed_by,omitempty"`

	State TrainingState `json:"-"` // when it was read
}

// TrainingState is what a certificate is worth.
type TrainingState string

// The states. Only who has a valid one is trained.
const (
	Claimed TrainingState = "claimed" // nobody but its owner says so
	Valid   TrainingState = "valid"
	Expired TrainingState = "expired"
)

// Trained tells whether a certificate holds that somebody else has seen.
func (c Credentials) Trained() bool { return c.Training != nil && c.Training.State == Valid }

const (
	credentialsPlace = "accounts.credentials_ct"
	maxBarNumber     = 60
	maxCertificate   = 200
	maxLanguages     = 20
	dayForm          = time.DateOnly
	firstTraining    = "1990-01-01" // an earlier one is a slip of the finger
)

// almaty is the one zone of Kazakhstan since 1 March 2024 (domain.md).
var almaty = time.FixedZone("UTC+5", 5*60*60)

func dayOf(now time.Time) string { return now.In(almaty).Format(dayForm) }

func (t *Training) rate(now time.Time) {
	switch {
	case t.ExpiresOn != "" && t.ExpiresOn < dayOf(now):
		t.State = Expired
	case t.ConfirmedBy == nil:
		t.State = Claimed
	default:
		t.State = Valid
	}
}

// CredentialsPut replaces an account's credentials, as they were at Revision. Confirmed: who sends it has seen the certificate; of one's own, it
// repeats what somebody else has said.
type CredentialsPut struct {
	ID       uuid.UUID
	Revision int
	Credentials
	Confirmed bool
}

// PutCredentials writes them: one's own, as a coordinator those of the organisation except admins', as an admin any. Nobody confirms a certificate
// of their own, and changing it takes back what was confirmed.
//
// Faults: forbidden, not_found, stale with the account as it is now, invalid with pointers (/training/confirmed not_allowed: one's own).
func (d *Desk) PutCredentials(ctx context.Context, p Principal, r CredentialsPut) (Account, error) {
	if err := p.Needs(Lawyer, Operator, Coordinator, Admin); err != nil {
		return Account{}, err
	}
	return d.handle(ctx, p, act{account: r.ID, action: "account.credentials_changed", own: true, do: func(tx *pg.Tx, a *Account) (bool, error) {
		if a.Revision != r.Revision {
			f := fault.New(fault.Stale, "stale")
			f.Current = *a
			return false, f
		}
		c := r.Credentials
		if err := c.check(tx.Now); err != nil {
			return false, err
		}
		if err := c.confirm(p.Account, *a, r.Confirmed); err != nil {
			return false, err
		}
		key, err := d.keyOf(ctx, tx, a)
		if err != nil {
			return false, err
		}
		ct, err := key.SealJSON(credentialsPlace, a.ID, c)
		if err != nil {
			return false, err
		}
		a.CredentialsCT = ct
		return true, touch(ctx, tx, a, map[string]any{"credentials_ct": ct})
	}})
}

func (c *Credentials) confirm(by uuid.UUID, a Account, confirmed bool) error {
	if c.Training == nil {
		if confirmed {
			return fault.BadField("/training", "required")
		}
		return nil
	}
	was := a.Credentials.Training
	same := was != nil && was.Certificate == c.Training.Certificate && was.IssuedOn == c.Training.IssuedOn && was.ExpiresOn == c.Training.ExpiresOn
	switch {
	case same && was.ConfirmedBy != nil && confirmed:
		c.Training.ConfirmedBy = was.ConfirmedBy
	case confirmed && by == a.ID:
		return fault.BadField("/training/confirmed", "not_allowed")
	case confirmed:
		c.Training.ConfirmedBy = &by
	}
	return nil
}

var languageForm = regexp.MustCompile(`^[a-z]{2,3}$`)

// check brings credentials into their one form, or says what is wrong with them.
func (c *Credentials) check(now time.Time) error {
	var bad []fault.Field
	wrong := func(pointer, code string) { bad = append(bad, fault.Field{Pointer: pointer, Code: code}) }
	line := func(pointer string, s *string, longest int) {
		*s = strings.TrimSpace(*s)
		switch {
		case !utf8.ValidString(*s) || strings.ContainsFunc(*s, unicode.IsControl):
			wrong(pointer, "bad_format")
		case utf8.RuneCountInString(*s) > longest:
			wrong(pointer, "too_long")
		}
	}
	line("/bar_number", &c.BarNumber, maxBarNumber)
	if len(c.Languages) > maxLanguages {
		wrong("/languages", "too_many")
	}
	for i, l := range c.Languages {
		if !languageForm.MatchString(l) {
			wrong(fmt.Sprintf("/languages/%d", i), "bad_format")
		}
	}
	c.Languages = tidy(c.Languages)
	if t := c.Training; t != nil {
		line("/training/certificate", &t.Certificate, maxCertificate)
		if t.Certificate == "" {
			wrong("/training/certificate", "required")
		}
		if t.IssuedOn < firstTraining || t.IssuedOn > dayOf(now) {
			wrong("/training/issued_on", "out_of_range")
		}
		if t.ExpiresOn != "" && t.ExpiresOn < t.IssuedOn {
			wrong("/training/expires_on", "out_of_range")
		}
	}
	if bad != nil {
		return fault.BadFields(bad...)
	}
	return nil
}

// openedCredentials remembers what was opened, for those who ask for a city's lawyers again and again: opening 500 takes longer than everything else that ranks
// them. What was changed, or whose key is gone, is not found by it.
type openedCredentials struct {
	mu   sync.Mutex
	byID map[uuid.UUID]opened
}

type opened struct {
	version credentialsVersion
	Credentials
}

// credentialsVersion is an account as it was when it was opened.
type credentialsVersion struct {
	revision int
	at       int64 // microseconds
}

const openedKept = 20_000 // accounts; beyond it all is forgotten and opened anew

// stale gives those of which nothing is remembered as they are now; what is, goes to out.
func (o *openedCredentials) stale(now map[uuid.UUID]credentialsVersion, out map[uuid.UUID]Credentials) (ids []uuid.UUID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, v := range now {
		if was, known := o.byID[id]; known && was.version == v {
			out[id] = was.Credentials
		} else {
			ids = append(ids, id)
		}
	}
	return ids
}

func (o *openedCredentials) keep(id uuid.UUID, v credentialsVersion, c Credentials) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byID == nil || len(o.byID) >= openedKept {
		o.byID = map[uuid.UUID]opened{}
	}
	o.byID[id] = opened{v, c}
}

// Credentials gives those of these accounts that have any, for who may use them. An erased account has none.
func (d *Desk) Credentials(ctx context.Context, tx *pg.Tx, ids ...uuid.UUID) (map[uuid.UUID]Credentials, error) {
	rows, err := tx.Query(ctx, `select a.id, a.revision, (extract(epoch from a.updated_at) * 1000000)::bigint from accounts a join data_keys k on k.id = a.key_id and k.wrapped is not null
		where a.id = any($1::uuid[]) and a.credentials_ct is not null`, ids)
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	now := map[uuid.UUID]credentialsVersion{}
	var id uuid.UUID
	var v credentialsVersion
	if _, err := pgx.ForEachRow(rows, []any{&id, &v.revision, &v.at}, func() error {
		now[id] = v
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	out := make(map[uuid.UUID]Credentials, len(now))
	if stale := d.opened.stale(now, out); len(stale) > 0 {
		if err := d.openAnew(ctx, tx, stale, out); err != nil {
			return nil, err
		}
	}
	for id, c := range out {
		if c.Training != nil {
			t := *c.Training // what is remembered is rated by nobody's day
			t.rate(tx.Now)
			c.Training = &t
			out[id] = c
		}
	}
	return out, nil
}

// openAnew reads and opens credentials into out, and remembers them as the version that it read.
func (d *Desk) openAnew(ctx context.Context, tx *pg.Tx, ids []uuid.UUID, out map[uuid.UUID]Credentials) error {
	rows, err := tx.Query(ctx, `select id, key_id, credentials_ct, revision, (extract(epoch from updated_at) * 1000000)::bigint from accounts
		where id = any($1::uuid[]) and credentials_ct is not null`, ids)
	if err != nil {
		return fmt.Errorf("read credentials: %w", err)
	}
	var list []Account
	versions := map[uuid.UUID]credentialsVersion{}
	keys := make([]uuid.UUID, 0, len(ids))
	var a Account
	var v credentialsVersion
	if _, err := pgx.ForEachRow(rows, []any{&a.ID, &a.KeyID, &a.CredentialsCT, &v.revision, &v.at}, func() error {
		list, keys, versions[a.ID] = append(list, a), append(keys, a.KeyID), v
		a = Account{}
		return nil
	}); err != nil {
		return fmt.Errorf("read credentials: %w", err)
	}
	opened, err := d.ring.Load(ctx, tx, keys...)
	if err != nil {
		return err
	}
	for _, a := range list {
		key, there := opened[a.KeyID]
		if !there {
			continue
		}
		if err := a.openCredentials(key, tx.Now); err != nil {
			return err
		}
		out[a.ID] = a.Credentials
		d.opened.keep(a.ID, versions[a.ID], a.Credentials)
	}
	return nil
}
