package texting_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/push/sms/standin"
	"github.com/qorgau/qorgau/internal/texting"
)

var almaly = department.IDOf("UP-75-ALMALY")

const list = " UP-75-ALMALY\nАхметов Арман 1990\nСейтқали Әсел 2008 ж н"

func TestAReportIsTakenOnce(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	codes := tw.equipped(tw.lawyer, "8 701 555 01 01")
	answer := tw.says(hers, codes[0]+list)
	contains(t, answer, "Записано: 2 чел.")
	contains(t, answer, "UP-75-ALMALY")
	if n := tw.count(`select count(*) from detentions where via = 'sms' and unconfirmed and recorded_by = $1 and department_id = $2`, tw.lawyer.Account, almaly); n != 2 || tw.alerts("sms_report") != 1 {
		t.Fatalf("%d logged, %d alerts", n, tw.alerts("sms_report"))
	}
	for name, text := range map[string]string{"the network sends it twice": codes[0] + list, "she sends it again with the next code": codes[1] + list, "and again": codes[2] + list} {
		contains(t, tw.says(hers, text), "Записано: 2 чел.")
		if tw.detentions() != 2 || tw.count("select count(*) from sms_reports") != 1 {
			t.Fatalf("%s: %d logged", name, tw.detentions())
		}
	}
	if n := tw.count("select count(*) from sms_messages where report_id is not null"); n != 0 || tw.count("select count(*) from sms_reports where answered_at is not null") != 1 {
		t.Errorf("%d messages name their report when it is answered", n)
	}
	contains(t, tw.says(hers, codes[0]+" UP-75-ALMALY\nКим Виктор 1999"), "Код не подошёл")
	contains(t, tw.says(hers, codes[5]+" UP-75-ALMALY\nКим Виктор 1999"), "Записано: 1 чел.")
	contains(t, tw.says(hers, codes[4]+" UP-75-ALMALY\nЛи Анна 1999"), "Записано: 1 чел.") // the one before it was overtaken
	if tw.detentions() != 4 {
		t.Errorf("%d logged", tw.detentions())
	}
}

// Once she was told that somebody is logged, the same name is somebody else: another Kim, or the same one, taken again.
func TestASecondOfThatNameIsNotSwallowed(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	codes := tw.equipped(tw.lawyer, hers)
	const kim = " UP-75-ALMALY\nКим Виктор"
	records := func(want int, what string) {
		t.Helper()
		if n := tw.count("select count(*) from sms_reports"); n != want || tw.detentions() != want {
			t.Fatalf("%s: %d reports and %d records, want %d", what, n, tw.detentions(), want)
		}
	}
	contains(t, tw.says(hers, codes[0]+kim), "Записано: 1 чел.")
	tw.db.Clock.Move(14 * time.Minute)
	contains(t, tw.says(hers, codes[1]+kim), "Записано: 1 чел.")
	records(1, "said again")
	tw.db.Clock.Move(2 * time.Minute)
	contains(t, tw.says(hers, codes[1]+kim), "Код не подошёл") // no code that was taken logs anybody, nor does she hear that it did
	records(1, "with an old code")
	contains(t, tw.says(hers, codes[2]+kim), "Записано: 1 чел.")
	records(2, "another Kim")
	tw.db.Clock.Move(time.Minute)
	tw.exec("update detentions set state = 'released'")
	contains(t, tw.says(hers, codes[3]+kim), "Записано: 1 чел.")
	records(3, "taken again a minute after he was let go")
}

// A gateway that could not reach us for a night brings what was sent then, and a coordinator sees it.
func TestWhatIsOldSaysSo(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	codes := tw.equipped(tw.lawyer, hers)
	for i, age := range []time.Duration{-time.Minute, 30 * time.Minute, 9 * time.Hour} { // the first by a clock before ours
		sent := tw.db.Now().Add(-age)
		tw.must(tw.desk.Hear(t.Context(), texting.Incoming{ID: fmt.Sprint("gw-", i), From: hers, Text: codes[i] + " UP-75-ALMALY\nКим Виктор " + fmt.Sprint(1960+i), At: sent}))
		tw.works()
		r := tw.report()
		if want := min(sent.UnixMicro(), r.ReceivedAt.UnixMicro()); r.SentAt.UnixMicro() != want || r.Late() != (age > time.Hour) {
			t.Errorf("sent %s before it came: sent at %s, received at %s, late %t", age, r.SentAt, r.ReceivedAt, r.Late())
		}
		tw.exec("update sms_reports set sent_at = null where id = $1", r.ID) // as a node of the version before writes it
		if r = tw.report(); !r.SentAt.Equal(r.ReceivedAt) || r.Late() {
			t.Errorf("of a former version: sent at %s, received at %s", r.SentAt, r.ReceivedAt)
		}
		_, err := tw.desk.Decide(t.Context(), tw.chief, r.ID, true, nil)
		tw.must(err)
	}
}

// Who had no answer sends again for as long as it takes; what reached the gateway at last is an answer, to whichever of her messages.
func TestWhoHasNoAnswerSendsAgain(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	codes := tw.equipped(tw.lawyer, hers)
	const kim = " UP-75-ALMALY\nКим Виктор"
	for i, answer := range []standin.Answer{standin.Internal, standin.UnknownNumber} { // not taken, and refused for good
		tw.hears(hers, codes[i]+kim)
		tw.must(tw.desk.Work(t.Context(), tw.waiting("received")[0]))
		tw.gateway.FailNext(1, standin.Behaviour{Answer: answer})
		_ = tw.desk.Answer(t.Context(), tw.waiting("answering")[i])
		tw.db.Clock.Move(3 * time.Hour)
	}
	contains(t, tw.says(hers, codes[2]+kim), "Записано: 1 чел.")
	if tw.detentions() != 1 {
		t.Fatalf("%d records of one report that nobody answered", tw.detentions())
	}
	tw.db.Clock.Move(3 * time.Hour)
	contains(t, tw.says(hers, codes[3]+kim), "Записано: 1 чел.")
	if tw.detentions() != 2 {
		t.Errorf("%d records: her answer to the third message came", tw.detentions())
	}
}

// The same message to two nodes, and two messages under one code: each at the same moment.
func TestTwoNodesAtOnce(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	codes := tw.equipped(tw.lawyer, hers)
	for i := range 6 {
		one := texting.Incoming{ID: fmt.Sprint("gw-", i), From: hers, Text: codes[i] + list + fmt.Sprint("\nБөлек Адам ", 1960+i), At: tw.db.Now()}
		rival := one
		rival.ID, rival.Text = fmt.Sprint("rival-", i), codes[i]+" UP-75-ALMALY\nБасқа Біреу "+fmt.Sprint(1960+i)
		var wg sync.WaitGroup
		for _, d := range []*texting.Desk{tw.desk, tw.other, tw.desk, tw.other} {
			for _, m := range []texting.Incoming{one, rival} {
				wg.Go(func() {
					if err := d.Hear(t.Context(), m); err != nil {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		if n := len(tw.waiting("received")); n != 2 {
			t.Fatalf("%d messages of two", n)
		}
		for _, d := range []*texting.Desk{tw.desk, tw.other} {
			for _, id := range tw.waiting("received") {
				wg.Go(func() {
					if err := d.Work(t.Context(), id); err != nil {
						t.Error(err)
					}
				})
			}
		}
		wg.Wait()
		if n := tw.count("select count(*) from sms_reports"); n != i+1 {
			t.Fatalf("round %d: %d reports under %d codes", i, n, i+1)
		}
		tw.works()
		tw.db.Clock.Move(2 * time.Hour)
	}
	if n := tw.count("select count(*) from (select 1 from river_job where kind = 'sms_received') j"); n != 12 {
		t.Errorf("%d jobs of 12 messages", n)
	}
}

func TestNumberAndCodeAreNeeded(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	codes := tw.equipped(tw.lawyer, hers)
	colleague := tw.person(account.Lawyer)
	others := tw.equipped(colleague, another)
	for name, try := range map[string]struct{ from, text string }{
		"a code that is none":       {hers, "K7T4X2M" + list},
		"a colleague's code":        {hers, others[0] + list},
		"a stranger without a code": {"+77015559999", "UP-75-ALMALY\nАхметов Арман 1990"},
		"a stranger with any code":  {"+77015559998", "K7T4X2M" + list},
		"the lawyer without a code": {hers, "UP-75-ALMALY\nАхметов Арман 1990"},
	} {
		if answer := tw.says(try.from, try.text); tw.detentions() != 0 || answer == "" {
			t.Errorf("%s: %q, %d logged", name, answer, tw.detentions())
		}
	}
	// The colleague's code came from another number than theirs: it is void, and a person asks.
	if tw.alerts("sms_misused") != 1 {
		t.Errorf("%d alerts", tw.alerts("sms_misused"))
	}
	contains(t, tw.says(another, others[0]+list), "Код не подошёл")
	contains(t, tw.says(another, others[1]+list), "Записано: 2 чел.")

	_, err := tw.people.Lock(t.Context(), tw.chief, tw.lawyer.Account, "забрали")
	tw.must(err)
	tw.db.Clock.Move(2 * time.Hour)
	contains(t, tw.says(hers, codes[0]+" UP-75-ALMALY\nЛи Анна 1999"), "Код не подошёл")
	_, err = tw.people.Unlock(t.Context(), tw.chief, tw.lawyer.Account, "отпустили")
	tw.must(err)
	tw.exec("update accounts set state = 'active' where id = $1", tw.lawyer.Account)
	contains(t, tw.says(hers, codes[0]+" UP-75-ALMALY\nЛи Анна 1999"), "Код не подошёл") // the sheet may be in other hands
	fresh := tw.printed(tw.lawyer)
	tw.exec("update grants set revoked_at = $2 where account_id = $1", tw.lawyer.Account, tw.db.Now())
	contains(t, tw.says(hers, fresh[0]+" UP-75-ALMALY\nЛи Анна 1999"), "Код не подошёл") // no right any more
	tw.exec("update grants set revoked_at = null where account_id = $1", tw.lawyer.Account)
	contains(t, tw.says(hers, fresh[0]+" UP-75-ALMALY\nЛи Анна 1999"), "Записано: 1 чел.")
	tw.printed(tw.lawyer)
	contains(t, tw.says(hers, fresh[1]+" UP-75-ALMALY\nПак Олег 1999"), "Код не подошёл") // a new sheet voids the old one

	tw.must(tw.desk.Drop(t.Context(), tw.chief, tw.lawyer.Account))
	last := tw.equipped(tw.lawyer, hers) // the counter never goes back
	for _, c := range append(codes, fresh...) {
		for _, now := range last {
			if c == now {
				t.Fatal("a code of an old sheet is printed again")
			}
		}
	}
	if tw.detentions() != 3 {
		t.Errorf("%d logged", tw.detentions())
	}
}

func TestWhoTriesCodesIsSeen(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	codes := tw.equipped(tw.lawyer, hers)
	for i := range 9 {
		tw.says(hers, fmt.Sprintf("K7T4X%dM", i%3)+list)
	}
	if tw.alerts("sms_misused") != 0 {
		t.Error("too early")
	}
	tw.says(hers, "K7T4X0M"+list)
	if tw.alerts("sms_misused") != 1 {
		t.Error("nobody is told")
	}
	if n := len(tw.answers(hers)); n != 5 {
		t.Errorf("%d answers to a forger, on her phone", n)
	}
	contains(t, tw.says(hers, codes[0]+list), "Записано") // and she herself is heard
}

// A thousand messages within a minute, from a stranger and in her name, and hers among them.
func TestAThousandAMinute(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	codes := tw.equipped(tw.lawyer, hers)
	for i := range 1000 {
		from, text := "+77015557777", "СТАТУС K7T4X2M9A"+"CEFHK"[i%5:i%5+1]
		if i%3 == 0 {
			from, text = hers, "K7T4X2M UP-75-ALMALY\nКим Виктор 1999"
		}
		if i == 700 {
			from, text = hers, codes[0]+list
		}
		tw.hears(from, text)
		tw.db.Clock.Move(60 * time.Millisecond)
	}
	ids := tw.waiting("received")
	if len(ids) != 1000 {
		t.Fatalf("%d kept", len(ids))
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := worker; i < len(ids); i += 4 {
				if err := []*texting.Desk{tw.desk, tw.other}[worker%2].Work(context.WithoutCancel(t.Context()), ids[i]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	tw.works()
	if tw.detentions() != 2 || tw.count("select count(*) from sms_messages where content_ct is not null") != 0 {
		t.Errorf("%d logged, %d kept", tw.detentions(), tw.count("select count(*) from sms_messages where content_ct is not null"))
	}
	if stranger, lawyer := len(tw.answers("+77015557777")), len(tw.answers(hers)); stranger != 5 || lawyer != 6 {
		t.Errorf("%d answers to the stranger, %d to her", stranger, lawyer)
	}
}

func TestACoordinatorDecides(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	codes := tw.equipped(tw.lawyer, hers)
	astana, elsewhere := tw.person(account.Coordinator, "astana"), uuid.New()
	tw.exec("insert into organisations (id, name, created_at) values ($1, 'o', $2)", elsewhere, tw.db.Now())
	stranger := tw.personIn(elsewhere, account.Coordinator)

	tw.says(hers, codes[0]+" UP-75-ALMALY\nАхметов Арман 1990 отпущен\nКим Виктор 1999")
	r := tw.report()
	if len(r.People) != 2 || !r.People[0].Flags.Released || r.People[0].Name != "Ахметов Арман" || r.People[0].DetentionID == nil || r.Account != tw.lawyer.Account || *r.DepartmentID != almaly {
		t.Fatalf("%d people, %v", len(r.People), r.DepartmentID)
	}
	if n := tw.count("select count(*) from detentions where state = 'held'"); n != 2 {
		t.Errorf("an SMS ended a custody")
	}
	for _, p := range []account.Principal{astana, stranger} {
		if seen, err := tw.desk.List(t.Context(), p, uuid.Nil, false, 10); err != nil || len(seen) != 0 {
			t.Errorf("another sees it: %v", err)
		}
		_, err := tw.desk.Decide(t.Context(), p, r.ID, true, nil)
		tw.refused(err, "not_found")
	}
	_, err := tw.desk.Decide(t.Context(), tw.lawyer, r.ID, true, nil)
	tw.refused(err, "forbidden")
	_, err = tw.desk.Decide(t.Context(), tw.chief, r.ID, true, &elsewhere)
	tw.refused(err, "invalid")
	for range 2 {
		done, err := tw.desk.Decide(t.Context(), tw.chief, r.ID, true, nil)
		tw.must(err)
		if done.State != "confirmed" || len(done.People) != 0 {
			t.Errorf("%s", done.State)
		}
	}
	_, err = tw.desk.Decide(t.Context(), tw.chief, r.ID, false, nil)
	tw.refused(err, "already_decided")
	if n := tw.count("select count(*) from detentions where unconfirmed"); n != 0 || tw.alerts("sms_report") != 0 || tw.count("select count(*) from sms_reports where content_ct is not null") != 0 {
		t.Errorf("%d unconfirmed, %d alerts", n, tw.alerts("sms_report"))
	}

	own := tw.equipped(tw.chief, another)
	tw.says(another, own[0]+" UP-75-ALMALY\nЦой Игорь 1977")
	mine := tw.report()
	_, err = tw.desk.Decide(t.Context(), tw.chief, mine.ID, true, nil)
	tw.refused(err, "second_person_needed")
	_, err = tw.desk.Decide(t.Context(), tw.person(account.Coordinator), mine.ID, true, nil)
	tw.must(err)

	tw.says(hers, codes[1]+" UP-75-ALMALY\nЛи Анна 1999\nПак Олег 1980")
	r = tw.report()
	tw.exec("insert into representations (id, detention_id, account_id, valid_from, created_by, created_at) values ($1, $2, $3, $4, $3, $4)", uuid.New(), *r.People[1].DetentionID, tw.chief.Account, tw.db.Now())
	_, err = tw.desk.Decide(t.Context(), tw.chief, r.ID, false, nil)
	tw.must(err)
	if tw.count("select count(*) from detentions where state = 'withdrawn'") != 1 || tw.count("select count(*) from detentions where unconfirmed and state = 'held'") != 1 {
		t.Error("whom somebody acts for is there, whatever became of the report")
	}
}

// Where no department is understood nobody is recorded, nothing is lost, and a coordinator says where they are.
func TestAReportWithoutAPlaceWaits(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	codes := tw.equipped(tw.lawyer, hers)
	contains(t, tw.says(hers, codes[0]+" ?\nАхметов Арман 1990"), "отдел не понят")
	r := tw.report()
	if tw.detentions() != 0 || r.DepartmentID != nil || len(r.People) != 1 {
		t.Fatalf("%d logged", tw.detentions())
	}
	contains(t, tw.says(hers, codes[1]+" ?\nАхметов Арман 1990"), "отдел не понят") // sent again it is the same report
	_, err := tw.desk.Decide(t.Context(), tw.chief, r.ID, true, nil)
	tw.refused(err, "invalid")
	nowhere := uuid.New()
	_, err = tw.desk.Decide(t.Context(), tw.chief, r.ID, true, &nowhere)
	tw.refused(err, "invalid")
	done, err := tw.desk.Decide(t.Context(), tw.chief, r.ID, true, &almaly)
	tw.must(err)
	if len(done.Detentions) != 1 || tw.count("select count(*) from detentions where not unconfirmed and via = 'sms' and department_id = $1", almaly) != 1 {
		t.Errorf("%d", len(done.Detentions))
	}
	// With a shift on the spot, that is where they are.
	tw.exec(`insert into shifts (id, organisation_id, account_id, department_id, state, starts_at, ends_at, created_at) values ($1, $2, $3, $4, 'present', $5, $6, $5)`,
		uuid.New(), tw.org, tw.lawyer.Account, almaly, tw.db.Now().Add(-time.Hour), tw.db.Now().Add(time.Hour))
	contains(t, tw.says(hers, codes[2]+" ?\nКим Виктор 1999"), "UP-75-ALMALY")
	if tw.detentions() != 2 {
		t.Errorf("%d logged", tw.detentions())
	}
}

// Nobody is told on the word of an SMS: not by the report, not by a search that comes later; but once a person has confirmed it.
func TestAFamilyIsToldOnceAPersonHasConfirmed(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	codes := tw.equipped(tw.lawyer, hers)
	before, _ := tw.search("Ахметов Арман Серікұлы")
	tw.says(hers, codes[0]+" UP-75-ALMALY\nАхметов Арман Серікұлы 1990")
	r := tw.report()
	tw.matched(r.Detentions...)
	after, _ := tw.search("Ахметов Арман Серікұлы")
	tw.must(tw.post.MatchSearch(t.Context(), after))
	if n := tw.count("select count(*) from matches where state = 'proposed' and tier = 'likely' and review_reason = 'unconfirmed'"); n != 2 || tw.count("select count(*) from notices") != 0 {
		t.Fatalf("%d proposed, %d notices", n, tw.count("select count(*) from notices"))
	}
	_, err := tw.desk.Decide(t.Context(), tw.chief, r.ID, true, nil)
	tw.must(err)
	tw.matched(r.Detentions...)
	for _, id := range []uuid.UUID{before, after} {
		if tw.count("select count(*) from matches where search_id = $1 and state = 'notified' and tier = 'certain'", id) != 1 || tw.count("select count(*) from notices where owner_id = $1 and kind = 'match'", id) != 1 {
			t.Error("a family was not told")
		}
	}
}

// Somebody works for two organisations with one telephone, of which neither knows of the other: the code says for which.
func TestTheCodeSaysForWhomALawyerReports(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	second := uuid.New()
	tw.exec("insert into organisations (id, name, created_at) values ($1, 'o', $2)", second, tw.db.Now())
	herself, chief := tw.personIn(second, account.Lawyer), tw.personIn(second, account.Coordinator)
	codes := map[uuid.UUID][]string{tw.org: tw.equipped(tw.lawyer, hers), second: tw.equippedBy(chief, herself, hers)}
	for org, who := range map[uuid.UUID]account.Principal{tw.org: tw.lawyer, second: herself} {
		contains(t, tw.says(hers, codes[org][0]+list), "Записано: 2 чел.")
		if n := tw.count("select count(*) from detentions where organisation_id = $1 and recorded_by = $2", org, who.Account); n != 2 {
			t.Errorf("%d logged for one of the two", n)
		}
	}
	if seen, err := tw.desk.List(t.Context(), chief, uuid.Nil, false, 10); err != nil || len(seen) != 1 || seen[0].Account != herself.Account {
		t.Errorf("%d reports, %v", len(seen), err)
	}
	if tw.alerts("sms_misused") != 0 {
		t.Error("a code of hers counts as somebody else's")
	}
}
