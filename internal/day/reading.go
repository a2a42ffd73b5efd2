package day

import (
	"context"
	"fmt"
	"sync"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/pkg/client"
)

// seen is what the server says in the evening, and what the phones got.
type seen struct {
	people   map[uuid.UUID]custodySeen // by the record that stands for them
	doubled  []uuid.UUID               // records that a list gave twice
	board    counts
	places   map[int]counts
	cities   map[string]counts
	meetings map[int]counts // by assembly, -1: none
	totals   map[int]totals
	lawyers  map[uuid.UUID]int // where a lawyer is present
	searches map[uuid.UUID]int // how often a list gave them
	pages    map[uuid.UUID]api.Search
	rings    map[string][]ring
}

// custodySeen is a person in the list of those in reach.
type custodySeen struct {
	place  int
	state  string
	rumour bool
	acted  bool
}

// counts are of a board, of people in custody.
type counts struct{ held, withoutLawyer, women, minors int }

// totals are of a department: all who were ever there last.
type totals struct{ people, released int }

func countsOf(c api.BoardCounts) counts { return counts{c.Held, c.WithoutLawyer, c.Women, c.Minors} }

// read asks for everything again.
func (d *day) read(ctx context.Context) error {
	d.seen = seen{people: map[uuid.UUID]custodySeen{}, places: map[int]counts{}, cities: map[string]counts{}, meetings: map[int]counts{}, totals: map[int]totals{},
		lawyers: map[uuid.UUID]int{}, searches: map[uuid.UUID]int{}, pages: map[uuid.UUID]api.Search{}, rings: map[string][]ring{}}
	for _, part := range []func(context.Context) error{d.readPeople, d.readBoard, d.readTotals, d.readSearches, d.readPages} {
		if err := part(ctx); err != nil {
			return fmt.Errorf("read everything again: %w", err)
		}
	}
	d.phones.mu.Lock()
	defer d.phones.mu.Unlock()
	for token, list := range d.phones.rings {
		d.seen.rings[token] = list
	}
	return nil
}

// readPeople walks through the list of an operator, to whom canaries are not shown.
func (d *day) readPeople(ctx context.Context) error {
	limit := fullPage
	for p, err := range client.Each(func(cursor *string) ([]api.Detention, *string, error) {
		r, err := d.operators[0].ListDetentionsWithResponse(ctx, &api.ListDetentionsParams{Cursor: cursor, Limit: &limit})
		if err != nil {
			return nil, nil, err
		}
		return r.JSON200.Items, r.JSON200.NextCursor, nil
	}) {
		if err != nil {
			return err
		}
		if _, twice := d.seen.people[p.ID]; twice {
			d.seen.doubled = append(d.seen.doubled, p.ID)
		}
		c := p.Custody
		d.seen.people[p.ID] = custodySeen{place: d.numbers[p.DepartmentID], state: string(p.State), acted: len(p.RepresentedBy) > 0,
			rumour: c.Release != nil && *c.Release == api.ReleaseReported}
	}
	return nil
}

func (d *day) readBoard(ctx context.Context) error {
	r, err := d.coordinators[0].GetBoardWithResponse(ctx, nil)
	if err != nil {
		return err
	}
	b := r.JSON200
	d.seen.board = countsOf(b.Total)
	for _, row := range b.Departments {
		place := d.numbers[row.DepartmentID]
		if c := countsOf(row.Counts); c.held > 0 {
			d.seen.places[place] = c
		}
		for _, l := range row.Lawyers {
			if l.State == api.BoardLawyerStatePresent {
				d.seen.lawyers[l.AccountID] = place
			}
		}
	}
	for _, s := range b.Cities {
		d.seen.cities[*s.City] = countsOf(s.Counts)
	}
	for _, s := range b.Assemblies {
		meeting := -1
		for i, a := range d.assemblies {
			if s.AssemblyID != nil && a.ID == *s.AssemblyID {
				meeting = i
			}
		}
		d.seen.meetings[meeting] = countsOf(s.Counts)
	}
	return nil
}

func (d *day) readTotals(ctx context.Context) error {
	for i, p := range d.places {
		r, err := d.operators[0].GetDetentionTotalsWithResponse(ctx, &api.GetDetentionTotalsParams{DepartmentID: &p.ID})
		if err != nil {
			return err
		}
		if t := r.JSON200.Total; t.People > 0 {
			d.seen.totals[i] = totals{int(t.People), int(t.Released)}
		}
	}
	return nil
}

// readSearches walks through the list of all searches.
func (d *day) readSearches(ctx context.Context) error {
	limit := fullPage
	for s, err := range client.Each(func(cursor *string) ([]api.Search, *string, error) {
		r, err := d.operators[0].ListSearchesWithResponse(ctx, &api.ListSearchesParams{Cursor: cursor, Limit: &limit})
		if err != nil {
			return nil, nil, err
		}
		return r.JSON200.Items, r.JSON200.NextCursor, nil
	}) {
		if err != nil {
			return err
		}
		d.seen.searches[s.ID]++
	}
	return nil
}

// readPages opens the page of every family that must know something, and of one in a hundred of the others, with their own secrets.
func (d *day) readPages(ctx context.Context) error {
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	queue := make(chan *family)
	for range relativesAtOnce {
		all.Go(func() {
			for f := range queue {
				page, err := d.page(from(ctx, f.address), f)
				mu.Lock()
				if err != nil {
					failed = err
				} else {
					d.seen.pages[f.key.ID] = page
				}
				mu.Unlock()
			}
		})
	}
	for _, f := range d.plan.families {
		if f.asked.IsZero() || !d.book.mustHear(f) && !chosen(f.token(), 100) {
			continue
		}
		queue <- f
	}
	close(queue)
	all.Wait()
	return failed
}

func (d *day) page(ctx context.Context, f *family) (api.Search, error) {
	hers, err := d.open.ResumeSearch(f.key)
	if err != nil {
		return api.Search{}, err
	}
	page, _, err := hers.Read(ctx)
	return page, err
}
