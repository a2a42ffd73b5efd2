package push

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/qorgau/qorgau/internal/pg"
)

// metrics carry a channel's kind, an outcome and a notice's kind: nothing that tells one person from another.
type metrics struct {
	attempts *prometheus.CounterVec
	handover prometheus.Histogram
}

const gaugeTimeout = 2 * time.Second

func newMetrics(db *pg.DB, r prometheus.Registerer) (metrics, error) {
	m := metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "qorgau_push_attempts_total",
			Help: "Attempts to deliver a notice, by what came of them; dead, expired and superseded: ended before an attempt."}, []string{"channel", "outcome", "kind"}),
		handover: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "qorgau_push_handover_seconds",
			Help:    "From the fact to its acceptance by the provider.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15, 60, 300, 3600, 86400}}),
	}
	if r == nil {
		return m, nil
	}
	waiting := func(read func(Waiting) float64) func() float64 {
		return func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), gaugeTimeout)
			defer cancel()
			w, err := Progress(ctx, db)
			if err != nil {
				return math.NaN()
			}
			return read(w)
		}
	}
	for _, c := range []prometheus.Collector{m.attempts, m.handover,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "qorgau_push_pending", Help: "Deliveries that are not at their end."},
			waiting(func(w Waiting) float64 { return float64(w.Pending) })),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "qorgau_push_oldest_pending_seconds", Help: "Age of the oldest delivery that is not at its end."},
			waiting(func(w Waiting) float64 { return w.Oldest.Seconds() })),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "qorgau_push_oldest_untried_seconds", Help: "Age of the oldest delivery without an attempt on a channel that is not paused."},
			waiting(func(w Waiting) float64 { return w.Untried.Seconds() })),
	} {
		if err := r.Register(c); err != nil {
			return m, fmt.Errorf("register: %w", err)
		}
	}
	return m, nil
}

func (m metrics) count(p *ready, r Result, now time.Time) {
	m.attempts.WithLabelValues(p.channelKind, r.Outcome.String(), p.Kind).Inc()
	if r.Outcome == Accepted {
		m.handover.Observe(now.Sub(p.created).Seconds())
	}
}

// ended counts a delivery that ended without an attempt.
func (m metrics) ended(p *pending, end ending) {
	m.attempts.WithLabelValues(p.channelKind, end.state, p.Kind).Inc()
}

// Waiting is how far deliveries lag. Oldest counts those that wait for a phone or a provider, too, but not for the end of quiet hours; Untried only those that
// nobody has attempted although their channel is neither paused nor at work: more than some seconds of it says that jobs do not move.
type Waiting struct {
	Pending int
	Oldest  time.Duration
	Untried time.Duration
}

// Progress reads how far deliveries lag; zero durations when nothing waits. A database that does not answer gives
// unavailable.
func Progress(ctx context.Context, db *pg.DB) (Waiting, error) {
	now := db.Now()
	var w Waiting
	var oldest, untried *time.Time
	// A channel at work is as fast as its provider: a modem with a thousand texts before it is no fault of ours.
	err := db.Pool.QueryRow(ctx, `with at_work as (select distinct j.queue from river_job j where j.state = 'running' and j.queue = any(@queues))
		select count(*), min(d.since) filter (where d.since <= @now), min(d.since) filter (where d.since <= @now and d.attempts = 0 and d.code = ''
			and (p.paused_until is null or p.paused_until <= @now) and 'push_' || c.kind not in (select queue from at_work))
		from (select *, greatest(created_at, not_before) as since from deliveries) d join channels c on c.id = d.channel_id left join channel_pauses p on p.channel = c.kind
		where d.state = 'pending'`, pgx.NamedArgs{"now": now, "queues": slices.Collect(maps.Keys(Queues()))}).Scan(&w.Pending, &oldest, &untried)
	if err != nil {
		return Waiting{}, fmt.Errorf("read progress of deliveries: %w", pg.Unavailable(err))
	}
	if oldest != nil {
		w.Oldest = max(now.Sub(*oldest), 0)
	}
	if untried != nil {
		w.Untried = max(now.Sub(*untried), 0)
	}
	return w, nil
}
