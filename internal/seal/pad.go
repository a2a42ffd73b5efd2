package seal

import (
	"bytes"

	"github.com/google/uuid"
)

// padStep is what the lengths of sealed facts are multiples of. A ciphertext is as long as what it hides, and of a name's length in
// bytes most names of a country can be ruled out. One person's facts rarely pass one step.
const padStep = 256

// Pad lengthens JSON or a text to one of few lengths, by spaces after it: JSON allows them.
func Pad(plain []byte) []byte {
	return append(plain, bytes.Repeat([]byte{' '}, (padStep-len(plain)%padStep)%padStep)...)
}

// SealText encrypts a text for its place and row, so that its length does not show. Spaces at its end are lost.
func (k Key) SealText(place string, row uuid.UUID, text string) ([]byte, error) {
	return k.Seal(place, row, Pad([]byte(text)))
}

// OpenText decrypts what SealText sealed, or Seal in older rows.
func (k Key) OpenText(place string, row uuid.UUID, ct []byte) (string, error) {
	plain, err := k.Open(place, row, ct)
	return string(bytes.TrimRight(plain, " ")), err
}
