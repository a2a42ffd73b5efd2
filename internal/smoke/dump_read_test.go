package smoke_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/qorgau/qorgau/internal/watch"
)

// dump is what a thief carries off: every table, in the physical order of its rows.
type dump map[string]*dumpTable

type dumpTable struct {
	columns []string
	rows    [][]string
}

// take runs pg_dump, or copies every table out where its binary is not at hand: the rows are the same.
func (c *countryDay) take() dump {
	c.Helper()
	out, err := exec.CommandContext(c.ctx, "pg_dump", "--data-only", "--dbname", c.database).Output()
	if err != nil {
		c.Logf("pg_dump (%v): every table is copied instead", err)
		out = c.copyTables()
	}
	d := readDump(bytes.NewReader(out))
	for _, table := range []string{"searches", "detentions", "matches", "notices", "audit_entries", "river_job", "search_attempts"} {
		if d[table] == nil || len(d[table].rows) == 0 {
			c.Fatalf("the dump has no %s: the attacks would look at nothing", table)
		}
	}
	return d
}

func (c *countryDay) copyTables() []byte {
	c.Helper()
	var out bytes.Buffer
	c.must(c.db.Pool.AcquireFunc(c.ctx, func(conn *pgxpool.Conn) error {
		rows, err := conn.Query(c.ctx, `select table_name, string_agg(quote_ident(column_name), ', ' order by ordinal_position)
			from information_schema.columns where table_schema = 'public' group by 1`)
		if err != nil {
			return err
		}
		tables := map[string]string{}
		var name, columns string
		if _, err := pgx.ForEachRow(rows, []any{&name, &columns}, func() error { tables[name] = columns; return nil }); err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(tables)) {
			out.WriteString("COPY public." + name + " (" + tables[name] + ") FROM stdin;\n")
			if _, err := conn.Conn().PgConn().CopyTo(context.WithoutCancel(c.ctx), &out, "copy "+name+" ("+tables[name]+") to stdout"); err != nil {
				return err
			}
			out.WriteString("\\.\n")
		}
		return nil
	}))
	return out.Bytes()
}

func readDump(r io.Reader) dump {
	d := dump{}
	var t *dumpTable
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<24)
	for sc.Scan() {
		line := sc.Text()
		switch {
		case t == nil && strings.HasPrefix(line, "COPY public."):
			name, rest, _ := strings.Cut(strings.TrimPrefix(line, "COPY public."), " (")
			columns, _, _ := strings.Cut(rest, ")")
			t = &dumpTable{columns: strings.Split(columns, ", ")}
			d[name] = t
		case line == `\.`:
			t = nil
		case t != nil:
			t.rows = append(t.rows, strings.Split(line, "\t"))
		}
	}
	return d
}

func (t *dumpTable) column(name string) int { return slices.Index(t.columns, name) }

// with is the dump and a table more.
func (d dump) with(name string, t *dumpTable) dump {
	out := maps.Clone(d)
	out[name] = t
	return out
}

// edge is a match: a search and a detention, in the clear.
type edge struct{ detention, tier string }

// evidence is what a dump says of each search, in a form that attacks can use: everything that two searches may have in common.
type evidence struct {
	searches []string // ids, by time
	at       []time.Time
	length   []int
	tokens   [][]int32 // of each search; those that no other has are left out
	text     []string  // of a token: table.column=value
	families map[string][]int32
	edges    map[string][]edge
}

func readEvidence(d dump) *evidence {
	e := &evidence{edges: map[string][]edge{}, families: map[string][]int32{}}
	s := d["searches"]
	id, at, profile := s.column("id"), s.column("created_at"), s.column("profile_ct")
	rows := slices.Clone(s.rows)
	slices.SortStableFunc(rows, func(a, b []string) int { return cmp.Compare(a[at], b[at]) })
	index := map[string]int{}
	for i, r := range rows {
		when, _ := time.Parse("2006-01-02 15:04:05.999999-07", r[at])
		index[r[id]] = i
		e.searches, e.at, e.length = append(e.searches, r[id]), append(e.at, when), append(e.length, (len(r[profile])-len(`\\x`))/2)
	}
	m := d["matches"]
	for _, r := range m.rows {
		search := r[m.column("search_id")]
		e.edges[search] = append(e.edges[search], edge{r[m.column("detention_id")], r[m.column("tier")]})
	}
	owners := map[string][]int{}
	for name, t := range d {
		for _, row := range t.rows {
			t.tell(name, row, index, owners)
		}
	}
	for search, root := range e.components() {
		if i, there := index[search]; there {
			owners["matches.component="+root] = append(owners["matches.component="+root], i)
		}
	}
	e.tokens = make([][]int32, len(e.searches))
	for text, who := range owners {
		slices.Sort(who)
		who = slices.Compact(who)
		if len(who) < 2 || len(who) > len(e.searches)/2 {
			continue
		}
		n := int32(len(e.text))
		e.text = append(e.text, text)
		family, _, _ := strings.Cut(text, "=")
		e.families[family] = append(e.families[family], n)
		for _, i := range who {
			e.tokens[i] = append(e.tokens[i], n)
		}
	}
	return e
}

// count is how many searches have each token.
func (e *evidence) count() []float64 {
	count := make([]float64, len(e.text))
	for _, tokens := range e.tokens {
		for _, t := range tokens {
			count[t]++
		}
	}
	return count
}

// tell notes for each search that a row names what stands beside it: values, items of arrays, lengths of ciphertexts.
func (t *dumpTable) tell(name string, row []string, index map[string]int, owners map[string][]int) {
	for at, cell := range row {
		i, there := index[cell]
		if !there {
			continue
		}
		for other, value := range row {
			if other == at || value == `\N` {
				continue
			}
			values := []string{value}
			if strings.HasPrefix(value, "{") {
				values = strings.Split(strings.Trim(value, "{}"), ",")
			}
			if strings.HasPrefix(value, `\\x5131`) {
				values = []string{"length " + strconv.Itoa(len(value))}
			}
			for _, v := range values {
				key := name + "." + t.columns[other] + "=" + v
				owners[key] = append(owners[key], i)
			}
		}
	}
}

// components joins what matches join: searches of one component may be about one name.
func (e *evidence) components() map[string]string {
	parent := map[string]string{}
	var root func(string) string
	root = func(x string) string {
		if p, there := parent[x]; there && p != x {
			r := root(p)
			parent[x] = r
			return r
		}
		return x
	}
	for search, edges := range e.edges {
		for _, x := range edges {
			if a, b := root(search), root(x.detention); a != b {
				parent[a] = b
			}
		}
	}
	out := map[string]string{}
	for search := range e.edges {
		out[search] = root(search)
	}
	return out
}

// lengthOf is how long the ciphertext of such a search would be without padding: what anyone can read in the source.
func lengthOf(name string, year int) int {
	plain, _ := json.Marshal(watch.SearchProfile{Name: name, BirthYear: year, Relation: "mother"})
	return len(plain) + len("Q1") + 12 + 16
}
