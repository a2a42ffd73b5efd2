package rights

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

const (
	// atOnce is how many custodies one transaction looks at: few enough that it ends soon, and that a bus is one alert.
	atOnce = 50
	// putOff is how long a record that cannot be read is left alone.
	putOff = 5 * time.Minute
	// soon is how long one is left alone on which the database stumbled: it may go through the next time.
	soon = 5 * time.Second
)

// dueNow takes the custodies that somebody must look at, the longest overdue first. Those that another node looks at are left to it.
const dueNow = `select detention_id from clocks where next_at <= $1 order by next_at limit $2 for update skip locked`

// stillDue takes one, unless another node has it or has just looked at it. What changes it meanwhile waits, and has it looked at again.
const stillDue = `select 1 from clocks where detention_id = $1 and next_at <= $2 for update skip locked`

// Tick looks at the custodies whose time has come, tells what is due, and says how many it looked at: with a full batch there may be more.
// While nothing is due it is one look into an index.
func (w *Watch) Tick(ctx context.Context) (int, error) {
	var ids []uuid.UUID
	err := w.db.InTx(ctx, func(tx *pg.Tx) (err error) {
		if ids, err = w.take(ctx, tx, atOnce); err != nil || len(ids) == 0 {
			return err
		}
		return w.look(ctx, tx, ids)
	})
	if err == nil || len(ids) == 0 || ctx.Err() != nil {
		return len(ids), err
	}
	// One of them cannot be read, or the database went away. Alone, each shows which it is.
	for _, id := range ids {
		if err := w.alone(ctx, id); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}

func (w *Watch) take(ctx context.Context, tx *pg.Tx, most int) ([]uuid.UUID, error) {
	rows, err := tx.Query(ctx, dueNow, tx.Now, most)
	if err != nil {
		return nil, fmt.Errorf("take clocks: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("take clocks: %w", err)
	}
	return ids, nil
}

// alone looks at one custody, and puts off one that cannot be read, so that it stops no other.
func (w *Watch) alone(ctx context.Context, id uuid.UUID) error {
	failed := w.db.InTx(ctx, func(tx *pg.Tx) error {
		due, err := tx.Exec(ctx, stillDue, id, tx.Now)
		if err != nil || due == 0 {
			return err
		}
		return w.look(ctx, tx, []uuid.UUID{id})
	})
	if failed == nil {
		return nil
	}
	wait := putOff
	if fault.Is(failed, "unavailable") {
		wait = soon
	}
	if err := w.db.InTx(ctx, func(tx *pg.Tx) error {
		_, err := tx.Exec(ctx, "update clocks set next_at = $2 where detention_id = $1", id, tx.Now.Add(wait))
		return err
	}); err != nil {
		return fmt.Errorf("put off a clock: %w", err)
	}
	w.log.ErrorContext(ctx, "a custody cannot be watched; put off", "detention", id, "code", pg.Code(failed))
	return nil
}

// look judges custodies, tells what is due of them and was not told, and says when to look again.
func (w *Watch) look(ctx context.Context, tx *pg.Tx, ids []uuid.UUID) error {
	files, err := w.ledger.Files(ctx, tx, ids...)
	if err != nil {
		return err
	}
	answers, err := w.answers(ctx, tx, files...)
	if err != nil {
		return err
	}
	paces, err := w.paces(ctx, tx, files)
	if err != nil {
		return err
	}
	told, err := marks(ctx, tx, ids)
	if err != nil {
		return err
	}
	b := &pgx.Batch{}
	news := gathering{}
	for _, id := range ids {
		at := slices.IndexFunc(files, func(f detention.File) bool { return f.ID == id })
		if at < 0 || !watched(files[at]) { // erased, a mistake, or spoken for by another record
			b.Queue("update clocks set next_at = 'infinity', breached = 0, broken = 0, overdue = 0, due_at = null where detention_id = $1", id)
			continue
		}
		f := files[at]
		s := w.judge(f, answers[id], paces[f.OrganisationID], tx.Now)
		n := s.numbers(tx.Now)
		b.Queue("update clocks set next_at = $2, breached = $3, broken = $4, overdue = $5, due_at = $6 where detention_id = $1",
			id, s.next(tx.Now), n.breached, n.broken, n.overdue, n.due)
		for _, x := range due(f, s, tx.Now) {
			mark := w.mark(id, x)
			if _, before := told[id][mark]; before {
				continue
			}
			b.Queue("insert into clock_marks (detention_id, mark, told_at) values ($1, $2, $3)", id, mark[:], tx.Now)
			news.add(f, x)
		}
	}
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("keep clocks: %w", err)
	}
	return w.tell(ctx, tx, news)
}

// event is something that is due to be told of a custody.
type event struct {
	kind alert.Kind
	code string
	norm string
	at   time.Time // when the limit ends, or the item was due
}

// due are the events of a custody whose time has come. Of a limit that has passed only the breach is told. Whose custody has ended for
// sure is not woken for, but for what begins with the release.
func due(f detention.File, s standing, now time.Time) []event {
	if f.Canary {
		return nil // nobody is held
	}
	var out []event
	ended := f.Custody.Ended != nil
	for _, k := range s.clocks {
		if ended && k.Limit.StartsAt != "released" {
			continue
		}
		switch {
		case k.State == law.Breached && !k.Alarm.IsZero() && !k.Alarm.After(now):
			out = append(out, event{alert.ClockBreach, k.Limit.Code, k.Limit.Norm, k.Due})
		case k.State == law.Running && !k.Warn.IsZero() && !k.Warn.After(now):
			out = append(out, event{alert.ClockWarning, k.Limit.Code, k.Limit.Norm, k.Due})
		}
	}
	if ended {
		return out
	}
	for _, t := range s.tasks {
		if t.AskedAgain(now) && !t.Uncertain {
			out = append(out, event{alert.RightsOverdue, t.Item.Code, t.Item.Norm, t.Due})
		}
	}
	return out
}

// mark names an event of a custody to who holds the key.
func (w *Watch) mark(id uuid.UUID, e event) [16]byte {
	at := binary.BigEndian.AppendUint64(nil, uint64(e.at.UnixMicro()))
	return [16]byte(w.ring.MAC(seal.ForFingerprint, []byte("clock"), id[:], []byte(e.kind), []byte(e.code), at)[:16])
}

func marks(ctx context.Context, tx *pg.Tx, ids []uuid.UUID) (map[uuid.UUID]map[[16]byte]struct{}, error) {
	rows, err := tx.Query(ctx, "select detention_id, mark from clock_marks where detention_id = any($1::uuid[])", ids)
	if err != nil {
		return nil, fmt.Errorf("read what was told of clocks: %w", err)
	}
	out := map[uuid.UUID]map[[16]byte]struct{}{}
	var id uuid.UUID
	var mark []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &mark}, func() error {
		if out[id] == nil {
			out[id] = map[[16]byte]struct{}{}
		}
		out[id][[16]byte(mark)] = struct{}{}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what was told of clocks: %w", err)
	}
	return out, nil
}

// gathering is what is told, by organisation, department and kind.
type gathering map[where][]alert.Item

type where struct {
	organisation, department uuid.UUID
	kind                     alert.Kind
}

func (g gathering) add(f detention.File, e event) {
	at := where{f.OrganisationID, f.DepartmentID, e.kind}
	g[at] = append(g[at], alert.Item{Detention: f.ID, Code: e.code, Norm: e.norm, At: e.at})
}

// tell raises the alerts, in one order, so that two nodes that tell of the same departments do not wait for each other in a ring.
func (w *Watch) tell(ctx context.Context, tx *pg.Tx, news gathering) error {
	places := make([]where, 0, len(news))
	for at := range news {
		places = append(places, at)
	}
	slices.SortFunc(places, func(a, b where) int {
		return slices.Compare(slices.Concat(a.organisation[:], a.department[:], []byte(a.kind)), slices.Concat(b.organisation[:], b.department[:], []byte(b.kind)))
	})
	for _, at := range places {
		n := alert.News{Organisation: at.organisation, Kind: at.kind, SubjectKind: "department", Subject: at.department, ForLawyers: true, Ring: w.ring}
		if err := alert.Gather(ctx, tx, n, at.kind == alert.RightsBreach, news[at]...); err != nil {
			return err
		}
	}
	return nil
}
