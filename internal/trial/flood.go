package trial

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/seal"
)

const (
	perSecond  = 20               // notices to phones while the other channel is down: that many a second
	probes     = 400              // of them
	probeLimit = 30 * time.Second // who is not told by then counts as told then
	portion    = 1000             // notices in one transaction
	draining   = 40 * time.Minute
)

// flooder writes notices past the API, which would be asked for an hour: owners who are no searches, told what needs no match (that their channels changed).
type flooder struct {
	*scene
	center       *push.Center
	organisation uuid.UUID
	key          seal.Minted
}

func newFlooder(ctx context.Context, s *scene) (*flooder, error) {
	f := &flooder{scene: s}
	var err error
	if f.center, err = push.New(push.Options{DB: s.tools.DB, Ring: s.tools.Ring}); err != nil {
		return nil, err
	}
	if err := s.tools.DB.Pool.QueryRow(ctx, "select id from organisations limit 1").Scan(&f.organisation); err != nil {
		return nil, fmt.Errorf("find the organisation: %w", err)
	}
	if f.key, err = s.tools.Ring.Mint(push.SearchOwner, uuid.New(), now()); err != nil {
		return nil, err
	}
	return f, s.tools.DB.InTx(ctx, func(tx *pg.Tx) error { return seal.Keep(ctx, tx, f.organisation, f.key) })
}

// owners makes n of them, each with one confirmed channel.
func (f *flooder) owners(ctx context.Context, kind string, from, n int) ([]*due, error) {
	var out []*due
	for len(out) < n {
		part := min(portion, n-len(out))
		var ids, owners []uuid.UUID
		var cts, macs [][]byte
		for i := range part {
			_, at := f.carriers[kind].channel(from + len(out))
			owner, id := uuid.New(), uuid.New()
			ct, err := f.key.Seal("channels.address_ct", id, []byte(at.address))
			if err != nil {
				return nil, fmt.Errorf("seal %d: %w", i, err)
			}
			ids, owners, cts = append(ids, id), append(owners, owner), append(cts, ct)
			macs = append(macs, f.tools.Ring.MAC(seal.ForAddress, owner[:], []byte(kind), []byte(at.address)))
			out = append(out, &due{owner: owner, kind: push.Changed, ladder: []spot{at}})
		}
		if _, err := f.tools.DB.Pool.Exec(ctx, `insert into channels (id, owner_kind, owner_id, position, kind, key_id, address_ct, address_mac, created_at, confirmed_at)
			select i, 'search', o, 0, $5, $6, c, m, $7, $7 from unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[]) as u (i, o, c, m)`,
			ids, owners, cts, macs, kind, f.key.ID, now()); err != nil {
			return nil, fmt.Errorf("write channels: %w", err)
		}
	}
	return out, nil
}

// tell writes the notices of these dues in one transaction.
func (f *flooder) tell(ctx context.Context, dues ...*due) (ids []uuid.UUID, err error) {
	notices := make([]push.Notice, len(dues))
	for i, d := range dues {
		notices[i] = push.Notice{Organisation: f.organisation, Kind: d.kind, SubjectKind: push.SearchOwner, Subject: d.owner, Turn: uuid.New(),
			Owner: push.Owner{Kind: push.SearchOwner, ID: d.owner}, Language: string(language)}
	}
	err = f.tools.DB.InTx(ctx, func(tx *pg.Tx) (err error) {
		ids, err = f.center.Tell(ctx, tx, notices...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("tell: %w", err)
	}
	f.led.dues = append(f.led.dues, dues...)
	return ids, nil
}

// probe tells phones one by one and gives how long each waited from the commit to the provider.
func (f *flooder) probe(ctx context.Context, from int) ([]time.Duration, error) {
	dues, err := f.owners(ctx, push.FCM, from, probes)
	if err != nil {
		return nil, err
	}
	committed := map[spot]time.Time{}
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	for _, d := range dues {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
		if _, err := f.tell(ctx, d); err != nil {
			return nil, err
		}
		committed[d.ladder[0]] = now()
	}
	waits := map[spot]time.Duration{}
	for end := now().Add(probeLimit); len(waits) < probes && now().Before(end); {
		for _, m := range f.carriers[push.FCM].taken() {
			if at, asked := committed[m.spot]; asked {
				if _, known := waits[m.spot]; !known {
					waits[m.spot] = max(0, m.at.Sub(at))
				}
			}
		}
		if err := pause(ctx, rest); err != nil {
			return nil, err
		}
	}
	var out []time.Duration
	for at, when := range committed {
		wait, told := waits[at]
		if !told {
			wait = now().Sub(when)
		}
		out = append(out, wait)
	}
	return out, nil
}

// flooded: so many notices wait for a channel that swallows everything; those of another channel go out as ever.
func flooded(ctx context.Context, s *scene) error {
	if err := s.whole(ctx, 0, push.FCM, push.SMS); err != nil {
		return err
	}
	f, err := newFlooder(ctx, s)
	if err != nil {
		return err
	}
	alone, err := f.probe(ctx, 0)
	if err != nil {
		return err
	}
	if err := s.wires[push.SMS].set(silent); err != nil {
		return err
	}
	flood, err := f.owners(ctx, push.SMS, 0, s.volume)
	if err != nil {
		return err
	}
	began := now()
	for from := 0; from < len(flood); from += portion {
		if _, err := f.tell(ctx, flood[from:min(from+portion, len(flood))]...); err != nil {
			return err
		}
	}
	wrote := now().Sub(began)
	beside, err := f.probe(ctx, probes)
	if err != nil {
		return err
	}
	if err := s.wires[push.SMS].set(open); err != nil {
		return err
	}
	s.led.over = now()
	if err := until(ctx, draining, "the channel that is back takes all", func() (bool, error) { return s.carriers[push.SMS].tries() >= len(flood), nil }); err != nil {
		s.note = append(s.note, err.Error())
	}
	s.note = append(s.note, fmt.Sprintf("%d SMS written in %.0f s; phones beside them, commit to provider: p50 %s p99 %s, before p50 %s p99 %s", len(flood), wrote.Seconds(),
		short(quantile(beside, .5)), short(quantile(beside, .99)), short(quantile(alone, .5)), short(quantile(alone, .99))))
	if p := quantile(beside, .99); p > max(isolated, isolation*quantile(alone, .99)) {
		s.led.found = append(s.led.found, "not isolated: phones wait for a channel that is not theirs")
	}
	return s.settle(ctx, settling)
}

// A channel counts as left in peace while its p99 is at most so many times what it is without the flood beside it, or below what nobody notices.
const (
	isolation = 4
	isolated  = 500 * time.Millisecond
)
