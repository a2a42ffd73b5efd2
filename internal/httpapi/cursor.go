package httpapi

import (
	"encoding/base64"
	"strconv"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/fault"
)

// pageLimit is the limit that stands when a list names none.
const pageLimit = 50

func limitOf(limit *api.PageLimit) int {
	if limit == nil {
		return pageLimit
	}
	return *limit
}

// Cursors are opaque to callers: the id of the last item, or how many were shown of a ranked list.

func cursorOf(id uuid.UUID, more bool) *api.NextCursor {
	if !more {
		return nil
	}
	c := base64.RawURLEncoding.EncodeToString(id[:])
	return &c
}

func readCursor(c *api.PageCursor) (uuid.UUID, error) {
	if c == nil {
		return uuid.Nil, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(*c)
	if err != nil {
		return uuid.Nil, fault.BadField("#cursor", "bad_format")
	}
	id, err := uuid.FromBytes(raw)
	if err != nil {
		return uuid.Nil, fault.BadField("#cursor", "bad_format")
	}
	return id, nil
}

func skipCursor(shown int, more bool) *api.NextCursor {
	if !more {
		return nil
	}
	c := base64.RawURLEncoding.EncodeToString([]byte("n" + strconv.Itoa(shown)))
	return &c
}

func readSkip(c *api.PageCursor) (int, error) {
	if c == nil {
		return 0, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(*c)
	if err != nil || len(raw) < 2 || raw[0] != 'n' {
		return 0, fault.BadField("#cursor", "bad_format")
	}
	n, err := strconv.Atoi(string(raw[1:]))
	if err != nil || n < 0 || n > 100_000 {
		return 0, fault.BadField("#cursor", "bad_format")
	}
	return n, nil
}

// orZero gives what a pointer points at, or the zero value.
func orZero[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

// orNil gives a pointer to v, or nil for the zero value: absent on the wire.
func orNil[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// orEmpty makes a list that is absent an empty one: required lists travel as [], never as null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
