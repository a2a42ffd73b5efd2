package roster_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/pg"
)

// shadowOf is as whom a lawyer appears who was made to open the app.
func (d desk) shadowOf(p account.Principal) account.Principal {
	d.Helper()
	s := account.Principal{Account: uuid.New(), Owner: p.Account, Session: p.Session, Organisation: p.Organisation, Grants: p.Grants}
	for _, q := range []string{`insert into accounts (id, organisation_id, key_id, name_ct, state, shadow_of, created_at, updated_at)
			select $2, organisation_id, key_id, name_ct, 'shadow', id, created_at, updated_at from accounts where id = $1`,
		`insert into grants (id, account_id, organisation_id, role, cities, valid_from, valid_until, created_at)
			select gen_random_uuid(), $2, organisation_id, role, cities, valid_from, valid_until, created_at from grants where account_id = $1`} {
		if _, err := d.db.Pool.Exec(d.Context(), q, p.Account, s.Account); err != nil {
			d.Fatal(err)
		}
	}
	return s
}

// pin is what a PIN does, either of them: the shadow is put where its owner stands.
func (d desk) pin(owner, shadow account.Principal) {
	d.Helper()
	if err := d.db.InTx(d.Context(), func(tx *pg.Tx) error { return d.calendar.Shadow(d.Context(), tx, owner.Account, shadow.Account) }); err != nil {
		d.Fatal(err)
	}
}

// Nobody's shifts change as a screen is locked and opened again: what was done in a forced session stays as it was left.
func TestAPinLeavesADayAsItWasLeft(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	lawyer := d.person(org, account.Lawyer)
	shadow := d.shadowOf(lawyer)
	one, two := d.department("almaty"), d.department("almaty")
	d.comes(lawyer, one, 0)
	d.pin(lawyer, shadow)
	d.wantAt("the PIN", shadow, one)
	d.db.Clock.Move(time.Minute)
	d.pin(lawyer, shadow)
	d.wantAt("the PIN again", shadow, one)

	d.db.Clock.Move(time.Minute)
	d.comes(shadow, two, 0)
	d.db.Clock.Move(time.Minute)
	d.pin(lawyer, shadow)
	d.wantAt("the PIN after a check-in elsewhere", shadow, two)

	list, err := d.calendar.CheckOut(d.Context(), shadow, d.shiftAt(shadow, two), nil)
	if err != nil || list.State != "left" {
		t.Fatalf("%+v, %v", list, err)
	}
	d.db.Clock.Move(time.Minute)
	d.pin(lawyer, shadow)
	d.wantAt("the PIN after a check-out", shadow)

	// Its owner's day goes on: another time it stands where they do then, and nowhere when they do not.
	d.db.Clock.Move(time.Minute)
	d.comes(lawyer, two, 0)
	d.pin(lawyer, shadow)
	d.wantAt("the PIN after its owner went on", shadow, two)
	if _, err := d.calendar.CheckOut(d.Context(), lawyer, d.shiftAt(lawyer, two), nil); err != nil {
		t.Fatal(err)
	}
	d.pin(lawyer, shadow)
	d.wantAt("the PIN after its owner left", shadow)
	d.db.Clock.Move(time.Minute)
	d.comes(lawyer, one, 0)
	d.pin(lawyer, shadow)
	d.wantAt("the PIN after its owner came back", shadow, one)
}

func (d desk) shiftAt(p account.Principal, department uuid.UUID) (id uuid.UUID) {
	d.Helper()
	if err := d.db.Pool.QueryRow(d.Context(), "select id from shifts where account_id = $1 and department_id = $2 and state = 'present'", p.Account, department).Scan(&id); err != nil {
		d.Fatal(err)
	}
	return id
}
