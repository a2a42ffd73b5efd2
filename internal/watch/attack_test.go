package watch_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/watch"
)

// Each test here is an attack that once worked.

// Who guesses dresses one name up, so that matching still reads it and the count does not.
func TestADressedUpNameCountsAsThePlainOne(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{NameFree: 3})
	f.must(f.guesses(1, 3))
	for i, dressed := range []string{
		"Ахметов-Бекмұхамбетов Арман", "Ахметов-Ххх Арман", // matching takes one half of a double surname
		strings.Repeat("中 ", 12) + "Ахметов Арман", "中Ахметов Арман", // what matching cannot read
		"𝐀khm𝐞tov Arman", "Ａkhmetov Arman", "Ạkhmetov Ārman", "А́хметов Арма́н", // letters in other clothes
		"F[vtnjd Fhvfy", // typed on the wrong layout
	} {
		n := asked()
		n.Name, n.BirthYear, n.Source = dressed, 1950+i, fmt.Sprint("source ", i)
		if _, err := f.post.Create(f.ctx, n); !fault.Is(err, "challenge_required") {
			t.Errorf("%q passes as another name: %v", dressed, err)
		}
	}
	n := asked()
	n.Name = "Аа Бб-Вв-Гг-Дд-Ее-Жж-Зз-Ии-Кк-Лл-Мм"
	n.AlsoKnownAs = []string{"Ба Во-Гу-До-Жу-Зо-Ку-Ло-Му-Но-Пу-Ро", "Ца Чо-Шу-Що-Эн-Юн-Ян-Фу-Хо-Ту-Су-Ру"}
	if _, err := f.post.Create(f.ctx, n); !fault.Is(err, "invalid") {
		t.Errorf("a search for half a town: %v", err)
	}
}

// One search that is renamed again and again asks for everyone on a list.
func TestARenamedSearchMeetsAChallenge(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{SourceFree: 3})
	s := f.search("Ахметов Арман", 1990)
	rename := func(i int) error {
		name := fmt.Sprintf("Оспанов %s", []string{"Нұрлан", "Тимур", "Ержан", "Азамат", "Бауыржан"}[i])
		read, err := f.post.Read(f.ctx, s.id, s.secret)
		f.must(err)
		_, err = f.post.Patch(f.ctx, watch.Caller{Secret: s.secret}, s.id, watch.SearchPatch{Revision: read.Revision, Name: &name})
		return err
	}
	for i := range 3 {
		f.must(rename(i))
	}
	f.challenged(rename(3))
	if other := f.search("Ахметов Арман", 1990); other.id == uuid.Nil {
		t.Error("another search is held up")
	}
}

// handOver makes deliveries look accepted, as if a provider had taken them.
func (f *field) handOver() {
	f.Helper()
	_, err := f.db.Pool.Exec(f.ctx, "update deliveries set state = 'accepted', accepted_at = now() where state = 'pending'")
	f.must(err)
}

// onPhone gives a search a phone.
func (f *field) onPhone(s seeker) {
	f.Helper()
	_, err := f.post.SetChannels(f.ctx, watch.Caller{Secret: s.secret}, s.id, []push.Address{{Kind: push.FCM, Value: token()}})
	f.must(err)
}

// going tells which kinds of notices a phone of this search is about to get.
func (f *field) going(s seeker) []string {
	f.Helper()
	rows, err := f.db.Pool.Query(f.ctx, `select n.kind from deliveries d join notices n on n.id = d.notice_id
		where n.owner_id = $1 and d.state = 'pending' order by d.created_at, n.kind`, s.id)
	f.must(err)
	kinds, err := pgx.CollectRows(rows, pgx.RowTo[string])
	f.must(err)
	return kinds
}

// patch changes a search and works the job that it leaves.
func (f *field) patch(s seeker, c watch.SearchPatch) {
	f.Helper()
	read, err := f.post.Read(f.ctx, s.id, s.secret)
	f.must(err)
	c.Revision = read.Revision
	_, err = f.post.Patch(f.ctx, watch.Caller{Secret: s.secret}, s.id, c)
	f.must(err)
	f.must(f.post.MatchSearch(f.ctx, s.id))
	f.must(f.post.MatchSearch(f.ctx, s.id)) // a job may run twice
}

// soleHold is the one hold that is open.
func (f *field) soleHold(p account.Principal) watch.Hold {
	f.Helper()
	holds, _, err := f.post.ListHolds(f.ctx, p, uuid.Nil, 10)
	f.must(err)
	for _, h := range holds {
		if h.State == "open" {
			return h
		}
	}
	f.Fatalf("no open hold among %d", len(holds))
	return watch.Hold{}
}

// What waits on a hold is released into the world as it is then, not as it was when it began to wait.
func TestAReleasedHoldTellsNothingThatNoLongerMayBeTold(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{Told: 5, Reporter: 1})
	reporter, other := f.person(account.Lawyer, f.org), f.person(account.Operator, f.org)
	first := f.search("Жұмабаев Тимур", 1980)
	sealed, named, put, fine := f.search("Ахметов Арман", 1990), f.search("Оспанов Нұрлан", 1980), f.search("Сейтов Ержан", 1970), f.search("Касымов Ерлан", 1975)
	f.must(f.post.MatchDetentions(f.ctx, f.log(reporter, almaly, entry("Жұмабаев Тимур", 1980))))
	d := f.log(reporter, almaly, entry("Ахметов Арман", 1990), entry("Оспанов Нұрлан", 1980), entry("Сейтов Ержан", 1970), entry("Касымов Ерлан", 1975))
	f.must(f.post.MatchDetentions(f.ctx, d))
	if told := f.told(first); len(told) != 1 {
		t.Fatalf("the first family reads %+v", told)
	}
	closed := detention.Sealed
	f.correct(reporter, d[0], detention.Correction{Disclosure: &closed})
	f.correct(reporter, d[1], detention.Correction{DoNotTell: &detention.Set[[]string]{Value: []string{"бывший муж"}}})
	f.correct(reporter, d[2], detention.Correction{Name: &detention.Set[string]{Value: "Абдрахманов Мұрат"}})
	if _, err := f.post.DecideHold(f.ctx, other, f.soleHold(other).ID, true); err != nil {
		t.Fatal(err)
	}
	f.expect(sealed, d[0], seen{"certain", "proposed", "person", 0})
	f.expect(named, d[1], seen{"certain", "proposed", "person", 0})
	f.expect(put, d[2], seen{"certain", "retracted", "", 0})
	f.expect(fine, d[3], seen{"certain", "notified", "", 1})
	for why, s := range map[string]seeker{"sealed": sealed, "must not be told": named, "another name by now": put} {
		if told := f.told(s); len(told) != 0 {
			t.Errorf("%s: the family reads %+v", why, told)
		}
	}
}

// What an operator takes back above the limit is taken back when a second person has looked.
func TestAHeldDecisionToRetractIsCarriedOut(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{Told: 5, Reporter: 2})
	one, two, operator, second := f.person(account.Lawyer, f.org), f.person(account.Lawyer, f.org), f.person(account.Operator, f.org), f.person(account.Operator, f.org)
	var seekers []seeker
	var ids []uuid.UUID
	for i, g := range []string{"Арман", "Нұрлан", "Тимур", "Ержан"} {
		seekers = append(seekers, f.search("Ахметов "+g, 1990))
		d := f.log([]account.Principal{one, two}[i/2], almaly, entry("Ахметов "+g, 1990))
		f.must(f.post.MatchDetentions(f.ctx, d))
		ids = append(ids, d[0])
	}
	for i, s := range seekers {
		_, err := f.post.Decide(f.ctx, operator, f.matchID(s, ids[i]), watch.Retract, "не тот человек")
		f.must(err)
	}
	if told := f.told(seekers[3]); told[0].State != "notified" {
		t.Fatalf("the retraction above the limit shows: %+v", told)
	}
	_, err := f.post.DecideHold(f.ctx, second, f.soleHold(second).ID, true)
	f.must(err)
	for i, s := range seekers {
		if told := f.told(s); told[0].State != "retracted" {
			t.Errorf("family %d still reads %q", i, told[0].State)
		}
	}
}

// A correction that makes many waiting matches certain at once must not tell more than the limit.
func TestOneCorrectionDoesNotPassTheToldLimit(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{Told: 2, Reporter: 100})
	lawyer := f.person(account.Lawyer, f.org)
	for range 6 {
		f.search("Ахметов Арман", 1990)
	}
	d := f.log(lawyer, almaly, entry("Ахметов Арман", nil))
	f.must(f.post.MatchDetentions(f.ctx, d))
	f.correct(lawyer, d[0], detention.Correction{Facts: detention.Facts{BirthYear: []byte("1990")}})
	if n := f.count("select count(*) from matches where state = 'notified'"); n != 2 {
		t.Errorf("%d were told, want 2", n)
	}
}

// Who was told and changes their search was told all the same: the place among the five is not free again.
func TestWhoWasToldCounts(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{Told: 2, Reporter: 100})
	lawyer := f.person(account.Lawyer, f.org)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))
	for range 5 {
		s := f.search("Ахметов Арман", 1990)
		f.must(f.post.MatchSearch(f.ctx, s.id))
		other := "Оспанов Нұрлан"
		f.patch(s, watch.SearchPatch{Name: &other})
	}
	if n := f.count("select count(*) from matches where detention_id = $1 and notified_at is not null", d[0]); n != 2 {
		t.Errorf("%d were told, want 2", n)
	}
}

// Told, then corrected to something that a person must look at: the family hears that the news does not stand. And when the
// person says that it does, she hears that too.
func TestARetractionGoesOutWhileAPersonLooksAgain(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer, operator := f.person(account.Lawyer, f.org), f.person(account.Operator, f.org)
	s := f.search("Ахметов Арман", 1990)
	f.onPhone(s)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))
	f.must(f.post.MatchDetentions(f.ctx, d))
	f.handOver()
	f.correct(lawyer, d[0], detention.Correction{Facts: detention.Facts{BirthYear: []byte("null")}})
	f.expect(s, d[0], seen{"likely", "proposed", "tier", 2})
	if kinds := f.going(s); len(kinds) != 1 || kinds[0] != "retraction" {
		t.Fatalf("%v is going out, want a retraction", kinds)
	}
	f.must(f.db.InTx(f.ctx, func(tx *pg.Tx) error {
		still, err := f.post.StillTrue(f.ctx, tx, push.Notice{Kind: push.Retraction, Subject: f.matchID(s, d[0])})
		if err == nil && !still {
			t.Error("the retraction is stopped although she was told and nothing stands")
		}
		return err
	}))
	f.handOver()
	_, err := f.post.Decide(f.ctx, operator, f.matchID(s, d[0]), watch.Confirm, "мать назвала год")
	f.must(err)
	if kinds := f.going(s); len(kinds) != 1 || kinds[0] != "match" {
		t.Errorf("confirmed after a retraction, and %v is going out, want the news again", kinds)
	}
}

// A mistaken change of a search and its undoing bring the answer back.
func TestAChangeOfASearchCanBeUndone(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	told, waits := f.search("Ахметов Арман", 1990), f.search("Ахметов Арман", 0)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))
	f.must(f.post.MatchDetentions(f.ctx, d))
	wrong, right := "Оспанов Нұрлан", "Ахметов Арман"
	for _, s := range []seeker{told, waits} {
		f.patch(s, watch.SearchPatch{Name: &wrong})
		if got := f.seen(s, d[0]); got.state != "retracted" {
			t.Fatalf("after the mistake: %+v", got)
		}
		f.patch(s, watch.SearchPatch{Name: &right})
	}
	f.expect(told, d[0], seen{"certain", "proposed", "tier", 1}) // the retraction
	f.expect(waits, d[0], seen{"likely", "proposed", "tier", 0})
}

// A correction and a withdrawal whose jobs meet the record in its last state: nobody is told of an entry that was a mistake.
func TestACorrectionWorkedAfterTheWithdrawalTellsNobody(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	s, told := f.search("Ахметов Арман", 1990), f.search("Оспанов Нұрлан", 1980)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", nil), entry("Оспанов Нұрлан", 1980))
	f.must(f.post.MatchDetentions(f.ctx, d))
	correction, err := f.ledger.Correct(f.ctx, lawyer, d[0], detention.Correction{Revision: 1, Facts: detention.Facts{BirthYear: []byte("1990")}})
	f.must(err)
	moved, _, err := f.ledger.Add(f.ctx, lawyer, d[1], detention.NewEvent{ClientID: uuid.New(), Kind: detention.MovedKind, ToDepartmentID: &medeu})
	f.must(err)
	for _, id := range d {
		_, _, err = f.ledger.Add(f.ctx, lawyer, id, detention.NewEvent{ClientID: uuid.New(), Kind: detention.WithdrawnKind})
		f.must(err)
	}
	f.must(f.post.AfterCorrection(f.ctx, detention.Corrected{DetentionID: correction.ID, EventID: uuid.New(), ActorID: lawyer.Account, Named: true, Told: true}))
	f.must(f.post.AfterEvent(f.ctx, detention.Happened{DetentionID: d[1], EventID: moved.ID, ActorID: lawyer.Account, State: detention.Held}))
	if read := f.told(s); len(read) != 0 {
		t.Errorf("the family reads of an entry that was taken back: %+v", read)
	}
	if read := f.told(told); len(read) != 1 || read[0].Status != "held" {
		t.Errorf("the family reads %+v before the withdrawal's own job", read)
	}
}

// Sealed before she looked: not even the notice is left to tell her.
func TestSealedBeforeSheLookedLeavesNoNotice(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	s := f.search("Ахметов Арман", 1990)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))
	f.must(f.post.MatchDetentions(f.ctx, d))
	sealed := detention.Sealed
	f.correct(lawyer, d[0], detention.Correction{Disclosure: &sealed})
	read, err := f.post.Read(f.ctx, s.id, s.secret)
	f.must(err)
	if len(read.Notices) != 0 || read.Shown != watch.Open {
		t.Errorf("she reads %+v, %s", read.Notices, read.Shown)
	}
	// Nor does a move, whose job came first, tell her anything new.
	f.event(lawyer, d[0], detention.MovedKind, &medeu)
	if n := f.count("select count(*) from notices where kind = 'update'"); n != 0 {
		t.Errorf("%d updates of a sealed record", n)
	}
}

// Who logs and decides is one person: above the limit the second person is another.
func TestNobodyConfirmsTheirOwnWordAboveTheLimit(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{Told: 5, Reporter: 1})
	operator, second := f.person(account.Operator, f.org), f.person(account.Operator, f.org)
	a, b := f.search("Ахметов Арман", 0), f.search("Оспанов Нұрлан", 0)
	d := f.log(operator, almaly, entry("Ахметов Арман", 1990), entry("Оспанов Нұрлан", 1980))
	f.must(f.post.MatchDetentions(f.ctx, d))
	_, err := f.post.Decide(f.ctx, operator, f.matchID(a, d[0]), watch.Confirm, "я сам записал")
	f.must(err)
	if _, err := f.post.Decide(f.ctx, operator, f.matchID(b, d[1]), watch.Confirm, "и этого"); !fault.Is(err, "second_person_needed") {
		t.Errorf("a second family was told on one's own word and decision: %v", err)
	}
	_, err = f.post.Decide(f.ctx, second, f.matchID(b, d[1]), watch.Confirm, "перезвонила")
	f.must(err)
}

// The reason of a decision is its author's.
func TestADecisionsReasonIsNotWrittenOver(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer, one, two := f.person(account.Lawyer, f.org), f.person(account.Operator, f.org), f.person(account.Operator, f.org)
	s := f.search("Ахметов Арман", 0)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))
	f.must(f.post.MatchDetentions(f.ctx, d))
	id := f.matchID(s, d[0])
	_, err := f.post.Decide(f.ctx, one, id, watch.Reject, "другой год")
	f.must(err)
	before := f.count("select hashtext(decision_ct::text) from matches where id = $1", id)
	_, err = f.post.Decide(f.ctx, two, id, watch.Reject, "ничего не было")
	f.must(err)
	if f.count("select hashtext(decision_ct::text) from matches where id = $1", id) != before {
		t.Error("a repeat wrote over the reason of the first decision")
	}
}

// A death is told by voice, also when a person confirms the match that tells of it.
func TestADeathIsNotPushedByAConfirmation(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer, operator := f.person(account.Lawyer, f.org), f.person(account.Operator, f.org)
	s := f.search("Ахметов Арман", 0)
	f.onPhone(s)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))
	f.must(f.post.MatchDetentions(f.ctx, d))
	f.event(lawyer, d[0], detention.DiedKind, nil)
	_, err := f.post.Decide(f.ctx, operator, f.matchID(s, d[0]), watch.Confirm, "его мать")
	f.must(err)
	if kinds := f.going(s); len(kinds) != 0 {
		t.Errorf("%v is pushed", kinds)
	}
	if n := f.count("select count(*) from alerts where kind = 'call_due' and subject_id = $1", s.id); n != 1 {
		t.Errorf("%d calls are due, want 1", n)
	}
	if told := f.told(s); len(told) != 1 || told[0].Status != "call_hotline" {
		t.Errorf("she reads %+v", told)
	}
}

// What one organisation shared ends with the share: a later correction tells the other's families nothing new. A hold is for
// the reporter's own people, whichever family the news is for.
func TestAShareThatEnded(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{Told: 5, Reporter: 1})
	var theirs uuid.UUID
	f.must(f.db.Pool.QueryRow(f.ctx, `insert into organisations (id, name, created_at) values (gen_random_uuid(), 'Басқа', $1) returning id`, f.db.Now()).Scan(&theirs))
	_, err := f.db.Pool.Exec(f.ctx, `insert into organisation_shares (id, owner_id, reader_id, valid_from, valid_until, created_at)
		values (gen_random_uuid(), $1, $2, $3, $4, $3)`, f.org, theirs, f.db.Now().Add(-time.Hour), f.db.Now().Add(time.Hour))
	f.must(err)
	lawyer, operator := f.person(account.Lawyer, f.org), f.person(account.Operator, f.org)
	abroad := func(name string, year int) seeker {
		s := seeker{secret: token()}
		made, err := f.post.Create(f.ctx, watch.NewSearch{ClientID: uuid.New(), Secret: s.secret, Name: name, BirthYear: year, Language: "kk", OrganisationID: &theirs})
		f.must(err)
		s.id = made.ID
		return s
	}
	told, waits := abroad("Ахметов Арман", 1990), abroad("Оспанов Нұрлан", 1980)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990), entry("Оспанов Нұрлан", nil))
	f.must(f.post.MatchDetentions(f.ctx, d))
	f.expect(told, d[0], seen{"certain", "notified", "", 1})
	f.expect(waits, d[1], seen{"likely", "proposed", "tier", 0})
	f.db.Clock.Move(90 * time.Minute)
	f.correct(lawyer, d[1], detention.Correction{Facts: detention.Facts{BirthYear: []byte("1980")}})
	f.expect(waits, d[1], seen{"likely", "proposed", "tier", 0})
	// Above the limit the retraction waits, for the reporter's own organisation.
	other := f.search("Сейтов Ержан", 1970)
	last := f.log(lawyer, almaly, entry("Сейтов Ержан", 1970))
	f.must(f.post.MatchDetentions(f.ctx, last))
	if told := f.told(other); len(told) != 1 {
		t.Fatalf("%+v", told)
	}
	f.event(lawyer, last[0], detention.WithdrawnKind, nil) // the one that may go out
	f.event(lawyer, d[0], detention.WithdrawnKind, nil)
	_, err = f.post.DecideHold(f.ctx, operator, f.soleHold(operator).ID, true)
	f.must(err)
	f.expect(told, d[0], seen{"certain", "retracted", "", 1})
}

// Keys of a month that were destroyed erase that month, and nothing else.
func TestADestroyedMonthDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	f.search("Ахметов Арман", 1990)
	old := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))
	_, err := f.db.Pool.Exec(f.ctx, "update data_keys set period = '2020-01' where id = $1 or scope = 'search'", old[0])
	f.must(err)
	s := f.search("Ахметов Арман", 1991)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))
	f.must(f.post.MatchDetentions(f.ctx, append(d, old...)))
	f.expect(s, d[0], seen{"certain", "notified", "", 1})
	page, _, err := f.ledger.List(f.ctx, lawyer, detention.Filter{Limit: 10})
	if err != nil || len(page) != 1 {
		t.Errorf("the list shows %d records (%v), want the one that is left", len(page), err)
	}
}

// Whoever takes the database must not see that two people are told on one phone: that a lawyer searches for someone herself.
func TestOnePhoneOfTwoIsNotSeenInTheDatabase(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	phone := []push.Address{{Kind: push.Call, Value: "+77011234567"}}
	for _, s := range []seeker{f.search("Ахметов Арман", 1990), f.search("Оспанов Нұрлан", 1980)} {
		for range 2 {
			_, err := f.post.SetChannels(f.ctx, watch.Caller{Secret: s.secret}, s.id, phone)
			f.must(err)
		}
	}
	if rows, marks := f.count("select count(*) from channels"), f.count("select count(distinct address_mac) from channels"); rows != 2 || marks != 2 {
		t.Errorf("%d channels with %d marks, want two of each", rows, marks)
	}
}

// One record that cannot be matched does not keep the news of the others in its bus back.
func TestOneBadRecordDoesNotStopTheBus(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	bad, good := f.search("Ахметов Арман", 1990), f.search("Оспанов Нұрлан", 1980)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990), entry("Оспанов Нұрлан", 1980))
	if !f.sought(bad.id, "Ахметов Арман") {
		t.Fatal("not in the index")
	}
	for _, statement := range []string{"alter table searches disable trigger searches_names", "update searches set profile_ct = profile_ct || '\\x00' where id = '" + bad.id.String() + "'"} {
		_, err := f.db.Pool.Exec(f.ctx, statement)
		f.must(err)
	}
	if err := f.post.MatchDetentions(f.ctx, d); err == nil {
		t.Error("the job says that all is well")
	}
	f.expect(good, d[1], seen{"certain", "notified", "", 1})
}
