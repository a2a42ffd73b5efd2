package watch_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/watch"
)

// solve does the work of a challenge.
func solve(c watch.Challenge) *watch.Proof {
	for n := 0; ; n++ {
		sum := sha256.Sum256([]byte(c.Token + "." + strconv.Itoa(n)))
		zeros := 0
		for _, b := range sum {
			zeros += bits.LeadingZeros8(b)
			if b != 0 {
				break
			}
		}
		if zeros >= c.Difficulty {
			return &watch.Proof{Token: c.Token, Nonce: strconv.Itoa(n)}
		}
	}
}

// challenged gives the challenge in err, or ends the test.
func (f *field) challenged(err error) watch.Challenge {
	f.Helper()
	f.refused(err, "challenge_required")
	c, ok := fault.As(err).Challenge.(watch.Challenge)
	if !ok || c.Algorithm != "sha256-leading-zero-bits" {
		f.Fatalf("challenge %+v", fault.As(err).Challenge)
	}
	return c
}

// guesses tries years of birth for one name, in ever new writings, and returns the last answer.
func (f *field) guesses(from, to int) error {
	f.Helper()
	writings := []string{"Akhmetov Arman", "Ахметов Арман Болатұлы", "арман ахметов", "Ахметов-Арман"}
	var err error
	for i := from; i <= to; i++ {
		n := asked()
		n.Name, n.BirthYear, n.Source = writings[i%len(writings)], 1950+i, fmt.Sprint("source ", i)
		_, err = f.post.Create(f.ctx, n)
	}
	return err
}

func (f *field) alarms() int { return f.count("select count(*) from alerts where kind = 'guessing'") }

func TestGuessingMeetsAChallengeAnAlarmAndALimit(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{NameFree: 3, NameAlarm: 8, NameMost: 12})
	f.must(f.guesses(1, 3))
	if c := f.challenged(f.guesses(4, 4)); c.Difficulty != 16 || !c.ExpiresAt.Equal(f.db.Now().Add(10*time.Minute)) {
		t.Errorf("challenge %+v", c)
	}
	f.must(func() error {
		n := asked()
		n.Name = "Ахметов Ерлан"
		_, err := f.post.Create(f.ctx, n)
		return err
	}()) // another name is free
	if c := f.challenged(f.guesses(5, 7)); c.Difficulty != 17 || f.alarms() != 0 {
		t.Errorf("challenge %+v, %d alarms at seven", c, f.alarms())
	}
	f.challenged(f.guesses(8, 12))
	if f.alarms() != 1 || f.count("select count from alerts where kind = 'guessing'") != 5 || f.count("select count(*) from river_job where kind = 'alert_raised'") != 1 {
		t.Errorf("%d alarms, want one that counts five", f.alarms())
	}
	f.db.Clock.Move(time.Hour)
	err := f.guesses(13, 30)
	f.refused(err, "too_many")
	if after := fault.As(err).RetryAfter; after != 23*time.Hour {
		t.Errorf("retry after %v", after)
	}
	if n := f.count("select count(*) from search_attempts"); n != 13 { // twelve of this name, one of the other
		t.Errorf("%d attempts are kept", n)
	}
	f.db.Clock.Move(23 * time.Hour)
	f.must(f.guesses(31, 31))
}

func TestGuessersAtOnceAreCountedOneByOne(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{NameFree: 3})
	var wg sync.WaitGroup
	var mu sync.Mutex
	passed := 0
	for i := range 12 {
		wg.Go(func() {
			n := asked()
			n.BirthYear = 1960 + i
			n.AlsoKnownAs = [][]string{{"Сериков Ерлан"}, nil}[i%2]
			if _, err := f.post.Create(f.ctx, n); err == nil {
				mu.Lock()
				passed++
				mu.Unlock()
			} else if !fault.Is(err, "challenge_required") {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if passed != 3 {
		t.Errorf("%d passed", passed)
	}
}

// The other names of a search are asked for as well.
func TestOtherNamesCount(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{NameFree: 1})
	n := asked()
	n.AlsoKnownAs = []string{"Сериков Ерлан", "???"}
	f.make(n)
	n = asked()
	n.Name = "Serikov Yerlan"
	_, err := f.post.Create(f.ctx, n)
	f.challenged(err)
	n = asked()
	n.Name, n.AlsoKnownAs = "Ким Александр", []string{"!!!"}
	f.make(n)
}

func TestProofOpensOnceForItsNameInTime(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{NameFree: 1, NameMost: 5})
	f.must(f.guesses(1, 1))
	c := f.challenged(f.guesses(2, 2))
	proof := solve(c)

	other := asked()
	other.Name = "Сериков Ерлан"
	f.make(other)
	other.ClientID, other.Proof = uuid.New(), proof
	_, err := f.post.Create(f.ctx, other)
	f.challenged(err) // it was given for another name

	n := asked()
	for name, bad := range map[string]*watch.Proof{
		"no work":   {Token: proof.Token, Nonce: "x"},
		"no token":  {Nonce: proof.Nonce},
		"forged":    {Token: "AAAA" + proof.Token[4:], Nonce: proof.Nonce},
		"cut":       {Token: proof.Token[:len(proof.Token)-1], Nonce: proof.Nonce},
		"longer":    {Token: proof.Token, Nonce: strings.Repeat("0", 21)},
		"no period": {Token: strings.ReplaceAll(proof.Token, ".", ""), Nonce: proof.Nonce},
	} {
		n.ClientID, n.Proof = uuid.New(), bad
		if _, err := f.post.Create(f.ctx, n); !fault.Is(err, "challenge_required") && !fault.Is(err, "too_many") {
			t.Errorf("%s: %v", name, err)
		}
	}
	before := f.count("select count(*) from search_attempts")
	n.ClientID, n.Proof = uuid.New(), proof
	s := f.make(n) // the limit is reached, but this one was counted when it got its challenge
	if f.count("select count(*) from search_attempts") != before {
		t.Error("the solved repeat counts twice")
	}
	if again := f.make(n); again != s {
		t.Error("the repeat of an answered request is refused")
	}
	n.ClientID = uuid.New()
	_, err = f.post.Create(f.ctx, n)
	f.refused(err, "too_many") // spent
}

func TestProofSpentByTwoAtOnceOpensOnce(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{NameFree: 1})
	f.must(f.guesses(1, 1))
	proof := solve(f.challenged(f.guesses(2, 2)))
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() {
			n := asked()
			n.Proof = proof
			_, errs[i] = f.post.Create(f.ctx, n)
		})
	}
	wg.Wait()
	opened := 0
	for _, err := range errs {
		if err == nil {
			opened++
		} else if !fault.Is(err, "challenge_required") {
			t.Error(err)
		}
	}
	if opened != 1 {
		t.Errorf("%d opened", opened)
	}
}

func TestProofExpires(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{NameFree: 1})
	f.must(f.guesses(1, 1))
	n := asked()
	n.Proof = solve(f.challenged(f.guesses(2, 2)))
	f.db.Clock.Move(10 * time.Minute)
	_, err := f.post.Create(f.ctx, n)
	f.challenged(err)
}

func TestOneOriginIsChallengedNeverRefused(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{SourceFree: 2})
	ask := func(i int, proof *watch.Proof) error {
		n := asked()
		n.Name, n.Source, n.Proof = []string{"Ким Виктор", "Пак Олег", "Цой Анна", "Ли Вера", "Тен Роза", "Югай Лев"}[i], "one", proof
		_, err := f.post.Create(f.ctx, n)
		return err
	}
	f.must(ask(0, nil))
	f.must(ask(1, nil))
	for i := 2; i < 6; i++ {
		f.must(ask(i, solve(f.challenged(ask(i, nil)))))
	}
	for range 5 { // without an origin nobody shares a bucket
		f.make(asked())
	}
	f.db.Clock.Move(10 * time.Minute)
	f.must(ask(0, nil))
	var dump string
	f.must(f.db.Pool.QueryRow(f.ctx, "select coalesce(string_agg(t::text, ''), '') from search_attempts t").Scan(&dump))
	if dump != "" {
		t.Error("limits by origin leave rows")
	}
}

func TestChangedNamePassesTheGuard(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{NameFree: 2})
	n := asked()
	n.Name = "Ким Виктор"
	s := f.make(n)
	change := func(revision, year int, proof *watch.Proof) error {
		_, err := f.post.Patch(f.ctx, s.caller(), s.id, watch.SearchPatch{Revision: revision, Name: ptr("Ахметов Арман"),
			BirthYear: &detention.Set[int]{Value: year}, Proof: proof})
		return err
	}
	f.must(change(1, 1981, nil))
	f.must(change(2, 1982, nil))
	c := f.challenged(change(3, 1983, nil))
	if v, err := f.post.Read(f.ctx, s.id, s.secret); err != nil || v.BirthYear != 1982 || v.Revision != 3 {
		t.Errorf("a refused change left %+v, %v", v, err)
	}
	f.must(change(3, 1983, solve(c)))
	_, err := f.post.Patch(f.ctx, s.caller(), s.id, watch.SearchPatch{Revision: 4}) // renewing costs nothing
	f.must(err)
}

func TestStaffAreCountedButNotStopped(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{NameFree: 1, NameAlarm: 4, NameMost: 3})
	operator := f.person(account.Operator, f.org)
	for i := range 6 {
		n := asked()
		n.By, n.BirthYear = &operator, 1960+i
		f.make(n)
	}
	if f.alarms() != 1 {
		t.Errorf("%d alarms", f.alarms())
	}
	f.refused(f.guesses(1, 1), "too_many")
}

// The guard never looks at who is held: the answers are the same word for word.
func TestGuardAnswersAlikeWhoeverIsHeld(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{NameFree: 2, NameAlarm: 3, NameMost: 4})
	lawyer := f.person(account.Lawyer, f.org)
	f.must(f.post.MatchDetentions(f.ctx, f.log(lawyer, almaly, entry("Ахметов Арман", 1990))))
	answers := map[string]string{}
	for _, name := range []string{"Ахметов Арман", "Сериков Ерлан"} {
		for range 6 {
			n := asked()
			n.Name = name
			made, err := f.post.Create(f.ctx, n)
			e := &fault.Error{}
			if errors.As(err, &e) {
				c, _ := e.Challenge.(watch.Challenge)
				answers[name] += fmt.Sprint(e.Code, e.RetryAfter, len(c.Token), c.Difficulty, c.ExpiresAt, ";")
			} else {
				answers[name] += fmt.Sprint(made.State, made.ExpiresAt, ";")
			}
		}
	}
	if answers["Ахметов Арман"] != answers["Сериков Ерлан"] {
		t.Errorf("answers differ:\n%s\n%s", answers["Ахметов Арман"], answers["Сериков Ерлан"])
	}
}

// Whoever takes the database must not see how often a name is asked for: no two rows are alike in anything but their length.
func TestADumpShowsNoFrequencies(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{NameAlarm: 100})
	for range 3 {
		f.make(asked())
	}
	other := asked()
	other.Name = "Құдайбергенов Нұрсұлтан Әбдімәлікұлы"
	f.make(other)
	if rows, lengths, alike := f.count("select count(*) from search_attempts"), f.count("select count(distinct octet_length(names_ct)) from search_attempts"),
		f.count("select count(*) from search_attempts a join search_attempts b on a.id < b.id and (a.names_ct = b.names_ct or substring(a.names_ct from 15) = substring(b.names_ct from 15))"); rows != 4 ||
		lengths != 1 || alike != 0 {
		t.Errorf("%d rows of %d lengths, %d pairs alike", rows, lengths, alike)
	}
}

// Two nodes count together, in any spelling, and after a day no more.
func TestNodesCountTogether(t *testing.T) {
	t.Parallel()
	limits := watch.Limits{NameFree: 3}
	f := newField(t, limits)
	nodes := []*watch.Post{f.post, f.node(limits)}
	ask := func(i int) error {
		n := asked()
		n.Name = []string{"Ахметов Арман", "Akhmetov Arman", "Ахметова Арман", "Ахмметов Арманн", "арман ахметов"}[i%5]
		_, err := nodes[i%2].Create(f.ctx, n)
		return err
	}
	for i := range 3 {
		f.must(ask(i))
	}
	for i := 3; i < 7; i++ {
		f.challenged(ask(i))
	}
	f.db.Clock.Move(24 * time.Hour)
	for i := range 3 {
		f.must(ask(i))
	}
	f.challenged(ask(4))
}
