package account

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// Session, account and grants in one query, so that all three are of one moment. The token names whom it was issued to: the owner or the shadow.
var whoCalls = `select a.organisation_id, w.id, a.id, w.shut, g.id, g.role, g.organisation_id, g.cities, g.valid_from, g.valid_until
	from sessions s join accounts a on a.id = s.account_id left join pins p on p.account_id = a.id
	cross join lateral (select ` + actsAs("@face") + ` as id, ` + shut + ` as shut) w
	left join grants g on g.account_id = w.id and ` + GrantInForce + `
	where s.id = @session and (s.account_id = @account or p.shadow_id = @account) and s.revoked_at is null and s.expires_at > @now and a.state = 'active'
	order by g.id`

// Authenticate turns an access token into who calls, with the grants in force now. A session that was ended, an account that
// was locked, a grant that was taken away are seen at most a second later, on every node. Faults: token_expired (refresh
// and repeat), unauthenticated (sign in again), unavailable.
func (d *Desk) Authenticate(ctx context.Context, bearer string) (Principal, error) {
	account, session, err := d.tokens.read(bearer)
	if err != nil {
		return Principal{}, err
	}
	// The age counts from before the query: what is remembered is never older than it claims to be.
	now := d.db.Now()
	if p, fresh := d.known.get(session, now); fresh && (p.Account == account || p.Owner == account) {
		return p, nil
	}
	p, err := d.read(ctx, account, session, now)
	if err != nil {
		return Principal{}, err
	}
	if !p.Shut { // else a phone whose PIN was just entered elsewhere would be asked again
		d.known.put(p, now)
	}
	return p, nil
}

func (d *Desk) read(ctx context.Context, account, session uuid.UUID, now time.Time) (Principal, error) {
	p := Principal{Session: session}
	rows, err := d.db.Pool.Query(ctx, whoCalls, pgx.NamedArgs{"session": session, "account": account, "now": now, "face": d.ownFace(session)})
	if err != nil {
		return p, fmt.Errorf("read session: %w", pg.Unavailable(err))
	}
	var id, organisation *uuid.UUID
	var role *Role
	var cities []string
	var from, until *time.Time
	found := false
	_, err = pgx.ForEachRow(rows, []any{&p.Organisation, &p.Account, &p.Owner, &p.Shut, &id, &role, &organisation, &cities, &from, &until}, func() error {
		found = true
		if id != nil {
			g := Grant{ID: *id, Role: *role, Organisation: *organisation, Cities: append([]string(nil), cities...), From: *from}
			if until != nil {
				end := *until
				g.Until = &end
			}
			p.Grants = append(p.Grants, g)
		}
		return nil
	})
	if err != nil {
		return p, fmt.Errorf("read session: %w", pg.Unavailable(err))
	}
	if !found {
		return p, fault.Unauthorised()
	}
	return p, nil
}

const (
	memoryLife = time.Second // with a lock seen at once by the database, refused everywhere well within two seconds
	memorySize = 10000
)

// memory spares the database one query a request when a phone sends several within a second.
type memory struct {
	mu    sync.Mutex
	by    map[uuid.UUID]remembered
	swept time.Time
}

type remembered struct {
	at time.Time
	p  Principal
}

func newMemory() *memory { return &memory{by: map[uuid.UUID]remembered{}} }

func (m *memory) get(session uuid.UUID, now time.Time) (Principal, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, there := m.by[session]
	return r.p, there && r.fresh(now)
}

// fresh is false also when the clock was set back: an age below zero proves nothing.
func (r remembered) fresh(now time.Time) bool {
	age := now.Sub(r.at)
	return age >= 0 && age < memoryLife
}

func (m *memory) put(p Principal, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.by) >= memorySize && !now.Before(m.swept) && now.Sub(m.swept) < memoryLife {
		return // full of what is fresh: the next request asks the database, which is right, only slower
	}
	if len(m.by) >= memorySize {
		m.swept = now
		for id, r := range m.by {
			if !r.fresh(now) {
				delete(m.by, id)
			}
		}
		if len(m.by) >= memorySize {
			return
		}
	}
	m.by[p.Session] = remembered{at: now, p: p}
}

// forget drops what is known of an account's sessions on this node; the others follow within memoryLife.
func (m *memory) forget(account uuid.UUID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, r := range m.by {
		if r.p.Account == account || r.p.Owner == account {
			delete(m.by, id)
		}
	}
}

// Living gives those of these sessions that still hold, and as whom: for who was let in before and has stayed, as on a stream. Of a locked
// account, or shut, they are left out.
func (d *Desk) Living(ctx context.Context, tx *pg.Tx, sessions []uuid.UUID) (map[uuid.UUID]uuid.UUID, error) {
	faces := make([][]byte, len(sessions))
	for i, id := range sessions {
		faces[i] = d.ownFace(id)
	}
	rows, err := tx.Query(ctx, `select s.id, `+actsAs("t.face")+` from unnest(@sessions::uuid[], @faces::bytea[]) t(id, face)
		join sessions s on s.id = t.id join accounts a on a.id = s.account_id left join pins p on p.account_id = a.id
		where s.revoked_at is null and s.expires_at > @now and a.state = 'active' and not `+shut,
		pgx.NamedArgs{"sessions": sessions, "faces": faces, "now": tx.Now})
	if err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	out := map[uuid.UUID]uuid.UUID{}
	var id, as uuid.UUID
	if _, err := pgx.ForEachRow(rows, []any{&id, &as}, func() error {
		out[id] = as
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	return out, nil
}
