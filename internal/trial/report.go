package trial

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// report prints the table and what must be known of its rows.
func (t *trial) report(results []result) error {
	t.say("\n%s", table(results))
	broken := 0
	for _, r := range results {
		if r.failed() {
			broken++
		}
		for _, line := range r.remarks() {
			t.say("%s, %s: %s", r.fault, r.channel, line)
		}
	}
	t.say(legend)
	if broken > 0 {
		t.say("\nBROKEN: %d of %d rows.", broken, len(results))
		return ErrBroken
	}
	t.say("\nNothing lost, nothing double without an answer lost, nothing wrong: %d rows.", len(results))
	return nil
}

const legend = `
notices: made by the server for the news that was due. first: taken by the provider of the channel at hand. next: taken on a later rung. called: an operator is asked to
call. seen: she looked by herself before anything came. lost: none of these. double: taken more than once for one address. excused: of those, after an answer that nobody got, or
a sender that died before it had written down that it was taken. A row is broken, too, where news came by another way than it is about, too late, to a stranger, or in other words. recovery: from the end of the fault to the last message. Rows run beside each other on one machine.`

// table is one line for each row.
func table(results []result) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "fault\tchannel\tdue\tnotices\tfirst\tnext\tcalled\tseen\tlost\tdouble\texcused\trecovery\t") // a builder takes everything
	for _, r := range results {
		mark := ""
		if r.failed() {
			mark = "BROKEN"
		}
		recovery := "-"
		if r.took > 0 {
			recovery = short(r.took)
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n", r.fault, r.channel, r.due, r.created, r.first, r.next, r.called, r.seen, r.lost, r.doubled,
			r.ambiguous, recovery, mark)
	}
	_ = w.Flush()
	return b.String()
}

// remarks are the notes of a row, and why it is broken.
func (r result) remarks() []string {
	out := append([]string(nil), r.note...)
	out = append(out, tally(r.wrong)...)
	if r.err != nil {
		out = append(out, "could not be played: "+r.err.Error())
	}
	return out
}

func short(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	default:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
}
