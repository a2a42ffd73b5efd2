// Package board shows what coordinators must see at one glance: department by department who is held, who has no lawyer, who must not be
// overlooked, whose time runs out, who stands there, and how the door is.
//
// Why it exists: with 120 departments and 40 lawyers nobody can ask for each list. A board that stands open on many screens is asked for every
// few seconds, and what it counts is sealed; so each node keeps, for an organisation, what it has opened, and opens again only what changed.
//
// A view: empty ─▶ loaded ─▶ brought up to date at each look (docs/adr/0022).
//
// Invariants. A board never shows less than what was committed when it was asked for: the look asks the database which rows changed since
// the view's snapshot, and reads those anew. Each person counts once, by the record that stands for them; who does not exist does not count.
// A reader sees the departments of their grants, a lawyer that of their shift and that to which they were sent. No name is held in memory here, and none is shown.
package board

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/door"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/rights"
)

// Board keeps the views of the organisations of this node.
type Board struct {
	db     *pg.DB
	rights *rights.Watch
	doors  *door.Register

	mu    sync.Mutex
	views map[uuid.UUID]*view
}

// New makes a board.
func New(db *pg.DB, w *rights.Watch, doors *door.Register) *Board {
	return &Board{db: db, rights: w, doors: doors, views: map[uuid.UUID]*view{}}
}

// view is what is known of one organisation as of a snapshot.
type view struct {
	mu       sync.Mutex
	snapshot string // empty: nothing is loaded
	database string // in which the snapshot means something
	loaded   time.Time
	places   map[uuid.UUID]string // the city of each department
	people   map[uuid.UUID]rights.Person
	doors    map[uuid.UUID][]door.Report
	lawyers  map[uuid.UUID][]Lawyer    // by department
	shadows  map[uuid.UUID][]uuid.UUID // accounts that see a department as its lawyers do
	until    time.Time                 // when a shift next begins or ends
	acting   time.Time                 // when somebody next begins or ends to act for a person
	answers  map[question]*answer      // counted from all this
}

// renew is after how long a view is loaded from nothing: ages change at New Year, and what a trigger might miss must not last.
const renew = time.Hour

func (b *Board) view(organisation uuid.UUID) *view {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.views[organisation] == nil {
		b.views[organisation] = &view{}
	}
	return b.views[organisation]
}

// look brings the organisation's view up to date and lets read see it; read keeps nothing of it.
func (b *Board) look(ctx context.Context, organisation uuid.UUID, read func(v *view, now time.Time)) error {
	v := b.view(organisation)
	v.mu.Lock()
	defer v.mu.Unlock()
	now := b.db.Now()
	same, err := b.unchanged(ctx, organisation, v, now)
	if err != nil {
		return err
	}
	if same {
		read(v, now)
		return nil
	}
	return b.db.InTx(ctx, func(tx *pg.Tx) error {
		if err := b.renew(ctx, tx, organisation, v); err != nil {
			v.snapshot = "" // half of it may be new
			return err
		}
		read(v, tx.Now)
		return nil
	})
}

// changed are the rows that a snapshot does not show: those of transactions that were open then, too.
const changed = ` from changes where organisation_id = $1 and xact >= pg_snapshot_xmin($2::pg_snapshot) and not pg_visible_in_snapshot(xact, $2::pg_snapshot)`

// whose says which database this is: what took over from one that died has other transactions under the same numbers (docs/adr/0021), and a snapshot of the first hides them.
const whose = `(select system_identifier || '.' || left(pg_walfile_name(pg_current_wal_lsn()), 8) from pg_control_system())`

// whole tells whether a view must be loaded from nothing.
func (v *view) whole(now time.Time) bool {
	return v.snapshot == "" || now.Sub(v.loaded) > renew || now.Before(v.loaded) || !now.Before(v.acting)
}

// unchanged is what nearly every look finds, and asks in one statement: of the same moment as the snapshot that it gives.
func (b *Board) unchanged(ctx context.Context, organisation uuid.UUID, v *view, now time.Time) (same bool, err error) {
	if v.whole(now) || !now.Before(v.until) {
		return false, nil
	}
	var snapshot, database string
	// Counted, where "exists" would do: of that the planner hopes to find one soon, and walks through the table.
	if err := b.db.Pool.QueryRow(ctx, "select pg_current_snapshot()::text, (select count(*)"+changed+") = 0, "+whose, organisation, v.snapshot).Scan(&snapshot, &same, &database); err != nil {
		return false, fmt.Errorf("ask what changed: %w", pg.Unavailable(err))
	}
	if database != v.database {
		v.snapshot = ""
		return false, nil
	}
	if same {
		v.snapshot = snapshot
	}
	return same, nil
}

func (b *Board) renew(ctx context.Context, tx *pg.Tx, organisation uuid.UUID, v *view) error {
	var snapshot, database string
	whole := v.whole(tx.Now)
	what := fresh{all: whole}
	batch := &pgx.Batch{}
	// The snapshot first: what is read after it may be newer, and is read again the next time; never older.
	batch.Queue("select pg_current_snapshot()::text, " + whose).QueryRow(func(row pgx.Row) error { return row.Scan(&snapshot, &database) })
	if !whole {
		batch.Queue("select kind, subject_id"+changed, organisation, v.snapshot).Query(what.collect)
	}
	if err := tx.Send(ctx, batch).Close(); err != nil {
		return fmt.Errorf("ask what changed: %w", err)
	}
	if database != v.database {
		whole, what = true, fresh{all: true}
	}
	if err := b.read(ctx, tx, organisation, v, what); err != nil {
		return err
	}
	v.snapshot, v.database = snapshot, database
	if whole {
		v.loaded = tx.Now
	}
	return nil
}

// fresh is what must be read anew.
type fresh struct {
	all           bool
	people, doors []uuid.UUID
	lawyers       bool
}

func (f *fresh) collect(rows pgx.Rows) error {
	var kind string
	var id uuid.UUID
	_, err := pgx.ForEachRow(rows, []any{&kind, &id}, func() error {
		switch kind {
		case "detention":
			f.people = append(f.people, id)
		case "door":
			f.doors = append(f.doors, id)
		case "shift", "dispatch":
			f.lawyers = true
		}
		return nil
	})
	return err
}

func (b *Board) read(ctx context.Context, tx *pg.Tx, organisation uuid.UUID, v *view, what fresh) error {
	what.lawyers = what.lawyers || !tx.Now.Before(v.until)
	if !what.all && !what.lawyers && len(what.people) == 0 && len(what.doors) == 0 {
		return nil
	}
	v.answers = nil
	if what.all {
		v.people, v.doors, v.places = map[uuid.UUID]rights.Person{}, map[uuid.UUID][]door.Report{}, map[uuid.UUID]string{}
	}
	if what.all || len(what.people) > 0 {
		found, err := b.rights.People(ctx, tx, organisation, what.people)
		if err != nil {
			return err
		}
		for _, id := range what.people {
			delete(v.people, id)
		}
		for id, p := range found {
			v.people[id] = p
		}
		if v.acting, err = nextActing(ctx, tx, organisation); err != nil {
			return err
		}
	}
	if what.all || len(what.doors) > 0 {
		found, err := b.doors.Doors(ctx, tx, organisation, what.doors)
		if err != nil {
			return err
		}
		for _, id := range what.doors {
			delete(v.doors, id)
			delete(v.places, id) // said of a department whose city was corrected, too
		}
		for id, list := range found {
			v.doors[id] = list
		}
	}
	if what.all || what.lawyers {
		if err := v.readLawyers(ctx, tx, organisation); err != nil {
			return err
		}
	}
	return v.readPlaces(ctx, tx)
}

// readPlaces learns the cities of departments that the view names for the first time, or anew.
func (v *view) readPlaces(ctx context.Context, tx *pg.Tx) error {
	var missing []uuid.UUID
	need := func(id uuid.UUID) {
		if _, known := v.places[id]; !known && !slices.Contains(missing, id) {
			missing = append(missing, id)
		}
	}
	for _, p := range v.people {
		need(p.DepartmentID)
	}
	for id := range v.doors {
		need(id)
	}
	for id := range v.lawyers {
		need(id)
	}
	if len(missing) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, "select id, city from departments where id = any($1::uuid[])", missing)
	if err != nil {
		return fmt.Errorf("read cities: %w", err)
	}
	var id uuid.UUID
	var city string
	_, err = pgx.ForEachRow(rows, []any{&id, &city}, func() error {
		v.places[id] = city
		return nil
	})
	if err != nil {
		return fmt.Errorf("read cities: %w", err)
	}
	return nil
}

// sight is which departments a reader sees.
type sight struct {
	p account.Principal
	v *view
}

func (s sight) sees(organisation, id uuid.UUID) bool {
	if s.p.HasIn(organisation, s.v.places[id], account.Operator, account.Coordinator) {
		return true
	}
	return s.p.HasIn(organisation, s.v.places[id], account.Lawyer) && (slices.Contains(s.v.shadows[id], s.p.Account) ||
		slices.ContainsFunc(s.v.lawyers[id], func(l Lawyer) bool { return l.AccountID == s.p.Account }))
}
