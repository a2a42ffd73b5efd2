package push

import (
	"regexp"
	"strings"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/fault"
)

const (
	maxAddresses = 5    // of one owner (api.md, the search)
	maxToken     = 4096 // characters of a registration token; Google's are about 160
	maxPhone     = 40   // characters as typed, before normalising
)

// Address is where to tell someone, as given: an FCM registration token, a web push subscription (JSON), a telephone number, a mail address; of
// Telegram nothing, until they write to the bot. With Keep it is one of the owner's channels as it stands: who puts the ladder into another order
// need not know the addresses.
type Address struct {
	Kind  string
	Value string
	Keep  uuid.UUID
	Wishes
}

// Check brings a kind's address into its one form; code is why it cannot be: required, too_long, bad_format, not_allowed.
type Check func(raw string) (canonical, code string)

// Members name the member of a request that holds each kind's address.
var Members = map[string]string{FCM: "token", WebPush: "subscription", SMS: "phone", Email: "email", Call: "phone"}

// Normalise checks an address of a kind that push knows by itself (FCM, Call, SMS) and brings it into its one form; code is why it cannot be. Of other
// kinds a Check of Options does.
//
// A token is 1 to 4096 printable ASCII characters without spaces. A phone is E.164 (law.md, section 5): separators are
// stripped, the trunk 8 becomes +7 and is then Kazakh (zones 0, 6, 7), as is what begins with 7 and has no plus; with a plus, Russia's zones (3, 4, 8, 9) and every
// other country's numbers of 8 to 15 digits are accepted too, since relatives call from anywhere. Libraries of numbering plans were looked at:
// nyaruka/phonenumbers 1.8.1 takes Kazakhstan's zone 0 for invalid, and a mother whose number is refused is not called.
func Normalise(a Address) (_ Address, code string) {
	switch a.Kind {
	case FCM:
		code = checkToken(a.Value)
	case Call, SMS:
		a.Value, code = checkPhone(a.Value)
	default:
		code = "not_allowed"
	}
	if code != "" {
		return Address{}, code
	}
	return a, ""
}

// normalise is Normalise for all kinds by which this server tells people; the others are not_allowed.
func (c *Center) normalise(pointer string, a Address) (Address, *fault.Field) {
	kind := a.Kind
	if !c.sends(a.Kind) {
		return Address{}, &fault.Field{Pointer: pointer + "/kind", Code: "not_allowed"}
	}
	var code string
	switch check := c.checks[a.Kind]; {
	case check != nil:
		a.Value, code = check(a.Value)
	case a.Kind != Telegram: // whose chat is known when somebody writes to the bot
		a, code = Normalise(a)
	}
	if code != "" {
		return Address{}, &fault.Field{Pointer: pointer + "/" + Members[kind], Code: code}
	}
	return a, nil
}

// sends tells whether this server tells people by a kind of channel.
func (c *Center) sends(kind string) bool {
	return kind == FCM || kind == Call || c.senders[kind] != nil
}

func checkToken(token string) (code string) {
	switch {
	case token == "":
		return "required"
	case len(token) > maxToken:
		return "too_long"
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "bad_format"
	}
	return ""
}

func checkPhone(said string) (phone, code string) {
	switch {
	case strings.TrimSpace(said) == "":
		return "", "required"
	case len(said) > maxPhone:
		return "", "too_long"
	}
	phone, ok := normalisePhone(said)
	if !ok {
		return "", "bad_format"
	}
	return phone, ""
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
