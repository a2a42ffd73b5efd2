package door_test

import (
	"bytes"
	"encoding/csv"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/door"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/paper/papertest"
)

func (s *street) asks(p account.Principal) door.Export {
	s.Helper()
	x, _, err := s.register.Ask(s.ctx, p, door.NewExport{ClientID: uuid.New(), DepartmentID: s.almaly, From: s.db.Now().Add(-24 * time.Hour), To: s.db.Now().Add(24 * time.Hour)})
	s.must(err)
	return x
}

// An export waits for a person who is not its author, shows them first what they approve, and ends.
func TestSecondPerson(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	lawyer, one, two := s.person(account.Lawyer), s.person(account.Coordinator), s.person(account.Coordinator)
	s.reports(lawyer, door.Refused)
	x := s.asks(one)
	s.db.Clock.Move(time.Minute)
	s.reports(lawyer, door.Open)

	if _, err := s.register.Fetch(s.ctx, one, x.ID, "ru"); !fault.Is(err, "second_person_needed") {
		t.Errorf("the author fetches before approval: %v", err)
	}
	if _, err := s.register.Decide(s.ctx, one, x.ID, true); !fault.Is(err, "second_person_needed") {
		t.Errorf("the author approves: %v", err)
	}
	seen, err := s.register.Fetch(s.ctx, two, x.ID, "ru")
	if err != nil || len(seen.Intervals) != 1 || seen.Intervals[0].Status != door.Refused {
		t.Fatalf("the second person sees %+v, %v: want what was known when it was asked for", seen, err)
	}
	for range 2 {
		if got, err := s.register.Decide(s.ctx, two, x.ID, true); err != nil || got.State != "approved" {
			t.Errorf("approved: %+v, %v", got, err)
		}
	}
	if _, err := s.register.Decide(s.ctx, two, x.ID, false); !fault.Is(err, "already_decided") {
		t.Errorf("decided otherwise: %v", err)
	}
	if got, err := s.register.Fetch(s.ctx, one, x.ID, "ru"); err != nil || len(got.Intervals) != 1 {
		t.Errorf("approved, the author fetches %+v, %v", got, err)
	}
	s.db.Clock.Move(24 * time.Hour)
	if _, err := s.register.Fetch(s.ctx, one, x.ID, "ru"); !fault.Is(err, "not_found") {
		t.Errorf("after a day: %v", err)
	}
	no := s.asks(one)
	if _, err := s.register.Decide(s.ctx, two, no.ID, false); err != nil {
		t.Error(err)
	}
	if _, err := s.register.Fetch(s.ctx, two, no.ID, "ru"); !fault.Is(err, "already_decided") {
		t.Errorf("rejected: %v", err)
	}
	var written int
	s.must(s.db.Pool.QueryRow(s.ctx, "select count(*) from audit_entries where action in ('export.asked', 'export.looked_at', 'export.approved', 'export.fetched', 'export.rejected')").Scan(&written))
	if written != 6 {
		t.Errorf("%d rows of audit, want 6", written)
	}
}

// In evidence officers and pretexts stand as written, lawyers are letters unless they agreed, notes are not there; the norm of the country
// stands before the treaty, in the language asked for; no cell is a formula.
func TestEvidence(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	one, two, chief, second := s.person(account.Lawyer), s.person(account.Lawyer), s.person(account.Coordinator), s.person(account.Coordinator)
	begin := s.db.Now()
	s.db.Clock.Move(2 * time.Hour)
	end := begin.Add(90 * time.Minute)
	s.reports(one, door.Fortress, func(n *door.NewReport) {
		n.Since, n.Until, n.Pretext, n.Note = &begin, &end, "=План «Қамал»", "құпия ескертпе"
	})
	for range 3 {
		s.reports(two, door.Fortress, func(n *door.NewReport) {
			n.Since, n.Until, n.Pretext = &begin, &end, strings.Repeat("әіңғүұқөһ келесі күні келіңіз, начальника нет, приходите завтра ", 14)
		})
	}
	s.reports(one, door.Open, func(n *door.NewReport) { n.Since, n.Until = &begin, &end })
	for range 12 {
		s.obstructs(two, "HOLDING_DENIED", func(n *door.NewIncident) {
			n.At, n.Officer, n.Badge, n.Note = begin, "майор Асылов", "№ 0147", "құпия ескертпе"
		})
	}
	x := s.asks(chief)
	for _, language := range []string{"kk", "ru", "en"} {
		e, err := s.register.Fetch(s.ctx, second, x.ID, language)
		s.must(err)
		if len(e.Incidents) != 12 || len(e.Intervals) != 2 {
			t.Fatalf("%d incidents, %d intervals", len(e.Incidents), len(e.Intervals))
		}
		i := e.Incidents[0]
		if len(i.Norms.Domestic) == 0 || len(i.Norms.Treaties) == 0 || i.Officer != "майор Асылов" {
			t.Errorf("%s: %+v", language, i)
		}
		text, err := e.CSV()
		s.must(err)
		if !bytes.HasPrefix(text, []byte("\ufeff")) || !bytes.Contains(text, []byte("\r\n")) {
			t.Error("no byte order mark, or lines do not end as RFC 4180 says")
		}
		rows, err := csv.NewReader(bytes.NewReader(text[3:])).ReadAll()
		s.must(err)
		if len(rows) != 15 {
			t.Errorf("%d rows", len(rows))
		}
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
					t.Errorf("a formula: %q", cell)
				}
			}
		}
		pdf, err := e.PDF()
		s.must(err)
		pages := strings.Join(strings.Fields(strings.Join(papertest.Pages(t, pdf), " ")), "")
		for name, document := range map[string]string{"CSV": string(text), "PDF": pages} {
			for _, hidden := range []string{"құпия", "Адвокатова"} {
				if strings.Contains(document, hidden) {
					t.Errorf("%s %s holds %s", language, name, hidden)
				}
			}
			for _, shown := range []string{"Асылов", "Қамал", "0147", map[string]string{"kk": "адвокат", "ru": "адвокат", "en": "advocate"}[language]} {
				if !strings.Contains(document, shown) {
					t.Errorf("%s %s does not hold %s", language, name, shown)
				}
			}
			squeezed := strings.Join(strings.Fields(document), "")
			place := func(norm string) int { return strings.Index(squeezed, strings.Join(strings.Fields(norm), "")) }
			if domestic, treaty := place(i.Norms.Domestic[0]), place(i.Norms.Treaties[0]); domestic < 0 || treaty < domestic {
				t.Errorf("%s %s: the norm of the country at %d, the treaty at %d", language, name, domestic, treaty)
			}
		}
		if dir := os.Getenv("QORGAU_TEST_PAGES"); dir != "" { // to be looked at
			s.must(os.WriteFile(dir+"/evidence-"+language+".pdf", pdf, 0o600))
		}
	}
	s.must(s.register.SetNamed(s.ctx, two, true))
	if e, err := s.register.Fetch(s.ctx, second, x.ID, "ru"); err != nil || e.Incidents[0].Advocate != "Сәуле Адвокатова" {
		t.Errorf("agreed, and stands as %q (%v)", e.Incidents[0].Advocate, err)
	}
	s.must(s.register.SetNamed(s.ctx, two, false))
	if e, err := s.register.Fetch(s.ctx, second, x.ID, "ru"); err != nil || !strings.HasPrefix(e.Incidents[0].Advocate, "адвокат ") {
		t.Errorf("no longer agreed, and stands as %q (%v)", e.Incidents[0].Advocate, err)
	}
}
