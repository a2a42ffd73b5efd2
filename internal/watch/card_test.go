package watch_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/inquiry"
	"github.com/qorgau/qorgau/internal/watch"
)

func (f *field) ask(p account.Principal, q inquiry.Question) inquiry.Inquiry {
	f.Helper()
	q.ClientID = uuid.New()
	made, first, err := f.asks.Record(f.ctx, p, q)
	f.must(err)
	if !first {
		f.Errorf("a new inquiry counts as a repeat")
	}
	again, first, err := f.asks.Record(f.ctx, p, q)
	if err != nil || first || again.ID != made.ID {
		f.Errorf("sent again: %v %v %v, want the first", again.ID, first, err)
	}
	return made
}

func (f *field) card(s seeker) watch.View {
	f.Helper()
	v, err := f.post.Read(f.ctx, s.id, s.secret)
	f.must(err)
	return v
}

func (f *field) raised(kind string) int {
	return f.count("select coalesce(sum(count), 0) from alerts where kind = $1", kind)
}

// found is a family that was told of a person at Almaly.
func (f *field) found(lawyer account.Principal) (seeker, uuid.UUID) {
	f.Helper()
	s := f.search("Ахметов Арман Серікұлы", 1990)
	d := f.log(lawyer, almaly, entry("Ахметов Арман Серікұлы", 1990))
	f.must(f.post.MatchDetentions(f.ctx, d))
	f.expect(s, d[0], seen{"certain", "notified", "", 1})
	return s, d[0]
}

func TestALawyerIsWithThem(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	s, d := f.found(lawyer)
	is := func(when, want string) {
		t.Helper()
		if got := f.card(s).Matches[0].Lawyer; got != want {
			t.Errorf("%s: a lawyer is with them: %q, want %q", when, got, want)
		}
	}
	is("logged", watch.WithoutLawyer)
	chief := f.person(account.Coordinator, f.org)
	_, err := f.db.Pool.Exec(f.ctx, `insert into shifts (id, organisation_id, account_id, kind, department_id, state, starts_at, ends_at, created_at)
		values ($1, $2, $3, 'duty', $4, 'present', $5, $6, $5)`, uuid.New(), f.org, chief.Account, almaly, f.db.Now().Add(-time.Hour), f.db.Now().Add(time.Hour))
	f.must(err)
	is("a coordinator came, who is no lawyer", watch.WithoutLawyer)
	_, err = f.db.Pool.Exec(f.ctx, `insert into shifts (id, organisation_id, account_id, department_id, state, starts_at, ends_at, created_at)
		values ($1, $2, $3, $4, 'present', $5, $6, $5)`, uuid.New(), f.org, lawyer.Account, almaly, f.db.Now().Add(-time.Hour), f.db.Now().Add(time.Hour))
	f.must(err)
	is("a lawyer arrived", watch.WithLawyer)
	for state, want := range map[string]string{"locked": watch.WithoutLawyer, "active": watch.WithLawyer} {
		_, err := f.db.Pool.Exec(f.ctx, "update accounts set state = $2 where id = $1", lawyer.Account, state)
		f.must(err)
		is(state, want)
		_, err = f.db.Pool.Exec(f.ctx, "update accounts set state = 'active' where id = $1", lawyer.Account)
		f.must(err)
	}
	f.db.Clock.Move(time.Hour)
	is("the shift ended and nobody checked out", watch.WithoutLawyer)
	f.db.Clock.Move(-time.Hour)
	f.event(lawyer, d, detention.MovedKind, &medeu)
	is("moved away from the lawyer", watch.WithoutLawyer)
	_, err = f.ledger.Represent(f.ctx, lawyer, d, detention.Representation{})
	f.must(err)
	is("represented", watch.WithLawyer)
	f.must(f.ledger.EndRepresentation(f.ctx, lawyer, d, uuid.Nil))
	is("the representation ended", watch.WithoutLawyer)
	f.event(lawyer, d, detention.HospitalisedKind, nil)
	is("in hospital", watch.LawyerUnknown)
}

func TestAnAnswerHasAnAge(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer, operator := f.person(account.Lawyer, f.org), f.person(account.Operator, f.org)
	s, d := f.found(lawyer)
	other := f.search("Каримов Ерлан Болатұлы", 1985)

	f.ask(operator, inquiry.Question{DepartmentID: medeu, DetentionID: &d, Answer: inquiry.Confirmed})
	if got := f.card(s).Inquiries; len(got) != 0 {
		t.Errorf("a confirmation on the phone told the family of another place: %+v", got)
	}
	f.ask(operator, inquiry.Question{DepartmentID: almaly, DetentionID: &d, Answer: inquiry.NoAnswer})
	f.ask(operator, inquiry.Question{DepartmentID: almaly, DetentionID: &d, Answer: inquiry.Denied})
	if f.raised("inquiry_denied") != 1 {
		t.Errorf("police denied whom a lawyer saw there: %d alerts, want 1", f.raised("inquiry_denied"))
	}
	f.ask(operator, inquiry.Question{DepartmentID: medeu, DetentionID: &d, Answer: inquiry.Denied})
	f.ask(operator, inquiry.Question{DepartmentID: astanaOne, SearchID: &other.id, Answer: inquiry.Denied})
	if f.raised("inquiry_denied") != 1 {
		t.Errorf("they denied whom they did not have, and an alert came: %d, want 1", f.raised("inquiry_denied"))
	}
	f.ask(operator, inquiry.Question{DepartmentID: almaly, SearchID: &s.id, Answer: inquiry.Denied, SpokeTo: "дежурный"})
	if f.raised("inquiry_denied") != 2 {
		t.Errorf("denied when asked for the family: %d alerts, want 2", f.raised("inquiry_denied"))
	}
	f.db.Clock.Move(40 * time.Minute)
	v := f.card(s)
	if len(v.Inquiries) != 2 || v.Inquiries[0].Answer != inquiry.Denied || v.CheckedAt.Sub(v.Inquiries[0].AskedAt).Round(time.Minute) != 40*time.Minute {
		t.Errorf("the card says %+v at %v; want the last answers of two departments, 40 minutes old", v.Inquiries, v.CheckedAt)
	}
	if got := f.card(other).Inquiries; len(got) != 1 || got[0].Answer != inquiry.Denied {
		t.Errorf("of whom nothing is known the card says %+v, want the denial", got)
	}
	staff, err := f.post.GetSearch(f.ctx, operator, s.id)
	f.must(err)
	if len(staff.Inquiries) != 2 || staff.NextUpdateBy == nil {
		t.Errorf("an operator reads %+v, promise %v", staff.Inquiries, staff.NextUpdateBy)
	}
}

func TestACardThatWasTakenBackShowsNothingLive(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer, operator := f.person(account.Lawyer, f.org), f.person(account.Operator, f.org)
	s, d := f.found(lawyer)
	f.ask(operator, inquiry.Question{DepartmentID: almaly, DetentionID: &d, Answer: inquiry.Confirmed})
	if got := f.card(s).Inquiries; len(got) != 1 || got[0].Answer != inquiry.Confirmed {
		t.Errorf("confirmed where she knows them to be: %+v, want it shown", got)
	}
	sealed := detention.Sealed
	f.correct(f.person(account.Coordinator, f.org), d, detention.Correction{Disclosure: &sealed})
	v := f.card(s)
	if len(v.Inquiries) != 0 || v.Shown != watch.Open || len(v.Matches) != 0 && v.Matches[0].Lawyer != "" {
		t.Errorf("sealed since: the card says %s, %+v, %+v; want nothing live", v.Shown, v.Inquiries, v.Matches)
	}
}

func TestAPromiseReachesTheCoordinatorFirst(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	nobody, _ := f.found(lawyer)
	if got := f.card(nobody).NextUpdateBy; got != nil {
		t.Errorf("promised %v while nobody could keep it", got)
	}
	operator := f.person(account.Operator, f.org)
	s := f.search("Каримов Ерлан Болатұлы", 1985)
	if got := f.card(s).NextUpdateBy; got != nil {
		t.Errorf("promised %v of whom nothing is known", got)
	}
	d := f.log(lawyer, almaly, entry("Каримов Ерлан Болатұлы", 1985))
	f.must(f.post.MatchDetentions(f.ctx, d))
	by := f.card(s).NextUpdateBy
	if by == nil || by.Sub(f.db.Now()).Round(time.Minute) != 4*time.Hour {
		t.Fatalf("after news the next is promised by %v, want in four hours", by)
	}
	sweeps := func(want int) {
		t.Helper()
		for range 2 { // once, however often it is swept
			_, err := f.post.Sweep(f.ctx)
			f.must(err)
		}
		if got := f.raised("promise_due"); got != want {
			t.Errorf("%d alerts of promises, want %d", got, want)
		}
	}
	f.db.Clock.Move(3*time.Hour + 44*time.Minute)
	sweeps(0)
	f.db.Clock.Move(2 * time.Minute)
	sweeps(1)
	if got := f.card(s).NextUpdateBy; got == nil || !got.Equal(*by) {
		t.Errorf("the card says %v, want the promise as it is: %v", got, by)
	}
	next := f.db.Now().Add(time.Hour).UTC().Truncate(time.Second)
	_, err := f.post.Promise(f.ctx, operator, s.id, next)
	f.must(err)
	if got := f.card(s).NextUpdateBy; got == nil || !got.Equal(next) {
		t.Errorf("promised %v, the card says %v", next, got)
	}
	f.db.Clock.Move(50 * time.Minute)
	sweeps(2)
	for _, bad := range []time.Time{f.db.Now(), f.db.Now().Add(8 * 24 * time.Hour)} {
		if _, err := f.post.Promise(f.ctx, operator, s.id, bad); !fault.Is(err, "invalid") {
			t.Errorf("promised by %v: %v", bad, err)
		}
	}
	if _, err := f.post.Promise(f.ctx, lawyer, s.id, next.Add(time.Hour)); !fault.Is(err, "forbidden") {
		t.Errorf("a lawyer promised: %v", err)
	}
}

func TestInquiriesAreReadInScope(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	here, there := f.person(account.Operator, f.org, "almaty"), f.person(account.Operator, f.org, "astana")
	lawyer := f.person(account.Lawyer, f.org)
	second := uuid.New()
	_, err := f.db.Pool.Exec(f.ctx, "insert into organisations (id, name, created_at) values ($1, 'Екінші', $2)", second, f.db.Now().Add(time.Hour))
	f.must(err)
	stranger := f.person(account.Coordinator, second)
	s, d := f.found(lawyer)
	mine := f.ask(lawyer, inquiry.Question{DepartmentID: almaly, Name: "Сейтов Нұрлан", Answer: inquiry.NoAnswer, Note: "трубку не берут"})
	f.ask(here, inquiry.Question{DepartmentID: almaly, SearchID: &s.id, Answer: inquiry.Denied})
	read := func(p account.Principal) []inquiry.Inquiry {
		t.Helper()
		out, _, _, err := f.asks.List(f.ctx, p, inquiry.Page{DepartmentID: almaly, Limit: 10})
		f.must(err)
		return out
	}
	if got := read(here); len(got) != 2 || got[0].SearchID == nil || got[1].Said.Name != "Сейтов Нұрлан" {
		t.Errorf("the city's operator reads %+v", got)
	}
	if got := read(lawyer); len(got) != 1 || got[0].ID != mine.ID {
		t.Errorf("a lawyer off shift reads %+v, want her own", got)
	}
	if a, b := read(there), read(stranger); len(a)+len(b) != 0 {
		t.Errorf("another city reads %d, another organisation %d; want none", len(a), len(b))
	}
	for _, p := range []account.Principal{there, stranger} {
		_, _, err = f.asks.Record(f.ctx, p, inquiry.Question{ClientID: uuid.New(), DepartmentID: almaly, DetentionID: &d, Answer: inquiry.Denied})
		if e := fault.As(err); e == nil || len(e.Fields) != 1 || e.Fields[0] != (fault.Field{Pointer: "/detention_id", Code: "unknown"}) {
			t.Errorf("asked about a record out of scope: %v", err)
		}
	}
}
