//go:build unix

package embedded

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"time"

	library "github.com/fergusstrange/embedded-postgres"
)

// releases are the versions that the archive repository is known to hold, by major version. The library names
// them; its own downloading cannot be had without its Start, which takes a missing .sha256 file for a good
// one, sets no timeout, and deletes a cluster of another version. So we take its addresses and fetch ourselves.
var releases = map[int]library.PostgresVersion{
	14: library.V14, 15: library.V15, 16: library.V16, 17: library.V17, 18: library.V18,
}

// downloadedMajor is what a machine without PostgreSQL and without data gets.
const downloadedMajor = 17

// fetcher holds the limits of downloading; tests make them short.
type fetcher struct {
	tries int           // per file
	pause time.Duration // before the second try; doubled before each further one
	stall time.Duration // longest silence: connecting, first byte, between two bytes
	limit int64         // bytes of one archive; the known ones have 10 to 60 MB
}

var usualFetcher = fetcher{tries: 3, pause: time.Second, stall: 20 * time.Second, limit: 256 << 20}

// errRefused marks an answer that asking again will not change.
var errRefused = errors.New("refused")

// download returns the programs of an earlier download or fetches them into the cache. An archive is unpacked only
// if its SHA-256 is QORGAU_PG_SHA256 or, without that, the one published beside it. The latter comes from the
// same server, so it proves an unbroken transfer and not an honest server: docs/embedded-postgres.md.
func (s *Server) download(ctx context.Context, major int) (binaries, error) {
	wanted := major
	if major == 0 {
		wanted = downloadedMajor
	}
	version, known := releases[wanted]
	kind, supported := platform(runtime.GOOS, runtime.GOARCH)
	if !known || !supported {
		return binaries{}, howToInstall(major, fmt.Errorf("no archive of PostgreSQL %d for %s/%s is known", wanted, runtime.GOOS, runtime.GOARCH))
	}
	cache, err := s.host.cacheDir(s.place)
	if err != nil {
		return binaries{}, howToInstall(major, err)
	}
	home := filepath.Join(cache, fmt.Sprintf("postgresql-%s-%s", version, kind))
	if bin, err := s.inspect(ctx, filepath.Join(home, "bin")); err == nil {
		return bin, nil
	}
	base := s.options.Downloads
	if base == "" {
		base = defaultDownloads()
	}
	name := fmt.Sprintf("embedded-postgres-binaries-%s", kind)
	url := fmt.Sprintf("%s/io/zonky/test/postgres/%s/%s/%s-%s.jar", strings.TrimRight(base, "/"), name, version, name, version)
	s.log.Warn("PostgreSQL is not installed; downloading it", "version", string(version), "from", url)
	if err := s.host.fetch.install(ctx, url, s.host.getenv("QORGAU_PG_SHA256"), home); err != nil {
		return binaries{}, howToInstall(major, err)
	}
	bin, err := s.inspect(ctx, filepath.Join(home, "bin"))
	if err != nil {
		return binaries{}, howToInstall(major, fmt.Errorf("use the downloaded programs: %w", err))
	}
	if bin.major != wanted {
		return binaries{}, howToInstall(major, fmt.Errorf("the archive of PostgreSQL %d holds version %s", wanted, bin.version))
	}
	return bin, nil
}

// defaultDownloads is the repository that the library uses. It keeps the address in an unexported field.
func defaultDownloads() string {
	return reflect.ValueOf(library.DefaultConfig()).FieldByName("binaryRepositoryURL").String()
}

// platform is the name of this machine's kind in the archive repository.
func platform(goos, goarch string) (string, bool) {
	arch, ok := map[string]string{"amd64": "amd64", "arm64": "arm64v8"}[goarch]
	if !ok || goos != "linux" && goos != "darwin" {
		return "", false
	}
	if _, err := os.Stat("/etc/alpine-release"); goos == "linux" && err == nil {
		arch += "-alpine" // built against musl
	}
	return goos + "-" + arch, true
}

// cacheDir is where downloads (and the model of ephemeral clusters) are kept: the user's cache, or a system one
// when another user must read it.
func (h host) cacheDir(p place) (string, error) {
	dir := h.cache
	if dir == "" && p.account.switched {
		dir = "/var/cache/qorgau"
	}
	if dir == "" {
		dir = filepath.Join(h.getenv("XDG_CACHE_HOME"), "qorgau")
		if h.getenv("XDG_CACHE_HOME") == "" {
			dir = filepath.Join(h.getenv("HOME"), ".cache", "qorgau")
		}
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(p.dir, "cache")
	}
	if err := mkdirs(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the cache directory: %w", err)
	}
	// Programs run from here: nobody else may have put them here.
	if uid, ok := ownerOf(dir); !ok || uid != os.Geteuid() {
		return "", fmt.Errorf("the cache directory %s belongs to user id %d, not to us", dir, uid)
	}
	return dir, nil
}

// install brings the archive at url, verified, to the directory home. Nothing is left behind when it fails.
func (f fetcher) install(ctx context.Context, url, pin, home string) (err error) {
	sum := strings.ToLower(strings.TrimSpace(pin))
	if sum == "" {
		if sum, err = f.publishedSum(ctx, url+".sha256"); err != nil {
			return fmt.Errorf("learn the SHA-256 of the archive: %w", err)
		}
	}
	work, err := os.MkdirTemp(filepath.Dir(home), "download-")
	if err != nil {
		return fmt.Errorf("make room for the download: %w", err)
	}
	defer os.RemoveAll(work)
	jar := filepath.Join(work, "archive.jar")
	got, err := f.save(ctx, url, jar)
	if err != nil {
		return fmt.Errorf("download the archive: %w", err)
	}
	if got != sum {
		return fmt.Errorf("the downloaded archive has the SHA-256 %s but %s was expected; it was thrown away", got, sum)
	}
	tree := filepath.Join(work, "tree")
	if err := unpack(jar, tree); err != nil {
		return fmt.Errorf("unpack the archive: %w", err)
	}
	if err := os.Rename(tree, home); err != nil {
		if _, there := os.Stat(filepath.Join(home, "bin")); there == nil {
			return nil // another process was faster
		}
		return fmt.Errorf("put the programs in place: %w", err)
	}
	return nil
}

var hexSum = regexp.MustCompile(`^[0-9a-f]{64}$`)

// publishedSum reads the first word of a .sha256 file.
func (f fetcher) publishedSum(ctx context.Context, url string) (string, error) {
	var body strings.Builder
	if err := f.get(ctx, url, 1024, func(r io.Reader) error {
		body.Reset()
		_, err := io.Copy(&body, r)
		return err
	}); err != nil {
		return "", err
	}
	word, _, _ := strings.Cut(strings.TrimSpace(strings.ToLower(body.String())), " ")
	if !hexSum.MatchString(word) {
		return "", fmt.Errorf("%s holds no SHA-256", url)
	}
	return word, nil
}

// save writes the body of url to path and returns its SHA-256.
func (f fetcher) save(ctx context.Context, url, path string) (string, error) {
	sum := sha256.New()
	err := f.get(ctx, url, f.limit, func(r io.Reader) error {
		sum.Reset()
		file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return fmt.Errorf("%w: %w", errRefused, err)
		}
		_, err = io.Copy(io.MultiWriter(file, sum), r)
		return errors.Join(err, file.Close())
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}

// get reads url with take, again after a fault that may pass: take starts afresh each time.
func (f fetcher) get(ctx context.Context, url string, limit int64, take func(io.Reader) error) error {
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: f.stall}).DialContext,
		TLSHandshakeTimeout:   f.stall,
		ResponseHeaderTimeout: f.stall,
	}
	defer transport.CloseIdleConnections()
	pause := f.pause
	for try := 1; ; try++ {
		err := f.once(ctx, &http.Client{Transport: transport}, url, limit, take)
		if err == nil || errors.Is(err, errRefused) || try >= f.tries {
			return err
		}
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (f fetcher) once(ctx context.Context, client *http.Client, url string, limit int64, take func(io.Reader) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	switch code := answer.StatusCode; {
	case code == http.StatusTooManyRequests || code >= 500:
		return fmt.Errorf("%s answers %s", url, answer.Status)
	case code != http.StatusOK:
		return fmt.Errorf("%w: %s answers %s", errRefused, url, answer.Status)
	}
	// A server that falls silent in the middle must not hold us for ever; a slow one that goes on may.
	silence := time.AfterFunc(f.stall, func() { cancel(fmt.Errorf("%s sent nothing for %v", url, f.stall)) })
	defer silence.Stop()
	body := &guarded{from: answer.Body, left: limit, heard: func() { silence.Reset(f.stall) }}
	if err := take(body); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	return nil
}

// guarded reports each sign of life and ends a body that is larger than it may be.
type guarded struct {
	from  io.Reader
	left  int64
	heard func()
}

func (g *guarded) Read(p []byte) (int, error) {
	n, err := g.from.Read(p)
	g.heard()
	if g.left -= int64(n); g.left < 0 {
		return 0, fmt.Errorf("%w: the answer is larger than allowed", errRefused)
	}
	return n, err
}
