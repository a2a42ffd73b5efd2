package push

import (
	"regexp"
	"strings"

	"github.com/qorgau/qorgau/internal/fault"
)

const (
	maxAddresses = 5    // of one owner (api.md, the search)
	maxToken     = 4096 // characters of a registration token; Google's are about 160
	maxPhone     = 40   // characters as typed, before normalising
)

// Address is where to tell someone, as given: an FCM registration token or a phone number.
type Address struct {
	Kind  string // FCM or Call
	Value string
}

// Normalise checks an address and brings it into its one form. pointer is where the value stands in the request's body
// ("/channels/0/token"). The fault's codes: required, too_long, bad_format; not_allowed for an unknown kind.
//
// A token is 1 to 4096 printable ASCII characters without spaces. A phone is E.164 (law.md, section 5): separators are
// stripped, the trunk 8 becomes +7 and is then Kazakh (zones 0, 6, 7), as is what begins with 7 and has no plus; with a plus, Russia's zones (3, 4, 8, 9) and every
// other country's numbers of 8 to 15 digits are accepted too, since relatives call from anywhere. Libraries of numbering plans were looked at:
// nyaruka/phonenumbers 1.8.1 takes Kazakhstan's zone 0 for invalid, and a mother whose number is refused is not called.
func Normalise(pointer string, a Address) (Address, *fault.Field) {
	bad := func(code string) (Address, *fault.Field) {
		return Address{}, &fault.Field{Pointer: pointer, Code: code}
	}
	switch a.Kind {
	case FCM:
		switch {
		case a.Value == "":
			return bad("required")
		case len(a.Value) > maxToken:
			return bad("too_long")
		case strings.ContainsFunc(a.Value, func(r rune) bool { return r <= ' ' || r > '~' }):
			return bad("bad_format")
		}
		return a, nil
	case Call:
		switch {
		case strings.TrimSpace(a.Value) == "":
			return bad("required")
		case len(a.Value) > maxPhone:
			return bad("too_long")
		}
		phone, ok := normalisePhone(a.Value)
		if !ok {
			return bad("bad_format")
		}
		return Address{Kind: Call, Value: phone}, nil
	}
	return bad("not_allowed")
}

var (
	separators = strings.NewReplacer(" ", "", "\u00a0", "", "\u202f", "", "\t", "", "-", "", "\u2010", "", "\u2011", "", "\u2012", "", "\u2013", "", "(", "", ")", "", ".", "", "/", "")
	trunkPhone = regexp.MustCompile(`^8[067]\d{9}$`)
	plainPhone = regexp.MustCompile(`^7?7\d{9}$`) // 7012345678, 77012345678: as people write them on paper
	sevenPhone = regexp.MustCompile(`^\+7[0346789]\d{9}$`)
	otherPhone = regexp.MustCompile(`^\+[1-689]\d{7,14}$`)
)

func normalisePhone(s string) (string, bool) {
	s = separators.Replace(s)
	switch {
	case trunkPhone.MatchString(s):
		s = "+7" + s[1:]
	case plainPhone.MatchString(s):
		s = "+7" + s[len(s)-10:]
	}
	return s, sevenPhone.MatchString(s) || otherPhone.MatchString(s)
}
