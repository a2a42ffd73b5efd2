package texting_test

import (
	"slices"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/internal/smslog"
)

// A restored backup puts the counter back, and makes codes good again that were used since: no sheet is printed twice all the same, and all can be voided.
func TestAfterARestoreNoSheetIsPrintedAgain(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	colleague := tw.person(account.Lawyer)
	first, theirs := tw.equipped(tw.lawyer, hers), tw.equipped(colleague, another)
	for _, table := range []string{"sms_senders", "sms_codes"} {
		tw.exec("create table backup_" + table + " as select * from " + table)
	}
	contains(t, tw.says(hers, first[0]+" UP-75-ALMALY\nКим Виктор 1999"), "Записано")
	lost := tw.printed(tw.lawyer)
	tw.exec("truncate sms_senders, sms_codes")
	for _, table := range []string{"sms_senders", "sms_codes"} {
		tw.exec("insert into " + table + " select * from backup_" + table)
	}
	n, err := tw.desk.VoidFromServer(t.Context(), nil)
	if err != nil || n != 2 {
		t.Errorf("%d sheets are void, %v", n, err)
	}
	for from, code := range map[string]string{hers: first[0], another: theirs[0]} {
		contains(t, tw.says(from, code+" UP-75-ALMALY\nЛи Анна 1999"), "Код не подошёл")
	}
	again := tw.printed(tw.lawyer)
	if i := slices.IndexFunc(again, func(c string) bool { return slices.Contains(lost, c) || slices.Contains(first, c) }); i >= 0 {
		t.Error("a code is printed again")
	}
	contains(t, tw.says(hers, lost[0]+" UP-75-ALMALY\nЛи Анна 1999"), "Код не подошёл")
	contains(t, tw.says(hers, again[0]+" UP-75-ALMALY\nЛи Анна 1999"), "Записано")
	if n := tw.count("select count(*) from audit_entries where action = 'sms.sheet_voided'"); n != 2 {
		t.Errorf("%d audited", n)
	}
}

// A coordinator voids a sheet that is lost, and its lawyer's number stays; nobody else does.
func TestACoordinatorVoidsASheet(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	colleague := tw.person(account.Lawyer)
	codes, theirs := tw.equipped(tw.lawyer, hers), tw.equipped(colleague, another)
	tw.refused(tw.desk.Void(t.Context(), tw.lawyer, tw.lawyer.Account), "forbidden")
	for range 2 { // said again it changes nothing
		tw.must(tw.desk.Void(t.Context(), tw.chief, tw.lawyer.Account))
	}
	if n := tw.count("select count(*) from audit_entries where action = 'sms.sheet_voided'"); n != 1 {
		t.Errorf("%d audited", n)
	}
	contains(t, tw.says(hers, codes[0]+list), "Код не подошёл")
	contains(t, tw.says(another, theirs[0]+list), "Записано")
	contains(t, tw.says(hers, tw.printed(tw.lawyer)[0]+list), "Записано")
	if n, err := tw.desk.VoidFromServer(t.Context(), &colleague.Account); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	contains(t, tw.says(another, theirs[1]+" UP-75-ALMALY\nЛи Анна 1999"), "Код не подошёл")
}

// A sheet that was printed before sheets had a salt stays good.
func TestASheetOfAVersionBeforeStaysGood(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	tw.equipped(tw.lawyer, hers)
	tw.exec("update sms_senders set sheet_salt = null")
	old := smslog.Sheet(tw.ring.MAC(seal.ForSMS, []byte("sheet")), tw.lawyer.Account, 0, 40)
	contains(t, tw.says(hers, old[3]+list), "Записано")
	tw.db.Clock.Move(time.Minute)
	contains(t, tw.says(hers, tw.printed(tw.lawyer)[0]+" UP-75-ALMALY\nЛи Анна 1999"), "Записано")
}
