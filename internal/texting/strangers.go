package texting

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qorgau/qorgau/internal/pg"
)

// What a number asked from which nobody reports: under a code of a search, under one that is none of ours, or anything else.
const (
	relative = "relative"
	question = "question"
	other    = "other"
)

// Our judgement, as those in texting.go. Whoever forges a stranger's number has our number ring theirs; whoever forges a thousand of them spends our money.
const (
	// mostInADay is how many answers one number gets within a day, as an address gets three codes (docs/adr/0037); mostToQuestions those to questions under a code,
	// beside them: a mother without internet asks again. Whether the code is ours makes no difference: it would be told by the silence.
	mostInADay      = 3
	mostToQuestions = 12
	// mostToStrangers is how many answers all of them get within an hour, and mostToRelatives those who showed a code of a search, apart: a flood is not to silence them.
	mostToStrangers = 300
	mostToRelatives = 3000
	strangersFor    = 24 * time.Hour
)

func newWithheld() prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: "qorgau_sms_withheld_total",
		Help: "Messages that were worked and not answered, since all numbers together had the hour's answers already."})
}

// Meter counts answers that were withheld; it tells nobody from another.
func (d *Desk) Meter() prometheus.Collector { return d.withheld }

// affords tells whether a number from which nobody reports gets one more answer, and counts it. Other numbers are counted at the same moment: the sum may be
// passed by as many as there are workers.
func (d *Desk) affords(ctx context.Context, tx *pg.Tx, m *message, kind string) (bool, error) {
	daily, alike := mostToQuestions, []string{relative, question}
	hourly, budget := mostToStrangers, []string{question, other}
	switch kind {
	case relative:
		hourly, budget = mostToRelatives, []string{relative}
	case other:
		daily, alike = mostInADay, []string{other}
	}
	number := d.mac("stranger", []byte(m.From)) // another hash than the message's, which is gone in an hour
	var had, all int
	if err := tx.QueryRow(ctx, `select (select count(*) from sms_strangers where number_mac = $1 and kind = any($2) and answered_at > $3),
		(select count(*) from sms_strangers where kind = any($4) and answered_at > $5)`,
		number, alike, tx.Now.Add(-strangersFor), budget, tx.Now.Add(-within)).Scan(&had, &all); err != nil {
		return false, fmt.Errorf("count answers to strangers: %w", err)
	}
	switch {
	case had >= daily:
		return false, nil
	case all >= hourly:
		d.withheld.Inc()
		return false, nil
	}
	if _, err := tx.Exec(ctx, "insert into sms_strangers (number_mac, kind, answered_at) values ($1, $2, $3)", number, kind, tx.Now); err != nil {
		return false, fmt.Errorf("count answer to stranger: %w", err)
	}
	return true, nil
}
