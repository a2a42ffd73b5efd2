package detention

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// Merge is a person's decision that two records are of one person.
type Merge struct {
	ID         uuid.UUID
	SurvivorID uuid.UUID
	AbsorbedID uuid.UUID
	Reason     string
	MergedBy   uuid.UUID
	MergedAt   time.Time
}

// Decision is what a person says of two records. ClientID makes a repeat harmless.
type Decision struct {
	ClientID uuid.UUID
	Reason   string
}

const (
	mergeReason   = "merges.reason_ct"
	unmergeReason = "merges.unmerge_reason_ct"
	apartReason   = "told_apart.reason_ct"
	maxReason     = 500
)

func (d Decision) check() []fault.Field {
	var bad []fault.Field
	if d.ClientID == uuid.Nil {
		bad = append(bad, fault.Field{Pointer: "/client_id", Code: "required"})
	}
	switch n := utf8.RuneCountInString(d.Reason); {
	case n == 0:
		bad = append(bad, fault.Field{Pointer: "/reason", Code: "required"})
	case n > maxReason:
		bad = append(bad, fault.Field{Pointer: "/reason", Code: "too_long"})
	}
	return bad
}

// Merge says that other is of the same person as the record, which stands for both from now on. Nothing moves: events, matches and who
// acts for the person are read over both. A person decides, and can undo it. first is false when nothing changed: it was said before,
// or the two are one already. Faults: invalid, forbidden (a city that is not theirs), not_found, client_id_taken, already_decided (one of
// them was merged into a third: who decides must look at that one), conflict (a canary, an entry taken back, another organisation's).
func (l *Ledger) Merge(ctx context.Context, p account.Principal, id, other uuid.UUID, say Decision) (d Detention, first bool, err error) {
	if err := p.Needs(account.Operator, account.Coordinator); err != nil {
		return Detention{}, false, err
	}
	bad := say.check()
	if other == id {
		bad = append(bad, fault.Field{Pointer: "/other_id", Code: "not_allowed"})
	}
	if len(bad) > 0 {
		return Detention{}, false, fault.BadFields(bad...)
	}
	err = l.write(ctx, func(tx *pg.Tx) error {
		survivor, absorbed, err := l.lockTwo(ctx, tx, p, id, other)
		if err != nil {
			return err
		}
		d, first = survivor, false
		said, err := saidBefore(ctx, tx, "client_id", say.ClientID, survivor, absorbed)
		if err != nil || said || survivor.Stands() == absorbed.Stands() {
			return err
		}
		if err := mayMerge(survivor, absorbed); err != nil {
			return err
		}
		if err := l.merge(ctx, tx, p, survivor, absorbed, say); err != nil {
			return err
		}
		first = true
		d, err = l.reread(ctx, tx, id)
		return err
	})
	return d, first, err
}

// lockTwo locks both people and gives the two records. Who decides of two must be responsible for both.
func (l *Ledger) lockTwo(ctx context.Context, tx *pg.Tx, p account.Principal, id, other uuid.UUID) (a, b Detention, err error) {
	found, err := l.lockAll(ctx, tx, p, id, other)
	if err != nil {
		return a, b, err
	}
	if a, err = l.seen(ctx, tx, p, pick(found, id)); err != nil {
		return a, b, err
	}
	if b, err = l.seen(ctx, tx, p, pick(found, other)); fault.Is(err, "not_found") {
		return a, b, fault.BadField("/other_id", "unknown")
	}
	if err != nil {
		return a, b, err
	}
	for _, d := range []Detention{a, b} {
		if !p.HasIn(d.OrganisationID, d.City, account.Operator, account.Coordinator) {
			return a, b, fault.Denied()
		}
	}
	return a, b, nil
}

func pick(found []Detention, id uuid.UUID) []Detention {
	at := slices.IndexFunc(found, func(d Detention) bool { return d.ID == id })
	if at < 0 {
		return nil
	}
	return found[at : at+1]
}

// saidBefore tells whether this client_id (of column) has merged or parted these two; of others it is taken.
func saidBefore(ctx context.Context, tx *pg.Tx, column string, client uuid.UUID, survivor, absorbed Detention) (bool, error) {
	var into, of uuid.UUID
	err := tx.QueryRow(ctx, "select survivor_id, absorbed_id from merges where "+column+" = $1", client).Scan(&into, &of)
	switch {
	case pg.NoRow(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for a merge: %w", err)
	case of != absorbed.ID || survivor.ID != uuid.Nil && into != survivor.ID:
		return false, fault.New(fault.Conflict, "client_id_taken", fault.Field{Pointer: "/client_id", Code: "not_allowed"})
	}
	return true, nil
}

func mayMerge(a, b Detention) error {
	for _, d := range []Detention{a, b} {
		switch {
		case d.MergedInto != nil:
			return fault.Clash("already_decided")
		case d.Canary || d.State == Withdrawn:
			return fault.Clash("conflict")
		}
	}
	if a.OrganisationID != b.OrganisationID {
		return fault.Clash("conflict")
	}
	return nil
}

func (l *Ledger) merge(ctx context.Context, tx *pg.Tx, p account.Principal, survivor, absorbed Detention, say Decision) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("merge id: %w", err)
	}
	ct, err := survivor.key.SealText(mergeReason, id, say.Reason)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `insert into merges (id, organisation_id, client_id, survivor_id, absorbed_id, key_id, reason_ct, merged_by, merged_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, id, survivor.OrganisationID, say.ClientID, survivor.ID, absorbed.ID, survivor.KeyID, ct, p.Account, tx.Now); err != nil {
		return mergeFault(err)
	}
	were := len(survivor.Custody.Contradictions) + len(absorbed.Custody.Contradictions)
	joining := absorbed.records()
	for _, d := range joining {
		d.MergedInto, d.others = &survivor.ID, nil
		survivor.others = append(survivor.others, d)
	}
	if err := point(ctx, tx, &survivor.ID, joining, survivor.records()); err != nil {
		return err
	}
	if err := l.readAnew(ctx, tx, &survivor); err != nil {
		return err
	}
	if len(survivor.Custody.Contradictions) > were {
		if err := alert.Raise(ctx, tx, alert.News{Organisation: survivor.OrganisationID, Kind: alert.Contradiction, SubjectKind: "detention", Subject: survivor.ID}); err != nil {
			return err
		}
	}
	tx.Enqueue(Merged{MergeID: id, DetentionID: survivor.ID, ActorID: p.Account}, nil)
	return l.log.Write(ctx, tx, audit.Entry{Organisation: survivor.OrganisationID, Actor: p.Account, Action: "detention.merged",
		SubjectKind: "detention", Subject: survivor.ID, Details: map[string]any{"absorbed": absorbed.ID}})
}

func mergeFault(err error) error {
	if pg.Violates(err, "merges_client_id") || pg.Violates(err, "merges_unmerge_client_id") {
		return fault.New(fault.Conflict, "client_id_taken", fault.Field{Pointer: "/client_id", Code: "not_allowed"})
	}
	return fmt.Errorf("keep merge: %w", err)
}

// point has the records stand behind another one (nil: for themselves). Everyone's revision moves: what was read of any of them before
// is not what the person is now. Nobody watches the clocks of a merged record: those of the one that stands for it run.
func point(ctx context.Context, tx *pg.Tx, to *uuid.UUID, records, all []Detention) error {
	b := &pgx.Batch{}
	b.Queue("update detentions set merged_into = nullif($2, id) where id = any($1::uuid[])", idsOf(records), to)
	b.Queue("update detentions set revision = revision + 1, updated_at = $2 where id = any($1::uuid[])", idsOf(all), tx.Now)
	b.Queue("update clocks set next_at = 'infinity' where detention_id = any($1::uuid[]) and detention_id <> $2", idsOf(records), to)
	if err := tx.Send(ctx, b).Close(); err != nil {
		return fmt.Errorf("keep whose records these are: %w", err)
	}
	return nil
}

// readAnew reads the person's custody over their records, and brings the rows up to it.
func (l *Ledger) readAnew(ctx context.Context, tx *pg.Tx, d *Detention) error {
	chain, err := l.chainOf(ctx, tx, *d)
	if err != nil {
		return err
	}
	d.Custody = read(chain)
	return l.settle(ctx, tx, d, d.Custody)
}

// Unmerge parts the record from the one that it was merged into; what had been merged into it goes with it. Everything is as it was,
// and what was said of either since then lies where it was said. The two are not proposed again. first is false when it was said before.
// Faults: invalid, forbidden, not_found, client_id_taken, already_decided (it stands for itself).
func (l *Ledger) Unmerge(ctx context.Context, p account.Principal, id uuid.UUID, say Decision) (d Detention, first bool, err error) {
	if err := p.Needs(account.Operator, account.Coordinator); err != nil {
		return Detention{}, false, err
	}
	if bad := say.check(); len(bad) > 0 {
		return Detention{}, false, fault.BadFields(bad...)
	}
	err = l.write(ctx, func(tx *pg.Tx) error {
		first = false
		if d, err = l.lock(ctx, tx, p, id); err != nil {
			return err
		}
		if !p.HasIn(d.OrganisationID, d.City, account.Operator, account.Coordinator) {
			return fault.Denied()
		}
		said, err := saidBefore(ctx, tx, "unmerge_client_id", say.ClientID, Detention{}, d)
		if err != nil || said {
			return err
		}
		if d.MergedInto == nil {
			return fault.Clash("already_decided")
		}
		if err := l.part(ctx, tx, p, d, say); err != nil {
			return err
		}
		first = true
		d, err = l.reread(ctx, tx, id)
		return err
	})
	return d, first, err
}

// reread gives a record as it is now to who just decided on it: the person may be where the decision shows them to be, out of sight.
func (l *Ledger) reread(ctx context.Context, tx *pg.Tx, id uuid.UUID) (Detention, error) {
	rows, err := tx.Query(ctx, selectDetention+"d.id = $1", id)
	if err != nil {
		return Detention{}, fmt.Errorf("read detention again: %w", err)
	}
	found, err := l.collect(ctx, tx, rows)
	if err != nil {
		return Detention{}, err
	}
	if len(found) == 0 {
		return Detention{}, fault.Absent()
	}
	err = l.whole(ctx, tx, found)
	return found[0], err
}

func (l *Ledger) part(ctx context.Context, tx *pg.Tx, p account.Principal, d Detention, say Decision) error {
	forest := merged{}
	var last Merge
	for _, m := range d.Merges {
		forest[m.AbsorbedID] = m.SurvivorID
		if m.AbsorbedID == d.ID {
			last = m
		}
	}
	ct, err := l.sealFor(d, last.SurvivorID, unmergeReason, last.ID, say.Reason)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "update merges set unmerged_by = $2, unmerged_at = $3, unmerge_client_id = $4, unmerge_reason_ct = $5 where id = $1",
		last.ID, p.Account, tx.Now, say.ClientID, ct); err != nil {
		return mergeFault(err)
	}
	leaving := forest.under(d.ID)
	var mine, rest []Detention
	for _, r := range d.records() {
		r.others = nil
		if slices.Contains(leaving, r.ID) {
			r.MergedInto = nil
			if r.ID != d.ID {
				r.MergedInto = &d.ID
			}
			mine = append(mine, r)
		} else {
			rest = append(rest, r)
		}
	}
	if err := point(ctx, tx, &d.ID, mine, d.records()); err != nil {
		return err
	}
	for _, person := range []struct {
		records []Detention
		stands  uuid.UUID
	}{{mine, d.ID}, {rest, *d.MergedInto}} {
		one := together(person.records, person.stands)
		if err := l.readAnew(ctx, tx, &one); err != nil {
			return err
		}
	}
	if err := l.keepApart(ctx, tx, p, d, last.SurvivorID, say.Reason); err != nil {
		return err
	}
	tx.Enqueue(Unmerged{MergeID: last.ID, DetentionIDs: []uuid.UUID{*d.MergedInto, d.ID}, ActorID: p.Account}, nil)
	return l.log.Write(ctx, tx, audit.Entry{Organisation: d.OrganisationID, Actor: p.Account, Action: "detention.unmerged",
		SubjectKind: "detention", Subject: d.ID, Details: map[string]any{"survivor": last.SurvivorID}})
}

// together makes one of a person's records the one that carries the others.
func together(records []Detention, id uuid.UUID) Detention {
	one := pick(records, id)[0]
	one.others = slices.DeleteFunc(slices.Clone(records), func(d Detention) bool { return d.ID == id })
	return one
}

// sealFor seals a text with the key of one of the person's records.
func (l *Ledger) sealFor(d Detention, record uuid.UUID, place string, row uuid.UUID, text string) ([]byte, error) {
	key, opens := d.KeyOf(record)
	if !opens {
		return nil, fault.Clash("conflict") // erased
	}
	return key.SealText(place, row, text)
}

// withMerges adds by which decisions the people's records are one.
func (l *Ledger) withMerges(ctx context.Context, tx *pg.Tx, page []Detention) error {
	keys := map[uuid.UUID]seal.Key{}
	of := map[uuid.UUID][]int{}
	var ids []uuid.UUID
	for i, d := range page {
		if len(d.others) == 0 {
			continue
		}
		for _, r := range d.records() {
			keys[r.ID], of[r.ID], ids = r.key, append(of[r.ID], i), append(ids, r.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, `select id, survivor_id, absorbed_id, reason_ct, merged_by, merged_at from merges
		where absorbed_id = any($1::uuid[]) and unmerged_at is null order by id`, ids)
	if err != nil {
		return fmt.Errorf("read merges: %w", err)
	}
	var m Merge
	var ct []byte
	_, err = pgx.ForEachRow(rows, []any{&m.ID, &m.SurvivorID, &m.AbsorbedID, &ct, &m.MergedBy, &m.MergedAt}, func() (err error) {
		merge := m
		if key, opens := keys[m.SurvivorID]; opens && ct != nil {
			if merge.Reason, err = key.OpenText(mergeReason, m.ID, ct); err != nil {
				return err
			}
		}
		for _, i := range of[m.AbsorbedID] {
			page[i].Merges = append(page[i].Merges, merge)
		}
		ct = nil
		return nil
	})
	return err
}
