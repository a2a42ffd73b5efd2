package department

import (
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/fault"
)

// The longest texts, in characters; openapi.yaml says the same.
const (
	maxName    = 300
	maxAddress = 500
	maxPhone   = 100
	maxParcels = 1000
	maxSource  = 1000
)

// faults gathers what is wrong, so that one answer names all of it.
type faults []fault.Field

func (f *faults) add(pointer, code string) {
	*f = append(*f, fault.Field{Pointer: pointer, Code: code})
}

func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	return fault.BadFields(f...)
}

// text trims s and checks it. Control characters are refused: a zero byte cannot be stored, and a line feed in a name
// forges a line in a list that is read aloud.
func (f *faults) text(pointer string, s *string, longest int, required bool) {
	*s = strings.TrimSpace(*s)
	switch {
	case required && *s == "":
		f.add(pointer, "required")
	case !utf8.ValidString(*s) || strings.ContainsFunc(*s, unicode.IsControl):
		f.add(pointer, "bad_format")
	case utf8.RuneCountInString(*s) > longest:
		f.add(pointer, "too_long")
	}
}

func (f *faults) degrees(pointer string, v *float64, limit float64) {
	if v != nil && !(math.Abs(*v) <= limit) { // written so that NaN is refused
		f.add(pointer, "out_of_range")
	}
}

func (draft *Draft) check() error {
	var f faults
	if draft.ClientID == uuid.Nil {
		f.add("/client_id", "required")
	}
	if !slices.Contains(kinds, draft.Kind) {
		f.add("/kind", "not_allowed")
	}
	f.text("/name", &draft.Name, maxName, true)
	f.text("/city", &draft.City, maxName, true)
	f.text("/address", &draft.Address, maxAddress, false)
	f.text("/phone", &draft.Phone, maxPhone, false)
	f.degrees("/lat", draft.Lat, 90)
	f.degrees("/lon", draft.Lon, 180)
	if draft.Lat == nil && draft.Lon != nil {
		f.add("/lat", "required")
	}
	if draft.Lon == nil && draft.Lat != nil {
		f.add("/lon", "required")
	}
	return f.err()
}

func (c *Change) check() error {
	var f faults
	if c.Name != nil {
		f.text("/name/kk", &c.Name.KK, maxName, true)
		f.text("/name/ru", &c.Name.RU, maxName, true)
		f.text("/name/en", &c.Name.EN, maxName, true)
	}
	if c.Address != nil {
		f.text("/address", c.Address, maxAddress, false)
	}
	if c.Phone != nil {
		f.text("/phone", c.Phone, maxPhone, false)
	}
	if c.Parcels != nil {
		f.text("/parcels", c.Parcels, maxParcels, false)
	}
	if c.City != nil {
		f.text("/city", c.City, maxName, true)
	}
	if c.Kind != nil && !slices.Contains(kinds, *c.Kind) {
		f.add("/kind", "not_allowed")
	}
	if c.Lat != nil {
		f.degrees("/lat", c.Lat.Degrees, 90)
	}
	if c.Lon != nil {
		f.degrees("/lon", c.Lon.Degrees, 180)
	}
	return f.err()
}
