package watch

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/pkg/names"
)

// ofPolice are the places whose names a text by SMS may say. A bus and a square have names that somebody made up on the spot; of a hospital or a court the name
// says more than where.
var ofPolice = []department.Kind{department.PoliceDepartment, department.CityDivision, department.Unit, department.TemporaryDetention, department.ReceptionCentre, department.TransportPolice}

// placesOf gives push the names of the department that a family reads of a match, for the text of an SMS that she wants to say it; none where the text must not.
// It says what she reads with her secret at this moment, and no more: of a certain match alone, of somebody who is held there, and a name that was shipped or that
// a person verified: what is typed on the spot may hold anybody's.
func (p *Post) placesOf(ctx context.Context, tx *pg.Tx, n push.Notice) ([]string, error) {
	if n.Kind != push.Match || n.Owner.Kind != push.SearchOwner {
		return nil, nil
	}
	rows, err := tx.Query(ctx, "select "+matchColumns+" from matches m where m.id = $1 and m.search_id = $2", n.Subject, n.Owner.ID)
	if err != nil {
		return nil, fmt.Errorf("read match for its place: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[MatchRow])
	if err != nil || len(found) == 0 {
		return nil, err
	}
	m := found[0]
	if !m.told() || m.Tier != names.Certain.String() || m.ToldState == nil || *m.ToldState != string(detention.Held) || m.ToldDepartmentID == nil || *m.ToldDepartmentID == uuid.Nil {
		return nil, nil
	}
	s, err := p.loadSearch(ctx, tx, m.SearchID)
	if err != nil || s == nil {
		return nil, err
	}
	told, err := m.lastTold(*s)
	if err != nil {
		return nil, fmt.Errorf("open what was told: %w", err)
	}
	if told.PlaceKind != detention.AtDepartment {
		return nil, nil
	}
	d, err := department.Find(ctx, tx, *m.ToldDepartmentID)
	if err != nil || !slices.Contains(ofPolice, d.Kind) || d.CreatedBy != nil && !d.Verified() {
		return nil, err
	}
	return d.InText(s.Language), nil
}
