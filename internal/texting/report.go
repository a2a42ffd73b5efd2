package texting

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/internal/smslog"
)

// holder is an account whose number it may be.
type holder struct {
	account, organisation uuid.UUID
	language              string
	first, last           int
	salt                  []byte
}

// report takes what reads as a report. Both must fit: a number that a coordinator has registered, and a code of its holder's sheet that is still good.
func (d *Desk) report(ctx context.Context, tx *pg.Tx, m message, said smslog.Message) (outcome, error) {
	holders, err := holdersOf(ctx, tx, m.from)
	if err != nil {
		return outcome{}, err
	}
	switch {
	case len(holders) == 0 && m.heard >= mostHeard:
		return outcome{silent: true}, nil
	case len(holders) == 0 && said.Code == "": // who knows no code is told what can be sent
		said.Kind = smslog.Help
		return outcome{reply: smslog.Reply{Message: said}}, nil
	case said.Code == "":
		return outcome{reply: smslog.Reply{Message: said, Language: holders[0].language, Outcome: smslog.BadCode}}, nil
	}
	own := false
	for _, h := range holders {
		who, ok, err := mayReport(ctx, tx, h)
		if err != nil {
			return outcome{}, err
		}
		index, fits := smslog.Match(d.sheetKey(h.salt), smslog.Holder{Account: h.account, First: h.first, Window: h.last - h.first}, said.Code)
		if own = own || fits; !ok || !fits {
			continue
		}
		good, err := takeCode(ctx, tx, h.account, index)
		if err != nil {
			return outcome{}, err
		}
		if !good {
			continue
		}
		return d.enter(ctx, tx, m, said, taken{holder: h, who: who})
	}
	out, err := d.refused(ctx, tx, m, said, holders)
	if err == nil && out.wrong && !own {
		err = d.elsewhere(ctx, tx, said.Code)
	}
	return out, err
}

// holdersOf are those in whose name a number is registered, one for each organisation, held so that a code is taken once.
func holdersOf(ctx context.Context, tx *pg.Tx, number []byte) ([]holder, error) {
	rows, err := tx.Query(ctx, "select account_id, organisation_id, language, first_code, last_code, sheet_salt from sms_senders where number_mac = $1 order by account_id for no key update", number)
	if err != nil {
		return nil, fmt.Errorf("look for sender: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (h holder, err error) {
		return h, row.Scan(&h.account, &h.organisation, &h.language, &h.first, &h.last, &h.salt)
	})
}

// mayReport is false of an account that is locked, or may log nobody any more.
func mayReport(ctx context.Context, tx *pg.Tx, h holder) (account.Principal, bool, error) {
	p, active, err := account.Acting(ctx, tx, h.account)
	logs := slices.ContainsFunc(p.Grants, func(g account.Grant) bool { return g.Organisation == p.Organisation && g.Role != account.Admin })
	return p, active && logs, err
}

// refused answers a code that does not fit. Where the same list was just taken, it says so again: an answer was lost, or the network sent the message twice.
func (d *Desk) refused(ctx context.Context, tx *pg.Tx, m message, said smslog.Message, holders []holder) (outcome, error) {
	out := outcome{reply: smslog.Reply{Message: said, Outcome: smslog.BadCode}, wrong: true}
	for _, h := range holders {
		before, err := d.saidBefore(ctx, tx, h.account, said)
		if err != nil {
			return out, err
		}
		if before != nil {
			return outcome{reply: d.takenReply(said, h, before.at.code), report: &before.report}, nil
		}
		out.reply.Language = h.language
	}
	if len(holders) == 0 {
		return out, nil
	}
	var wrong int
	if err := tx.QueryRow(ctx, "select count(*) from sms_messages where from_mac = $1 and wrong_code and received_at > $2", m.from, tx.Now.Add(-within)).Scan(&wrong); err != nil {
		return out, fmt.Errorf("count wrong codes: %w", err)
	}
	if wrong+1 < mostWrong {
		return out, nil
	}
	for _, h := range holders {
		if err := misused(ctx, tx, h); err != nil {
			return out, err
		}
	}
	return out, nil
}

// elsewhere voids a code that is good and came from another number than its holder's, and has a person ask: somebody has the sheet, or she sent it from a
// colleague's telephone. So the rest of the sheet stays good.
func (d *Desk) elsewhere(ctx context.Context, tx *pg.Tx, code string) error {
	var h holder
	err := tx.QueryRow(ctx, `with gone as (delete from sms_codes where code_mac = $1 returning account_id)
		select s.account_id, s.organisation_id from gone join sms_senders s on s.account_id = gone.account_id limit 1`, d.codeMAC(code)).Scan(&h.account, &h.organisation)
	if pg.NoRow(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look whose code it is: %w", err)
	}
	return misused(ctx, tx, h)
}

func misused(ctx context.Context, tx *pg.Tx, h holder) error {
	return alert.Raise(ctx, tx, alert.News{Organisation: h.organisation, Kind: alert.SMSMisused, SubjectKind: "account", Subject: h.account})
}

func (d *Desk) codeMAC(code string) []byte { return d.mac("code", []byte(code)) }

// takeCode takes a code of an account; false when it was taken, or is void.
func takeCode(ctx context.Context, tx *pg.Tx, who uuid.UUID, code int) (bool, error) {
	n, err := tx.Exec(ctx, "delete from sms_codes where account_id = $1 and code = $2", who, code)
	if err != nil {
		return false, fmt.Errorf("take code: %w", err)
	}
	return n == 1, nil
}

// taken is a report that is believed, and whose.
type taken struct {
	holder
	who account.Principal
}

// place is a department as a report's.
type place struct {
	id   *uuid.UUID
	code string
}

// reported is what is sealed of a report until a person has decided on it.
type reported struct {
	People  []smslog.Person `json:"people"`
	Unclear []string        `json:"unclear,omitempty"`
	Place   string          `json:"place,omitempty"` // as it was understood, when the directory has none of that code
}

// enter records one report, and has a person asked.
func (d *Desk) enter(ctx context.Context, tx *pg.Tx, m message, said smslog.Message, t taken) (outcome, error) {
	if len(said.People) == 0 {
		return outcome{reply: smslog.Reply{Message: said, Language: t.language}, owed: true}, nil
	}
	before, err := d.saidBefore(ctx, tx, t.account, said)
	if err != nil {
		return outcome{}, err
	}
	if before != nil {
		return outcome{reply: d.takenReply(said, t.holder, before.at.code), owed: true, report: &before.report}, nil
	}
	at, err := placeOf(ctx, tx, said.Department, t.who)
	if err != nil {
		return outcome{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return outcome{}, fmt.Errorf("report id: %w", err)
	}
	ids := []uuid.UUID{}
	if at.id != nil {
		if ids, err = d.record(ctx, tx, t.who, detention.Batch{DepartmentID: *at.id, Via: detention.ViaSMS, Entries: entries(id, said.People, tx.Now)}); err != nil {
			return outcome{}, err
		}
	}
	r := reported{People: said.People, Unclear: said.Unclear}
	if at.id == nil {
		r.Place = said.Department
	}
	period := seal.Period(tx.Now)
	ct, err := d.sealed(reportPlace, id, period, r)
	if err != nil {
		return outcome{}, err
	}
	if _, err := tx.Exec(ctx, `insert into sms_reports (id, organisation_id, account_id, state, department_id, detention_ids, list_mac, received_at, sent_at, period, content_ct)
		values ($1, $2, $3, 'waiting', $4, $5, $6, $7, $8, $9, $10)`, id, t.who.Organisation, t.account, at.id, ids, d.listMAC(t.account, said), tx.Now, m.At, period, ct); err != nil {
		return outcome{}, fmt.Errorf("keep report: %w", err)
	}
	if err := alert.Raise(ctx, tx, alert.News{Organisation: t.who.Organisation, Kind: alert.SMSReport, SubjectKind: "account", Subject: t.account}); err != nil {
		return outcome{}, err
	}
	d.log.InfoContext(ctx, "sms report", "message", m.id, "report", id, "people", len(said.People), "unclear", len(said.Unclear))
	out := outcome{reply: d.takenReply(said, t.holder, at.code), owed: true, report: &id}
	return out, d.audit.Write(ctx, tx, audit.Entry{Organisation: t.who.Organisation, Actor: t.account, Action: "sms.reported",
		SubjectKind: "sms_report", Subject: id, Details: map[string]int{"people": len(said.People), "unclear": len(said.Unclear)}})
}

// takenReply says what was understood; a department that the directory does not have was not.
func (*Desk) takenReply(said smslog.Message, h holder, department string) smslog.Reply {
	said.Department = ""
	return smslog.Reply{Message: said, Language: h.language, Department: department}
}

// record writes people, as many at a time as a batch may hold.
func (d *Desk) record(ctx context.Context, tx *pg.Tx, who account.Principal, b detention.Batch) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	for some := range slices.Chunk(b.Entries, detention.MaxBatch) {
		part := b
		part.Entries = some
		results, err := d.ledger.RecordIn(ctx, tx, who, part)
		if err != nil {
			return nil, err
		}
		for _, r := range results {
			ids = append(ids, r.DetentionID)
		}
	}
	return ids, nil
}

const mostName = 300 // characters, as the API has it; a longer one is a sentence, and its rest stands among the unclear

// entries are the people of a report as a batch has them. Their ids come from the report: recorded twice they are the same.
func entries(report uuid.UUID, people []smslog.Person, now time.Time) []detention.Entry {
	out := make([]detention.Entry, len(people))
	for i, p := range people {
		e := detention.Entry{ClientID: uuid.NewSHA1(report, []byte(strconv.Itoa(i))), Name: p.Name}
		if utf8.RuneCountInString(e.Name) > mostName {
			e.Name = string([]rune(e.Name)[:mostName])
		}
		switch year := p.Year; {
		case year > 0:
			e.Facts.BirthYear = json.RawMessage(strconv.Itoa(year))
		case p.Age > 0:
			e.Facts.BirthYear = json.RawMessage(strconv.Itoa(now.Year() - p.Age))
		}
		switch {
		case p.Flags.Woman:
			e.Facts.Sex = json.RawMessage(`"female"`)
		case p.Flags.Man:
			e.Facts.Sex = json.RawMessage(`"male"`)
		}
		var needs []string
		for _, n := range []struct {
			said bool
			need string
		}{{p.Flags.Minor, "minor"}, {p.Flags.Injured, "injured"}, {p.Flags.Lawyer, "lawyer"}} {
			if n.said {
				needs = append(needs, n.need)
			}
		}
		if len(needs) > 0 {
			e.Facts.Needs, _ = json.Marshal(needs) // strings: it cannot fail
		}
		out[i] = e
	}
	return out
}

// placeOf finds the department: by the directory's code; where none was understood, that at which the lawyer is present by their shift. None is an answer, too.
func placeOf(ctx context.Context, tx *pg.Tx, department string, who account.Principal) (p place, err error) {
	var code *string
	if department != "" {
		err = tx.QueryRow(ctx, "select id, code from departments where code = $1", department).Scan(&p.id, &code)
	} else {
		err = tx.QueryRow(ctx, `select d.id, d.code from shifts s join departments d on d.id = s.department_id
			where s.account_id = $1 and s.organisation_id = $2 and s.state = 'present' and s.starts_at <= $3 and s.ends_at > $3 order by s.starts_at desc limit 1`,
			who.Account, who.Organisation, tx.Now).Scan(&p.id, &code)
	}
	if pg.NoRow(err) {
		return place{}, nil
	}
	if err != nil {
		return place{}, fmt.Errorf("look for department: %w", err)
	}
	if code != nil {
		p.code = *code
	}
	return p, nil
}

// listMAC tells whether two messages of one lawyer have the same list, whatever their codes.
func (d *Desk) listMAC(who uuid.UUID, said smslog.Message) []byte {
	list, _ := json.Marshal(struct { // strings, numbers and bools: it cannot fail
		Department string
		People     []smslog.Person
	}{said.Department, said.People})
	return d.mac("list", who[:], list)
}

// earlier is a report that is said again, and its place.
type earlier struct {
	report uuid.UUID
	at     place
}

// saidBefore is the report that the same lawyer made with the same list within the day, and is sure to mean the same people: nobody can have told her yet that it was
// taken, or it was a moment ago. Later it is another of that name, and so it is where somebody of that report is held no more, or where it was refused; nil then.
func (d *Desk) saidBefore(ctx context.Context, tx *pg.Tx, who uuid.UUID, said smslog.Message) (*earlier, error) {
	if len(said.People) == 0 {
		return nil, nil
	}
	var e earlier
	var code *string
	err := tx.QueryRow(ctx, `select r.id, r.department_id, d.code from sms_reports r left join departments d on d.id = r.department_id
		where r.account_id = $1 and r.list_mac = $2 and r.received_at > $3 and r.state <> 'refused' and (r.answered_at is null or r.received_at > $4)
			and not exists (select 1 from detentions x where x.id = any(r.detention_ids) and x.state <> 'held')
		order by r.received_at desc limit 1`, who, d.listMAC(who, said), tx.Now.Add(-saidAgain), tx.Now.Add(-saidJustNow)).Scan(&e.report, &e.at.id, &code)
	if pg.NoRow(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for the same list: %w", err)
	}
	if code != nil {
		e.at.code = *code
	}
	return &e, nil
}
