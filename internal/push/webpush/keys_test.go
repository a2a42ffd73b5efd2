package webpush

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAPairIsKeptInAFile(t *testing.T) {
	t.Parallel()
	p, err := NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "vapid.pem")
	if err := p.Write(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if got, err := Keys(path); err != nil || got != p || len(got.PublicKey()) != 87 {
		t.Errorf("read back as %v, %v", got, err)
	}
	other, err := NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Write(path); err == nil {
		t.Error("a key that subscriptions hang on was replaced")
	}
	if got, _ := Keys(path); got != p || other == p {
		t.Error("the file was changed")
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Keys(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that others may read: %v", err)
	}
	if err := (Pair{}).Write(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no pair was written")
	}
}

func TestFormsOfAKeyFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString
	want := Pair{private: text(private), public: text(point)}
	block := func(kind string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	sec1, err := x509.MarshalECPrivateKey(key)
	sec1PEM := block("EC PRIVATE KEY", sec1, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	pkcs8PEM := block("PRIVATE KEY", pkcs8, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	edDER, err := x509.MarshalPKCS8PrivateKey(ed)
	edPEM := block("PRIVATE KEY", edDER, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384DER, err := x509.MarshalPKCS8PrivateKey(p384)
	p384PEM := block("PRIVATE KEY", p384DER, err)
	other, err := NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct{ name, content, fault string }{
		{"PKCS #8", pkcs8PEM, ""},
		{"SEC 1", sec1PEM, ""},
		{"as openssl writes it", block("EC PARAMETERS", []byte{6, 1, 1}, nil) + sec1PEM, ""},
		{"two values", want.public + "\n" + want.private + "\n", ""},
		{"the other way round, padded", base64.URLEncoding.EncodeToString(private) + " " + want.public, ""},
		{"one value", want.private, "only one"},
		{"nothing", "", "only one"},
		{"a value twice", want.private + "\n" + want.private, "neither a PEM"},
		{"something else", "SECRET", "neither a PEM"},
		{"of two pairs", want.private + "\n" + other.public, "not belong together"},
		{"a scalar of zero", strings.Repeat("A", 43) + " " + want.public, "damaged"},
		{"a public key alone", block("PUBLIC KEY", []byte{1}, nil), "no private key"},
		{"damaged", block("PRIVATE KEY", pkcs8[:40], nil), "damaged"},
		{"another curve", p384PEM, "P-256"},
		{"another algorithm", edPEM, "P-256"},
		{"too large", strings.Repeat("a", maxKeyFile+1), "too large"},
	} {
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Keys(path)
		if c.fault == "" {
			if err != nil || got != want {
				t.Errorf("%s: %v, %v", c.name, got, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.fault) || !strings.Contains(err.Error(), path) ||
			strings.Contains(err.Error(), want.private) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := Keys(filepath.Join(dir, "absent")); err == nil || !strings.Contains(err.Error(), "absent") {
		t.Errorf("no file: %v", err)
	}
	if _, err := Keys(dir); err == nil {
		t.Error("a directory is no pair")
	}
}

func TestAPairDoesNotPrint(t *testing.T) {
	t.Parallel()
	p, err := NewKeys()
	if err != nil {
		t.Fatal(err)
	}
	var out buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "keys", p)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "config", Config{Keys: p})
	fmt.Fprintf(&out, "%v %+v %#v %s %q %v", p, p, p, p, p, Config{Keys: p})
	if strings.Contains(out.String(), p.private) || !strings.Contains(out.String(), p.public) {
		t.Error(out.String())
	}
}
