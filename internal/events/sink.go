package events

import (
	"context"
	"log/slog"
)

// Sink tells somebody outside.
type Sink interface {
	// Tell hands over one event. The error says why that did not work, without the sink's address.
	Tell(ctx context.Context, e Event) error
}

// Feed tells a sink of every event, one at a time, until sub is closed and what waits in it is told, or ctx ends. A row of failures is logged
// once, and so is its end; what the sink was too slow for is logged as it is noticed.
func Feed(ctx context.Context, sub *Subscription, sink Sink, log *slog.Logger) {
	failing, dropped := 0, int64(0)
	for e := range sub.C {
		if ctx.Err() != nil {
			return
		}
		err := sink.Tell(ctx, e)
		switch {
		case err != nil && failing == 0:
			log.Warn("an event could not be handed over; others will be tried", "event", string(e.Kind), "err", err)
			failing++
		case err != nil:
			failing++
		case failing > 0:
			log.Info("events are handed over again", "lost", failing)
			failing = 0
		}
		if n := sub.Dropped(); n > dropped {
			log.Warn("events came faster than they could be handed over", "lost", n-dropped)
			dropped = n
		}
	}
}
