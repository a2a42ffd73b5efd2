package detention

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// MaxBatch is how many people one request may hold: five full buses (domain.md: one bus is 20 to 40 entries).
const MaxBatch = 200

// Limits of the strict texts, in characters.
const (
	maxName        = 300
	maxOtherNames  = 20
	maxDescription = 2000
	maxNote        = 4000
	maxPlace       = 500
)

// Entry is one detainee as the phone sends it.
type Entry struct {
	ClientID    uuid.UUID
	Name        string
	AlsoKnownAs []string
	Description string
	Facts       Facts
	Disclosure  Disclosure
	Consent     *Consent
	Note        string
	ReportedBy  string
	DoNotTell   []string
	Canary      bool
	// Previous is the earlier custody of someone who was taken anew.
	Previous *uuid.UUID `json:",omitempty"`
}

// Batch is a lawyer's note: everyone in one department, at once.
type Batch struct {
	DepartmentID uuid.UUID
	AssemblyID   *uuid.UUID
	Entries      []Entry
	// Via is ViaAPI where nothing else is said.
	Via Via
}

func (b Batch) via() Via { return cmp.Or(b.Via, ViaAPI) }

// Outcome of one entry.
type Outcome string

// The outcomes.
const (
	Created   Outcome = "created"
	Duplicate Outcome = "duplicate"
)

// Result of one entry, in the order of the request.
type Result struct {
	ClientID    uuid.UUID
	DetentionID uuid.UUID
	Outcome     Outcome
	Warnings    []Warning
}

// prepared is an entry, sealed and ready for its row.
type prepared struct {
	id, clientID, eventID uuid.UUID
	wrapped               []byte
	profileCT, detailsCT  []byte
	origin                []byte
	warnings              []Warning
	flags                 []law.Need // nothing for a canary
	previous              *uuid.UUID
}

// Record stores a batch of 1 to 200 people in one transaction: rows, first events, audit and the job that starts
// matching. Sent again, whole or in part, on any number of phones, it answers with the same ids and has no second
// effect. Faults: forbidden (no right in one's own organisation, where what one records belongs), invalid (with a pointer to
// each), client_id_taken (an id of another organisation), unavailable.
func (l *Ledger) Record(ctx context.Context, p account.Principal, b Batch) (uuid.UUID, []Result, error) {
	if err := mayRecord(p); err != nil {
		return uuid.Nil, nil, err
	}
	if err := checkBatch(b); err != nil {
		return uuid.Nil, nil, err
	}
	batchID, err := uuid.NewV7()
	if err != nil {
		return uuid.Nil, nil, fmt.Errorf("batch id: %w", err)
	}
	now := l.db.Now()
	earlier, err := l.earlier(ctx, p, b)
	if err != nil {
		return uuid.Nil, nil, err
	}
	rows, err := l.prepare(b, earlier, now)
	if err != nil {
		return uuid.Nil, nil, err
	}
	var results []Result
	err = l.db.InTx(ctx, func(tx *pg.Tx) error {
		tx.Now = now
		results, err = l.store(ctx, tx, insertion{principal: p, batch: b, id: batchID, rows: rows}, earlier)
		return err
	})
	if err != nil {
		return uuid.Nil, nil, err
	}
	return batchID, results, nil
}

// RecordIn is Record within the caller's transaction, for a feature that learned of custodies in its own way: they are recorded when, and only when, the
// caller's own change is. None may name an earlier custody. What is wrong with an entry is pointed to as in a batch; the rules and faults are Record's.
func (l *Ledger) RecordIn(ctx context.Context, tx *pg.Tx, p account.Principal, b Batch) ([]Result, error) {
	if err := mayRecord(p); err != nil {
		return nil, err
	}
	if err := checkBatch(b); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(b.Entries, func(e Entry) bool { return e.Previous != nil }) {
		return nil, errors.New("an earlier custody is not looked for within another's transaction")
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("batch id: %w", err)
	}
	rows, err := l.prepare(b, nil, tx.Now)
	if err != nil {
		return nil, err
	}
	return l.store(ctx, tx, insertion{principal: p, batch: b, id: id, rows: rows}, nil)
}

// store writes a batch that is sealed, and everything that follows from it.
func (l *Ledger) store(ctx context.Context, tx *pg.Tx, in insertion, earlier map[uuid.UUID]Row) ([]Result, error) {
	p, b := in.principal, in.batch
	if err := checkAssembly(ctx, tx, p.Organisation, b.AssemblyID); err != nil {
		return nil, err
	}
	fresh, err := insertBatch(ctx, tx, in)
	if err != nil {
		return nil, err
	}
	results, err := l.results(ctx, tx, p, in.rows, fresh)
	if err != nil {
		return nil, err
	}
	var created []uuid.UUID
	for _, r := range results {
		if r.Outcome == Created {
			created = append(created, r.DetentionID)
		}
	}
	for some := range slices.Chunk(created, recordedAtOnce) {
		tx.Enqueue(Recorded{DetentionIDs: some}, nil)
	}
	if err := l.raiseNeeds(ctx, tx, p.Organisation, b.needy(in.rows, created)); err != nil {
		return nil, err
	}
	if err := raiseUnended(ctx, tx, in.rows, created, earlier); err != nil {
		return nil, err
	}
	return results, l.log.Write(ctx, tx, audit.Entry{Organisation: p.Organisation, Actor: p.Account, Action: "detention.recorded",
		SubjectKind: "batch", Subject: in.id, Details: map[string]int{"created": len(fresh), "repeated": len(in.rows) - len(fresh)}})
}

// mayRecord asks for a right in one's own organisation, where what one records belongs.
func mayRecord(p account.Principal) error {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator); err != nil {
		return err
	}
	if !slices.ContainsFunc(p.Grants, func(g account.Grant) bool { return g.Organisation == p.Organisation && g.Role != account.Admin }) {
		return fault.Denied()
	}
	return nil
}

// needy are those of the new people who have flags.
func (b Batch) needy(rows []prepared, created []uuid.UUID) []needy {
	var out []needy
	for _, r := range rows {
		if len(r.flags) > 0 && slices.Contains(created, r.id) {
			out = append(out, needy{id: r.id, department: b.DepartmentID, flags: r.flags})
		}
	}
	return out
}

func checkBatch(b Batch) error {
	var bad []fault.Field
	switch n := len(b.Entries); {
	case n == 0:
		bad = append(bad, fault.Field{Pointer: "/detainees", Code: "too_few"})
	case n > MaxBatch:
		bad = append(bad, fault.Field{Pointer: "/detainees", Code: "too_many"})
	}
	for i, e := range b.Entries {
		at := fmt.Sprintf("/detainees/%d", i)
		if e.ClientID == uuid.Nil {
			bad = append(bad, fault.Field{Pointer: at + "/client_id", Code: "required"})
		}
		if strings.TrimSpace(e.Name) == "" && strings.TrimSpace(e.Description) == "" {
			bad = append(bad, fault.Field{Pointer: at + "/name", Code: "required"})
		}
		bad = append(bad, checkTexts(at, texts{e.Name, e.Description, e.Note, e.ReportedBy, e.AlsoKnownAs, e.DoNotTell})...)
		if e.Disclosure != "" && !slices.Contains([]Disclosure{Sealed, Relatives, Public}, e.Disclosure) {
			bad = append(bad, fault.Field{Pointer: at + "/disclosure", Code: "not_allowed"})
		}
		bad = append(bad, e.Consent.check(at)...)
	}
	if len(bad) > 0 {
		return fault.BadFields(bad...)
	}
	return nil
}

type texts struct {
	name, description, note, reportedBy string
	alsoKnownAs, doNotTell              []string
}

func checkTexts(at string, t texts) []fault.Field {
	var bad []fault.Field
	for _, f := range []struct {
		field, text string
		most        int
	}{{"name", t.name, maxName}, {"description", t.description, maxDescription}, {"note", t.note, maxNote}, {"reported_by", t.reportedBy, maxName}} {
		if utf8.RuneCountInString(f.text) > f.most {
			bad = append(bad, fault.Field{Pointer: at + "/" + f.field, Code: "too_long"})
		}
	}
	for _, f := range []struct {
		field string
		list  []string
	}{{"also_known_as", t.alsoKnownAs}, {"do_not_tell", t.doNotTell}} {
		if len(f.list) > maxOtherNames {
			bad = append(bad, fault.Field{Pointer: at + "/" + f.field, Code: "too_many"})
		}
		for i, s := range f.list {
			if utf8.RuneCountInString(s) > maxName {
				bad = append(bad, fault.Field{Pointer: fmt.Sprintf("%s/%s/%d", at, f.field, i), Code: "too_long"})
			}
		}
	}
	return bad
}

func (l *Ledger) prepare(b Batch, earlier map[uuid.UUID]Row, now time.Time) ([]prepared, error) {
	out := make([]prepared, len(b.Entries))
	for i, e := range b.Entries {
		e = e.plain()
		at := fmt.Sprintf("/detainees/%d", i)
		profile, warnings := e.profile(now, at)
		warnings = append(warnings, severalNames(at+"/name", b.Entries[i].Name)...)
		previous, warning := profile.link(e.Previous, earlier, at)
		warnings = append(warnings, warning...)
		var err error
		if profile.Origin, err = l.origin(b, e); err != nil {
			return nil, err
		}
		row, err := l.sealEntry(profile, now)
		if err != nil {
			return nil, err
		}
		row.clientID, row.warnings, row.previous = e.ClientID, warnings, previous
		if !profile.Canary {
			row.flags = profile.Flags(now)
		}
		out[i] = row
	}
	return out, nil
}

// plain writes an entry in one way: what means the same looks the same.
func (e Entry) plain() Entry {
	for _, s := range []*string{&e.Name, &e.Description, &e.Note, &e.ReportedBy} {
		*s = strings.TrimSpace(*s)
	}
	for _, list := range []*[]string{&e.AlsoKnownAs, &e.DoNotTell} {
		if len(*list) == 0 {
			*list = nil
		}
	}
	for _, raw := range []*json.RawMessage{&e.Facts.BirthYear, &e.Facts.Sex, &e.Facts.TakenAt, &e.Facts.Source, &e.Facts.Citizenship, &e.Facts.Needs} {
		if !given(*raw) {
			*raw = nil
		}
	}
	if e.Disclosure == "" {
		e.Disclosure = Relatives
	}
	consent := e.Consent.whole()
	e.Consent = &consent
	return e
}

// profile reads a plain entry.
func (e Entry) profile(now time.Time, pointer string) (Profile, []Warning) {
	p := Profile{Name: e.Name, AlsoKnownAs: e.AlsoKnownAs, Description: e.Description, Note: e.Note, ReportedBy: e.ReportedBy,
		Disclosure: e.Disclosure, Consent: *e.Consent, DoNotTell: e.DoNotTell, Canary: e.Canary}
	warnings := e.Facts.read(&p, now, pointer)
	return p, warnings
}

// origin hashes what was submitted, so that a repeat with other content can be told from a plain repeat. What was submitted,
// not what was read: "23:40" is another moment on another day.
func (l *Ledger) origin(b Batch, e Entry) ([]byte, error) {
	canonical, err := json.Marshal(struct {
		Department uuid.UUID
		Assembly   *uuid.UUID
		Entry      Entry
	}{b.DepartmentID, b.AssemblyID, e})
	if err != nil {
		return nil, errors.New("a fact is not the JSON that it was decoded from") // err would repeat what is in it
	}
	return l.ring.MAC(seal.ForFingerprint, canonical)[:16], nil
}

// sealEntry mints the record's key and seals profile and first event.
func (l *Ledger) sealEntry(profile Profile, now time.Time) (prepared, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return prepared{}, fmt.Errorf("detention id: %w", err)
	}
	eventID, err := uuid.NewV7()
	if err != nil {
		return prepared{}, fmt.Errorf("event id: %w", err)
	}
	key, err := l.ring.Mint(keyScope, id, now)
	if err != nil {
		return prepared{}, err
	}
	out := prepared{id: id, eventID: eventID, wrapped: key.Wrapped, origin: profile.Origin}
	if out.profileCT, err = key.SealJSON(profilePlace, id, profile); err != nil {
		return prepared{}, err
	}
	taken := Details{HappenedAt: profile.TakenAt, Source: profile.Source}
	if out.detailsCT, err = key.SealJSON(detailsPlace, eventID, taken); err != nil {
		return prepared{}, err
	}
	return out, nil
}

// results answers each entry in the request's order; for repeats it looks up what was recorded first.
func (l *Ledger) results(ctx context.Context, tx *pg.Tx, p account.Principal, rows []prepared, fresh map[uuid.UUID]uuid.UUID) ([]Result, error) {
	var repeated []uuid.UUID
	for _, r := range rows {
		if fresh[r.clientID] != r.id {
			repeated = append(repeated, r.clientID)
		}
	}
	first := map[uuid.UUID]firstRecord{}
	if len(repeated) > 0 {
		var err error
		if first, err = l.firstRecords(ctx, tx, p.Organisation, repeated); err != nil {
			return nil, err
		}
	}
	out := make([]Result, len(rows))
	for i, r := range rows {
		out[i] = Result{ClientID: r.clientID, DetentionID: r.id, Outcome: Created, Warnings: r.warnings}
		if fresh[r.clientID] == r.id {
			continue
		}
		was, mine := first[r.clientID]
		if !mine {
			e := fault.Clash("client_id_taken")
			e.Fields = []fault.Field{{Pointer: fmt.Sprintf("/detainees/%d/client_id", i), Code: "not_allowed"}}
			return nil, e
		}
		out[i].DetentionID, out[i].Outcome = was.id, Duplicate
		if was.origin != nil && !bytes.Equal(was.origin, r.origin) {
			out[i].Warnings = append(out[i].Warnings, Warning{Pointer: fmt.Sprintf("/detainees/%d", i), Code: "other_content"})
		}
	}
	return out, nil
}
