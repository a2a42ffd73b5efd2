package texting_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/push/sms/standin"
	"github.com/qorgau/qorgau/internal/texting"
	"github.com/qorgau/qorgau/internal/watch"
)

// What is asked under a code is answered alike whether it is ours or not, until there is news.
func TestARelativeAsks(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	const mother = "+77015550303"
	id, secret := tw.search("Ахметов Арман Серікұлы")
	who := watch.Caller{Secret: secret}
	old, err := tw.post.MakeTextCode(t.Context(), who, id)
	tw.must(err)
	code, err := tw.post.MakeTextCode(t.Context(), who, id)
	tw.must(err)
	_, err = tw.post.MakeTextCode(t.Context(), watch.Caller{Secret: strings.Repeat("x", 43)}, id)
	tw.refused(err, "not_found")
	if code == old || tw.count("select count(*) from searches where sms_code_mac is not null and position(convert_to($1, 'utf8') in sms_code_mac) = 0", strings.ReplaceAll(code, " ", "")) != 1 {
		t.Error("the code is not anew, or lies open")
	}
	const none = "По этому коду новостей нет. Проверьте код."
	if ours, theirs := tw.says(mother, "СТАТУС "+code), tw.says("+77015550404", "СТАТУС K7T4X 2M9AC"); ours != none || theirs != none {
		t.Errorf("%q, %q", ours, theirs)
	}
	tw.exec(`insert into notices (id, organisation_id, kind, subject_kind, subject_id, subject_turn, owner_kind, owner_id, language, created_at)
		values ($1, $2, 'match', 'match', $1, $1, 'search', $3, 'ru', $4)`, uuid.New(), tw.org, id, tw.db.Now())
	contains(t, tw.says(mother, "статус "+strings.ToLower(code)), "Есть новости")
	if answer := tw.says(mother, "СТАТУС "+old); answer != none {
		t.Errorf("the old code: %q", answer)
	}
	contains(t, tw.says(mother, "ЖАҒДАЙ"), "ЖАҒДАЙ және код")
	contains(t, tw.says(mother, "СТАТУС "+code), "Есть новости")
	if answer := tw.says(mother, "СТАТУС "+code); answer != "" { // the sixth within the hour
		t.Errorf("%q", answer)
	}
	tw.db.Clock.Move(61 * time.Minute)
	for i := range 13 {
		answer := tw.says(fmt.Sprintf("+770155560%02d", i), "СТАТУС "+code)
		if want := i < 12; strings.Contains(answer, "Есть новости") != want || !want && answer != "" {
			t.Errorf("asked %d times within the hour: %q", i+1, answer)
		}
	}
	tw.db.Clock.Move(2 * time.Hour)
	for _, state := range []string{"closed", "erasing"} {
		tw.exec("update searches set state = $2 where id = $1", id, state)
		if answer := tw.says(mother, "СТАТУС "+code); answer != none {
			t.Errorf("%s: %q", state, answer)
		}
	}
	tw.exec("update searches set state = 'open' where id = $1", id)
	tw.must(tw.post.DropTextCode(t.Context(), who, id))
	if answer := tw.says(mother, "СТАТУС "+code); answer != none {
		t.Errorf("dropped: %q", answer)
	}
}

func TestStopAndHelp(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	const mother = "+77015550303"
	id, secret := tw.search("Ахметов Арман Серікұлы")
	_, err := tw.post.SetChannels(t.Context(), watch.Caller{Secret: secret}, id, []push.Address{{Kind: push.SMS, Value: mother}})
	tw.must(err)
	tw.exec("update channels set confirmed_at = created_at where owner_id = $1", id)
	contains(t, tw.says(mother, "ПОМОЩЬ"), "Отказ: СТОП")
	contains(t, tw.says("+77015550404", "стоп"), "Больше не пишем")
	contains(t, tw.says(mother, "стоп это какая-то реклама что ли"), "Отказ: СТОП")
	if tw.count("select count(*) from channels where owner_id = $1 and dropped_at is null", id) != 1 {
		t.Fatal("another's stop, or a sentence, silenced her")
	}
	contains(t, tw.says(mother, "Стоп!"), "Больше не пишем")
	if tw.count("select count(*) from channels where owner_id = $1 and dropped_at is null", id) != 0 {
		t.Error("she is still told")
	}
	for _, nothing := range []string{"", "   ", "🙂🙂", strings.Repeat("а", 50_000)} {
		if answer := tw.says("+77015550505", nothing); answer != "" {
			t.Errorf("%.20q is answered %q", nothing, answer)
		}
	}
}

// A stop word that lay at the gateway overnight does not end what she has confirmed since; one that the gateway's clock dates a little back does.
func TestAStopOfYesterdayIsNotOfToday(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	const mother = "+77015550303"
	id, secret := tw.search("Ахметов Арман Серікұлы")
	_, err := tw.post.SetChannels(t.Context(), watch.Caller{Secret: secret}, id, []push.Address{{Kind: push.SMS, Value: mother}})
	tw.must(err)
	tw.exec("update channels set confirmed_at = $2 where owner_id = $1", id, tw.db.Now().Add(-time.Minute))
	for _, try := range []struct {
		age     time.Duration
		there   int
		answers int
	}{{9 * time.Hour, 1, 0}, {2 * time.Minute, 0, 1}} {
		tw.must(tw.desk.Hear(t.Context(), texting.Incoming{ID: uuid.NewString(), From: mother, Text: "СТОП", At: tw.db.Now().Add(-try.age)}))
		tw.works()
		if n := tw.count("select count(*) from channels where owner_id = $1 and dropped_at is null", id); n != try.there || len(tw.answers(mother)) != try.answers {
			t.Errorf("said %s ago: %d channels, %d answers", try.age, n, len(tw.answers(mother)))
		}
	}
}

// An answer is one SMS, whatever the gateway does, and neither text nor answer is kept longer than needed.
func TestAnAnswerGoesOutOnce(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	const someone = "+77015550606"
	for _, b := range []standin.Behaviour{{Answer: standin.Reset}, {Answer: standin.Internal}, {Answer: standin.Garbled}, {Answer: standin.Unavailable, RetryAfter: time.Second}, {Answer: standin.Unauthorized}} {
		tw.gateway.FailNext(1, b)
		tw.db.Clock.Move(25 * time.Hour)
		before := len(tw.answers(someone))
		tw.hears(someone, "HELP")
		for _, id := range tw.waiting("received") {
			tw.must(tw.desk.Work(t.Context(), id))
			tw.must(tw.desk.Work(t.Context(), id))
		}
		ids := tw.waiting("answering")
		if len(ids) != 1 || tw.desk.Answer(t.Context(), ids[0]) == nil {
			t.Fatalf("%v: given up", b.Answer)
		}
		tw.must(tw.desk.Answer(t.Context(), ids[0]))
		tw.must(tw.desk.Answer(t.Context(), ids[0]))
		if n := len(tw.answers(someone)) - before; n != 1 || len(tw.waiting("over")) == 0 {
			t.Errorf("%v: %d SMS", b.Answer, n)
		}
	}
	tw.gateway.FailNext(1, standin.Behaviour{Answer: standin.UnknownNumber})
	tw.db.Clock.Move(25 * time.Hour)
	tw.says(someone, "HELP")
	if n := len(tw.waiting("answering")); n != 0 {
		t.Error("nobody's number is tried again")
	}

	tw.db.Clock.Move(25 * time.Hour)
	tw.exec("insert into channel_pauses (channel, paused_until) values ('sms', $1)", tw.db.Now().Add(time.Hour))
	tw.hears(someone, "HELP")
	for _, id := range tw.waiting("received") {
		tw.must(tw.desk.Work(t.Context(), id))
	}
	attempts := len(tw.gateway.Attempts())
	id := tw.waiting("answering")[0]
	if err := tw.desk.Answer(t.Context(), id); err == nil || len(tw.gateway.Attempts()) != attempts {
		t.Errorf("sent in spite of the pause: %v", err)
	}
	tw.db.Clock.Move(7 * time.Hour)
	tw.must(tw.desk.Answer(t.Context(), id))
	if len(tw.gateway.Attempts()) != attempts || tw.count("select count(*) from sms_messages where content_ct is not null") != 0 {
		t.Error("an answer of this morning goes out at night, or is kept")
	}

	tw.must(tw.desk.Forget(t.Context()))
	if n := tw.count("select count(*) from sms_messages where from_mac is not null or about_mac is not null"); n != 0 || tw.count("select count(*) from sms_messages") == 0 {
		t.Errorf("%d numbers", n)
	}
	tw.db.Clock.Move(15 * 24 * time.Hour)
	tw.must(tw.desk.Forget(t.Context()))
	if n := tw.count("select count(*) from sms_messages"); n != 0 {
		t.Errorf("%d ids are kept for ever", n)
	}
}

// Nothing of a message lies open, stands in a job, or is logged; of an answer nothing names anybody.
func TestNothingOfAMessageIsReadable(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	codes := tw.equipped(tw.lawyer, hers)
	tw.must(tw.desk.Hear(t.Context(), texting.Incoming{ID: "gw-77015550101-Ахметов", From: hers, Text: codes[0] + list, At: tw.db.Now()}))
	look := func(when string) {
		t.Helper()
		for _, table := range []string{"sms_messages", "sms_senders", "sms_codes", "sms_reports", "river_job", "alerts", "audit_entries", "detentions"} {
			for _, secret := range []string{"Ахметов", "Сейтқали", "5550101", codes[0], codes[1], "ALMALY"} {
				if n := tw.count("select count(*) from " + table + " x where x::text like '%" + secret + "%'"); n != 0 {
					t.Errorf("%s: %s shows %s", when, table, secret)
				}
				for _, column := range []string{"content_ct"} {
					if strings.HasPrefix(table, "sms_m") && tw.count("select count(*) from "+table+" where position(convert_to($1, 'utf8') in "+column+") > 0", secret) != 0 {
						t.Errorf("%s: %s.%s shows %s", when, table, column, secret)
					}
				}
			}
		}
	}
	look("received")
	tw.works()
	look("worked")
	for _, m := range tw.gateway.Messages() {
		if strings.Contains(m.Text, "Ахметов") || strings.Contains(m.Text, "Сейт") {
			t.Errorf("the answer names somebody: %s", m.Text)
		}
	}
	for _, secret := range []string{"Ахметов", "Сейтқали", "5550101", codes[0]} {
		if strings.Contains(tw.log.String(), secret) {
			t.Errorf("the log shows %s", secret)
		}
	}
}

func TestWithoutAGatewayNothingComesIn(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	none := texting.New(texting.Options{DB: tw.db.DB, Ring: tw.ring, Accounts: tw.people, Gateway: tw.sender}) // no number to send to
	_, err := none.Verify(nil, nil)
	tw.refused(err, "not_found")
	tw.refused(none.Hear(t.Context(), texting.Incoming{ID: "1", From: hers, Text: "HELP"}), "not_found")
	_, err = none.Register(t.Context(), tw.chief, tw.lawyer.Account, hers, "ru")
	tw.refused(err, "not_found")
	_, err = none.Sheet(t.Context(), tw.chief, tw.lawyer.Account)
	tw.refused(err, "not_found")
}

func TestOneNumberIsOneLawyers(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	_, err := tw.desk.Sheet(t.Context(), tw.chief, tw.lawyer.Account)
	tw.refused(err, "conflict")
	_, err = tw.desk.Register(t.Context(), tw.chief, tw.lawyer.Account, "12", "ru")
	tw.refused(err, "invalid")
	_, err = tw.desk.Register(t.Context(), tw.lawyer, tw.lawyer.Account, hers, "ru")
	tw.refused(err, "forbidden")
	tw.equipped(tw.lawyer, hers)
	_, err = tw.desk.Register(t.Context(), tw.chief, tw.chief.Account, "8 (701) 555-01-01", "ru")
	tw.refused(err, "conflict")
	if n := tw.count("select count(*) from audit_entries where action in ('sms.number_registered', 'sms.sheet_printed')"); n != 2 {
		t.Errorf("%d audited", n)
	}
	// At the server's own command line.
	_, err = tw.desk.SheetFromServer(t.Context(), tw.chief.Account)
	tw.refused(err, "conflict")
	before := tw.count("select first_code from sms_senders where account_id = $1", tw.lawyer.Account)
	page, err := tw.desk.SheetFromServer(t.Context(), tw.lawyer.Account)
	if err != nil || len(page) == 0 || tw.count("select min(code) from sms_codes where account_id = $1", tw.lawyer.Account) != before+40 || tw.count("select count(*) from audit_entries where action = 'sms.sheet_printed'") != 2 {
		t.Errorf("%v", err)
	}
}
