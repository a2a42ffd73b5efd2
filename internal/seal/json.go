package seal

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// SealJSON encrypts a value as JSON for its place and row, so that its length does not show. Its errors never repeat the value.
func (k Key) SealJSON(place string, row uuid.UUID, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s: a %T does not go into JSON", place, v) // the encoder's own text may repeat a string
	}
	return k.Seal(place, row, Pad(plain))
}

// OpenJSON decrypts into to. Its errors never repeat what was inside: a decoder's text could hold a name.
func (k Key) OpenJSON(place string, row uuid.UUID, ct []byte, to any) error {
	plain, err := k.Open(place, row, ct)
	if err != nil {
		return err
	}
	if json.Unmarshal(plain, to) != nil {
		return errors.New("sealed " + place + " does not hold what this program wrote")
	}
	return nil
}
