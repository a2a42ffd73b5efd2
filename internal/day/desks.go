package day

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/pkg/client"
)

// rest is how long a desk waits before it looks again.
const rest = 250 * time.Millisecond

// pause waits; false when the day ended instead, or the desks were closed for the evening.
func pause(ctx context.Context, evening <-chan struct{}, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-evening:
		return false
	case <-time.After(d):
		return true
	}
}

// operate is an operator: of the pairs that wait for a person they decide by the truth, which in life they ask the caller for. Each
// takes those that fall to them, so that two do not do one work.
func (d *day) operate(ctx context.Context, evening <-chan struct{}, w *worker, number int) {
	for pause(ctx, evening, rest*time.Duration(len(d.operators))) {
		if _, err := d.decide(ctx, w, number, glance); err != nil {
			d.failed(ctx, "deciding on matches", err)
		}
	}
}

// glance is how many pairs an operator looks through at once while the day goes on, the newest first. What is only possible is left, and
// would otherwise be read again at each look.
const glance = 3 * fullPage

// decide goes through the newest that wait, at most so many (0: all), and gives how many it decided on.
func (d *day) decide(ctx context.Context, w *worker, number, most int) (decided int, err error) {
	limit, waiting, looked := fullPage, api.MatchStateProposed, 0
	for m, err := range client.Each(func(cursor *string) ([]api.Match, *string, error) {
		r, err := w.ListMatchesWithResponse(ctx, &api.ListMatchesParams{State: &waiting, Cursor: cursor, Limit: &limit})
		if err != nil {
			return nil, nil, err
		}
		return r.JSON200.Items, r.JSON200.NextCursor, nil
	}) {
		if err != nil {
			return decided, err
		}
		if looked++; most > 0 && looked > most {
			return decided, nil
		}
		if d.turn(m.ID) != number {
			continue
		}
		say, why := d.judge(m)
		if say == "" {
			continue
		}
		_, err := w.DecideMatchWithResponse(ctx, m.ID, nil, api.MatchDecision{Decision: say, Reason: why})
		switch {
		case client.Is(err, "already_decided"), client.Is(err, api.ProblemCodeNotFound):
			continue // another was told, or the records were merged, in the meantime
		case client.Is(err, api.ProblemCodeSecondPersonNeeded):
			d.book.with(func() { d.book.passedOn[m.ID]++ }) // they logged the person themself, and many were told on their word: the next decides
			continue
		case err != nil:
			return decided, fmt.Errorf("%s: %w", say, err)
		}
		decided++
		d.book.with(func() {
			if say == api.MatchDecisionKindConfirm {
				d.book.confirmed++
			} else {
				d.book.rejected++
			}
		})
	}
	return decided, nil
}

// turn is whose a pair is to decide.
func (d *day) turn(match uuid.UUID) (operator int) {
	d.book.with(func() { operator = (int(match[0]) + d.book.passedOn[match]) % len(d.operators) })
	return operator
}

// judge is what an operator says of a pair; "": they leave it. What waits on a hold is a coordinator's. Of a person with two records
// that nobody has merged yet the merge comes first, and of a family that knows already nothing is to be said again.
func (d *day) judge(m api.Match) (say api.MatchDecisionKind, why string) {
	d.book.with(func() {
		f, p, same := d.book.means(m.SearchID, m.DetentionID)
		switch {
		case f == nil || p == nil, m.ReviewReason == nil:
			return // acknowledged in a moment
		case !same && m.Tier == api.MatchTierPossible:
			return // shown as a hint, and left
		case !same:
			say, why = api.MatchDecisionKindReject, "по словам семьи, это другой человек"
			return
		case p.sealed:
			return
		}
		d.book.heldUp[f] = true
		c := d.book.custody[p]
		if *m.ReviewReason == api.ReviewReasonReporterLimit || *m.ReviewReason == api.ReviewReasonAnotherRecord || len(c.records) > 1 && !c.merged {
			return
		}
		say, why = api.MatchDecisionKindConfirm, "семья подтвердила по телефону"
	})
	return say, why
}

// coordinate is a coordinator: the first merges and releases what waits for a second person, the others send lawyers.
func (d *day) coordinate(ctx context.Context, evening <-chan struct{}, w *worker, number int) {
	calls := map[int]int{}
	for pause(ctx, evening, rest) {
		var err error
		switch {
		case number > 0:
			err = d.send(ctx, w, number, calls)
		default:
			if _, err = d.release(ctx, w); err == nil {
				_, err = d.merge(ctx, w)
			}
			pause(ctx, evening, 4*rest)
		}
		d.failed(ctx, "coordinating", err)
	}
}

// release lets go what waits because one reporter's word told very many families within an hour.
func (d *day) release(ctx context.Context, w *worker) (decided int, err error) {
	limit := fullPage
	r, err := w.ListHoldsWithResponse(ctx, &api.ListHoldsParams{Limit: &limit}) // open ones come first
	if err != nil {
		return 0, err
	}
	for _, h := range r.JSON200.Items {
		if h.State != api.HoldStateOpen {
			break
		}
		if _, err := w.DecideHoldWithResponse(ctx, h.ID, nil, api.HoldDecision{Decision: api.HoldDecisionKindRelease, Reason: "проверено по телефону"}); err != nil {
			if client.Is(err, "already_decided") {
				continue
			}
			return decided, err
		}
		decided++
		d.book.with(func() { d.book.holds++ })
	}
	return decided, nil
}

// merge joins the records of one person, as the two lawyers agree that it is one.
func (d *day) merge(ctx context.Context, w *worker) (joined int, err error) {
	var waiting []*custody
	d.book.with(func() { waiting = d.book.unmerged() })
	for _, c := range waiting {
		if _, err := w.MergeDetentionsWithResponse(ctx, c.records[0], nil, api.MergeDecision{ClientID: uuid.New(), OtherID: c.records[1],
			Reason: "оба адвоката говорят об одном человеке"}); err != nil {
			return joined, err
		}
		joined++
		d.book.with(func() { c.merged, d.book.merged = true, d.book.merged+1 })
	}
	return joined, nil
}

// mostCalls is how often a department is called for, at most: in an hour of the story lawyers cannot be sent round for ever.
const mostCalls = 4

// send reads the board, and asks the three who are suggested first for each department where people have no lawyer and nobody stands or comes.
// Each coordinator has departments of their own.
func (d *day) send(ctx context.Context, w *worker, number int, calls map[int]int) error {
	board, err := w.GetBoardWithResponse(ctx, nil)
	if err != nil {
		return err
	}
	for _, row := range board.JSON200.Departments {
		place := d.numbers[row.DepartmentID]
		if place%(len(d.coordinators)-1) != number-1 || row.Counts.WithoutLawyer == 0 || len(row.Lawyers) > 0 || calls[place] >= mostCalls {
			continue
		}
		sent, err := d.call(ctx, w, row.DepartmentID)
		if err != nil {
			return err
		}
		if sent {
			calls[place]++
		}
	}
	return nil
}

// call asks lawyers to go, unless a call stands already.
func (d *day) call(ctx context.Context, w *worker, department uuid.UUID) (bool, error) {
	for _, state := range []api.ListDispatchesParamsState{api.ListDispatchesParamsStateOpen} {
		open, err := w.ListDispatchesWithResponse(ctx, &api.ListDispatchesParams{DepartmentID: &department, State: &state})
		if err != nil || len(open.JSON200.Items) > 0 {
			return false, err
		}
	}
	best, err := w.SuggestLawyersWithResponse(ctx, &api.SuggestLawyersParams{DepartmentID: department})
	if err != nil {
		return false, err
	}
	var ask []uuid.UUID
	for _, s := range best.JSON200.Items {
		engaged := false
		for _, why := range s.Why {
			engaged = engaged || why.Code == "already_engaged"
		}
		if s.OnDuty && !engaged && len(ask) < 3 {
			ask = append(ask, s.AccountID)
		}
	}
	if len(ask) == 0 {
		return false, nil
	}
	patience := 30
	_, err = w.CreateDispatchWithResponse(ctx, nil, api.DispatchNew{ClientID: uuid.New(), DepartmentID: department, AccountIds: ask, ExpiresInS: &patience})
	if client.Is(err, "invalid") {
		return false, nil // one of them was sent elsewhere in the meantime: look again
	}
	if err == nil {
		d.book.with(func() { d.book.offers += len(ask) })
	}
	return err == nil, err
}
