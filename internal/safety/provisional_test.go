package safety_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/safety"
)

func (n *night) department() uuid.UUID {
	n.Helper()
	id := uuid.New()
	n.exec(`insert into departments (id, kind, name_kk, name_ru, name_en, city, created_at, updated_at) values ($1, 'police_department', 'к', 'р', 'e', 'almaty', $2, $2)`, id, n.db.Now())
	return id
}

// cries raises an alarm that says that the lawyer is detained.
func (n *night) cries(h *safety.Held) safety.Alarm {
	n.Helper()
	a, err := n.guard.Raise(n.Context(), n.lawyer, safety.Cry{ClientID: uuid.New(), Detained: h})
	n.must(err)
	return a
}

// everything counts what tells of a detention: records, changes that phones and boards hear of, jobs that match, clocks.
func (n *night) everything() (c [4]int) {
	n.Helper()
	for i, q := range []string{"detentions", "changes", "river_job where kind like 'detention%'", "clocks"} {
		c[i] = n.count("select count(*) from " + q)
	}
	return c
}

func TestWhoSaysThatTheyAreDetainedIsSealedUntilACoordinatorConfirms(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	chief, second, at := n.person(account.Coordinator), n.person(account.Coordinator), n.department()
	before := n.everything()
	raised := n.db.Now()
	a := n.cries(&safety.Held{DepartmentID: &at})
	if a.Detention != nil {
		t.Fatal("the phone, which may be in other hands, is told of it")
	}
	own, err := n.guard.Alarm(t.Context(), n.lawyer, a.ID)
	n.must(err)
	if list, _, err := n.guard.Alarms(t.Context(), n.lawyer, false, uuid.Nil, 10); err != nil || own.Detention != nil || len(list) != 1 || list[0].Detention != nil {
		t.Fatalf("%+v, %+v, %v", own.Detention, list, err)
	}
	for _, p := range []account.Principal{chief, second} {
		seen, err := n.guard.Alarm(t.Context(), p, a.ID)
		n.must(err)
		if d := seen.Detention; d == nil || d.State != "provisional" || d.Name != lawyersName || *d.DepartmentID != at || d.MadeBy != n.lawyer.Account || d.DetentionID != nil {
			t.Fatalf("%+v", d)
		}
	}
	n.pass(time.Hour)
	if n.everything() != before {
		t.Fatalf("something tells of it before anybody confirmed it: %v, then %v", before, n.everything())
	}
	if c := n.count("select count(*) from provisional_detentions where position($1::bytea in held_ct) > 0", []byte(at.String())); c != 0 {
		t.Fatal("where they are lies open")
	}

	_, err = n.guard.ConfirmDetention(t.Context(), n.lawyer, a.ID, safety.Confirmation{})
	n.refused(err, "forbidden")
	// Two coordinators at once, each several times, one asking by another's retry.
	ids := make(chan uuid.UUID, 8)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			done, err := n.guard.ConfirmDetention(t.Context(), []account.Principal{chief, second}[i%2], a.ID, safety.Confirmation{})
			if err != nil {
				t.Error(err)
				return
			}
			ids <- *done.Detention.DetentionID
		})
	}
	wg.Wait()
	close(ids)
	first := <-ids
	for id := range ids {
		if id != first {
			t.Fatal("two detentions of one alarm")
		}
	}
	after := n.everything()
	for i := range after {
		if after[i] <= before[i] {
			t.Errorf("once confirmed it is a detention like any other: %v, then %v", before, after)
		}
	}
	if n.count("select count(*) from detentions") != 1 || n.count("select count(*) from audit_entries where action = 'alarm.detention_confirmed'") != 1 {
		t.Error("confirmed more than once")
	}
	d, err := n.ledger.Get(t.Context(), chief, first)
	n.must(err)
	if d.Name != lawyersName || d.DepartmentID != at || d.Disclosure != detention.Relatives || d.TakenAt == nil || !d.TakenAt.Equal(raised.Truncate(time.Second)) {
		t.Errorf("%+v", d.Profile)
	}
	_, err = n.guard.RefuseDetention(t.Context(), second, a.ID)
	n.refused(err, "already_decided")
}

func TestAFalseDetentionIsRefusedAndLeavesATrail(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	chief, second := n.person(account.Coordinator), n.person(account.Coordinator)
	before := n.everything()
	a := n.cries(&safety.Held{})
	for range 2 {
		got, err := n.guard.RefuseDetention(t.Context(), chief, a.ID)
		n.must(err)
		if got.Detention.State != "refused" || *got.Detention.DecidedBy != chief.Account {
			t.Fatalf("%+v", got.Detention)
		}
	}
	at := n.department()
	_, err := n.guard.ConfirmDetention(t.Context(), second, a.ID, safety.Confirmation{Held: safety.Held{DepartmentID: &at}})
	n.refused(err, "already_decided")
	if again, err := n.guard.Detain(t.Context(), second, a.ID, safety.Held{DepartmentID: &at}); err != nil || again.Detention.State != "refused" {
		t.Fatalf("%+v, %v", again.Detention, err)
	}
	if c := n.count("select count(*) from audit_entries where action = 'alarm.detention_refused'"); c != 1 {
		t.Errorf("%d entries in the audit", c)
	}
	if n.everything() != before {
		t.Error("a refused one is told of")
	}
	n.db.Clock.Move(24 * time.Hour)
	_, err = n.guard.Forget(t.Context())
	n.must(err)
	if n.count("select count(*) from provisional_detentions where held_ct is not null") != 0 {
		t.Error("what was said of it is kept for longer than a day")
	}
}

// A coordinator who reads an alarm so says it in their place; a retry, a second coordinator and what cannot be change nothing.
func TestACoordinatorDetainsFromAnAlarm(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	chief, second, at := n.person(account.Coordinator), n.person(account.Coordinator), n.department()
	a, err := n.guard.Raise(t.Context(), n.lawyer, safety.Cry{ClientID: uuid.New()})
	n.must(err)
	test, err := n.guard.Raise(t.Context(), n.lawyer, safety.Cry{ClientID: uuid.New(), Test: true, Detained: &safety.Held{DepartmentID: &at}})
	n.must(err)
	if seen, err := n.guard.Alarm(t.Context(), chief, test.ID); err != nil || seen.Detention != nil {
		t.Fatalf("a test detains: %+v, %v", seen.Detention, err)
	}
	_, err = n.guard.Detain(t.Context(), chief, test.ID, safety.Held{})
	n.refused(err, "conflict")
	nowhere := uuid.New()
	_, err = n.guard.Detain(t.Context(), chief, a.ID, safety.Held{DepartmentID: &nowhere})
	n.refused(err, "invalid")
	_, err = n.guard.Detain(t.Context(), chief, a.ID, safety.Held{Name: strings.Repeat("я", 301)})
	n.refused(err, "invalid")
	_, err = n.guard.Detain(t.Context(), n.lawyer, a.ID, safety.Held{})
	n.refused(err, "forbidden")
	_, err = n.guard.ConfirmDetention(t.Context(), chief, a.ID, safety.Confirmation{})
	n.refused(err, "not_found")
	var wg sync.WaitGroup
	for _, p := range []account.Principal{chief, second, chief, second} {
		wg.Go(func() {
			if _, err := n.guard.Detain(t.Context(), p, a.ID, safety.Held{Name: "Сәрсенова Әлия"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n.count("select count(*) from provisional_detentions") != 1 || n.count("select count(*) from audit_entries where action = 'alarm.detention_made'") != 1 {
		t.Fatal("made twice")
	}
	_, err = n.guard.ConfirmDetention(t.Context(), chief, a.ID, safety.Confirmation{})
	if f := fault.As(err); f == nil || len(f.Fields) != 1 || f.Fields[0] != (fault.Field{Pointer: "/department_id", Code: "required"}) {
		t.Fatalf("nobody knows where: %v", err)
	}
	for _, wrong := range []safety.Confirmation{{Held: safety.Held{DepartmentID: &nowhere}}, {Held: safety.Held{DepartmentID: &at}, Disclosure: detention.Public},
		{Held: safety.Held{DepartmentID: &at}, TakenAt: new(n.db.Now().Add(time.Hour))}} {
		_, err = n.guard.ConfirmDetention(t.Context(), chief, a.ID, wrong)
		n.refused(err, "invalid")
	}
	if n.count("select count(*) from detentions") != 0 {
		t.Fatal("half of a refused confirmation is there")
	}
	done, err := n.guard.ConfirmDetention(t.Context(), chief, a.ID, safety.Confirmation{Held: safety.Held{DepartmentID: &at}, Disclosure: detention.Sealed})
	n.must(err)
	d, err := n.ledger.Get(t.Context(), chief, *done.Detention.DetentionID)
	n.must(err)
	if d.Name != "Сәрсенова Әлия" || d.Disclosure != detention.Sealed || d.TakenAt != nil {
		t.Errorf("%+v", d.Profile)
	}
}

// Two alarms of one lawyer, of the phone and of a timer, are one custody; after it ended, a further alarm is another.
func TestTwoAlarmsOfOneLawyerAreOneDetention(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	chief, second, at := n.person(account.Coordinator), n.person(account.Coordinator), n.department()
	var ids [2]uuid.UUID
	alarms := []safety.Alarm{n.cries(&safety.Held{DepartmentID: &at}), n.cries(&safety.Held{DepartmentID: &at})}
	var wg sync.WaitGroup
	for i, p := range []account.Principal{chief, second} {
		wg.Go(func() {
			done, err := n.guard.ConfirmDetention(t.Context(), p, alarms[i].ID, safety.Confirmation{})
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = *done.Detention.DetentionID
		})
	}
	wg.Wait()
	if ids[0] != ids[1] || n.count("select count(*) from detentions") != 1 {
		t.Fatalf("%v", ids)
	}
	now := n.db.Now()
	_, _, err := n.ledger.Add(t.Context(), chief, ids[0], detention.NewEvent{ClientID: uuid.New(), Kind: detention.ReleasedKind, Details: detention.Details{HappenedAt: &now, Source: "seen"}})
	n.must(err)
	later := n.cries(&safety.Held{DepartmentID: &at})
	done, err := n.guard.ConfirmDetention(t.Context(), chief, later.ID, safety.Confirmation{})
	n.must(err)
	if *done.Detention.DetentionID == ids[0] {
		t.Error("taken anew, and nobody is told")
	}
}

// Whoever holds the phone of a lawyer who coordinates, too, neither confirms nor denies for them.
func TestNobodyDecidesOnTheirOwnDetention(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	chief, at := n.person(account.Coordinator), n.department()
	n.lawyer = chief
	a := n.cries(&safety.Held{DepartmentID: &at})
	_, err := n.guard.ConfirmDetention(t.Context(), chief, a.ID, safety.Confirmation{})
	n.refused(err, "second_person_needed")
	_, err = n.guard.RefuseDetention(t.Context(), chief, a.ID)
	n.refused(err, "second_person_needed")
	other := newNight(t).person(account.Coordinator)
	for _, p := range []account.Principal{other, {Account: uuid.New(), Organisation: uuid.New(), Grants: other.Grants}} {
		_, err = n.guard.ConfirmDetention(t.Context(), p, a.ID, safety.Confirmation{})
		n.refused(err, "not_found")
	}
}

// Taking an alarm is not deciding: a family waits for that, so coordinators are asked again, those on duty first.
func TestAnUndecidedDetentionIsAskedForAgain(t *testing.T) {
	t.Parallel()
	n := newNight(t)
	duty, other, at := n.person(account.Coordinator), n.person(account.Coordinator), n.department()
	n.onDuty(duty)
	a := n.cries(&safety.Held{DepartmentID: &at})
	_, err := n.guard.Acknowledge(t.Context(), duty, a.ID)
	n.must(err)
	told := func() []int { return []int{n.told(duty, push.Alarm), n.told(other, push.Alarm)} }
	for _, s := range []struct {
		wait time.Duration
		want []int
	}{{14 * time.Minute, []int{1, 0}}, {time.Minute, []int{2, 0}}, {15 * time.Minute, []int{3, 0}}, {15 * time.Minute, []int{4, 1}}} {
		n.pass(s.wait)
		if got := told(); !slices.Equal(got, s.want) {
			t.Fatalf("told %v, want %v", got, s.want)
		}
	}
	_, err = n.guard.RefuseDetention(t.Context(), other, a.ID)
	n.must(err)
	n.pass(time.Hour)
	if got := told(); !slices.Equal(got, []int{4, 1}) {
		t.Fatalf("asked after it was decided: %v", got)
	}
}
