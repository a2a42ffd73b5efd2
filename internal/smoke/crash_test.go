//go:build unix

package smoke_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
	"github.com/qorgau/qorgau/internal/push/fcm/standin"
)

// The promises of a server that is killed: kill -9, as by a power cut or the kernel's hunger for memory. The real program is built once for all
// of them.
func TestKilled(t *testing.T) {
	t.Parallel()
	program := filepath.Join(passable(t), "qorgau")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../cmd/qorgau").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for name, promise := range map[string]func(t *testing.T, program string){
		"between commit and push":     killedBetweenCommitAndPush,
		"while a push is on the wire": killedWhilePushing,
		"under load":                  killedUnderLoad,
		"beside its database":         killedBesideItsDatabase,
		"at each step of a call":      killedWhileEscalating,
		"while an SMS is worked":      killedWhileTexted,
		"beside another node":         killedBesideAnother,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			promise(t, program)
		})
	}
}

// node is the program running as a server, killed and started again as the test likes. Clients find it wherever it listens.
type node struct {
	*testing.T
	program string
	as      *syscall.Credential // nil: as we are
	env     []string
	cmd     *exec.Cmd
	said    *lockedBuffer // stderr of the present process
	addr    atomic.Value  // string
}

// prepareNode is prepareTown for a program of its own: the town's clients ask the node.
func prepareNode(t *testing.T, program string) (*town, *node) {
	t.Helper()
	tw := prepareTown(t, pgtest.Clone(t))
	n := newNode(t, tw, program)
	c := tw.opts.Config
	n.env = append(n.env, "DATABASE_URL="+c.DatabaseURL.Reveal(), "QORGAU_KEYSET="+c.Keyset)
	return tw, n
}

func newNode(t *testing.T, tw *town, program string) *node {
	n := &node{T: t, program: program}
	n.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "TMPDIR=" + os.TempDir(), "QORGAU_ADDR=127.0.0.1:0", "QORGAU_LIMITS=off",
		"QORGAU_FCM_ENDPOINT=" + tw.opts.Config.FCMEndpoint, "QORGAU_FCM_PROJECT=demo", "QORGAU_HOTLINE=+77000000001"}
	tw.url, tw.options = "http://qorgau.invalid", stubborn()
	n.addr.Store("127.0.0.1:1")
	tw.answers.next = n.road(tw.answers.next)
	t.Cleanup(func() {
		if n.cmd != nil {
			n.kill()
		}
	})
	return n
}

// road leads every request to where the node listens now. The port changes with each start, so that nobody else can have
// taken it meanwhile.
func (n *node) road(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		there := req.Clone(req.Context())
		there.URL.Host = n.addr.Load().(string)
		return next.RoundTrip(there)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func (n *node) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(n.Context(), n.program, args...)
	cmd.Dir, cmd.Env = "/", n.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: n.as}
	return cmd
}

// start runs `qorgau serve` and returns when it serves.
func (n *node) start(args ...string) {
	n.Helper()
	n.launch(args...)
	n.serving()
}

func (n *node) launch(args ...string) {
	n.Helper()
	n.said = &lockedBuffer{}
	n.cmd = n.command(append([]string{"serve"}, args...)...)
	n.cmd.Stderr = n.said
	if err := n.cmd.Start(); err != nil {
		n.Fatal(err)
	}
}

func (n *node) serving() {
	n.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if line := n.line("serving"); line != nil {
			n.addr.Store(line["addr"].(string))
			return
		}
	}
	n.Fatalf("it does not serve:\n%s", n.said)
}

// line is the first line of the log with this message, or nil.
func (n *node) line(msg string) map[string]any {
	for raw := range bytes.Lines([]byte(n.said.String())) {
		var line map[string]any
		if json.Unmarshal(raw, &line) == nil && line["msg"] == msg {
			return line
		}
	}
	return nil
}

func (n *node) kill() {
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait()
	n.cmd = nil
}

// stop asks it to end, and expects that it does so cleanly.
func (n *node) stop() {
	n.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		n.Fatal(err)
	}
	if err := n.cmd.Wait(); err != nil {
		n.Errorf("stopped with %v:\n%s", err, n.said)
	}
	n.cmd = nil
}

// google gives the node a new line to its provider, from its next start on. A node that was killed with something on the wire needs one: the old line stays as it is for
// good, since one that heals hands on what it had not swallowed yet, such as a request on a connection that the dead node had opened and the proxy had still to take.
func (n *node) google(tw *town) *line {
	n.Helper()
	l := newLine(n.T, strings.TrimSuffix(tw.opts.Config.FCMEndpoint, "/v1"))
	n.env = append(n.env, "QORGAU_FCM_ENDPOINT="+l.url()+"/v1")
	return l
}

// rescued is how long the tests wait for news that a killed process was at. Its jobs are taken back after 26 s; how long it took is logged, not
// judged: a busy machine is slow.
const rescued = 3 * time.Minute

// The promise: what was acknowledged is told, though the process was killed before it could begin to tell.
func killedBetweenCommitAndPush(t *testing.T, program string) {
	tw, n := prepareNode(t, program)
	n.start("--role", "api") // commits, and leaves all work to others
	lawyer := tw.invited(account.Lawyer)
	wife := tw.searches("Akhmetov Arman, 1990")
	note := batchOf(almaly, eleven...)
	first := logged(lawyer.logsBatch(&note))
	n.kill()
	if len(tw.phones.Attempts()) != 0 {
		t.Fatal("told too early to test anything")
	}
	n.start()
	push := wife.expectNotice("match")
	if read := wife.reads(); len(read.Notices) != 1 || read.Notices[0].ID.String() != push.NoticeID {
		t.Errorf("her phone has notice %s, she reads %+v", push.NoticeID, read.Notices)
	}
	for i, id := range logged(lawyer.logsBatch(&note)) {
		if id != first[i] {
			t.Errorf("entry %d was %s and is %s", i, first[i], id)
		}
	}
	tw.delivered()
	if n := len(wife.pushes("match")); n != 1 {
		t.Errorf("%d messages", n)
	}
	n.stop()
}

// The promise: a process killed while it hands a message over leaves nobody untold, and never makes a second notice of one piece of news. A
// message that Google had not taken comes once.
func killedWhilePushing(t *testing.T, program string) {
	tw, n := prepareNode(t, program)
	google := n.google(tw)
	n.start()
	lawyer := tw.invited(account.Lawyer)
	mother, wife := tw.searches(person(0)), tw.searches(person(1))
	tw.phones.Fail(mother.token, standin.Behaviour{Answer: standin.Hang, Times: 1}) // taken; the answer will find nobody
	lawyer.logs(almaly, person(0))
	mother.expectNotice("match")
	google.swallow() // not taken
	lawyer.logs(almaly, person(1))
	tw.eventually("both pushes to be on the wire", func() bool {
		return tw.count("select count(*) from river_job where kind = 'push_deliver' and state = 'running'") == 2
	})
	n.kill()
	died := time.Now()
	n.google(tw)
	n.start()
	for f, want := range map[*family]int{mother: 2, wife: 1} {
		for end := died.Add(rescued); len(f.pushes("match")) < want && time.Now().Before(end); {
			time.Sleep(50 * time.Millisecond)
		}
		got := f.pushes("match")
		read := f.reads()
		if len(got) != want || len(read.Notices) != 1 {
			t.Errorf("%d messages, want %d; she reads %+v", len(got), want, read.Notices)
			continue
		}
		for _, m := range got {
			if m.NoticeID != read.Notices[0].ID.String() {
				t.Errorf("a message names notice %s, hers is %s", m.NoticeID, read.Notices[0].ID)
			}
		}
		t.Logf("told %.1f s after the kill", got[want-1].At.Sub(died).Seconds())
	}
	tw.delivered()
	if n := tw.count("select count(*) from notices"); n != 2 {
		t.Errorf("%d notices, want 2", n)
	}
	n.stop()
}

// The promise: news that a dead process was at is not left to an elected leader: any node takes it back.
func TestAnyNodeTakesBackWhatADeadOneWasAt(t *testing.T) {
	t.Parallel()
	database := pgtest.Clone(t)
	tw := prepareTown(t, database, func(o *app.Options) { o.Role = app.API })
	tw.start()
	lawyer := tw.invited(account.Lawyer)
	wife := tw.searches(person(0))
	lawyer.logs(almaly, person(0))
	dead := tw.count("with stuck as (update river_job set state = 'running', attempt = 1, attempted_by = '{dead}', attempted_at = $1 where queue = 'match' returning 1) select count(*) from stuck",
		time.Now().Add(-20*time.Second))
	tw.exec("insert into river_leader (elected_at, expires_at, leader_id) values ($1, $2, 'dead')", time.Now(), time.Now().Add(time.Hour))
	if dead == 0 {
		t.Fatal("nothing was left behind")
	}
	other := prepareTown(t, database, func(o *app.Options) {
		o.Config.Keyset, o.Config.FCMEndpoint = tw.opts.Config.Keyset, tw.opts.Config.FCMEndpoint
	})
	other.start()
	wife.expectNotice("match")
}

// The promise: however often the server is killed, all that was acknowledged is there under its ids, and every family is told.
// QORGAU_KILLS says how often (make kills: 20 times).
func killedUnderLoad(t *testing.T, program string) {
	kills := 4
	if set := os.Getenv("QORGAU_KILLS"); set != "" {
		var err error
		if kills, err = strconv.Atoi(set); err != nil || kills < 1 {
			t.Fatal("QORGAU_KILLS wants a number of times")
		}
	}
	tw, n := prepareNode(t, program)
	n.start()
	seen := tw.observed()
	w := startWork(tw, 6)
	began := time.Now()
	for i := range kills {
		if i%4 == 3 { // at any moment of a start
			time.Sleep(rand.N(300 * time.Millisecond))
		} else { // at any moment of work
			n.serving()
			w.reach("work between two kills", 2)
			time.Sleep(rand.N(time.Second))
		}
		n.kill()
		n.launch()
	}
	n.serving()
	storm := time.Since(began)
	w.end()
	w.check(rescued, false)
	t.Logf("killed %d times in %.0f s: %s", kills, storm.Seconds(), w.figures())
	t.Logf("answers by status: %v", seen.counts())
	n.stop()
	if out, err := n.command("verify").CombinedOutput(); err != nil {
		t.Errorf("qorgau verify: %v\n%s", err, out)
	} else {
		t.Logf("%s", bytes.TrimSpace(out))
	}
}

// The promise: killed beside its embedded PostgreSQL, the server finds that running when it starts again, takes it over, and
// nothing is missing; then it stops both. As ourselves, and when that is root as an ordinary user too.
func killedBesideItsDatabase(t *testing.T, program string) {
	users := map[string]*syscall.Credential{"as ourselves": nil}
	if os.Geteuid() == 0 {
		if nobody, err := user.Lookup("nobody"); err == nil {
			uid, _ := strconv.ParseUint(nobody.Uid, 10, 32)
			gid, _ := strconv.ParseUint(nobody.Gid, 10, 32)
			users["as nobody"] = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	for name, as := range users {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(passable(t), "data")
			if as != nil {
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
					t.Fatal(err)
				}
			}
			tw := prepareTown(t, "")
			n := newNode(t, tw, program)
			n.as = as
			n.env = append(n.env, "QORGAU_DATA_DIR="+dir)
			t.Cleanup(func() { // whatever failed, no PostgreSQL stays behind
				if body, err := os.ReadFile(filepath.Join(dir, "pg", "postmaster.pid")); err == nil {
					first, _, _ := strings.Cut(string(body), "\n")
					if pid, err := strconv.Atoi(first); err == nil {
						_ = syscall.Kill(pid, syscall.SIGQUIT)
					}
				}
			})
			orphaned(t, tw, n, dir)
		})
	}
}

func orphaned(t *testing.T, tw *town, n *node, dir string) {
	n.start()
	var invitation struct{ Code string }
	out, err := n.command("invite", "--role", "lawyer", "--name", "Айгүл", "--json").Output()
	tw.must(err)
	tw.must(json.Unmarshal(out, &invitation))
	lawyer := tw.enter(invitation.Code)
	wife := tw.searches("Akhmetov Arman, 1990")
	note := batchOf(almaly, eleven...)
	first := logged(lawyer.logsBatch(&note))
	wife.expectNotice("match")
	before := postmaster(t, dir)
	n.kill()
	if err := syscall.Kill(before, 0); err != nil {
		t.Fatalf("PostgreSQL died with the server, so that nothing is tested: %v", err)
	}

	n.start()
	if n.line("adopted the PostgreSQL of a process that was killed") == nil || postmaster(t, dir) != before {
		t.Errorf("PostgreSQL was process %d, is %d:\n%s", before, postmaster(t, dir), n.said)
	}
	for i, id := range logged(lawyer.logsBatch(&note)) {
		if id != first[i] {
			t.Errorf("entry %d was %s and is %s", i, first[i], id)
		}
	}
	if read := wife.reads(); len(read.Matches) != 1 || len(read.Notices) != 1 {
		t.Errorf("she reads %+v", read)
	}
	after := tw.searches("Нұрлан Оспанов, 1985")
	after.expectNotice("match")
	n.stop()
	if _, err := os.Stat(filepath.Join(dir, "pg", "postmaster.pid")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("PostgreSQL (process %d) outlives a clean stop: %v", before, err)
	}
	if n := len(wife.pushes("match")); n != 1 {
		t.Errorf("the wife got %d messages", n)
	}
}
