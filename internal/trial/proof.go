package trial

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"
)

// proof is a certificate of the trial's own authority, for wires that end TLS; it may have ended yesterday, and be renewed.
type proof struct {
	good, expired tls.Certificate

	mu  sync.Mutex
	old bool
}

func (p *proof) expire(old bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.old = old
}

func (p *proof) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.old {
			return &p.expired, nil
		}
		return &p.good, nil
	}}
}

// newProof makes the authority and both certificates. The PEM is the authority's, for SSL_CERT_FILE of a node.
func newProof() (*proof, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("key of the trial's authority: %w", err)
	}
	const day = 24 * time.Hour
	today := now()
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "trial"}, NotBefore: today.Add(-3 * day), NotAfter: today.Add(3 * day),
		KeyUsage: x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true}
	issue := func(of *x509.Certificate, to *ecdsa.PrivateKey) (tls.Certificate, error) {
		der, err := x509.CreateCertificate(rand.Reader, of, root, to.Public(), key)
		return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: to}, err
	}
	self, err := issue(root, key)
	if err != nil {
		return nil, nil, fmt.Errorf("the trial's authority: %w", err)
	}
	p := &proof{}
	for serial, c := range map[int64]struct {
		into *tls.Certificate
		ends time.Time
	}{2: {&p.good, today.Add(2 * day)}, 3: {&p.expired, today.Add(-day)}} {
		leaf := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "127.0.0.1"}, NotBefore: today.Add(-2 * day), NotAfter: c.ends,
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, nil, fmt.Errorf("key of a certificate: %w", err)
		}
		if *c.into, err = issue(leaf, own); err != nil {
			return nil, nil, fmt.Errorf("certificate: %w", err)
		}
	}
	return p, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: self.Certificate[0]}), nil
}
