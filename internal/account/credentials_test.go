package account

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// trained is what a lawyer with a certificate has, on the days of the test's clock.
func (p *place) trained() Credentials {
	today := dayOf(p.db.Now())
	return Credentials{BarNumber: " 00123 ", Languages: []string{"uz", "kk", "ru", "kk"}, Minors: true,
		Training: &Training{Certificate: "Сертификат Қ-17", IssuedOn: today, ExpiresOn: today}}
}

func (p *place) puts(by Principal, id uuid.UUID, c Credentials, confirmed bool) (Account, error) {
	p.t.Helper()
	var revision int
	must(p.t, p.db.Pool.QueryRow(p.ctx, "select revision from accounts where id = $1", id).Scan(&revision))
	return p.desk.PutCredentials(p.ctx, by, CredentialsPut{ID: id, Revision: revision, Credentials: c, Confirmed: confirmed})
}

func (p *place) credentialsOf(id uuid.UUID) Credentials {
	p.t.Helper()
	var out map[uuid.UUID]Credentials
	must(p.t, p.db.InTx(p.ctx, func(tx *pg.Tx) (err error) {
		out, err = p.desk.Credentials(p.ctx, tx, id, uuid.New())
		return err
	}))
	return out[id]
}

// A claim of training waits for somebody else's word, ends when it ends, and is taken back by a change.
func TestNobodyVouchesForThemselves(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	lawyer, _ := p.person(Lawyer, p.org)
	boss, _ := p.person(Coordinator, p.org)
	state := func(want TrainingState, by *uuid.UUID) {
		t.Helper()
		a, err := p.desk.Get(p.ctx, boss, lawyer.Account)
		must(t, err)
		for _, c := range []Credentials{a.Credentials, p.credentialsOf(lawyer.Account)} {
			if c.Training == nil || c.Training.State != want || c.Trained() != (want == Valid) || (by == nil) != (c.Training.ConfirmedBy == nil) || by != nil && *c.Training.ConfirmedBy != *by {
				t.Fatalf("%+v, want %s by %v", c.Training, want, by)
			}
		}
	}
	a, err := p.puts(lawyer, lawyer.Account, p.trained(), false)
	must(t, err)
	if got := fmt.Sprintf("%q %v %v %v", a.Credentials.BarNumber, a.Credentials.Languages, a.Credentials.Minors, a.Credentials.Migrants); got != `"00123" [kk ru uz] true false` {
		t.Fatalf("kept as %s", got)
	}
	state(Claimed, nil)
	_, err = p.puts(lawyer, lawyer.Account, p.trained(), true)
	wantFields(t, err, "[{/training/confirmed not_allowed}]")
	_, err = p.puts(boss, lawyer.Account, p.trained(), true)
	must(t, err)
	state(Valid, &boss.Account)
	// What somebody else has said stays while it is repeated, whoever repeats it …
	more := p.trained()
	more.Migrants = true
	_, err = p.puts(lawyer, lawyer.Account, more, true)
	must(t, err)
	state(Valid, &boss.Account)
	// … and not a day longer than the certificate.
	p.db.Clock.Move(24 * time.Hour)
	state(Expired, &boss.Account)
	longer := p.trained()
	_, err = p.puts(lawyer, lawyer.Account, longer, true)
	wantFields(t, err, "[{/training/confirmed not_allowed}]")
	_, err = p.puts(lawyer, lawyer.Account, longer, false)
	must(t, err)
	state(Claimed, nil)
	_, err = p.puts(boss, lawyer.Account, Credentials{}, true)
	wantFields(t, err, "[{/training required}]")
	if n := p.acts("account.credentials_changed"); n != 4 {
		t.Errorf("%d changes in the audit, want 4", n)
	}
}

func wantFields(t *testing.T, err error, want string) {
	t.Helper()
	wantCode(t, err, "invalid")
	if got := fmt.Sprint(fault.As(err).Fields); got != want {
		t.Fatalf("fields %s, want %s", got, want)
	}
}

func TestWhoSaysWhatOneCanDo(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	lawyer, _ := p.person(Lawyer, p.org)
	other, _ := p.person(Lawyer, p.org)
	boss, _ := p.person(Coordinator, p.org)
	admin, _ := p.person(Admin, p.org)
	stranger, _ := p.person(Coordinator, p.organisation("Басқа"))
	for name, c := range map[string]struct {
		by   Principal
		of   uuid.UUID
		want string
	}{
		"another lawyer":                   {other, lawyer.Account, "forbidden"},
		"another organisation":             {stranger, lawyer.Account, "not_found"},
		"a coordinator of an admin":        {boss, admin.Account, "forbidden"},
		"nobody":                           {Principal{}, lawyer.Account, "unauthenticated"},
		"without a right that is in force": {Principal{Account: lawyer.Account, Organisation: p.org}, lawyer.Account, "forbidden"},
	} {
		if _, err := p.puts(c.by, c.of, p.trained(), false); !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	for _, by := range []Principal{lawyer, boss, admin} {
		if _, err := p.puts(by, lawyer.Account, p.trained(), false); err != nil {
			t.Error(err)
		}
	}
	_, err := p.desk.PutCredentials(p.ctx, lawyer, CredentialsPut{ID: lawyer.Account, Revision: 1, Credentials: p.trained()})
	wantCode(t, err, "stale")
	if now, ok := fault.As(err).Current.(Account); !ok || now.Credentials.BarNumber != "00123" {
		t.Errorf("shown as it is now: %+v", now)
	}
}

func TestCredentialsThatCannotBe(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	lawyer, _ := p.person(Lawyer, p.org)
	tomorrow := p.db.Now().Add(24 * time.Hour)
	many := make([]string, 21)
	for i := range many {
		many[i] = "kk"
	}
	for want, c := range map[string]Credentials{
		"[{/bar_number too_long} {/languages/0 bad_format} {/languages/2 bad_format}]": {BarNumber: string(bytes.Repeat([]byte("1"), 61)), Languages: []string{"Kazakh", "kk", "КК"}},
		"[{/bar_number bad_format} {/languages too_many}]":                             {BarNumber: "12\n3", Languages: many},
		"[{/training/certificate required} {/training/issued_on out_of_range}]":        {Training: &Training{Certificate: " ", IssuedOn: dayOf(tomorrow)}},
		"[{/training/issued_on out_of_range}]":                                         {Training: &Training{Certificate: "x", IssuedOn: "0001-01-01"}},
		"[{/training/expires_on out_of_range}]":                                        {Training: &Training{Certificate: "x", IssuedOn: "2026-01-02", ExpiresOn: "2026-01-01"}},
	} {
		_, err := p.puts(lawyer, lawyer.Account, c, false)
		wantFields(t, err, want)
	}
	if n := p.count("select count(*) from accounts where credentials_ct is not null"); n != 0 {
		t.Errorf("%d are kept", n)
	}
}

// What a person can do is sealed, and gone with their key.
func TestCredentialsAreSealed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	lawyer, _ := p.person(Lawyer, p.org)
	_, err := p.puts(lawyer, lawyer.Account, p.trained(), false)
	must(t, err)
	if n := p.count("select count(*) from accounts where credentials_ct is not null and (position('Сертификат'::bytea in credentials_ct) > 0 or position('00123'::bytea in credentials_ct) > 0)"); n != 0 {
		t.Fatal("credentials lie open")
	}
	if _, err := p.db.Pool.Exec(p.ctx, "update data_keys set wrapped = null, destroyed_at = $2 where id = (select key_id from accounts where id = $1)", lawyer.Account, p.db.Now()); err != nil {
		t.Fatal(err)
	}
	if c := p.credentialsOf(lawyer.Account); c.BarNumber != "" || c.Training != nil {
		t.Fatalf("after erasing: %+v", c)
	}
}
