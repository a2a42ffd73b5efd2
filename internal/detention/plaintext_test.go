package detention_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/detention"
)

// markers are words that stand in every field about a person, and nowhere else.
var markers = []string{"Маркербаев", "Зейнолла", "Нышанұлы", "Таңбалиева", "белгілі", "markerov", "өтірікбасис", "қаладағы", "құпияорын"}

// No table holds what was logged, in any of the forms in which one would look for it: as it is, escaped as JSON does, in the bytes
// of a bytea, in base64, or as its plain hash.
func TestNoTableHoldsAName(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p, boss := f.lawyer(), f.coordinator()
	whole := markers[0] + " " + markers[1] + " " + markers[2]
	id := f.one(p, f.almaly, detention.Entry{Name: whole, AlsoKnownAs: []string{markers[3]}, Description: markers[4], Note: markers[5],
		ReportedBy: markers[3], DoNotTell: []string{markers[0]}, Consent: &detention.Consent{Status: "refused", Basis: markers[6]},
		Facts: detention.Facts{Sex: []byte(`"` + markers[4] + `"`), Citizenship: []byte(`"` + markers[5] + `"`), Needs: []byte(`["` + markers[7] + `"]`)}})
	e := f.event(detention.MovedKind, time.Minute, &f.medeu)
	e.Details.Place, e.Details.Note = markers[8], whole
	_, _, err := f.ledger.Add(f.ctx, p, id, e)
	f.must(err)
	f.correct(p, id, detention.Correction{Revision: 2, Name: set(whole + " " + markers[3]), Note: set(markers[7])})
	_, err = f.ledger.Correct(f.ctx, p, id, detention.Correction{Revision: 1, Name: set(markers[0])})
	f.refused(err, "stale", "/name changed")
	_, err = f.ledger.PlantCanary(f.ctx, boss, f.almaly, detention.Entry{ClientID: uuid.New(), Name: whole})
	f.must(err)
	for _, query := range []string{whole, markers[0]} {
		if page, _, err := f.ledger.List(f.ctx, boss, detention.Filter{Query: query, Limit: 10}); err != nil || len(page) != 2 {
			t.Errorf("%d found, %v", len(page), err)
		}
	}
	if d := f.get(p, id); d.Name != whole+" "+markers[3] || d.AlsoKnownAs[0] != markers[3] {
		t.Fatalf("%+v", d.Profile) // what is looked for below was really logged
	}

	rows, err := f.db.Pool.Query(f.ctx, "select quote_ident(table_schema) || '.' || quote_ident(table_name) from information_schema.tables where table_schema not in ('pg_catalog', 'information_schema')")
	f.must(err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	f.must(err)
	var all strings.Builder
	for _, table := range tables {
		text := value[string](f, "select coalesce(string_agg(row_to_json(x)::text, E'\n'), '') from "+table+" x")
		all.WriteString(strings.ToLower(text) + "\n")
		if len(text) > 0 {
			t.Logf("%s: %d bytes", table, len(text))
		}
	}
	for _, marker := range append(markers, whole) {
		for form, text := range forms(marker) {
			if strings.Contains(all.String(), strings.ToLower(text)) {
				t.Errorf("%q stands in a table, %s", marker, form)
			}
		}
	}
	if !strings.Contains(all.String(), id.String()) {
		t.Error("the search does not find what is there")
	}
}

// forms are the ways in which a text may stand somewhere without being sealed.
func forms(text string) map[string]string {
	out := map[string]string{}
	for spelling, s := range map[string]string{"as it is": text, "in small letters": strings.ToLower(text), "in capitals": strings.ToUpper(text)} {
		escaped, _ := json.Marshal(s)
		var unicode strings.Builder
		for _, r := range s {
			unicode.WriteString(`\u` + hex.EncodeToString([]byte{byte(r >> 8), byte(r)}))
		}
		sum := sha256.Sum256([]byte(s))
		for form, x := range map[string]string{"plain": s, "JSON": strings.Trim(string(escaped), `"`), "escaped": unicode.String(), "bytes": hex.EncodeToString([]byte(s)),
			"SHA-256 in hex": hex.EncodeToString(sum[:]), "SHA-256 in base64": base64.RawStdEncoding.EncodeToString(sum[:]),
			"SHA-256 in base64url": base64.RawURLEncoding.EncodeToString(sum[:]), "SHA-256 cut": hex.EncodeToString(sum[:8]),
			"base64": base64.RawStdEncoding.EncodeToString([]byte(s))} {
			out[form+" "+spelling] = x
		}
	}
	return out
}
