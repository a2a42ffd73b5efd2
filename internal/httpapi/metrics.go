package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/qorgau/qorgau/internal/live"
)

// measure registers the request metrics and returns what observes one request. Labels are the route's pattern, a known
// method and the class of the status: never anything that a caller sent.
func measure(reg prometheus.Registerer) (func(v *visit, r *http.Request, status int, took time.Duration), error) {
	if reg == nil {
		return func(*visit, *http.Request, int, time.Duration) {}, nil
	}
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "qorgau_http_request_seconds",
		Help:    "Time to answer, by route, method and class of status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15},
	}, []string{"route", "method", "status"})
	if err := reg.Register(h); err != nil {
		return nil, fmt.Errorf("register request metrics: %w", err)
	}
	return func(v *visit, r *http.Request, status int, took time.Duration) {
		h.WithLabelValues(v.route, methodLabel(r.Method), strconv.Itoa(status/100)+"xx").Observe(took.Seconds())
	}, nil
}

// countStreams registers how many boards stand open here.
func countStreams(reg prometheus.Registerer, hub *live.Hub) error {
	if reg == nil || hub == nil {
		return nil
	}
	g := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "qorgau_streams", Help: "Boards that stand open on this node."}, func() float64 { return float64(hub.Open()) })
	if err := reg.Register(g); err != nil {
		return fmt.Errorf("register stream metrics: %w", err)
	}
	return nil
}

// MetricsHandler serves the metrics; it belongs on a listener of its own, on loopback.
func MetricsHandler(g prometheus.Gatherer) http.Handler {
	return promhttp.HandlerFor(g, promhttp.HandlerOpts{})
}
