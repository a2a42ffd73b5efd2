package watch

import (
	"context"
	"time"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

// StillTrue is what push asks just before a notice goes out.
func (p *Post) StillTrue(ctx context.Context, tx *pg.Tx, n push.Notice) (bool, error) {
	all, err := p.stillTrue(ctx, tx, []push.Notice{n})
	return err == nil && all[0], err
}

// PlacesOf is what push asks when a text is to say a place.
func (p *Post) PlacesOf(ctx context.Context, tx *pg.Tx, n push.Notice) ([]string, error) {
	return p.placesOf(ctx, tx, n)
}

// Slice sets how long one job matches.
func (p *Post) Slice(d time.Duration) { p.slice = d }
