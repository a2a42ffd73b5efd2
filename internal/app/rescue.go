package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/texting"
	"github.com/qorgau/qorgau/internal/watch"
)

const (
	rescueEvery = time.Second
	// Workers of these are given 15 s at most: what has been at work for longer has nobody who works it.
	newsStuckAfter = 16 * time.Second
	// A text that came in is answered by a gateway that has ten seconds, and what it says is written down for ten more.
	textStuckAfter = 26 * time.Second
)

// stuckAfter says, queue by queue, after how long nobody is at work any more; of the default queue only what tells people on duty.
func stuckAfter() (queues []string, after []time.Duration) {
	all := push.StuckAfter()
	all[detention.MatchQueue], all[watch.LaterQueue] = newsStuckAfter, newsStuckAfter
	for queue := range texting.Queues() {
		all[queue] = textStuckAfter
	}
	for queue, d := range all {
		queues, after = append(queues, queue), append(after, d)
	}
	return queues, after
}

// rescue gives jobs on the way to a family, a lawyer or a coordinator, left by a process that died, to the living. River does that as well, but only by
// its leader: after a kill -9 that one must first be elected (up to 15 s), looks every 30 s, and leaves the rest to a scheduler
// that looks every 5 s, so that a family was seen to wait for 46 s. Here each node looks each second. A job that is worked twice
// by that does nothing twice: unique constraints hold it; but for what is handed to a provider, which is given its whole time.
func rescue(ctx context.Context, db *pg.DB, log *slog.Logger) {
	queues, after := stuckAfter()
	failing := false
	repeat(ctx, rescueEvery, func(ctx context.Context) {
		// River has attempted_at stamped by the database, whose clock need not be this machine's: seventeen seconds between them took jobs from who was at work.
		tag, err := db.Pool.Exec(ctx, `update river_job j set state = 'available' from unnest($1::text[], $2::interval[]) as l (queue, after)
			where j.state = 'running' and (j.queue = l.queue and j.attempted_at < now() - l.after or j.kind = $3 and j.attempted_at < now() - $4::interval)`,
			queues, after, alert.Raised{}.Kind(), newsStuckAfter)
		if err != nil && !failing && ctx.Err() == nil {
			log.WarnContext(ctx, "stuck jobs cannot be rescued", "code", coded(pg.Unavailable(err)).Error())
		}
		failing = err != nil
		if n := tag.RowsAffected(); n > 0 {
			log.WarnContext(ctx, "rescued jobs of a process that died", "count", n)
		}
	})
}
