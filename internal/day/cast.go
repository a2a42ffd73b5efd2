package day

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/pkg/client"
)

// worker is somebody who works here, with their phone.
type worker struct {
	*client.Staff
	me    api.Account
	token string // of their phone

	turn  sync.Mutex // a lawyer answers one offer at a time
	place int        // the department where they stand, -1 for none; guarded by the ledger's lock
	shift uuid.UUID  // of it
}

// nowhere is where a lawyer stands who is on the way, or at home.
const nowhere = -1

// signIn brings everybody in as in real life: coordinators by codes from the server's own command line, all others by a coordinator's
// invitation, each with a device key. Then the roster.
func (d *day) signIn(ctx context.Context) error {
	for i := range d.size.coordinators {
		code, err := d.served.Accounts().InviteFromServer(ctx, account.InviteRequest{Role: account.Coordinator, Name: "Координатор " + strconv.Itoa(i+1)})
		if err != nil {
			return fmt.Errorf("invite a coordinator: %w", err)
		}
		w, err := d.enter(ctx, code, "coordinator-"+strconv.Itoa(i))
		if err != nil {
			return err
		}
		d.coordinators = append(d.coordinators, w)
	}
	for _, group := range []struct {
		role api.Role
		n    int
		into *[]*worker
	}{{api.RoleOperator, d.size.operators, &d.operators}, {api.RoleLawyer, d.size.lawyers, &d.lawyers}} {
		for i := range group.n {
			chief := d.coordinators[i%len(d.coordinators)]
			made, err := chief.InviteAccountWithResponse(ctx, nil, api.AccountInvite{ClientID: uuid.New(), Name: string(group.role) + " " + strconv.Itoa(i+1), Role: group.role})
			if err != nil {
				return fmt.Errorf("invite: %w", err)
			}
			w, err := d.enter(ctx, made.JSON201.Invitation.Code, string(group.role)+"-"+strconv.Itoa(i))
			if err != nil {
				return err
			}
			*group.into = append(*group.into, w)
		}
	}
	if err := d.findPlaces(ctx); err != nil {
		return err
	}
	d.plan = newPlan(d.size, d.began.Year(), len(d.assemblies), d.chance(chanceOfPlan))
	d.book.people, d.book.families, d.book.lawyers = d.plan.people, d.plan.families, d.lawyers
	for _, p := range d.places {
		d.book.places = append(d.book.places, placeOf{city: p.City, names: []string{p.Name.Kk, p.Name.Ru, p.Name.En}})
	}
	d.opening()
	return d.roster(ctx)
}

func (d *day) enter(ctx context.Context, code, token string) (*worker, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("device key: %w", err)
	}
	s, err := d.open.OpenSession(ctx, code, client.Installation{Name: token, Platform: api.PlatformAndroid, PushToken: token, Key: key})
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	me, err := s.GetMeWithResponse(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	return &worker{Staff: s, me: me.JSON200.Account, token: token, place: nowhere}, nil
}

// findPlaces takes the departments of the shipped directory, those of cities with most of them first; what is missing is added on the spot.
func (d *day) findPlaces(ctx context.Context) error {
	const page = 100
	limit := page
	inCity := map[string]int{}
	for p, err := range client.Each(func(cursor *string) ([]api.Department, *string, error) {
		r, err := d.coordinators[0].ListDepartmentsWithResponse(ctx, &api.ListDepartmentsParams{Cursor: cursor, Limit: &limit})
		if err != nil {
			return nil, nil, err
		}
		return r.JSON200.Items, r.JSON200.NextCursor, nil
	}) {
		if err != nil {
			return fmt.Errorf("list departments: %w", err)
		}
		d.places = append(d.places, p)
		inCity[p.City]++
	}
	slices.SortFunc(d.places, func(a, b api.Department) int {
		return cmp.Or(cmp.Compare(inCity[b.City], inCity[a.City]), cmp.Compare(a.City, b.City), slices.Compare(a.ID[:], b.ID[:]))
	})
	for n := len(d.places); n < d.size.departments; n++ {
		r, err := d.coordinators[0].CreateDepartmentWithResponse(ctx, nil, api.DepartmentCreate{ClientID: uuid.New(), City: d.places[0].City, Kind: "vehicle",
			Name: "Автозак " + strconv.Itoa(n)})
		if err != nil {
			return fmt.Errorf("add a department: %w", err)
		}
		d.places = append(d.places, *r.JSON201)
	}
	d.places = d.places[:d.size.departments]
	for i, p := range d.places {
		d.numbers[p.ID] = i
	}
	return d.announce(ctx)
}

// announce makes an assembly in each of the first cities.
func (d *day) announce(ctx context.Context) error {
	const most = 6
	var cities []string
	for _, p := range d.places {
		if !slices.Contains(cities, p.City) && len(cities) < most {
			cities = append(cities, p.City)
		}
	}
	for _, city := range cities {
		r, err := d.coordinators[0].CreateAssemblyWithResponse(ctx, nil, api.AssemblyCreate{ClientID: uuid.New(), City: city, Title: "Мирное собрание", StartsAt: d.began.Add(-time.Hour)})
		if err != nil {
			return fmt.Errorf("announce an assembly: %w", err)
		}
		d.assemblies = append(d.assemblies, *r.JSON201)
	}
	return nil
}

// roster plans a shift for each lawyer: two of three stand at every other department, the others float in the first cities. They
// confirm, and those with a department check in.
func (d *day) roster(ctx context.Context) error {
	const long = 12 * time.Hour
	from := time.Now()
	var plan api.ShiftPlan
	posted := len(d.lawyers) * 2 / 3
	for i, w := range d.lawyers {
		n := api.ShiftNew{ClientID: uuid.New(), AccountID: w.me.ID, StartsAt: from, EndsAt: from.Add(long)}
		if i < posted {
			n.DepartmentID = &d.places[i*2%len(d.places)].ID
		} else {
			n.City = &d.assemblies[i%len(d.assemblies)].City
		}
		plan.Shifts = append(plan.Shifts, n)
	}
	planned, err := d.coordinators[0].PlanShiftsWithResponse(ctx, nil, plan)
	if err != nil {
		return fmt.Errorf("plan shifts: %w", err)
	}
	for _, s := range planned.JSON201.Items {
		at := slices.IndexFunc(d.lawyers, func(w *worker) bool { return w.me.ID == s.AccountID })
		w := d.lawyers[at]
		if _, err := w.ConfirmShiftWithResponse(ctx, s.ID, nil); err != nil {
			return fmt.Errorf("confirm a shift: %w", err)
		}
		if s.DepartmentID == nil {
			continue
		}
		if err := d.checkIn(ctx, w, d.numbers[*s.DepartmentID]); err != nil {
			return err
		}
	}
	return nil
}

// checkIn puts a lawyer at a department.
func (d *day) checkIn(ctx context.Context, w *worker, place int) error {
	p := d.places[place]
	r, err := w.CheckInAnywhereWithResponse(ctx, nil, api.CheckIn{ClientID: uuid.New(), DepartmentID: &p.ID, Lat: p.Lat, Lon: p.Lon})
	if err != nil {
		return fmt.Errorf("check in: %w", err)
	}
	arrival := r.JSON201
	if arrival == nil {
		arrival = r.JSON200
	}
	d.book.with(func() {
		w.place, w.shift = place, arrival.Shift.ID
		if _, known := d.book.reached[place]; !known {
			d.book.reached[place] = time.Now()
		}
	})
	return nil
}
