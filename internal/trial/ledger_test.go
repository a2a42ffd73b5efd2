package trial

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// A comparison that finds nothing wrong must be able to: whatever is planted in a good ledger, it tells.
func TestTheComparisonTellsWhatIsPlanted(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	phone := func(s string) spot { return spot{"fcm", s} }
	good := func() *ledger {
		l := newLedger()
		l.over = end
		for i, who := range []string{"a", "b", "c", "d", "e"} {
			d := &due{owner: uuid.New(), kind: "match", ladder: []spot{phone(who), {"sms", who}}}
			id := uuid.NewString()
			l.dues, l.notices[id] = append(l.dues, d), notice{d.owner, "match"}
			switch who {
			case "c":
				l.messages = append(l.messages, message{spot: d.ladder[1], at: end.Add(2 * time.Second), id: id + "-x", notice: id})
			case "d":
				d.called = true
			case "e":
				d.seen = true
			default:
				l.messages = append(l.messages, message{spot: d.ladder[0], at: end.Add(time.Duration(i) * time.Second), id: id, notice: id})
			}
		}
		return l
	}
	f := judge(good())
	if f.broken() || f.due != 5 || f.created != 5 || f.first != 2 || f.next != 1 || f.called != 1 || f.seen != 1 || f.took != 2*time.Second {
		t.Fatalf("a good ledger: %+v", f)
	}
	for what, p := range map[string]struct {
		plant func(l *ledger)
		want  func(f figures) bool
	}{
		"a message that never came":      {func(l *ledger) { l.messages = l.messages[1:] }, func(f figures) bool { return f.lost == 1 }},
		"a notice that was never made":   {func(l *ledger) { delete(l.notices, l.messages[0].notice) }, func(f figures) bool { return f.lost == 1 && len(f.wrong) == 2 }},
		"two notices of one news":        {func(l *ledger) { l.notices[uuid.NewString()] = notice{l.dues[0].owner, "match"} }, func(f figures) bool { return f.doubled == 1 && f.ambiguous == 0 }},
		"an operator who was not asked":  {func(l *ledger) { l.dues[3].called = false }, func(f figures) bool { return f.lost == 1 }},
		"a rung that was left out":       {func(l *ledger) { l.dues[0].everywhere = true }, func(f figures) bool { return f.lost == 1 }},
		"a message of an unknown notice": {func(l *ledger) { l.messages[0].notice = "?" }, func(f figures) bool { return f.lost == 1 && len(f.wrong) == 1 }},
		"a message after she left": {func(l *ledger) { l.left[phone("a")] = end.Add(-time.Second) },
			func(f figures) bool { return len(f.wrong) == 1 && strings.Contains(f.wrong[0], "taken out") }},
		"a message that came twice": {func(l *ledger) { l.messages = append(l.messages, l.messages[0]) }, func(f figures) bool { return f.doubled == 1 && f.ambiguous == 0 }},
		"an answer that was not lost excuses nothing": {func(l *ledger) {
			l.messages = append(l.messages, l.messages[0])
			l.messages[1].unsure, l.died[phone("b")] = true, 1
		}, func(f figures) bool { return f.doubled == 1 && f.ambiguous == 0 }},
		"three for one lost answer": {func(l *ledger) {
			l.messages[0].unsure = true
			again := l.messages[0]
			again.unsure = false
			l.messages = append(l.messages, again, again)
		}, func(f figures) bool { return f.doubled == 2 && f.ambiguous == 1 }},
		"twice where no id is told": {func(l *ledger) {
			l.messages[0].id, l.messages[0].notice = "", ""
			l.messages = append(l.messages, l.messages[0])
		}, func(f figures) bool { return f.doubled == 1 && f.ambiguous == 0 }},
	} {
		l := good()
		p.plant(l)
		if f := judge(l); !f.broken() || !p.want(f) {
			t.Errorf("%s: %+v", what, f)
		}
	}
	for what, p := range map[string]func(l *ledger){
		"twice after a lost answer": func(l *ledger) {
			l.messages = append(l.messages, l.messages[0])
			l.messages[0].unsure = true
		},
		"twice after its sender died": func(l *ledger) {
			l.messages = append(l.messages, l.messages[0])
			l.died[phone("a")] = 1
		},
	} {
		l := good()
		p(l)
		if f := judge(l); f.broken() || f.doubled != 1 || f.ambiguous != 1 {
			t.Errorf("%s: %+v", what, f)
		}
	}
}
