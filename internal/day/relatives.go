package day

import (
	"context"
	"hash/fnv"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/pkg/client"
)

// search is what a relative's phone sends. Some send it twice, when the app was closed before the answer came: the same search, with
// another Idempotency-Key.
func (d *day) search(ctx context.Context, f *family) {
	ctx = from(ctx, f.address)
	key, token := client.NewSearchKey(), f.token()
	languages := []api.Language{api.LanguageKk, api.LanguageRu, api.LanguageEn}
	language := languages[f.number%len(languages)]
	b := api.SearchCreate{ClientID: key.ClientID, Secret: key.Secret, Name: f.name, Language: &language, Channels: []api.ChannelAdd{{Kind: api.ChannelKindFcm, Token: &token}}}
	if f.year != 0 {
		b.BirthYear = &f.year
	}
	made, err := d.open.StartSearch(ctx, b)
	if err != nil {
		d.failed(ctx, "a search", err)
		return
	}
	at := time.Now()
	d.book.with(func() {
		if d.book.family[made.Key().ID] != nil {
			d.book.trouble = append(d.book.trouble, "one search for two families: "+made.Key().ID.String())
		}
		f.key, f.asked = made.Key(), at
		d.book.family[f.key.ID] = f
	})
	if !f.repeats {
		return
	}
	again, err := d.open.StartSearch(ctx, b)
	if err != nil {
		d.failed(ctx, "a search sent twice", err)
		return
	}
	d.book.with(func() { d.book.repeated++ })
	if again.Key().ID != made.Key().ID {
		d.book.wrong("a search sent twice became two: " + made.Key().ID.String() + " " + again.Key().ID.String())
	}
}

// rang is what happens when a phone rings: a family opens the app, two of three times; a lawyer reads the offer and answers.
func (d *day) rang(ctx context.Context, token string, r ring, pages chan<- *family) {
	if n, ok := familyOf(token); ok {
		if r.kind == "match" && !chosen(token, 3) || r.kind == "update" && chosen(token, 3) {
			select {
			case pages <- d.plan.families[n]:
			default: // as many pages wait as there are families
			}
		}
		return
	}
	if r.kind != "offer" {
		return
	}
	for _, w := range d.lawyers {
		if w.token == token {
			d.errands.Add(1)
			go func() {
				defer d.errands.Add(-1)
				d.answer(ctx, w)
			}()
		}
	}
}

// chosen picks one of n by a word, the same at each run.
func chosen(word string, n uint32) bool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(word))
	return h.Sum32()%n == 0
}

// openPages reads what the push did not say, and says that it was seen.
func (d *day) openPages(ctx context.Context, pages <-chan *family) {
	for f := range pages {
		d.openPage(from(ctx, f.address), f)
	}
}

func (d *day) openPage(ctx context.Context, f *family) {
	var key client.SearchKey
	for key.ID == uuid.Nil { // the push may come before the answer to the search
		d.book.with(func() { key = f.key })
		if key.ID == uuid.Nil {
			if !pause(ctx, nil, rest) {
				return
			}
		}
	}
	hers, err := d.open.ResumeSearch(key)
	if err != nil {
		d.failed(ctx, "a page", err)
		return
	}
	page, _, err := hers.Read(ctx)
	if err != nil {
		d.failed(ctx, "a page", err)
		return
	}
	for _, n := range page.Notices {
		if n.SeenAt == nil {
			d.failed(ctx, "an acknowledgement", hers.Seen(ctx, n.ID))
		}
	}
}
