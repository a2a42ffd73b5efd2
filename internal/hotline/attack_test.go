package hotline_test

import (
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/hotline"
)

// An operator reads what there is, and calls. What comes in while they talk was told to nobody: it must not count as heard, and she is
// called again.
func TestNewsThatComesDuringACallIsNotTakenForTold(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	search := o.search("almaty")
	o.due(search)
	a := o.person(account.Operator)
	id := o.list(a, true)[0].ID
	_, err := o.desk.Claim(t.Context(), a, id)
	o.must(err)
	began := o.db.Now()
	o.db.Clock.Move(5 * time.Minute)
	o.due(search) // he is free, while they still say that he is held
	o.db.Clock.Move(4 * time.Minute)
	_, err = o.desk.Claim(t.Context(), a, id) // a long talk: the claim is renewed, what was read is not
	o.must(err)
	o.db.Clock.Move(time.Minute)
	got, err := o.desk.Report(t.Context(), a, id, hotline.Report{Outcome: hotline.Reached})
	o.must(err)
	if got.ClosedAt == nil || len(o.heard) != 1 || !o.until[0].Equal(began) {
		t.Fatalf("%+v: heard up to %v, want what there was when the call was taken, %v", got, o.until, began)
	}
	calls := o.list(a, true)
	if len(calls) != 1 || calls[0].SearchID != search || calls[0].ID == id || calls[0].Attempts != 0 {
		t.Fatalf("what came meanwhile is nobody's call: %+v", calls)
	}
	if n := o.count("select count(*) from alerts where kind = 'call_due' and acknowledged_at is null"); n != 1 {
		t.Fatal("no operator hears that she must be called again")
	}
	// This time nothing comes in: heard up to then, and done. Neither a claim that ran out nor none at all keeps an operator from saying so.
	_, err = o.desk.Claim(t.Context(), a, calls[0].ID)
	o.must(err)
	o.db.Clock.Move(20 * time.Minute)
	_, err = o.desk.Report(t.Context(), a, calls[0].ID, hotline.Report{Outcome: hotline.Reached})
	o.must(err)
	if len(o.list(a, false)) != 0 || len(o.heard) != 2 {
		t.Fatalf("%+v", o.list(a, false))
	}
}

// A claim that ran out says still what its holder had read.
func TestALongTalkIsNoReasonToForgetWhatCameMeanwhile(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	search := o.search("")
	o.due(search)
	a := o.person(account.Operator)
	id := o.list(a, true)[0].ID
	_, err := o.desk.Claim(t.Context(), a, id)
	o.must(err)
	o.db.Clock.Move(10 * time.Minute)
	o.due(search)
	o.db.Clock.Move(10 * time.Minute)
	_, err = o.desk.Report(t.Context(), a, id, hotline.Report{Outcome: hotline.Reached})
	o.must(err)
	calls := o.list(a, true)
	if len(calls) != 1 {
		t.Fatalf("%+v", calls)
	}
	// Nor is it put off until when she asked to be called again.
	_, err = o.desk.Claim(t.Context(), a, calls[0].ID)
	o.must(err)
	o.db.Clock.Move(time.Minute)
	o.due(search)
	later := o.db.Now().Add(5 * time.Hour)
	_, err = o.desk.Report(t.Context(), a, calls[0].ID, hotline.Report{Outcome: hotline.Reached, CallBack: &later})
	o.must(err)
	if calls = o.list(a, true); len(calls) != 1 {
		t.Fatal("what came meanwhile waits for five hours")
	}
}

// The answer to a report is lost on a bad line, and the phone sends it again.
func TestAReportSentTwiceIsOne(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.due(o.search("almaty"))
	a := o.person(account.Operator)
	id := o.list(a, true)[0].ID
	later := o.db.Now().Add(2 * time.Hour)
	for _, r := range []hotline.Report{{Outcome: hotline.NoAnswer, Note: "не берёт"}, {Outcome: hotline.Reached, CallBack: &later}, {Outcome: hotline.Reached}} {
		_, err := o.desk.Claim(t.Context(), a, id)
		o.must(err)
		first, err := o.desk.Report(t.Context(), a, id, r)
		o.must(err)
		o.db.Clock.Move(time.Second)
		again, err := o.desk.Report(t.Context(), a, id, r)
		if err != nil || again.Attempts != first.Attempts || !again.NotBefore.Equal(first.NotBefore) || (again.ClosedAt == nil) != (first.ClosedAt == nil) {
			t.Fatalf("%s: %+v, then %+v, %v", r.Outcome, first, again, err)
		}
	}
	_, err := o.desk.Report(t.Context(), a, id, hotline.Report{Outcome: hotline.WrongNumber})
	o.refused(err, "ended")
	if n := o.count("select count(*) from audit_entries where action = 'call.reported'"); n != 3 || len(o.heard) != 2 {
		t.Fatalf("%d reports written down, heard %d times", n, len(o.heard))
	}
	// Another try within the rest is another try when somebody has something to say of it.
	o.due(o.search("almaty"))
	id = o.list(a, true)[0].ID
	for i, note := range []string{"занято", "сбросили"} {
		got, err := o.desk.Report(t.Context(), a, id, hotline.Report{Outcome: hotline.NoAnswer, Note: note})
		o.must(err)
		if got.Attempts != i+1 || got.Note != note {
			t.Fatalf("%+v", got)
		}
	}
}
