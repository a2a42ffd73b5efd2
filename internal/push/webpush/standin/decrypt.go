package standin

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

const (
	saltLen   = 16
	headerLen = saltLen + 4 + 1 // salt, record size, length of the key's id (RFC 8188, 2.1)
	tagLen    = 16
	lastMark  = 2 // ends the text of the last record
)

// decrypt opens a body of content coding aes128gcm with the browser's key and secret (RFC 8291, 3 and 4: one record, the
// sender's public key as its key id). problem is empty when it opens.
func decrypt(key *ecdh.PrivateKey, auth, body []byte) (text []byte, problem string) {
	if len(body) < headerLen {
		return nil, "the body is shorter than its header"
	}
	salt, size, idLen := body[:saltLen], binary.BigEndian.Uint32(body[saltLen:]), int(body[headerLen-1])
	if len(body) < headerLen+idLen+tagLen+1 {
		return nil, "the body is shorter than its header"
	}
	id, record := body[headerLen:headerLen+idLen], body[headerLen+idLen:]
	if size < tagLen+2 || uint64(len(record)) > uint64(size) {
		return nil, "the body is not one record"
	}
	sender, err := ecdh.P256().NewPublicKey(id)
	if err != nil {
		return nil, "the key id is no point on P-256"
	}
	shared, err := key.ECDH(sender)
	if err != nil {
		return nil, "no shared secret"
	}
	info := slices.Concat([]byte("WebPush: info\x00"), key.PublicKey().Bytes(), id)
	ikm, err := hkdf.Key(sha256.New, shared, auth, string(info), 32)
	if err != nil {
		return nil, "no key material"
	}
	aead, nonce, err := contentKey(ikm, salt)
	if err != nil {
		return nil, "no content key"
	}
	padded, err := aead.Open(nil, nonce, record, nil)
	if err != nil {
		return nil, "the record does not open with this subscription's keys"
	}
	for i := len(padded) - 1; i >= 0; i-- {
		switch padded[i] {
		case 0:
			continue
		case lastMark:
			return padded[:i], ""
		}
		break
	}
	return nil, "the padding does not end as a last record's"
}

// contentKey derives cipher and nonce of the first record (RFC 8188, 2.2 and 2.3).
func contentKey(ikm, salt []byte) (cipher.AEAD, []byte, error) {
	key, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, nil, err
	}
	nonce, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCM(block)
	return aead, nonce, err
}
