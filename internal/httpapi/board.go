package httpapi

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/board"
)

// GetBoard shows the situation by department.
func (s *Server) GetBoard(ctx context.Context, r GetBoardRequestObject) (GetBoardResponseObject, error) {
	p, _ := account.From(ctx)
	f := board.Filter{City: orZero(r.Params.City), AssemblyID: r.Params.AssemblyID, DepartmentID: r.Params.DepartmentID}
	made, err := s.Board.Answer(ctx, p, f, func(shown board.Shown) (any, error) {
		body, err := json.Marshal(boardWire(shown))
		return boardAnswer{body: body, tag: bodyTag(s.Ring, body)}, err
	})
	if err != nil {
		return nil, err
	}
	return made.(boardAnswer), nil
}

// boardAnswer is a board as it travels. It is written once for all who are shown the same: a screen that has it already costs next to nothing.
type boardAnswer struct {
	body []byte
	tag  string
}

// VisitGetBoardResponse writes it.
func (a boardAnswer) VisitGetBoardResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("ETag", a.tag)
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(a.body)
	return err
}

func boardWire(shown board.Shown) api.Board {
	out := api.Board{Departments: make([]api.BoardRow, len(shown.Rows)), Cities: sumsWire(shown.Cities), Assemblies: sumsWire(shown.Assemblies), Total: boardCounts(shown.Total)}
	for i, x := range shown.Rows {
		row := api.BoardRow{DepartmentID: x.DepartmentID, City: x.City, Counts: boardCounts(x.Counts), Lawyers: make([]api.BoardLawyer, len(x.Lawyers)),
			Door: *stateWire(x.Door), AsOf: utcOf(x.AsOf)}
		for j, l := range x.Lawyers {
			row.Lawyers[j] = api.BoardLawyer{AccountID: l.AccountID, State: api.BoardLawyerState(l.State), EtaAt: utcOf(l.ETA)}
		}
		out.Departments[i] = row
	}
	return out
}

func sumsWire(list []board.Sum) []api.BoardSum {
	out := make([]api.BoardSum, len(list))
	for i, x := range list {
		out[i] = api.BoardSum{City: orNil(x.City), AssemblyID: x.AssemblyID, Counts: boardCounts(x.Counts)}
	}
	return out
}

func boardCounts(c board.Counts) api.BoardCounts {
	return api.BoardCounts{Held: c.Held, Elsewhere: c.Elsewhere, WithoutLawyer: c.WithoutLawyer, Minors: c.Minors, Injured: c.Injured, Vulnerable: c.Vulnerable,
		Foreign: c.Foreign, Women: c.Women, WomenWithoutEscort: c.WomenWithoutEscort, LimitsBreached: c.Breached, RightsBroken: c.Broken, RightsOverdue: c.Overdue,
		NextDueAt: utcOf(c.NextDue)}
}
