package standin_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/qorgau/qorgau/internal/push/telegram/standin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "123:abc"

type reply struct {
	status int
	body   map[string]any
	header http.Header
}

func start(t *testing.T) (*standin.Server, func(path, kind, body string) reply) {
	t.Helper()
	s := standin.New(token, "qorgau_bot")
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	return s, func(path, kind, body string) reply {
		resp, err := srv.Client().Post(srv.URL+path, kind, strings.NewReader(body))
		if err != nil {
			return reply{}
		}
		defer func() { _ = resp.Body.Close() }()
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
		r := reply{status: resp.StatusCode, header: resp.Header}
		_ = json.Unmarshal(raw, &r.body) // what is not JSON has no body here
		return r
	}
}

const (
	form  = "application/x-www-form-urlencoded"
	asked = "/bot" + token + "/sendMessage"
)

func TestRefusesWhatTelegramRefuses(t *testing.T) {
	t.Parallel()
	s, post := start(t)
	for _, c := range []struct {
		path, kind, body string
		status           int
		says             string
	}{
		{"/x", form, "", 404, "Not Found"},
		{"/botnothing/sendMessage", form, "", 404, "Not Found"},
		{"/bot123:other/sendMessage", form, "", 401, "Unauthorized"},
		{"/bot" + token + "/sendPigeon", form, "", 404, "method not found"},
		{asked, form, "text=a", 400, "chat_id is empty"},
		{asked, form, "text=a&chat_id=@nobody", 400, "chat not found"},
		{asked, form, "chat_id=1", 400, "message text is empty"},
		{asked, form, "chat_id=1&text=" + strings.Repeat("a", 4097), 400, "message is too long"},
		{asked, "application/json", "{", 400, "cannot be read"},
		{"/bot" + token + "/getUpdates", form, "offset=x", 400, "offset"},
		{"/bot" + token + "/getUpdates", form, "allowed_updates=message", 400, "allowed updates"},
	} {
		got := post(c.path, c.kind, c.body)
		says, _ := got.body["description"].(string)
		if got.status != c.status || got.body["ok"] != false || got.body["error_code"] != float64(c.status) || !strings.Contains(says, c.says) {
			t.Errorf("%s %.40s: %+v", c.path, c.body, got)
		}
	}
	if n := len(s.Attempts()); n != 0 {
		t.Errorf("%d malformed messages were recorded", n)
	}
}

func TestParametersComeInEveryForm(t *testing.T) {
	t.Parallel()
	s, post := start(t)
	multipart := "--b\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n5\r\n--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nT\r\n--b--\r\n"
	for _, got := range []reply{
		post(asked, form, "chat_id=5&text=T"),
		post("/bot"+token+"/SENDMESSAGE?chat_id=5&text=T", form, ""),
		post(asked, "application/json", `{"chat_id":5,"text":"T"}`),
		post(asked, "multipart/form-data; boundary=b", multipart),
	} {
		if got.status != 200 || got.body["ok"] != true {
			t.Errorf("%+v", got)
		}
	}
	for _, m := range s.Messages() {
		if m.ChatID != "5" || m.Text != "T" || m.Message == 0 {
			t.Errorf("%+v", m)
		}
	}
	if n := len(s.Messages()); n != 4 {
		t.Errorf("%d messages", n)
	}
	me := post("/bot"+token+"/getMe", "multipart/form-data; boundary=b", "")
	if result, _ := me.body["result"].(map[string]any); result["username"] != "qorgau_bot" || result["id"] != float64(123) {
		t.Errorf("%+v", me)
	}
}

func TestScriptsAreUsedUpInOrder(t *testing.T) {
	t.Parallel()
	s, post := start(t)
	s.FailAll(standin.Behaviour{Answer: standin.Internal, Times: 1})
	s.FailNext(2, standin.Behaviour{Answer: standin.BadGateway})
	s.Fail("5", standin.Behaviour{Answer: standin.BotBlocked, Times: 1})
	for i, want := range []int{403, 502, 502, 500, 200} {
		if got := post(asked, form, "chat_id=5&text=T"); got.status != want {
			t.Errorf("request %d: %d, want %d", i, got.status, want)
		}
	}
	s.FailAll(standin.Behaviour{Answer: standin.TooMany, RetryAfter: 1500 * time.Millisecond})
	got := post(asked, form, "chat_id=5&text=T")
	if p, _ := got.body["parameters"].(map[string]any); got.status != 429 || p["retry_after"] != 2.0 || got.header.Get("Retry-After") != "2" {
		t.Errorf("%+v", got)
	}
	s.FailAll(standin.Behaviour{Answer: standin.Migrated})
	got = post(asked, form, "chat_id=5&text=T")
	if p, _ := got.body["parameters"].(map[string]any); got.status != 400 || p["migrate_to_chat_id"] == nil {
		t.Errorf("%+v", got)
	}
	s.Heal()
	if got := post(asked, form, "chat_id=5&text=T"); got.status != 200 {
		t.Errorf("after Heal: %+v", got)
	}
	if a, m := len(s.Attempts()), len(s.Messages()); a != 8 || m != 2 {
		t.Errorf("%d attempts, %d messages", a, m)
	}
	s.Forget()
	if len(s.Attempts())+len(s.Messages())+len(s.Polls()) != 0 {
		t.Error("Forget kept something")
	}
}

func TestUpdatesWaitUntilTheyAreConfirmed(t *testing.T) {
	t.Parallel()
	s, post := start(t)
	poll := func(query string) []any {
		t.Helper()
		got := post("/bot"+token+"/getUpdates", form, query)
		result, ok := got.body["result"].([]any)
		if !ok {
			t.Fatalf("%+v", got)
		}
		return result
	}
	first := s.Say(5, "a")
	s.Give("edited_message", map[string]any{"text": "edited"})
	s.Say(5, "b")
	for range 2 {
		if n := len(poll("")); n != 3 {
			t.Errorf("%d updates", n)
		}
	}
	if n := len(poll("limit=1")); n != 1 {
		t.Errorf("%d updates with a limit of one", n)
	}
	if first != 700000001 || len(poll("offset=700000002")) != 2 || s.Waiting() != 2 {
		t.Errorf("the first has number %d, %d wait", first, s.Waiting())
	}
	if n := len(poll(`allowed_updates=["message"]`)); n != 1 || s.Waiting() != 1 {
		t.Errorf("%d of the allowed kind, %d wait", n, s.Waiting())
	}
	if n := len(poll("offset=700000004&timeout=1")); n != 0 || s.Waiting() != 0 {
		t.Errorf("%d updates, %d wait", n, s.Waiting())
	}
	held := make(chan []any, 1)
	go func() { held <- poll("timeout=60") }()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if !s.Until(ctx, func() bool { return len(s.Polls()) == 7 }) {
		t.Fatalf("%d polls came", len(s.Polls()))
	}
	s.Say(5, "c")
	if got := <-held; len(got) != 1 {
		t.Errorf("the held poll got %v", got)
	}
}

func TestASecondPollEndsTheFirst(t *testing.T) {
	t.Parallel()
	s, post := start(t)
	first := make(chan reply, 1)
	go func() { first <- post("/bot"+token+"/getUpdates", form, "timeout=60") }()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if !s.Until(ctx, func() bool { return len(s.Polls()) == 1 }) {
		t.Fatal("no poll came")
	}
	post("/bot"+token+"/getUpdates", form, "timeout=0")
	if got := <-first; got.status != 409 {
		t.Errorf("%+v", got)
	}
}
