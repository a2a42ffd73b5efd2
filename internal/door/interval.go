package door

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Status is what a lawyer found at the door.
type Status string

// The statuses. Fortress is a refusal for which a plan of that name was given as the reason. Unknown is never reported: it is what is left
// when nobody has said anything for twelve hours.
const (
	Open     Status = "open"
	Delayed  Status = "delayed"
	Refused  Status = "refused"
	Fortress Status = "fortress"
	Unknown  Status = "unknown"
)

var statuses = []Status{Open, Delayed, Refused, Fortress}

// contradicts: one lawyer is let in while another is not. That one waits and another is sent away are two ways of being kept out.
func (s Status) contradicts(o Status) bool { return s != o && (s == Open || o == Open) }

// vouched is how long a statement without an end holds, at most: until the same lawyer speaks again, and for the state of a door. Our
// judgement, no norm: a shift at a door is shorter.
const vouched = 12 * time.Hour

// Interval is a time for which at least one lawyer said the same of a door. Both ends belong to it: what somebody saw at one moment is an
// interval without length. OpenEnded: nobody has said that it ended; To is then the last moment somebody spoke for.
type Interval struct {
	Status    Status
	From, To  time.Time
	OpenEnded bool
	Reports   []Report // by their beginning
	Waits     []Wait   // each lawyer's own time at a door that was not open
	Against   []Against
}

// Wait is the time for which a lawyer spoke, without a gap.
type Wait struct {
	Lawyer   uuid.UUID
	From, To time.Time
}

// Against is a time for which another statement says what cannot be true of the same door together with this one.
type Against struct {
	Status   Status
	From, To time.Time
}

// stretch is the time that one report speaks for.
type stretch struct {
	Report
	to   time.Time
	open bool
}

// byTime orders reports by what they say, never by how they came.
func byTime(a, b Report) int {
	return cmp.Or(a.Since.Compare(b.Since), a.RecordedAt.Compare(b.RecordedAt), slices.Compare(a.ID[:], b.ID[:]))
}

// standing leaves out what its own author has replaced.
func standing(reports []Report) []Report {
	type replaced struct{ id, lawyer uuid.UUID }
	gone := map[replaced]bool{}
	for _, r := range reports {
		if r.Supersedes != nil {
			gone[replaced{*r.Supersedes, r.Lawyer}] = true
		}
	}
	out := slices.DeleteFunc(slices.Clone(reports), func(r Report) bool { return gone[replaced{r.ID, r.Lawyer}] })
	slices.SortFunc(out, byTime)
	return out
}

// stretches gives each standing report its time: until what it says itself; else until the same lawyer speaks again; else until it was
// written down. A silence of more than twelve hours says nothing: who reports from paper days later did not stand there for days.
func stretches(reports []Report) []stretch {
	list := standing(reports)
	out := make([]stretch, len(list))
	for i, r := range list {
		s := stretch{Report: r}
		at := slices.IndexFunc(list[i+1:], func(o Report) bool { return o.Lawyer == r.Lawyer })
		switch {
		case r.Until != nil:
			s.to = *r.Until
		case at >= 0 && list[i+1+at].Since.Sub(r.Since) <= vouched:
			s.to = list[i+1+at].Since
		default:
			s.open = true
			s.to = r.RecordedAt
			if latest := r.Since.Add(vouched); s.to.After(latest) {
				s.to = latest
			}
		}
		if s.to.Before(r.Since) {
			s.to = r.Since
		}
		out[i] = s
	}
	return out
}

// Intervals derives what was said of one door from the reports about it. The order in which they came does not count. Reports of one
// status that overlap or touch are one interval, whoever made them. What contradicts stays side by side: nothing is averaged, and nobody
// is outvoted.
func Intervals(reports []Report) []Interval {
	var out []Interval
	for _, status := range statuses {
		var now *Interval
		for _, s := range stretches(reports) { // by their beginning
			if s.Status != status {
				continue
			}
			if now == nil || s.Since.After(now.To) {
				out = append(out, Interval{Status: status, From: s.Since, To: s.Since})
				now = &out[len(out)-1]
			}
			now.take(s)
		}
	}
	slices.SortStableFunc(out, func(a, b Interval) int { return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To)) })
	for i := range out {
		for j := range out {
			if a, yes := out[i].against(out[j]); yes {
				out[i].Against = append(out[i].Against, a)
			}
		}
	}
	return out
}

// take adds a report that begins within the interval.
func (v *Interval) take(s stretch) {
	v.Reports = append(v.Reports, s.Report)
	switch {
	case s.to.After(v.To):
		v.To, v.OpenEnded = s.to, s.open
	case s.to.Equal(v.To):
		v.OpenEnded = s.open || v.OpenEnded && len(v.Reports) > 1
	}
	if v.Status == Open {
		return
	}
	at := slices.IndexFunc(v.Waits, func(w Wait) bool { return w.Lawyer == s.Lawyer && !s.Since.After(w.To) })
	if at < 0 {
		v.Waits = append(v.Waits, Wait{Lawyer: s.Lawyer, From: s.Since, To: s.to})
	} else if s.to.After(v.Waits[at].To) {
		v.Waits[at].To = s.to
	}
}

// against says when both cannot be true. That one ends in the moment in which the other begins is no contradiction; a single moment
// within the other, or the same moment twice, is.
func (v Interval) against(o Interval) (Against, bool) {
	if !v.Status.contradicts(o.Status) {
		return Against{}, false
	}
	a := Against{Status: o.Status, From: later(v.From, o.From), To: earlier(v.To, o.To)}
	within := func(i Interval) bool { return i.From.Before(a.From) && a.From.Before(i.To) }
	both := v.From.Equal(v.To) && o.From.Equal(o.To)
	switch {
	case a.To.After(a.From):
		return a, true
	case a.To.Equal(a.From):
		return a, both || within(v) || within(o)
	}
	return a, false
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// State is how a door stands by the newest word. AsOf is when that was said; Since is when it began. Contradicted: another lawyer's last
// word, not older than twelve hours, says otherwise.
type State struct {
	Status       Status
	Since, AsOf  *time.Time
	Contradicted bool
}

// StateOf reads the state of a door: the newest word of anybody, for twelve hours. A statement that gives its own end says nothing of the
// time after it.
func StateOf(reports []Report, now time.Time) State {
	last := map[uuid.UUID]stretch{} // of each lawyer
	for _, s := range stretches(reports) {
		if !s.Since.After(now) {
			last[s.Lawyer] = s
		}
	}
	words := make([]stretch, 0, len(last))
	for _, s := range last {
		if s.Until == nil {
			s.to = later(s.Since, earlier(s.RecordedAt, s.Since.Add(vouched)))
		}
		words = append(words, s)
	}
	if len(words) == 0 {
		return State{Status: Unknown}
	}
	slices.SortFunc(words, func(a, b stretch) int { return cmp.Or(b.to.Compare(a.to), byTime(b.Report, a.Report)) })
	stands := func(s stretch) bool {
		return now.Sub(s.to) < vouched && (s.Until == nil || s.Until.After(now))
	}
	newest := words[0]
	asOf := earlier(newest.to, later(newest.Since, now.Truncate(asOfEvery)))
	if !stands(newest) {
		return State{Status: Unknown, AsOf: &asOf}
	}
	out := State{Status: newest.Status, Since: &newest.Since, AsOf: &asOf}
	for _, v := range Intervals(reports) {
		if v.Status == newest.Status && slices.ContainsFunc(v.Reports, func(r Report) bool { return r.ID == newest.ID }) {
			out.Since = &v.From
		}
	}
	out.Contradicted = slices.ContainsFunc(words[1:], func(s stretch) bool { return stands(s) && s.Status.contradicts(newest.Status) })
	return out
}

// asOfEvery is by what steps AsOf moves on while somebody vouches for a door up to a time that is still to come: whoever looks twice within a minute sees the same.
const asOfEvery = time.Minute

// Turns gives when StateOf next says something else of these reports, if nobody says more. Zero: never.
func Turns(reports []Report, now time.Time) (next time.Time) {
	for _, s := range stretches(reports) {
		turns := []time.Time{s.Since}
		if s.Until == nil {
			turns = append(turns, later(s.Since, earlier(s.RecordedAt, s.Since.Add(vouched))).Add(vouched))
		} else {
			turns = append(turns, *s.Until, s.to.Add(vouched))
		}
		if s.to.After(now) && !s.Since.After(now) {
			turns = append(turns, now.Truncate(asOfEvery).Add(asOfEvery))
		}
		for _, t := range turns {
			if t.After(now) && (next.IsZero() || t.Before(next)) {
				next = t
			}
		}
	}
	return next
}
