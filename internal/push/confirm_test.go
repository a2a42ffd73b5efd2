package push_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

var sixDigits = regexp.MustCompile(`\b\d{6}\b`)

// codeTo gives the last code that came to an address, once it came.
func (w *world) codeTo(address string, nth int) (code string) {
	w.t.Helper()
	w.soon("a code comes to "+address, func() bool {
		n := 0
		for _, m := range w.provider.to(address) {
			if m.Kind == "code" {
				code = sixDigits.FindString(m.Body)
				n++
			}
		}
		return n >= nth
	})
	return code
}

func (w *world) says(p person, channel uuid.UUID, code string) (refused, err error) {
	w.t.Helper()
	err = w.db.InTx(context.Background(), func(tx *pg.Tx) (err error) {
		refused, err = w.center.Confirm(context.Background(), tx, w.book(p), channel, code)
		return err
	})
	return refused, err
}

func (w *world) book(p person) push.Book {
	return push.Book{Owner: p.Owner, Key: p.key, Organisation: w.organisation, Language: "ru"}
}

func (w *world) channel(p person, kind string) push.Channel {
	w.t.Helper()
	var list []push.Channel
	w.in(func(tx *pg.Tx) (err error) {
		list, err = w.center.Channels(context.Background(), tx, p.Owner)
		return err
	})
	for _, c := range list {
		if c.Kind == kind {
			return c
		}
	}
	w.t.Fatalf("no channel %s in %+v", kind, list)
	return push.Channel{}
}

const phone = "+77011234567"

// A number is told nothing before its code came back; then it gets what was missed.
func TestANumberIsTheirsWhoKnowsItsCode(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	mother := w.mother("sms:" + phone)
	id := w.channel(mother, push.SMS).ID
	code := w.codeTo(phone, 1)
	news := w.tell(w.match(mother))[0]
	w.expect("", rungs, news)
	other := "000000"
	if code == other {
		other = "000001"
	}
	for range 4 {
		if refused, err := w.says(mother, id, other); err != nil || !fault.Is(refused, "wrong_code") {
			t.Fatal(refused, err)
		}
	}
	if _, err := w.says(w.mother("fcm:another"), id, code); !fault.Is(err, "not_found") {
		t.Fatal("another's channel:", err)
	}
	for range 2 {
		if refused, err := w.says(mother, id, code); err != nil || refused != nil {
			t.Fatal(refused, err)
		}
	}
	w.soonIs("sms:accepted", rungs, news)
	if c := w.channel(mother, push.SMS); c.State != "active" {
		t.Fatalf("%+v", c)
	}
	if strings.Contains(w.journal.String(), code) || w.text("select count(*)::text from river_job where args::text like '%' || $1 || '%'", code) != "0" {
		t.Fatal("the code lies in the log, or in a job")
	}
}

func TestACodeIsGuessedFiveTimesAndGrowsOld(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	mother := w.mother("sms:" + phone)
	id := w.channel(mother, push.SMS).ID
	code := w.codeTo(phone, 1)
	for range 5 {
		_, _ = w.says(mother, id, "x")
	}
	if refused, err := w.says(mother, id, code); err != nil || !fault.Is(refused, "wrong_code") {
		t.Fatal("a sixth guess:", refused, err)
	}
	w.setChannels(mother, "sms:"+phone)
	again := w.codeTo(phone, 2)
	w.setChannels(mother, "sms:"+phone) // an app that repeats itself
	if now := w.codeTo(phone, 2); now != again || len(w.provider.to(phone)) != 2 {
		t.Fatal("a repeat sends another code")
	}
	if again == code {
		t.Fatal("the same code")
	}
	w.db.Clock.Move(16 * time.Minute)
	if refused, err := w.says(mother, id, again); err != nil || !fault.Is(refused, "wrong_code") {
		t.Fatal("an old code:", refused, err)
	}
	w.setChannels(mother, "sms:"+phone)
	if refused, err := w.says(mother, id, w.codeTo(phone, 3)); err != nil || refused != nil {
		t.Fatal(refused, err)
	}
}

// Whoever asks, and for however many searches: a stranger's phone does not ring all night.
func TestANumberGetsThreeCodesADay(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	for range 3 {
		w.mother("sms:" + phone)
	}
	mother := w.mother()
	set := func() error {
		return w.db.InTx(context.Background(), func(tx *pg.Tx) error {
			return w.center.SetChannels(context.Background(), tx, w.book(mother), []push.Address{{Kind: push.SMS, Value: phone}})
		})
	}
	if f := fault.As(set()); f == nil || f.Code != "too_many" || f.RetryAfter <= 0 {
		t.Fatal(f)
	}
	w.codeTo(phone, 3)
	if n := len(w.provider.to(phone)); n != 3 {
		t.Fatalf("%d codes", n)
	}
	w.db.Clock.Move(25 * time.Hour)
	must(t, w.center.ForgetCodes(context.Background()))
	w.expect("0", "select count(*)::text from code_sends")
	must(t, set())
}

// A chat is known by the link that the app was given; nobody else's link opens anything.
func TestAChatIsOpenedByItsLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	mother, other := w.mother("telegram:"), w.mother("telegram:")
	link := w.channel(mother, push.Telegram).Link
	payload, ok := strings.CutPrefix(link, "https://t.me/qorgau_bot?start=")
	if !ok || !regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`).MatchString(payload) {
		t.Fatal(link)
	}
	news := w.tell(w.match(mother))[0]
	forged := payload[:len(payload)-1] + "A"
	if forged == payload {
		forged = payload[:len(payload)-1] + "B"
	}
	for _, bad := range []string{"", "x", forged, payload + "A", strings.Repeat("A", 32)} {
		if ours, err := w.center.Started(t.Context(), bad, "42"); ours || err != nil {
			t.Fatal(bad, ours, err)
		}
	}
	if ours, err := w.center.Started(t.Context(), payload, "42"); !ours || err != nil {
		t.Fatal(ours, err)
	}
	w.soonIs("telegram:accepted", rungs, news)
	if m := w.provider.to("42"); len(m) != 1 || m[0].Kind != push.Match {
		t.Fatalf("%+v", m)
	}
	if c := w.channel(mother, push.Telegram); c.State != "active" || c.Link != "" {
		t.Fatalf("%+v", c)
	}
	if ours, err := w.center.Started(t.Context(), payload, "666"); ours || err != nil {
		t.Fatal("a link that was used opens another chat:", ours, err)
	}
	// Put again, the chat stays; and an old link opens nothing.
	w.setChannels(mother, "fcm:phone", "telegram:")
	if c := w.channel(mother, push.Telegram); c.State != "active" {
		t.Fatalf("%+v", c)
	}
	old := strings.TrimPrefix(w.channel(other, push.Telegram).Link, "https://t.me/qorgau_bot?start=")
	w.db.Clock.Move(25 * time.Hour)
	if ours, err := w.center.Started(t.Context(), old, "43"); ours || err != nil {
		t.Fatal("an old link:", ours, err)
	}
}

// Who was told until now hears that the ladder was changed; who came with the change does not.
func TestOthersHearThatTheLadderWasChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	mother := w.mother("fcm:hers")
	set := func(list ...push.Address) {
		w.in(func(tx *pg.Tx) error { return w.center.SetChannels(context.Background(), tx, w.book(mother), list) })
	}
	told := func(token string) (n int) {
		for _, m := range w.provider.to(token) {
			if m.Kind == push.Changed {
				n++
			}
		}
		return n
	}
	hers, thief := push.Address{Kind: push.FCM, Value: "hers"}, push.Address{Kind: push.FCM, Value: "thief"}
	set(hers) // nothing changed
	set(hers, thief)
	w.soon("she hears of the thief", func() bool { return told("hers") == 1 })
	kept := w.channel(mother, push.FCM).ID
	set(push.Address{Kind: push.FCM, Keep: kept})
	w.soon("she hears that the thief was taken out", func() bool { return told("hers") == 2 })
	if told("thief") != 0 {
		t.Fatal("who was put in hears of it")
	}
	err := w.db.InTx(context.Background(), func(tx *pg.Tx) error {
		return w.center.SetChannels(context.Background(), tx, w.book(mother), []push.Address{{Kind: push.FCM, Keep: uuid.New()}})
	})
	if f := fault.As(err); f == nil || len(f.Fields) != 1 || f.Fields[0] != (fault.Field{Pointer: "/channels/0/id", Code: "unknown"}) {
		t.Fatal(err)
	}
	// What this server does not send by is not taken.
	err = w.db.InTx(context.Background(), func(tx *pg.Tx) error {
		return w.center.SetChannels(context.Background(), tx, w.book(mother), []push.Address{{Kind: push.Email, Value: "a@example.org"}})
	})
	if f := fault.As(err); f == nil || f.Fields[0] != (fault.Field{Pointer: "/channels/0/kind", Code: "not_allowed"}) {
		t.Fatal(err)
	}
}

// Anybody can open a search. Its codes ring no more than a few phones in a day, before no alarm; and one box of mail is one, however it is written.
func TestOneSearchSendsAFewCodesADay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	thief := w.mother()
	var refused error
	for i := range 40 {
		var list []push.Address
		for j := range 5 {
			list = append(list, push.Address{Kind: push.SMS, Value: fmt.Sprintf("+7701%07d", i*5+j)})
		}
		refused = w.db.InTx(t.Context(), func(tx *pg.Tx) error { return w.center.SetChannels(t.Context(), tx, w.book(thief), list) })
		if refused != nil {
			break
		}
	}
	if !fault.Is(refused, "too_many") {
		t.Errorf("%v", refused)
	}
	w.expect("10", "select count(*)::text from river_job where kind = 'push_code'")
	w.expect("0", "select count(*)::text from river_job where kind = 'push_code' and priority = 1")
	w.db.Clock.Move(25 * time.Hour)
	w.setChannels(thief, "sms:"+phone)
	w.expect("11", "select count(*)::text from river_job where kind = 'push_code'")
}

// A thief of her secret puts their own phone in the place of her number: nobody is left who could hear of it, and an operator calls. A phone that got another token, and a
// family that empties its ladder, are not called.
func TestAWholeLadderIsNotTakenInSilence(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for have, put := range map[string]struct {
		ladder []string
		calls  string
	}{"sms:" + phone: {[]string{"thief"}, "1"}, "fcm:old": {[]string{"new"}, "0"}, "sms:+77019999999": {nil, "0"}} {
		mother := w.mother(have)
		w.confirms(mother)
		var list []push.Address
		for _, token := range put.ladder {
			list = append(list, push.Address{Kind: push.FCM, Value: token})
		}
		w.in(func(tx *pg.Tx) error { return w.center.SetChannels(t.Context(), tx, w.book(mother), list) })
		w.expect(put.calls, "select count(*)::text from calls where search_id = $1", mother.ID)
	}
}

// Whoever changes a ladder to and fro has us write to the phones on it so often, and no more.
func TestALadderIsChangedSoOften(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mother := w.mother("fcm:hers")
	var refused error
	for i := range 40 {
		list := []push.Address{{Kind: push.FCM, Value: "hers"}, {Kind: push.FCM, Value: fmt.Sprint("other", i%2)}}
		refused = w.db.InTx(t.Context(), func(tx *pg.Tx) error { return w.center.SetChannels(t.Context(), tx, w.book(mother), list) })
		if refused != nil {
			break
		}
	}
	if !fault.Is(refused, "too_many") {
		t.Errorf("%v", refused)
	}
	w.expect("12", "select count(*)::text from notices where kind = 'channels'")
	w.in(func(tx *pg.Tx) error { // whoever only takes out is heard: it may be her, taking out a thief's phone
		return w.center.SetChannels(t.Context(), tx, w.book(mother), []push.Address{{Kind: push.FCM, Value: "hers"}})
	})
	w.expect("13", "select count(*)::text from notices where kind = 'channels'")
	w.db.Clock.Move(time.Hour + time.Minute)
	w.in(func(tx *pg.Tx) error {
		return w.center.SetChannels(t.Context(), tx, w.book(mother), []push.Address{{Kind: push.FCM, Value: "hers"}, {Kind: push.FCM, Value: "another"}})
	})
	w.expect("14", "select count(*)::text from notices where kind = 'channels'")
}
