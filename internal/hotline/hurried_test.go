package hotline_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/hotline"
	"github.com/qorgau/qorgau/internal/pg"
)

func (o *office) later(search uuid.UUID, at time.Time) {
	o.Helper()
	o.must(o.db.InTx(o.Context(), func(tx *pg.Tx) error { return hotline.Later(o.Context(), tx, o.org, search, at) }))
}

func (o *office) report(p account.Principal, id uuid.UUID, r hotline.Report) hotline.Call {
	o.Helper()
	got, err := o.desk.Report(o.Context(), p, id, r)
	o.must(err)
	return got
}

// She was spoken to twice and asked to be called again; from then on nobody answers. Coordinators hear of it all the same.
func TestThreeTimesNoAnswerAfterTalks(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.due(o.search(""))
	a := o.person(account.Operator)
	id := o.list(a, true)[0].ID
	for range 3 {
		later := o.db.Now().Add(time.Hour)
		o.report(a, id, hotline.Report{Outcome: hotline.Reached, CallBack: &later})
		o.db.Clock.Move(time.Hour)
	}
	for n := range 3 {
		if failed := o.count("select count(*) from alerts where kind = 'call_failed'"); failed != 0 {
			t.Fatalf("alerted after %d", n)
		}
		got := o.report(a, id, hotline.Report{Outcome: hotline.NoAnswer})
		o.db.Clock.Move(got.NotBefore.Sub(o.db.Now()))
	}
	if failed := o.count("select count(*) from alerts where kind = 'call_failed'"); failed != 1 {
		t.Fatalf("nobody hears that she cannot be reached: %d alerts", failed)
	}
}

func (o *office) ring() (n int) {
	o.Helper()
	o.must(o.db.InTx(o.Context(), func(tx *pg.Tx) (err error) {
		n, err = hotline.Ring(o.Context(), tx, 100)
		return err
	}))
	return n
}

// open is how many alerts wait for somebody who calls; they are taken up.
func (o *office) taken() (n int) {
	o.Helper()
	n = o.count("select count(*) from alerts where kind = $1 and acknowledged_at is null", alert.CallDue)
	o.exec("update alerts set acknowledged_at = $1", o.db.Now())
	return n
}

// A call that was put off rings when its time comes, once; so does one whose operator never came back.
func TestACallThatWasPutOffRingsWhenItIsTime(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	search := o.search("")
	o.later(search, o.db.Now().Add(2*time.Hour))
	a := o.person(account.Operator)
	want := func(when string, rings, alerts int) {
		t.Helper()
		if got, open := o.ring(), o.taken(); got != rings || open != alerts {
			t.Fatalf("%s: rung %d, alerts %d; want %d, %d", when, got, open, rings, alerts)
		}
	}
	want("before it is time", 0, 0)
	o.db.Clock.Move(2 * time.Hour)
	want("when she asked for it", 1, 1)
	want("again", 0, 0)
	id := o.list(a, true)[0].ID
	_, err := o.desk.Claim(t.Context(), a, id)
	o.must(err)
	o.db.Clock.Move(14 * time.Minute)
	want("somebody calls", 0, 0)
	o.db.Clock.Move(time.Minute)
	want("their claim ran out", 1, 1)
	want("again", 0, 0)
	o.report(a, id, hotline.Report{Outcome: hotline.NoAnswer})
	want("not answered", 0, 0)
	o.db.Clock.Move(15 * time.Minute)
	want("it comes back", 1, 1)
	o.report(a, id, hotline.Report{Outcome: hotline.Reached})
	if len(o.list(a, false)) != 0 {
		t.Fatal("a ring is taken for news")
	}
	o.due(search)
	want("news, of which they were told", 0, 1)
	o.exec("update searches set state = 'closed'")
	o.db.Clock.Move(time.Hour)
	want("closed", 0, 0)
}

// While they talk she says: tomorrow at ten. The operator enters it with the search, and then says that she was reached.
func TestACallBackThatIsAskedForDuringACall(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	a := o.person(account.Operator)
	for _, news := range []bool{false, true} {
		search := o.search("")
		o.due(search)
		id := o.list(a, true)[0].ID
		_, err := o.desk.Claim(t.Context(), a, id)
		o.must(err)
		o.db.Clock.Move(time.Minute)
		at := o.db.Now().Add(20 * time.Hour)
		if news {
			o.due(search)
		}
		o.later(search, at)
		o.db.Clock.Move(time.Minute)
		o.report(a, id, hotline.Report{Outcome: hotline.Reached})
		calls := o.list(a, false)
		if news && (len(calls) != 1 || !calls[0].NotBefore.Equal(o.db.Now())) {
			t.Fatalf("what came meanwhile waits until tomorrow: %+v", calls)
		}
		if !news && (len(calls) != 1 || !calls[0].NotBefore.Equal(at)) {
			t.Fatalf("she is called at another time than she asked for: %+v", calls)
		}
		if open := o.taken(); open != map[bool]int{false: 0, true: 1}[news] {
			t.Fatalf("news %v: %d alerts", news, open)
		}
		o.exec("delete from calls")
	}
}

// The number was a stranger's. Who takes the next call for her knows it before they dial.
func TestTheNextCallSaysHowTheLastOneWent(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	search := o.search("")
	o.due(search)
	a, b := o.person(account.Operator), o.person(account.Operator)
	o.report(a, o.list(a, true)[0].ID, hotline.Report{Outcome: hotline.WrongNumber, Note: "чужой человек"})
	o.db.Clock.Move(time.Hour)
	o.due(search)
	calls := o.list(b, true)
	if len(calls) != 1 || calls[0].Attempts != 0 || calls[0].Last == nil || *calls[0].Last != hotline.WrongNumber || calls[0].Note != "чужой человек" {
		t.Fatalf("%+v", calls)
	}
	if got, err := o.desk.Claim(t.Context(), b, calls[0].ID); err != nil || got.Note != "чужой человек" {
		t.Fatalf("%+v, %v", got, err)
	}
	// What is said of the new one is no repeat of the old.
	if got := o.report(b, calls[0].ID, hotline.Report{Outcome: hotline.WrongNumber, Note: "чужой человек"}); got.ClosedAt == nil || got.Attempts != 1 {
		t.Fatalf("%+v", got)
	}
	if n := o.count("select count from alerts where kind = 'call_failed'"); n != 2 {
		t.Fatalf("told of %d wrong numbers", n)
	}
}
