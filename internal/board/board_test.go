package board_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/board"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/door"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/rights"
	"github.com/qorgau/qorgau/internal/seal"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

type room struct {
	testing.TB
	ctx           context.Context
	db            *pgtest.Database
	ring          *seal.Ring
	ledger        *detention.Ledger
	rights        *rights.Watch
	doors         *door.Register
	board         *board.Board
	org           uuid.UUID
	chief, lawyer account.Principal
	places        []uuid.UUID // the last is in Astana
}

func newRoom(t testing.TB) *room {
	t.Helper()
	r := &room{TB: t, ctx: context.Background(), db: pgtest.New(t), org: uuid.New()}
	ks, err := seal.NewKeyset(r.db.Now())
	r.must(err)
	r.ring, err = seal.Open(ks)
	r.must(err)
	names := finder.New(r.db.DB, r.ring, nil)
	t.Cleanup(names.Close)
	book, err := law.Shipped()
	r.must(err)
	log := audit.New(r.ring)
	r.ledger = detention.New(r.db.DB, r.ring, log, names)
	r.rights = rights.New(rights.Options{DB: r.db.DB, Ring: r.ring, Audit: log, Detentions: r.ledger, Law: book, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	r.doors = door.New(door.Options{DB: r.db.DB, Ring: r.ring, Audit: log, Law: book})
	r.board = r.another()
	r.exec("insert into organisations (id, name, created_at) values ($1, 'o', $2)", r.org, r.db.Now())
	r.chief, r.lawyer = r.person(account.Coordinator), r.person(account.Lawyer)
	for _, city := range []string{"almaty", "almaty", "almaty", "astana"} {
		r.places = append(r.places, r.department(city))
	}
	return r
}

// another is a board that knows nothing yet, as of another node.
func (r *room) another() *board.Board { return board.New(r.db.DB, r.rights, r.doors) }

func (r *room) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *room) exec(query string, args ...any) {
	r.Helper()
	if _, err := r.db.Pool.Exec(r.ctx, query, args...); err != nil {
		r.Fatal(err)
	}
}

func (r *room) department(city string) uuid.UUID {
	id := uuid.New()
	r.exec(`insert into departments (id, kind, name_kk, name_ru, name_en, city, created_at, updated_at) values ($1, 'police_department', 'к', 'р', 'e', $2, $3, $3)`, id, city, r.db.Now())
	return id
}

func (r *room) person(role account.Role, cities ...string) account.Principal {
	r.Helper()
	if cities == nil {
		cities = []string{}
	}
	p := account.Principal{Account: uuid.New(), Session: uuid.New(), Organisation: r.org, Grants: []account.Grant{{ID: uuid.New(), Role: role, Organisation: r.org, Cities: cities}}}
	r.exec(`with k as (insert into data_keys (id, organisation_id, scope, period, wrapped) values ($3, $1, 'account', '2026-11', $4) returning id),
		a as (insert into accounts (id, organisation_id, key_id, name_ct, state, created_at, updated_at) select $5, $1, k.id, $4, 'active', $2, $2 from k returning id)
		insert into grants (id, account_id, organisation_id, role, cities, valid_from, valid_until, created_at)
		select $6, a.id, $1, $7, $8, $2, $2::timestamptz + interval '30 days', $2 from a`,
		r.org, r.db.Now(), uuid.New(), []byte("Q1"+strings.Repeat("x", 40)), p.Account, p.Grants[0].ID, string(role), cities)
	return p
}

func (r *room) taken(at uuid.UUID, sex string, year int, needs ...string) uuid.UUID {
	r.Helper()
	list, err := json.Marshal(needs)
	r.must(err)
	_, res, err := r.ledger.Record(r.ctx, r.lawyer, detention.Batch{DepartmentID: at, Entries: []detention.Entry{{ClientID: uuid.New(), Name: "Ахметов Арман Серікұлы",
		Facts: detention.Facts{TakenAt: []byte(`"` + r.db.Now().Format(time.RFC3339) + `"`), Sex: []byte(`"` + sex + `"`), BirthYear: []byte(fmt.Sprint(year)), Needs: list}}}})
	r.must(err)
	return res[0].DetentionID
}

func (r *room) event(id uuid.UUID, kind detention.EventKind, d detention.Details, to *uuid.UUID) {
	r.Helper()
	now := r.db.Now()
	d.HappenedAt, d.Source = &now, "seen"
	_, _, err := r.ledger.Add(r.ctx, r.chief, id, detention.NewEvent{ClientID: uuid.New(), Kind: kind, ToDepartmentID: to, Details: d})
	r.must(err)
}

func (r *room) read(b *board.Board, p account.Principal, f board.Filter) board.Shown {
	r.Helper()
	shown, err := b.Read(r.ctx, p, f)
	r.must(err)
	return shown
}

func (r *room) row(s board.Shown, id uuid.UUID) board.Row {
	r.Helper()
	at := slices.IndexFunc(s.Rows, func(x board.Row) bool { return x.DepartmentID == id })
	if at < 0 {
		return board.Row{}
	}
	return s.Rows[at]
}

// tick lets the watch over clocks look, as it does four times a second.
func (r *room) tick() {
	r.Helper()
	for n := 1; n > 0; {
		var err error
		if n, err = r.rights.Tick(r.ctx); err != nil {
			r.Fatal(err)
		}
	}
}

func (r *room) shift(p account.Principal, at uuid.UUID, state string, from, to time.Duration) uuid.UUID {
	r.Helper()
	id, now := uuid.New(), r.db.Now()
	r.exec(`insert into shifts (id, organisation_id, account_id, department_id, state, starts_at, ends_at, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		id, r.org, p.Account, at, state, now.Add(from), now.Add(to), now)
	return id
}

func TestWhatTheBoardCounts(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	here, there := r.places[0], r.places[1]
	woman := r.taken(here, "female", 1990)
	r.taken(here, "male", r.db.Now().Year()-15, "injured")
	r.taken(here, "male", 1980)
	inBus := r.taken(there, "male", 1980)
	r.event(inBus, detention.MovedKind, detention.Details{PlaceKind: detention.InVehicle, Vehicle: &detention.Vehicle{Plate: "777ABC02"}}, nil)
	_, err := r.ledger.PlantCanary(r.ctx, r.chief, here, detention.Entry{ClientID: uuid.New(), Name: "Никто Никто"})
	r.must(err)
	r.tick()
	shown := r.read(r.board, r.chief, board.Filter{})
	c := r.row(shown, here).Counts
	if c.Held != 3 || c.WithoutLawyer != 3 || c.Women != 1 || c.WomenWithoutEscort != 1 || c.Minors != 1 || c.Injured != 1 || c.Vulnerable != 1 || c.NextDue == nil {
		t.Fatalf("%+v", c)
	}
	if c := r.row(shown, there).Counts; c.Held != 1 || c.Elsewhere != 1 {
		t.Fatalf("in the bus: %+v", c)
	}
	_, err = r.ledger.Represent(r.ctx, r.chief, woman, detention.Representation{AccountID: r.lawyer.Account})
	r.must(err)
	_, err = r.rights.Observe(r.ctx, r.chief, woman, []rights.NewAnswer{{ClientID: uuid.New(), Item: "WOMEN_ESCORT", Value: "observed"}})
	r.must(err)
	r.tick()
	if c := r.row(r.read(r.board, r.chief, board.Filter{}), here).Counts; c.WithoutLawyer != 2 || c.WomenWithoutEscort != 0 {
		t.Fatalf("after a lawyer and a female officer came: %+v", c)
	}
	r.db.Clock.Move(4 * time.Hour)
	r.tick()
	if c := r.row(r.read(r.board, r.chief, board.Filter{}), here).Counts; c.Breached != 3 {
		t.Fatalf("after four hours: %+v", c)
	}
	r.event(woman, detention.ReleasedKind, detention.Details{}, nil)
	if c := r.row(r.read(r.board, r.chief, board.Filter{}), here).Counts; c.Held != 2 && c.Held != 3 {
		t.Fatalf("after a release: %+v", c)
	}
}

func TestLawyersAndDoors(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	here := r.places[0]
	r.shift(r.lawyer, here, "present", -time.Hour, 2*time.Hour)
	planned := r.person(account.Lawyer)
	r.shift(planned, here, "planned", time.Hour, 3*time.Hour)
	_, err := r.doors.ReportAccess(r.ctx, r.lawyer, door.NewReport{ClientID: uuid.New(), DepartmentID: here, Status: door.Fortress})
	r.must(err)
	row := r.row(r.read(r.board, r.chief, board.Filter{}), here)
	if len(row.Lawyers) != 1 || row.Lawyers[0].State != board.Present || row.Door.Status != door.Fortress || row.AsOf == nil {
		t.Fatalf("%+v", row)
	}
	r.db.Clock.Move(61 * time.Minute) // no row changes: a shift begins
	row = r.row(r.read(r.board, r.chief, board.Filter{}), here)
	if len(row.Lawyers) != 2 {
		t.Fatalf("a shift that began is not seen: %+v", row.Lawyers)
	}
	r.db.Clock.Move(12 * time.Hour)
	if shown := r.read(r.board, r.chief, board.Filter{}); len(shown.Rows) != 0 {
		t.Fatalf("shifts that ended and a word of yesterday still stand: %+v", shown.Rows)
	}
}

func TestWhoSeesWhichDepartments(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	for _, at := range r.places {
		r.taken(at, "male", 1980)
	}
	r.shift(r.lawyer, r.places[1], "present", -time.Hour, time.Hour)
	for who, want := range map[*account.Principal]int{
		ptr(r.chief): 4, ptr(r.person(account.Operator, "almaty")): 3, ptr(r.person(account.Coordinator, "astana")): 1, ptr(r.lawyer): 1, ptr(r.person(account.Lawyer)): 0,
	} {
		if shown := r.read(r.board, *who, board.Filter{}); len(shown.Rows) != want || shown.Total.Held != want {
			t.Errorf("%s of %v sees %d departments, %d people; want %d", who.Grants[0].Role, who.Grants[0].Cities, len(shown.Rows), shown.Total.Held, want)
		}
	}
	if shown := r.read(r.board, r.chief, board.Filter{City: "astana"}); len(shown.Rows) != 1 || len(shown.Cities) != 1 {
		t.Errorf("%+v", shown)
	}
	if shown := r.read(r.board, r.chief, board.Filter{DepartmentID: &r.places[0]}); len(shown.Rows) != 1 {
		t.Errorf("%+v", shown)
	}
	other := r.org
	r.org = uuid.New()
	r.exec("insert into organisations (id, name, created_at) values ($1, 'b', $2)", r.org, r.db.Now())
	stranger := r.person(account.Coordinator)
	r.org = other
	if shown := r.read(r.board, stranger, board.Filter{}); len(shown.Rows) != 0 {
		t.Errorf("another organisation's board: %+v", shown)
	}
	if _, err := r.board.Read(r.ctx, r.person(account.Admin), board.Filter{}); !fault.Is(err, "forbidden") {
		t.Error(err)
	}
}

func ptr[T any](v T) *T { return &v }

// After any history a board that was brought up to date step by step shows what one shows that has just been loaded, and both what the
// ledger counts.
func TestABoardIsNeverBehind(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.shift(r.lawyer, r.places[0], "present", -time.Hour, 12*time.Hour)
	dice := rand.New(rand.NewPCG(20261127, 6))
	var ids []uuid.UUID
	pick := func() uuid.UUID { return ids[dice.IntN(len(ids))] }
	steps := map[string]func() error{
		"taken": func() error {
			ids = append(ids, r.taken(r.places[dice.IntN(4)], []string{"female", "male"}[dice.IntN(2)], 1960+dice.IntN(55), []string{"injured", "medicine", ""}[dice.IntN(3)]))
			return nil
		},
		"moved": func() error {
			now := r.db.Now()
			to := r.places[dice.IntN(4)]
			_, _, err := r.ledger.Add(r.ctx, r.chief, pick(), detention.NewEvent{ClientID: uuid.New(), Kind: detention.MovedKind, ToDepartmentID: &to,
				Details: detention.Details{HappenedAt: &now, Source: "call"}})
			return err
		},
		"released": func() error {
			now := r.db.Now()
			_, _, err := r.ledger.Add(r.ctx, r.chief, pick(), detention.NewEvent{ClientID: uuid.New(), Kind: detention.ReleasedKind, Details: detention.Details{HappenedAt: &now, Source: "seen"}})
			return err
		},
		"represented": func() error {
			_, err := r.ledger.Represent(r.ctx, r.chief, pick(), detention.Representation{AccountID: r.lawyer.Account})
			return err
		},
		"unrepresented": func() error { return r.ledger.EndRepresentation(r.ctx, r.chief, pick(), r.lawyer.Account) },
		"observed": func() error {
			_, err := r.rights.Observe(r.ctx, r.chief, pick(), []rights.NewAnswer{{ClientID: uuid.New(), Item: "WOMEN_ESCORT", Value: []string{"observed", "breached"}[dice.IntN(2)]}})
			return err
		},
		"merged": func() error {
			_, _, err := r.ledger.Merge(r.ctx, r.chief, pick(), pick(), detention.Decision{ClientID: uuid.New(), Reason: "одно лицо"})
			return err
		},
		"parted": func() error {
			_, _, err := r.ledger.Unmerge(r.ctx, r.chief, pick(), detention.Decision{ClientID: uuid.New(), Reason: "двое"})
			return err
		},
		"erased": func() error {
			_, err := r.db.Pool.Exec(r.ctx, "update data_keys set wrapped = null, destroyed_at = $2 where id = $1", pick(), r.db.Now())
			return err
		},
		"door": func() error {
			n := door.NewReport{ClientID: uuid.New(), DepartmentID: r.places[dice.IntN(4)], Status: []door.Status{door.Open, door.Refused, door.Fortress}[dice.IntN(3)]}
			switch dice.IntN(3) {
			case 0: // vouched for up to a time that is still to come
				n.Until = new(r.db.Now().Add(time.Duration(dice.IntN(180)) * time.Minute))
			case 1: // a phone whose clock runs ahead
				n.Since = new(r.db.Now().Add(time.Duration(dice.IntN(90)) * time.Minute))
			}
			_, err := r.doors.ReportAccess(r.ctx, r.lawyer, n)
			return err
		},
	}
	names := make([]string, 0, len(steps))
	for name := range steps {
		names = append(names, name)
	}
	slices.Sort(names)
	r.must(steps["taken"]())
	done := map[string]int{}
	for i := range 250 {
		name := names[dice.IntN(len(names))]
		if dice.IntN(3) == 0 {
			name = "taken"
		}
		if err := steps[name](); err == nil {
			done[name]++
		} else if fault.As(err) == nil {
			t.Fatalf("step %d, %s: %v", i, name, err)
		}
		if i%3 > 0 {
			continue
		}
		var kept board.Shown
		// What nobody changes is kept, and must change by the clock alone as what is loaded anew does.
		for _, later := range [][]time.Duration{{0}, {0, 30 * time.Second, 40 * time.Second}, {0, 7 * time.Minute}}[dice.IntN(3)] {
			r.db.Clock.Move(later)
			kept = r.read(r.board, r.chief, board.Filter{})
			if a, b := said(kept), said(r.read(r.another(), r.chief, board.Filter{})); a != b {
				t.Fatalf("after step %d (%s) and %s\nkept:   %s\nloaded: %s", i, name, later, a, b)
			}
		}
		sum := 0
		for _, row := range kept.Rows {
			sum += row.Held
		}
		if sum != kept.Total.Held {
			t.Fatalf("rows add up to %d, total %d", sum, kept.Total.Held)
		}
	}
	t.Logf("steps: %v", done)
	for _, name := range names {
		if done[name] == 0 {
			t.Errorf("%s never happened", name)
		}
	}
}

// said is a board in one line, without what two loads may tell apart.
func said(s board.Shown) string {
	s.Rows = slices.Clone(s.Rows)
	slices.SortFunc(s.Rows, func(a, b board.Row) int { return cmp.Compare(a.DepartmentID.String(), b.DepartmentID.String()) })
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(s); err != nil {
		panic(err)
	}
	return b.String()
}

// What was open when the board looked is seen once it commits: a transaction that began before the look and ends after it.
func TestWhatCommitsLaterIsSeenLater(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	id := r.taken(r.places[0], "male", 1980)
	r.read(r.board, r.chief, board.Filter{})
	tx, err := r.db.Pool.Begin(r.ctx)
	r.must(err)
	defer tx.Rollback(r.ctx)
	_, err = tx.Exec(r.ctx, "update detentions set department_id = $2 where id = $1", id, r.places[1])
	r.must(err)
	r.taken(r.places[2], "male", 1980) // commits first, begun later
	if shown := r.read(r.board, r.chief, board.Filter{}); r.row(shown, r.places[0]).Held != 1 || r.row(shown, r.places[2]).Held != 1 {
		t.Fatalf("%+v", shown.Rows)
	}
	r.must(tx.Commit(r.ctx))
	if shown := r.read(r.board, r.chief, board.Filter{}); r.row(shown, r.places[0]).Held != 0 || r.row(shown, r.places[1]).Held != 1 {
		t.Fatalf("what was open is lost: %+v", shown.Rows)
	}
}

func TestManyLookAtOnce(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 5 {
				if i == 0 {
					r.taken(r.places[0], "male", 1980)
				}
				if _, err := r.board.Read(r.ctx, r.chief, board.Filter{}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if shown := r.read(r.board, r.chief, board.Filter{}); shown.Total.Held != 5 {
		t.Fatalf("%d held, want 5", shown.Total.Held)
	}
}
