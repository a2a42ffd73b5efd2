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
)

// rescue gives jobs on the way to a family, a lawyer or a coordinator, left by a process that died, to the living. River does that as well, but only by
// its leader: after a kill -9 that one must first be elected (up to 15 s), looks every 30 s, and leaves the rest to a scheduler
// that looks every 5 s, so that a family was seen to wait for 46 s. Here each node looks each second. A job that is worked twice
// by that does nothing twice: unique constraints hold it; but for what is handed to a provider, which is given its whole time.
func rescue(ctx context.Context, db *pg.DB, log *slog.Logger) {
	failing := false
	repeat(ctx, rescueEvery, func(ctx context.Context) {
		// River has attempted_at stamped by the database, whose clock need not be this machine's: seventeen seconds between them took jobs from who was at work.
		tag, err := db.Pool.Exec(ctx, `update river_job set state = 'available' where state = 'running' and (queue = any($1) or kind = any($2) or kind = any($3))
			and attempted_at < now() - case when kind = any($3) then $5::interval else $4::interval end`,
			[]string{detention.MatchQueue, watch.LaterQueue}, []string{alert.Raised{}.Kind()}, append(push.Jobs(), texting.Received{}.Kind(), texting.Answered{}.Kind()), newsStuckAfter, push.StuckAfter)
		if err != nil && !failing && ctx.Err() == nil {
			log.WarnContext(ctx, "stuck jobs cannot be rescued", "code", coded(pg.Unavailable(err)).Error())
		}
		failing = err != nil
		if n := tag.RowsAffected(); n > 0 {
			log.WarnContext(ctx, "rescued jobs of a process that died", "count", n)
		}
	})
}
