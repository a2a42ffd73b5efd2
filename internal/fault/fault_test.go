package fault_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/fault"
)

// Each constructor gives the kind, which decides the status, and the code, which apps translate.
func TestVocabulary(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  *fault.Error
		kind fault.Kind
		code string
	}{
		{fault.BadField("/name", "required"), fault.Invalid, "invalid"},
		{fault.BadFields(fault.Field{Pointer: "/name", Code: "too_long"}), fault.Invalid, "invalid"},
		{fault.Absent(), fault.NotFound, "not_found"},
		{fault.Denied(), fault.Forbidden, "forbidden"},
		{fault.SecondPerson(), fault.Forbidden, "second_person_needed"},
		{fault.Unauthorised(), fault.Unauthenticated, "unauthenticated"},
		{fault.Clash("closed"), fault.Conflict, "closed"},
		{fault.Limited(time.Minute), fault.TooMany, "too_many"},
		{fault.Down(errors.New("x")), fault.Unavailable, "unavailable"},
		{fault.New(fault.TooLarge, "too_large"), fault.TooLarge, "too_large"},
	} {
		if c.err.Kind != c.kind || c.err.Code != c.code {
			t.Errorf("%v: kind %d, code %s, want %d, %s", c.err, c.err.Kind, c.err.Code, c.kind, c.code)
		}
		if (c.err.RetryAfter > 0) != (c.kind == fault.TooMany || c.kind == fault.Unavailable) {
			t.Errorf("%s asks to come back after %s", c.code, c.err.RetryAfter)
		}
	}
	if e := fault.BadField("/detainees/3/name", "required"); len(e.Fields) != 1 || e.Fields[0] != (fault.Field{Pointer: "/detainees/3/name", Code: "required"}) {
		t.Errorf("fields %v", e.Fields)
	}
	if e := fault.Limited(time.Minute); e.RetryAfter != time.Minute {
		t.Errorf("limited for %s", e.RetryAfter)
	}
}

// A fault is found through its wrappings, and what it hides stays reachable for our own logs.
func TestWrapped(t *testing.T) {
	t.Parallel()
	cause := errors.New("connection refused")
	down := fault.Down(cause)
	wrapped := fmt.Errorf("record detainees: %w", errors.Join(errors.New("beside"), down))
	if fault.As(wrapped) != down || !fault.Is(wrapped, "unavailable") || fault.Is(wrapped, "not_found") || !errors.Is(wrapped, cause) {
		t.Errorf("%v is not seen as what it is", wrapped)
	}
	if down.Error() != "unavailable: connection refused" || fault.Absent().Error() != "not_found" {
		t.Errorf("texts %q and %q", down, fault.Absent())
	}
	for _, err := range []error{nil, cause, fmt.Errorf("do: %w", cause)} {
		if fault.As(err) != nil || fault.Is(err, "") || fault.Is(err, "unavailable") {
			t.Errorf("%v is seen as a fault", err)
		}
	}
}
