// Package config reads the environment, once, into a struct.
//
// It exists so that a wrong setting is named before anything starts: every bad value is reported, not only the first, by the
// name of its variable and what is wanted there. A variable that is set but empty counts as not set, as in a compose file.
//
// Invariants. The lookup is injected: nothing here asks the process's own environment. A secret prints as [redacted] under
// every verb, and no error repeats one.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// DefaultAddr is where the API listens when nothing else is said.
const DefaultAddr = "127.0.0.1:8080"

// smsNumber is a number as it is dialled: international, or a short code.
var smsNumber = regexp.MustCompile(`^\+?[0-9]{3,15}$`)

// Config is every setting of the program (api.md, "Command line").
type Config struct {
	// Addr is where the API listens, host:port. Port 0 takes a free one.
	Addr string `env:"QORGAU_ADDR" envDefault:"127.0.0.1:8080"`

	// DatabaseURL is the PostgreSQL to use; empty: the embedded one in DataDir. DatabaseURLFile is a file that holds it.
	DatabaseURL     Secret `env:"DATABASE_URL"`
	DatabaseURLFile string `env:"DATABASE_URL_FILE"`
	DataDir         string `env:"QORGAU_DATA_DIR" envDefault:"./qorgau-data"`
	// PGBin is the directory of the embedded PostgreSQL's programs; empty: they are looked for.
	PGBin string `env:"QORGAU_PG_BIN"`

	// Keyset is the file of the keys; empty: keyset.json beside the embedded database. KeysetPassphraseFile holds the
	// passphrase of a wrapped one; it may appear later.
	Keyset               string `env:"QORGAU_KEYSET"`
	KeysetPassphraseFile string `env:"QORGAU_KEYSET_PASSPHRASE_FILE"`

	FCMCredentials string `env:"QORGAU_FCM_CREDENTIALS"`
	FCMEndpoint    string `env:"QORGAU_FCM_ENDPOINT"`
	FCMProject     string `env:"QORGAU_FCM_PROJECT"`

	// WebPushKeys is the file of the application server's key pair; empty: browsers are not told. WebPushSubject is where the makers of browsers reach
	// whoever runs this server; WebPushStandIn the origin of a stand-in, for development.
	WebPushKeys    string `env:"QORGAU_WEBPUSH_KEYS"`
	WebPushSubject string `env:"QORGAU_WEBPUSH_SUBJECT"`
	WebPushStandIn string `env:"QORGAU_WEBPUSH_STANDIN"`

	// SMSGateway is the base URL of an SMS gateway (docs/sms.md); empty: nobody is told by SMS. SMSToken is how we show ourselves to it, SMSSecret how it does to us.
	// SMSNumber is where people send to, and stands on printed sheets; empty: no SMS comes in.
	// SMSLatin: Cyrillic is written in Latin letters, two and a half times as many of which fit.
	SMSGateway string `env:"QORGAU_SMS_GATEWAY"`
	SMSToken   Secret `env:"QORGAU_SMS_TOKEN"`
	SMSSecret  Secret `env:"QORGAU_SMS_SECRET"`
	SMSNumber  string `env:"QORGAU_SMS_NUMBER"`
	SMSLatin   bool   `env:"QORGAU_SMS_LATIN"`

	// TelegramToken is the bot's, TelegramBot its name as in t.me/NAME; empty: nobody is told by Telegram. TelegramEndpoint is a stand-in's base URL.
	TelegramToken    Secret `env:"QORGAU_TELEGRAM_TOKEN"`
	TelegramBot      string `env:"QORGAU_TELEGRAM_BOT"`
	TelegramEndpoint string `env:"QORGAU_TELEGRAM_ENDPOINT"`

	// Mail is the submission server by which mail goes out; without a host there is none.
	Mail Mail `envPrefix:"QORGAU_MAIL_"`

	// PushDelay is how long a family's news waits at most, at random; 0: it goes at once. PushCover is how many pushes that say nothing a family's phone gets within a
	// day; 0: none. Both are policy, against who watches the second in which a phone hears (docs/adr/0041).
	PushDelay time.Duration `env:"QORGAU_PUSH_DELAY"`
	PushCover int           `env:"QORGAU_PUSH_COVER"`

	// MetricsAddr is the listener of the metrics, host:port; empty: none. Without a host it is loopback.
	MetricsAddr string `env:"QORGAU_METRICS_ADDR"`
	// Limits is "", "off" or name=value,…; app reads it, since features own the names.
	Limits string `env:"QORGAU_LIMITS"`
	// Log is the least level that is written.
	Log slog.Level `env:"QORGAU_LOG" envDefault:"info"`
	// Hotline is the number that families see where a department's own is not verified.
	Hotline string `env:"QORGAU_HOTLINE"`
	// Promise is within which time a family that was told something hears again; 0: nothing is promised by itself.
	Promise time.Duration `env:"QORGAU_PROMISE" envDefault:"4h"`
	// LawDir is a folder of versions of the law that replaces the shipped ones; app reads it.
	LawDir string `env:"QORGAU_LAW_DIR"`
	// TrustedProxies may name a caller in X-Forwarded-For.
	TrustedProxies Prefixes `env:"QORGAU_TRUSTED_PROXIES"`
}

// Mail is a submission server: STARTTLS on Port, or TLS from the start. From is who writes, Unsubscribe a mail address that ends it; CAFile holds the
// certificates to trust beside the system's.
type Mail struct {
	Host        string `env:"HOST"`
	Port        int    `env:"PORT" envDefault:"587"`
	ImplicitTLS bool   `env:"IMPLICIT_TLS"`
	Username    string `env:"USERNAME"`
	Password    Secret `env:"PASSWORD"`
	From        string `env:"FROM"`
	Unsubscribe string `env:"UNSUBSCRIBE"`
	CAFile      string `env:"CA_FILE"`
}

// Secret is a setting that must not be printed.
type Secret string

const redacted = "[redacted]"

// Format prints [redacted] under every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue keeps it out of logs that marshal a value instead of formatting it.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps it out of JSON.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Reveal gives the secret itself.
func (s Secret) Reveal() string { return string(s) }

// Prefixes are networks or single addresses, separated by commas.
type Prefixes []netip.Prefix

// UnmarshalText reads 10.0.0.0/8,::1.
func (p *Prefixes) UnmarshalText(text []byte) error {
	for _, part := range strings.Split(string(text), ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(part)
		if err != nil {
			addr, aerr := netip.ParseAddr(part)
			if aerr != nil {
				return fmt.Errorf("%q is neither an address nor a network", part)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		*p = append(*p, prefix.Masked())
	}
	return nil
}

// Read gives the configuration. The error joins one line for each bad variable.
func Read(getenv func(string) string) (Config, error) {
	var c Config
	params, err := env.GetFieldParams(&c)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	given := map[string]string{}
	for _, p := range params {
		if v := getenv(p.Key); strings.TrimSpace(v) != "" {
			given[p.Key] = v
		}
	}
	var bad []error
	// The library stops at no field, but its texts repeat values; so what it parses is checked by our own words first.
	for _, check := range []struct {
		name, wanted string
		ok           func(string) bool
	}{
		{"QORGAU_LOG", "debug, info, warn or error", func(v string) bool { return new(slog.Level).UnmarshalText([]byte(v)) == nil }},
		{"QORGAU_TRUSTED_PROXIES", "addresses or networks separated by commas, for example 10.0.0.0/8,::1",
			func(v string) bool { return new(Prefixes).UnmarshalText([]byte(v)) == nil }},
		{"QORGAU_MAIL_PORT", "a port, for example 587", func(v string) bool { n, err := strconv.ParseUint(v, 10, 16); return err == nil && n > 0 }},
		{"QORGAU_MAIL_IMPLICIT_TLS", "true or false", yesOrNo},
		{"QORGAU_SMS_LATIN", "true or false", yesOrNo},
		{"QORGAU_PUSH_DELAY", "0s to 60s", func(v string) bool { d, err := time.ParseDuration(v); return err == nil && d >= 0 && d <= time.Minute }},
		{"QORGAU_PUSH_COVER", "how many within a day, 0 to 24", func(v string) bool { n, err := strconv.ParseUint(v, 10, 8); return err == nil && n <= 24 }},
	} {
		if v, there := given[check.name]; there && !check.ok(v) {
			bad = append(bad, wants(check.name, check.wanted))
			delete(given, check.name)
		}
	}
	if err := env.ParseWithOptions(&c, env.Options{Environment: given}); err != nil {
		return Config{}, errors.Join(append(bad, fmt.Errorf("read configuration: %w", err))...)
	}
	bad = append(bad, c.check()...)
	return c, errors.Join(bad...)
}

func wants(name, what string) error { return fmt.Errorf("%s: wants %s", name, what) }

func (c *Config) check() []error {
	var bad []error
	add := func(name, what string) { bad = append(bad, wants(name, what)) }
	if !address(c.Addr) {
		add("QORGAU_ADDR", "host:port, for example 127.0.0.1:8080")
	}
	if c.MetricsAddr != "" {
		if !strings.Contains(c.MetricsAddr, ":") {
			c.MetricsAddr = ":" + c.MetricsAddr
		}
		if host, port, err := net.SplitHostPort(c.MetricsAddr); err == nil && host == "" {
			c.MetricsAddr = net.JoinHostPort("127.0.0.1", port)
		}
		if !address(c.MetricsAddr) {
			add("QORGAU_METRICS_ADDR", "a port or host:port, for example 127.0.0.1:9090")
		}
	}
	bad = append(bad, c.readDatabaseURL()...)
	if c.FCMEndpoint != "" {
		u, err := url.Parse(c.FCMEndpoint)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || !strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/v1") {
			add("QORGAU_FCM_ENDPOINT", "a URL that ends in /v1, for example http://127.0.0.1:9099/v1")
		}
		if c.FCMProject == "" {
			add("QORGAU_FCM_PROJECT", "any project id when QORGAU_FCM_ENDPOINT is set")
		}
	}
	if c.SMSGateway != "" && (c.SMSToken == "" || c.SMSSecret == "") {
		add("QORGAU_SMS_TOKEN, QORGAU_SMS_SECRET", "what the gateway was given, when QORGAU_SMS_GATEWAY is set")
	}
	if c.SMSNumber != "" && (c.SMSGateway == "" || !smsNumber.MatchString(c.SMSNumber)) {
		add("QORGAU_SMS_NUMBER", "the number that people send to, as it is dialled (+77011234567, or a short code), beside QORGAU_SMS_GATEWAY")
	}
	if c.TelegramToken != "" && c.TelegramBot == "" {
		add("QORGAU_TELEGRAM_BOT", "the bot's name, as in https://t.me/NAME, when QORGAU_TELEGRAM_TOKEN is set")
	}
	if c.WebPushKeys != "" {
		if _, err := os.Stat(c.WebPushKeys); err != nil {
			add("QORGAU_WEBPUSH_KEYS", "the path of a file made by `qorgau notify keys`: "+reason(err))
		}
		if c.WebPushSubject == "" {
			add("QORGAU_WEBPUSH_SUBJECT", "mailto: or https: address when QORGAU_WEBPUSH_KEYS is set")
		}
	}
	if c.FCMCredentials != "" && c.FCMEndpoint == "" {
		if _, err := os.Stat(c.FCMCredentials); err != nil {
			add("QORGAU_FCM_CREDENTIALS", "the path of a service-account file: "+reason(err))
		}
	}
	return append(bad, c.checkKeyset()...)
}

// readDatabaseURL takes the URL from its file and sees that it is one. Nothing of its text is repeated: it may hold a password.
func (c *Config) readDatabaseURL() []error {
	if c.DatabaseURLFile != "" {
		if c.DatabaseURL != "" {
			return []error{wants("DATABASE_URL_FILE", "to be the only one: DATABASE_URL is set as well")}
		}
		raw, err := os.ReadFile(c.DatabaseURLFile)
		if err != nil {
			return []error{wants("DATABASE_URL_FILE", "the path of a readable file: "+reason(err))}
		}
		c.DatabaseURL = Secret(strings.TrimSpace(string(raw)))
		if c.DatabaseURL == "" {
			return []error{wants("DATABASE_URL_FILE", "a file with a URL in it; this one is empty")}
		}
	}
	if c.DatabaseURL == "" {
		return nil
	}
	scheme, _, isURL := strings.Cut(string(c.DatabaseURL), "://")
	if isURL && scheme != "postgres" && scheme != "postgresql" || !isURL && !strings.Contains(string(c.DatabaseURL), "=") {
		return []error{wants("DATABASE_URL", "a PostgreSQL URL such as postgres://user@host:5432/qorgau (what it holds is not repeated here)")}
	}
	return nil
}

// checkKeyset: away from the embedded database the keys must be given, and must not lie beside data that a thief or a backup
// takes as a whole.
func (c *Config) checkKeyset() []error {
	if c.DatabaseURL == "" {
		return nil
	}
	if c.Keyset == "" {
		return []error{wants("QORGAU_KEYSET", "the path of the key file when DATABASE_URL is set; make one with: qorgau keys new FILE")}
	}
	if inside(c.Keyset, c.DataDir) {
		return []error{wants("QORGAU_KEYSET", "a path outside of QORGAU_DATA_DIR, so that whoever copies the data does not get the keys with it")}
	}
	return nil
}

func inside(file, dir string) bool {
	dir, file = real(dir), real(file)
	rel, err := filepath.Rel(dir, file)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// real is the path without links, as far as it exists.
func real(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	rest := ""
	for p := path; ; p = filepath.Dir(p) {
		if r, err := filepath.EvalSymlinks(p); err == nil {
			return filepath.Join(r, rest)
		}
		if p == filepath.Dir(p) {
			return path
		}
		rest = filepath.Join(filepath.Base(p), rest)
	}
}

func address(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	n, err := strconv.Atoi(port)
	return err == nil && n >= 0 && n <= 65535
}

// reason is the system's word for what is wrong, without the path that the caller names already.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

func yesOrNo(v string) bool {
	_, err := strconv.ParseBool(v)
	return err == nil
}
