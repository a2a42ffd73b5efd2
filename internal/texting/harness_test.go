package texting_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/push/sms"
	"github.com/qorgau/qorgau/internal/push/sms/standin"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/internal/smslog"
	"github.com/qorgau/qorgau/internal/texting"
	"github.com/qorgau/qorgau/internal/watch"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const (
	hers    = "+77015550101" // the lawyer's
	another = "+77015550202"
	ours    = "+77000000002"
	token   = "gateway-token"
	secret  = "0123456789abcdef"
)

// town is the whole service without HTTP and without running workers: a test works the jobs itself, in the order it wants.
type town struct {
	*testing.T
	db      *pgtest.Database
	ring    *seal.Ring
	center  *push.Center
	ledger  *detention.Ledger
	post    *watch.Post
	people  *account.Desk
	gateway *standin.Server
	sender  *sms.Sender
	desk    *texting.Desk
	other   *texting.Desk // another node
	log     *journal
	org     uuid.UUID
	chief   account.Principal
	lawyer  account.Principal
}

type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func newTown(t *testing.T) *town {
	t.Helper()
	tw := &town{T: t, db: pgtest.New(t), log: &journal{}, gateway: standin.New(standin.Options{Token: token, Secret: secret})}
	ks, err := seal.NewKeyset(tw.db.Now())
	tw.must(err)
	tw.ring, err = seal.Open(ks)
	tw.must(err)
	web := httptest.NewServer(tw.gateway.Handler())
	quiet, loud := slog.New(slog.NewTextHandler(io.Discard, nil)), slog.New(slog.NewJSONHandler(tw.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	tw.sender, err = sms.New(sms.Config{Base: web.URL, Token: token, Secret: secret, Log: loud})
	tw.must(err)
	t.Cleanup(func() { tw.sender.Close(); web.CloseClientConnections(); web.Close() })
	log := audit.New(tw.ring)
	index := finder.New(tw.db.DB, tw.ring, quiet)
	t.Cleanup(index.Close)
	tw.ledger = detention.New(tw.db.DB, tw.ring, log, index)
	tw.people = account.New(account.Options{DB: tw.db.DB, Ring: tw.ring, Audit: log, Log: quiet, Issuer: "test", Locked: texting.Locked,
		DropPushToken: func(context.Context, *pg.Tx, uuid.UUID) error { return nil }})
	tw.center, err = push.New(push.Options{DB: tw.db.DB, Ring: tw.ring, Log: loud, Senders: map[string]push.Sender{push.SMS: tw.sender}})
	tw.must(err)
	tw.post = watch.New(watch.Options{DB: tw.db.DB, Ring: tw.ring, Audit: log, Finder: index, Detentions: tw.ledger, Push: tw.center, Limits: watch.Limits{Told: 5, Reporter: 100}, Log: quiet})
	o := texting.Options{DB: tw.db.DB, Ring: tw.ring, Audit: log, Accounts: tw.people, Push: tw.center, Detentions: tw.ledger, Watch: tw.post, Gateway: tw.sender, Number: ours, Log: loud}
	tw.desk, tw.other = texting.New(o), texting.New(o)
	tw.org, err = tw.people.EnsureOrganisation(t.Context(), "Бірге")
	tw.must(err)
	_, err = department.LoadShipped(t.Context(), tw.db.DB)
	tw.must(err)
	tw.chief, tw.lawyer = tw.person(account.Coordinator), tw.person(account.Lawyer)
	return tw
}

func (tw *town) must(err error) {
	tw.Helper()
	if err != nil {
		tw.Fatal(err)
	}
}

func (tw *town) refused(err error, code string) {
	tw.Helper()
	if !fault.Is(err, code) {
		tw.Errorf("got %v, want %s", err, code)
	}
}

func (tw *town) person(role account.Role, cities ...string) account.Principal {
	tw.Helper()
	return tw.personIn(tw.org, role, cities...)
}

func (tw *town) personIn(org uuid.UUID, role account.Role, cities ...string) account.Principal {
	tw.Helper()
	code, err := tw.people.InviteFromServer(tw.Context(), account.InviteRequest{Name: "Айгүл", Role: role, Organisation: org, Cities: cities})
	tw.must(err)
	b := make([]byte, 32)
	_, _ = rand.Read(b)
	o, err := tw.people.OpenSession(tw.Context(), account.OpenRequest{Invitation: code, Device: account.OpenDevice{ID: uuid.New(), Name: "Телефон", Platform: "android"},
		RefreshToken: base64.RawURLEncoding.EncodeToString(b)})
	tw.must(err)
	p, err := tw.people.Authenticate(tw.Context(), o.AccessToken)
	tw.must(err)
	return p
}

func (tw *town) count(query string, args ...any) (n int) {
	tw.Helper()
	tw.must(tw.db.Pool.QueryRow(tw.Context(), query, args...).Scan(&n))
	return n
}

func (tw *town) exec(query string, args ...any) {
	tw.Helper()
	_, err := tw.db.Pool.Exec(tw.Context(), query, args...)
	tw.must(err)
}

// equipped registers a lawyer's number and prints their sheet; its codes, in order.
func (tw *town) equipped(who account.Principal, number string) []string {
	tw.Helper()
	return tw.equippedBy(tw.chief, who, number)
}

func (tw *town) equippedBy(chief, who account.Principal, number string) []string {
	tw.Helper()
	_, err := tw.desk.Register(tw.Context(), chief, who.Account, number, "ru")
	tw.must(err)
	return tw.printedBy(chief, who)
}

func (tw *town) printed(who account.Principal) []string {
	tw.Helper()
	return tw.printedBy(tw.chief, who)
}

func (tw *town) printedBy(chief, who account.Principal) []string {
	tw.Helper()
	page, err := tw.desk.Sheet(tw.Context(), chief, who.Account)
	tw.must(err)
	if !bytes.HasPrefix(page, []byte("%PDF")) {
		tw.Fatalf("%.20q is no page", page)
	}
	first := tw.count("select first_code from sms_senders where account_id = $1", who.Account)
	var salt []byte
	tw.must(tw.db.Pool.QueryRow(tw.Context(), "select sheet_salt from sms_senders where account_id = $1", who.Account).Scan(&salt))
	return smslog.Sheet(tw.ring.MAC(seal.ForSMS, []byte("sheet"), salt), who.Account, first, 40)
}

// hears hands a message over as the gateway does, under an id of its own.
func (tw *town) hears(from, text string) {
	tw.Helper()
	tw.must(tw.desk.Hear(tw.Context(), texting.Incoming{ID: uuid.NewString(), From: from, Text: text, At: tw.db.Now()}))
}

// waiting are messages in a state, the oldest first.
func (tw *town) waiting(state string) []uuid.UUID {
	tw.Helper()
	rows, err := tw.db.Pool.Query(tw.Context(), "select id from sms_messages where state = $1 order by received_at, id", state)
	tw.must(err)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	tw.must(err)
	return ids
}

// works does all jobs.
func (tw *town) works() {
	tw.Helper()
	for _, id := range tw.waiting("received") {
		tw.must(tw.desk.Work(tw.Context(), id))
	}
	for _, id := range tw.waiting("answering") {
		tw.must(tw.desk.Answer(tw.Context(), id))
	}
}

// says is a message from hearing to its answer; empty when there is none.
func (tw *town) says(from, text string) string {
	tw.Helper()
	tw.db.Clock.Move(time.Second)
	before := len(tw.answers(from))
	tw.hears(from, text)
	tw.works()
	after := tw.answers(from)
	if len(after) == before {
		return ""
	}
	return after[len(after)-1]
}

func (tw *town) answers(to string) (out []string) {
	for _, m := range tw.gateway.Messages() {
		if m.To == to {
			out = append(out, m.Text)
		}
	}
	return out
}

func (tw *town) detentions() int {
	tw.Helper()
	return tw.count("select count(*) from detentions")
}

func (tw *town) alerts(kind string) int {
	tw.Helper()
	return tw.count("select count(*) from alerts where kind = $1 and acknowledged_at is null", kind)
}

func (tw *town) report() texting.Report {
	tw.Helper()
	list, err := tw.desk.List(tw.Context(), tw.chief, uuid.Nil, true, 100)
	tw.must(err)
	if len(list) != 1 {
		tw.Fatalf("%d reports wait", len(list))
	}
	return list[0]
}

func (tw *town) search(name string) (id uuid.UUID, secret string) {
	tw.Helper()
	b := make([]byte, 32)
	_, _ = rand.Read(b)
	secret = base64.RawURLEncoding.EncodeToString(b)
	made, err := tw.post.Create(tw.Context(), watch.NewSearch{ClientID: uuid.New(), Secret: secret, Name: name, BirthYear: 1990, Language: "ru"})
	tw.must(err)
	return made.ID, secret
}

// matched works what follows a batch, and what follows a confirmation.
func (tw *town) matched(ids ...uuid.UUID) {
	tw.Helper()
	tw.must(tw.post.MatchDetentions(context.WithoutCancel(tw.Context()), ids))
}

func contains(t *testing.T, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Errorf("%q does not say %q", text, part)
	}
}
