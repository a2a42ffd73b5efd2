//go:build unix

package embedded

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var quick = fetcher{tries: 3, pause: time.Millisecond, stall: time.Minute, limit: 1 << 20}

// archiveServer stands in for the archive repository; nil serves nothing.
func archiveServer(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	if handler == nil {
		handler = http.NotFound
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// serving answers with an archive and its sum, at the addresses of the real repository.
func serving(t *testing.T, jar []byte, sum string) http.HandlerFunc {
	kind, ok := platform(runtime.GOOS, runtime.GOARCH)
	if !ok {
		t.Skip("no archive is published for this platform")
	}
	path := fmt.Sprintf("/io/zonky/test/postgres/embedded-postgres-binaries-%s/%s/embedded-postgres-binaries-%s-%s.jar", kind, releases[downloadedMajor], kind, releases[downloadedMajor])
	return func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case path:
			_, _ = w.Write(jar)
		case path + ".sha256":
			_, _ = io.WriteString(w, sum)
		default:
			http.NotFound(w, r)
		}
	}
}

// emptyHost has no PostgreSQL: neither in the usual places nor in PATH.
func emptyHost(t *testing.T, vars map[string]string) host {
	t.Helper()
	h := testHost(t)
	h.getenv, h.patterns, h.cache, h.fetch = environment(vars), nil, tempDir(t), quick
	return h
}

func TestADownloadedPostgresRuns(t *testing.T) {
	t.Parallel()
	jar := archive(t, honest(t))
	h := emptyHost(t, nil)
	server := archiveServer(t, serving(t, jar, sumOf(jar)))
	var log journal
	s := boot(t, h, Options{DataDir: tempDir(t), Ephemeral: true, Downloads: server.URL + "/", Log: log.logger()})
	dial(t, s.URL())
	if !strings.Contains(log.String(), "downloading") {
		t.Errorf("it was not said aloud: %s", log.String())
	}
	server.Close() // the next start needs no network
	dial(t, boot(t, h, Options{DataDir: tempDir(t), Ephemeral: true, Downloads: server.URL}).URL())
	if target, err := os.Readlink(filepath.Join(theDownload(t, h), "lib", "libpq.so")); err != nil || target != "libpq.so.5" {
		t.Errorf("the link in the archive became %q: %v", target, err)
	}
}

func theDownload(t *testing.T, h host) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(h.cache, "postgresql-*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("downloads: %v %v", found, err)
	}
	return found[0]
}

func TestWhatCannotBeVerifiedIsThrownAway(t *testing.T) {
	t.Parallel()
	jar := archive(t, honest(t))
	other := strings.Repeat("ab", 32)
	for _, c := range []struct {
		why, published, pin, complaint string
	}{
		{"another sum is published", other, "", other},
		{"the pin differs, though the published sum is right", sumOf(jar), other, other},
		{"nothing that looks like a sum is published", "<html>", "", "holds no SHA-256"},
		{"an empty sum is published", "", "", "holds no SHA-256"},
	} {
		h := emptyHost(t, map[string]string{"QORGAU_PG_SHA256": c.pin})
		_, err := h.start(t.Context(), Options{DataDir: tempDir(t), Downloads: archiveServer(t, serving(t, jar, c.published)).URL})
		mentions(t, err, c.complaint)
		if left, _ := os.ReadDir(h.cache); len(left) != 0 {
			t.Errorf("%s: left behind: %v", c.why, left)
		}
	}
	// No .sha256 beside the archive is no permission to go without.
	h := emptyHost(t, nil)
	serve := serving(t, jar, sumOf(jar))
	server := archiveServer(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".sha256") {
			http.NotFound(w, r)
			return
		}
		serve(w, r)
	})
	_, err := h.start(t.Context(), Options{DataDir: tempDir(t), Downloads: server.URL})
	mentions(t, err, "404", ".sha256")
	// With a pin the published sum is not needed.
	h.getenv = environment(map[string]string{"QORGAU_PG_SHA256": " " + strings.ToUpper(sumOf(jar)) + "\n"})
	dial(t, boot(t, h, Options{DataDir: tempDir(t), Ephemeral: true, Downloads: server.URL}).URL())
}

func TestAFaultThatPassesIsTriedAgain(t *testing.T) {
	t.Parallel()
	jar := archive(t, honest(t))
	var calls atomic.Int32
	serve := serving(t, jar, sumOf(jar)+"  archive.jar\n")
	server := archiveServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch calls.Add(1) {
		case 1:
			http.Error(w, "later", http.StatusServiceUnavailable)
		case 3: // the archive breaks off in the middle
			w.Header().Set("Content-Length", fmt.Sprint(len(jar)))
			_, _ = w.Write(jar[:len(jar)/2])
		default:
			serve(w, r)
		}
	})
	dial(t, boot(t, emptyHost(t, nil), Options{DataDir: tempDir(t), Ephemeral: true, Downloads: server.URL}).URL())
	if got := calls.Load(); got != 4 {
		t.Errorf("%d calls, want 4", got)
	}
}

func TestASlowOrEndlessServerIsGivenUp(t *testing.T) {
	t.Parallel()
	jar := archive(t, honest(t))
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	serve := serving(t, jar, sumOf(jar))
	for complaint, answer := range map[string]http.HandlerFunc{
		"timeout awaiting response headers": func(http.ResponseWriter, *http.Request) { <-release },
		"sent nothing for": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(jar[:10])
			_ = http.NewResponseController(w).Flush()
			<-release
		},
		"larger than allowed": func(w http.ResponseWriter, _ *http.Request) {
			for range 3 {
				_, _ = w.Write(make([]byte, 1<<20))
			}
		},
	} {
		var calls atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, ".sha256") {
				serve(w, r)
				return
			}
			calls.Add(1)
			answer(w, r)
		}))
		h := emptyHost(t, nil)
		h.fetch.tries = 2
		if complaint != "larger than allowed" { // a busy machine may be silent, too
			h.fetch.stall = 300 * time.Millisecond
		}
		_, err := h.start(t.Context(), Options{DataDir: tempDir(t), Downloads: server.URL})
		mentions(t, err, complaint)
		if left, _ := os.ReadDir(h.cache); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
		if got := calls.Load(); complaint == "larger than allowed" && got != 1 || complaint != "larger than allowed" && got != 2 {
			t.Errorf("%s: %d calls", complaint, got)
		}
	}
}

// A right sum proves who made the archive, not that it is harmless.
func TestAnArchiveCannotReachOutside(t *testing.T) {
	t.Parallel()
	for why, entry := range map[string]tar.Header{
		"a name that climbs":  {Name: "../evil", Typeflag: tar.TypeReg, Mode: 0o755},
		"an absolute name":    {Name: "/tmp/evil", Typeflag: tar.TypeReg, Mode: 0o755},
		"a link that climbs":  {Name: "lib/evil", Typeflag: tar.TypeSymlink, Linkname: "../../evil"},
		"an absolute link":    {Name: "evil", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
		"a device":            {Name: "evil", Typeflag: tar.TypeChar, Mode: 0o666},
		"the same file twice": {Name: "bin/postgres", Typeflag: tar.TypeReg, Mode: 0o755},
	} {
		jar := archive(t, append(honest(t), member{entry, ""}))
		home := filepath.Join(tempDir(t), "home")
		err := quick.install(t.Context(), archiveServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(jar) }).URL, sumOf(jar), home)
		mentions(t, err, "unpack", fmt.Sprintf("%q", entry.Name))
		if left, _ := os.ReadDir(filepath.Dir(home)); len(left) != 0 {
			t.Errorf("%s: left behind: %v", why, left)
		}
	}
	empty := zipped(t, "readme.txt", []byte("nothing here"))
	err := quick.install(t.Context(), archiveServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(empty) }).URL, sumOf(empty), filepath.Join(tempDir(t), "home"))
	mentions(t, err, "no .txz")
}

func TestTheLibraryStillNamesItsRepository(t *testing.T) {
	t.Parallel()
	if base := defaultDownloads(); !strings.HasPrefix(base, "https://") {
		t.Errorf("the default repository is %q", base)
	}
	for major, version := range releases {
		if !strings.HasPrefix(string(version), fmt.Sprintf("%d.", major)) {
			t.Errorf("release %s stands under %d", version, major)
		}
	}
	for _, c := range []struct{ os, arch, want string }{{"darwin", "arm64", "darwin-arm64v8"}, {"darwin", "amd64", "darwin-amd64"}, {"plan9", "amd64", ""}, {"linux", "riscv64", ""}} {
		if got, _ := platform(c.os, c.arch); got != c.want {
			t.Errorf("%s/%s: %q, want %q", c.os, c.arch, got, c.want)
		}
	}
}

type member struct {
	header  tar.Header
	content string
}

// honest is what an archive of PostgreSQL holds, with programs that call the installed ones.
func honest(t *testing.T) []member {
	t.Helper()
	real := installed(t)
	return []member{
		{tar.Header{Name: "./bin/", Typeflag: tar.TypeDir, Mode: 0o700}, ""},
		{tar.Header{Name: "./bin/postgres", Typeflag: tar.TypeReg, Mode: 0o700}, postgresScript(string(releases[downloadedMajor]), real)},
		{tar.Header{Name: "./bin/initdb", Typeflag: tar.TypeReg, Mode: 0o700}, initdbScript(real)},
		{tar.Header{Name: "lib/libpq.so.5", Typeflag: tar.TypeReg, Mode: 0o600}, "a library"},
		{tar.Header{Name: "lib/libpq.so", Typeflag: tar.TypeSymlink, Linkname: "libpq.so.5"}, ""},
	}
}

func archive(t *testing.T, members []member) []byte {
	t.Helper()
	var plain bytes.Buffer
	w := tar.NewWriter(&plain)
	for _, m := range members {
		m.header.Size = int64(len(m.content))
		if err := w.WriteHeader(&m.header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return zipped(t, "postgres-test.txz", xzStored(plain.Bytes()))
}

func zipped(t *testing.T, name string, content []byte) []byte {
	t.Helper()
	var jar bytes.Buffer
	w := zip.NewWriter(&jar)
	if f, err := w.Create(name); err != nil {
		t.Fatal(err)
	} else if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return jar.Bytes()
}

func sumOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// xzStored wraps data in the .xz format without compressing it (LZMA2 chunks of kind "uncompressed"), since Go has
// a reader for the format and no writer. Source: the .xz file format specification, version 1.2.1.
func xzStored(data []byte) []byte {
	flags := []byte{0, 1} // check: CRC32
	out := append([]byte{0xFD, '7', 'z', 'X', 'Z', 0}, withCRC(flags)...)

	header := []byte{2, 0, 0x21, 1, 0x16, 0, 0, 0} // (size/4)-1, one filter, LZMA2, 1 byte of properties: 8 MiB, padding
	block := withCRC(header)
	for rest, first := data, true; len(rest) > 0; first = false {
		n := min(len(rest), 1<<16)
		kind := byte(2)
		if first {
			kind = 1 // resets the dictionary
		}
		block = append(block, kind, byte((n-1)>>8), byte(n-1))
		block = append(block, rest[:n]...)
		rest = rest[n:]
	}
	block = append(block, 0)
	unpadded := len(block) + 4
	for len(block)%4 != 0 {
		block = append(block, 0)
	}
	block = binary.LittleEndian.AppendUint32(block, crc32.ChecksumIEEE(data))
	out = append(out, block...)

	index := append([]byte{0, 1}, binary.AppendUvarint(binary.AppendUvarint(nil, uint64(unpadded)), uint64(len(data)))...)
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	index = withCRC(index)
	out = append(out, index...)
	tail := append(binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1)), flags...)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(tail))
	return append(append(out, tail...), 'Y', 'Z')
}

func withCRC(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(bytes.Clone(b), crc32.ChecksumIEEE(b))
}
