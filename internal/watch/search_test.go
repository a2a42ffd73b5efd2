package watch_test

import (
	"fmt"
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
	"github.com/qorgau/qorgau/internal/watch"
)

// asked is a sound request of a relative.
func asked() watch.NewSearch {
	return watch.NewSearch{ClientID: uuid.New(), Secret: token(), Name: "Akhmetov Arman", BirthYear: 1990, Relation: "wife", Language: "kk", City: "almaty"}
}

func (f *field) make(n watch.NewSearch) seeker {
	f.Helper()
	made, err := f.post.Create(f.ctx, n)
	f.must(err)
	return seeker{id: made.ID, secret: n.Secret}
}

func (s seeker) caller() watch.Caller { return watch.Caller{Secret: s.secret} }

func (f *field) refused(err error, code string, pointers ...string) {
	f.Helper()
	e := fault.As(err)
	if e == nil || e.Code != code {
		f.Fatalf("got %v, want %s", err, code)
	}
	var got []string
	for _, field := range e.Fields {
		got = append(got, field.Pointer+" "+field.Code)
	}
	if len(pointers) > 0 && !slices.Equal(got, pointers) {
		f.Errorf("faults %v, want %v", got, pointers)
	}
}

func same(a, b watch.Created) bool {
	return a.ID == b.ID && a.State == b.State && a.ExpiresAt.Equal(b.ExpiresAt)
}

func TestSearchIsMadeOnce(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.DefaultLimits)
	n := asked()
	n.Channels = []push.Address{{Kind: push.FCM, Value: "f:c-m_token:APA91b"}, {Kind: push.Call, Value: "8 701 123-45-67"}}
	first, err := f.post.Create(f.ctx, n)
	f.must(err)
	if first.State != watch.Open || !first.ExpiresAt.Equal(f.db.Now().Add(watch.Term)) {
		t.Errorf("created %+v", first)
	}
	f.db.Clock.Move(time.Hour)
	for range 5 { // no repeat costs anything with the guard
		other := n
		other.Name = "Сериков Ерлан"
		again, err := f.post.Create(f.ctx, other)
		f.must(err)
		if !same(again, first) {
			t.Errorf("again %+v, first %+v", again, first)
		}
	}
	s := seeker{first.ID, n.Secret}
	v, err := f.post.Read(f.ctx, s.id, s.secret)
	f.must(err)
	if v.Name != "Akhmetov Arman" || v.BirthYear != 1990 || v.Relation != "wife" || *v.City != "almaty" || v.Shown != watch.Open || v.Revision != 1 {
		t.Errorf("read %+v", v)
	}
	if f.count("select count(*) from search_attempts") != 1 || f.count("select count(*) from river_job where kind = 'search_made'") != 1 ||
		f.count("select count(*) from channels") != 2 || f.count("select count(*) from audit_entries where action = 'search.created'") != 1 {
		t.Error("a repeat had an effect")
	}
	n.Secret = token()
	_, err = f.post.Create(f.ctx, n)
	f.refused(err, "client_id_taken")
}

func TestSearchMadeByTwoAtOnceIsOne(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.DefaultLimits)
	n := asked()
	var wg sync.WaitGroup
	made := make([]watch.Created, 8)
	for i := range made {
		wg.Go(func() {
			var err error
			if made[i], err = f.post.Create(f.ctx, n); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, m := range made {
		if !same(m, made[0]) {
			t.Errorf("answers differ: %+v, %+v", m, made[0])
		}
	}
	if f.count("select count(*) from searches") != 1 || f.count("select count(*) from search_attempts") != 1 {
		t.Error("more than one search or attempt")
	}
}

func TestSearchIsRefusedWithAPointer(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{})
	long := strings.Repeat("ә", 301)
	for name, c := range map[string]struct {
		change func(n *watch.NewSearch)
		want   []string
	}{
		"no name":              {func(n *watch.NewSearch) { n.Name = " " }, []string{"/name required"}},
		"long name":            {func(n *watch.NewSearch) { n.Name = long }, []string{"/name too_long"}},
		"no word in it":        {func(n *watch.NewSearch) { n.Name = "?? 12" }, []string{"/name bad_format"}},
		"one word":             {func(n *watch.NewSearch) { n.Name, n.BirthYear = "Арман", 0 }, []string{"/birth_year required"}},
		"one word, initial":    {func(n *watch.NewSearch) { n.Name, n.BirthYear = "Ахметов А.", 0 }, []string{"/birth_year required"}},
		"year before the time": {func(n *watch.NewSearch) { n.BirthYear = 1899 }, []string{"/birth_year out_of_range"}},
		"year to come":         {func(n *watch.NewSearch) { n.BirthYear = 2027 }, []string{"/birth_year out_of_range"}},
		"secret too short":     {func(n *watch.NewSearch) { n.Secret = n.Secret[:42] }, []string{"/secret bad_format"}},
		"secret not base64url": {func(n *watch.NewSearch) { n.Secret = "+" + n.Secret[1:] }, []string{"/secret bad_format"}},
		"secret with a break":  {func(n *watch.NewSearch) { n.Secret = n.Secret[:42] + "\n" }, []string{"/secret bad_format"}},
		"others": {func(n *watch.NewSearch) { n.ClientID, n.AlsoKnownAs = uuid.Nil, []string{"Тоха", "", long} },
			[]string{"/client_id required", "/also_known_as/1 required", "/also_known_as/2 too_long"}},
		"many others": {func(n *watch.NewSearch) { n.AlsoKnownAs = slices.Repeat([]string{"Тоха"}, 11) }, []string{"/also_known_as too_many"}},
		"words": {func(n *watch.NewSearch) { n.Sex, n.Language, n.City, n.Relation = "x", "de", "Алматы", long },
			[]string{"/sex not_allowed", "/relation too_long", "/language not_allowed", "/city bad_format"}},
		"channel": {func(n *watch.NewSearch) {
			n.Channels = []push.Address{{Kind: push.FCM, Value: "t"}, {Kind: push.Call, Value: "12"}}
		}, []string{"/channels/1/phone bad_format"}},
		"organisation": {func(n *watch.NewSearch) { id := uuid.New(); n.OrganisationID = &id }, []string{"/organisation_id unknown"}},
	} {
		n := asked()
		c.change(&n)
		_, err := f.post.Create(f.ctx, n)
		f.Log(name)
		f.refused(err, "invalid", c.want...)
	}
	if n := f.count("select count(*) from searches") + f.count("select count(*) from data_keys where scope = 'search'"); n != 0 {
		t.Errorf("%d rows of refused searches", n)
	}
	for _, name := range []string{"Серікұлы", "Арман Ахметов"} {
		n := asked()
		n.Name, n.BirthYear = name, 0
		f.make(n)
	}
}

func TestSearchGoesToTheOldestOrganisation(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{})
	younger := uuid.New()
	_, err := f.db.Pool.Exec(f.ctx, "insert into organisations (id, name, created_at) values ($1, 'Y', $2)", younger, f.db.Now().Add(time.Hour))
	f.must(err)
	s := f.make(asked())
	n := asked()
	n.OrganisationID = &younger
	other := f.make(n)
	if f.count("select count(*) from searches where id = $1 and organisation_id = $2", s.id, f.org) != 1 ||
		f.count("select count(*) from searches where id = $1 and organisation_id = $2", other.id, younger) != 1 {
		t.Error("searches stand in the wrong organisations")
	}
}

func TestWrongSecretLooksLikeNoSearch(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{})
	s := f.make(asked())
	stranger := watch.Caller{Secret: token()}
	var texts []string
	for _, id := range []uuid.UUID{s.id, uuid.New()} {
		_, read := f.post.Read(f.ctx, id, stranger.Secret)
		_, empty := f.post.Read(f.ctx, id, "")
		_, patch := f.post.Patch(f.ctx, stranger, id, watch.SearchPatch{Revision: 1})
		_, erase := f.post.Erase(f.ctx, stranger, id)
		_, channels := f.post.Channels(f.ctx, stranger, id)
		_, put := f.post.SetChannels(f.ctx, stranger, id, nil)
		seen := f.post.Acknowledge(f.ctx, stranger, id, uuid.New())
		for _, err := range []error{read, empty, patch, erase, channels, put, seen} {
			f.refused(err, "not_found")
			texts = append(texts, fmt.Sprintf("%v %+v", err, *fault.As(err)))
		}
	}
	if len(slices.Compact(texts)) != 1 {
		t.Errorf("the refusals differ: %v", texts)
	}
	if f.count("select count(*) from audit_daily_reads") != 0 {
		t.Error("a stranger's reads are counted as hers")
	}
	for range 3 {
		_, err := f.post.Read(f.ctx, s.id, s.secret)
		f.must(err)
	}
	if f.count("select count from audit_daily_reads where search_id = $1", s.id) != 3 {
		t.Error("her reads are not counted")
	}
}

func TestFoundAndSeen(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	n := asked()
	n.Channels = []push.Address{{Kind: push.FCM, Value: "t1"}, {Kind: push.FCM, Value: "t2"}}
	s := f.make(n)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))
	f.must(f.post.MatchDetentions(f.ctx, d))
	v, err := f.post.Read(f.ctx, s.id, s.secret)
	f.must(err)
	if v.Shown != watch.Found || len(v.Matches) != 1 || len(v.Notices) != 1 || v.Notices[0].SeenAt != nil {
		t.Fatalf("read %+v", v)
	}
	f.refused(f.post.Acknowledge(f.ctx, s.caller(), s.id, uuid.New()), "not_found")
	f.must(f.post.Acknowledge(f.ctx, s.caller(), s.id, v.Notices[0].ID))
	f.must(f.post.Acknowledge(f.ctx, s.caller(), s.id, v.Notices[0].ID))
	if f.count("select count(*) from deliveries where state = 'pending'") != 0 {
		t.Error("the ladder goes on")
	}
	f.db.Clock.Move(time.Minute)
	f.event(lawyer, d[0], detention.WithdrawnKind, nil)
	v, err = f.post.Read(f.ctx, s.id, s.secret)
	f.must(err)
	if v.Shown != watch.Open || len(v.Notices) != 2 || v.Notices[0].Kind != push.Retraction || v.Notices[1].SeenAt == nil {
		t.Errorf("after the retraction %+v", v)
	}
}

func ptr[T any](v T) *T { return &v }

func TestPatchRenewsChangesAndCloses(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{})
	s := f.make(asked())
	jobs := func() int { return f.count("select count(*) from river_job where kind = 'search_made'") }

	f.db.Clock.Move(20 * 24 * time.Hour)
	v, err := f.post.Patch(f.ctx, s.caller(), s.id, watch.SearchPatch{Revision: 1})
	f.must(err)
	if !v.ExpiresAt.Equal(f.db.Now().Add(watch.Term)) || v.Revision != 2 || jobs() != 1 {
		t.Errorf("renewed %+v, %d jobs", v, jobs())
	}

	_, err = f.post.Patch(f.ctx, s.caller(), s.id, watch.SearchPatch{Revision: 1, Name: ptr("Ахметов Арман Серікұлы"), Relation: &detention.Set[string]{Value: "wife"}})
	f.refused(err, "stale", "/name changed")
	if now, ok := fault.As(err).Current.(watch.View); !ok || now.Name != "Akhmetov Arman" || now.Revision != 2 {
		t.Errorf("stale shows %+v", fault.As(err).Current)
	}

	v, err = f.post.Patch(f.ctx, s.caller(), s.id, watch.SearchPatch{Revision: 2, Name: ptr("Ахметов Арман Серікұлы"),
		AlsoKnownAs: &detention.Set[[]string]{Value: []string{"Тоха"}}, Relation: &detention.Set[string]{Clear: true}})
	f.must(err)
	if v.Revision != 3 || v.Relation != "" || v.Name != "Ахметов Арман Серікұлы" || jobs() != 2 || !f.sought(s.id, "Тоха") {
		t.Errorf("changed %+v, %d jobs", v, jobs())
	}
	if again, err := f.post.Read(f.ctx, s.id, s.secret); err != nil || again.Name != v.Name || !slices.Equal(again.AlsoKnownAs, []string{"Тоха"}) {
		t.Errorf("reads %+v, %v", again, err)
	}

	_, err = f.post.Patch(f.ctx, s.caller(), s.id, watch.SearchPatch{Revision: 3, Name: ptr("Арман"), BirthYear: &detention.Set[int]{Clear: true}})
	f.refused(err, "invalid", "/birth_year required")
}

func TestClosedSearchStaysClosed(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	n := asked()
	n.Channels = []push.Address{{Kind: push.FCM, Value: "t1"}}
	s := f.make(n)
	d := f.log(lawyer, almaly, entry("Ахметов Арман", 1990))
	f.must(f.post.MatchDetentions(f.ctx, d))
	patch := func(c watch.SearchPatch) (watch.View, error) { return f.post.Patch(f.ctx, s.caller(), s.id, c) }
	_, err := patch(watch.SearchPatch{Revision: 1, Close: true})
	f.refused(err, "invalid", "/close_reason required")
	_, err = patch(watch.SearchPatch{Revision: 1, CloseReason: "so"})
	f.refused(err, "invalid", "/close_reason not_allowed")
	v, err := patch(watch.SearchPatch{Revision: 1, Close: true, CloseReason: "ол үйге келді"})
	f.must(err)
	if v.Shown != watch.Closed || v.CloseReason != "ол үйге келді" {
		t.Errorf("closed %+v", v)
	}
	if f.sought(s.id, "Ахметов Арман") || f.count("select count(*) from deliveries where state = 'pending'") != 0 {
		t.Error("a closed search is still told")
	}
	_, err = patch(watch.SearchPatch{Revision: v.Revision})
	f.refused(err, "conflict")
	_, err = f.post.SetChannels(f.ctx, s.caller(), s.id, nil)
	f.refused(err, "conflict")
	if _, err = f.post.Read(f.ctx, s.id, s.secret); err != nil {
		t.Errorf("a closed search cannot be read: %v", err)
	}
}

func TestExpiredSearchIsClosedBeforeTheSweepSaysSo(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{})
	s := f.make(asked())
	f.db.Clock.Move(watch.Term)
	v, err := f.post.Read(f.ctx, s.id, s.secret)
	f.must(err)
	if v.Shown != watch.Closed {
		t.Errorf("shown as %s", v.Shown)
	}
	_, err = f.post.Patch(f.ctx, s.caller(), s.id, watch.SearchPatch{Revision: 1})
	f.refused(err, "conflict")
}

func TestChannelsDoNotGiveAddressesBack(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{})
	operator := f.person(account.Operator, f.org)
	s := f.make(asked())
	list, err := f.post.SetChannels(f.ctx, s.caller(), s.id, []push.Address{{Kind: push.Call, Value: "+7 701 123 45 67"}, {Kind: push.FCM, Value: "a:b"}})
	f.must(err)
	if len(list) != 2 || list[0].Kind != push.Call || list[0].Address+list[1].Address != "" {
		t.Errorf("she gets %+v", list)
	}
	seen, err := f.post.Channels(f.ctx, watch.Caller{Staff: &operator}, s.id)
	f.must(err)
	if len(seen) != 2 || seen[0].Address != "+77011234567" || seen[1].Address != "" {
		t.Errorf("an operator gets %+v", seen)
	}
	if f.count("select count(*) from audit_entries where action = 'search.channels_read'") != 1 {
		t.Error("the operator's look is not audited")
	}
	_, err = f.post.SetChannels(f.ctx, watch.Caller{Staff: &operator}, s.id, nil)
	f.refused(err, "forbidden")
}
