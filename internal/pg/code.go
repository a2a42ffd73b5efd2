package pg

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/qorgau/qorgau/internal/fault"
)

// Code is what may be said of an error where plain text is kept (a job's row, a log): a fault's code, or PostgreSQL's with the
// constraint. The text of an error can repeat what someone submitted; a code cannot.
func Code(err error) string {
	var pe *pgconn.PgError
	switch {
	case errors.As(err, &pe):
		if pe.ConstraintName != "" {
			return "sql_" + pe.Code + "_" + pe.ConstraintName
		}
		return "sql_" + pe.Code
	case fault.As(err) != nil:
		return fault.As(err).Code
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	}
	return "internal"
}
