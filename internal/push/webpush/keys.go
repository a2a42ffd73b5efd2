package webpush

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

const maxKeyFile = 8 << 10 // bytes

// Pair is a VAPID key pair (RFC 8292). Browsers bind a subscription to its public half: with another pair, everybody who
// subscribed must subscribe again. It does not print its private half.
type Pair struct{ private, public string } // base64url without padding, as the library takes them

// PublicKey is the uncompressed point in base64url without padding, 87 characters.
func (p Pair) PublicKey() string { return p.public }

// Format prints the public half under every verb.
func (p Pair) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "VAPID key "+p.public) }

// LogValue keeps the private half out of logs.
func (p Pair) LogValue() slog.Value { return slog.StringValue("VAPID key " + p.public) }

// NewKeys makes a pair. Keep it with Write.
func NewKeys() (Pair, error) {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("webpush: make a key pair: %w", err)
	}
	return pairOf(key), nil
}

func pairOf(key *ecdh.PrivateKey) Pair {
	return Pair{private: base64.RawURLEncoding.EncodeToString(key.Bytes()),
		public: base64.RawURLEncoding.EncodeToString(key.PublicKey().Bytes())}
}

// Write puts the pair into a new file that its owner alone may read (0600), as PEM (PKCS #8). A file that is there stays as
// it is, and is an error: subscriptions hang on the key in it.
func (p Pair) Write(path string) error {
	raw, err := base64.RawURLEncoding.DecodeString(p.private)
	if err != nil {
		return errors.New("webpush: the key pair is damaged")
	}
	key, err := ecdh.P256().NewPrivateKey(raw)
	if err != nil {
		return errors.New("webpush: the key pair is damaged")
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("webpush: write the key pair: %w", err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("webpush: write the key pair: %w", err)
	}
	if err = pem.Encode(file, &pem.Block{Type: "PRIVATE KEY", Bytes: der}); err == nil {
		err = file.Sync()
	}
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(path)
		return fmt.Errorf("webpush: write the key pair: %w", err)
	}
	return nil
}

// Keys reads a pair from a file: a PEM with a private key on P-256 (PKCS #8 or SEC 1), or the two values in base64url, in
// any order, parted by spaces or lines. A file that others may read is refused, as ssh does. Errors name the file and what
// is wrong with it, never what is in it.
func Keys(path string) (Pair, error) {
	file, err := os.Open(path)
	if err != nil {
		return Pair{}, fmt.Errorf("webpush: read the key pair: %w", err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return Pair{}, fmt.Errorf("webpush: read the key pair: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return Pair{}, fmt.Errorf("webpush: the key pair in %s can be read by others: chmod 600 it", path)
	}
	raw, err := io.ReadAll(io.LimitReader(file, maxKeyFile+1))
	if err != nil {
		return Pair{}, fmt.Errorf("webpush: read the key pair: %w", err)
	}
	if len(raw) > maxKeyFile {
		return Pair{}, fmt.Errorf("webpush: %s is too large to be a key pair", path)
	}
	read := pairOfValues
	if strings.Contains(string(raw), "-----BEGIN ") {
		read = pairOfPEM
	}
	p, why := read(raw)
	if why != "" {
		return Pair{}, fmt.Errorf("webpush: %s %s", path, why)
	}
	return p, nil
}

func pairOfPEM(raw []byte) (p Pair, why string) {
	for block, rest := pem.Decode(raw); block != nil; block, rest = pem.Decode(rest) {
		var key any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		default: // openssl puts the curve's name before the key
			continue
		}
		if err != nil { // its text may quote the key
			return Pair{}, "holds a damaged private key"
		}
		if ec, ok := key.(*ecdsa.PrivateKey); ok {
			if dh, err := ec.ECDH(); err == nil && dh.Curve() == ecdh.P256() {
				return pairOf(dh), ""
			}
		}
		return Pair{}, "holds a private key that is not on the curve P-256"
	}
	return Pair{}, "holds no private key"
}

func pairOfValues(raw []byte) (p Pair, why string) {
	var private, public []byte
	for _, word := range strings.Fields(string(raw)) {
		if b, ok := decodeKey(word, pointLen); ok && public == nil {
			public = b
		} else if b, ok := decodeKey(word, 32); ok && private == nil {
			private = b
		} else {
			return Pair{}, "is neither a PEM nor two base64url values"
		}
	}
	if private == nil || public == nil {
		return Pair{}, "holds only one of the two values, or neither"
	}
	key, err := ecdh.P256().NewPrivateKey(private)
	if err != nil {
		return Pair{}, "holds a damaged private key"
	}
	if string(key.PublicKey().Bytes()) != string(public) {
		return Pair{}, "holds two values that do not belong together"
	}
	return pairOf(key), ""
}
