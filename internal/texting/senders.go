package texting

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/smslog"
)

// Sender is an account that may report by SMS: since when its number is known, in which language it is answered, how many codes are left, and when they
// were printed (nil: never). The number itself is kept as a keyed hash alone.
type Sender struct {
	Account      uuid.UUID
	Language     string
	CodesLeft    int
	RegisteredAt time.Time
	SheetAt      *time.Time
}

// Register says from which number an account reports, in place of an earlier one; its sheet stays good. Faults: forbidden, not_found (also where no SMS comes
// in), invalid (/phone), conflict (the number is another's in this organisation).
func (d *Desk) Register(ctx context.Context, p account.Principal, id uuid.UUID, phone, language string) (s Sender, err error) {
	if err := d.asked(p); err != nil {
		return s, err
	}
	a, code := push.Normalise(push.Address{Kind: push.SMS, Value: phone})
	if code != "" {
		return s, fault.BadField("/phone", code)
	}
	err = d.db.InTx(ctx, func(tx *pg.Tx) error {
		who, err := d.accounts.Managed(ctx, tx, p, id)
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `insert into sms_senders (account_id, organisation_id, number_mac, language, registered_at) values ($1, $2, $3, $4, $5)
			on conflict (account_id) do update set number_mac = excluded.number_mac, language = excluded.language, registered_at = excluded.registered_at
			returning account_id, language, (select count(*) from sms_codes c where c.account_id = sms_senders.account_id), registered_at, sheet_at`, id, who.OrganisationID, d.numberMAC(a.Value), language, tx.Now).
			Scan(&s.Account, &s.Language, &s.CodesLeft, &s.RegisteredAt, &s.SheetAt)
		if pg.Violates(err, "sms_senders_number") {
			return fault.Clash("conflict")
		}
		if err != nil {
			return fmt.Errorf("register number: %w", err)
		}
		return d.audited(ctx, tx, p, who.OrganisationID, "sms.number_registered", id)
	})
	return s, err
}

// asked is who may ask at all, and whether there is what to ask for.
func (d *Desk) asked(p account.Principal) error {
	if err := p.Needs(account.Coordinator, account.Admin); err != nil {
		return err
	}
	if !d.Takes() {
		return fault.Absent()
	}
	return nil
}

func (d *Desk) audited(ctx context.Context, tx *pg.Tx, p account.Principal, organisation uuid.UUID, action string, id uuid.UUID) error {
	return d.audit.Write(ctx, tx, audit.Entry{Organisation: organisation, Actor: p.Account, Action: action, SubjectKind: "account", Subject: id})
}

// Drop takes a number away, and voids its sheet; without one it changes nothing. Faults: forbidden, not_found.
func (d *Desk) Drop(ctx context.Context, p account.Principal, id uuid.UUID) error {
	if err := d.asked(p); err != nil {
		return err
	}
	return d.db.InTx(ctx, func(tx *pg.Tx) error {
		who, err := d.accounts.Managed(ctx, tx, p, id)
		if err != nil {
			return err
		}
		if err := Locked(ctx, tx, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "update sms_senders set number_mac = null where account_id = $1", id); err != nil {
			return fmt.Errorf("drop number: %w", err)
		}
		return d.audited(ctx, tx, p, who.OrganisationID, "sms.number_dropped", id)
	})
}

// Sheet prints a new sheet of codes for an account, as PDF, in the language in which it is answered; the old one is void. Faults: forbidden, not_found (also
// where no SMS comes in), conflict (no number is registered).
func (d *Desk) Sheet(ctx context.Context, p account.Principal, id uuid.UUID) (page []byte, err error) {
	if err := d.asked(p); err != nil {
		return nil, err
	}
	err = d.db.InTx(ctx, func(tx *pg.Tx) error {
		who, err := d.accounts.Managed(ctx, tx, p, id)
		if err != nil {
			return err
		}
		if page, err = d.print(ctx, tx, id); err != nil {
			return err
		}
		return d.audited(ctx, tx, p, who.OrganisationID, "sms.sheet_printed", id)
	})
	return page, err
}

// SheetFromServer prints a sheet at the server's own command line, where whoever types holds the keys anyway. Faults: not_found (there is no number to send
// to), conflict (no number is registered).
func (d *Desk) SheetFromServer(ctx context.Context, id uuid.UUID) (page []byte, err error) {
	if d.number == "" {
		return nil, fault.Absent()
	}
	err = d.db.InTx(ctx, func(tx *pg.Tx) error {
		if page, err = d.print(ctx, tx, id); err != nil {
			return err
		}
		var organisation uuid.UUID
		if err := tx.QueryRow(ctx, "select organisation_id from sms_senders where account_id = $1", id).Scan(&organisation); err != nil {
			return fmt.Errorf("read sender: %w", err)
		}
		return d.audit.Write(ctx, tx, audit.Entry{Organisation: organisation, Actor: audit.System, Action: "sms.sheet_printed", SubjectKind: "account", Subject: id})
	})
	return page, err
}

// Void makes the sheet of an account worthless, and leaves its number; without a sheet it changes nothing. Faults: forbidden, not_found.
func (d *Desk) Void(ctx context.Context, p account.Principal, id uuid.UUID) error {
	if err := d.asked(p); err != nil {
		return err
	}
	return d.db.InTx(ctx, func(tx *pg.Tx) error {
		if _, err := d.accounts.Managed(ctx, tx, p, id); err != nil {
			return err
		}
		_, err := d.void(ctx, tx, p.Account, &id)
		return err
	})
}

// VoidFromServer makes the sheet of an account worthless, nil: every sheet; how many there were with codes that were still good.
func (d *Desk) VoidFromServer(ctx context.Context, id *uuid.UUID) (n int, err error) {
	err = d.db.InTx(ctx, func(tx *pg.Tx) error {
		n, err = d.void(ctx, tx, audit.System, id)
		return err
	})
	return n, err
}

func (d *Desk) void(ctx context.Context, tx *pg.Tx, actor uuid.UUID, id *uuid.UUID) (int, error) {
	rows, err := tx.Query(ctx, `with gone as (delete from sms_codes where $1::uuid is null or account_id = $1 returning account_id)
		select distinct s.account_id, s.organisation_id from gone join sms_senders s on s.account_id = gone.account_id`, id)
	if err != nil {
		return 0, fmt.Errorf("void sheets: %w", err)
	}
	type sheet struct{ Account, Organisation uuid.UUID }
	sheets, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sheet])
	if err != nil {
		return 0, fmt.Errorf("void sheets: %w", err)
	}
	for _, s := range sheets {
		if err := d.audit.Write(ctx, tx, audit.Entry{Organisation: s.Organisation, Actor: actor, Action: "sms.sheet_voided", SubjectKind: "account", Subject: s.Account}); err != nil {
			return 0, err
		}
	}
	return len(sheets), nil
}

// print moves an account on to codes that were never printed, and prints them. The counter alone would not do: a restored backup puts it back.
func (d *Desk) print(ctx context.Context, tx *pg.Tx, id uuid.UUID) ([]byte, error) {
	salt := make([]byte, saltBytes)
	if _, err := rand.Read(salt); err != nil {
		return nil, fmt.Errorf("make salt: %w", err)
	}
	var first int
	var language string
	err := tx.QueryRow(ctx, `update sms_senders set first_code = last_code, last_code = last_code + $2, sheet_at = $3, sheet_salt = $4 where account_id = $1 and number_mac is not null
		returning first_code, language`, id, sheetCodes, tx.Now, salt).Scan(&first, &language)
	if pg.NoRow(err) {
		return nil, fault.Clash("conflict")
	}
	if err != nil {
		return nil, fmt.Errorf("print sheet: %w", err)
	}
	var macs [][]byte
	var indexes []int
	for i, c := range smslog.Sheet(d.sheetKey(salt), id, first, sheetCodes) {
		macs, indexes = append(macs, d.codeMAC(c)), append(indexes, first+i)
	}
	b := &pgx.Batch{}
	b.Queue("delete from sms_codes where account_id = $1", id)
	b.Queue("insert into sms_codes (account_id, code, code_mac) select $1, i, m from unnest($2::bytea[], $3::int[]) as c(m, i)", id, macs, indexes)
	if err := tx.Send(ctx, b).Close(); err != nil {
		return nil, fmt.Errorf("keep codes: %w", err)
	}
	return smslog.Page(d.sheetKey(salt), smslog.Printed{Account: id, First: first, N: sheetCodes, Number: d.number, Language: language, At: tx.Now})
}

// Locked voids the sheet of an account: whoever holds their phone may hold it, too. Unlocked they get a new one.
func Locked(ctx context.Context, tx *pg.Tx, id uuid.UUID) error {
	if _, err := tx.Exec(ctx, "delete from sms_codes where account_id = $1", id); err != nil {
		return fmt.Errorf("void sheet: %w", err)
	}
	return nil
}
