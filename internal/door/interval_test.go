package door

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

var nine = time.Date(2026, 12, 16, 9, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return nine.Add(time.Duration(minutes) * time.Minute) }

// said is a report of one lawyer; until below 0 is none.
func said(lawyer byte, status Status, since, until, recorded int) Report {
	r := Report{ID: uuid.New(), Lawyer: uuid.UUID{lawyer}, RecordedAt: at(recorded), AccessSaid: AccessSaid{Status: status, Since: at(since)}}
	if until >= 0 {
		end := at(until)
		r.Until = &end
	}
	return r
}

// shape is an interval as a test writes it.
type shape struct {
	status    Status
	from, to  int
	openEnded bool
	reports   int
	waits     int
	against   int
}

func shapes(list []Interval) (out []shape) {
	minute := func(t time.Time) int { return int(t.Sub(nine) / time.Minute) }
	for _, v := range list {
		out = append(out, shape{v.Status, minute(v.From), minute(v.To), v.OpenEnded, len(v.Reports), len(v.Waits), len(v.Against)})
	}
	return out
}

func TestIntervals(t *testing.T) {
	t.Parallel()
	corrected := said(1, Refused, 0, 60, 60)
	correction := said(1, Refused, 20, 60, 70)
	correction.Supersedes = &corrected.ID
	meddled := correction
	meddled.ID, meddled.Lawyer = uuid.New(), uuid.UUID{2}
	for name, c := range map[string]struct {
		reports []Report
		want    []shape
	}{
		"nothing": {},
		"two lawyers overlap: one interval, each with their own wait": {[]Report{said(1, Refused, 0, 60, 60), said(2, Refused, 30, 90, 90)},
			[]shape{{Refused, 0, 90, false, 2, 2, 0}}},
		"refused until let in": {[]Report{said(1, Refused, 0, -1, 0), said(1, Open, 40, -1, 40)},
			[]shape{{Refused, 0, 40, false, 1, 1, 0}, {Open, 40, 40, true, 1, 0, 0}}},
		"the same again is one wait":                   {[]Report{said(1, Delayed, 0, -1, 0), said(1, Delayed, 15, -1, 15)}, []shape{{Delayed, 0, 15, true, 2, 1, 0}}},
		"refused and open at once stand side by side":  {[]Report{said(1, Refused, 0, 60, 60), said(2, Open, 30, 40, 40)}, []shape{{Refused, 0, 60, false, 1, 1, 1}, {Open, 30, 40, false, 1, 0, 1}}},
		"a moment within":                              {[]Report{said(1, Refused, 0, 60, 60), said(2, Open, 30, -1, 30)}, []shape{{Refused, 0, 60, false, 1, 1, 1}, {Open, 30, 30, true, 1, 0, 1}}},
		"refused and delayed do not contradict":        {[]Report{said(1, Refused, 0, 60, 60), said(2, Delayed, 30, 40, 40)}, []shape{{Refused, 0, 60, false, 1, 1, 0}, {Delayed, 30, 40, false, 1, 1, 0}}},
		"from paper, three days later":                 {[]Report{said(1, Refused, 0, -1, 3*24*60)}, []shape{{Refused, 0, 12 * 60, true, 1, 1, 0}}},
		"silence of a day is no wait":                  {[]Report{said(1, Refused, 0, -1, 0), said(1, Open, 24*60, -1, 24*60)}, []shape{{Refused, 0, 0, true, 1, 1, 0}, {Open, 24 * 60, 24 * 60, true, 1, 0, 0}}},
		"put right by its author":                      {[]Report{corrected, correction}, []shape{{Refused, 20, 60, false, 1, 1, 0}}},
		"not put right by another":                     {[]Report{corrected, meddled}, []shape{{Refused, 0, 60, false, 2, 2, 0}}},
		"who comes later was not there from the first": {[]Report{said(1, Fortress, 0, 30, 30), said(2, Fortress, 31, 60, 60)}, []shape{{Fortress, 0, 30, false, 1, 1, 0}, {Fortress, 31, 60, false, 1, 1, 0}}},
	} {
		if got := shapes(Intervals(c.reports)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reports      []Report
		now          int
		want         Status
		since, asOf  int
		contradicted bool
	}{
		"nobody was there":               {nil, 0, Unknown, -1, -1, false},
		"the newest word":                {[]Report{said(1, Refused, 0, -1, 0), said(1, Open, 40, -1, 40)}, 60, Open, 40, 40, false},
		"another says otherwise":         {[]Report{said(1, Refused, 0, -1, 0), said(2, Open, 40, -1, 40)}, 60, Open, 40, 40, true},
		"that was long ago":              {[]Report{said(1, Refused, 0, -1, 0), said(2, Open, 700, -1, 700)}, 721, Open, 700, 700, false},
		"twelve hours":                   {[]Report{said(1, Refused, 0, -1, 0)}, 719, Refused, 0, 0, false},
		"and not a minute more":          {[]Report{said(1, Refused, 0, -1, 0)}, 720, Unknown, -1, 0, false},
		"it ended, and nobody said more": {[]Report{said(1, Refused, 0, 30, 30)}, 60, Unknown, -1, 30, false},
		"since the first of them":        {[]Report{said(1, Refused, 0, 60, 60), said(2, Refused, 30, -1, 90)}, 95, Refused, 0, 90, false},
		"from paper, of yesterday":       {[]Report{said(1, Open, 0, -1, 0), said(2, Refused, -1440, -1, 30)}, 60, Open, 0, 0, false},
	} {
		got := StateOf(c.reports, at(c.now))
		is := func(t *time.Time, minute int) bool {
			return t == nil && minute == -1 || t != nil && minute >= 0 && t.Equal(at(minute))
		}
		if got.Status != c.want || !is(got.Since, c.since) || !is(got.AsOf, c.asOf) || got.Contradicted != c.contradicted {
			t.Errorf("%s: %+v, want %+v", name, got, c)
		}
	}
}

// What holds of any reports: the order of arrival changes nothing; each moment that a report speaks for lies in exactly one interval of its
// status; no interval says more than its reports; waits are the lawyers' own.
func TestAnyReports(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		reports := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Report {
			since := rapid.IntRange(0, 60).Draw(t, "since")
			until := -1
			if rapid.Bool().Draw(t, "ends") {
				until = since + rapid.IntRange(0, 30).Draw(t, "length")
			}
			return said(byte(rapid.IntRange(1, 4).Draw(t, "lawyer")), rapid.SampledFrom(statuses).Draw(t, "status"), since, until, rapid.IntRange(0, 2000).Draw(t, "recorded"))
		}), 0, 12).Draw(t, "reports")
		for i := range reports {
			if i > 0 && rapid.IntRange(0, 5).Draw(t, "replaces") == 0 {
				reports[i].Supersedes = &reports[rapid.IntRange(0, i-1).Draw(t, "which")].ID
			}
		}
		list := Intervals(reports)
		shuffled := rapid.Permutation(reports).Draw(t, "order")
		if again := Intervals(shuffled); !reflect.DeepEqual(list, again) {
			t.Fatalf("the order of arrival counts:\n%+v\n%+v", list, again)
		}
		if one, two := StateOf(reports, at(90)), StateOf(shuffled, at(90)); !reflect.DeepEqual(one, two) {
			t.Fatalf("the order of arrival counts for the state: %+v, %+v", one, two)
		}
		spoken := stretches(reports)
		for _, s := range spoken {
			for m := s.Since; !m.After(s.to); m = m.Add(time.Minute) {
				n := 0
				for _, v := range list {
					if v.Status == s.Status && !m.Before(v.From) && !m.After(v.To) {
						n++
					}
				}
				if n != 1 {
					t.Fatalf("%v of %+v lies in %d intervals of its status", m, s, n)
				}
			}
		}
		for _, v := range list {
			for m := v.From; !m.After(v.To); m = m.Add(time.Minute) {
				if !slices.ContainsFunc(spoken, func(s stretch) bool { return s.Status == v.Status && !m.Before(s.Since) && !m.After(s.to) }) {
					t.Fatalf("nobody spoke for %v of %+v", m, v)
				}
			}
			for _, w := range v.Waits {
				for m := w.From; !m.After(w.To); m = m.Add(time.Minute) {
					if !slices.ContainsFunc(spoken, func(s stretch) bool {
						return s.Lawyer == w.Lawyer && s.Status == v.Status && !m.Before(s.Since) && !m.After(s.to)
					}) {
						t.Fatalf("the lawyer did not speak for %v of %+v", m, w)
					}
				}
			}
		}
	})
}
