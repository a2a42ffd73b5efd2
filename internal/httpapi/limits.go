package httpapi

import (
	"container/list"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/qorgau/qorgau/internal/fault"
)

// Limits holds each caller to a pace, per process. They are keyed by account or by search secret and never by address: a
// city shares one behind its carrier. The zero value is off.
type Limits struct {
	// Account and Secret are requests a second that may go on for ever; the bursts are what a phone that comes back
	// from a cellar may send at once.
	Account, Secret           float64
	AccountBurst, SecretBurst int
}

// DefaultLimits: an app that polls and posts stays far below; a script that walks through the directory does not.
func DefaultLimits() Limits {
	return Limits{Account: 20, AccountBurst: 200, Secret: 2, SecretBurst: 60}
}

// ParseLimits reads QORGAU_LIMITS: "" for the defaults, "off", or "name=value,…" over the defaults. The names are account
// and secret (requests a second, fractions allowed, 0 switches that one off) and account_burst and secret_burst (whole
// numbers from 1).
func ParseLimits(text string) (Limits, error) {
	l := DefaultLimits()
	text = strings.TrimSpace(text)
	switch text {
	case "":
		return l, nil
	case "off":
		return Limits{}, nil
	}
	rates := map[string]*float64{"account": &l.Account, "secret": &l.Secret}
	bursts := map[string]*int{"account_burst": &l.AccountBurst, "secret_burst": &l.SecretBurst}
	for _, part := range strings.Split(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return Limits{}, fmt.Errorf("limits: %q is not name=value", part)
		}
		if r := rates[name]; r != nil {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil || v < 0 || math.IsNaN(v) || math.IsInf(v, 0) {
				return Limits{}, fmt.Errorf("limits: %s needs a number of requests a second, 0 for off", name)
			}
			*r = v
			continue
		}
		b := bursts[name]
		if b == nil {
			return Limits{}, fmt.Errorf("limits: %q is not known; there are account, account_burst, secret, secret_burst", name)
		}
		v, err := strconv.Atoi(value)
		if err != nil || v < 1 {
			return Limits{}, fmt.Errorf("limits: %s needs a whole number from 1", name)
		}
		*b = v
	}
	return l, nil
}

// buckets are the token buckets of one kind of caller. At most size are kept: the one unused for longest goes, which gives
// its caller a fresh burst and nobody else.
type buckets struct {
	mu     sync.Mutex
	rate   rate.Limit
	burst  int
	size   int
	byKey  map[string]*list.Element
	recent *list.List
}

type bucket struct {
	key     string
	limiter *rate.Limiter
}

const bucketsKept = 50_000

func newBuckets(perSecond float64, burst, size int) *buckets {
	return &buckets{rate: rate.Limit(perSecond), burst: burst, size: size, byKey: map[string]*list.Element{}, recent: list.New()}
}

// take lets one request pass or says, as fault.TooMany, when to come back.
func (b *buckets) take(key string, now time.Time) error {
	if b.rate <= 0 {
		return nil
	}
	r := b.of(key).ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait <= 0 {
		return nil
	}
	r.CancelAt(now)
	return fault.Limited(wait)
}

func (b *buckets) of(key string) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.byKey[key]; e != nil {
		b.recent.MoveToFront(e)
		return e.Value.(*bucket).limiter
	}
	if b.recent.Len() >= b.size {
		oldest := b.recent.Back()
		b.recent.Remove(oldest)
		delete(b.byKey, oldest.Value.(*bucket).key)
	}
	n := &bucket{key: key, limiter: rate.NewLimiter(b.rate, b.burst)}
	b.byKey[key] = b.recent.PushFront(n)
	return n.limiter
}
