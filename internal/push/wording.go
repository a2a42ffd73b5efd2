package push

import (
	"context"
	"fmt"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push/sms/gsm7"
)

// What a family without the app reads. A phone with the app and a browser show "open the app"; a chat, a mailbox and an SMS say the news in one sentence and
// where to ask. Whoever works here has the app.

// Places gives the names of the place of which a notice tells, from the longest to the shortest; none: it is not to be said. It is asked just before sending, in
// the transaction that looked whether the notice still stands.
type Places func(ctx context.Context, tx *pg.Tx, n Notice) ([]string, error)

// TellPlaces registers who knows the places of matches; it is not safe for use beside running workers. Without it no text says one.
func (c *Center) TellPlaces(f Places) { c.places = f }

// short are the sentences of family notices for who has no app, and where to ask; by language.
type short struct {
	news       map[string]string // by kind
	found      string            // before the place
	call, here string            // before the hotline's number; without one
}

// familyKinds are the notices of which a family without the app reads other words.
var familyKinds = []string{Match, Update, Retraction, Correction, Erased, Changed}

// wording is what a delivery says.
func (c *Center) wording(ctx context.Context, tx *pg.Tx, p *pending) (text, error) {
	said := c.texts[p.Language][p.Kind]
	words := c.short[p.Language]
	sentence, ok := words.news[p.Kind]
	if !ok || p.Owner.Kind != SearchOwner || p.channelKind == FCM || p.channelKind == WebPush {
		return said, nil
	}
	ask := words.here
	if c.hotline != "" {
		ask = words.call + " " + c.hotline
	}
	var bodies []string
	if p.place && p.channelKind == SMS && p.Kind == Match && c.places != nil {
		names, err := c.places(ctx, tx, p.Notice)
		if err != nil {
			return text{}, fmt.Errorf("read place: %w", err)
		}
		for _, name := range names {
			bodies = append(bodies, words.found+" "+name+". "+ask, words.found+" "+name+".")
		}
	}
	bodies = append(bodies, sentence+" "+ask, sentence)
	if p.channelKind != SMS {
		return text{title: said.title, body: bodies[0]}, nil
	}
	for _, body := range bodies {
		if _, err := gsm7.Fit(body, c.latin || p.latin || p.Language == "en"); err == nil {
			return text{title: said.title, body: body}, nil
		}
	}
	return said, nil
}
