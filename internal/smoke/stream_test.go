package smoke_test

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
)

// ear is a stream that stands open.
type ear struct {
	*town
	res   *http.Response
	lines chan string
	last  string // id
}

func (tw *town) listens(bearer, last string) *ear {
	tw.Helper()
	req, err := http.NewRequestWithContext(tw.ctx, http.MethodGet, tw.url+"/v1/board/stream", nil)
	tw.must(err)
	req.Header.Set("Authorization", "Bearer "+bearer)
	req.Header.Set("Accept-Encoding", "gzip")
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	tw.must(err)
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("Content-Encoding") != "" {
		tw.Fatalf("%d %v", res.StatusCode, res.Header)
	}
	e := &ear{town: tw, res: res, lines: make(chan string, 1000)}
	go func() {
		defer close(e.lines)
		for s := bufio.NewScanner(res.Body); s.Scan(); {
			e.lines <- s.Text()
		}
	}()
	return e
}

// hears waits until it is told of a subject; false when the stream ends.
func (e *ear) hears(id uuid.UUID) bool {
	e.Helper()
	late := time.After(2 * time.Minute)
	for {
		select {
		case line, open := <-e.lines:
			if !open {
				return false
			}
			if rest, ok := strings.CutPrefix(line, "id: "); ok {
				e.last = rest
			}
			if strings.HasPrefix(line, "data: ") && strings.Contains(line, `"id":"`+id.String()+`"`) {
				return true
			}
		case <-late:
			e.Fatalf("did not hear of %s", id)
		}
	}
}

// next waits for a line that begins so.
func (e *ear) next(prefix string) string {
	e.Helper()
	late := time.After(2 * time.Minute)
	for {
		select {
		case line, open := <-e.lines:
			if !open || strings.HasPrefix(line, prefix) {
				return line
			}
		case <-late:
			e.Fatalf("no line %q", prefix)
		}
	}
}

func TestABoardStandsOpen(t *testing.T) {
	t.Parallel()
	tw := newTown(t)
	lawyer, chief, elsewhere := tw.invited(account.Lawyer), tw.invited(account.Coordinator, inCities(almaty)), tw.invited(account.Coordinator, inCities(outside))
	here, there := tw.listens(chief.bearer(), ""), tw.listens(elsewhere.bearer(), "")
	inAstana := lawyer.logs(astana, "Цой Виктор, 1970")[0].DetentionID
	inAlmaty := lawyer.logs(almaly, "Ахметов Арман, 1990")[0].DetentionID
	if !here.hears(inAlmaty) || !there.hears(inAstana) {
		t.Fatal("the stream ended")
	}
	everywhere := tw.invited(account.Coordinator)
	everywhere.says(inAlmaty, "hospitalised")
	// The line carries the record's revision; lines of what was written before may come first.
	d, _ := everywhere.record(inAlmaty)
	if here.next(`data: {"kind":"detention","id":"`+inAlmaty.String()+`","revision":`+fmt.Sprint(d.Revision)) == "" {
		t.Fatal("the stream ended")
	}
	// The line breaks; what happened meanwhile comes first, and what was heard does not come again.
	here.res.Body.Close()
	missed := lawyer.logs(medeu, "Сейтов Нұрлан, 1981")[0].DetentionID
	again := tw.listens(chief.bearer(), here.last)
	if !again.hears(missed) {
		t.Fatal("what was missed is lost")
	}
	// Who is moved into sight, or out of it, is told on both sides.
	tw.invited(account.Coordinator).says(inAlmaty, "moved", func(e *api.EventAdd) { e.ToDepartmentID = &astana })
	if !again.hears(inAlmaty) || !there.hears(inAlmaty) {
		t.Fatal("a move was not told on both sides")
	}
	for len(there.lines) > 0 {
		if line := <-there.lines; strings.Contains(line, missed.String()) {
			t.Errorf("told of another city: %s", line)
		}
	}
	// A lawyer is told of the department of their shift, from the moment that they are there.
	mine := tw.listens(lawyer.bearer(), "")
	if a := tw.ask("POST", "/v1/check-ins", lawyer.bearer(), `{"client_id": "`+uuid.NewString()+`", "department_id": "`+medeu.String()+`"}`); a.status != http.StatusCreated {
		t.Fatalf("%d %s", a.status, a.body)
	}
	reset := false
	tw.eventually("the lawyer hears of their department", func() bool {
		id := chief.logs(medeu, "Волков Олег, 1960")[0].DetentionID
		time.Sleep(300 * time.Millisecond)
		for len(mine.lines) > 0 {
			line := <-mine.lines
			reset = reset || line == "event: reset"
			if strings.Contains(line, id.String()) {
				t.Errorf("a lawyer is told which record changed: %s", line)
			}
			if strings.Contains(line, `"kind":"detention","department_id":"`+medeu.String()) {
				return true
			}
		}
		return false
	})
	// Their rights became others on the way: they were told to load all anew. So is who comes with an id of other rights.
	if !reset {
		t.Error("the lawyer was not told to load anew")
	}
	stranger := tw.listens(elsewhere.bearer(), again.last)
	if line := stranger.next("event: "); line != "event: reset" {
		t.Errorf("another's id: %q", line)
	}
	// Whoever is locked hears no more.
	if _, err := tw.invited(account.Coordinator).LockAccountWithResponse(tw.ctx, lawyer.me.ID, nil, api.ReasonGiven{}); err != nil {
		t.Fatal(err)
	}
	if mine.hears(uuid.New()) {
		t.Fatal("heard of what does not exist")
	}
}

// A lawyer who is locked on the way, or from whom the right is taken, goes nowhere: the call is offered to the next.
func TestALockedLawyersCallGoesOn(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(tw *town, chief, who *staff) answer{
		"locked": func(tw *town, chief, who *staff) answer {
			return tw.ask("POST", "/v1/accounts/"+who.me.ID.String()+"/lock", chief.bearer(), `{}`)
		},
		"no lawyer any more": func(tw *town, chief, who *staff) answer {
			return tw.ask("PATCH", "/v1/accounts/"+who.me.ID.String(), chief.bearer(), `{"grants": []}`, "If-Match", `"`+strconv.FormatInt(who.me.Revision, 10)+`"`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tw := newTown(t)
			first, second, chief := tw.invited(account.Lawyer), tw.invited(account.Lawyer), tw.invited(account.Coordinator)
			for _, s := range []*staff{first, second} {
				if a := tw.ask("POST", "/v1/check-ins", s.bearer(), `{"client_id": "`+uuid.NewString()+`", "department_id": "`+medeu.String()+`"}`); a.status != http.StatusCreated {
					t.Fatalf("%d %s", a.status, a.body)
				}
			}
			r, err := chief.CreateDispatchWithResponse(tw.ctx, nil, api.DispatchNew{ClientID: uuid.New(), DepartmentID: almaly, AccountIds: []uuid.UUID{first.me.ID}})
			tw.must(err)
			id := r.JSON201.ID
			if a := tw.ask("POST", "/v1/dispatches/"+id.String()+"/accept", first.bearer(), `{}`); a.status != http.StatusOK {
				t.Fatalf("%d %s", a.status, a.body)
			}
			if a := stop(tw, chief, first); a.status != http.StatusOK {
				t.Fatalf("%d %s", a.status, a.body)
			}
			tw.eventually("the next is asked", func() bool {
				d, err := chief.GetDispatchWithResponse(tw.ctx, id, nil)
				tw.must(err)
				for _, o := range d.JSON200.Offers {
					if o.AccountID == second.me.ID && o.State == "offered" {
						return d.JSON200.TakenBy == nil
					}
				}
				return false
			})
		})
	}
}
