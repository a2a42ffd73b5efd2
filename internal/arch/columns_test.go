package arch

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const plainPage = "docs/security/plain-columns.md"

// The heading under which the page lists tables that are not ours.
const othersHeading = "## Tables of the libraries"

var quoted = regexp.MustCompile("`([a-z0-9_]+)`")

// plainList is the page as data: "table.column" to its line, and the tables of libraries to theirs.
type plainList struct {
	columns map[string]int
	others  map[string]int
}

func readPlainList(t *testing.T) plainList {
	t.Helper()
	text, err := repository(t).read(plainPage)
	if err != nil {
		t.Fatalf("%s: %v", plainPage, err)
	}
	out := plainList{columns: map[string]int{}, others: map[string]int{}}
	others := false
	for i, line := range strings.Split(string(text), "\n") {
		others = others || strings.HasPrefix(line, othersHeading)
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "|") || len(cells) != 3 || len(quoted.FindAllString(cells[1], -1)) == 0 {
			continue
		}
		if strings.TrimSpace(cells[2]) == "" {
			t.Errorf("%s:%d: no reason: a column stays plain for a reason or not at all", plainPage, i+1)
		}
		into, prefix := out.others, ""
		if table := quoted.FindStringSubmatch(cells[0]); !others && table != nil {
			into, prefix = out.columns, table[1]+"."
		}
		for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
			if before, twice := into[prefix+m[1]]; twice {
				t.Errorf("%s:%d: %s%s is listed already in line %d: two reasons are none", plainPage, i+1, prefix, m[1], before)
			}
			into[prefix+m[1]] = i + 1
		}
	}
	if len(out.columns) == 0 {
		t.Fatalf("%s:1: nothing is listed: the rule would pass by looking at nothing", plainPage)
	}
	return out
}

// column is one column of the migrated database. Sealed tells that a valid CHECK of its own refuses what is no ciphertext.
type column struct {
	Table, Name, Type string
	Sealed            bool
}

// A column is sealed when it is named for it, can hold nothing but bytes, and a validated constraint on it alone says
// is_sealed: with or without null (erasing nulls it), and nothing else beside.
const readColumns = `select c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
	exists (select 1 from pg_constraint k where k.conrelid = c.oid and k.contype = 'c' and k.convalidated and k.conkey = array[a.attnum]
		and pg_get_expr(k.conbin, k.conrelid) in ('is_sealed(' || quote_ident(a.attname) || ')',
			'((' || quote_ident(a.attname) || ' IS NULL) OR is_sealed(' || quote_ident(a.attname) || '))'))
	from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
	where c.relkind in ('r', 'p', 'v', 'm', 'f') and a.attnum > 0 and not a.attisdropped
		and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
	order by 1, a.attnum`

func columnsOf(t *testing.T, db *pgtest.Database) []column {
	t.Helper()
	rows, err := db.Pool.Query(context.Background(), readColumns)
	if err != nil {
		t.Fatal(err)
	}
	columns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	if err != nil {
		t.Fatal(err)
	}
	return columns
}

// compare gives what is wrong with the page or the schema.
func (list plainList) compare(columns []column) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	seen := map[string]bool{}
	for _, c := range columns {
		full := c.Table + "." + c.Name
		seen[c.Table], seen[full] = true, true
		if list.others[c.Table] != 0 {
			continue
		}
		line, listed := list.columns[full]
		switch named := strings.HasSuffix(c.Name, "_ct"); {
		case named && listed:
			say("%s:%d: %s is listed as plain, but by its name it is ciphertext", plainPage, line, full)
		case named && c.Type != "bytea":
			say("migrations: %s is %s: ciphertext is bytea", full, c.Type)
		case named && !c.Sealed:
			say("migrations: %s has no valid CHECK of its own that says is_sealed: plaintext would be taken", full)
		case !named && !listed:
			say("migrations: %s is neither sealed nor listed in %s with its reason: a seized disk would give it away", full, plainPage)
		}
	}
	for _, full := range slices.Sorted(maps.Keys(list.columns)) {
		if !seen[full] {
			say("%s:%d: %s does not exist: the page must say what is", plainPage, list.columns[full], full)
		}
	}
	for _, table := range slices.Sorted(maps.Keys(list.others)) {
		if !seen[table] {
			say("%s:%d: table %s does not exist: the page must say what is", plainPage, list.others[table], table)
		}
		if !strings.HasPrefix(table, "river_") && !strings.HasPrefix(table, "goose_") {
			say("%s:%d: table %s is no library's: list its columns", plainPage, list.others[table], table)
		}
	}
	return wrong
}

// What a human's name could lie in is ciphertext, or is listed with the reason why it is not.
func TestEveryColumnIsSealedOrListed(t *testing.T) {
	t.Parallel()
	list := readPlainList(t)
	columns := columnsOf(t, pgtest.New(t))
	for _, wrong := range list.compare(columns) {
		t.Error(wrong)
	}
	sealed := 0
	for _, c := range columns {
		if c.Sealed && strings.HasSuffix(c.Name, "_ct") {
			sealed++
		}
	}
	t.Logf("%d columns: %d sealed, %d plain with a reason, the rest in %d tables of libraries", len(columns), sealed, len(list.columns), len(list.others))
}

// Each way of leaving something in the open is seen.
func TestAnOpenColumnIsSeen(t *testing.T) {
	t.Parallel()
	list := readPlainList(t)
	for _, c := range []struct{ statement, says string }{
		{"alter table accounts add column nickname text", "accounts.nickname is neither sealed nor listed"},
		{"alter table accounts add column note_ct bytea", "accounts.note_ct has no valid CHECK"},
		{"alter table accounts add column note_ct text", "accounts.note_ct is text"},
		{"alter table accounts add column note_ct bytea check (note_ct is null or is_sealed(note_ct) or octet_length(note_ct) > 0)", "accounts.note_ct has no valid CHECK"},
		{"alter table accounts add column note_ct bytea; alter table accounts add check (is_sealed(note_ct)) not valid", "accounts.note_ct has no valid CHECK"},
		{"alter table detentions drop constraint detentions_profile_sealed", "detentions.profile_ct has no valid CHECK"},
		{"create table confidants (id uuid primary key)", "confidants.id is neither sealed nor listed"},
		{"create view named as select client_id as told_to from searches", "named.told_to is neither sealed nor listed"},
		{"alter table channels drop column dropped_at", "channels.dropped_at does not exist"},
	} {
		t.Run(c.says, func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t)
			if _, err := db.Pool.Exec(context.Background(), c.statement); err != nil {
				t.Fatal(err)
			}
			wrong := list.compare(columnsOf(t, db))
			if len(wrong) != 1 || !strings.Contains(wrong[0], c.says) {
				t.Errorf("after %q the comparison says %q, want one line with %q", c.statement, wrong, c.says)
			}
		})
	}
}

// The check that every sealed column leans on tells ciphertext from text.
func TestIsSealedRefusesPlaintext(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	for text, want := range map[string]bool{
		"":   false,
		"Q1": false,
		"Ахметов Арман Серікұлы, 1990":       false,
		"akhmetov arman, born 1990, Almaty":  false,
		"Q1" + strings.Repeat("\x00", 28):    true, // the shortest that AES-GCM gives: nonce and tag
		"Q1" + strings.Repeat("\xff", 28*10): true,
		"q1" + strings.Repeat("\xff", 28*10): false,
	} {
		var got bool
		if err := db.Pool.QueryRow(context.Background(), "select is_sealed($1::bytea)", []byte(text)).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("is_sealed(%d bytes beginning %q) = %v, want %v", len(text), text[:min(len(text), 12)], got, want)
		}
	}
}
