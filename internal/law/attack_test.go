package law

import (
	"slices"
	"testing"
	"time"
)

// A date that a court has given is no hearing: who waits for it may wait longer than the law allows.
func TestAHearingThatIsOnlyAnnouncedMeetsNothing(t *testing.T) {
	t.Parallel()
	told := ev("court", 2*time.Hour)
	told.Announced = true
	for name, c := range map[string]struct {
		of   Case
		want State
	}{
		"announced": {of(taken, told), Breached},
		"in court":  {of(taken, told, ev("court", 20*time.Hour)), Met},
		"sentenced": {of(taken, told, ev("sentenced", 20*time.Hour)), Met},
		"too late":  {of(taken, told, ev("sentenced", 25*time.Hour)), Breached},
	} {
		if k := clock(t, c.of, "ADM-24H-HEARING", after(26*time.Hour)); k.State != c.want {
			t.Errorf("%s: the hearing is %s, want %s", name, k.State, c.want)
		}
	}
}

// What was re-qualified in time stays left behind when its old limit passes; what was re-qualified too late stays a breach; and who is
// back under the old procedure has its limit from the same start.
func TestAProcedureThatWasLeftInTimeIsNotBreachedLater(t *testing.T) {
	t.Parallel()
	to := func(r Regime, d time.Duration) Event {
		return Event{Kind: "regime_changed", At: after(d), Certainty: Exact, Regime: r}
	}
	for name, c := range map[string]struct {
		of   Case
		want State
	}{
		"at hour 2":                   {of(taken, under(Administrative), to(Criminal, 2*time.Hour)), Lifted},
		"at hour 2, nobody said from": {of(taken, to(Criminal, 2*time.Hour)), Lifted},
		"at hour 5":                   {of(taken, under(Administrative), to(Criminal, 5*time.Hour)), Breached},
		"at hour 5, nobody said from": {of(taken, to(Criminal, 5*time.Hour)), Breached},
		"at hour 2 and back":          {of(taken, under(Administrative), to(Criminal, 2*time.Hour), to(Administrative, 4*time.Hour)), Breached},
	} {
		k := clock(t, c.of, "ADM-3H", after(6*time.Hour))
		if k == nil || k.State != c.want {
			t.Errorf("%s: %+v, want %s", name, k, c.want)
		}
	}
}

// A charge is read as people write it; the contract's own example is one of them.
func TestAChargeIsReadAsWritten(t *testing.T) {
	t.Parallel()
	for _, as := range []string{"488(6)", "488 (6)", "ст. 488 ч. 6", "ст.488 ч.6 КоАП РК", "ч. 6 ст. 488", "ӘҚБтК 488-бап 6-бөлік", "434; 488(6)", "art. 488, part 6", "по ч.6 ст.488", "часть 6 статьи 488 КоАП",
		"ст. 434 ч. 2, ст. 488 ч. 6", "в протоколе: часть 6, статья 488"} {
		c := of(taken, charged(as, time.Hour), ev("sentenced", 10*time.Hour))
		if clock(t, c, "ADM-24H-ARRESTABLE", after(2*time.Hour)) == nil {
			t.Errorf("%q lists no arrest", as)
		}
		if clock(t, c, "ADM-ARREST-488-6", after(11*time.Hour)) == nil {
			t.Errorf("%q is not part 6", as)
		}
		if clock(t, c, "ADM-ARREST-488-7", after(11*time.Hour)) != nil {
			t.Errorf("%q is part 7", as)
		}
	}
	for _, as := range []string{"4880", "1488(6)", "488-1", "ст. 488-1 ч. 6", "440(6)"} {
		if clock(t, of(taken, charged(as, time.Hour)), "ADM-24H-ARRESTABLE", after(2*time.Hour)) != nil {
			t.Errorf("%q is taken for article 488", as)
		}
	}
}

// An argument is offered to whom it may help: only the year of birth is known, and the sex often is not.
func TestWhoMayBeExemptIsArguedFor(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]Person{
		"a woman of 58 or 59":           {Sex: "female", Least: 58, Most: 59},
		"a man of 63 or 64":             {Sex: "male", Least: 63, Most: 64},
		"a child under 14, sex unknown": {Least: -1, Most: -1, Needs: []Need{ChildUnder14}},
		"a lone father, sex unknown":    {Least: -1, Most: -1, Needs: []Need{LoneFather}},
		"over 63, sex unknown":          {Least: 64, Most: 65},
	} {
		if k := clock(t, who(of(taken, charged("488(6)", time.Hour)), p), "ADM-24H-ARRESTABLE", after(2*time.Hour)); k.Argument == "" {
			t.Errorf("%s: no argument", name)
		}
	}
	for name, p := range map[string]Person{
		"a woman of 57 or 58": {Sex: "female", Least: 57, Most: 58},
		"a man of 62 or 63":   {Sex: "male", Least: 62, Most: 63},
		"a man with a child":  {Sex: "male", Least: 30, Most: 31, Needs: []Need{ChildUnder14}},
	} {
		if k := clock(t, who(of(taken, charged("488(6)", time.Hour)), p), "ADM-24H-ARRESTABLE", after(2*time.Hour)); k.Argument != "" {
			t.Errorf("%s: %s", name, k.Argument)
		}
	}
}

// The protocol of an administrative case is none of a criminal one: it neither meets its three hours nor starts what follows from it.
func TestAProtocolIsOfOneProcedure(t *testing.T) {
	t.Parallel()
	change := Event{Kind: "regime_changed", At: after(2 * time.Hour), Certainty: Exact, Regime: Criminal}
	c := of(taken, ev("arrived", time.Hour), ev("protocol_drawn", 90*time.Minute), change)
	if k := clock(t, c, "CRIM-PROTOCOL-3H", after(5*time.Hour)); k.State != Breached {
		t.Errorf("the criminal protocol is %s by an administrative one", k.State)
	}
	if k := clock(t, c, "CRIM-PROSECUTOR-12H", after(5*time.Hour)); k != nil {
		t.Errorf("the prosecutor's hours run from an administrative protocol: %+v", k)
	}
	c.Events = append(c.Events, ev("protocol_drawn", 150*time.Minute))
	if k := clock(t, c, "CRIM-PROTOCOL-3H", after(5*time.Hour)); k.State != Met {
		t.Errorf("the criminal protocol is %s", k.State)
	}
	if k := clock(t, c, "CRIM-PROSECUTOR-12H", after(5*time.Hour)); k == nil || !k.Starts.Equal(after(150*time.Minute)) {
		t.Errorf("the prosecutor's hours: %+v", k)
	}
}

// What was done, and nobody said when, was done: that it came late is not known.
func TestWhatWasDoneAtAnUnknownTimeIsDone(t *testing.T) {
	t.Parallel()
	c := of(takenUnder(Criminal), ev("arrived", time.Hour), Event{Kind: "protocol_drawn", Certainty: Earliest, Regime: Criminal})
	if k := clock(t, c, "CRIM-PROTOCOL-3H", after(5*time.Hour)); k.State != Met {
		t.Errorf("the protocol is %s", k.State)
	}
}

// A charge that is changed at hour five leaves the hours before under the old one's limit, and gives none after.
func TestAChargeThatIsChangedBreachesFromThen(t *testing.T) {
	t.Parallel()
	c := of(taken, charged("488(6)", time.Hour), charged("440(1)", 5*time.Hour))
	if k := clock(t, c, "ADM-3H", after(5*time.Hour)); k.State != Breached || !k.Due.Equal(after(5*time.Hour)) {
		t.Errorf("%s, due %s; want breached at hour five", k.State, k.Due)
	}
	late := of(taken, charged("440(1)", time.Hour), charged("488(6)", 5*time.Hour))
	if k := clock(t, late, "ADM-3H", after(6*time.Hour)); k.State != Breached || !k.Due.Equal(after(3*time.Hour)) {
		t.Errorf("%s, due %s; a reason that came late heals nothing", k.State, k.Due)
	}
}

// Each move has its own twelve hours to tell the family: a later one does not make an earlier breach vanish.
func TestEachMoveHasItsOwnDuty(t *testing.T) {
	t.Parallel()
	held := with(takenUnder(Criminal), CustodyPlace)
	states := func(c Case, now time.Duration) (out []State) {
		for _, k := range book(t).At(noon).Clocks(c, after(now)) {
			if k.Limit.Code == "CRIM-FAMILY-PLACE-12H" {
				out = append(out, k.State)
			}
		}
		return out
	}
	for name, c := range map[string]struct {
		of   Case
		now  time.Duration
		want []State
	}{
		"moved twice at once":              {of(held, ev("moved", time.Hour), ev("moved", 2*time.Hour)), 3 * time.Hour, []State{Running}},
		"moved again after the first end":  {of(held, ev("moved", time.Hour), ev("moved", 20*time.Hour)), 21 * time.Hour, []State{Breached, Running}},
		"and told of the second place":     {Case{Person: Person{Least: -1, Most: -1}, Recorded: noon, Events: []Event{held, ev("moved", time.Hour), ev("moved", 20*time.Hour)}, Answers: []Answer{{"FAMILY_TOLD", "observed", after(22 * time.Hour)}}}, 23 * time.Hour, []State{Breached, Met}},
		"told of the first place, in time": {Case{Person: Person{Least: -1, Most: -1}, Recorded: noon, Events: []Event{held, ev("moved", time.Hour), ev("moved", 20*time.Hour)}, Answers: []Answer{{"FAMILY_TOLD", "observed", after(2 * time.Hour)}}}, 33 * time.Hour, []State{Met, Breached}},
	} {
		if got := states(c.of, c.now); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
