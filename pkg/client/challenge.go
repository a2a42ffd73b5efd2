package client

import (
	"bytes"
	"context"
	"crypto/sha256"
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
	prefix := len(text)
	for n := uint64(0); ; n++ {
		if n%(1<<14) == 0 && ctx.Err() != nil {
			return "", ctx.Err()
		}
		text = strconv.AppendUint(text[:prefix], n, 10)
		if leadingZeros(sha256.Sum256(text)) >= difficulty {
			return string(text[prefix:]), nil
		}
	}
}

func leadingZeros(sum [sha256.Size]byte) int {
	zeros := 0
	for _, b := range sum {
		zeros += bits.LeadingZeros8(b)
		if b != 0 {
			break
		}
	}
	return zeros
}
