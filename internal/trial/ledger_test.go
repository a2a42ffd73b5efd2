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
	const news = "Қорғау\nЕсть новости. Откройте приложение."
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
				l.messages = append(l.messages, message{spot: d.ladder[1], at: end.Add(2 * time.Second), id: id + "-x", notice: id, says: news})
				d.by = byNext
			case "d":
				d.called, d.by = true, byCall
			case "e":
				d.seen = end.Add(-time.Second)
			default:
				l.messages = append(l.messages, message{spot: d.ladder[0], at: end.Add(time.Duration(i) * time.Second), id: id, notice: id, says: news})
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
		"a message that never came":     {func(l *ledger) { l.messages = l.messages[1:] }, func(f figures) bool { return f.lost == 1 }},
		"a notice that was never made":  {func(l *ledger) { delete(l.notices, l.messages[0].notice) }, func(f figures) bool { return f.lost == 1 && len(f.wrong) >= 2 }},
		"two notices of one news":       {func(l *ledger) { l.notices[uuid.NewString()] = notice{l.dues[0].owner, "match"} }, func(f figures) bool { return f.doubled == 1 && f.ambiguous == 0 }},
		"an operator who was not asked": {func(l *ledger) { l.dues[3].called = false }, func(f figures) bool { return f.lost == 1 }},
		"a rung that was left out":      {func(l *ledger) { l.dues[0].everywhere = true }, func(f figures) bool { return f.lost == 1 }},
		"a message of an unknown notice": {func(l *ledger) { l.messages[0].notice = "?" }, func(f figures) bool {
			return f.lost == 1 && len(f.wrong) == 1 && strings.Contains(f.wrong[0], "does not have")
		}},
		"what a row saw": {func(l *ledger) { l.found = []string{"not by itself"} }, func(f figures) bool { return len(f.wrong) == 1 }},
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

// What comes too late, to the wrong address, by another way than the row is about, or with other words than it may have is wrong, although nothing is lost and nothing double.
func TestTheComparisonTellsWhatShouldNotHaveCome(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	const news = "Қорғау\nЕсть новости. Откройте приложение."
	type world struct {
		*ledger
		due *due
		id  string
	}
	for what, p := range map[string]struct {
		plant func(w *world)
		wants string // in what is wrong; empty: nothing is
	}{
		"nothing": {func(w *world) {}, ""},
		"she had looked, and both rungs rang afterwards": {func(w *world) {
			w.due.seen = end.Add(-time.Minute)
			w.messages = append(w.messages, message{spot: w.due.ladder[1], at: end.Add(time.Minute), id: w.id + "-x", notice: w.id, says: news})
		}, "had looked"},
		"she had looked, and it was on the wire": {func(w *world) { w.due.seen = end.Add(-onItsWay / 2) }, ""},
		"she looked afterwards":                  {func(w *world) { w.due.seen = end.Add(time.Second) }, ""},
		"she had looked, and a chat rang that is told no id": {func(w *world) {
			w.due.seen = end.Add(-time.Minute)
			w.messages[0].id, w.messages[0].notice = "", ""
		}, "had looked"},
		"nothing was ever sent, an operator is asked": {func(w *world) { w.messages, w.due.called = nil, true }, "an operator's call"},
		"the second rung instead of the first":        {func(w *world) { w.messages[0].spot = w.due.ladder[1] }, "a later rung"},
		"the first rung where it was to be dead":      {func(w *world) { w.due.by = byNext }, "the first rung"},
		"it came to a stranger's phone, too": {func(w *world) {
			m := w.messages[0]
			m.spot.address = "somebody else's"
			w.messages = append(w.messages, m)
		}, "does not stand"},
		"it came to another relative's phone, too": {func(w *world) {
			other := &due{owner: uuid.New(), kind: "match", ladder: []spot{{"fcm", "other"}}, seen: end}
			w.dues, w.notices[uuid.NewString()] = append(w.dues, other), notice{other.owner, "match"}
			m := w.messages[0]
			m.spot = other.ladder[0]
			w.messages = append(w.messages, m)
		}, "does not stand"},
		"it says a name": {func(w *world) {
			w.messages[0].says = "Қорғау\nЕсть новости о Сандуғаш. Откройте приложение."
		}, "something else"},
		"it says nothing":                {func(w *world) { w.messages[0].says = "" }, "something else"},
		"it says what another kind says": {func(w *world) { w.messages[0].says = "Есть новые сведения." }, "something else"},
		"it says where to call": {func(w *world) {
			w.messages[0].says = "Қорғау: Есть новости. Звоните: " + hotline
		}, ""},
		"it says it in a chat": {func(w *world) {
			w.messages[0].notice, w.messages[0].says = "", "Қорғау\n\nЕсть новости."
		}, ""},
		"it says a place in a chat": {func(w *world) {
			w.messages[0].notice, w.messages[0].says = "", "Қорғау\n\nЕсть новости. Место: УП Алмалы."
		}, "something else"},
	} {
		w := &world{ledger: newLedger(), due: &due{owner: uuid.New(), kind: "match", ladder: []spot{{"fcm", "a"}, {"sms", "a"}}}, id: uuid.NewString()}
		w.over, w.dues, w.notices[w.id] = end, []*due{w.due}, notice{w.due.owner, "match"}
		w.messages = []message{{spot: w.due.ladder[0], at: end, id: w.id, notice: w.id, says: news}}
		p.plant(w)
		f := judge(w.ledger)
		if f.lost > 0 || f.doubled > 0 || f.broken() != (p.wants != "") || p.wants != "" && !strings.Contains(strings.Join(f.wrong, "; "), p.wants) {
			t.Errorf("%s: %+v", what, f)
		}
	}
}
