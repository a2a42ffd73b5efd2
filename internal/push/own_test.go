package push_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

func (w *world) principal(p person) account.Principal {
	return account.Principal{Account: p.ID, Owner: p.ID, Organisation: w.organisation}
}

// kindsOf are the channels of a ladder, in order.
func (w *world) kindsOf(p person) string {
	w.t.Helper()
	list, err := w.center.OwnChannels(context.Background(), w.principal(p))
	must(w.t, err)
	var out []string
	for _, c := range list {
		out = append(out, c.Kind+":"+c.State)
	}
	return strings.Join(out, " ")
}

// A lawyer puts a number and a chat beside the phone; the phone comes and goes by itself, and takes nothing else along.
func TestStaffHaveALadderBesideTheirPhone(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	lawyer := w.staff("lawyer", "")
	who := w.principal(lawyer)
	set := func(list ...push.Address) ([]push.Channel, error) {
		return w.center.SetOwnChannels(t.Context(), who, list)
	}
	phoneIs := func(token string) {
		t.Helper()
		w.in(func(tx *pg.Tx) error { return w.center.SetPhone(t.Context(), tx, lawyer.ID, lawyer.key, token) })
	}
	expect := func(want string) {
		t.Helper()
		if got := w.kindsOf(lawyer); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	}
	_, err := set(push.Address{Kind: push.SMS, Value: phone})
	must(t, err)
	expect("sms:unconfirmed")
	list, err := w.center.ConfirmOwn(t.Context(), who, w.channel(lawyer, push.SMS).ID, w.codeTo(phone, 1))
	if err != nil || len(list) != 1 || list[0].State != "active" {
		t.Fatalf("%+v, %v", list, err)
	}
	phoneIs("first")
	expect("fcm:active sms:active")
	number := push.Address{Kind: push.SMS, Keep: list[0].ID, Wishes: push.Wishes{Quiet: night.Quiet, Latin: true}}
	_, err = set(number, push.Address{Kind: push.FCM, Keep: w.channel(lawyer, push.FCM).ID})
	must(t, err)
	expect("sms:active fcm:active")
	phoneIs("second")
	expect("sms:active fcm:active")
	if got := w.channel(lawyer, push.SMS).Wishes; got != number.Wishes {
		t.Errorf("a new phone changes what was wished of the number: %+v", got)
	}
	_, err = set() // all others
	must(t, err)
	expect("fcm:active")
	_, err = set(push.Address{Kind: push.SMS, Value: phone})
	must(t, err)
	expect("fcm:active sms:active")
	w.in(func(tx *pg.Tx) error { return w.center.DropPhone(t.Context(), tx, lawyer.ID) })
	expect("sms:active")
	w.in(func(tx *pg.Tx) error {
		state, err := w.center.Phone(t.Context(), tx, lawyer.ID)
		if state != "none" {
			t.Errorf("the phone is %s", state)
		}
		return err
	})
	w.expect("4", "select count(*)::text from audit_entries where action = 'account.channels_set' and subject_id = $1", lawyer.ID)
}

func TestWhatIsNoLadderOfStaff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lawyer, other := w.staff("lawyer", "phone"), w.staff("lawyer", "other")
	numbers := func(n int) (out []push.Address) {
		for i := range n {
			out = append(out, push.Address{Kind: push.SMS, Value: "+7701123456" + string(rune('0'+i))})
		}
		return out
	}
	for want, list := range map[string][]push.Address{
		"/channels/0/kind not_allowed":  {{Kind: push.Call, Value: phone}},
		"/channels/1/kind not_allowed":  {{Kind: push.SMS, Value: phone}, {Kind: push.FCM, Value: "another"}},
		"/channels/0/id unknown":        {{Kind: push.FCM, Keep: w.channel(other, push.FCM).ID}},
		"/channels/1/id unknown":        {{Kind: push.SMS, Value: phone}, {Kind: push.SMS, Keep: w.channel(lawyer, push.FCM).ID}},
		"/channels/1/phone bad_format":  {{Kind: push.SMS, Value: phone}, {Kind: push.SMS, Value: "12"}},
		"/channels/0/place not_allowed": {{Kind: push.SMS, Value: phone, Wishes: push.Wishes{Place: true}}},
		"/channels too_many":            numbers(5),
	} {
		_, err := w.center.SetOwnChannels(t.Context(), w.principal(lawyer), list)
		f := fault.As(err)
		if f == nil || len(f.Fields) != 1 || f.Fields[0].Pointer+" "+f.Fields[0].Code != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := w.center.SetOwnChannels(t.Context(), w.principal(lawyer), numbers(4)); err != nil {
		t.Error(err)
	}
	w.exec("update accounts set state = 'locked' where id = $1", lawyer.ID)
	if _, err := w.center.SetOwnChannels(t.Context(), w.principal(lawyer), nil); !fault.Is(err, "unauthenticated") {
		t.Error("locked:", err)
	}
	if _, err := w.center.OwnChannels(t.Context(), account.Principal{}); !fault.Is(err, "unauthenticated") {
		t.Error("nobody:", err)
	}
}

// Seen on the phone, an offer does not come by SMS as well; of another's there is nothing to see.
func TestWhoHasSeenAnOfferIsNotRungOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lawyer, other := w.staff("lawyer", ""), w.staff("lawyer", "other")
	w.puts(lawyer, push.Address{Kind: push.FCM, Value: "phone"}, push.Address{Kind: push.SMS, Value: phone})
	id := uuid.New()
	offer := w.tell(push.Notice{Organisation: w.organisation, Kind: push.Offer, SubjectKind: "dispatch", Subject: id, Turn: id, Owner: lawyer.Owner, Language: "ru"})[0]
	if err := w.center.AcknowledgeOwn(t.Context(), w.principal(other), offer); !fault.Is(err, "not_found") {
		t.Fatal(err)
	}
	for range 2 {
		must(t, w.center.AcknowledgeOwn(t.Context(), w.principal(lawyer), offer))
	}
	w.later(time.Hour)
	w.expect("fcm:superseded", rungs, offer)
}

// A stop word is obeyed on the last channel, too; coordinators hear that somebody can be called by nothing any more.
func TestAStopWordOfStaffIsObeyedAndSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	both, one, gone := w.staff("lawyer", ""), w.staff("operator", ""), w.staff("lawyer", "")
	w.puts(both, push.Address{Kind: push.FCM, Value: "phone"}, push.Address{Kind: push.SMS, Value: phone})
	for _, p := range []person{one, gone} {
		w.puts(p, push.Address{Kind: push.SMS, Value: phone})
	}
	w.exec("update accounts set state = 'locked' where id = $1", gone.ID)
	if n, err := w.center.Stop(t.Context(), push.SMS, phone, w.db.Now()); err != nil || n != 3 {
		t.Fatal(n, err)
	}
	w.soon("the phone hears of it", func() bool { return len(w.provider.to("phone")) == 1 && w.provider.to("phone")[0].Kind == push.Changed })
	w.expect(one.ID.String(), "select string_agg(subject_id::text, ' ') from alerts where kind = $1", string(alert.StaffUnreachable))
}

// Whoever has no app is called all the same.
func TestAnAlertComesBySMSToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	chief := w.staff("coordinator", "")
	w.puts(chief, push.Address{Kind: push.SMS, Value: phone})
	w.staff("coordinator", "") // whom nothing reaches
	w.raise(alert.Guessing)
	w.soon("the number is told", func() bool { return len(w.newsTo(phone)) == 1 })
	w.expect("1", "select count(*)::text from notices")
}

// A shadow has its owner's phone, and nothing else of them; what it puts beside stays its own.
func TestAShadowHasThePhoneAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lawyer := w.staff("lawyer", "")
	shadow := person{Owner: push.Owner{Kind: push.AccountOwner, ID: uuid.New()}, key: lawyer.key}
	w.exec(`insert into accounts (id, organisation_id, key_id, name_ct, state, shadow_of, created_at, updated_at)
		select $2, organisation_id, key_id, name_ct, 'shadow', id, created_at, updated_at from accounts where id = $1`, lawyer.ID, shadow.ID)
	mirror := func() {
		t.Helper()
		w.in(func(tx *pg.Tx) error { return w.center.ShadowPhone(t.Context(), tx, lawyer.ID, shadow.ID, lawyer.key) })
	}
	expect := func(p person, want string) {
		t.Helper()
		if got := w.kindsOf(p); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	}
	mirror()
	expect(shadow, "")
	w.puts(lawyer, push.Address{Kind: push.FCM, Value: "one"}, push.Address{Kind: push.SMS, Value: phone})
	for range 2 {
		mirror()
		expect(shadow, "fcm:active")
	}
	_, err := w.center.SetOwnChannels(t.Context(), w.principal(shadow), []push.Address{{Kind: push.SMS, Value: "+77019998877"}})
	must(t, err)
	expect(shadow, "fcm:active sms:unconfirmed")
	expect(lawyer, "fcm:active sms:active")
	w.in(func(tx *pg.Tx) error { return w.center.SetPhone(t.Context(), tx, lawyer.ID, lawyer.key, "two") })
	mirror()
	expect(shadow, "fcm:active sms:unconfirmed")
	w.exec("update channels set dropped_at = $2, address_ct = null where owner_id = $1 and kind = 'fcm' and position >= 0", lawyer.ID, w.db.Now())
	mirror() // the provider says that the phone is gone
	expect(shadow, "fcm:dropped sms:unconfirmed")
	w.in(func(tx *pg.Tx) error { return w.center.SetPhone(t.Context(), tx, lawyer.ID, lawyer.key, "two") })
	mirror()
	expect(shadow, "fcm:active sms:unconfirmed")
	w.in(func(tx *pg.Tx) error { return w.center.SetChannels(t.Context(), tx, w.book(lawyer), nil) }) // cut off: it must not be seen
	mirror()
	expect(shadow, "fcm:active sms:unconfirmed")
	expect(lawyer, "")
}
