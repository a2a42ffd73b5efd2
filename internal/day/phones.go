package day

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/qorgau/qorgau/internal/push/fcm/standin"
)

// phones are all telephones of the day, at the provider's stand-in: what each got, and what they do when it comes.
type phones struct {
	provider *standin.Server

	mu    sync.Mutex
	rung  func(token string, r ring) // what its owner does then; nil: nothing
	rings map[string][]ring          // by token
}

// ring is one message that reached a phone.
type ring struct {
	notice, kind string
	at           time.Time
}

func newPhones(provider *standin.Server) *phones {
	return &phones{provider: provider, rings: map[string][]ring{}}
}

// listen hands every message to its phone until ctx ends.
func (p *phones) listen(ctx context.Context) {
	heard := 0
	p.provider.Wait(ctx, func(all []standin.Received) bool {
		for ; heard < len(all); heard++ {
			m := all[heard]
			r := ring{m.NoticeID, m.Kind, m.At}
			p.mu.Lock()
			p.rings[m.Token] = append(p.rings[m.Token], r)
			rung := p.rung
			p.mu.Unlock()
			if rung != nil {
				rung(m.Token, r)
			}
		}
		return false
	})
}

// whenRung says what owners do from now on.
func (p *phones) whenRung(do func(token string, r ring)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rung = do
}

// familyOf gives the number of the family whose phone it is.
func familyOf(token string) (int, bool) {
	number, ok := strings.CutPrefix(token, "family-")
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(number)
	return n, err == nil
}
