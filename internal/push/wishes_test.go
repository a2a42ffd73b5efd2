package push

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/push/sms/gsm7"
)

func hoursOf(t *testing.T, from, to string) hours {
	t.Helper()
	h, ok := Quiet{From: from, To: to}.parse()
	if !ok {
		t.Fatalf("%s to %s", from, to)
	}
	return h
}

// local is a moment of the first and second of December in Almaty.
func local(day int, at string) time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04:05", "2026-12-0"+string(rune('0'+day))+" "+at, almaty)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}

func TestQuietHoursEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to string
		now, end time.Time // equal: not quiet
	}{
		{"23:00", "07:00", local(1, "22:59:59"), local(1, "22:59:59")},
		{"23:00", "07:00", local(1, "23:00:00"), local(2, "07:00:00")},
		{"23:00", "07:00", local(1, "23:59:59"), local(2, "07:00:00")},
		{"23:00", "07:00", local(2, "00:00:00"), local(2, "07:00:00")},
		{"23:00", "07:00", local(2, "06:59:59"), local(2, "07:00:00")},
		{"23:00", "07:00", local(2, "07:00:00"), local(2, "07:00:00")},
		{"13:00", "14:30", local(1, "12:59:59"), local(1, "12:59:59")},
		{"13:00", "14:30", local(1, "13:00:00"), local(1, "14:30:00")},
		{"13:00", "14:30", local(1, "14:29:59"), local(1, "14:30:00")},
		{"13:00", "14:30", local(1, "14:30:00"), local(1, "14:30:00")},
		{"00:00", "06:00", local(1, "00:00:00"), local(1, "06:00:00")},
		{"22:00", "00:00", local(1, "23:30:00"), local(2, "00:00:00")},
		{"22:00", "00:00", local(2, "00:00:00"), local(2, "00:00:00")},
	} {
		if got := hoursOf(t, c.from, c.to).free(c.now); !got.Equal(c.end) {
			t.Errorf("%s to %s at %v: %v, want %v", c.from, c.to, c.now.In(almaty), got.In(almaty), c.end.In(almaty))
		}
	}
	if now := local(1, "03:00:00"); !(hours{}).free(now).Equal(now) {
		t.Error("no hours are quiet")
	}
	for _, q := range []Quiet{{"23:00", "23:00"}, {"23:00", ""}, {"", "07:00"}, {"24:00", "07:00"}, {"7:00", "08:00"}, {"07:60", "08:00"}, {"00:00", "00:00"}} {
		if _, ok := q.parse(); ok {
			t.Errorf("%+v", q)
		}
	}
	if h := hoursOf(t, "00:00", "07:05"); h.quiet() != (Quiet{"00:00", "07:05"}) {
		t.Errorf("%+v", h.quiet())
	}
}

// Wherever a clock jumps to, within or out of quiet hours, what it says of the end holds: it lies ahead, by less than a day, and is not quiet itself.
func TestQuietHoursStandAClockThatJumps(t *testing.T) {
	t.Parallel()
	start := local(1, "00:00:00")
	for from := 0; from < 1440; from += 95 {
		for to := 5; to < 1440; to += 95 {
			f, o := int16(from), int16(to)
			h := hours{from: &f, to: &o}
			for m := 0; m < 2880; m += 13 {
				now := start.Add(time.Duration(m) * time.Minute)
				end := h.free(now)
				quiet := (m%1440-from+1440)%1440 < (to-from+1440)%1440
				if end.After(now) != quiet || end.Before(now) || end.Sub(now) >= 24*time.Hour || !h.free(end).Equal(end) {
					t.Fatalf("%d to %d at minute %d: %v", from, to, m, end.Sub(now))
				}
			}
		}
	}
}

func TestAnAlarmHeedsNoQuietHours(t *testing.T) {
	t.Parallel()
	night, now := hoursOf(t, "23:00", "07:00"), local(2, "02:00:00")
	for _, kind := range kinds {
		held := step{kind: SMS, about: kind, hours: night}.free(now).After(now)
		if free := kind == Alarm || kind == Timer || kind == Changed || kind == Erased; held == free {
			t.Errorf("%s is held: %v", kind, held)
		}
	}
}

// The ladder in the night: what is given when, and when it climbs on.
func TestTheLadderInTheNight(t *testing.T) {
	t.Parallel()
	now, morning := local(2, "02:00:00"), local(2, "07:00:00")
	rung := func(kind, from, to string) step {
		s := step{kind: kind, about: Match, channel: uuid.New(), family: true}
		if from != "" {
			s.hours = hoursOf(t, from, to)
		}
		return s
	}
	for name, c := range map[string]struct {
		left []step
		told string    // the rung's kinds, and which of them wait
		next time.Time // zero: never
	}{
		"nobody sleeps":                  {[]step{rung(FCM, "", ""), rung(SMS, "", "")}, "fcm", now.Add(5 * time.Minute)},
		"it climbs past who sleeps":      {[]step{rung(FCM, "23:00", "07:00"), rung(SMS, "", "")}, "fcm waits", now.Add(5 * time.Minute)},
		"all sleep until then":           {[]step{rung(FCM, "23:00", "07:00"), rung(SMS, "22:00", "07:00")}, "fcm waits", morning.Add(5 * time.Minute)},
		"the next wakes earlier":         {[]step{rung(FCM, "23:00", "09:00"), rung(SMS, "23:00", "07:00")}, "fcm waits", morning},
		"the next sleeps on":             {[]step{rung(FCM, "23:00", "07:00"), rung(SMS, "23:00", "09:00")}, "fcm waits", morning.Add(5 * time.Minute)},
		"one of a rung is awake":         {[]step{rung(FCM, "23:00", "07:00"), rung(WebPush, "", ""), rung(SMS, "23:00", "07:00")}, "fcm waits webpush", now.Add(5 * time.Minute)},
		"nobody is called in the night":  {[]step{rung(Call, "23:00", "07:00")}, "", morning},
		"others before a call that may":  {[]step{rung(Call, "23:00", "07:00"), rung(SMS, "", "")}, "sms", now.Add(10 * time.Minute)},
		"a call that nobody wished away": {[]step{rung(Call, "", "")}, "call", time.Time{}},
		"the last":                       {[]step{rung(SMS, "23:00", "07:00")}, "sms waits", time.Time{}},
		"the night ends before patience": {[]step{rung(FCM, "23:00", "02:02"), rung(SMS, "", "")}, "fcm waits", now.Add(2*time.Minute + 5*time.Minute)},
	} {
		got, next := (&Center{}).turn(c.left, now)
		var told []string
		for _, s := range got {
			told = append(told, s.kind)
			if s.from(now) != nil {
				told = append(told, "waits")
			}
		}
		if said := strings.Join(told, " "); said != c.told || !next.Equal(c.next) {
			t.Errorf("%s: %q, climbs at %v, want %q at %v", name, said, next.In(almaty), c.told, c.next.In(almaty))
		}
	}
}

// By policy of the server a family's news waits a random moment; a retraction, and people on duty, do not.
func TestOnlyAFamilysNewsIsDelayed(t *testing.T) {
	t.Parallel()
	now, c := local(1, "12:00:00"), &Center{delay: time.Minute}
	for _, kind := range kinds {
		for _, family := range []bool{true, false} {
			var most time.Duration
			for range 200 {
				d := c.later(step{kind: FCM, about: kind, family: family}, now).Sub(now)
				if d < 0 || d >= time.Minute {
					t.Fatalf("%s waits %v", kind, d)
				}
				most = max(most, d)
			}
			if waits := family && (kind == Match || kind == Update); waits != (most > 0) {
				t.Errorf("%s, family %v: up to %v", kind, family, most)
			}
		}
	}
	if d := (&Center{}).later(step{kind: FCM, about: Match, family: true}, now); !d.Equal(now) {
		t.Error("delayed without a policy")
	}
}

// Whoever has no app is not told to open it, and each sentence fits one SMS in each language, in Cyrillic as in Latin letters.
func TestWordsForWhoHasNoApp(t *testing.T) {
	t.Parallel()
	all, shorts, err := loadTexts()
	if err != nil {
		t.Fatal(err)
	}
	for _, hotline := range []string{"", "+7 727 123 45 67", "+77271234567"} {
		c := &Center{texts: all, short: shorts, hotline: hotline}
		for _, l := range languages {
			for _, kind := range familyKinds {
				for _, channel := range []string{SMS, Telegram, Email} {
					for _, latin := range []bool{false, true} {
						p := &pending{channelKind: channel, latin: latin, Notice: Notice{Kind: kind, Language: l, Owner: Owner{Kind: SearchOwner}}}
						got, err := c.wording(t.Context(), nil, p)
						if err != nil || got.body == all[l][kind].body || got.title == "" || hotline != "" && !strings.Contains(got.body, hotline) {
							t.Errorf("%s %s by %s: %q, %v", l, kind, channel, got.body, err)
						}
						if _, err := gsm7.Fit(got.body, latin); channel == SMS && err != nil && l != "en" {
							t.Errorf("%s %s, latin %v: %q: %v", l, kind, latin, got.body, err)
						}
					}
				}
				for _, channel := range []string{FCM, WebPush} {
					p := &pending{channelKind: channel, Notice: Notice{Kind: kind, Language: l, Owner: Owner{Kind: SearchOwner}}}
					if got, _ := c.wording(t.Context(), nil, p); got != all[l][kind] {
						t.Errorf("%s %s by %s: %q", l, kind, channel, got.body)
					}
				}
			}
			p := &pending{channelKind: SMS, Notice: Notice{Kind: Offer, Language: l, Owner: Owner{Kind: AccountOwner}}}
			if got, _ := c.wording(t.Context(), nil, p); got != all[l][Offer] {
				t.Errorf("a lawyer reads %q", got.body)
			}
		}
	}
}
