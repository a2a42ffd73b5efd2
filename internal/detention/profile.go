package detention

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/pkg/names"
)

// Profile is everything about the person; it is sealed as one field.
type Profile struct {
	Name        string                     `json:"name,omitempty"`
	AlsoKnownAs []string                   `json:"also_known_as,omitempty"`
	Description string                     `json:"description,omitempty"`
	BirthYear   int                        `json:"birth_year,omitempty"`
	Sex         string                     `json:"sex,omitempty"`
	TakenAt     *time.Time                 `json:"taken_at,omitempty"`
	Source      string                     `json:"source,omitempty"`
	Citizenship string                     `json:"citizenship,omitempty"`
	Needs       []string                   `json:"needs,omitempty"`
	Note        string                     `json:"note,omitempty"`
	ReportedBy  string                     `json:"reported_by,omitempty"`
	Disclosure  Disclosure                 `json:"disclosure"`
	Consent     Consent                    `json:"consent"`
	DoNotTell   []string                   `json:"do_not_tell,omitempty"`
	AsGiven     map[string]json.RawMessage `json:"as_given,omitempty"`
	Canary      bool                       `json:"canary,omitempty"`
	// Origin is a keyed hash of what was first submitted, to tell a repeat from other content under the same client_id.
	Origin []byte `json:"origin,omitempty"`

	child bool // another record of the same person says so
}

// Consent of the person to be recorded. Without it the ground is the Law on Personal Data 94-V, art. 9(5): protection of
// constitutional rights when consent cannot be obtained.
type Consent struct {
	Status string     `json:"status"`
	At     *time.Time `json:"at,omitempty"`
	Basis  string     `json:"basis,omitempty"`
}

// withoutConsent is the ground that is recorded when the reporter gives none.
const withoutConsent = "94-V art. 9(5)"

// whole fills in what the reporter left out.
func (c *Consent) whole() Consent {
	if c == nil {
		return Consent{Status: "not_asked", Basis: withoutConsent}
	}
	out := *c
	if out.Basis == "" && out.Status != "asked" {
		out.Basis = withoutConsent
	}
	if out.At != nil {
		at := out.At.UTC()
		out.At = &at
	}
	return out
}

func (c *Consent) check(at string) []fault.Field {
	if c == nil || slices.Contains([]string{"asked", "not_asked", "refused"}, c.Status) {
		return nil
	}
	return []fault.Field{{Pointer: at + "/consent/status", Code: "not_allowed"}}
}

// Person is what matching compares: the name as given and every other form (names.People).
func (p Profile) Person() names.Person {
	return names.People(p.BirthYear, append([]string{p.Name}, p.AlsoKnownAs...)...)
}

const adult = 18

// Minor tells whether the person may be under eighteen at that time. Only the year is known, so the year in which someone
// turns eighteen counts as minor: the safe side for a child. A year that could not be read may be an age ("16 лет").
func (p Profile) Minor(now time.Time) bool {
	if p.child {
		return true
	}
	if p.BirthYear == 0 {
		return slices.ContainsFunc(numbers(string(p.AsGiven["birth_year"])), func(s string) bool {
			n, err := strconv.Atoi(s)
			return err == nil && len(s) <= 2 && n <= adult
		})
	}
	return now.In(zone).Year()-p.BirthYear <= adult
}

func numbers(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// Facts are the tolerant ones: any string or number, as the phone sent it.
type Facts struct {
	BirthYear, Sex, TakenAt, Source, Citizenship, Needs json.RawMessage
}

// Warning says that an entry was kept, and what about it was not understood. With several_names, Spans are where each person stands
// in the name as it was sent: first character and the one after the last, in code points. It never carries what was sent.
type Warning struct {
	Pointer string
	Code    string
	Spans   [][2]int
}

// read puts the facts that can be read into the profile and keeps the others as given. pointer is where the entry stands.
func (f Facts) read(p *Profile, now time.Time, pointer string) []Warning {
	var warnings []Warning
	keep := func(field string, raw json.RawMessage, code string) {
		if p.AsGiven == nil {
			p.AsGiven = map[string]json.RawMessage{}
		}
		p.AsGiven[field] = raw
		warnings = append(warnings, Warning{Pointer: pointer + "/" + field, Code: code})
	}
	forget := func(field string) { delete(p.AsGiven, field) }
	for _, fact := range []struct {
		field string
		raw   json.RawMessage
		read  func(text string) string // gives a warning's code, or nothing
	}{
		{"birth_year", f.BirthYear, func(s string) string { return readYear(&p.BirthYear, s, now) }},
		{"sex", f.Sex, func(s string) string { return readWord(&p.Sex, s, sexes) }},
		{"taken_at", f.TakenAt, func(s string) string { return readTime(&p.TakenAt, s, now) }},
		{"source", f.Source, func(s string) string { return readWord(&p.Source, s, sources) }},
		{"citizenship", f.Citizenship, func(s string) string { return readCountry(&p.Citizenship, s) }},
	} {
		if given(fact.raw) {
			forget(fact.field)
			if code := fact.read(text(fact.raw)); code != "" {
				keep(fact.field, fact.raw, code)
			}
		}
	}
	if given(f.Needs) {
		forget("needs")
		if !readNeeds(&p.Needs, f.Needs) {
			keep("needs", f.Needs, "not_understood")
		}
	}
	return warnings
}

func given(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 0 && string(raw) != "null" && string(raw) != `""`
}

// text is a string's content, or a number as written.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return strings.TrimSpace(s)
	}
	return strings.TrimSpace(string(raw))
}

// Words of the field in the three languages, as hurried people write them.
var (
	sexes = map[string]string{"male": "male", "m": "male", "м": "male", "муж": "male", "мужской": "male", "ер": "male", "еркек": "male",
		"female": "female", "f": "female", "ж": "female", "жен": "female", "женский": "female", "әйел": "female", "айел": "female"}
	sources = map[string]string{"seen": "seen", "police_list": "police_list", "call": "call", "relative": "relative", "media": "media"}
	lands   = map[string]string{"kazakhstan": "KZ", "казахстан": "KZ", "қазақстан": "KZ", "рк": "KZ", "kz": "KZ", "kaz": "KZ",
		"россия": "RU", "рф": "RU", "rus": "RU", "кыргызстан": "KG", "киргизия": "KG", "узбекистан": "UZ", "таджикистан": "TJ"}
)

func readWord(to *string, s string, known map[string]string) string {
	if w, ok := known[strings.Trim(strings.ToLower(s), ". ")]; ok {
		*to = w
		return ""
	}
	return "not_understood"
}

func readCountry(to *string, s string) string {
	if readWord(to, s, lands) == "" {
		return ""
	}
	if u := strings.ToUpper(s); len(u) == 2 && u[0] >= 'A' && u[0] <= 'Z' && u[1] >= 'A' && u[1] <= 'Z' {
		*to = u
		return ""
	}
	return "not_understood"
}

// readYear takes 1990, "1990", "1990.0", "1990 г.р.", "12.03.1990": the one number that can be a birth year.
func readYear(to *int, s string, now time.Time) string {
	if f, err := strconv.ParseFloat(s, 64); err == nil && f == math.Trunc(f) && math.Abs(f) < 1e6 {
		s = strconv.Itoa(int(f))
	}
	found, year := 0, 0
	for _, digits := range numbers(s) {
		if n, err := strconv.Atoi(digits); err == nil && len(digits) == 4 {
			found, year = found+1, n
		}
	}
	switch {
	case found != 1:
		return "not_understood"
	case year < now.Year()-120 || year > now.Year():
		return "year_out_of_range"
	}
	*to = year
	return ""
}

// zone is Kazakhstan's, one since 1 March 2024 (domain.md).
var zone = time.FixedZone("+05", 5*60*60)

// readTime takes RFC 3339, and the time or date as written in a corridor, in Kazakhstan's one zone.
func readTime(to **time.Time, s string, now time.Time) string {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "02.01.2006 15:04", "15:04"} {
		t, err := time.ParseInLocation(layout, s, zone)
		if err != nil {
			continue
		}
		if layout == "15:04" {
			today := now.In(zone)
			t = time.Date(today.Year(), today.Month(), today.Day(), t.Hour(), t.Minute(), 0, 0, zone)
			if t.After(now.Add(time.Hour)) {
				t = t.AddDate(0, 0, -1) // "23:40" written after midnight
			}
		}
		if t.After(now.Add(time.Hour)) {
			return "future_time"
		}
		if t.Before(now.Add(-maxBehind)) {
			return "past_time"
		}
		t = t.UTC()
		*to = &t
		return ""
	}
	return "not_understood"
}

// readNeeds takes what can be read, also when something beside it cannot: "asylum" in it decides who is told.
func readNeeds(to *[]string, raw json.RawMessage) (all bool) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		list = []json.RawMessage{raw}
	}
	all = true
	for _, item := range list {
		s := text(item)
		if s == "" || strings.ContainsAny(string(bytes.TrimSpace(item)[:1]), "{[") {
			all = false
			continue
		}
		*to = append(*to, s)
	}
	return all
}
