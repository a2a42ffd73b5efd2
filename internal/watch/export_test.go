package watch

import (
	"context"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

// StillTrue is what push asks just before a notice goes out.
func (p *Post) StillTrue(ctx context.Context, tx *pg.Tx, n push.Notice) (bool, error) {
	return p.stillTrue(ctx, tx, n)
}
