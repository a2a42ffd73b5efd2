package trial

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/push"
)

// apart starts a node that answers requests and a node that works, with families on a ladder.
func (s *scene) apart(ctx context.Context, n int, kinds ...string) (worker *node, err error) {
	if err := s.provide(kinds...); err != nil {
		return nil, err
	}
	if _, err := s.serve(ctx, app.API); err != nil {
		return nil, err
	}
	for _, kind := range kinds {
		s.wires[kind].tape = &tape{}
	}
	if worker, err = s.serve(ctx, app.Worker); err != nil {
		return nil, err
	}
	if err := s.staff(ctx); err != nil {
		return nil, err
	}
	if err := s.cast(ctx, n, kinds...); err != nil {
		return nil, err
	}
	return worker, s.ready(ctx)
}

// hold keeps something in the database locked until release, so that a process can be killed where it waits for it.
func (s *scene) hold(ctx context.Context, statement string) (release func(), err error) {
	conn, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return nil, fmt.Errorf("hold: %w", err)
	}
	for _, step := range []string{"begin", statement} {
		if _, err := conn.Exec(ctx, step); err != nil {
			return nil, errors.Join(fmt.Errorf("hold: %w", err), conn.Close(ctx))
		}
	}
	return func() { _ = conn.Close(context.WithoutCancel(ctx)) }, nil // which rolls back
}

// blocked waits until so many sessions of the row's nodes wait for what is held.
func (s *scene) blocked(ctx context.Context, n int) error {
	return until(ctx, evidence, "the worker waits where it is to be killed", func() (bool, error) {
		have, err := s.count(ctx, "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
		return have >= n, err
	})
}

// afterwards is how long what a killed process had handed to its machine may still travel.
const afterwards = 300 * time.Millisecond

// kill ends a node with SIGKILL, and writes down of which messages nobody alive can know that they were taken. A node that held nothing when it was killed is no fault, and the
// row an error.
func (s *scene) kill(ctx context.Context, n *node, held holding) error {
	n.kill()
	s.led.over = now()
	if err := pause(ctx, afterwards); err != nil {
		return err
	}
	left, err := s.mourn(ctx, n)
	if err == nil && held != nil {
		left, err = held(ctx)
	}
	if err == nil && left == 0 {
		err = errIdle
	}
	return err
}

var errIdle = errors.New("the node that was killed held nothing: nothing was tried")

// holding is how much a node that is dead had in its hands: it stays as it was, since nobody takes it over so soon. Nil: what it had sent and not heard of.
type holding func(context.Context) (int, error)

// deliveries are those that the one node which delivers had taken up and not begun to send.
func (s *scene) deliveries(ctx context.Context) (int, error) {
	return s.count(ctx, "select count(*) from river_job where kind = 'push_deliver' and state = 'running'")
}

// swallowed are the requests that had left the node and not arrived.
func swallowed(w *wire) holding { return func(context.Context) (int, error) { return w.hit(), nil } }

// climbing are those who wait to write a delivery: of the nodes of a row the worker alone.
func (s *scene) climbing(ctx context.Context) (int, error) {
	return s.count(ctx, "select count(*) from pg_locks where not granted and relation = 'deliveries'::regclass")
}

// mourn excuses a repeat of what a killed node had sent, and was taken, and not written down. What another node sends at that moment is no excuse for anything: nobody killed
// that one. It gives how many messages these are, with those whose answer was lost anyhow.
func (s *scene) mourn(ctx context.Context, dead *node) (held int, err error) {
	if err := s.read(ctx); err != nil {
		return 0, err
	}
	rows, err := s.tools.DB.Pool.Query(ctx, `select c.kind, n.owner_id, n.id::text from deliveries d join channels c on c.id = d.channel_id join notices n on n.id = d.notice_id
		where d.state = 'pending'`)
	if err != nil {
		return 0, fmt.Errorf("read deliveries: %w", err)
	}
	var kind, id string
	var owner uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&kind, &owner, &id}, func() error {
		for _, m := range s.led.messages {
			if m.kind == kind && (m.notice == id || m.notice == "" && s.owns(owner, m.spot)) && dead.sent(m.spot) {
				held++
				if !m.unsure { // else its lost answer is excuse enough
					s.led.died[m.spot]++
				}
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("read deliveries: %w", err)
	}
	return held, nil
}

// sent tells whether a node sent something to a spot.
func (n *node) sent(at spot) bool {
	w := n.wires[at.kind]
	return w != nil && w.tape != nil && w.tape.holds(at.address)
}

func (s *scene) owns(owner uuid.UUID, at spot) bool {
	for _, d := range s.led.dues {
		for _, rung := range d.ladder {
			if d.owner == owner && rung == at {
				return true
			}
		}
	}
	return false
}

// heir starts another worker, and waits for the end.
func (s *scene) heir(ctx context.Context) error {
	if _, err := s.serve(ctx, app.Worker); err != nil {
		return err
	}
	return s.settle(ctx, settling)
}

// killedBefore: the worker has taken the job and nothing has left it.
func killedBefore(ctx context.Context, s *scene) error {
	worker, err := s.apart(ctx, families, push.FCM)
	if err != nil {
		return err
	}
	release, err := s.hold(ctx, "lock table channel_pauses in access exclusive mode") // which is read before each attempt
	if err != nil {
		return err
	}
	defer release()
	if err := s.log(ctx, s.families...); err != nil {
		return err
	}
	if err := s.blocked(ctx, 1); err != nil {
		return err
	}
	if err := s.kill(ctx, worker, s.deliveries); err != nil {
		return err
	}
	release()
	return s.heir(ctx)
}

// killedOnTheWire: the request has left the worker, and not arrived.
func killedOnTheWire(ctx context.Context, s *scene) error {
	worker, err := s.apart(ctx, families, push.FCM)
	if err != nil {
		return err
	}
	swallows := s.wires[push.FCM]
	if err := swallows.set(silent); err != nil {
		return err
	}
	if err := s.log(ctx, s.families...); err != nil {
		return err
	}
	if err := until(ctx, evidence, "requests are on the wire", func() (bool, error) { return swallows.hit() > 0, nil }); err != nil {
		return err
	}
	if err := pause(ctx, lull); err != nil { // the others follow at once, or one after another
		return err
	}
	if err := s.kill(ctx, worker, swallowed(swallows)); err != nil {
		return err
	}
	// The heir gets a wire of its own: what lies before the old one must not arrive when that heals.
	s.closing = append(s.closing, swallows.close)
	if s.wires[push.FCM], err = s.lead(push.FCM, swallows.to); err != nil {
		return err
	}
	return s.heir(ctx)
}

// killedUnanswered: the provider has taken the message, and its answer finds nobody.
func killedUnanswered(ctx context.Context, s *scene) error {
	worker, err := s.apart(ctx, families, push.FCM)
	if err != nil {
		return err
	}
	s.carriers[push.FCM].fall(hangs, families)
	if err := s.log(ctx, s.families...); err != nil {
		return err
	}
	if err := s.taking(ctx); err != nil {
		return err
	}
	if err := pause(ctx, lull); err != nil {
		return err
	}
	if err := s.kill(ctx, worker, nil); err != nil {
		return err
	}
	s.carriers[push.FCM].heal()
	return s.heir(ctx)
}

// killedUnrecorded: the worker has the provider's yes, and has not written it down.
func killedUnrecorded(ctx context.Context, s *scene) error {
	worker, err := s.apart(ctx, families, push.FCM)
	if err != nil {
		return err
	}
	s.carriers[push.FCM].fall(slow, families)
	if err := s.log(ctx, s.families...); err != nil {
		return err
	}
	if err := s.taking(ctx); err != nil {
		return err
	}
	release, err := s.hold(ctx, "select 1 from deliveries where state = 'pending' for update")
	if err != nil {
		return err
	}
	defer release()
	if err := s.blocked(ctx, 1); err != nil {
		return err
	}
	if err := s.kill(ctx, worker, nil); err != nil {
		return err
	}
	release()
	s.carriers[push.FCM].heal()
	return s.heir(ctx)
}

// taking waits until the first message has come to the provider of phones.
func (s *scene) taking(ctx context.Context) error {
	return until(ctx, evidence, "the provider takes the first", func() (bool, error) { return len(s.carriers[push.FCM].taken()) > 0, nil })
}

// killedClimbing: the worker gives notices their next rung.
func killedClimbing(ctx context.Context, s *scene) error {
	worker, err := s.apart(ctx, families, push.FCM, push.SMS)
	if err != nil {
		return err
	}
	if err := s.log(ctx, s.families...); err != nil {
		return err
	}
	if err := s.settle(ctx, settling); err != nil {
		return err
	}
	release, err := s.hold(ctx, "lock table deliveries in share mode")
	if err != nil {
		return err
	}
	defer release()
	if err := s.hurry(ctx); err != nil {
		return err
	}
	if err := s.blocked(ctx, 1); err != nil {
		return err
	}
	if err := s.kill(ctx, worker, s.climbing); err != nil {
		return err
	}
	release()
	for _, d := range s.led.dues { // who did not look is told on the next rung, too
		d.everywhere = true
	}
	s.note = append(s.note, "both rungs wanted of each")
	return s.heir(ctx)
}

// hurry lets the ladders' minutes be over: the wait between two rungs is cut to nothing, by hand.
func (s *scene) hurry(ctx context.Context) error {
	s.note = append(s.note, "minutes between rungs cut short by hand")
	_, err := s.tools.DB.Pool.Exec(ctx, "update notices set climb_at = $1 where climb_at < 'infinity'", now())
	if err != nil {
		return fmt.Errorf("hurry: %w", err)
	}
	return nil
}

// killedBeside: two nodes work, one is killed while news goes out.
func killedBeside(ctx context.Context, s *scene) error {
	const many, parts = 48, 8
	if err := s.provide(push.FCM); err != nil {
		return err
	}
	s.wires[push.FCM].tape = &tape{}
	victim, err := s.serve(ctx, app.All)
	if err != nil {
		return err
	}
	// The other has a wire of its own, so that it can be said which of them sent what.
	hers := s.wires[push.FCM]
	s.closing = append(s.closing, hers.close)
	if s.wires[push.FCM], err = s.lead(push.FCM, hers.to); err != nil {
		return err
	}
	if _, err := s.serve(ctx, app.All); err != nil { // whom the clients ask
		return err
	}
	if err := s.staff(ctx); err != nil {
		return err
	}
	if err := s.cast(ctx, many, push.FCM); err != nil {
		return err
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	s.carriers[push.FCM].fall(slow, 0)
	for i := range parts {
		if err := s.log(ctx, s.families[i*many/parts:(i+1)*many/parts]...); err != nil {
			return err
		}
		if i == parts/2 {
			if err := pause(ctx, late/2); err != nil { // some are taken and not answered
				return err
			}
			if err := s.kill(ctx, victim, nil); err != nil {
				return err
			}
		}
	}
	s.carriers[push.FCM].heal()
	return s.settle(ctx, settling)
}

// databaseKilled: PostgreSQL is killed while news goes out, and started again.
func databaseKilled(ctx context.Context, s *scene) error {
	const many = 24
	if err := s.provide(push.FCM); err != nil {
		return err
	}
	if _, err := s.serve(ctx, app.All); err != nil {
		return err
	}
	if err := s.staff(ctx); err != nil {
		return err
	}
	if err := s.cast(ctx, many, push.FCM); err != nil {
		return err
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	s.carriers[push.FCM].fall(slow, many/2)
	if err := s.log(ctx, s.families...); err != nil {
		return err
	}
	if err := s.taking(ctx); err != nil {
		return err
	}
	if err := s.cluster.killed(ctx); err != nil {
		return err
	}
	if err := pause(ctx, late); err != nil {
		return err
	}
	if err := s.cluster.again(ctx); err != nil {
		return err
	}
	s.led.over = now()
	if err := until(ctx, joining, "the trial reaches the database again", func() (bool, error) {
		_, err := s.count(ctx, "select 1")
		return err == nil, nil
	}); err != nil {
		return err
	}
	return s.settle(ctx, settling)
}
