package day

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// opening says what is played, and with which settings.
func (d *day) opening() {
	z := d.size
	d.say("A day of a country, seed %d, scale %g. Every person in it is invented; every request is real.", d.o.Seed, d.o.Scale)
	d.say("Planned: %d people taken into custody, %d departments, %d lawyers, %d operators, %d coordinators, %d families searching", len(d.plan.people), len(d.places),
		z.lawyers, z.operators, z.coordinators, len(d.plan.families))
	d.say("(%d of them for a namesake of somebody taken), in %d waves of a quarter of an hour, one after another as fast as they go.", d.plan.sakes, z.waves)
	d.say("Settings: QORGAU_LIMITS is empty, so that all limits and guards are in force as shipped; QORGAU_TRUSTED_PROXIES names this machine, and")
	d.say("%d families speak from %d addresses through it (%d from one address that a whole quarter shares). One answer to a write in %d is lost.",
		len(d.plan.families), (len(d.plan.families)+perAddress-1)/perAddress+1, d.plan.shared, lostAnswers)
	d.say("%d cores; data below %s, fsync as PostgreSQL ships it.\n", runtime.NumCPU(), os.TempDir())
}

func (d *day) report() {
	b := d.book
	searched, waves := 0, d.took.waves.Seconds()
	for _, f := range b.families {
		if !f.asked.IsZero() {
			searched++
		}
	}
	d.say("\nSigned in and on the roster in %.0f s; waves played in %.0f s; settled %.0f s later; read again in %.0f s; in all %.0f s.", d.took.signIn.Seconds(), waves,
		(d.took.story - d.took.waves + d.took.settle).Seconds(), d.took.reading.Seconds(), time.Since(d.began).Seconds())
	d.say("\nThroughput while the waves ran: %.0f searches/s, %.1f batches/s (%.0f records/s).", float64(searched)/waves, float64(b.batches)/waves, float64(b.records)/waves)
	d.requests()
	d.say("\nRecords %d of %d people in %d batches; %d batches and %d searches sent again by another try of the phone; %d pairs of records merged.", b.records, len(b.custody),
		b.batches, b.again, b.repeated, b.merged)
	d.say("Operators confirmed %d pairs and rejected %d; coordinators let %d holds go.", b.confirmed, b.rejected, b.holds)
	d.latencies()
	d.sending()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	d.say("Memory of server and simulator, from the system: %d MiB.", memory.Sys>>20)
}

// requests prints how many of each kind, and how long they took, tries that were refused or lost included.
func (d *day) requests() {
	d.wire.mu.Lock()
	defer d.wire.mu.Unlock()
	total, names := 0, slices.Collect(maps.Keys(d.wire.kinds))
	slices.SortFunc(names, func(a, b string) int { return len(d.wire.kinds[b].took) - len(d.wire.kinds[a].took) })
	for _, name := range names {
		total += len(d.wire.kinds[name].took)
	}
	d.say("Requests %d, %.0f/s over the whole day; %d answers lost on the way and asked for again. By kind (p50, p99 in ms):", total,
		float64(total)/time.Since(d.began).Seconds(), d.wire.lost)
	for _, name := range names {
		took := sorted(d.wire.kinds[name].took)
		d.say("  %7d  %-52s %7.1f %8.1f", len(took), name, quantile(took, .5), quantile(took, .99))
	}
	d.say("Refusals by code (guards at work, races lost):")
	for _, code := range slices.SortedFunc(maps.Keys(d.wire.codes), func(a, b string) int { return d.wire.codes[b] - d.wire.codes[a] }) {
		d.say("  %7d  %s", d.wire.codes[code], code)
	}
}

// latencies prints how long families waited from the moment in which both the search and the person were acknowledged.
func (d *day) latencies() {
	var logged, searched, person []time.Duration
	told, due, both := 0, 0, 0
	for _, f := range d.book.families {
		if !d.book.mustHear(f) {
			continue
		}
		due++
		if d.timesTold(f) > 1 {
			both++
		}
		for _, r := range d.seen.rings[f.token()] {
			if r.kind != "match" {
				continue
			}
			told++
			waited := max(0, r.at.Sub(d.book.known(f)))
			switch {
			case d.book.heldUp[f]:
				person = append(person, waited)
			case d.book.custody[f.person].acked.After(f.asked):
				logged = append(logged, waited)
			default:
				searched = append(searched, waited)
			}
			break
		}
	}
	d.say("Families who had to be told: %d; told: %d, %d of them of two reports of one person, before these were merged.", due, told, both)
	line := func(what string, list []time.Duration) {
		s := sorted(list)
		d.say("  %-60s %6d  p50 %8s  p99 %8s  most %8s", what, len(s), short(quantile(s, .5)), short(quantile(s, .99)), short(quantile(s, 1)))
	}
	line("batch acknowledged to the phone, the search stood before", logged)
	line("search acknowledged to the phone, the person was known", searched)
	line("the same, where a person had to decide first", person)
}

func (d *day) timesTold(f *family) (n int) {
	for _, r := range d.seen.rings[f.token()] {
		if r.kind == "match" {
			n++
		}
	}
	return n
}

func short(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

// sending prints how lawyers were sent, and how long departments had people and no lawyer.
func (d *day) sending() {
	b := d.book
	d.say("Offers made by coordinators to lawyers: %d; accepted %d, declined %d, %d came second.", b.offers, b.accepted, b.declined, b.taken)
	var waited []time.Duration
	before, never := 0, 0
	cities := map[string][]string{}
	for place, at := range b.first {
		reached, there := b.reached[place]
		how := "never"
		switch wait := reached.Sub(at); {
		case !there:
			never++
		case wait <= 0:
			before++
			how = "before"
		default:
			waited = append(waited, wait)
			how = fmt.Sprintf("%.1f", wait.Seconds())
		}
		cities[b.places[place].city] = append(cities[b.places[place].city], how)
	}
	s := sorted(waited)
	d.say("First lawyer at a department: before its first person at %d; after that person, at %d: min %s, median %s, max %s of the replay; never at %d.", before, len(s),
		short(quantile(s, 0)), short(quantile(s, .5)), short(quantile(s, 1)), never)
	d.say("Each department, by city, in seconds of the replay after its first person:")
	for _, city := range slices.Sorted(maps.Keys(cities)) {
		slices.SortFunc(cities[city], func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
		d.say("  %-20s %s", city, strings.Join(cities[city], " "))
	}
}

// differ names the first differences.
func (d *day) differ(found []string) {
	const most = 20
	d.say("\nDIFFERENT: %d differences between the server and the ledger. The first:", len(found))
	for _, one := range found[:min(most, len(found))] {
		d.say("  %s", strings.TrimSpace(one))
	}
}
