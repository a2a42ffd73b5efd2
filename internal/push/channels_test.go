package push_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

func TestNormalise(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ kind, in, out, code string }{
		{push.FCM, "dZ1:APA91b_-x", "dZ1:APA91b_-x", ""},
		{push.FCM, strings.Repeat("x", 4096), strings.Repeat("x", 4096), ""},
		{push.FCM, strings.Repeat("x", 4097), "", "too_long"},
		{push.FCM, "", "", "required"},
		{push.FCM, "a b", "", "bad_format"},
		{push.FCM, "a\nb", "", "bad_format"},
		{push.FCM, "қ", "", "bad_format"},
		{push.Call, "+7 701 234 56 78", "+77012345678", ""},
		{push.Call, "8 (701) 234-56-78", "+77012345678", ""},
		{push.Call, "8 7172 55 66 77", "+77172556677", ""},
		{push.Call, "7012345678", "+77012345678", ""},
		{push.Call, "77012345678", "+77012345678", ""},
		{push.Call, "701 234 56 7", "", "bad_format"},
		{push.Call, "9161234567", "", "bad_format"}, // of which country?
		{push.Call, "+7\u00a0000\u2011111-22-33", "+70001112233", ""},
		{push.Call, "+7 916 123-45-67", "+79161234567", ""}, // Russia
		{push.Call, "8 916 123-45-67", "", "bad_format"},    // the trunk 8 is local
		{push.Call, "+7 516 123-45-67", "", "bad_format"},
		{push.Call, "+7 701 234 56 7", "", "bad_format"},
		{push.Call, "+996 555 123456", "+996555123456", ""},
		{push.Call, "+1 202 555 0143", "+12025550143", ""},
		{push.Call, "+1234567", "", "bad_format"},
		{push.Call, "+1234567890123456", "", "bad_format"},
		{push.Call, "+7701234567х", "", "bad_format"},
		{push.Call, " ", "", "required"},
		{push.Call, strings.Repeat("7", 41), "", "too_long"},
		{"pigeon", "x", "", "not_allowed"},
	} {
		if got, code := push.Normalise(push.Address{Kind: c.kind, Value: c.in}); got.Value != c.out || code != c.code {
			t.Errorf("%s %.30q: got %.30q, %s; want %.30q, %s", c.kind, c.in, got.Value, code, c.out, c.code)
		}
	}
}

func FuzzNormalise(f *testing.F) {
	f.Add("8 (701) 234-56-78")
	f.Add("+996555123456")
	f.Fuzz(func(t *testing.T, s string) {
		a, code := push.Normalise(push.Address{Kind: push.Call, Value: s})
		if code != "" {
			return
		}
		if b, code := push.Normalise(a); code != "" || a != b {
			t.Fatalf("%q is not in its one form: %q", a.Value, b.Value)
		}
	})
}

func TestChannelFaultsPointAtTheField(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mother := w.mother()
	set := func(phones ...string) *fault.Error {
		err := w.db.InTx(context.Background(), func(tx *pg.Tx) error {
			return w.center.SetChannels(context.Background(), tx, push.Book{Owner: mother.Owner, Key: mother.key}, addresses(phones))
		})
		var f *fault.Error
		if !errors.As(err, &f) {
			t.Fatalf("not a fault: %v", err)
		}
		return f
	}
	got := set("fcm:", "fcm:ok", "call:12", "smoke:x").Fields
	want := []fault.Field{{Pointer: "/channels/0/token", Code: "required"}, {Pointer: "/channels/2/phone", Code: "bad_format"}, {Pointer: "/channels/3/kind", Code: "not_allowed"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("faults %v", got)
	}
	if got := set("fcm:1", "fcm:2", "fcm:3", "fcm:4", "fcm:5", "fcm:6").Fields[0]; got != (fault.Field{Pointer: "/channels", Code: "too_many"}) {
		t.Errorf("six channels: %v", got)
	}
	w.expect("0", "select count(*)::text from channels")
}

func (w *world) ladder(p person) string {
	w.t.Helper()
	var out []string
	w.in(func(tx *pg.Tx) error {
		channels, err := w.center.OpenChannels(context.Background(), tx, p.Owner, p.key)
		for _, c := range channels {
			out = append(out, fmt.Sprintf("%d:%s:%s", c.Position, c.Address, c.State))
		}
		return err
	})
	return strings.Join(out, " ")
}

func TestSetChannelsReplaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mother, neighbour := w.mother("fcm:a", "call:+77012345678", "fcm:a"), w.mother("fcm:a")
	for _, step := range []struct {
		set  []string
		want string
	}{
		{nil, ""},
		{[]string{"fcm:a", "call:87012345678"}, "0:a:active 1:+77012345678:active"},
		{[]string{"call:87012345678", "fcm:a"}, "0:+77012345678:active 1:a:active"},
		{[]string{"fcm:b"}, "0:b:active"},
		{[]string{"fcm:a", "fcm:b"}, "0:a:active 1:b:active"},
	} {
		w.setChannels(mother, step.set...)
		if got := w.ladder(mother); got != step.want {
			t.Fatalf("after %v: %q, want %q", step.set, got, step.want)
		}
	}
	if got := w.ladder(neighbour); got != "0:a:active" {
		t.Errorf("another search with the same phone: %q", got)
	}
	w.expect("0", "select count(*)::text from channels where position < 0 and address_ct is not null")
	w.in(func(tx *pg.Tx) error { return w.center.Forget(context.Background(), tx, mother.Owner) })
	w.expect("1", "select count(*)::text from channels")
}

func TestForgetTakesDeliveriesAlong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mother := w.mother("fcm:a")
	w.tell(w.match(mother))
	w.in(func(tx *pg.Tx) error { return w.center.Forget(context.Background(), tx, mother.Owner) })
	w.work()
	w.soonIs("completed", "select state::text from river_job")
	if len(w.provider.to("a")) != 0 {
		t.Fatal("an erased search was told")
	}
}

func TestNewTokenGetsWhatTheOldOneMissed(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	w.provider.answers("old", push.Result{Outcome: push.DropToken, Code: "unregistered"})
	mother := w.mother("fcm:old")
	missed := w.tell(w.match(mother))
	w.soonIs("dead:unregistered", stateOf, missed[0])
	w.setChannels(mother, "fcm:new")
	w.soonIs("dead:unregistered accepted:ok", stateOf, missed[0])
	w.setChannels(mother, "fcm:new", "fcm:tablet") // it has been told: not again
	w.setChannels(mother, "fcm:new")
	w.db.Clock.Move(73 * time.Hour)
	late := w.mother()
	stale := w.tell(w.match(late))
	w.db.Clock.Move(73 * time.Hour)
	w.setChannels(late, "fcm:late")
	w.expect("", stateOf, stale[0])
	w.expect("2", "select count(*)::text from deliveries")
	// The provider was wrong about the old token: given again, it is alive again.
	w.setChannels(mother, "fcm:old")
	if got := w.ladder(mother); got != "0:old:active" {
		t.Fatalf("ladder %q", got)
	}
	again := w.tell(w.match(mother))
	w.soonIs("accepted:ok", stateOf, again[0])
}

func TestReplacedChannelIsNotTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mother := w.mother("fcm:stolen")
	told := w.tell(w.match(mother))
	w.setChannels(mother, "fcm:hers")
	w.work()
	w.soonIs("superseded:channel_replaced accepted:ok", stateOf, told[0])
	if len(w.provider.to("stolen")) != 0 {
		t.Fatal("told on a channel that its owner took out")
	}
}

// A phone that registers in the very moment of the match must not fall between the two transactions.
func TestChannelAndNoticeAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 20 {
		mother := w.mother()
		n, done := w.match(mother), make(chan error, 1)
		w.in(func(tx *pg.Tx) error {
			if _, err := w.center.Tell(context.Background(), tx, n); err != nil {
				return err
			}
			go func() {
				done <- w.db.InTx(context.Background(), func(tx *pg.Tx) error {
					return w.center.SetChannels(context.Background(), tx, push.Book{Owner: mother.Owner, Key: mother.key}, addresses([]string{"fcm:p"}))
				})
			}()
			w.soon("SetChannels waits for the notice", func() bool {
				return w.text("select count(*)::text from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())") == "1"
			})
			return nil
		})
		must(t, <-done)
		w.expect("1", "select count(*)::text from deliveries d join notices n on n.id = d.notice_id where n.owner_id = $1", mother.ID)
	}
}
