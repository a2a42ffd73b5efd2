package detention_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/detention"
)

// It is 14:00 on 22 November 2026 in Almaty.
func utc(text string) *time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return &t
}

func TestFactsAreTolerant(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	const year, sex, taken, source, land, needs = "birth_year", "sex", "taken_at", "source", "citizenship", "needs"
	for _, c := range []struct {
		field, raw string
		want       any    // what is read
		warning    string // or: kept as given with this code
		right      string // corrects it
		after      any
	}{
		{field: year, raw: `1990`, want: 1990},
		{field: year, raw: `"1990"`, want: 1990},
		{field: year, raw: `1990.0`, want: 1990},
		{field: year, raw: `1.99e3`, want: 1990},
		{field: year, raw: `" 1990 г.р."`, want: 1990},
		{field: year, raw: `"12.03.1990"`, want: 1990},
		{field: year, raw: `null`, want: 0},
		{field: year, raw: `""`, want: 0},
		{field: year, raw: `"около 30"`, warning: "not_understood", right: `1991`, after: 1991},
		{field: year, raw: `1990.5`, want: 1990}, // as some write May of that year
		{field: year, raw: `"1990 или 1991"`, warning: "not_understood", right: `1991`, after: 1991},
		{field: year, raw: `2999`, warning: "year_out_of_range", right: `1999`, after: 1999},
		{field: year, raw: `1066`, warning: "year_out_of_range", right: `null`, after: 0},
		{field: year, raw: `1e999`, warning: "not_understood", right: `1991`, after: 1991},
		{field: year, raw: `-5`, warning: "not_understood", right: `1991`, after: 1991},

		{field: sex, raw: `"male"`, want: "male"},
		{field: sex, raw: `"жен"`, want: "female"},
		{field: sex, raw: `"Жен."`, want: "female"},
		{field: sex, raw: `"ер"`, want: "male"},
		{field: sex, raw: `"Әйел"`, want: "female"},
		{field: sex, raw: `1`, warning: "not_understood", right: `"ж"`, after: "female"},
		{field: sex, raw: `"не знаю"`, warning: "not_understood", right: `null`, after: ""},

		{field: taken, raw: `"2026-11-22T10:15:00+05:00"`, want: utc("2026-11-22T05:15:00Z")},
		{field: taken, raw: `"22.11.2026 10:15"`, want: utc("2026-11-22T05:15:00Z")},
		{field: taken, raw: `"10:15"`, want: utc("2026-11-22T05:15:00Z")},
		{field: taken, raw: `"23:40"`, want: utc("2026-11-21T18:40:00Z")}, // of the night before
		{field: taken, raw: `"2027-01-01T00:00:00Z"`, warning: "future_time", right: `"10:15"`, after: utc("2026-11-22T05:15:00Z")},
		{field: taken, raw: `"2006-11-22T05:15:00Z"`, warning: "past_time", right: `"10:15"`, after: utc("2026-11-22T05:15:00Z")},
		{field: taken, raw: `"после обеда"`, warning: "not_understood", right: `null`, after: (*time.Time)(nil)},
		{field: taken, raw: `1763800000`, warning: "not_understood", right: `"10:15"`, after: utc("2026-11-22T05:15:00Z")},

		{field: source, raw: `"seen"`, want: "seen"},
		{field: source, raw: `"Police_list"`, want: "police_list"},
		{field: source, raw: `"сосед"`, warning: "not_understood", right: `"call"`, after: "call"},

		{field: land, raw: `"РК"`, want: "KZ"},
		{field: land, raw: `"kz"`, want: "KZ"},
		{field: land, raw: `"de"`, want: "DE"},
		{field: land, raw: `"узбек"`, warning: "not_understood", right: `"UZ"`, after: "UZ"},
		{field: land, raw: `398`, warning: "not_understood", right: `"KZ"`, after: "KZ"},

		{field: needs, raw: `["medical","insulin"]`, want: []string{"medical", "insulin"}},
		{field: needs, raw: `"medical"`, want: []string{"medical"}},
		{field: needs, raw: `["[срочно] врач", 3]`, want: []string{"[срочно] врач", "3"}},
		{field: needs, raw: `[]`, want: []string(nil)},
		{field: needs, raw: `{"what":"insulin"}`, warning: "not_understood", right: `["insulin"]`, after: []string{"insulin"}},
		{field: needs, raw: `[{"a":1}]`, warning: "not_understood", right: `null`, after: []string(nil)},
	} {
		e := detention.Entry{ClientID: uuid.New(), Name: "Ким Виктория", Facts: fact(c.field, c.raw)}
		r := f.record(p, f.almaly, e)[0]
		d := f.get(p, r.DetentionID)
		if c.warning == "" {
			if got := read(d, c.field); !reflect.DeepEqual(got, c.want) || len(d.AsGiven) != 0 || len(r.Warnings) != 0 {
				t.Errorf("%s %s: read as %v, kept %s, warnings %v", c.field, c.raw, got, d.AsGiven, r.Warnings)
			}
			continue
		}
		if !slices.Equal(warned(r), []string{"/detainees/0/" + c.field + " " + c.warning}) || !sameJSON(d.AsGiven[c.field], c.raw) || !reflect.ValueOf(read(d, c.field)).IsZero() {
			t.Errorf("%s %s: warnings %v, kept %s, read as %v", c.field, c.raw, r.Warnings, d.AsGiven, read(d, c.field))
		}
		f.correct(p, d.ID, detention.Correction{Revision: 1, Facts: fact(c.field, c.right)})
		d = f.get(p, d.ID)
		if got := read(d, c.field); !reflect.DeepEqual(got, c.after) || len(d.AsGiven) != 0 || d.Revision != 2 {
			t.Errorf("%s %s corrected to %s: read as %v, kept %s, revision %d", c.field, c.raw, c.right, got, d.AsGiven, d.Revision)
		}
	}
}

func fact(field, raw string) detention.Facts {
	var f detention.Facts
	*map[string]*json.RawMessage{"birth_year": &f.BirthYear, "sex": &f.Sex, "taken_at": &f.TakenAt, "source": &f.Source,
		"citizenship": &f.Citizenship, "needs": &f.Needs}[field] = json.RawMessage(raw)
	return f
}

func read(d detention.Detention, field string) any {
	return map[string]any{"birth_year": d.BirthYear, "sex": d.Sex, "taken_at": d.TakenAt, "source": d.Source, "citizenship": d.Citizenship, "needs": d.Needs}[field]
}

func sameJSON(a json.RawMessage, b string) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return string(a) == b
	}
	return reflect.DeepEqual(x, y)
}

// One unreadable fact must not hide another that protects.
func TestWhoIsProtectedWhenFactsCannotBeRead(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	for raw, asylum := range map[string]bool{`["asylum"]`: true, `"Asylum seeker"`: true, `["просит убежища"]`: true, `["беженец"]`: true, `["босқын"]`: true,
		`[{"x":1},"asylum"]`: true, `["insulin"]`: false} {
		d := f.get(p, f.one(p, f.almaly, detention.Entry{Name: "Маматов Азиз", Facts: fact("needs", raw)}))
		if d.Asylum() != asylum {
			t.Errorf("%s: asylum %t", raw, d.Asylum())
		}
	}
	for raw, minor := range map[string]bool{`2008`: true, `2007`: false, `2012`: true, `"16 лет"`: true, `17`: true, `"05.06.09"`: true, `"около 30"`: false,
		`2999`: false, `"не знаю"`: false, `null`: false} {
		d := f.get(p, f.one(p, f.almaly, detention.Entry{Name: "Маматов Азиз", Facts: fact("birth_year", raw)}))
		if d.Minor(f.db.Now()) != minor {
			t.Errorf("%s: minor %t", raw, d.Minor(f.db.Now()))
		}
	}
}

// What was kept as given may itself be corrected to something that cannot be read either.
func TestAnUnreadableFactForAnother(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	id := f.one(p, f.almaly, detention.Entry{Name: "Ким Виктория", Facts: fact("birth_year", `"около 30"`)})
	d := f.correct(p, id, detention.Correction{Revision: 1, Facts: fact("birth_year", `"около 35"`)})
	if d.Revision != 2 || string(d.AsGiven["birth_year"]) != `"около 35"` {
		t.Errorf("revision %d, kept %s", d.Revision, d.AsGiven)
	}
	if d := f.correct(p, id, detention.Correction{Revision: 2, Facts: fact("birth_year", ` "около 35" `)}); d.Revision != 2 {
		t.Errorf("the same again made revision %d", d.Revision)
	}
	d = f.correct(p, id, detention.Correction{Revision: 2, Facts: fact("birth_year", `1991`)})
	d = f.correct(p, id, detention.Correction{Revision: d.Revision, Facts: fact("birth_year", `"за 30"`)})
	if d.BirthYear != 0 || string(d.AsGiven["birth_year"]) != `"за 30"` {
		t.Errorf("year %d, kept %s", d.BirthYear, d.AsGiven)
	}
}

func TestConsentAndItsGround(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	at := utc("2026-11-22T08:00:00Z").In(time.FixedZone("", 5*60*60))
	for _, c := range []struct{ given, want detention.Consent }{
		{detention.Consent{Status: "refused"}, detention.Consent{Status: "refused", Basis: "94-V art. 9(5)"}},
		{detention.Consent{Status: "asked", At: &at}, detention.Consent{Status: "asked", At: utc("2026-11-22T08:00:00Z")}},
		{detention.Consent{Status: "not_asked", Basis: "своими словами"}, detention.Consent{Status: "not_asked", Basis: "своими словами"}},
	} {
		id := f.one(p, f.almaly, detention.Entry{Name: "Ким Виктория", Consent: &c.given})
		if d := f.get(p, id); !reflect.DeepEqual(d.Consent, c.want) {
			t.Errorf("%+v: recorded %+v", c.given, d.Consent)
		}
		if d := f.correct(p, id, detention.Correction{Revision: 1, Consent: &c.given}); d.Revision != 1 {
			t.Errorf("%+v: the same again is a change", c.given)
		}
	}
}
