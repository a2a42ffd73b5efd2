package law

import (
	"slices"
	"testing"
	"time"
)

// Whatever stands on a chain, in whatever order: nothing panics, and these hold.
func FuzzClocks(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 10, 1, 0, 6, 20, 0, 3}, int16(60))
	f.Add([]byte{3, 200, 2, 4, 0, 100, 0, 0, 9, 1, 9, 9}, int16(-5))
	kinds := []string{"taken", "arrived", "protocol_drawn", "moved", "sobriety_certified", "request_made", "searched", "complaint_filed", "counsel_appointed",
		"regime_changed", "court", "sentenced", "released", "hospitalised", "no such kind"}
	regimes := []Regime{"", Administrative, Criminal}
	charges := []string{"", "488(6)", "488", "4880", "488(11"}
	known := []Circumstance{Intoxicated, SpecialRegime, CurfewNoDocuments, Exception72h, MandatoryDefence, WithoutWitnesses, CustodyPlace}
	v := book(f).At(noon)
	f.Fuzz(func(t *testing.T, chain []byte, minutes int16) {
		c := Case{Person: Person{Least: -1, Most: -1}, Recorded: noon}
		for link := range slices.Chunk(chain, 4) {
			if len(link) < 4 || len(c.Events) == 50 {
				break
			}
			e := Event{Kind: kinds[int(link[0])%len(kinds)], Certainty: Exact, Regime: regimes[int(link[2])%len(regimes)], Charge: charges[int(link[3])%len(charges)]}
			if link[1] > 0 { // zero: nobody said when
				e.At = after(time.Duration(link[1]) * time.Minute)
			}
			if link[2] > 100 {
				e.Circumstances = known[int(link[2])%len(known):]
			}
			c.Events = append(c.Events, e)
		}
		now := after(time.Duration(minutes) * time.Minute)
		before := v.Clocks(c, now)
		for _, k := range before {
			switch {
			case k.State == Running && !k.Due.IsZero() && !now.Before(k.Due.Add(k.Limit.grace())):
				t.Errorf("%s runs after its end", k.Limit.Code)
			case k.State == Breached && now.Before(k.Due):
				t.Errorf("%s is breached before its end", k.Limit.Code)
			case (k.State == Lifted || k.State == Met) && !k.Alarm.IsZero():
				t.Errorf("%s is %s and fires", k.Limit.Code, k.State)
			}
		}
		// A change of regime restarts nothing: what ran from the restriction of liberty runs from there.
		c.Events = append(c.Events, Event{Kind: "regime_changed", At: after(300 * time.Minute), Certainty: Exact, Regime: Criminal})
		for _, k := range v.Clocks(c, now) {
			i := slices.IndexFunc(before, func(b Clock) bool { return b.Limit == k.Limit })
			if i >= 0 && !before[i].Starts.Equal(k.Starts) {
				t.Errorf("%s started at %s and starts at %s", k.Limit.Code, before[i].Starts, k.Starts)
			}
		}
	})
}
