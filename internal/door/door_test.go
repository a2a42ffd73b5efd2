package door_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/door"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/seal"
)

// street is a register over a database of its own, with an organisation and a department in Almaty.
type street struct {
	*testing.T
	ctx      context.Context
	db       *pgtest.Database
	ring     *seal.Ring
	register *door.Register
	org      uuid.UUID
	almaly   uuid.UUID
}

func newStreet(t *testing.T) *street {
	t.Helper()
	s := &street{T: t, ctx: context.Background(), db: pgtest.New(t)}
	ks, err := seal.NewKeyset(s.db.Now())
	s.must(err)
	s.ring, err = seal.Open(ks)
	s.must(err)
	book, err := law.Shipped()
	s.must(err)
	log := audit.New(s.ring)
	s.register = door.New(door.Options{DB: s.db.DB, Ring: s.ring, Audit: log, Law: book,
		Accounts: account.New(account.Options{DB: s.db.DB, Ring: s.ring, Audit: log, Issuer: "test"})})
	s.org, s.almaly = s.organisation(), s.department("almaty")
	return s
}

func (s *street) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *street) exec(statement string, args ...any) {
	s.Helper()
	_, err := s.db.Pool.Exec(s.ctx, statement, args...)
	s.must(err)
}

func (s *street) organisation() uuid.UUID {
	id := uuid.New()
	s.exec("insert into organisations (id, name, created_at) values ($1, 'o', $2)", id, s.db.Now())
	return id
}

func (s *street) department(city string) uuid.UUID {
	id := uuid.New()
	s.exec(`insert into departments (id, kind, name_kk, name_ru, name_en, city, created_at, updated_at)
		values ($1, 'police_department', 'к', 'р', 'e', $3, $2, $2)`, id, s.db.Now(), city)
	return id
}

func (s *street) person(role account.Role, cities ...string) account.Principal {
	s.Helper()
	now := s.db.Now()
	id := uuid.New()
	key, err := s.ring.Mint("account", uuid.New(), now)
	s.must(err)
	name, err := key.Seal("accounts.name_ct", id, seal.Pad([]byte("Сәуле Адвокатова")))
	s.must(err)
	s.must(s.db.InTx(s.ctx, func(tx *pg.Tx) error { return seal.Keep(s.ctx, tx, s.org, key) }))
	p := account.Principal{Account: id, Session: uuid.New(), Organisation: s.org, Grants: []account.Grant{{ID: uuid.New(), Role: role, Organisation: s.org, Cities: cities}}}
	s.exec(`insert into accounts (id, organisation_id, key_id, name_ct, state, created_at, updated_at) values ($1, $2, $3, $4, 'active', $5, $5)`, id, s.org, key.ID, name, now)
	if cities == nil {
		cities = []string{}
	}
	s.exec(`insert into grants (id, account_id, organisation_id, role, cities, valid_from, needs_second, created_at) values ($1, $2, $3, $4, $5, $6, false, $6)`,
		p.Grants[0].ID, id, s.org, string(role), cities, now)
	return p
}

func (s *street) reports(p account.Principal, status door.Status, change ...func(*door.NewReport)) door.Report {
	s.Helper()
	n := door.NewReport{ClientID: uuid.New(), DepartmentID: s.almaly, Status: status}
	for _, c := range change {
		c(&n)
	}
	out, err := s.register.ReportAccess(s.ctx, p, n)
	s.must(err)
	return out
}

func (s *street) obstructs(p account.Principal, code string, change ...func(*door.NewIncident)) door.Incident {
	s.Helper()
	n := door.NewIncident{ClientID: uuid.New(), DepartmentID: s.almaly, IncidentSaid: door.IncidentSaid{Code: code, At: s.db.Now()}}
	for _, c := range change {
		c(&n)
	}
	out, err := s.register.Obstructed(s.ctx, p, n)
	s.must(err)
	return out
}

// Statements are kept once, put right only by their author, and read by who may.
func TestStatements(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	one, two, chief := s.person(account.Lawyer), s.person(account.Lawyer), s.person(account.Coordinator, "almaty")
	far := s.person(account.Coordinator, "astana")

	first := s.reports(one, door.Refused)
	if again := s.reports(one, door.Open, func(n *door.NewReport) { n.ClientID = first.ClientID }); again.First || again.ID != first.ID || again.Status != door.Refused {
		t.Errorf("sent again: %+v, want %+v", again, first)
	}
	_, err := s.register.ReportAccess(s.ctx, two, door.NewReport{ClientID: first.ClientID, DepartmentID: s.almaly, Status: door.Open})
	if !fault.Is(err, "client_id_taken") {
		t.Errorf("another's client_id: %v", err)
	}
	_, err = s.register.ReportAccess(s.ctx, two, door.NewReport{ClientID: uuid.New(), DepartmentID: s.almaly, Status: door.Open, Supersedes: &first.ID})
	if f := fault.As(err); f == nil || f.Fields[0].Pointer != "/supersedes" {
		t.Errorf("another's statement is put right: %v", err)
	}
	_, err = s.register.ReportAccess(s.ctx, chief, door.NewReport{ClientID: uuid.New(), DepartmentID: s.almaly, Status: door.Open})
	if f := fault.As(err); f == nil || f.Fields[0].Pointer != "/lawyer_id" {
		t.Errorf("a coordinator's own statement: %v", err)
	}
	dictated := s.reports(chief, door.Delayed, func(n *door.NewReport) { n.Lawyer = &two.Account })
	if dictated.Lawyer != two.Account || dictated.Recorder != chief.Account {
		t.Errorf("dictated: %+v", dictated)
	}
	for name, c := range map[string]struct {
		who  account.Principal
		sees int
	}{"one": {one, 1}, "two": {two, 1}, "chief": {chief, 2}, "far": {far, 0}} {
		if list, err := s.register.Reports(s.ctx, c.who, s.almaly); err != nil || len(list) != c.sees {
			t.Errorf("%s sees %d reports, want %d (%v)", name, len(list), c.sees, err)
		}
	}
	s.exec(`insert into shifts (id, organisation_id, account_id, department_id, state, starts_at, ends_at, created_at) values ($1, $2, $3, $4, 'present', $5, $6, $5)`,
		uuid.New(), s.org, one.Account, s.almaly, s.db.Now().Add(-time.Hour), s.db.Now().Add(time.Hour))
	if list, err := s.register.Reports(s.ctx, one, s.almaly); err != nil || len(list) != 2 {
		t.Errorf("on shift one sees %d reports (%v)", len(list), err)
	}
	st, err := s.register.State(s.ctx, far, s.almaly)
	if err != nil || st.Status == door.Unknown {
		t.Errorf("who is on the way reads %+v, %v", st, err)
	}
}

// Of something critical coordinators hear, once per code and door, with the norm; of the rest nobody is woken.
func TestCriticalIsTold(t *testing.T) {
	t.Parallel()
	s := newStreet(t)
	lawyer, chief := s.person(account.Lawyer), s.person(account.Coordinator)
	s.obstructs(lawyer, "LONG_WAIT")
	first := s.obstructs(lawyer, "ENTRY_REFUSED", func(n *door.NewIncident) { n.Officer, n.Note = "майор Асылов", "қызыл мүйіс" })
	s.obstructs(lawyer, "ENTRY_REFUSED")
	s.obstructs(lawyer, "ENTRY_REFUSED", func(n *door.NewIncident) { n.ClientID = first.ClientID })
	if first.Type == nil || first.Type.FirstStep.KK == "" || len(first.Type.Cites) == 0 {
		t.Errorf("answered %+v", first.Type)
	}
	var list []alert.Alert
	s.must(s.db.InTx(s.ctx, func(tx *pg.Tx) (err error) {
		list, err = alert.List(s.ctx, tx, chief.Account, uuid.Nil, true, 10)
		return err
	}))
	if len(list) != 1 || list[0].Count != 2 || list[0].Kind != alert.Obstruction || *list[0].SubjectID != s.almaly {
		t.Fatalf("alerts: %+v", list)
	}
	if d, err := list[0].Details(s.ring); err != nil || d.Code != "ENTRY_REFUSED" || !strings.Contains(d.Norm, "CC 435") {
		t.Errorf("the alert says %+v, %v", d, err)
	}
	var plain string
	s.must(s.db.Pool.QueryRow(s.ctx, `select string_agg(o::text, '') || (select string_agg(a::text, '') from alerts a) from obstructions o`).Scan(&plain))
	for _, word := range []string{"ENTRY_REFUSED", "Асылов", "мүйіс"} {
		if strings.Contains(plain, word) {
			t.Errorf("%s lies in the clear", word)
		}
	}
	incidents, err := s.register.Incidents(s.ctx, chief, nil)
	if err != nil || len(incidents) != 3 || !slices.ContainsFunc(incidents, func(i door.Incident) bool { return i.Officer == "майор Асылов" }) {
		t.Errorf("%+v, %v", incidents, err)
	}
}
