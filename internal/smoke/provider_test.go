package smoke_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/push/fcm/standin"
)

// delivered waits until nothing is on its way any more.
func (tw *town) delivered() {
	tw.Helper()
	tw.eventually("every delivery to end", func() bool {
		return tw.count("select count(*) from deliveries where state = 'pending'") == 0
	})
}

// The promise: whatever Google answers, each family ends with one message. Where an answer was lost after Google had taken the
// message, it may come twice, under one notice id, by which the phone drops the second.
func TestWhateverTheProviderAnswersEachFamilyIsToldOnce(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name      string
		meets     standin.Behaviour
		ambiguous bool
	}{
		{"all is well", standin.Behaviour{}, false},
		{"500 twice", standin.Behaviour{Answer: standin.Internal, Times: 2}, false},
		{"502 from something between", standin.Behaviour{Answer: standin.BadGateway, Times: 1}, false},
		{"503", standin.Behaviour{Answer: standin.Unavailable, Times: 2}, false},
		{"503 with Retry-After", standin.Behaviour{Answer: standin.Unavailable, RetryAfter: 3 * time.Second, Times: 1}, false},
		{"the limit of one device", standin.Behaviour{Answer: standin.DeviceQuota, RetryAfter: 2 * time.Second, Times: 1}, false},
		{"slow", standin.Behaviour{Delay: 4 * time.Second, Times: 1}, false},
		{"taken, and the connection broken", standin.Behaviour{Answer: standin.Reset, Times: 1}, true},
		{"taken, and nonsense answered", standin.Behaviour{Answer: standin.Garbled, Times: 1}, true},
		{"taken, and never answered", standin.Behaviour{Answer: standin.Hang, Times: 1}, true},
	}
	tw := newTown(t)
	lawyer := tw.invited(account.Lawyer)
	var families []*family
	for i, c := range cases {
		f := tw.searches(person(i))
		if c.meets != (standin.Behaviour{}) {
			tw.phones.Fail(f.token, c.meets)
		}
		families = append(families, f)
	}
	lawyer.logs(almaly, persons(0, len(cases))...)
	tw.eventually("all families to be told", func() bool { return tw.count("select count(*) from deliveries where state = 'accepted'") == len(cases) })
	tw.settled()
	for i, c := range cases {
		got, read := families[i].pushes("match"), families[i].reads()
		if len(read.Notices) != 1 || len(read.Matches) != 1 {
			t.Errorf("%s: she reads %d notices of %d matches", c.name, len(read.Notices), len(read.Matches))
			continue
		}
		if len(got) == 0 || len(got) > 1 && !c.ambiguous || len(got) > 2 {
			t.Errorf("%s: %d messages", c.name, len(got))
		}
		for _, m := range got {
			if m.NoticeID != read.Notices[0].ID.String() {
				t.Errorf("%s: the message names notice %s, hers is %s", c.name, m.NoticeID, read.Notices[0].ID)
			}
		}
	}
}

// The promise: a 429 stops all sending for as long as Google asks, of news that came later too, and then everybody is told once.
func TestA429PausesTheChannelForRetryAfter(t *testing.T) {
	t.Parallel()
	const pause = 3 * time.Second
	tw := newTown(t)
	lawyer := tw.invited(account.Lawyer)
	first, later := tw.searches(person(0)), tw.searches(person(1))
	tw.phones.Fail(first.token, standin.Behaviour{Answer: standin.QuotaExceeded, RetryAfter: pause, Times: 1})
	lawyer.logs(almaly, person(0))
	tw.eventually("the pause", func() bool { return tw.count("select count(*) from channel_pauses") == 1 })
	lawyer.logs(almaly, person(1))
	first.expectNotice("match")
	later.expectNotice("match")
	tw.settled()
	attempts := tw.phones.Attempts()
	if len(attempts) != 3 {
		t.Errorf("%d attempts, want 3", len(attempts))
	}
	for _, a := range attempts[1:] {
		if waited := a.At.Sub(attempts[0].At); waited < pause {
			t.Errorf("tried again %s after a 429 that asked for %s", waited, pause)
		}
	}
	for _, f := range []*family{first, later} {
		if n := len(f.pushes("match")); n != 1 {
			t.Errorf("%d messages", n)
		}
	}
}

// The promise: while Google cannot be reached news waits, nobody calls that a fault of the server, and when Google is back every
// family is told once.
func TestWhileTheProviderIsDownNewsWaits(t *testing.T) {
	t.Parallel()
	var google *line
	tw := newTown(t, func(o *app.Options) {
		google = newLine(t, o.Config.FCMEndpoint[:len(o.Config.FCMEndpoint)-len("/v1")])
		o.Config.FCMEndpoint = google.url() + "/v1"
	})
	google.down()
	lawyer := tw.invited(account.Lawyer)
	const people = 8
	var families []*family
	for i := range people {
		families = append(families, tw.searches(person(i)))
	}
	lawyer.logs(almaly, persons(0, people)...)
	tw.eventually("a try of each, and a second of some", func() bool {
		return tw.count("select count(*) from deliveries where state = 'pending' and attempts >= 1") == people && tw.count("select count(*) from deliveries where attempts >= 2") > 0
	})
	if tw.count("select count(*) from channel_pauses") != 1 {
		t.Error("a provider that answers nobody is not left alone")
	}
	if n := len(tw.phones.Attempts()); n != 0 {
		t.Fatalf("%d requests reached a provider that is down", n)
	}
	_, err := tw.anyone().GetReadinessWithResponse(tw.ctx)
	if err != nil {
		t.Errorf("readyz: %v", err)
	}
	google.up()
	for _, f := range families {
		f.expectNotice("match")
	}
	tw.delivered()
	for i, f := range families {
		if n := len(f.pushes("match")); n != 1 {
			t.Errorf("family %d got %d messages", i, n)
		}
	}
}

// The promise: a phone from which the app is gone is not tried again; she sees that at her channels, and an operator learns that
// somebody must call. With the new token she hears of what comes next.
func TestATokenThatIsGoneIsDroppedAndSomebodyMustCall(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer, operator := tw.invited(account.Lawyer), tw.invited(account.Operator)
	wife := tw.searches(person(0))
	tw.phones.Fail(wife.token, standin.Behaviour{Answer: standin.Unregistered})
	record := lawyer.logs(almaly, person(0))[0].DetentionID
	tw.eventually("the call that is due", func() bool { return len(operator.alerts("call_due")) == 1 })
	if a := operator.alerts("call_due")[0]; a.SubjectID == nil || *a.SubjectID != wife.Key().ID {
		t.Errorf("the alert is about %v, want her search %s", a.SubjectID, wife.Key().ID)
	}
	if state := wife.channel().State; state != "dropped" {
		t.Errorf("her channel is %s", state)
	}
	tw.settled()
	tries := 0
	for _, a := range tw.phones.Attempts() {
		if a.Token == wife.token {
			tries++
		}
	}
	if tries != 1 {
		t.Errorf("%d tries on a token that is gone, want 1", tries)
	}
	if read := wife.reads(); len(read.Notices) != 1 || len(read.Matches) != 1 {
		t.Errorf("what was not pushed is not to be read either: %+v", read)
	}

	wife.token = "phone-new"
	tw.must(wife.TellMe(tw.ctx, api.ChannelAdd{Kind: "fcm", Token: &wife.token}))
	if state := wife.channel().State; state != "active" {
		t.Errorf("her new channel is %s", state)
	}
	_, err := lawyer.AddEventWithResponse(tw.ctx, record, nil, api.EventAdd{ClientID: uuid.New(), Kind: api.EventKindReleased,
		HappenedAt: time.Now().UTC(), Source: api.SourceSeen})
	tw.must(err)
	wife.expectNotice("update")
}

// channel is the one channel that she has.
func (f *family) channel() api.Channel {
	f.town.Helper()
	resp, err := f.GetChannelsWithResponse(f.town.ctx, f.Key().ID, nil)
	f.town.must(err)
	if n := len(resp.JSON200.Items); n != 1 {
		f.town.Fatalf("%d channels, want 1", n)
	}
	return resp.JSON200.Items[0]
}
