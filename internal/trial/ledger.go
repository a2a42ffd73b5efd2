package trial

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
)

// spot is an address at a provider: a phone, a browser, a chat, a number, a mailbox.
type spot struct{ kind, address string }

// message is what a provider took: what it would deliver.
type message struct {
	spot
	at     time.Time
	id     string // the same for each attempt at one notice; empty where the provider is told none
	notice string // the notice's id; empty where the provider is not told it
	unsure bool   // whoever sent it cannot know that it was taken: the provider gave no answer, or none that can be read
	says   string // as whoever gets it reads it
}

// way is how news may come. Several may do; with none a row expects it on the first rung.
type way int

const (
	byFirst way = 1 << iota
	byNext      // on a later rung
	byCall      // an operator is asked to call
)

// due is a piece of news that somebody must learn.
type due struct {
	owner      uuid.UUID
	kind       string // of the notice
	ladder     []spot
	everywhere bool      // it must come to every rung
	by         way       // how it is expected to come
	seen       time.Time // when she looked by herself; zero: she did not
	called     bool      // an operator has been asked to call her
	void       bool      // the trial spoilt it so that it says nothing any more
}

// notice is one that the server has made.
type notice struct {
	owner uuid.UUID
	kind  string
}

// ledger is the trial's own book: who must learn what, by the acknowledgements of the server alone, and what came to the providers.
type ledger struct {
	dues     []*due
	messages []message
	notices  map[string]notice  // as the server has them, by id
	died     map[spot]int       // messages that a process had sent and not written down when it was killed: nobody alive can know of them
	left     map[spot]time.Time // addresses that were taken out: nothing may come there any more
	over     time.Time          // when the fault was
	found    []string           // what a row saw by itself and no comparison can: each breaks it
}

// onItsWay is how long what was on the wire when she looked may still come.
const onItsWay = time.Second

func newLedger() *ledger {
	return &ledger{notices: map[string]notice{}, died: map[spot]int{}, left: map[spot]time.Time{}}
}

// figures are a row of the table.
type figures struct {
	due, created        int
	first, next, called int // dues by the first way on which they came: the first rung, a later one, an operator
	seen                int // before anything came
	lost, doubled       int
	ambiguous           int // of those doubled, after an answer that nobody got
	took                time.Duration
	wrong               []string // in words, without addresses
}

// broken tells whether the row says that a promise does not hold.
func (f figures) broken() bool { return f.lost > 0 || f.doubled > f.ambiguous || len(f.wrong) > 0 }

// judge compares what was due with what came.
func judge(l *ledger) figures {
	var f figures
	at := map[spot][]message{}
	whose := l.whose()
	for _, m := range l.messages {
		at[m.spot] = append(at[m.spot], m)
		f.suits(m, l.notices, whose)
		if left, gone := l.left[m.spot]; gone && m.at.After(left) {
			f.wrong = append(f.wrong, fmt.Sprintf("a message %.1f s after its address was taken out (%s)", m.at.Sub(left).Seconds(), m.kind))
		}
	}
	made := map[notice][]string{}
	for id, n := range l.notices {
		made[n] = append(made[n], id)
	}
	for _, d := range l.dues {
		ids := made[notice{d.owner, d.kind}]
		f.weigh(d, ids, at)
		f.afterwards(d, ids, at)
	}
	f.repeats(l, at)
	f.wrong = append(f.wrong, l.found...)
	for _, m := range l.messages {
		if !l.over.IsZero() {
			f.took = max(f.took, m.at.Sub(l.over))
		}
	}
	return f
}

// whose are the owners on whose ladders a spot stands, by the news that is due to them, and what is due there.
func (l *ledger) whose() map[spot][]notice {
	out := map[spot][]notice{}
	for _, d := range l.dues {
		for _, s := range d.ladder {
			out[s] = append(out[s], notice{d.owner, d.kind})
		}
	}
	return out
}

// suits tells whether a message may have come there, and may say what it says.
func (f *figures) suits(m message, notices map[string]notice, whose map[spot][]notice) {
	n, made := notices[m.notice]
	if m.notice != "" && !made {
		f.wrong = append(f.wrong, "a message of a notice that the server does not have ("+m.kind+")")
	}
	hers := whose[m.spot]
	if len(hers) == 0 || made && !slices.ContainsFunc(hers, func(d notice) bool { return d.owner == n.owner }) {
		f.wrong = append(f.wrong, "a message to an address on whose ladder it does not stand ("+m.kind+")")
	}
	may := []string{n.kind}
	if !made { // the provider is told no id: it may say whatever is due there
		may = nil
		for _, d := range hers {
			may = append(may, d.kind)
		}
	}
	if !slices.ContainsFunc(may, func(kind string) bool { return generic(kind, m.says) }) {
		f.wrong = append(f.wrong, "a message that says something else than that there is news ("+m.kind+")")
	}
}

// afterwards finds what came although she had looked: on any rung, but for what was on the wire at that moment.
func (f *figures) afterwards(d *due, ids []string, at map[spot][]message) {
	if d.seen.IsZero() {
		return
	}
	for _, s := range d.ladder {
		for _, m := range at[s] {
			if late := m.at.Sub(d.seen); late > onItsWay && (m.notice == "" || slices.Contains(ids, m.notice)) {
				f.wrong = append(f.wrong, "who had looked was told again afterwards ("+m.kind+")")
			}
		}
	}
}

// weigh decides how one piece of news came.
func (f *figures) weigh(d *due, ids []string, at map[spot][]message) {
	f.due++
	f.created += len(ids)
	if len(ids) > 1 {
		f.doubled += len(ids) - 1 // two notices of one piece of news: no answer excuses that
	}
	came := func(s spot) bool {
		return slices.ContainsFunc(at[s], func(m message) bool { return m.notice == "" || slices.Contains(ids, m.notice) })
	}
	rung := slices.IndexFunc(d.ladder, came)
	missed := 0
	for _, s := range d.ladder {
		if d.everywhere && !came(s) {
			missed++
		}
	}
	switch {
	case d.void:
	case len(ids) == 0:
		f.lost++
		f.wrong = append(f.wrong, "news of which the server made no notice")
	case missed > 0:
		f.lost += missed
	case rung == 0:
		f.first++
		f.expected(d, byFirst)
	case rung > 0:
		f.next++
		f.expected(d, byNext)
	case !d.seen.IsZero():
		f.seen++
	case d.called:
		f.called++
		f.expected(d, byCall)
	default:
		f.lost++
	}
}

// expected holds the way by which news came against what the row says of it: an engine that gives up at once and has everybody called loses nothing.
func (f *figures) expected(d *due, came way) {
	want := d.by
	if want == 0 {
		want = byFirst
	}
	if want&came != 0 {
		return
	}
	name := map[way]string{byFirst: "the first rung", byNext: "a later rung", byCall: "an operator's call"}
	f.wrong = append(f.wrong, fmt.Sprintf("news that came by %s, which was to come by %s", name[came], name[want]))
}

// repeats counts what came more than once to an address, and how much of it is excused there: each time that a message was taken and its answer lost, or its sender
// died before it could write it down, one more may come.
func (f *figures) repeats(l *ledger, at map[spot][]message) {
	expected := map[spot]int{} // where the provider is told no id
	for _, d := range l.dues {
		for _, s := range d.ladder {
			expected[s]++
		}
	}
	for s, all := range at {
		times, unsure := map[string]int{}, l.died[s]
		for _, m := range all {
			times[m.id]++
			if m.unsure {
				unsure++
			}
		}
		more := 0
		for id, n := range times {
			allowed := 1
			if id == "" {
				allowed = expected[s]
			}
			more += max(0, n-allowed)
		}
		f.doubled += more
		f.ambiguous += min(more, unsure)
	}
}

// waiting are the dues of which nothing has come by any way yet.
func (l *ledger) waiting() (out []*due) {
	at := map[spot][]message{}
	for _, m := range l.messages {
		at[m.spot] = append(at[m.spot], m)
	}
	made := map[notice][]string{}
	for id, n := range l.notices {
		made[n] = append(made[n], id)
	}
	for _, d := range l.dues {
		var f figures
		f.weigh(d, made[notice{d.owner, d.kind}], at)
		if f.lost > 0 || len(f.wrong) > 0 { // by another way than it should: that may still come
			out = append(out, d)
		}
	}
	return out
}

// quantile of durations; 0 of none.
func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(all))
	return s[min(len(s)-1, int(q*float64(len(s))))]
}

// tally gives how often each word occurs, the most frequent first.
func tally(words []string) (out []string) {
	n := map[string]int{}
	for _, w := range words {
		n[w]++
	}
	keys := slices.SortedFunc(maps.Keys(n), func(a, b string) int { return cmp.Or(n[b]-n[a], cmp.Compare(a, b)) })
	for _, k := range keys {
		out = append(out, fmt.Sprintf("%d × %s", n[k], k))
	}
	return out
}
