package arch

import (
	"slices"
	"strings"
	"testing"
)

// place is one package's place in the order: which of our own packages its code may import. A folder name ending in /...
// stands for it and all below.
type place struct {
	dir string
	may []string
}

// What stands below every feature.
var ground = []string{"internal/fault", "internal/pg", "internal/seal", "internal/audit", "internal/law", "pkg/names"}

func upTo(more ...string) []string { return append(slices.Clone(ground), more...) }

// order is the table of arrows. A feature imports only features above it in this list; what it must know of one below is
// lent to it as a function by internal/app. A new package takes its place here first.
var order = []place{
	// Wire shapes and pure code.
	{"api", nil},
	{"pkg/names/internal/rule", nil},
	{"pkg/names", []string{"pkg/names/internal/rule"}},
	{"pkg/names/lab", []string{"pkg/names", "pkg/names/internal/rule"}},
	{"pkg/client", []string{"api"}},
	{"internal/fault", nil},
	{"internal/law", nil},
	{"internal/paper", nil},
	{"internal/paper/papertest", nil},
	{"internal/push/sms/gsm7", nil},
	{"internal/smslog", []string{"internal/fault", "internal/paper", "internal/push/sms/gsm7", "pkg/names"}},
	{"internal/web", nil},
	{"internal/arch", nil},

	// The database and what seals it. They know no feature.
	{"internal/pg", []string{"internal/fault"}},
	{"internal/pg/embedded", nil},
	{"internal/pg/pgtest", []string{"internal/pg", "internal/pg/embedded"}},
	{"internal/seal", []string{"internal/fault", "internal/pg"}},
	{"internal/audit", []string{"internal/fault", "internal/pg", "internal/seal"}},
	{"internal/finder", []string{"internal/fault", "internal/pg", "internal/seal", "pkg/names"}},

	// Features, each to the right of those before it.
	{"internal/alert", upTo()},
	{"internal/account", upTo("internal/alert")},
	{"internal/department", upTo("internal/alert", "internal/account")},
	{"internal/hotline", upTo("internal/alert", "internal/account")},
	{"internal/push", upTo("internal/alert", "internal/account", "internal/department", "internal/hotline", "internal/push/sms/gsm7")},
	{"internal/push/pushtest", []string{"internal/pg", "internal/pg/pgtest", "internal/push", "internal/seal"}},
	{"internal/push/stage", nil},
	{"internal/push/fcm", []string{"internal/fault", "internal/push"}},
	{"internal/push/fcm/standin", []string{"internal/push/stage"}},
	{"internal/push/fcm/bare", nil},
	{"internal/push/webpush", []string{"internal/fault", "internal/push"}},
	{"internal/push/webpush/standin", []string{"internal/push/stage"}},
	{"internal/push/sms", []string{"internal/fault", "internal/push", "internal/push/sms/gsm7"}},
	{"internal/push/sms/standin", []string{"internal/push/stage"}},
	{"internal/push/telegram", []string{"internal/push"}},
	{"internal/push/telegram/standin", []string{"internal/push/stage"}},
	{"internal/push/email", []string{"internal/push"}},
	{"internal/push/email/standin", []string{"internal/push/stage"}},
	{"internal/detention", upTo("internal/alert", "internal/account", "internal/department", "internal/push", "internal/finder")},
	{"internal/rights", upTo("internal/alert", "internal/account", "internal/department", "internal/push", "internal/finder", "internal/detention", "internal/paper")},
	{"internal/door", upTo("internal/alert", "internal/account", "internal/department", "internal/push", "internal/finder", "internal/detention", "internal/paper")},
	{"internal/inquiry", upTo("internal/alert", "internal/account", "internal/department", "internal/push", "internal/finder", "internal/detention")},
	{"internal/watch", upTo("internal/alert", "internal/account", "internal/department", "internal/push", "internal/finder", "internal/detention", "internal/door", "internal/inquiry", "internal/hotline", "internal/smslog")},
	{"internal/roster", upTo("internal/alert", "internal/account", "internal/department", "internal/push", "internal/finder", "internal/detention", "internal/rights", "internal/door", "internal/watch")},
	{"internal/board", upTo("internal/account", "internal/finder", "internal/detention", "internal/door", "internal/rights")},
	{"internal/dispatch", upTo("internal/alert", "internal/account", "internal/department", "internal/push", "internal/detention", "internal/roster")},
	{"internal/texting", upTo("internal/alert", "internal/account", "internal/department", "internal/push", "internal/push/sms", "internal/finder", "internal/detention", "internal/inquiry", "internal/watch", "internal/smslog")},
	{"internal/safety", upTo("internal/alert", "internal/account", "internal/department", "internal/push", "internal/finder", "internal/detention")},
	{"internal/live", upTo("internal/account", "internal/detention")},

	// The edge and the whole.
	{"internal/httpapi", upTo("api", "internal/alert", "internal/account", "internal/department", "internal/push", "internal/detention",
		"internal/rights", "internal/door", "internal/inquiry", "internal/watch", "internal/roster", "internal/board", "internal/dispatch", "internal/hotline", "internal/safety", "internal/texting", "internal/live", "internal/paper", "internal/web")},
	{"internal/config", []string{"internal/fault", "internal/httpapi", "internal/law", "internal/watch"}}, // the two read their own limits
	{"internal/app", []string{"api", "internal/...", "pkg/..."}},
	{"internal/app/demo", []string{"api", "internal/...", "pkg/..."}},
	{"internal/day", []string{"api", "internal/account", "internal/app", "internal/config", "internal/pg", "internal/push/fcm/standin", "pkg/..."}},
	{"internal/trial", []string{"api", "internal/account", "internal/app", "internal/config", "internal/department", "internal/pg", "internal/pg/embedded", "internal/push", "internal/push/webpush", "internal/seal",
		"internal/push/fcm/standin", "internal/push/webpush/standin", "internal/push/telegram/standin", "internal/push/sms/standin", "internal/push/email/standin", "pkg/client"}},
	{"internal/smoke", []string{"internal/app", "internal/config", "internal/push/fcm/standin", "internal/push/sms/standin", "internal/push/telegram/standin", "pkg/client", "api"}},
	{"cmd/qorgau", []string{"internal/...", "pkg/..."}},
}

// The table itself must point to the left.
func TestOrderIsAnOrder(t *testing.T) {
	t.Parallel()
	var before []string
	for _, p := range order {
		for _, m := range p.may {
			if !strings.HasSuffix(m, "/...") && !slices.Contains(before, m) {
				t.Errorf("imports_test.go: %s may import %s, which does not stand before it in the order", p.dir, m)
			}
		}
		before = append(before, p.dir)
	}
}

// onlyInTests may be imported by any test, and by no other code but what the table says.
var onlyInTests = []string{"internal/paper/papertest", "internal/pg/pgtest", "internal/pg/embedded", "internal/push/fcm/standin", "internal/push/fcm/bare", "internal/push/pushtest", "internal/push/webpush/standin", "internal/push/sms/standin", "internal/push/telegram/standin", "internal/push/email/standin"}

func within(pattern, dir string) bool {
	if below, ok := strings.CutSuffix(pattern, "/..."); ok {
		return dir == below || strings.HasPrefix(dir, below+"/")
	}
	return pattern == dir
}

func anyWithin(patterns []string, dir string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return within(p, dir) })
}

func placeOf(dir string) (place, bool) {
	for _, p := range order {
		if p.dir == dir {
			return p, true
		}
	}
	return place{}, false
}

// Arrows point to the left only: a cycle between features is how a service stops being changeable.
func TestImportsPointToTheLeft(t *testing.T) {
	t.Parallel()
	r := repository(t)
	homeless := map[string]bool{}
	for _, s := range r.code {
		p, known := placeOf(s.dir)
		if !known {
			if !homeless[s.dir] {
				t.Errorf("%s:1: package %s has no place in the order: give it a row in imports_test.go, between what it may know and who may know it", s.path, s.dir)
			}
			homeless[s.dir] = true
			continue
		}
		for imported, spec := range s.imports() {
			own, ours := strings.CutPrefix(imported, module+"/")
			if !ours || own == s.dir || anyWithin(p.may, own) || s.test && mayInTests(p, own) {
				continue
			}
			t.Errorf("%s: %s imports %s, which is not to its left: internal/app lends such knowledge as a function", r.at(spec), s.dir, own)
		}
	}
}

// mayInTests: a test builds its world from the packages that its own could import, from the means of testing, and, at the
// edge and for the whole, from everything.
func mayInTests(p place, own string) bool {
	if anyWithin(onlyInTests, own) {
		return true
	}
	switch p.dir {
	case "internal/arch", "internal/smoke", "internal/app", "internal/httpapi", "cmd/qorgau":
		return true
	}
	return false
}

// confined names who alone may import a library, and why. Tests may, where inTests says so.
var confined = []struct {
	library string
	where   []string
	files   []string // or files of this name anywhere
	inTests bool
	why     string
}{
	{library: "github.com/labstack/", where: []string{"internal/httpapi"},
		why: "httpapi is the only importer of echo: features must not know that HTTP exists"},
	{library: "firebase.google.com/", where: []string{"internal/push/fcm", "internal/push/fcm/bare"},
		why: "push/fcm is the only importer of firebase: a notice must not know its carrier"},
	{library: "github.com/go-telegram/", where: []string{"internal/push/telegram"},
		why: "push/telegram is the only importer of the Bot API's library: its errors repeat answers, and its poller loses updates"},
	{library: "github.com/wneessen/go-mail", where: []string{"internal/push/email"},
		why: "push/email is the only importer of the mail library: a notice must not know its carrier"},
	{library: "google.golang.org/", where: []string{"internal/push/fcm", "internal/push/fcm/bare"},
		why: "Google's libraries come with firebase and stay with it"},
	{library: "github.com/SherClockHolmes/webpush-go", where: []string{"internal/push/webpush"},
		why: "it posts to whatever address it is given; push/webpush decides which hosts are called"},
	{library: "gorm.io/", where: []string{"internal/pg"}, files: []string{"store.go"}, inTests: true,
		why: "gorm lives in internal/pg and in files named store.go: what it writes can be read in one place per feature"},
	{library: "github.com/pressly/goose/", where: []string{"internal/pg"},
		why: "migrations run in one place, under one lock"},
	{library: "github.com/riverqueue/river/riverdriver", where: []string{"internal/pg", "internal/app", "internal/push/pushtest"}, inTests: true,
		why: "there is one River client, made in internal/app"},
	{library: "github.com/tink-crypto/", where: []string{"internal/seal"},
		why: "ciphers are chosen in one package, so that they can be changed in one"},
	{library: "filippo.io/age", where: []string{"internal/seal", "internal/app"},
		why: "ciphers are chosen in one package, so that they can be changed in one"},
	{library: "github.com/golang-jwt/", where: []string{"internal/account"}, inTests: true,
		why: "one parser with every check on: this library's defaults accept tokens without exp and aud"},
	{library: "github.com/getkin/kin-openapi", where: []string{"internal/httpapi"}, inTests: true,
		why: "its error texts repeat submitted values; httpapi translates them"},
	{library: "github.com/oapi-codegen/", where: []string{"internal/app/demo", "api", "internal/httpapi", "pkg/client"}, inTests: true,
		why: "wire shapes end at httpapi; the demo is a client"},
	{library: "github.com/fergusstrange/", where: []string{"internal/pg/embedded"},
		why: "it is used to download binaries only: run as it is meant, it deletes data of another version"},
	{library: "github.com/spf13/cobra", where: []string{"cmd/qorgau", "internal/app"},
		why: "the command line ends where the program begins"},
	{library: "github.com/caarlos0/env", where: []string{"internal/config"},
		why: "the environment is read once, in config"},
	{library: "github.com/Shopify/toxiproxy", inTests: true, why: "it is a means of testing"},
	{library: "go.uber.org/goleak", inTests: true, why: "it is a means of testing"},
	{library: "pgregory.net/rapid", inTests: true, why: "it is a means of testing"},
	{library: "testing", where: []string{"internal/pg/pgtest", "internal/paper/papertest", "internal/push/pushtest", "internal/smoke"}, inTests: true,
		why: "code that runs must not carry the means of testing"},
}

// Each library stays where it can be replaced.
func TestLibrariesStayWhereTheyBelong(t *testing.T) {
	t.Parallel()
	r := repository(t)
	for _, s := range r.code {
		for imported, spec := range s.imports() {
			for _, c := range confined {
				if imported != c.library && !strings.HasPrefix(imported, strings.TrimSuffix(c.library, "/")+"/") {
					continue
				}
				name := s.path[strings.LastIndex(s.path, "/")+1:]
				if slices.Contains(c.where, s.dir) || slices.Contains(c.files, name) || s.test && c.inTests {
					continue
				}
				t.Errorf("%s: %s imports %s: %s", r.at(spec), s.dir, imported, c.why)
			}
		}
	}
}

// pure names packages that import, besides our own, the standard library and these alone.
var pure = []struct {
	dir     string
	besides []string
	why     string
}{
	{"pkg/names", []string{"golang.org/x/text"}, "it is pure: no I/O, usable in any program"},
	{"pkg/client", []string{"github.com/google/uuid", "github.com/oapi-codegen", "go.yaml.in/yaml/v3"}, "an app that uses the client must not inherit the server's libraries"},
	{"api", []string{"github.com/google/uuid", "github.com/oapi-codegen"}, "wire types are light to import"},
	{"internal/fault", nil, "the vocabulary of errors knows nobody"},
	{"internal/config", []string{"github.com/caarlos0/env/v11"}, "reading the environment opens nothing"},
	{"internal/push/stage", nil, "as the stand-ins that are made of it"},
	{"internal/push/fcm/standin", []string{"github.com/google/uuid", "golang.org/x/net"}, "a stand-in that shared code with what it stands against would share its mistakes"},
	{"internal/push/webpush/standin", nil, "a stand-in that shared code with what it stands against would share its mistakes"},
	{"internal/push/sms/standin", nil, "as fcm's"},
	{"internal/smslog", []string{"github.com/google/uuid", "golang.org/x/text"}, "what people type is read without a database, so that every text can be tried"},
	{"internal/push/telegram/standin", nil, "as push/fcm/standin"},
	{"internal/push/email/standin", nil, "as push/fcm/standin"},
}

// Some packages are worth having elsewhere, and stay light.
func TestPurePackagesImportLittle(t *testing.T) {
	t.Parallel()
	r := repository(t)
	for _, s := range r.code {
		if s.test {
			continue
		}
		for _, p := range pure {
			if s.dir != p.dir {
				continue
			}
			for imported, spec := range s.imports() {
				first, _, _ := strings.Cut(imported, "/")
				besides := slices.ContainsFunc(p.besides, func(b string) bool { return imported == b || strings.HasPrefix(imported, b+"/") })
				if strings.Contains(first, ".") && !strings.HasPrefix(imported, module+"/") && !besides {
					t.Errorf("%s: %s imports %s: %s", r.at(spec), s.dir, imported, p.why)
				}
			}
		}
	}
}
