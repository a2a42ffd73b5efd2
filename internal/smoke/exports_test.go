package smoke_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
)

// Evidence leaves the house when two persons say so, as JSON, CSV and PDF; no cell of it is a formula, and no proxy keeps it.
func TestEvidenceInEveryForm(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer, chief, second, operator := tw.invited(account.Lawyer), tw.invited(account.Coordinator), tw.invited(account.Coordinator), tw.invited(account.Operator)
	const officer, pretext = `=HYPERLINK("http://x","Ережепов")`, "план «Крепость»,\nприказ"
	for path, body := range map[string]string{
		"/v1/obstructions": `{"client_id": "` + uuid.NewString() + `", "department_id": "` + almaly.String() + `", "code": "ENTRY_REFUSED", "at": "` + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339) +
			`", "officer": ` + quote(officer) + `, "note": "задержанный Ахметов"}`,
		"/v1/departments/" + almaly.String() + "/access-reports": `{"client_id": "` + uuid.NewString() + `", "status": "fortress", "pretext": ` + quote(pretext) + `}`,
	} {
		if a := tw.ask("POST", path, lawyer.bearer(), body); a.status != http.StatusCreated {
			t.Fatalf("%s: %d %s", path, a.status, a.body)
		}
	}
	var made struct{ ID uuid.UUID }
	tw.eventually("an export of what was said by now", func() bool { // its end may not lie ahead
		a := tw.ask("POST", "/v1/exports", chief.bearer(), `{"client_id": "`+uuid.NewString()+`", "department_id": "`+almaly.String()+`", "from": "2026-01-01T00:00:00Z", "to": "`+
			time.Now().UTC().Format(time.RFC3339Nano)+`"}`)
		return a.status == http.StatusCreated && json.Unmarshal(a.body, &made) == nil
	})
	at := "/v1/exports/" + made.ID.String()
	for who, want := range map[*staff]int{chief: http.StatusForbidden, lawyer: http.StatusForbidden, operator: http.StatusForbidden} {
		if a := tw.ask("GET", at+"/evidence?format=csv", who.bearer(), ""); a.status != want {
			t.Errorf("before a second person has read it: %d, want %d", a.status, want)
		}
	}
	if a := tw.ask("POST", at+"/decision", chief.bearer(), `{"decision": "approve"}`); a.status != http.StatusForbidden {
		t.Errorf("the first person approves: %d", a.status)
	}
	if a := tw.ask("POST", at+"/decision", second.bearer(), `{"decision": "approve"}`); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for format, kind := range map[string]string{"json": "application/json", "csv": "text/csv", "pdf": "application/pdf"} {
		for _, language := range []string{"kk", "ru", "en"} {
			a := tw.ask("GET", at+"/evidence?format="+format+"&lang="+language, chief.bearer(), "")
			if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), kind) || !strings.Contains(a.header.Get("Cache-Control"), "no-store") {
				t.Errorf("%s in %s: %d, %v", format, language, a.status, a.header)
			}
			if bytes.Contains(a.body, []byte("Ахметов")) {
				t.Errorf("%s in %s names who is held", format, language)
			}
			switch format {
			case "csv":
				cells(t, a.body, officer, pretext)
			case "pdf":
				if dir := os.Getenv("QORGAU_SHOW_PAGES"); dir != "" { // to be looked at
					if err := os.WriteFile(dir+"/evidence-"+language+".pdf", a.body, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if !bytes.HasPrefix(a.body, []byte("%PDF-")) || !bytes.Contains(a.body[max(0, len(a.body)-32):], []byte("%%EOF")) {
					t.Errorf("no whole PDF in %s", language)
				}
			}
		}
	}
}

// cells: a table program opens the file as what it is.
func cells(t *testing.T, text []byte, officer, pretext string) {
	t.Helper()
	if !bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) {
		t.Error("no byte order mark: Excel reads Cyrillic as nonsense")
	}
	rows, err := csv.NewReader(bytes.NewReader(text[3:])).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				t.Errorf("a cell that a table program runs: %q", cell)
			}
			said[strings.TrimPrefix(cell, "'")] = true
		}
	}
	all := ""
	for cell := range said {
		all += cell + "\n"
	}
	for _, want := range []string{officer, strings.Split(pretext, "\n")[0]} {
		if !strings.Contains(all, want) {
			t.Errorf("the table does not say %q:\n%s", want, all)
		}
	}
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
