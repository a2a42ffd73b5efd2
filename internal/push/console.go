package push

import (
	"context"
	"fmt"
	"log/slog"
)

// Console is the sender of a server without a push provider: it writes one
// line per notice and accepts everything, so that a demo or a developer's
// machine runs the whole path. The line holds the notice's id and kind only;
// the token and the text stay out of the log.
type Console struct {
	Log *slog.Logger // nil: slog.Default()
}

// Send logs "notice <id> kind <kind> handed to console" and accepts, unless
// ctx has ended: a stopping server must not count as delivered what nobody saw.
func (c Console) Send(ctx context.Context, m Message) Result {
	if ctx.Err() != nil {
		return Result{Outcome: Retry, Code: "cancelled"}
	}
	log := c.Log
	if log == nil {
		log = slog.Default()
	}
	log.InfoContext(ctx, fmt.Sprintf("notice %s kind %s handed to console", m.NoticeID, m.Kind))
	return Result{Outcome: Accepted, Code: "console"}
}

// Name is the channel's name in deliveries and metrics.
func (Console) Name() string { return "console" }
