package law

import (
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// Severity is how bad a breach is.
type Severity string

// The severities. Of a breach of something critical coordinators hear at once.
const (
	Critical Severity = "critical"
	Warn     Severity = "warn"
	Info     Severity = "info"
)

// Text is one in the three languages, each present.
type Text struct{ KK, RU, EN string }

// In gives the text in kk, ru or en; in English for any other.
func (t Text) In(language string) string {
	switch language {
	case "kk":
		return t.KK
	case "ru":
		return t.RU
	}
	return t.EN
}

// Item is one row of rights-checklist.csv: a right that somebody looks after, and the norm that grants it.
type Item struct {
	Code       string
	Group      string // start, lawyer, family, body, women, minors, foreigners, special
	Text       Text
	Severity   Severity
	Norm       string
	AppliesTo  string // as in the file; mapped to a predicate by its exact text
	Source     string
	Confidence string
	Cites      []Cite // Norm without its remarks, to be quoted in any language
	// Ours, marked as our judgement in checklist-readings.csv and changeable by coordinators.
	Pace

	read    bool
	applies func(*facts) certainly
}

// Pace is when an item is asked for: Due after the real restriction of liberty, and, once it was seen to be kept, again after Repeat.
// Zero: at no certain time, and never again.
type Pace struct {
	Due, Repeat time.Duration
}

// certainly is whether something applies to a person of whom not all is known.
type certainly int

const (
	no certainly = iota
	perhaps
	yes
)

func sure(b bool) certainly {
	if b {
		return yes
	}
	return no
}

// appliesToItem maps every applies_to of the checklist. A text that is not here refuses the file. Where a fact is not known, the item may
// apply: asking too much costs a question.
var appliesToItem = map[string]func(*facts) certainly{
	"all":                       func(*facts) certainly { return yes },
	"all, esp. women":           func(*facts) certainly { return yes },
	"language need":             func(f *facts) certainly { return sure(f.needs(Interpreter)) },
	"injured":                   func(f *facts) certainly { return sure(f.needs(Injured)) },
	"held overnight":            func(f *facts) certainly { return sure(f.overnight()) },
	"women":                     (*facts).woman,
	"minors":                    (*facts).minor,
	"foreigners":                func(f *facts) certainly { return sure(f.Person.Foreign || f.needs(Consular)) },
	"asylum seekers":            func(f *facts) certainly { return sure(f.needs(Asylum)) },
	"persons with disabilities": func(f *facts) certainly { return sure(f.needs(Disability)) },
	"women, minors, disability, elderly, single fathers": func(f *facts) certainly {
		if f.Person.exempt() {
			return yes
		}
		return max(f.woman(), f.minor())
	},
}

func (f *facts) woman() certainly {
	switch f.Person.Sex {
	case "female":
		return yes
	case "male":
		return no
	}
	return perhaps
}

func (f *facts) minor() certainly {
	switch {
	case f.needs(Minor):
		return yes
	case f.Person.Least < 0:
		return perhaps
	}
	return no
}

// overnight tells whether the custody has lasted past a midnight of Almaty.
func (f *facts) overnight() bool {
	end := f.now
	if f.Ended != nil && f.Ended.Before(end) {
		end = *f.Ended
	}
	y1, m1, d1 := f.liberty.In(almaty).Date()
	y2, m2, d2 := end.In(almaty).Date()
	return end.After(f.liberty) && (y1 != y2 || m1 != m2 || d1 != d2)
}

// TaskState says how an item stands for a person.
type TaskState string

// The states. Breach: the last who looked saw it broken. Done: seen to be kept, and not to be asked for again yet. Overdue: nobody has
// seen it kept by its time. Open: its time has not come, or it has none.
const (
	TaskOpen    TaskState = "open"
	TaskOverdue TaskState = "overdue"
	TaskDone    TaskState = "done"
	TaskBreach  TaskState = "breached"
)

// Task is an item that applies, or may apply, to a case. Uncertain: sex or age is not known; it is asked, and nobody is alarmed. Due is
// when it is asked for next; zero: at no certain time.
type Task struct {
	Item      *Item
	Uncertain bool
	Last      *Answer // the last that was said, also "not_checked"; nil: nothing
	State     TaskState
	Due       time.Time
}

// Escalates tells whether coordinators hear of it at once.
func (t Task) Escalates() bool { return t.State == TaskBreach && t.Item.Severity == Critical }

// AskedAgain tells whether its time has come and nobody has looked since: also when who looked last saw it broken, which is told at once,
// and once more if it stays so.
func (t Task) AskedAgain(now time.Time) bool {
	return !t.Due.IsZero() && !t.Due.After(now) && (t.State == TaskOverdue || t.State == TaskBreach)
}

// Checklist gives the items that apply to the case, in the order of the file. pace replaces the shipped one of the items in it.
func (v *Version) Checklist(c Case, pace map[string]Pace, now time.Time) []Task {
	f := read(c, now)
	out := make([]Task, 0, len(v.Items))
	for i := range v.Items {
		item := &v.Items[i]
		how := item.applies(f)
		if how == no {
			continue
		}
		t := Task{Item: item, Uncertain: how == perhaps}
		at, changed := pace[item.Code]
		if !changed {
			at = item.Pace
		}
		f.stand(&t, at)
		out = append(out, t)
	}
	return out
}

// stand says how a task stands. Only what was seen moves its time: that nobody could look excuses nobody.
func (f *facts) stand(t *Task, pace Pace) {
	var kept *Answer
	for i := range f.Answers {
		a := &f.Answers[i]
		if a.Item != t.Item.Code || a.At.After(f.now) {
			continue
		}
		if t.Last == nil || !a.At.Before(t.Last.At) {
			t.Last = a
		}
		if a.Value != "not_checked" && (kept == nil || !a.At.Before(kept.At)) {
			kept = a
		}
	}
	switch {
	case kept != nil && kept.Value == "observed" && pace.Repeat == 0:
		t.State = TaskDone
		return
	case kept != nil && pace.Repeat > 0:
		t.Due = kept.At.Add(pace.Repeat)
	case kept == nil && pace.Due > 0:
		t.Due = f.liberty.Add(pace.Due)
	}
	over := f.now
	if f.Ended != nil && f.Ended.Before(over) {
		over = *f.Ended
	}
	switch {
	case kept != nil && kept.Value == "breached":
		t.State = TaskBreach
	case !t.Due.IsZero() && !over.Before(t.Due):
		t.State = TaskOverdue
	case kept != nil:
		t.State = TaskDone
	default:
		t.State = TaskOpen
	}
	if f.Ended != nil && t.Due.After(*f.Ended) {
		t.Due = time.Time{} // nobody asks any more
	}
}

// NextDue is the earliest time after now at which a task that surely applies is asked for; false when there is none.
func NextDue(tasks []Task, now time.Time) (time.Time, bool) {
	var next time.Time
	for _, t := range tasks {
		if !t.Uncertain && t.Due.After(now) && (next.IsZero() || t.Due.Before(next)) {
			next = t.Due
		}
	}
	return next, !next.IsZero()
}

// Obstruction is one row of obstruction-types.csv: how lawyers are hindered, what the law says to it, and what to do first.
type Obstruction struct {
	Code       string
	Text       Text
	Severity   Severity
	Norm       string
	FirstStep  Text   // in Kazakh and Russian our own translation
	Cites      []Cite // Norm without its remarks, to be quoted in any language
	Source     string
	Confidence string

	read bool
}

func (v *Version) readChecklist(files fs.FS) error {
	err := table(files, v.Name+"/rights-checklist.csv", "code,group,text_en,text_ru,text_kk,severity,norm,applies_to,source,confidence", func(r *row) {
		i := Item{Code: r.unique("code"), Group: r.text("group"), Text: r.texts("text"), Severity: r.severity(), Norm: r.text("norm"),
			AppliesTo: r.text("applies_to"), Source: r.text("source"), Confidence: r.confidence()}
		var known bool
		if i.applies, known = appliesToItem[i.AppliesTo]; !known {
			r.fault("applies_to", "no predicate over the person and the case is known for it")
		}
		v.Items = append(v.Items, i)
	})
	if err != nil {
		return err
	}
	const name = "checklist-readings.csv"
	err = table(files, v.Name+"/"+name, "item,due_minutes,repeat_minutes,cites,why", func(r *row) {
		i := v.Item(r.unique("item"))
		if i == nil {
			r.fault("item", "rights-checklist.csv has no such code")
			return
		}
		i.read = true
		i.Cites = r.cites("cites")
		i.Due, i.Repeat = orNothing(r.length("due_minutes", time.Minute)), orNothing(r.length("repeat_minutes", time.Minute))
	})
	if err != nil {
		return err
	}
	for _, i := range v.Items {
		if !i.read {
			return fmt.Errorf("%s/%s: no row for %s", v.Name, name, i.Code)
		}
	}
	return nil
}

func orNothing(d *time.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return *d
}

// Item gives the item of this code; nil when there is none.
func (v *Version) Item(code string) *Item {
	if i := slices.IndexFunc(v.Items, func(i Item) bool { return i.Code == code }); i >= 0 {
		return &v.Items[i]
	}
	return nil
}

func (v *Version) readObstructions(files fs.FS) error {
	err := table(files, v.Name+"/obstruction-types.csv", "code,text_en,text_ru,text_kk,severity,norm,first_step,source,confidence", func(r *row) {
		v.Obstructions = append(v.Obstructions, Obstruction{Code: r.unique("code"), Text: r.texts("text"), Severity: r.severity(), Norm: r.text("norm"),
			FirstStep: Text{EN: r.text("first_step")}, Source: r.text("source"), Confidence: r.confidence()})
	})
	if err != nil {
		return err
	}
	const name = "obstruction-readings.csv"
	err = table(files, v.Name+"/"+name, "code,first_step_ru,first_step_kk,cites,why", func(r *row) {
		o := v.Obstruction(r.unique("code"))
		if o == nil {
			r.fault("code", "obstruction-types.csv has no such code")
			return
		}
		o.read = true
		o.FirstStep.RU, o.FirstStep.KK = r.text("first_step_ru"), r.text("first_step_kk")
		o.Cites = r.cites("cites")
	})
	if err != nil {
		return err
	}
	for _, o := range v.Obstructions {
		if !o.read {
			return fmt.Errorf("%s/%s: no row for %s", v.Name, name, o.Code)
		}
	}
	return nil
}

// Obstruction gives the type of this code; nil when there is none.
func (v *Version) Obstruction(code string) *Obstruction {
	if i := slices.IndexFunc(v.Obstructions, func(o Obstruction) bool { return o.Code == code }); i >= 0 {
		return &v.Obstructions[i]
	}
	return nil
}

func (r *row) texts(column string) Text {
	return Text{KK: r.text(column + "_kk"), RU: r.text(column + "_ru"), EN: r.text(column + "_en")}
}

func (r *row) severity() Severity { return Severity(r.one("severity", Critical, Warn, Info)) }
