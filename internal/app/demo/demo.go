// Package demo plays the story of the eleven on a server of its own, and then leaves that server running.
//
// It exists so that anyone with a machine and five minutes sees the whole path, from a lawyer's note to a mother's phone, and
// sees it work rather than described: every step is an HTTP request through pkg/client, and the push really arrives, at a
// stand-in of Firebase that runs beside the server.
//
// States of a data directory: untouched ─story─▶ told ─every later start─▶ told. A story that was cut short counts as told: the
// later starts send the same batch again, which changes nothing or completes it, and never begin a second story beside the
// first, since two records of one name go to a person instead of a family.
//
// Invariants. Every person is invented. A directory that a real server used is never played into and never wiped. What the
// demo keeps for later starts (the secrets of its two searches) lies in demo.json, mode 0600, beside the database.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/push/fcm/standin"
)

// Options of a demo. App's database and push settings are replaced by the demo's own.
type Options struct {
	App app.Options
	// Fresh wipes what an earlier demo left.
	Fresh bool
	Out   io.Writer
	// Done, if given, is called when the story is told and the guide is printed, with the server's address.
	Done func(url string)
}

// hotline is shown to families unless QORGAU_HOTLINE says otherwise. The number belongs to nobody.
const hotline = "+7 700 000 00 00"

// Run starts the server, tells the story or repeats its end, prints the guide and serves until ctx ends.
func Run(ctx context.Context, o Options) error {
	began := time.Now()
	phones, err := switchOn(ctx)
	if err != nil {
		return err
	}
	defer phones.off()
	c := &o.App.Config
	c.DatabaseURL, c.DatabaseURLFile, c.Keyset, c.KeysetPassphraseFile, c.FCMCredentials = "", "", "", "", ""
	c.FCMEndpoint, c.FCMProject = phones.endpoint, "demo"
	if c.Hotline == "" {
		c.Hotline = hotline
	}
	clock := &wall{}
	o.App.Clock = clock.now
	if o.Fresh {
		if err := wipe(ctx, o.App); err != nil {
			return err
		}
	}
	return app.Run(ctx, o.App, func(ctx context.Context, a *app.App) error {
		s, err := newStory(ctx, a, phones, o.Out)
		if err != nil {
			return err
		}
		s.clock = clock
		s.opening(a, time.Since(began))
		if err := s.play(ctx); err != nil {
			return err
		}
		if err := s.guide(ctx); err != nil {
			return err
		}
		if o.Done != nil {
			o.Done(a.URL())
		}
		return nil
	})
}

// phones is the stand-in of Firebase, with the phones of the story behind it.
type phones struct {
	*standin.Server
	endpoint string
	web      *http.Server
}

func switchOn(ctx context.Context) (*phones, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the demo's phones: %w", err)
	}
	p := &phones{Server: standin.New(), endpoint: "http://" + l.Addr().String() + "/v1"}
	const patience = 5 * time.Second
	p.web = &http.Server{Handler: p.Handler(), ReadHeaderTimeout: patience}
	go func() { _ = p.web.Serve(l) }() // ends with off
	return p, nil
}

func (p *phones) off() { _ = p.web.Close() }

// ringing is how long the story waits for a push. Seconds are promised; on a machine that is busy with other things more.
const ringing = 2 * time.Minute

// ring waits for the nth message to a phone, counted from 1.
func (p *phones) ring(ctx context.Context, token string, nth int) (standin.Received, error) {
	ctx, cancel := context.WithTimeout(ctx, ringing)
	defer cancel()
	var heard standin.Received
	found := p.Wait(ctx, func(all []standin.Received) bool {
		left := nth
		for _, m := range all {
			if m.Token != token {
				continue
			}
			if left--; left == 0 {
				heard = m
				return true
			}
		}
		return false
	})
	if !found {
		return heard, errors.Join(fmt.Errorf("the push did not arrive within %s", ringing), context.Cause(ctx))
	}
	return heard, nil
}

// rang counts the messages to a phone.
func (p *phones) rang(token string) int {
	n := 0
	for _, m := range p.Messages() {
		if m.Token == token {
			n++
		}
	}
	return n
}

// errForeign: the data directory belongs to a real server.
var errForeign = errors.New("the data here is not a demo's")

// newStory finds out what this data directory has seen, and remembers it before the first word.
func newStory(ctx context.Context, a *app.App, p *phones, out io.Writer) (*story, error) {
	dir := a.DataDir()
	kept, known, err := readMemory(dir)
	if err != nil {
		return nil, err
	}
	if !known {
		used, err := a.Used(ctx)
		if err != nil {
			return nil, err
		}
		if used {
			return nil, fmt.Errorf("%w: people work with the server in %s, and invented detainees have no place there. "+
				"Choose another directory with QORGAU_DATA_DIR; `qorgau serve` serves this one", errForeign, dir)
		}
		kept = newMemory()
		if err := kept.write(dir); err != nil {
			return nil, err
		}
	}
	return &story{out: out, url: a.URL(), phones: p, memory: kept, repeat: known,
		invite: func(ctx context.Context, role account.Role, name string) (string, error) {
			return a.Accounts().InviteFromServer(ctx, account.InviteRequest{Role: role, Name: name})
		}}, nil
}
