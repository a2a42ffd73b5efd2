package trial

import (
	"context"

	"github.com/qorgau/qorgau/internal/push"
)

// rows are the table.
func rows() []row {
	var out []row
	for _, p := range passings() {
		for _, kind := range kinds {
			out = append(out, row{fault: p.name, channel: kind, secure: p.secure, play: func(ctx context.Context, s *scene) error { return p.play(ctx, s, kind) }})
		}
	}
	for _, kind := range kinds {
		out = append(out, row{fault: unsubscribed().name, channel: kind, play: func(ctx context.Context, s *scene) error { return unsubscribed().ended(ctx, s, kind) }})
	}
	return append(out,
		row{fault: "worker killed before sending", channel: push.FCM, play: killedBefore},
		row{fault: "worker killed on the wire", channel: push.FCM, play: killedOnTheWire},
		row{fault: "worker killed unanswered", channel: push.FCM, play: killedUnanswered},
		row{fault: "worker killed before recording", channel: push.FCM, play: killedUnrecorded},
		row{fault: "worker killed climbing", channel: push.FCM, play: killedClimbing},
		row{fault: "one of two nodes killed", channel: push.FCM, play: killedBeside},
		row{fault: "PostgreSQL killed, restarted", channel: push.FCM, apart: true, play: databaseKilled},
		row{fault: "clock put forward and back", channel: push.FCM, play: clockJumps},
		row{fault: "clock put back in a pause", channel: push.FCM, play: clockBackInAPause},
		row{fault: "poisoned rows", channel: push.FCM, play: poisoned},
		row{fault: "all channels that can be had", channel: "all", play: everyChannel},
		row{fault: "one phone of two searches", channel: push.FCM, play: shared},
		row{fault: "unsubscribed during a send", channel: push.FCM, play: leaving},
		row{fault: "flood behind a black hole", channel: push.SMS, alone: true, play: flooded},
	)
}
