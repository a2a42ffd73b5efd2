package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"math/bits"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
)

// prove solves the challenge and puts the proof into the body. The body is then another one, so it gets another
// Idempotency-Key; the client_id inside keeps the repeat harmless.
func (s *sender) prove(req *http.Request, problem *Problem) error {
	ch := problem.Challenge
	if ch == nil || ch.Algorithm != api.ChallengeAlgorithmSha256LeadingZeroBits || ch.Difficulty > s.options.MaxDifficulty {
		return problem
	}
	if err := rewind(req); err != nil {
		return err
	}
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return fmt.Errorf("qorgau: reading the request again: %w", err)
		}
	}
	members := map[string]json.RawMessage{}
	if json.Unmarshal(body, &members) != nil {
		return problem
	}
	nonce, err := Solve(req.Context(), ch.Token, ch.Difficulty)
	if err != nil {
		return err
	}
	if members["proof"], err = json.Marshal(api.Proof{Token: ch.Token, Nonce: nonce}); err != nil {
		return fmt.Errorf("qorgau: writing the proof: %w", err)
	}
	if body, err = json.Marshal(members); err != nil {
		return fmt.Errorf("qorgau: writing the proof: %w", err)
	}
	req.ContentLength = int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	req.Header.Set("Idempotency-Key", uuid.NewString())
	return nil
}

// Solve finds the nonce of a challenge: a decimal number such that the SHA-256 of token, a full stop and the number begins
// with that many zero bits. About 2^difficulty hashes; the context's error comes back when it ends first.
func Solve(ctx context.Context, token string, difficulty int) (string, error) {
	text := append([]byte(token), '.')
	var nonce []byte
	// First digits that never change, up to where a block of SHA-256 ends: what stands before is then hashed once, and each try costs one block.
	if fill := (sha256.BlockSize - len(text)%sha256.BlockSize) % sha256.BlockSize; fill <= maxFill {
		nonce = []byte(firstDigits[:fill])
	}
	h := sha256.New()
	h.Write(append(text, nonce...))
	before, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return "", fmt.Errorf("qorgau: keeping the state of a hash: %w", err)
	}
	var digits, sum []byte
	for n := uint64(0); ; n++ {
		if n%(1<<14) == 0 && ctx.Err() != nil {
			return "", ctx.Err()
		}
		if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(before); err != nil {
			return "", fmt.Errorf("qorgau: going back to the state of a hash: %w", err)
		}
		digits = strconv.AppendUint(digits[:0], n, 10)
		h.Write(digits)
		if sum = h.Sum(sum[:0]); leadingZeros(sum) >= difficulty {
			return string(append(nonce, digits...)), nil
		}
	}
}

// A nonce has at most twenty digits (openapi.yaml, Proof); nine of them change, which is enough for 2^29 tries.
const (
	firstDigits = "10000000000"
	maxFill     = len(firstDigits)
)

func leadingZeros(sum []byte) int {
	zeros := 0
	for _, b := range sum {
		zeros += bits.LeadingZeros8(b)
		if b != 0 {
			break
		}
	}
	return zeros
}
