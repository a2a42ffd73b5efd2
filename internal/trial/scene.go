package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/config"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/pkg/client"
)

// scene is where one row is played: a database, nodes, providers and people of its own.
type scene struct {
	*trial
	cluster  *cluster
	url      string // of the database
	dir      string
	proof    *proof // nil: wires are in the clear
	roots    string // file of the authority, in PEM, with proof
	tools    *app.Tools
	nodes    []*node
	carriers map[string]carrier
	wires    map[string]*wire
	closing  []func()

	at          atomic.Value // where the clients' node listens
	open        *client.Client
	lawyer      *client.Staff
	operator    *client.Staff
	coordinator *client.Staff
	families    []*family
	led         *ledger
	spoilt      int        // deliveries that can never end by themselves, since the trial spoilt them
	expired     *mailboxes // a mail server whose certificate has ended
	otherMail   string     // where the mail server listens to which the wire does not lead
	note        []string   // what a reader of the row must know
}

// family is a relative with her ladder.
type family struct {
	*client.Relative
	name   string
	ladder []spot
	record uuid.UUID // of whom she searches, once logged
}

const (
	joining  = time.Minute // until a person's own channel is confirmed
	born     = 1990
	language = api.LanguageRu
)

// newScene prepares a row: its database and its people's way to a node, which is still to be started.
func newScene(ctx context.Context, t *trial, c *cluster, secure bool) (s *scene, err error) {
	s = &scene{trial: t, cluster: c, carriers: map[string]carrier{}, wires: map[string]*wire{}, led: newLedger()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.end(ctx))
		}
	}()
	if s.dir, err = os.MkdirTemp(t.dir, "row-"); err != nil {
		return s, err
	}
	if s.url, err = c.copy(ctx); err != nil {
		return s, err
	}
	if secure {
		var root []byte
		if s.proof, root, err = newProof(); err != nil {
			return s, err
		}
		s.roots = filepath.Join(s.dir, "roots.pem")
		if err = os.WriteFile(s.roots, root, 0o600); err != nil {
			return s, err
		}
	}
	return s, nil
}

// end stops whatever was started.
func (s *scene) end(ctx context.Context) error {
	var errs []error
	for _, n := range s.nodes {
		errs = append(errs, n.stop())
	}
	for _, w := range s.wires {
		w.close()
	}
	for _, c := range s.carriers {
		c.close()
	}
	for _, f := range s.closing {
		f()
	}
	if s.tools != nil {
		errs = append(errs, s.tools.Close(ctx))
	}
	return errors.Join(errs...)
}

// provide opens the providers of kinds of channels, each behind a wire.
func (s *scene) provide(kinds ...string) error {
	for _, kind := range kinds {
		c, to, err := s.newCarrier(kind)
		if err != nil {
			return fmt.Errorf("provider of %s: %w", kind, err)
		}
		s.carriers[kind] = c
		if s.wires[kind], err = s.lead(kind, to); err != nil {
			return fmt.Errorf("wire of %s: %w", kind, err)
		}
	}
	return nil
}

// lead makes a wire to a provider of a kind.
func (s *scene) lead(kind, to string) (*wire, error) {
	w, err := newWire(to, nil)
	if err != nil {
		return nil, err
	}
	if w.greet = kind == push.Email; !w.greet && s.proof != nil {
		w.proof = s.proof.config()
	}
	return w, nil
}

func (s *scene) newCarrier(kind string) (carrier, string, error) {
	switch kind {
	case push.FCM:
		c, err := newPhones()
		return c, c.addr, err
	case push.WebPush:
		c, err := newBrowsers(s.vapidFile, s.vapidKey)
		return c, c.addr, err
	case push.Telegram:
		c, err := newChats()
		return c, c.addr, err
	case push.SMS:
		c, err := newTexts()
		return c, c.addr, err
	case push.Email:
		return s.newMail()
	}
	return nil, "", errors.New("no such kind")
}

// newMail is two mail servers: that of the row, and with proof one whose certificate has ended.
func (s *scene) newMail() (carrier, string, error) {
	roots := filepath.Join(s.dir, "mail.pem")
	c, err := newMailboxes(roots, false)
	if err != nil {
		return nil, "", err
	}
	pem := c.Root()
	if s.proof != nil {
		old, err := newMailboxes(roots, true)
		if err != nil {
			return nil, "", errors.Join(err, os.ErrInvalid)
		}
		s.closing = append(s.closing, old.close)
		s.expired = old
		pem = append(pem, old.Root()...)
	}
	return c, "127.0.0.1:" + strconv.Itoa(c.Port()), os.WriteFile(roots, pem, 0o600)
}

// origin is where a wire is reached, as a node is told.
func (s *scene) origin(kind string) string {
	switch {
	case kind == push.Email:
		return "smtp://" + s.wires[kind].addr
	case s.proof != nil:
		return "https://" + s.wires[kind].addr
	}
	return "http://" + s.wires[kind].addr
}

// env is all that a node of this scene knows of its surroundings.
func (s *scene) env() []string {
	out := []string{"PATH=" + s.getenv("PATH"), "HOME=/nonexistent", "TMPDIR=" + os.TempDir(), "QORGAU_ADDR=127.0.0.1:0", "QORGAU_LIMITS=off", "QORGAU_LOG=info",
		"DATABASE_URL=" + s.url, "QORGAU_KEYSET=" + s.keyset, "QORGAU_HOTLINE=" + hotline}
	if s.proof != nil {
		out = append(out, "SSL_CERT_FILE="+s.roots)
	}
	for kind, c := range s.carriers {
		out = append(out, c.env(s.origin(kind))...)
	}
	return out
}

// config is env for a node within this process.
func (s *scene) config() (config.Config, error) {
	given := map[string]string{}
	for _, one := range s.env() {
		name, value, _ := strings.Cut(one, "=")
		given[name] = value
	}
	return config.Read(func(name string) string { return given[name] })
}

// serve starts a node. Clients ask the last one that answers requests.
func (s *scene) serve(ctx context.Context, role app.Role) (*node, error) {
	n, err := startNode(ctx, s.program, string(role), s.env())
	if err != nil {
		return nil, err
	}
	n.wires = maps.Clone(s.wires)
	s.nodes = append(s.nodes, n)
	if role != app.Worker {
		s.at.Store(n.addr)
	}
	return n, nil
}

// road leads every request of the scene's people to the node that is there now.
type road struct{ s *scene }

// RoundTrip sends one try.
func (r road) RoundTrip(req *http.Request) (*http.Response, error) {
	there := req.Clone(req.Context())
	there.URL.Host, _ = r.s.at.Load().(string)
	return http.DefaultTransport.RoundTrip(there)
}

// staff lets people reach the node, and brings a lawyer, an operator and a coordinator in.
func (s *scene) staff(ctx context.Context) (err error) {
	if s.tools, err = app.Attach(ctx, app.Options{Config: config.Config{DatabaseURL: config.Secret(s.url), Keyset: s.keyset}, Log: slog.New(slog.DiscardHandler)}); err != nil {
		return err
	}
	s.open, err = client.New("http://trial.invalid", client.Options{HTTPClient: &http.Client{Transport: road{s}}, UserAgent: "qorgau-trial", Attempts: 30, MaxWait: 2 * time.Second})
	if err != nil {
		return err
	}
	return s.signIn(ctx)
}

func (s *scene) signIn(ctx context.Context) error {
	for _, one := range []struct {
		role account.Role
		into **client.Staff
	}{{account.Lawyer, &s.lawyer}, {account.Operator, &s.operator}, {account.Coordinator, &s.coordinator}} {
		code, err := s.tools.Accounts.InviteFromServer(ctx, account.InviteRequest{Role: one.role, Name: string(one.role)})
		if err != nil {
			return fmt.Errorf("invite: %w", err)
		}
		// None has a phone: what is counted here is the families' alone.
		if *one.into, err = s.open.OpenSession(ctx, code, client.Installation{Name: "trial", Platform: api.PlatformAndroid}); err != nil {
			return fmt.Errorf("sign in: %w", err)
		}
	}
	return nil
}

// cast has n relatives search, with a ladder of these kinds, each confirmed as a person would.
func (s *scene) cast(ctx context.Context, n int, kinds ...string) error {
	for range n {
		number := len(s.families)
		var channels []api.ChannelAdd
		f := &family{name: person(s.seed, number)}
		for _, kind := range kinds {
			c, at := s.carriers[kind].channel(number)
			channels, f.ladder = append(channels, c), append(f.ladder, at)
		}
		if err := s.search(ctx, f, channels); err != nil {
			return err
		}
	}
	return nil
}

func (s *scene) search(ctx context.Context, f *family, channels []api.ChannelAdd) error {
	var err error
	year, in := born, language
	if f.Relative, err = s.open.StartSearch(ctx, api.SearchCreate{Name: f.name, BirthYear: &year, Language: &in, Channels: channels}); err != nil {
		return fmt.Errorf("a search: %w", err)
	}
	have, err := f.Channels(ctx)
	if err != nil {
		return fmt.Errorf("channels of a search: %w", err)
	}
	for i, c := range have {
		if c.State == "unconfirmed" {
			if err := s.carriers[f.ladder[i].kind].prove(ctx, f, c, f.ladder[i]); err != nil {
				return fmt.Errorf("confirm %s: %w", f.ladder[i].kind, err)
			}
		}
	}
	s.families = append(s.families, f)
	return nil
}

// prove gives back the code that came in the last text.
func (f *family) prove(ctx context.Context, c api.Channel, last func() string) error {
	var code string
	if err := until(ctx, joining, "a code comes", func() (bool, error) {
		code = sixDigits.FindString(last())
		return code != "", nil
	}); err != nil {
		return err
	}
	return f.Confirm(ctx, c.ID, code)
}

// ready ends the preparations: from now on what comes to a provider is news.
func (s *scene) ready(ctx context.Context) error {
	if err := s.idle(ctx); err != nil {
		return err
	}
	for _, c := range s.carriers {
		c.forget()
	}
	return nil
}

// idle waits until no delivery is under way.
func (s *scene) idle(ctx context.Context) error {
	return until(ctx, joining, "no delivery is under way", func() (bool, error) {
		n, err := s.count(ctx, "select count(*) from deliveries where state = 'pending'")
		return n == 0, err
	})
}

func (s *scene) count(ctx context.Context, query string, args ...any) (n int, err error) {
	err = s.tools.DB.Pool.QueryRow(ctx, query, args...).Scan(&n)
	return n, err
}

// log has a lawyer report those for whom these families search. With the acknowledgement the news is due.
func (s *scene) log(ctx context.Context, families ...*family) error {
	b := api.DetentionBatch{DepartmentID: department.IDOf("UP-75-ALMALY")}
	year, _ := json.Marshal(born) // a number cannot fail
	for _, f := range families {
		b.Detainees = append(b.Detainees, api.Detainee{ClientID: uuid.New(), Name: &f.name, BirthYear: year})
	}
	out, err := s.lawyer.Log(ctx, &b)
	if err != nil {
		return fmt.Errorf("log people: %w", err)
	}
	for i, f := range families {
		f.record = out.Results[i].DetentionID
		s.led.dues = append(s.led.dues, &due{owner: f.Key().ID, kind: push.Match, ladder: f.ladder})
	}
	return nil
}

// dueOf is the news of her match.
func (s *scene) dueOf(f *family) *due {
	for _, d := range s.led.dues {
		if d.owner == f.Key().ID {
			return d
		}
	}
	return &due{}
}

// looks has a relative open her page and say that she has seen what is there.
func (s *scene) looks(ctx context.Context, f *family) error {
	return until(ctx, joining, "a relative reads her news", func() (bool, error) {
		page, _, err := f.Read(ctx)
		if err != nil {
			return false, err
		}
		for _, n := range page.Notices {
			if err := f.Seen(ctx, n.ID); err != nil {
				return false, err
			}
			s.dueOf(f).seen = now()
		}
		return len(page.Notices) > 0, nil
	})
}

// read brings the ledger up to what came: to the providers, into the table of notices, to the operators.
func (s *scene) read(ctx context.Context) error {
	s.led.messages = nil
	for _, c := range s.carriers {
		s.led.messages = append(s.led.messages, c.taken()...)
	}
	rows, err := s.tools.DB.Pool.Query(ctx, "select id::text, owner_id, kind from notices where owner_kind = 'search'")
	if err != nil {
		return fmt.Errorf("read notices: %w", err)
	}
	var id string
	var n notice
	if _, err := pgx.ForEachRow(rows, []any{&id, &n.owner, &n.kind}, func() error {
		s.led.notices[id] = n
		return nil
	}); err != nil {
		return fmt.Errorf("read notices: %w", err)
	}
	alerts, err := s.operator.ListAlertsWithResponse(ctx, &api.ListAlertsParams{})
	if err != nil {
		return fmt.Errorf("read alerts: %w", err)
	}
	for _, a := range alerts.JSON200.Items {
		for _, d := range s.led.dues {
			d.called = d.called || a.Kind == api.AlertKindCallDue && a.SubjectID != nil && *a.SubjectID == d.owner
		}
	}
	return nil
}

// settle waits until all news has come by some way and nothing is under way any more; what has not come by then is lost.
func (s *scene) settle(ctx context.Context, patience time.Duration) error {
	err := until(ctx, patience, "all news comes", func() (bool, error) {
		if err := s.read(ctx); err != nil {
			return false, err
		}
		left, err := s.count(ctx, "select count(*) from deliveries where state = 'pending'")
		return left <= s.spoilt && len(s.led.waiting()) == 0, err
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		s.note = append(s.note, err.Error())
	}
	if err := pause(ctx, lull); err != nil { // what comes twice comes at once, or by a retry that would be pending
		return err
	}
	return s.read(ctx)
}

const lull = 500 * time.Millisecond
