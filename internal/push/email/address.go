package email

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

const (
	maxAddress = 254 // characters; what fits into a path of SMTP (RFC 5321, 4.5.3.1.3)
	maxLocal   = 64
)

var (
	localForm = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$")
	// The last label is a name: an address of numbers is a machine's, which nobody reads mail on.
	domainForm = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+([a-z]([a-z0-9-]{0,61}[a-z0-9]))$`)
)

// Normalise brings a mail address into its one form, or says by a code what is wrong: required, too_long, bad_format. Space
// around it is taken off. It is one address without name, brackets or quotes; the part before the @ is ASCII and stays as it
// is (servers may tell capitals apart), the domain is lower-cased and, where it is written in another script, becomes its
// ASCII form, as SMTP wants it.
func Normalise(raw string) (canonical, code string) {
	raw = strings.TrimSpace(raw)
	switch {
	case raw == "":
		return "", "required"
	case utf8.RuneCountInString(raw) > maxAddress:
		return "", "too_long"
	}
	local, domain, ok := strings.Cut(raw, "@")
	if !ok || !localForm.MatchString(local) {
		return "", "bad_format"
	}
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil {
		return "", "bad_format"
	}
	canonical = local + "@" + ascii
	switch {
	case len(canonical) > maxAddress, len(local) > maxLocal:
		return "", "too_long"
	case !domainForm.MatchString(ascii):
		return "", "bad_format"
	}
	return canonical, ""
}
