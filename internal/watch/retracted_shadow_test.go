package watch_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/watch"
)

// Who retracts what a lawyer reported since their phone was taken means what was entered with it, also after they were made to open it: that stands in
// the name of their shadow, whom no coordinator knows.
func TestARetractedReporterTakesTheirShadowAlong(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{Told: 5, Releases: 2})
	lawyer, other, chief := f.person(account.Lawyer, f.org), f.person(account.Lawyer, f.org), f.person(account.Coordinator, f.org)
	shadow := f.person(account.Lawyer, f.org)
	f.exec("update accounts set state = 'shadow', shadow_of = $2 where id = $1", shadow.Account, lawyer.Account)
	real := f.log(other, almaly, entry("Оспанов Данияр", 1980))
	own := f.log(lawyer, almaly, entry("Волков Олег", 1960))
	forced := f.log(shadow, almaly, entry("Ахметов Арман", 1990))
	for _, id := range []uuid.UUID{real[0], own[0]} {
		f.exec("insert into representations (id, detention_id, account_id, valid_from, created_by, created_at) values ($1, $2, $3, $4, $3, $4)", uuid.New(), id, shadow.Account, f.db.Now())
	}
	f.reports(shadow, real[0], detention.ReleasedKind, detention.Details{})
	f.reports(shadow, own[0], detention.CourtKind, detention.Details{Place: "суд"})
	state := func(id uuid.UUID) (s string) {
		f.must(f.db.Pool.QueryRow(f.ctx, "select state from detentions where id = $1", id).Scan(&s))
		return s
	}
	if state(real[0]) != "released" {
		t.Fatal("not the story")
	}
	r := f.retract(chief, lawyer, nil)
	if r.Records != 2 || r.Kept != 0 {
		t.Errorf("%+v", r)
	}
	for what, c := range map[string]struct {
		id   uuid.UUID
		want string
	}{"whom the shadow set free": {real[0], "held"}, "whom the shadow entered": {forced[0], "withdrawn"}, "of whom both spoke": {own[0], "withdrawn"}} {
		if got := state(c.id); got != c.want {
			t.Errorf("%s is %s", what, got)
		}
	}
	if n := f.count("select count(*) from holds where reporter_id = $1 and state = 'open'", shadow.Account); n != 0 {
		t.Errorf("%d holds of the shadow wait", n)
	}
}
