package pg

import (
	"context"
	"database/sql"
	"errors"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

// scrub cuts off what repeats a row, a statement or a value. Code and constraint stay, for Violates and Code.
//
// It must see an error before anyone wraps it: fmt.Errorf fixes the text. Hence the wrappers below, and the replacing here for
// what was wrapped out of our sight (by River, or in the callback of a batch).
func scrub(err error) error {
	if err == nil {
		return nil
	}
	said := err.Error()
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		pe.Detail, pe.Where, pe.InternalQuery, pe.Hint = "", "", "", ""
		// `invalid input syntax for type uuid: "…"` repeats a value in the message itself.
		if strings.HasPrefix(pe.Code, "22") && pe.Message != noMessage {
			said = strings.ReplaceAll(said, pe.Message, noMessage)
			pe.Message = noMessage
		}
	}
	if at := repeats.FindStringIndex(said); at != nil && !strings.HasPrefix(said[at[1]:], harmless) {
		said = said[:at[1]] + cutOff
	}
	if said == err.Error() {
		return err
	}
	return quiet{err, said}
}

const (
	noMessage = "data exception"
	cutOff    = " (cut off: what follows may repeat a value)"
	harmless  = ": cannot scan " // goes on with types
)

// The texts of pgx, database/sql and GORM after which they print the value that did not fit.
var repeats = regexp.MustCompile(`failed to encode args\[\d+\]|unable to encode|can't scan into dest\[\d+\]( \(col: [^)]*\))?|sql: Scan error on column index \d+, name "[^"]*"|failed to set value`)

// quiet is an error whose text was fixed before scrub saw it.
type quiet struct {
	error
	text string
}

func (q quiet) Error() string { return q.text }
func (q quiet) Unwrap() error { return q.error }

// scrubbedRows are pgx.Rows whose errors carry no value.
type scrubbedRows struct{ pgx.Rows }

func (r scrubbedRows) Err() error             { return scrub(r.Rows.Err()) }
func (r scrubbedRows) Scan(dest ...any) error { return scrub(r.Rows.Scan(dest...)) }
func (r scrubbedRows) Values() ([]any, error) {
	v, err := r.Rows.Values()
	return v, scrub(err)
}

type scrubbedRow struct{ pgx.Row }

func (r scrubbedRow) Scan(dest ...any) error { return scrub(r.Row.Scan(dest...)) }

type scrubbedResults struct{ pgx.BatchResults }

func (r scrubbedResults) Exec() (pgconn.CommandTag, error) {
	tag, err := r.BatchResults.Exec()
	return tag, scrub(err)
}

func (r scrubbedResults) Query() (pgx.Rows, error) {
	rows, err := r.BatchResults.Query()
	return scrubbedRows{rows}, scrub(err)
}

func (r scrubbedResults) QueryRow() pgx.Row { return scrubbedRow{r.BatchResults.QueryRow()} }

func (r scrubbedResults) Close() error { return scrub(r.BatchResults.Close()) }

// dialect is GORM's PostgreSQL: GORM shows it the errors of rows. Those of queries it keeps to itself, hence statements.
type dialect struct{ *postgres.Dialector }

func (dialect) Translate(err error) error { return scrub(err) }

// statements is the connection that GORM gets. It cannot begin a transaction: that is InTx's, and a second one on the same
// connection would commit it.
type statements struct{ gorm.ConnPool }

func (s statements) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	r, err := s.ConnPool.ExecContext(ctx, query, args...)
	return r, scrub(err)
}

func (s statements) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := s.ConnPool.QueryContext(ctx, query, args...)
	return rows, scrub(err)
}
