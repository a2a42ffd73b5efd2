package law

import (
	"slices"
	"testing"
	"time"
)

func task(t testing.TB, c Case, code string, now time.Time) *Task {
	t.Helper()
	all := book(t).At(noon).Checklist(c, nil, now)
	if i := slices.IndexFunc(all, func(k Task) bool { return k.Item.Code == code }); i >= 0 {
		return &all[i]
	}
	return nil
}

func person(sex string, age int, needs ...Need) Case {
	return who(adm(), Person{Sex: sex, Least: age - 1, Most: age, Needs: needs})
}

func said(c Case, item, value string, d time.Duration) Case {
	c.Answers = append(slices.Clone(c.Answers), Answer{Item: item, Value: value, At: after(d)})
	return c
}

// itemRows says for every row of rights-checklist.csv: when it is due after the taking (-1: at no certain time), and, where it does not
// apply to everyone, somebody to whom it applies.
var itemRows = map[string]struct {
	due   time.Duration
	whose *Case
}{
	"REASON_TOLD":             {30 * time.Minute, nil},
	"RIGHTS_EXPLAINED":        {30 * time.Minute, nil},
	"TIME_CORRECT":            {180 * time.Minute, nil},
	"PROTOCOL_COPY":           {180 * time.Minute, nil},
	"WITHIN_TIME_LIMIT":       {-1, nil},
	"HOLDING_ACKNOWLEDGED":    {60 * time.Minute, nil},
	"LAWYER_ADMITTED":         {30 * time.Minute, nil},
	"LAWYER_PRIVATE":          {60 * time.Minute, nil},
	"WAIVER_VOLUNTARY":        {-1, nil},
	"SILENCE_RESPECTED":       {-1, nil},
	"FAMILY_TOLD":             {30 * time.Minute, nil},
	"INTERPRETER":             {60 * time.Minute, ptr(person("male", 30, Interpreter))},
	"NO_ILL_TREATMENT":        {60 * time.Minute, nil},
	"INJURIES_RECORDED":       {60 * time.Minute, ptr(person("male", 30, Injured))},
	"MEDICAL_HELP":            {60 * time.Minute, nil},
	"MEDICAL_CHECK_ADMISSION": {240 * time.Minute, nil},
	"TOILET_ACCESS":           {120 * time.Minute, nil},
	"WATER_FOOD":              {180 * time.Minute, nil},
	"SLEEP_NIGHT":             {-1, ptr(of(ev("taken", -24*time.Hour)))},
	"WOMEN_ESCORT":            {60 * time.Minute, ptr(person("female", 30))},
	"SAME_SEX_SEARCH":         {180 * time.Minute, nil},
	"WOMEN_SEPARATE":          {120 * time.Minute, ptr(person("female", 30))},
	"ARREST_EXEMPT_RAISED":    {180 * time.Minute, ptr(person("male", 66))},
	"MINOR_PARENTS_TOLD":      {15 * time.Minute, ptr(person("male", 16, Minor))},
	"MINOR_REP_AND_LAWYER":    {60 * time.Minute, ptr(person("male", 16, Minor))},
	"MINOR_SEPARATE":          {60 * time.Minute, ptr(person("male", 16, Minor))},
	"CONSUL_TOLD":             {60 * time.Minute, ptr(who(adm(), Person{Sex: "male", Least: 30, Most: 31, Foreign: true}))},
	"ASYLUM_PROTECTED":        {60 * time.Minute, ptr(person("male", 30, Asylum))},
	"DISABILITY_SUPPORT":      {60 * time.Minute, ptr(person("male", 30, Disability))},
	"PROPERTY_LISTED":         {180 * time.Minute, nil},
}

func TestEveryRowOfTheChecklist(t *testing.T) {
	t.Parallel()
	v := book(t).At(noon)
	if len(itemRows) != len(v.Items) || len(v.Items) != 30 {
		t.Errorf("%d rows are tested of %d", len(itemRows), len(v.Items))
	}
	man := person("male", 30) // to whom none of the special ones applies
	for _, i := range v.Items {
		want, tested := itemRows[i.Code]
		if !tested {
			t.Errorf("%s is not tested", i.Code)
			continue
		}
		whose := man
		if want.whose != nil {
			whose = *want.whose
			if task(t, man, i.Code, noon) != nil {
				t.Errorf("%s applies to a man of 30", i.Code)
			}
		}
		k := task(t, whose, i.Code, noon)
		switch {
		case k == nil:
			t.Errorf("%s does not apply", i.Code)
		case k.Uncertain || k.Last != nil:
			t.Errorf("%s: %+v", i.Code, k)
		case want.due < 0 && (!k.Due.IsZero() || k.State != TaskOpen), want.due >= 0 && whose.Events[0].At.Equal(noon) && (!k.Due.Equal(after(want.due)) || k.State != TaskOpen):
			t.Errorf("%s is due at %s, %s", i.Code, k.Due, k.State)
		case i.Text.In("kk") == "" || i.Text.In("ru") == "" || i.Text.In("en") == "":
			t.Errorf("%s lacks a text", i.Code)
		}
		if want.due < 0 {
			continue
		}
		if k := task(t, whose, i.Code, after(want.due)); k.State != TaskOverdue {
			t.Errorf("%s is %s when it is due", i.Code, k.State)
		}
		if k := task(t, said(whose, i.Code, "breached", time.Minute), i.Code, after(2*time.Minute)); k.State != TaskBreach || k.Escalates() != (i.Severity == Critical) {
			t.Errorf("%s breached: %s, escalates %t", i.Code, k.State, k.Escalates())
		}
	}
}

func TestWhatIsNotKnownIsAskedAndAlarmsNobody(t *testing.T) {
	t.Parallel()
	unknown := adm() // neither sex nor age
	for _, code := range []string{"WOMEN_ESCORT", "MINOR_PARENTS_TOLD", "ARREST_EXEMPT_RAISED"} {
		if k := task(t, unknown, code, noon); k == nil || !k.Uncertain {
			t.Errorf("%s: %+v", code, k)
		}
	}
	for _, code := range []string{"INTERPRETER", "CONSUL_TOLD", "INJURIES_RECORDED"} {
		if k := task(t, unknown, code, noon); k != nil {
			t.Errorf("%s is asked of everyone", code)
		}
	}
	tasks := book(t).At(noon).Checklist(unknown, nil, noon)
	// A child's parents would be due after 15 minutes; that nobody knows the age rings at no time.
	if at, ok := NextDue(tasks, noon); !ok || !at.Equal(after(30*time.Minute)) {
		t.Errorf("next %s, %t", at, ok)
	}
}

func TestAnItemThatRepeatsIsDueAgain(t *testing.T) {
	t.Parallel()
	c := person("male", 30)
	for _, x := range []struct {
		name  string
		of    Case
		now   time.Duration
		state TaskState
		due   time.Duration // -1: none
	}{
		{"nobody looked", c, 119 * time.Minute, TaskOpen, 120 * time.Minute},
		{"nobody could look", said(c, "TOILET_ACCESS", "not_checked", time.Hour), 120 * time.Minute, TaskOverdue, 120 * time.Minute},
		{"let out", said(c, "TOILET_ACCESS", "observed", time.Hour), 239 * time.Minute, TaskDone, 240 * time.Minute},
		{"let out long ago", said(c, "TOILET_ACCESS", "observed", time.Hour), 240 * time.Minute, TaskOverdue, 240 * time.Minute},
		{"refused", said(said(c, "TOILET_ACCESS", "observed", time.Hour), "TOILET_ACCESS", "breached", 2*time.Hour), 130 * time.Minute, TaskBreach, 300 * time.Minute},
		{"then let out", said(said(c, "TOILET_ACCESS", "breached", time.Hour), "TOILET_ACCESS", "observed", 2*time.Hour), 130 * time.Minute, TaskDone, 300 * time.Minute},
		{"late from paper", said(said(c, "TOILET_ACCESS", "observed", 2*time.Hour), "TOILET_ACCESS", "breached", time.Hour), 130 * time.Minute, TaskDone, 300 * time.Minute},
		{"a phone's clock runs ahead", said(c, "TOILET_ACCESS", "observed", 10*time.Hour), 130 * time.Minute, TaskOverdue, 120 * time.Minute},
	} {
		k := task(t, x.of, "TOILET_ACCESS", after(x.now))
		if k.State != x.state || x.due < 0 != k.Due.IsZero() || x.due >= 0 && !k.Due.Equal(after(x.due)) {
			t.Errorf("%s: %s, due %s", x.name, k.State, k.Due.Sub(noon))
		}
	}
	if k := task(t, said(c, "LAWYER_ADMITTED", "observed", time.Minute), "LAWYER_ADMITTED", after(50*time.Hour)); k.State != TaskDone || !k.Due.IsZero() {
		t.Errorf("what is done once is %s, due %s", k.State, k.Due)
	}
	// Coordinators asked for it every hour.
	tasks := book(t).At(noon).Checklist(said(c, "TOILET_ACCESS", "observed", time.Hour), map[string]Pace{"TOILET_ACCESS": {Repeat: time.Hour}}, after(90*time.Minute))
	i := slices.IndexFunc(tasks, func(k Task) bool { return k.Item.Code == "TOILET_ACCESS" })
	if !tasks[i].Due.Equal(after(2 * time.Hour)) {
		t.Errorf("due %s", tasks[i].Due)
	}
	// Who is free is asked for nothing more; what had not been done by then stays so.
	free := c
	free.Ended = ptr(after(150 * time.Minute))
	if k := task(t, free, "TOILET_ACCESS", after(10*time.Hour)); k.State != TaskOverdue {
		t.Errorf("not let out until the release: %s", k.State)
	}
	if k := task(t, free, "WATER_FOOD", after(10*time.Hour)); k.State != TaskOpen || !k.Due.IsZero() {
		t.Errorf("free before it was due: %s, %s", k.State, k.Due)
	}
	if _, ok := NextDue(book(t).At(noon).Checklist(free, nil, after(10*time.Hour)), after(10*time.Hour)); ok {
		t.Error("something is due of who is free")
	}
}

func TestEveryRowOfTheObstructions(t *testing.T) {
	t.Parallel()
	v := book(t).At(noon)
	if len(v.Obstructions) != 24 {
		t.Errorf("%d obstructions", len(v.Obstructions))
	}
	for _, o := range v.Obstructions {
		for _, language := range []string{"kk", "ru", "en"} {
			if o.Text.In(language) == "" || o.FirstStep.In(language) == "" {
				t.Errorf("%s lacks a text in %s", o.Code, language)
			}
		}
		if o.Norm == "" || v.Obstruction(o.Code).Code != o.Code {
			t.Errorf("%+v", o)
		}
	}
	if v.Obstruction("NONE") != nil || v.Item("NONE") != nil {
		t.Error("found what is not there")
	}
}

func TestAReasonThatComesLateHealsNothing(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name    string
		charged time.Duration
		want    State
	}{{"in time", 2 * time.Hour, Lifted}, {"too late", 5 * time.Hour, Breached}} {
		c := of(taken, charged("488(6)", x.charged))
		k := clock(t, c, "ADM-3H", after(6*time.Hour))
		if k.State != x.want || !k.Due.Equal(after(3*time.Hour)) {
			t.Errorf("charged %s: %s, due %s", x.name, k.State, k.Due.Sub(noon))
		}
		if day := clock(t, c, "ADM-24H-ARRESTABLE", after(6*time.Hour)); day.State != Running {
			t.Errorf("charged %s: the day is %s", x.name, day.State)
		}
	}
}

func TestArrestCountsFromTheDetention(t *testing.T) {
	t.Parallel()
	c := sentenced("488(6)")
	c.Events[2].ArrestDays = 5
	if k := clock(t, c, "ADM-ARREST-488-6", after(11*time.Hour)); !k.Starts.Equal(noon) || !k.Due.Equal(after(120*time.Hour)) {
		t.Errorf("five days: from %s to %s", k.Starts.Sub(noon), k.Due.Sub(noon))
	}
	c.Events[2].ArrestDays = 50 // more than the article allows
	if k := clock(t, c, "ADM-ARREST-488-6", after(11*time.Hour)); !k.Due.Equal(after(15 * 24 * time.Hour)) {
		t.Errorf("fifty days: to %s", k.Due.Sub(noon))
	}
}
