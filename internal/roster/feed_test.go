package roster_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	ical "github.com/emersion/go-ical"
	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/roster"
)

func (d desk) mint(p account.Principal) string {
	d.Helper()
	f, err := d.calendar.MintFeed(d.Context(), p)
	if err != nil {
		d.Fatal(err)
	}
	return f.Secret
}

func (d desk) feed(secret string) string {
	d.Helper()
	text, err := d.calendar.ReadFeed(d.Context(), secret)
	if err != nil {
		d.Fatal(err)
	}
	return text
}

// events reads a calendar with another library than the one that wrote it, and holds the form of its lines (RFC 5545, 3.1).
func (d desk) events(text string) []ical.Event {
	d.Helper()
	if !strings.HasSuffix(text, "\r\n") || strings.Count(text, "\n") != strings.Count(text, "\r\n") {
		d.Fatalf("lines do not end in CRLF: %q", text)
	}
	for line := range strings.SplitSeq(text, "\r\n") {
		if len(line) > 75 {
			d.Errorf("a line of %d octets is not folded: %s", len(line), line)
		}
	}
	cal, err := ical.NewDecoder(strings.NewReader(text)).Decode()
	if err != nil {
		d.Fatalf("%v in %s", err, text)
	}
	if len(cal.Props) == 0 || cal.Props.Get(ical.PropProductID) == nil || cal.Props.Get(ical.PropVersion).Value != "2.0" {
		d.Fatalf("no calendar: %s", text)
	}
	// Written again, the library holds what the RFC wants of each component: it refuses to write what lacks an id or a stamp.
	if err := ical.NewEncoder(new(strings.Builder)).Encode(cal); err != nil && len(cal.Children) > 0 {
		d.Fatalf("%v in %s", err, text)
	}
	return cal.Events()
}

func TestACalendarReadsTimesAndCodesAlone(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	boss, lawyer, other := d.forever(org, account.Coordinator), d.forever(org, account.Lawyer), d.forever(org, account.Lawyer)
	here := d.department("almaty")
	secret := d.mint(lawyer)
	if got := d.events(d.feed(secret)); len(got) != 0 {
		t.Fatalf("%d events without a shift", len(got))
	}
	list := d.plan(boss, d.window(lawyer, &here, 30, 8), d.window(lawyer, nil, 60, 4), d.window(lawyer, &here, 90, 4), d.window(other, &here, 30, 8))
	if _, err := d.calendar.Confirm(t.Context(), lawyer, list[1].ID); err != nil {
		t.Fatal(err)
	}
	if _, err := d.calendar.CallOff(t.Context(), boss, list[2].ID); err != nil {
		t.Fatal(err)
	}
	text := d.feed(secret)
	if again := d.feed(secret); again != text {
		t.Fatalf("the same shifts give another text, and a calendar fetches all of it each time:\n%s\n%s", text, again)
	}
	if !strings.Contains(text, "\r\nREFRESH-INTERVAL;VALUE=DURATION:PT1H\r\n") {
		t.Errorf("how often to read again is not said as RFC 7986 wants it: %s", text)
	}
	events := d.events(text)
	if len(events) != 3 {
		t.Fatalf("%d events of three shifts: %s", len(events), text)
	}
	seen := map[string]bool{}
	for i, e := range events {
		s := list[i]
		start, err := e.DateTimeStart(time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		end, err := e.DateTimeEnd(time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		status, _ := e.Status()
		summary, _ := e.Props.Text(ical.PropSummary)
		id, _ := e.Props.Text(ical.PropUID)
		want := []ical.EventStatus{ical.EventTentative, ical.EventConfirmed, ical.EventCancelled}[i]
		if !start.Equal(s.StartsAt.Truncate(time.Second)) || !end.Equal(s.EndsAt.Truncate(time.Second)) || status != want || summary != s.Code || len(s.Code) != 5 || len(id) != 32 || seen[id] {
			t.Errorf("shift %d: from %s to %s, %s, %q, id %s: %+v", i, start, end, status, summary, id, s)
		}
		seen[id] = true
	}
	for what, word := range map[string]string{"city": "almaty", "city as shown": "Алматы", "id of the shift": list[0].ID.String(), "department": here.String(),
		"id of the account": lawyer.Account.String(), "address": secret} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(word)) {
			t.Errorf("the calendar says the %s: %s", what, text)
		}
	}
	// What was two weeks ago is left out; what is kept of it, the calendar keeps itself.
	d.db.Clock.Move(20 * 24 * time.Hour)
	if got := d.events(d.feed(secret)); len(got) != 0 {
		t.Fatalf("%d events after twenty days", len(got))
	}
}

func TestACalendarsAddressEnds(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	boss := d.forever(org, account.Coordinator)
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := d.db.Pool.Exec(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
	for name, end := range map[string]func(p account.Principal){
		"renewed": func(p account.Principal) {
			if fresh := d.mint(p); d.feed(fresh) == "" {
				t.Error("the new address gives nothing")
			}
		},
		"removed": func(p account.Principal) {
			for range 2 {
				if err := d.calendar.RemoveFeed(t.Context(), p); err != nil {
					t.Fatal(err)
				}
			}
			if f, err := d.calendar.OwnFeed(t.Context(), p); err != nil || f.CreatedAt != nil {
				t.Errorf("removed, it is still there: %+v, %v", f, err)
			}
		},
		"locked": func(p account.Principal) { exec("update accounts set state = 'locked' where id = $1", p.Account) },
		"erased": func(p account.Principal) {
			exec("update data_keys set wrapped = null, destroyed_at = $2 where id = (select key_id from accounts where id = $1)", p.Account, d.db.Now())
		},
		"without a right": func(p account.Principal) {
			exec("update grants set valid_until = $2 where account_id = $1", p.Account, d.db.Now())
		},
		"dropped with a lock": func(p account.Principal) { d.dropFeed(p) },
	} {
		lawyer := d.forever(org, account.Lawyer)
		d.db.Clock.Move(time.Second)
		d.plan(boss, d.window(lawyer, nil, 30, 8))
		secret := d.mint(lawyer)
		if f, err := d.calendar.OwnFeed(t.Context(), lawyer); err != nil || f.CreatedAt == nil || f.Secret != "" || len(d.events(d.feed(secret))) != 1 {
			t.Fatalf("%s: %+v, %v", name, f, err)
		}
		end(lawyer)
		if _, err := d.calendar.ReadFeed(t.Context(), secret); !fault.Is(err, "not_found") {
			t.Errorf("%s: the address gives %v", name, err)
		}
	}
	for _, role := range []account.Role{account.Operator, account.Admin} {
		if _, err := d.calendar.MintFeed(t.Context(), d.forever(org, role)); !fault.Is(err, "forbidden") {
			t.Errorf("%s: %v", role, err)
		}
	}
	if _, err := d.calendar.ReadFeed(t.Context(), strings.Repeat("A", 43)); !fault.Is(err, "not_found") {
		t.Errorf("an address that nobody has: %v", err)
	}
	if n := d.count("select count(*) from calendar_feeds where octet_length(secret_hash) <> 32"); n != 0 {
		t.Error("what is kept is no keyed hash")
	}
}

func (d desk) dropFeed(p account.Principal) {
	d.Helper()
	if err := d.db.InTx(d.Context(), func(tx *pg.Tx) error { return roster.DropFeed(d.Context(), tx, p.Account) }); err != nil {
		d.Fatal(err)
	}
}

// Codes tell the shifts of one person apart.
func TestCodesDiffer(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	org := d.organisation()
	boss, lawyer := d.forever(org, account.Coordinator), d.forever(org, account.Lawyer)
	var list []roster.NewShift
	for i := range 50 {
		n := d.window(lawyer, nil, float64(30+i), 1)
		n.ClientID = uuid.New()
		list = append(list, n)
	}
	var codes []string
	for _, s := range d.plan(boss, list...) {
		codes = append(codes, s.Code)
	}
	slices.Sort(codes)
	if n := len(slices.Compact(codes)); n < 50 {
		t.Fatalf("%d codes of 50 shifts", n)
	}
}
