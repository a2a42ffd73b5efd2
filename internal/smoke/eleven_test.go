package smoke_test

import (
	"testing"

	"github.com/qorgau/qorgau/internal/account"
)

var eleven = []string{
	"Ахметов Арман Серікұлы, 1990", "Оспанов Нұрлан Болатұлы, 1985", "Сейтов Тимур Маратович, 1978", "Жұмабаева Айгүл Қанатқызы, 1994",
	"Ким Алексей Викторович, 1988", "Абдрахманов Ерлан Серікұлы, 1991", "Касымова Динара Ерболовна, 1999", "Төлегенов Азамат, 1983",
	"Иванов Сергей Петрович, 1969", "Нұрмағамбетов Бауыржан Ғалымұлы, 1975", "Бекова Мадина Асқарқызы, 2001",
}

// The promise that the service stands on: a lawyer's note becomes a mother's news within seconds, whichever came first, and
// the same note sent again changes nothing.
func TestTheEleven(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer := tw.invited(account.Lawyer)
	wife := tw.searches("Akhmetov Arman, 1990")

	note := batchOf(almaly, eleven...)
	first := lawyer.logsBatch(&note)
	if len(first) != 11 {
		t.Fatalf("%d results for eleven people", len(first))
	}
	push := wife.expectNotice("match")
	read := wife.reads()
	if read.State != "found" || len(read.Matches) != 1 || read.Matches[0].Status != "held" || read.Matches[0].Department.Name == "" {
		t.Fatalf("the wife reads %+v", read)
	}
	if len(read.Notices) != 1 || read.Notices[0].ID.String() != push.Data["notice_id"] {
		t.Errorf("her push names notice %s, she reads %+v", push.Data["notice_id"], read.Notices)
	}
	tw.must(wife.Seen(tw.ctx, read.Notices[0].ID))
	if again := wife.reads(); again.Notices[0].SeenAt == nil {
		t.Error("the acknowledgement is not kept")
	}

	mother := tw.searches("Нұрлан Оспанов, 1985") // after
	mother.expectNotice("match")

	for i, r := range lawyer.logsBatch(&note) {
		if r.Outcome != "duplicate" || r.DetentionID != first[i].DetentionID || len(r.Warnings) != 0 {
			t.Errorf("sent again, entry %d is %+v; it was %s", i, r, first[i].DetentionID)
		}
	}
	tw.settled()
	for who, f := range map[string]*family{"wife": wife, "mother": mother} {
		if n := len(f.pushes("match")); n != 1 {
			t.Errorf("the %s got %d pushes, want 1", who, n)
		}
	}
	if n := tw.count("select count(*) from detentions"); n != 11 {
		t.Errorf("%d records, want 11", n)
	}
}
