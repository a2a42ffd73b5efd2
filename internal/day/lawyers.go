package day

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/pkg/client"
)

const (
	sentAgain  = 3  // batches, of a hundred, that a second phone sends again
	atTheDoor  = 30 // of what lawyers log on the spot, with a word about the door
	obstructed = 10
	seenRights = 5
	acting     = 60 // people logged on the spot for whom the lawyer acts from then on
	declining  = 7  // one offer of so many is declined
	fullPage   = 100
)

// log sends one batch: by the lawyer who stands there; where nobody does, as a call to an operator or to a lawyer elsewhere.
func (d *day) log(ctx context.Context, b bus, r *rand.Rand) {
	by, there := d.reporter(b, r)
	batch := d.batchOf(b, there)
	got, err := by.Log(ctx, &batch)
	if err != nil {
		d.failed(ctx, "a batch", err)
		return
	}
	at := time.Now()
	if len(got.Results) != len(b.lines) {
		d.book.wrong(fmt.Sprintf("a batch of %d people has %d results", len(b.lines), len(got.Results)))
		return
	}
	for i, one := range got.Results {
		if one.ClientID != batch.Detainees[i].ClientID {
			d.book.wrong("a batch's results are not in the order of the request")
		}
		d.book.logged(b.lines[i], one.DetentionID, by, b, at)
	}
	d.book.with(func() { d.book.batches++ })
	if r.IntN(100) < sentAgain {
		d.logAgain(ctx, by, batch, got)
	}
	if there {
		d.onTheSpot(ctx, by, b, r)
		d.actFor(ctx, by, got.Results, r)
	}
}

// reporter chooses who logs, and tells whether they stand there.
func (d *day) reporter(b bus, r *rand.Rand) (by *worker, there bool) {
	var first *worker
	d.book.with(func() {
		if c := d.book.custody[b.lines[0].person]; c != nil {
			first = c.by // of people of whom somebody else reports, too
		}
		for _, w := range d.lawyers {
			if w.place == b.place && w != first {
				by, there = w, true
			}
		}
	})
	for by == nil || by == first {
		if by = d.operators[r.IntN(len(d.operators))]; r.IntN(2) == 0 {
			by = d.lawyers[r.IntN(len(d.lawyers))]
		}
	}
	return by, there
}

func (d *day) batchOf(b bus, there bool) api.DetentionBatch {
	out := api.DetentionBatch{DepartmentID: d.places[b.place].ID}
	if b.assembly >= 0 {
		out.AssemblyID = &d.assemblies[b.assembly].ID
	}
	taken := time.Now().Add(-5 * time.Minute)
	for _, l := range b.lines {
		one := api.Detainee{ClientID: uuid.New(), Name: &l.name, Sex: json.RawMessage(`"male"`), Source: json.RawMessage(`"seen"`)}
		if l.second {
			d.book.with(func() { // the second lawyer saw them a minute later
				if c := d.book.custody[l.person]; c != nil {
					taken = c.recorded.Add(-4 * time.Minute)
				}
			})
		}
		one.TakenAt = json.RawMessage(strconv.Quote(taken.UTC().Format(time.RFC3339)))
		if l.person.called.female {
			one.Sex = json.RawMessage(`"female"`)
		}
		if l.year != 0 {
			one.BirthYear = json.RawMessage(strconv.Itoa(l.year))
		}
		if l.person.sealed {
			sealed := api.DisclosureSealed
			one.Disclosure = &sealed
		}
		if !there {
			caller := "свидетель у отдела"
			one.ReportedBy, one.Source = &caller, json.RawMessage(`"call"`)
		}
		out.Detainees = append(out.Detainees, one)
	}
	return out
}

// logAgain is a second phone with the same list: the same records must come back, and nothing new.
func (d *day) logAgain(ctx context.Context, by *worker, batch api.DetentionBatch, first api.DetentionBatchResult) {
	got, err := by.Log(ctx, &batch)
	if err != nil {
		d.failed(ctx, "a batch sent again", err)
		return
	}
	d.book.with(func() { d.book.again++ })
	for i, one := range got.Results {
		if one.DetentionID != first.Results[i].DetentionID || one.Outcome != api.BatchOutcomeDuplicate {
			d.book.wrong("a batch sent again made another record: " + one.DetentionID.String())
		}
	}
}

// onTheSpot is what a lawyer says of the door, of those who hinder them, and of what they saw.
func (d *day) onTheSpot(ctx context.Context, by *worker, b bus, r *rand.Rand) {
	id, now := d.places[b.place].ID, time.Now()
	if r.IntN(100) < atTheDoor {
		statuses := []api.AccessStatus{api.AccessStatusOpen, api.AccessStatusDelayed, api.AccessStatusRefused, api.AccessStatusFortress}
		_, err := by.ReportAccessWithResponse(ctx, id, nil, api.AccessReportAdd{ClientID: uuid.New(), Status: statuses[r.IntN(len(statuses))]})
		d.failed(ctx, "a word about a door", err)
		d.book.with(func() { d.book.doors++ })
	}
	if r.IntN(100) < obstructed {
		_, err := by.RecordObstructionWithResponse(ctx, nil, api.ObstructionAdd{ClientID: uuid.New(), DepartmentID: id, Code: "ENTRY_REFUSED", At: now.Add(-time.Minute)})
		d.failed(ctx, "an obstruction", err)
	}
}

// actFor makes a lawyer act for people whom they logged.
func (d *day) actFor(ctx context.Context, by *worker, results []api.DetaineeResult, r *rand.Rand) {
	for _, one := range results {
		if r.IntN(100) < acting {
			d.represent(ctx, by, one.DetentionID)
		}
		if r.IntN(100) < seenRights {
			_, err := by.AddObservationWithResponse(ctx, one.DetentionID, nil, api.ObservationAdd{ClientID: uuid.New(), Item: "TOILET_ACCESS", Value: api.ObservationValueObserved})
			d.failed(ctx, "an observation", err)
		}
	}
}

// represent is "I act for her". Who was moved out of a lawyer's sight meanwhile is not there for them.
func (d *day) represent(ctx context.Context, by *worker, record uuid.UUID) {
	_, err := by.PutRepresentationWithResponse(ctx, record, nil, api.RepresentationPut{})
	if client.Is(err, api.ProblemCodeNotFound) {
		return
	}
	if err != nil {
		d.failed(ctx, "acting for somebody", err)
		return
	}
	d.book.with(func() {
		if p := d.book.person[record]; p != nil {
			d.book.custody[p].represented = true
		} else {
			d.book.trouble = append(d.book.trouble, "a lawyer acts for nobody: "+record.String())
		}
	})
}

// happen tells what became of somebody, by who logged them first.
func (d *day) happen(ctx context.Context, t turn) {
	var c *custody
	d.book.with(func() { c = d.book.custody[t.person] })
	if c == nil {
		return // never acknowledged: that is a difference already
	}
	e := api.EventAdd{ClientID: uuid.New(), HappenedAt: time.Now(), Source: api.SourceSeen}
	switch t.kind {
	case moved:
		e.Kind, e.ToDepartmentID = api.EventKindMoved, &d.places[t.to].ID
	case released:
		e.Kind = api.EventKindReleased
	case rumoured:
		e.Kind, e.Source = api.EventKindReleased, api.SourcePoliceList
	case hospitalised:
		e.Kind = api.EventKindHospitalised
	}
	if _, err := c.by.AddEventWithResponse(ctx, c.records[0], nil, e); err != nil {
		d.failed(ctx, t.kind, err)
		return
	}
	d.book.turned(t)
}

// answer is a lawyer whose phone rang: they read what they are asked, and say yes or no. Several may say yes; one goes.
func (d *day) answer(ctx context.Context, w *worker) {
	w.turn.Lock()
	defer w.turn.Unlock()
	open := api.ListDispatchesParamsStateOpen
	asked, err := w.ListDispatchesWithResponse(ctx, &api.ListDispatchesParams{State: &open})
	if err != nil {
		d.failed(ctx, "reading offers", err)
		return
	}
	for _, call := range asked.JSON200.Items {
		mine := slices.ContainsFunc(call.Offers, func(o api.Offer) bool { return o.AccountID == w.me.ID && o.State == api.OfferStateOffered })
		if !mine {
			continue
		}
		if chosen(call.ID.String()+w.token, declining) {
			_, err := w.DeclineDispatchWithResponse(ctx, call.ID, nil)
			if err != nil && !refusal(err) {
				d.failed(ctx, "declining", err)
			}
			d.book.with(func() { d.book.declined++ })
			continue
		}
		d.follow(ctx, w, call)
	}
}

// refusal tells whether another was first, or the call is over: no fault of anybody.
func refusal(err error) bool {
	for _, code := range []api.ProblemCode{"taken", "ended", "engaged", "already_decided", "not_yours"} {
		if client.Is(err, code) {
			return true
		}
	}
	return false
}

// follow is a yes, the way, and the arrival.
func (d *day) follow(ctx context.Context, w *worker, call api.Dispatch) {
	way := 15
	if _, err := w.AcceptDispatchWithResponse(ctx, call.ID, nil, api.DispatchWay{EtaMinutes: &way}); err != nil {
		if refusal(err) {
			d.book.with(func() { d.book.taken++ })
			return
		}
		d.failed(ctx, "accepting", err)
		return
	}
	var shift uuid.UUID
	d.book.with(func() {
		d.book.accepted++
		if w.place != nowhere {
			shift, w.place = w.shift, nowhere
		}
	})
	if shift != uuid.Nil {
		_, err := w.CheckOutWithResponse(ctx, shift, nil, api.CheckOut{})
		d.failed(ctx, "checking out", err)
	}
	_, err := w.SetDispatchEnRouteWithResponse(ctx, call.ID, nil, api.DispatchWay{})
	d.failed(ctx, "setting out", err)
	place := d.numbers[call.DepartmentID]
	d.failed(ctx, "arriving", d.checkIn(ctx, w, place))
	d.lookAfter(ctx, w, call.DepartmentID)
	_, err = w.FinishDispatchWithResponse(ctx, call.ID, nil)
	d.failed(ctx, "ending a call", err)
}

// lookAfter lets a lawyer act for those in a department who have nobody.
func (d *day) lookAfter(ctx context.Context, w *worker, department uuid.UUID) {
	limit := fullPage
	held := api.DetentionStateHeld
	list, err := w.ListDetentionsWithResponse(ctx, &api.ListDetentionsParams{DepartmentID: &department, State: &held, Limit: &limit})
	if err != nil {
		d.failed(ctx, "reading who is held", err)
		return
	}
	for _, one := range list.JSON200.Items {
		if len(one.RepresentedBy) == 0 {
			d.represent(ctx, w, one.ID)
		}
	}
}
