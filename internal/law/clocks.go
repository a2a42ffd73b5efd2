package law

import (
	"slices"
	"strings"
	"time"
)

// facts is a case with what is read off it once for all limits.
type facts struct {
	Case
	now      time.Time
	regime   Regime
	regimes  []Regime // every one that it was under
	charge   string
	changed  bool      // the charge
	arrest   int       // days, as the last court said
	liberty  time.Time // when it was really restricted
	sureness Certainty
	views    map[Regime]*facts
}

// start is when a limit begins to run.
type start struct {
	at   time.Time
	sure Certainty
}

// starts maps starts_at_event to the events of domain.md that start it, each time that it starts, in order. Not begun: none.
var starts = map[string]func(*facts) []start{
	"liberty_actually_restricted": (*facts).restricted,
	"detained":                    (*facts).restricted, // whatever the paper says
	// Delivery counts into the term (CPC 129(2)), so it starts with liberty, too, if that is known; arrival bounds it otherwise.
	"delivered":                         (*facts).delivered,
	"delivery_ended":                    each("arrived"),
	"protocol_drawn":                    first("protocol_drawn"),
	"placed_or_moved":                   each("moved"),
	"sobriety_certified_by_medic":       first("sobriety_certified"),
	"request_made":                      each("request_made"),
	"search_done":                       each("searched"),
	"complaint_handed_in":               each("complaint_filed"),
	"appointment_order_received_by_bar": first("counsel_appointed"),
	"court_order":                       each("sentenced"),
	"released":                          each("released"),
}

func first(kind string) func(*facts) []start {
	return func(f *facts) []start {
		if all := each(kind)(f); len(all) > 0 {
			return all[:1]
		}
		return nil
	}
}

// each starts anew with every event of that kind: the duty to say where somebody is now does not end the one to have said where they were.
func each(kind string) func(*facts) []start {
	return func(f *facts) []start {
		var out []start
		for _, e := range f.Events {
			switch {
			case e.Kind != kind:
			case e.At.IsZero(): // nobody said when: not before liberty was restricted
				out = append(out, start{f.liberty, Earliest})
			default:
				out = append(out, start{e.At, e.Certainty})
			}
		}
		return out
	}
}

func (f *facts) restricted() []start { return []start{{f.liberty, f.sureness}} }

func (f *facts) delivered() []start {
	arrived := first("arrived")(f)
	switch {
	case len(arrived) > 0 && f.liberty.After(arrived[0].at):
		return arrived
	case len(arrived) > 0, f.regime == Criminal:
		return f.restricted()
	}
	return nil
}

// of gives the case as a limit of that regime reads it. A protocol is drawn under one procedure: the one of an administrative case neither meets
// nor starts what the other asks for, whatever the case becomes later.
func (f *facts) of(r Regime) *facts {
	if !r.procedure() || !slices.ContainsFunc(f.Events, func(e Event) bool { return e.Kind == "protocol_drawn" }) {
		return f
	}
	if f.views == nil {
		f.views = map[Regime]*facts{}
	}
	if f.views[r] == nil {
		view := *f
		view.Events = nil
		under := f.regimes[0]
		for _, e := range f.Events {
			if e.Regime != "" {
				under = e.Regime
			}
			if e.Kind != "protocol_drawn" || under == r {
				view.Events = append(view.Events, e)
			}
		}
		f.views[r] = &view
	}
	return f.views[r]
}

// read takes from the case what every limit asks for.
func read(c Case, now time.Time) *facts {
	f := &facts{Case: c, now: now, regime: Administrative, liberty: c.Recorded, sureness: Earliest}
	if c.Assembly != nil && c.Assembly.Before(f.liberty) {
		f.liberty = *c.Assembly
	}
	for _, e := range c.Events {
		if e.Regime != "" {
			if e.Kind == "regime_changed" && len(f.regimes) == 0 { // something was changed: what nobody named
				f.regimes = append(f.regimes, f.regime)
			}
			f.regime = e.Regime
			f.regimes = append(f.regimes, e.Regime)
		}
		if e.ArrestDays > 0 {
			f.arrest = e.ArrestDays
		}
		if e.Charge != "" {
			f.changed = f.changed || f.charge != "" && f.charge != e.Charge
			f.charge = e.Charge
		}
	}
	if len(f.regimes) == 0 {
		f.regimes = []Regime{Administrative} // the usual way after an assembly (law.md 1.1), and the shorter limits
	}
	f.sayStart()
	return f
}

// sayStart finds when liberty was restricted: as somebody said; or, since nobody did, the earliest that is plausible.
func (f *facts) sayStart() {
	said := false
	for _, e := range f.Events {
		if e.Kind == "taken" && !e.At.IsZero() {
			f.liberty, f.sureness, said = e.At, e.Certainty, true
			break
		}
	}
	for _, e := range f.Events {
		// No event of a custody comes before it, and a paper that admits an earlier time proves it.
		if !said && !e.At.IsZero() && e.At.Before(f.liberty) {
			f.liberty = e.At
		}
		if e.Kind == "taken" && e.Documented != nil && e.Documented.Before(f.liberty) {
			f.liberty, f.sureness = *e.Documented, Exact
		}
	}
}

// Clocks are the limits that apply to the case, in the order of the file. A limit whose start has not come yet is left out. One that starts
// anew before its end is told by its last start; where the end had passed by then, each stands.
func (v *Version) Clocks(c Case, now time.Time) []Clock {
	f := read(c, now)
	out := make([]Clock, 0, len(v.Limits))
	for i := range v.Limits {
		l := &v.Limits[i]
		if !f.under(l) || !l.applies(f) {
			continue
		}
		began := l.starts(f.of(l.Regime))
		for j, s := range began {
			k := Clock{Limit: l, Starts: s.at, Certainty: s.sure, State: Running}
			f.end(&k)
			if j+1 < len(began) && (k.Due.IsZero() || began[j+1].at.Before(k.Due.Add(l.grace()))) {
				continue
			}
			if l.Kind == MaxDetention && l.Regime == Administrative && f.charged("488") && c.Person.exempt() {
				k.Argument = "exempt_from_arrest"
			}
			out = append(out, k)
		}
	}
	f.lift(out)
	v.putOff(f, out)
	for i := range out {
		f.of(out[i].Limit.Regime).run(&out[i])
	}
	return out
}

// putOff moves the end of a shorter limit to when the reason for a longer one fell away: until then the longer one stood in its place, and
// a charge that is changed at hour five does not make hour four unlawful.
func (v *Version) putOff(f *facts, clocks []Clock) {
	if !f.changed {
		return
	}
	for i := range v.Limits {
		l := &v.Limits[i]
		if len(l.Lifts) == 0 || f.under(l) && l.applies(f) {
			continue
		}
		for j := range clocks {
			if k := &clocks[j]; k.State == Running && slices.Contains(l.Lifts, k.Limit.Code) && k.Due.Before(f.now) {
				f.putOff(l, k)
			}
		}
	}
}

func (f *facts) putOff(l *Limit, k *Clock) {
	if !f.reasonStood(l, k.Due) {
		return
	}
	for _, e := range f.Events {
		if e.At.After(k.Due) && !f.reasonStood(l, e.At) {
			k.Due = e.At
			if longest := k.Starts.Add(orZero(l.Length)); longest.Before(k.Due) {
				k.Due = longest
			}
			return
		}
	}
}

func orZero(d *time.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return *d
}

// under says whether a limit's regime is, or was, the case's.
func (f *facts) under(l *Limit) bool {
	return !l.Regime.procedure() || slices.Contains(f.regimes, l.Regime)
}

// procedure says whether it is one of the procedures that a case is under; the others apply beside them.
func (r Regime) procedure() bool { return r == Administrative || r == Criminal }

// lift marks what a longer limit replaces for a known reason. A reason that came when the shorter limit had ended heals nothing: who was
// held for five hours without a charge was held unlawfully for two, whatever they are charged with then.
func (f *facts) lift(clocks []Clock) {
	for i := range clocks {
		for _, code := range clocks[i].Limit.Lifts {
			for j := range clocks {
				if clocks[j].Limit.Code == code && f.reasonStood(clocks[i].Limit, clocks[j].Due) {
					clocks[j].State = Lifted
				}
			}
		}
	}
}

// reasonStood tells whether a limit that applies now applied at that time already.
func (f *facts) reasonStood(l *Limit, at time.Time) bool {
	if !at.Before(f.now) {
		return l.applies(f)
	}
	then := f.Case
	then.Events = slices.DeleteFunc(slices.Clone(f.Events), func(e Event) bool { return e.At.After(at) })
	return l.applies(read(then, at))
}

// run says how a clock stands. A release that is certain stops it, and the duty that was done meets it; what was late stays late.
func (f *facts) run(k *Clock) {
	if k.State == Lifted || k.Due.IsZero() {
		return
	}
	done, isDone := f.done(k)
	switch {
	case isDone && !done.After(k.Due.Add(k.Limit.grace())):
		k.State = Met
		return
	case f.left(k):
		k.State = Lifted // the regime was changed before it ended; the new one's limits run from the same start
		return
	case isDone, !f.now.Before(k.Due.Add(k.Limit.grace())): // at its end, so that who looks at that moment need not look again
		k.State = Breached
		if !isDone && k.Limit.unseen() {
			k.State = Unknown
			return
		}
	}
	if k.Limit.alarm != nil {
		k.Alarm = k.Due.Add(*k.Limit.alarm)
	}
	if k.Limit.warn != nil {
		k.Warn = k.Due.Add(-*k.Limit.warn)
	}
}

// unseen tells whether it is a duty of which nothing that is recorded here could show that it was done: that nobody wrote it down proves
// nothing. People are warned, to ask; a breach is what somebody knows.
func (l *Limit) unseen() bool {
	return (l.Kind == DutyDeadline || l.Kind == ImmediateDuty) && len(l.MetBy) == 0
}

// left tells whether the case was under another regime when the clock ended, and is now. Who is brought back under the old one has its
// limits as if it had never been left: a change heals nothing.
func (f *facts) left(k *Clock) bool {
	if !k.Limit.Regime.procedure() || k.Limit.Regime == f.regime {
		return false
	}
	was := f.regimes[0]
	for _, e := range f.Events {
		if e.Regime != "" && !e.At.IsZero() && !e.At.After(k.Due.Add(k.Limit.grace())) {
			was = e.Regime
		}
	}
	return was != k.Limit.Regime
}

// end says when a clock ends. Arrest counts from the detention (CoAO 50(3), edition c. 2018), and no longer than the court said.
func (f *facts) end(k *Clock) {
	if k.Limit.Length == nil {
		return
	}
	length := *k.Limit.Length
	if k.Limit.Kind == CourtSanctionMax {
		k.Starts, k.Certainty = f.liberty, f.sureness
		if said := time.Duration(f.arrest) * 24 * time.Hour; said > 0 && said < length {
			length = said
		}
	}
	k.Due = k.Starts.Add(length)
}

// grace is what an immediate duty is given before it counts as breached: "immediate" has no figure of its own.
func (l *Limit) grace() time.Duration {
	if l.Kind == ImmediateDuty && l.alarm != nil {
		return *l.alarm
	}
	return 0
}

// done is when a clock was stopped: by the duty, or by the end of the custody. What begins with the release outlives it.
func (f *facts) done(k *Clock) (time.Time, bool) {
	var at time.Time
	if f.Ended != nil && k.Limit.StartsAt != "released" {
		at = *f.Ended
	}
	for _, by := range k.Limit.MetBy {
		if met, ok := f.metBy(by, k.Starts); ok && (at.IsZero() || met.Before(at)) {
			at = met
		}
	}
	return at, !at.IsZero() && !at.After(f.now) // a phone's clock may run ahead: what has not come yet has done nothing
}

// metBy reads one entry of met_by: an event's kind, or checklist items joined by +, all of which must have been seen.
func (f *facts) metBy(by string, since time.Time) (time.Time, bool) {
	var at time.Time
	for item := range strings.SplitSeq(by, "+") {
		when, ok := f.seen(item, since)
		if !ok {
			return time.Time{}, false
		}
		if when.After(at) {
			at = when
		}
	}
	return at, true
}

func (f *facts) seen(what string, since time.Time) (time.Time, bool) {
	for _, e := range f.Events {
		switch {
		case e.Kind != what || e.Announced:
		case e.At.IsZero(): // it was done, and nobody said when: that it came late is not known
			return since, true
		case !e.At.Before(since):
			return e.At, true
		}
	}
	for _, a := range f.Answers {
		if a.Item == what && a.Value == "observed" && !a.At.Before(since) {
			return a.At, true
		}
	}
	return time.Time{}, false
}

// NextAt is the earliest time after now at which somebody has to be told of a clock; false when there is none.
func NextAt(clocks []Clock, now time.Time) (time.Time, bool) {
	var next time.Time
	for _, k := range clocks {
		for _, at := range []time.Time{k.Warn, k.Alarm} {
			if at.After(now) && (next.IsZero() || at.Before(next)) {
				next = at
			}
		}
	}
	return next, !next.IsZero()
}
