package law

import (
	"slices"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 27, 7, 0, 0, 0, time.UTC)

func book(t testing.TB) Book {
	t.Helper()
	b, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func after(d time.Duration) time.Time { return noon.Add(d) }

func ev(kind string, d time.Duration) Event { return Event{Kind: kind, At: after(d), Certainty: Exact} }

var taken = ev("taken", 0)

func under(r Regime) Event {
	return Event{Kind: "regime_changed", At: after(time.Minute), Certainty: Exact, Regime: r}
}

func takenUnder(r Regime) Event {
	e := taken
	e.Regime = r
	return e
}

func charged(with string, d time.Duration) Event {
	return Event{Kind: "protocol_drawn", At: after(d), Certainty: Exact, Charge: with}
}

func with(e Event, c ...Circumstance) Event {
	e.Circumstances = c
	return e
}

func clock(t testing.TB, c Case, code string, now time.Time) *Clock {
	t.Helper()
	all := book(t).At(noon).Clocks(c, now)
	if i := slices.IndexFunc(all, func(k Clock) bool { return k.Limit.Code == code }); i >= 0 {
		return &all[i]
	}
	return nil
}

// rows says for every row of custody-limits.csv: a case to which it applies and when it ends (-1: it has no figure), and one to
// which it does not apply.
var rows = map[string]struct {
	applies Case
	due     time.Duration
	not     *Case
}{
	"CONST-RIGHTS-0H":          {adm(), 0, nil},
	"CONST-LAWYER-0H":          {adm(), 0, nil},
	"ADM-DELIVERY-ASAP":        {adm(), -1, crim()},
	"ADM-3H":                   {adm(), 3 * time.Hour, crim()},
	"ADM-3H-SOBER":             {of(taken, with(ev("sobriety_certified", 5*time.Hour), Intoxicated)), 8 * time.Hour, ptr(of(taken, with(ev("arrived", 0), Intoxicated)))},
	"ADM-24H-ARRESTABLE":       {of(taken, charged("488(6)", time.Hour)), 24 * time.Hour, ptr(of(taken, charged("440", time.Hour)))},
	"ADM-24H-HEARING":          {adm(), 24 * time.Hour, crim()},
	"ADM-48H-SPECIAL":          {of(with(taken, SpecialRegime)), 48 * time.Hour, ptr(adm())},
	"ADM-24H-PROSECUTOR-48H":   {of(with(taken, SpecialRegime)), 24 * time.Hour, ptr(adm())},
	"ADM-48H-CURFEW-NOID":      {of(with(taken, CurfewNoDocuments)), 48 * time.Hour, ptr(adm())},
	"ADM-PROTOCOL-COPY-0H":     {adm(), 0, crim()},
	"ADM-NOTIFY-ON-REQUEST-0H": {of(taken, ev("request_made", time.Hour)), time.Hour, ptr(adm())},
	"ADM-NOTIFY-PARENTS-0H":    {who(adm(), Person{Least: 15, Most: 16, Needs: []Need{Minor}}), 0, ptr(adm())},
	"ADM-LAWYER-0H":            {adm(), 0, crim()},
	"ADM-LAWYER-REPLACE-3H":    {adm(), 3 * time.Hour, crim()},
	"ADM-LAWYER-APPOINT-24H":   {of(taken, with(ev("counsel_appointed", time.Hour), MandatoryDefence)), 25 * time.Hour, ptr(of(taken, ev("counsel_appointed", time.Hour)))},
	"ADM-SEARCH-NOWITNESS-24H": {of(taken, with(ev("searched", time.Hour), WithoutWitnesses)), 25 * time.Hour, ptr(of(taken, ev("searched", time.Hour)))},
	"ADM-ARREST-488-6":         {sentenced("488(6)"), 360 * time.Hour, ptr(sentenced("488(7)"))},
	"ADM-ARREST-488-7":         {sentenced("488(7)"), 360 * time.Hour, ptr(sentenced("488(6)"))},
	"ADM-ARREST-488-11":        {sentenced("488 (11)"), 480 * time.Hour, ptr(sentenced("488(1)"))},
	"ADM-ARREST-488-12":        {sentenced("488(12)"), 600 * time.Hour, ptr(of(taken, charged("488(12)", 0)))},
	"CRIM-DELIVERY-3H":         {*crim(), 3 * time.Hour, ptr(adm())},
	"CRIM-DELIVERY-CERT":       {of(taken, under(Criminal), ev("arrived", time.Hour)), time.Hour, crim()},
	"CRIM-PROTOCOL-3H":         {*crim(), 3 * time.Hour, ptr(adm())},
	"CRIM-MEDEXAM":             {of(taken, under(Criminal), ev("protocol_drawn", time.Hour)), -1, crim()},
	"CRIM-PROSECUTOR-12H":      {of(taken, under(Criminal), ev("protocol_drawn", time.Hour)), 13 * time.Hour, crim()},
	"CRIM-FAMILY-0H":           {*crim(), 0, ptr(adm())},
	"CRIM-FAMILY-PLACE-12H":    {of(taken, under(Criminal), with(ev("moved", 2*time.Hour), CustodyPlace)), 14 * time.Hour, ptr(of(taken, under(Criminal), ev("moved", 0)))},
	"CRIM-CALL-0H":             {*crim(), 0, ptr(adm())},
	"CRIM-INTERROGATION-24H":   {of(taken, under(Criminal), ev("protocol_drawn", time.Hour)), 25 * time.Hour, crim()},
	"CRIM-CONSULAR-24H":        {who(*crim(), Person{Foreign: true, Least: -1, Most: -1}), 24 * time.Hour, crim()},
	"CRIM-LAWYER-REPLACE-24H":  {*crim(), 24 * time.Hour, ptr(adm())},
	"CRIM-48H":                 {*crim(), 48 * time.Hour, ptr(who(*crim(), Person{Least: 15, Most: 16, Needs: []Need{Minor}}))},
	"CRIM-24H-MINOR":           {who(*crim(), Person{Least: 17, Most: 18, Needs: []Need{Minor}}), 24 * time.Hour, crim()},
	"CRIM-72H-EXC":             {of(taken, with(under(Criminal), Exception72h)), 72 * time.Hour, crim()},
	"CRIM-72H-ABS":             {*crim(), 72 * time.Hour, ptr(adm())},
	"CRIM-RELEASE-CERT":        {of(taken, under(Criminal), ev("released", time.Hour)), time.Hour, crim()},
	"CUSTODY-COMPLAINT-0H":     {of(with(taken, CustodyPlace), ev("complaint_filed", time.Hour)), time.Hour, ptr(of(taken, ev("complaint_filed", time.Hour)))},
	"CUSTODY-COMPLAINT-24H":    {of(with(taken, CustodyPlace), ev("complaint_filed", time.Hour)), 25 * time.Hour, ptr(of(with(taken, CustodyPlace)))},
	"INTL-48H-JUDGE":           {adm(), 48 * time.Hour, nil},
	"INTL-24H-JUVENILE":        {who(adm(), Person{Least: 15, Most: 16, Needs: []Need{Minor}}), 24 * time.Hour, ptr(adm())},
}

// unseen are the duties of which nothing that is recorded could show that they were done: nobody may be told that they were not.
var unseen = []string{"ADM-24H-PROSECUTOR-48H", "ADM-SEARCH-NOWITNESS-24H", "CRIM-PROSECUTOR-12H", "CRIM-INTERROGATION-24H", "CRIM-RELEASE-CERT",
	"CUSTODY-COMPLAINT-0H", "CUSTODY-COMPLAINT-24H"}

func of(e ...Event) Case {
	return Case{Person: Person{Least: -1, Most: -1}, Events: e, Recorded: after(30 * time.Minute)}
}

func adm() Case                 { return of(taken) }
func crim() *Case               { return ptr(of(takenUnder(Criminal))) }
func ptr[T any](v T) *T         { return &v }
func who(c Case, p Person) Case { c.Person = p; return c }

func sentenced(charge string) Case {
	return of(taken, charged(charge, time.Hour), ev("sentenced", 10*time.Hour))
}

func TestEveryRowOfTheLimits(t *testing.T) {
	t.Parallel()
	v := book(t).At(noon)
	if len(rows) != len(v.Limits) {
		t.Errorf("%d rows are tested of %d", len(rows), len(v.Limits))
	}
	for _, l := range v.Limits {
		want, tested := rows[l.Code]
		if !tested {
			t.Errorf("%s is not tested", l.Code)
			continue
		}
		k := clock(t, want.applies, l.Code, after(time.Minute))
		switch {
		case k == nil:
			t.Errorf("%s does not apply to the case it is meant for", l.Code)
		case want.due < 0 && !k.Due.IsZero(), want.due >= 0 && !k.Due.Equal(after(want.due)):
			t.Errorf("%s is due at %s, want %s after noon", l.Code, k.Due, want.due)
		case k.State != Running:
			t.Errorf("%s is %s a minute after", l.Code, k.State)
		case want.due < 0 && (!k.Alarm.IsZero() || !k.Warn.IsZero()), l.Kind == Benchmark && (!k.Alarm.IsZero() || !k.Warn.IsZero()):
			t.Errorf("%s fires", l.Code)
		case want.due >= 0 && l.Kind != Benchmark && k.Alarm.Before(k.Due), l.Norm == "":
			t.Errorf("%s raises its alarm at %s, before it is due, or names no norm", l.Code, k.Alarm)
		}
		if want.not != nil && clock(t, *want.not, l.Code, after(time.Minute)) != nil {
			t.Errorf("%s applies where it must not", l.Code)
		}
		if want.due >= 0 {
			is := Breached
			if slices.Contains(unseen, l.Code) {
				is = Unknown
			}
			if late := clock(t, want.applies, l.Code, after(want.due+31*time.Minute)); late.State != is {
				t.Errorf("%s is %s half an hour too late, want %s", l.Code, late.State, is)
			}
		}
	}
}

func TestALongerLimitLiftsTheShorter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Case{"arrest possible": of(taken, charged("488(6)", time.Hour)), "special regime": of(with(taken, SpecialRegime))} {
		if k := clock(t, c, "ADM-3H", after(4*time.Hour)); k.State != Lifted || !k.Alarm.IsZero() {
			t.Errorf("%s: the three hours are %s", name, k.State)
		}
	}
	if k := clock(t, of(taken, with(under(Criminal), Exception72h)), "CRIM-48H", after(50*time.Hour)); k.State != Lifted {
		t.Errorf("48 h are %s in an exception", k.State)
	}
	minor := who(of(taken, with(under(Criminal), Exception72h)), Person{Least: 15, Most: 16, Needs: []Need{Minor}})
	if k := clock(t, minor, "CRIM-24H-MINOR", after(25*time.Hour)); k.State != Breached {
		t.Errorf("the minor's 24 h are %s", k.State)
	}
}

func TestAChangeOfRegimeRestartsNothing(t *testing.T) {
	t.Parallel()
	changed := under(Criminal)
	changed.At = after(20 * time.Hour)
	c := of(taken, under(Administrative), changed)
	if k := clock(t, c, "CRIM-48H", after(21*time.Hour)); !k.Due.Equal(after(48 * time.Hour)) {
		t.Errorf("48 h end at %s", k.Due)
	}
	if k := clock(t, c, "ADM-3H", after(21*time.Hour)); k.State != Breached {
		t.Errorf("the three hours that were over before are %s", k.State)
	}
	if k := clock(t, c, "ADM-24H-HEARING", after(21*time.Hour)); k.State != Lifted {
		t.Errorf("the hearing of the case that was left is %s", k.State)
	}
}

func TestAnUnknownStartIsTheEarliestPlausible(t *testing.T) {
	t.Parallel()
	unsaid := Event{Kind: "taken", Certainty: Earliest}
	c := of(unsaid, ev("arrived", 10*time.Minute))
	for name, want := range map[string]struct {
		assembly *time.Time
		start    time.Duration
	}{"no assembly": {nil, 10 * time.Minute}, "an assembly before": {ptr(after(-time.Hour)), -time.Hour}, "an assembly after": {ptr(after(time.Hour)), 10 * time.Minute}} {
		c.Assembly = want.assembly
		if k := clock(t, c, "ADM-3H", noon); !k.Starts.Equal(after(want.start)) || k.Certainty != Earliest {
			t.Errorf("%s: it starts at %s, %s", name, k.Starts, k.Certainty)
		}
	}
	late := taken
	late.Documented = ptr(after(5 * time.Hour))
	if k := clock(t, of(late), "ADM-24H-HEARING", noon); !k.Starts.Equal(noon) {
		t.Errorf("the paper moved the start to %s", k.Starts)
	}
	late.Documented = ptr(after(-time.Hour))
	if k := clock(t, of(late), "ADM-3H", noon); !k.Starts.Equal(after(-time.Hour)) {
		t.Errorf("a paper that admits more: the start is %s", k.Starts)
	}
}

func TestWhatStopsAClock(t *testing.T) {
	t.Parallel()
	c := adm()
	c.Answers = []Answer{{Item: "REASON_TOLD", Value: "observed", At: after(5 * time.Minute)}}
	if k := clock(t, c, "CONST-RIGHTS-0H", after(10*time.Minute)); k.State != Running {
		t.Errorf("one of two duties done: %s", k.State)
	}
	c.Answers = append(c.Answers, Answer{Item: "RIGHTS_EXPLAINED", Value: "observed", At: after(6 * time.Minute)})
	if k := clock(t, c, "CONST-RIGHTS-0H", after(10*time.Hour)); k.State != Met || !k.Alarm.IsZero() {
		t.Errorf("both done in time: %s", k.State)
	}
	c.Answers[1].Value = "breached"
	if k := clock(t, c, "CONST-RIGHTS-0H", after(10*time.Hour)); k.State != Breached {
		t.Errorf("a duty seen not done: %s", k.State)
	}
	reported := of(taken, ev("released", 2*time.Hour))
	if k := clock(t, reported, "ADM-3H", after(4*time.Hour)); k.State != Breached {
		t.Errorf("a release that is only reported stops the clock: %s", k.State)
	}
	reported.Ended = ptr(after(2 * time.Hour))
	if k := clock(t, reported, "ADM-3H", after(4*time.Hour)); k.State != Met {
		t.Errorf("released in time, for sure: %s", k.State)
	}
	reported.Ended = ptr(after(5 * time.Hour))
	if k := clock(t, reported, "ADM-3H", after(9*time.Hour)); k.State != Breached {
		t.Errorf("released too late: %s", k.State)
	}
}

func TestWhoIsExemptFromArrestIsArguedNotRuled(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]Person{"pregnant": {Sex: "female", Least: 30, Most: 31, Needs: []Need{Pregnant}}, "a child under 14": {Sex: "female", Needs: []Need{ChildUnder14}},
		"a woman over 58": {Sex: "female", Least: 59, Most: 60}, "a man over 63": {Sex: "male", Least: 64, Most: 65}, "a lone father": {Sex: "male", Needs: []Need{LoneFather}}} {
		k := clock(t, who(of(taken, charged("488(6)", time.Hour)), p), "ADM-24H-ARRESTABLE", after(2*time.Hour))
		if k == nil || k.Argument == "" || k.State != Running {
			t.Errorf("%s: %+v", name, k)
		}
	}
	for name, p := range map[string]Person{"a woman of 58": {Sex: "female", Least: 57, Most: 58}, "a man of 60": {Sex: "male", Least: 60, Most: 61}, "nothing known": {Least: -1, Most: -1}} {
		if k := clock(t, who(of(taken, charged("488(6)", time.Hour)), p), "ADM-24H-ARRESTABLE", after(2*time.Hour)); k.Argument != "" {
			t.Errorf("%s: %s", name, k.Argument)
		}
	}
}

func TestNextAt(t *testing.T) {
	t.Parallel()
	clocks := book(t).At(noon).Clocks(adm(), noon)
	var told int
	for at, ok := NextAt(clocks, noon); ok; at, ok = NextAt(clocks, at) {
		told++
		if at.Before(noon) {
			t.Fatal("it goes back")
		}
	}
	if told < 4 { // immediate duties, 3 h and 24 h with their warnings
		t.Errorf("%d times", told)
	}
	if _, ok := NextAt(nil, noon); ok {
		t.Error("no clock has a time")
	}
}

// 10,000 detentions against all limits: what a change of the law or a restart costs.
func BenchmarkClocks(b *testing.B) {
	v := book(b).At(noon)
	cases := make([]Case, 0, len(rows))
	for _, r := range rows {
		cases = append(cases, r.applies)
	}
	for b.Loop() {
		for i := range 10_000 {
			v.Clocks(cases[i%len(cases)], after(4*time.Hour))
		}
	}
}
