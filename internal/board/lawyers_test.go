package board_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/board"
)

// Of who is locked nobody knows where they are: a board that stands open shows it at once, and shows them again when they work again.
func TestWhoIsLockedIsNowhere(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	here, there := r.places[0], r.places[1]
	stays := r.person(account.Lawyer)
	r.shift(r.lawyer, here, "present", -time.Hour, 5*time.Hour)
	r.shift(stays, here, "present", -time.Hour, 5*time.Hour)
	call := uuid.New()
	r.exec(`insert into dispatches (id, organisation_id, client_id, department_id, state, wait_s, off_duty, taken_by, accepted_at, arrived_at, next_at, period, created_by, created_at, updated_at)
		values ($1, $2, $1, $3, 'arrived', 180, false, $4, $5, $5, 'infinity', '2026-11', $6, $5, $5)`, call, r.org, there, r.lawyer.Account, r.db.Now(), r.chief.Account)
	shows := func(when string, at uuid.UUID, want int) {
		t.Helper()
		list := r.row(r.read(r.board, r.chief, board.Filter{}), at).Lawyers
		if len(list) != want || want > 0 && list[0].State != board.Present {
			t.Fatalf("%s: the board shows %+v, want %d lawyers present", when, list, want)
		}
	}
	shows("both came", here, 2)
	shows("was sent and came", there, 1)
	r.exec("update accounts set state = 'locked' where id = $1", r.lawyer.Account)
	shows("locked", here, 1)
	shows("locked where they were sent", there, 0)
	r.exec("update accounts set state = 'active' where id = $1", r.lawyer.Account)
	shows("works again", here, 2)
	r.exec("update dispatches set state = 'done', ended_at = $2 where id = $1", call, r.db.Now())
	shows("gone from where they were sent", there, 0)
}

// A coordinator who comes to a department is no lawyer there, unless they are one, too.
func TestACoordinatorIsNoLawyer(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	here := r.places[0]
	both := r.person(account.Coordinator)
	r.exec("insert into grants (id, account_id, organisation_id, role, cities, valid_from, created_at) values ($1, $2, $3, 'lawyer', '{}', $4, $4)", uuid.New(), both.Account, r.org, r.db.Now())
	for _, p := range []account.Principal{r.chief, both} {
		r.exec("update shifts set kind = 'duty' where id = $1", r.shift(p, here, "present", -time.Hour, 5*time.Hour))
	}
	if list := r.row(r.read(r.board, r.chief, board.Filter{}), here).Lawyers; len(list) != 1 || list[0].AccountID != both.Account {
		t.Fatalf("%+v", list)
	}
}

// A department that was entered in a hurry under another city is seen by those whom it concerns as soon as that is put right.
func TestADepartmentIsInTheCityOfNow(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	here := r.places[0]
	r.taken(here, "male", 1980)
	there, before := r.person(account.Coordinator, "astana"), r.person(account.Coordinator, "almaty")
	if n := len(r.read(r.board, there, board.Filter{}).Rows); n != 0 {
		t.Fatalf("%d rows", n)
	}
	r.exec("update departments set city = 'astana' where id = $1", here)
	shown := r.read(r.board, there, board.Filter{})
	if row := r.row(shown, here); row.Held != 1 || row.City != "astana" || len(shown.Cities) != 1 || shown.Cities[0].City != "astana" {
		t.Errorf("who coordinates where it is sees %+v", shown)
	}
	if shown := r.read(r.board, before, board.Filter{}); len(shown.Rows) != 0 {
		t.Errorf("who coordinates where it is not sees %+v", shown.Rows)
	}
}

// What a board knows is of one database: of one that took over from it all is read anew.
func TestABoardIsOfItsDatabase(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.taken(r.places[0], "male", 1980)
	if n := r.read(r.board, r.chief, board.Filter{}).Total.Held; n != 1 {
		t.Fatalf("%d held", n)
	}
	r.board.Elsewhere(r.org)
	if n := r.read(r.board, r.chief, board.Filter{}).Total.Held; n != 1 {
		t.Fatalf("%d held, as in the database before", n)
	}
}
