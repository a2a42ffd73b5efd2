package roster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// Place is where somebody was, rounded to a hundredth of a degree: about a kilometre, enough to say who is near, and not at which
// table they sit. Far: more than 50 km from the department at which they check in.
type Place struct {
	Lat float64 `json:"lat"`
	Lon float64 `json:"lon"`
	Far bool    `json:"far,omitempty"`

	At time.Time `json:"-"`
}

const (
	checkInPlace = "check_ins.place_ct"
	rounding     = 100.0
	farKm        = 50.0
	// placesKept is how long a place is kept: as long as it helps to send somebody, no longer.
	placesKept = 24 * time.Hour
)

// isFar compares a fix with the department, if anyone knows where that is.
func isFar(ctx context.Context, tx *pg.Tx, department *uuid.UUID, p Place) (bool, error) {
	if department == nil {
		return false, nil
	}
	var lat, lon *float64
	if err := tx.QueryRow(ctx, "select lat, lon from departments where id = $1", *department).Scan(&lat, &lon); err != nil {
		return false, fmt.Errorf("read where the department is: %w", err)
	}
	return lat != nil && lon != nil && km(p.Lat, p.Lon, *lat, *lon) > farKm, nil
}

// km is the distance of two points in degrees, on a flat piece of the earth: good to a percent where it decides.
func km(lat1, lon1, lat2, lon2 float64) float64 {
	const degree = 111.2
	return math.Hypot((lat1-lat2)*degree, (lon1-lon2)*degree*math.Cos((lat1+lat2)/2*math.Pi/180))
}

func (c *Calendar) openPlace(id uuid.UUID, period string, ct []byte) (*Place, error) {
	if ct == nil {
		return nil, nil
	}
	key, err := c.ring.PeriodKey(period)
	if errors.Is(err, seal.ErrDestroyed) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var p Place
	return &p, key.OpenJSON(checkInPlace, id, ct, &p)
}

// Places gives where the lawyers of an organisation were seen last, within the last day; for the service itself.
func (c *Calendar) Places(ctx context.Context, tx *pg.Tx, organisation uuid.UUID) (map[uuid.UUID]Place, error) {
	// A check-in at a department without a fix is the last that is known, too: where a fix was before it they are no more.
	rows, err := tx.Query(ctx, `select distinct on (c.account_id) c.id, c.account_id, c.at, c.period, c.place_ct from check_ins c join shifts s on s.id = c.shift_id
		where c.organisation_id = $1 and (c.place_ct is not null or s.department_id is not null) and c.at > $2 order by c.account_id, c.at desc`, organisation, tx.Now.Add(-placesKept))
	if err != nil {
		return nil, fmt.Errorf("read places: %w", err)
	}
	out := map[uuid.UUID]Place{}
	var id, who uuid.UUID
	var at time.Time
	var period string
	var ct []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &who, &at, &period, &ct}, func() error {
		p, err := c.openPlace(id, period, ct)
		if err == nil && p != nil && !p.Far {
			p.At = at
			out[who] = *p
		}
		ct = nil
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read places: %w", err)
	}
	return out, nil
}

// ForgetPlaces wipes places older than a day, and says how many it wiped.
func (c *Calendar) ForgetPlaces(ctx context.Context) (n int64, err error) {
	err = c.db.InTx(ctx, func(tx *pg.Tx) error {
		wiped, err := tx.Exec(ctx, "update check_ins set place_ct = null where place_ct is not null and at <= $1", tx.Now.Add(-placesKept))
		n = int64(wiped)
		return err
	})
	return n, err
}
