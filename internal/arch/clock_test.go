package arch

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// clockReaders are where code that runs may ask the machine for the time, and why tx.Now or an injected clock will not do.
func clockReaders() *excuses {
	return excused(
		exception{path: "internal/pg/pg.go", atMost: 1, why: "here the clock comes in: Options.Clock, or the machine's"},
		exception{path: "internal/push/fcm/fcm.go", atMost: 1, why: "here the sender's clock comes in; tests replace it"},
		exception{path: "internal/push/sms/sms.go", atMost: 1, why: "as in fcm.go"},
		exception{path: "internal/push/sms/standin/answer.go", why: "the stand-in plays a server elsewhere, which has a clock of its own"},
		exception{path: "internal/push/sms/standin/back.go", why: "as in answer.go"},
		exception{path: "internal/push/fcm/transport.go", atMost: 1, why: "here the token source's clock comes in; tests replace it"},
		exception{path: "internal/push/webpush/webpush.go", atMost: 1, why: "here the sender's clock comes in; tests replace it"},
		exception{path: "internal/push/webpush/standin/standin.go", atMost: 1, why: "the stand-in plays a server elsewhere, which has a clock of its own"},
		exception{path: "pkg/client/client.go", atMost: 1, why: "here the client's clock comes in: Options.Now, or the machine's"},
		exception{path: "internal/push/deliver.go", atMost: 1, why: "River's NextRetry is asked for a time on River's own clock, which is the machine's"},
		exception{path: "internal/watch/jobs.go", atMost: 1, why: "River's NextRetry, as in push/deliver.go"},
		exception{path: "internal/texting/texting.go", atMost: 1, why: "River's NextRetry, as in push/deliver.go"},
		exception{path: "internal/httpapi/body.go", why: "a deadline on a socket is on the machine's clock"},
		exception{path: "internal/httpapi/stream.go", atMost: 1, why: "a deadline on a socket, as in body.go"},
		exception{path: "internal/httpapi/visit.go", why: "how long a request took, for the log and the metrics"},
		exception{path: "cmd/qorgau/keys.go", atMost: 3, why: "here the clock comes in: keys are made for the months from today on, with no database open"},
		exception{path: "internal/app/clock.go", atMost: 2, why: "what is asked is whether the clock that comes in kept pace with the machine's own count"},
		exception{path: "internal/app/quiet.go", atMost: 1, why: "here the clock of the log's filter comes in; tests replace it"},
		exception{path: "internal/finder/feed.go", atMost: 2, why: "how long reading the index took, for the log"},
		exception{path: "pkg/names/lab/look.go", atMost: 2, why: "how long a look took is what is measured"},
		exception{path: "pkg/names/lab/million.go", atMost: 2, why: "how long indexing took is what is measured"},
		exception{path: "internal/app/run.go", atMost: 2, why: "how long stopping took, for the log"},
		exception{path: "internal/app/demo/demo.go", why: "how long starting took, told aloud"},
		exception{path: "internal/app/demo/night.go", why: "as in story.go"},
		exception{path: "internal/app/demo/where.go", why: "as in story.go; and the clock that the story moves on"},
		exception{path: "internal/app/demo/story.go", why: "seconds between two telephones, measured and told aloud"},
		exception{path: "internal/day/day.go", why: "how long the parts of a simulated day took, told aloud"},
		exception{path: "internal/day/story.go", why: "as in day.go"},
		exception{path: "internal/day/report.go", why: "as in day.go"},
		exception{path: "internal/day/wire.go", why: "how long a request took is what is measured"},
		exception{path: "internal/day/cast.go", why: "the day's people have watches: when they came, and from when their shifts run"},
		exception{path: "internal/day/lawyers.go", why: "as in cast.go"},
		exception{path: "internal/day/relatives.go", why: "when a search was acknowledged is what latency is counted from"},
		exception{path: "internal/trial/clock.go", atMost: 1, why: "how long news took after a fault is what is measured"},
		exception{path: "internal/pg/embedded/lock.go", why: "waiting for another process's lock"},
		exception{path: "internal/pg/embedded/cluster.go", why: "how long initdb took, and the name of a folder set aside"},
		exception{path: "internal/pg/embedded/server.go", why: "waiting for the child process"},
		exception{path: "internal/push/fcm/standin/answer.go", why: "the stand-in plays a server elsewhere, which has a clock of its own"},
		exception{path: "internal/push/telegram/standin/answer.go", atMost: 1, why: "as push/fcm/standin"},
		exception{path: "internal/push/telegram/standin/standin.go", atMost: 1, why: "as push/fcm/standin"},
		exception{path: "internal/push/email/email.go", atMost: 1, why: "here the sender's clock comes in, for the Date of a mail; tests replace it"},
		exception{path: "internal/push/email/standin/standin.go", atMost: 1, why: "as push/fcm/standin; and its certificate's dates"},
		exception{path: "internal/push/email/standin/session.go", atMost: 2, why: "as push/fcm/standin; and a deadline on a socket"},
	)
}

// tx.Now is the only clock in writes, and rules take now: a clock that a test cannot move is a rule that no test can try.
func TestTheClockComesIn(t *testing.T) {
	t.Parallel()
	r := repository(t)
	allowed := clockReaders()
	for _, s := range r.code {
		if s.test || s.generated {
			continue
		}
		s.selectors("time", func(sel *ast.SelectorExpr) {
			if !slices.Contains([]string{"Now", "Since", "Until"}, sel.Sel.Name) || allowed.covers(s.path) {
				return
			}
			t.Errorf("%s: time.%s: use tx.Now or take now as an argument; a clock that a test cannot move is a rule that no test can try", r.at(sel), sel.Sel.Name)
		})
	}
	allowed.unused(t)
}

var sqlClock = regexp.MustCompile(`(?i)\b(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday)\s*\(\s*\)|\b(current_timestamp|current_date|current_time|localtimestamp|localtime)\b`)

// riverClock are the files that reckon with the times that River has the database write.
func riverClock() *excuses {
	return excused(
		exception{path: "internal/app/rescue.go", atMost: 1, why: "River's attempted_at is the database's now()"},
		exception{path: "internal/app/clock.go", atMost: 1, why: "as in rescue.go"},
	)
}

const sqlClockWhy = "the database's clock is a second one that no test moves: pass tx.Now"

// There is no now() in SQL, neither in a statement of code that runs nor in a migration.
func TestSQLHasNoClock(t *testing.T) {
	t.Parallel()
	r := repository(t)
	allowed := riverClock()
	for _, s := range r.code {
		if s.test || s.generated {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			if text, err := strconv.Unquote(lit.Value); err == nil && looksLikeSQL(text) {
				if found := sqlClock.FindString(text); found != "" && !allowed.covers(s.path) {
					t.Errorf("%s: %s in SQL: %s", r.at(lit), found, sqlClockWhy)
				}
			}
			return true
		})
	}
	for _, f := range r.files {
		if path.Ext(f) != ".sql" {
			continue
		}
		text, err := r.read(f)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			code, _, _ := strings.Cut(line, "--")
			if found := sqlClock.FindString(code); found != "" {
				t.Errorf("%s:%d: %s in a migration: %s", f, i+1, found, sqlClockWhy)
			}
		}
	}
}

var sqlWord = regexp.MustCompile(`(?i)\b(select|insert|update|delete|where|values|set|returning|and|or)\b`)

func looksLikeSQL(text string) bool { return sqlWord.MatchString(text) }

// skippers are the tests that some machines cannot run. None of them is skipped where .ci/run runs: Linux, amd64 or arm64,
// root, with curl.
func skippers() *excuses {
	return excused(
		exception{path: "internal/pg/embedded/orphan_test.go", atMost: 1, why: "the parent-death signal is Linux's"},
		exception{path: "internal/pg/embedded/main_test.go", atMost: 1, why: "changing the user takes root"},
		exception{path: "internal/app/demo/demo_test.go", atMost: 1, why: "curl runs the lines that the demo prints; .ci/run installs it"},
		exception{path: "internal/pg/embedded/download_test.go", atMost: 1, why: "no archive is published for some platforms"},
	)
}

// A skipped test looks like a passed one.
func TestNoTestIsSkipped(t *testing.T) {
	t.Parallel()
	r := repository(t)
	allowed := skippers()
	for _, s := range r.code {
		if !s.test && s.dir != "internal/pg/pgtest" {
			continue
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name) {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && slices.Contains([]string{"t", "b", "f", "tb"}, x.Name) && !allowed.covers(s.path) {
				t.Errorf("%s: %s.%s: a skipped test looks like a passed one: make what it needs, or do not write it", r.at(sel), x.Name, sel.Sel.Name)
			}
			return true
		})
	}
	allowed.unused(t)
}
