package pg_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
)

// The name that someone submitted; no error may repeat it.
const marker = "Белгісізова"

// leaks looks for the marker wherever a log could find it: in the text, and in the fields of a PgError inside.
func leaks(err error) bool {
	var pe *pgconn.PgError
	if errors.As(err, &pe) && strings.Contains(fmt.Sprintf("%+v", *pe), marker) {
		return true
	}
	return strings.Contains(err.Error(), marker)
}

// mistakes are statements that fail for the sake of the marker, and the code they must still be known by.
var mistakes = map[string]struct {
	statement string
	args      []any
	code      string
}{
	"a cast":             {"select cast($1::text as uuid)", []any{marker}, "sql_22P02"},
	"a cast to json":     {"select cast($1::text as jsonb)", []any{`{"name": ` + marker + `}`}, "sql_22P02"},
	"a zero byte":        {"select $1::text", []any{marker + "\x00"}, "sql_22021"},
	"a date":             {"select cast($1::text as date)", []any{marker}, "sql_22007"},
	"a check":            {insert, []any{uuid.New(), strings.Repeat(marker, 20), time.Now()}, "sql_23514_organisations_name_check"},
	"a null":             {"insert into organisations (id, name) values ($1, $2)", []any{uuid.New(), marker}, "sql_23502"},
	"a second check":     {"insert into data_keys (id, organisation_id, scope, period) values ($1, $1, 'search', $2)", []any{uuid.New(), marker}, "sql_23514_data_keys_destroyed"},
	"in a function":      {"do $$ declare n int; begin n := '" + marker + "'; end $$", nil, "sql_22P02"},
	"a value not fit":    {"select $1::uuid", []any{marker}, "internal"},
	"a number not fit":   {"select $1::integer", []any{marker}, "internal"},
	"a list not fit":     {"select $1::uuid", []any{[]string{marker}}, "internal"},
	"a field not fit":    {"select $1::text", []any{marker}, "internal"},
	"a field of strings": {"select array[$1::text]", []any{marker}, "internal"},
}

// Whichever way a statement goes, its error repeats nothing; wrapped on the spot, as features do, it must be clean before.
func TestErrorsRepeatNothing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := pgtest.New(t)
	for name, m := range mistakes {
		var n int
		ways := map[string]func(tx *pg.Tx) error{
			"Exec": func(tx *pg.Tx) error {
				_, err := tx.Exec(ctx, m.statement, m.args...)
				return err
			},
			"Query": func(tx *pg.Tx) error {
				rows, err := tx.Query(ctx, m.statement, m.args...)
				if err != nil {
					return err
				}
				for rows.Next() {
					if _, err := rows.Values(); err != nil {
						return err
					}
				}
				return rows.Err()
			},
			"CollectRows": func(tx *pg.Tx) error {
				rows, err := tx.Query(ctx, m.statement, m.args...)
				if err != nil {
					return err
				}
				_, err = pgx.CollectRows(rows, pgx.RowTo[int])
				return err
			},
			"a type of one's own": func(tx *pg.Tx) error {
				rows, err := tx.Query(ctx, m.statement, m.args...)
				if err != nil {
					return err
				}
				_, err = pgx.CollectRows(rows, pgx.RowTo[talkative])
				return err
			},
			"QueryRow": func(tx *pg.Tx) error { return tx.QueryRow(ctx, m.statement, m.args...).Scan(&n) },
			"Send":     func(tx *pg.Tx) error { return tx.Send(ctx, queued(m.statement, m.args)).Close() },
			"Send, Exec": func(tx *pg.Tx) error {
				r := tx.Send(ctx, queued(m.statement, m.args))
				_, err := r.Exec()
				return errors.Join(err, r.Close())
			},
			"Send, Query": func(tx *pg.Tx) error {
				r := tx.Send(ctx, queued(m.statement, m.args))
				rows, err := r.Query()
				if err == nil {
					_, err = pgx.CollectRows(rows, pgx.RowTo[int])
				}
				return errors.Join(err, r.Close())
			},
			"Send, QueryRow": func(tx *pg.Tx) error {
				r := tx.Send(ctx, queued(m.statement, m.args))
				return errors.Join(r.QueryRow().Scan(&n), r.Close())
			},
			"Send, in its own wrapping": func(tx *pg.Tx) error {
				b := &pgx.Batch{}
				b.Queue(m.statement, m.args...).QueryRow(func(row pgx.Row) error {
					if err := row.Scan(&n); err != nil {
						return fmt.Errorf("read: %w", err)
					}
					return nil
				})
				return tx.Send(ctx, b).Close()
			},
			"GORM, reading":   func(tx *pg.Tx) error { return tx.Gorm(ctx).Raw(question(m.statement), m.args...).Scan(&n).Error },
			"GORM, writing":   func(tx *pg.Tx) error { return tx.Gorm(ctx).Exec(question(m.statement), m.args...).Error },
			"GORM, by itself": func(*pg.Tx) error { return db.Read(ctx).Raw(question(m.statement), m.args...).Scan(&n).Error },
		}
		for way, do := range ways {
			var inside error
			outside := db.InTx(ctx, func(tx *pg.Tx) error {
				if inside = do(tx); inside == nil {
					return nil
				}
				if leaks(inside) { // here, because InTx cleans the same error again
					t.Errorf("%s by %s: %v", name, way, inside)
				}
				return fmt.Errorf("do it: %w", inside)
			})
			if inside == nil {
				// A text that is not looked at fits everywhere.
				if m.code != "internal" {
					t.Errorf("%s by %s went well", name, way)
				}
				continue
			}
			if outside == nil || leaks(outside) {
				t.Errorf("%s by %s, out of InTx: %v", name, way, outside)
			}
			if strings.HasPrefix(m.code, "sql") && pg.Code(outside) != m.code && !strings.HasPrefix(way, "GORM") {
				t.Errorf("%s by %s: code %s, want %s", name, way, pg.Code(outside), m.code)
			}
		}
	}
}

// talkative is a type whose Scan repeats what it could not read.
type talkative struct{}

func (*talkative) Scan(src any) error { return fmt.Errorf("%v is not known", src) }

func queued(statement string, args []any) *pgx.Batch {
	b := &pgx.Batch{}
	b.Queue(statement, args...)
	return b
}

// question puts GORM's question marks.
func question(statement string) string {
	for _, p := range []string{"$1", "$2", "$3"} {
		statement = strings.ReplaceAll(statement, p, "?")
	}
	return statement
}

// What was wrapped out of sight, in a fault or by another library, is cleaned on the way out all the same.
func TestErrorsWrappedElsewhere(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := pgtest.New(t)
	var n int
	dirty := func() error {
		return db.Pool.QueryRow(ctx, "select cast($1::text as uuid)", marker).Scan(&n)
	}
	if !leaks(dirty()) {
		t.Fatal("the pool itself gives a clean error: this test tries nothing")
	}
	down := fault.Down(fmt.Errorf("elsewhere: %w", dirty()))
	for name, err := range map[string]error{
		"a fault":            db.InTx(ctx, func(*pg.Tx) error { return fault.Down(dirty()) }),
		"a wrapped fault":    db.InTx(ctx, func(*pg.Tx) error { return fmt.Errorf("do: %w", down) }),
		"a wrapping":         db.InTx(ctx, func(*pg.Tx) error { return fmt.Errorf("do: %w", dirty()) }),
		"a read outside":     pg.Unavailable(fmt.Errorf("read: %w", dirty())),
		"a second cleaning":  pg.Unavailable(pg.Unavailable(fmt.Errorf("read: %w", dirty()))),
		"a read of one cell": pg.Unavailable(db.Pool.QueryRow(ctx, "select $1::text", marker).Scan(&n)),
	} {
		if err == nil || leaks(err) {
			t.Errorf("%s: %v", name, err)
		}
		if strings.Contains(name, "fault") != (fault.As(err) != nil) {
			t.Errorf("%s: a fault is %v", name, fault.As(err))
		}
	}
	if err := pg.Unavailable(nil); err != nil {
		t.Errorf("nothing became %v", err)
	}
	if _, err := pg.Open(ctx, pg.Options{URL: "postgres://u:" + marker + "@[::1/db"}); err == nil || leaks(err) {
		t.Errorf("an unreadable URL: %v", err)
	}
}

// A NULL where none was thought of is a mistake of ours, and its text helps to find it.
func TestErrorsStillHelp(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := pgtest.New(t)
	err := db.InTx(ctx, func(tx *pg.Tx) error {
		var s string
		return tx.QueryRow(ctx, "select null::text as phone").Scan(&s)
	})
	if err == nil || !strings.Contains(err.Error(), "phone") || !strings.Contains(err.Error(), "cannot scan NULL into *string") {
		t.Errorf("a NULL: %v", err)
	}
	err = db.InTx(ctx, func(tx *pg.Tx) error {
		_, err := tx.Exec(ctx, "select $2::integer, $1::text", "x", 1<<40)
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "args[1]") {
		t.Errorf("an argument: %v", err)
	}
}

// Code is what stands in job rows and logs.
func TestCode(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"sql_23505_detentions_client_id": &pgconn.PgError{Code: "23505", ConstraintName: "detentions_client_id", Message: marker},
		"sql_40P01":                      fmt.Errorf("do: %w", &pgconn.PgError{Code: "40P01", Detail: marker}),
		"sql_57P01":                      fault.Down(&pgconn.PgError{Code: "57P01"}),
		"not_found":                      fmt.Errorf("do: %w", fault.Absent()),
		"unavailable":                    fault.Down(context.DeadlineExceeded),
		"timeout":                        fmt.Errorf("%s: %w", marker, context.DeadlineExceeded),
		"cancelled":                      fmt.Errorf("%s: %w", marker, context.Canceled),
		"internal":                       errors.New(marker),
	} {
		if got := pg.Code(err); got != want {
			t.Errorf("code %s, want %s", got, want)
		}
	}
}
