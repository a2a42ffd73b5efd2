package push_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

var night = push.Wishes{Quiet: push.Quiet{From: "23:00", To: "07:00"}}

// until moves the clock on to the next such time in Almaty.
func (w *world) until(at string) {
	w.t.Helper()
	zone := time.FixedZone("UTC+5", 5*60*60)
	now := w.db.Now().In(zone)
	clock, err := time.Parse("15:04", at)
	must(w.t, err)
	then := time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), 0, 0, zone)
	if !then.After(now) {
		then = then.AddDate(0, 0, 1)
	}
	w.db.Clock.Move(then.Sub(now))
}

// wakes has what waits looked at: River goes by a clock of its own.
func (w *world) wakes() {
	w.t.Helper()
	w.exec("update river_job set state = 'available', scheduled_at = now() where state = 'scheduled' and kind = 'push_deliver'")
	w.soonIs("0", "select count(*)::text from river_job where kind = 'push_deliver' and state in ('available', 'running')")
}

// newsTo is what an address was sent, but for codes.
func (w *world) newsTo(address string) (out []push.Message) {
	for _, m := range w.provider.to(address) {
		if m.Kind != "code" {
			out = append(out, m)
		}
	}
	return out
}

func (w *world) puts(p person, list ...push.Address) {
	w.t.Helper()
	w.in(func(tx *pg.Tx) error { return w.center.SetChannels(context.Background(), tx, w.book(p), list) })
	w.confirms(p)
}

// At night the phone that asked for it is left alone, whoever wakes its job, and whatever the clock does; the ladder climbs on past it, and in the morning it rings.
func TestQuietHoursAreKeptAndClimbedPast(t *testing.T) {
	t.Parallel()
	w := newWorld(t, daysAhead).work()
	w.until("22:59")
	mother := w.mother()
	w.puts(mother, push.Address{Kind: push.FCM, Value: "hers", Wishes: night}, push.Address{Kind: push.SMS, Value: "87011234567"})
	early := w.tell(w.match(mother))[0]
	w.soonIs("fcm:accepted", rungs, early)
	w.until("02:00")
	id := w.tell(w.match(mother))[0]
	w.expect("fcm:pending", rungs, id)
	w.expect("07:00", "select to_char(not_before at time zone interval '5 hours', 'HH24:MI') from deliveries where notice_id = $1", id)
	sent := len(w.provider.to("hers"))
	for _, jump := range []time.Duration{0, time.Hour, -2 * time.Hour, time.Hour} { // 02:00, 03:00, 01:00, 02:00
		w.db.Clock.Move(jump)
		w.wakes()
		if n := len(w.provider.to("hers")); n != sent {
			t.Fatalf("the phone rings at night, at %v", w.db.Now())
		}
	}
	if wait, err := push.Progress(t.Context(), w.db.DB); err != nil || wait.Untried != 0 {
		t.Errorf("what sleeps looks forgotten: %+v, %v", wait, err)
	}
	w.later(5 * time.Minute)
	w.soonIs("fcm:pending sms:accepted", rungs, id)
	w.until("07:00")
	w.wakes()
	w.soonIs("fcm:accepted sms:accepted", rungs, id)
}

// A delivery that was given before the night, and could not be handed over, waits for its end as well.
func TestAnAttemptThatIsRepeatedKeepsQuietHours(t *testing.T) {
	t.Parallel()
	w := newWorld(t, daysAhead).work()
	w.until("22:59")
	mother := w.mother()
	w.puts(mother, push.Address{Kind: push.FCM, Value: "hers", Wishes: night})
	w.provider.answers("hers", push.Result{Outcome: push.Retry, RetryAfter: time.Hour, Code: "unavailable"})
	id := w.tell(w.match(mother))[0]
	w.soonIs("1", "select attempts::text from deliveries where notice_id = $1", id)
	w.until("23:30")
	w.wakes()
	if n := len(w.provider.to("hers")); n != 1 {
		t.Fatalf("%d attempts", n)
	}
	w.until("07:00")
	w.wakes()
	w.soonIs("fcm:accepted", rungs, id)
}

// An operator calls when the number's night is over, and not before; a number without one is called at once.
func TestNobodyIsCalledInTheNight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, daysAhead)
	w.until("02:00")
	mother, father := w.mother(), w.mother("call:87017654321")
	w.puts(mother, push.Address{Kind: push.Call, Value: "87011112233", Wishes: night})
	ids := w.tell(w.match(mother), w.match(father))
	w.expect("1", "select count(*)::text from calls")
	w.expect("1", "select count(*)::text from calls where search_id = $1", father.ID)
	w.later(4 * time.Hour)
	w.expect("1", "select count(*)::text from calls")
	w.until("07:00")
	w.later(0)
	w.expect("1", "select count(*)::text from calls where search_id = $1", mother.ID)
	w.expect("0", "select count(*)::text from notices where id = any($1) and climb_at < 'infinity'", ids)
}

// Who is in danger, and who just changed a ladder, does not wait for the morning; nor does the code that she asked for.
func TestWhatNoQuietHoursHold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, daysAhead).work()
	w.until("02:00")
	lawyer := w.staff("lawyer", "")
	w.puts(lawyer, push.Address{Kind: push.FCM, Value: "lawyer", Wishes: night})
	of := func(kind string) push.Notice {
		id := uuid.New()
		return push.Notice{Organisation: w.organisation, Kind: kind, SubjectKind: "dispatch", Subject: id, Turn: id, Owner: lawyer.Owner, Language: "ru"}
	}
	for kind, want := range map[string]string{push.Alarm: "fcm:accepted", push.Timer: "fcm:accepted", push.Offer: "fcm:pending", push.Shift: "fcm:pending"} {
		w.soonIs(want, rungs, w.tell(of(kind))[0])
	}
	mother := w.mother()
	w.puts(mother, push.Address{Kind: push.FCM, Value: "hers", Wishes: night})
	w.in(func(tx *pg.Tx) error {
		return w.center.SetChannels(context.Background(), tx, w.book(mother), []push.Address{{Kind: push.FCM, Value: "hers", Wishes: night}, {Kind: push.SMS, Value: phone, Wishes: night}})
	})
	w.codeTo(phone, 1)
	w.soon("she hears that her ladder was changed", func() bool {
		m := w.provider.to("hers")
		return len(m) == 1 && m[0].Kind == push.Changed
	})
}

// Whoever holds her secret could hush her phones, or have a department sent to a number: the ladder says so. That an SMS is to be in Latin is nobody's news.
func TestTheOthersHearThatOneWasHushed(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	mother := w.mother()
	changes := func() int {
		w.soonIs("0", "select count(*)::text from river_job where state in ('available', 'running')")
		n := 0
		for _, m := range w.provider.to("hers") {
			if m.Kind == push.Changed {
				n++
			}
		}
		return n
	}
	ladder := func(wishes push.Wishes) {
		w.puts(mother, push.Address{Kind: push.FCM, Value: "hers"}, push.Address{Kind: push.SMS, Value: phone, Wishes: wishes})
	}
	ladder(push.Wishes{})
	for i, c := range []struct {
		wishes push.Wishes
		more   int
	}{
		{push.Wishes{}, 0}, {push.Wishes{Latin: true}, 0}, {night, 1}, {night, 0}, {push.Wishes{}, 0}, {push.Wishes{Place: true}, 1}, {push.Wishes{Place: true}, 0}, {push.Wishes{}, 0},
	} {
		before := changes()
		ladder(c.wishes)
		if got := changes() - before; got != c.more {
			t.Errorf("the %dth: told %d times, want %d", i+1, got, c.more)
		}
		if got := w.channel(mother, push.SMS).Wishes; got != c.wishes {
			t.Errorf("the %dth: %+v, want %+v", i+1, got, c.wishes)
		}
	}
}

func TestWishesThatDoNotFit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mother, lawyer := w.mother(), w.staff("lawyer", "")
	for _, c := range []struct {
		who     person
		a       push.Address
		pointer string
	}{
		{mother, push.Address{Kind: push.FCM, Value: "x", Wishes: push.Wishes{Quiet: push.Quiet{From: "07:00", To: "07:00"}}}, "/channels/0/quiet out_of_range"},
		{mother, push.Address{Kind: push.FCM, Value: "x", Wishes: push.Wishes{Latin: true}}, "/channels/0/latin not_allowed"},
		{mother, push.Address{Kind: push.Call, Value: phone, Wishes: push.Wishes{Place: true}}, "/channels/0/place not_allowed"},
		{lawyer, push.Address{Kind: push.SMS, Value: phone, Wishes: push.Wishes{Place: true}}, "/channels/0/place not_allowed"},
	} {
		err := w.db.InTx(t.Context(), func(tx *pg.Tx) error {
			return w.center.SetChannels(t.Context(), tx, w.book(c.who), []push.Address{c.a})
		})
		f := fault.As(err)
		if f == nil || len(f.Fields) != 1 || f.Fields[0].Pointer+" "+f.Fields[0].Code != c.pointer {
			t.Errorf("%v, want %s", err, c.pointer)
		}
	}
}

// A department goes into an SMS where she wants it, where it is known, and where it fits; the shorter form before none, and never into another channel.
func TestThePlaceInAnSMS(t *testing.T) {
	t.Parallel()
	w := newWorld(t).work()
	places := []string{}
	w.center.TellPlaces(func(context.Context, *pg.Tx, push.Notice) ([]string, error) { return places, nil })
	mother := w.mother()
	w.puts(mother, push.Address{Kind: push.SMS, Value: phone, Wishes: push.Wishes{Place: true}})
	const long, brief = "Управление полиции Алмалинского района города Алматы, Алматы", "УП Алмалинского р-на"
	for i, c := range []struct {
		places []string
		latin  bool
		want   string
	}{
		{[]string{long, brief}, false, brief}, {[]string{long, brief}, true, long}, {nil, false, ""}, {[]string{long}, false, ""},
	} {
		places = c.places
		w.puts(mother, push.Address{Kind: push.SMS, Value: phone, Wishes: push.Wishes{Place: true, Latin: c.latin}})
		n := w.match(mother)
		n.Language = "ru"
		id := w.tell(n)[0]
		w.soonIs("sms:accepted", rungs, id)
		sent := w.newsTo(phone)
		m := sent[len(sent)-1]
		if m.Latin != c.latin || !strings.HasPrefix(m.Body, "Есть новости.") || c.want != "" && !strings.Contains(m.Body, c.want+".") || c.want == "" && strings.Contains(m.Body, "Место") {
			t.Errorf("the %dth: %q", i+1, m.Body)
		}
	}
	back := w.match(mother)
	back.Kind, places = push.Retraction, []string{brief}
	w.soonIs("sms:accepted", rungs, w.tell(back)[0])
	for _, m := range w.newsTo(phone)[4:] {
		if strings.Contains(m.Body, brief) {
			t.Errorf("%s says %q", m.Kind, m.Body)
		}
	}
}
