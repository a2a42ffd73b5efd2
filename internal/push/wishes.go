package push

import (
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/fault"
)

// Wishes are what an owner chooses for a channel: hours in which it is left alone, an SMS in Latin letters, and for a family the department's name in it.
type Wishes struct {
	Quiet Quiet
	Latin bool
	Place bool
}

// Quiet are hours of each day in Almaty, "23:00" to "07:00"; the zero value is none.
type Quiet struct{ From, To string }

// almaty is the one zone of Kazakhstan since 1 March 2024 (domain.md).
var almaty = time.FixedZone("UTC+5", 5*60*60)

const clock = "15:04"

// hours are Quiet in minutes since midnight, as they lie in the database; nil: none.
type hours struct{ from, to *int16 }

// parse reads quiet hours; ok is false of what are none.
func (q Quiet) parse() (h hours, ok bool) {
	if q == (Quiet{}) {
		return hours{}, true
	}
	minutes := func(s string) *int16 {
		t, err := time.Parse(clock, s)
		if err != nil || len(s) != len(clock) {
			return nil
		}
		m := int16(t.Hour()*60 + t.Minute())
		return &m
	}
	h = hours{from: minutes(q.From), to: minutes(q.To)}
	return h, h.from != nil && h.to != nil && *h.from != *h.to
}

func (h hours) quiet() Quiet {
	if h.from == nil || h.to == nil {
		return Quiet{}
	}
	at := func(m int16) string { return time.Time{}.Add(time.Duration(m) * time.Minute).Format(clock) }
	return Quiet{From: at(*h.from), To: at(*h.to)}
}

// free is the moment from which a channel with these hours may be told: now, or their end. The zone has no summer time, so that a day has 24 hours.
func (h hours) free(now time.Time) time.Time {
	if h.from == nil || h.to == nil {
		return now
	}
	local := now.In(almaty)
	from, to, minute := int(*h.from), int(*h.to), local.Hour()*60+local.Minute()
	within := from <= minute && minute < to
	if from > to { // over midnight
		within = minute >= from || minute < to
	}
	if !within {
		return now
	}
	end := time.Date(local.Year(), local.Month(), local.Day(), to/60, to%60, 0, 0, almaty)
	if minute >= to {
		end = end.AddDate(0, 0, 1)
	}
	return end.UTC()
}

// heedless tells which notices no quiet hours hold: a person is in danger, or somebody has just done this to the owner's own ladder or search.
func heedless(kind string) bool {
	switch kind {
	case Alarm, Timer, Changed, Erased:
		return true
	}
	return false
}

// wrong says which wishes do not fit a channel of this kind, or its owner.
func (w Wishes) wrong(pointer, kind, owner string) (out []fault.Field) {
	if _, ok := w.Quiet.parse(); !ok {
		out = append(out, fault.Field{Pointer: pointer + "/quiet", Code: "out_of_range"})
	}
	if w.Latin && kind != SMS {
		out = append(out, fault.Field{Pointer: pointer + "/latin", Code: "not_allowed"})
	}
	if w.Place && (kind != SMS || owner != SearchOwner) {
		out = append(out, fault.Field{Pointer: pointer + "/place", Code: "not_allowed"})
	}
	return out
}

// hushes tells whether these wishes, in the place of others, could keep news from their owner, or tell more of it to those who read along. The others hear
// of that as of a ladder that was changed.
func (w Wishes) hushes(before Wishes) bool {
	return w.Quiet != before.Quiet && w.Quiet != Quiet{} || w.Place && !before.Place
}

// keep writes the wishes of a channel.
func (w Wishes) keep(b *pgx.Batch, id any) {
	h, _ := w.Quiet.parse() // checked before
	b.Queue("update channels set quiet_from = $2, quiet_to = $3, latin = $4, place = $5 where id = $1", id, h.from, h.to, w.Latin, w.Place)
}
