package email

import (
	"strings"
	"testing"
)

func TestAddressesHaveOneForm(t *testing.T) {
	t.Parallel()
	long := strings.Repeat(strings.Repeat("b", 61)+".", 3) + "kz"
	for raw, want := range map[string]struct{ canonical, code string }{
		"a@b.kz":                               {"a@b.kz", ""},
		" a@b.kz\n":                            {"a@b.kz", ""},
		"Ana.B+c@Mail.KZ":                      {"Ana.B+c@mail.kz", ""},
		"o'neil_1@a-b.co.uk":                   {"o'neil_1@a-b.co.uk", ""},
		"info@пошта.укр":                       {"info@xn--80a1acn3a.xn--j1amh", ""},
		"info@ПОШТА.УКР":                       {"info@xn--80a1acn3a.xn--j1amh", ""},
		"info@хабар.қаз":                       {"info@xn--80aac5dva.xn--80ao21a", ""},
		"a@xn--80ao21a.kz":                     {"a@xn--80ao21a.kz", ""},
		"a@b。kz":                               {"a@b.kz", ""}, // as a phone's keyboard gives it
		"":                                     {"", "required"},
		" \t":                                  {"", "required"},
		"a":                                    {"", "bad_format"},
		"a@":                                   {"", "bad_format"},
		"@b.kz":                                {"", "bad_format"},
		"a@b":                                  {"", "bad_format"},
		"a@b.":                                 {"", "bad_format"},
		"a@b.kz.":                              {"", "bad_format"},
		"a@.kz":                                {"", "bad_format"},
		"a@b..kz":                              {"", "bad_format"},
		"a@-b.kz":                              {"", "bad_format"},
		"a@b_c.kz":                             {"", "bad_format"},
		"a@1.2.3.4":                            {"", "bad_format"},
		"a@[1.2.3.4]":                          {"", "bad_format"},
		"a@b@c.kz":                             {"", "bad_format"},
		".a@b.kz":                              {"", "bad_format"},
		"a.@b.kz":                              {"", "bad_format"},
		"a..b@c.kz":                            {"", "bad_format"},
		"a b@c.kz":                             {"", "bad_format"},
		"a@b.kz, c@d.kz":                       {"", "bad_format"},
		"a@b.kz;c@d.kz":                        {"", "bad_format"},
		"<a@b.kz>":                             {"", "bad_format"},
		"Ana <a@b.kz>":                         {"", "bad_format"},
		`"a b"@c.kz`:                           {"", "bad_format"},
		"әке@b.kz":                             {"", "bad_format"},
		"a@b.kz\r\nBcc: c@d.kz":                {"", "bad_format"},
		"a\x00@b.kz":                           {"", "bad_format"},
		"a@xn--a.kz":                           {"", "bad_format"},
		"a@b.kz?cc=c@d.kz":                     {"", "bad_format"},
		"a\u200b@b.kz":                         {"", "bad_format"},
		"mailto:a@b.kz":                        {"", "bad_format"},
		"a@" + long:                            {"a@" + long, ""},
		"a@b." + long + "." + long:             {"", "too_long"},
		strings.Repeat("a", 65) + "@b.kz":      {"", "too_long"},
		strings.Repeat("a", 64) + "@" + long:   {strings.Repeat("a", 64) + "@" + long, ""},
		strings.Repeat("a", 255):               {"", "too_long"},
		strings.Repeat("ж", 254):               {"", "bad_format"},
		"a@" + strings.Repeat("b", 64) + ".kz": {"", "bad_format"},
		"a@" + strings.Repeat("әіңғүұқ.", 20) + "қаз": {"", "too_long"},
	} {
		canonical, code := Normalise(raw)
		if canonical != want.canonical || code != want.code {
			t.Errorf("%.60q: %q, %q, want %q, %q", raw, canonical, code, want.canonical, want.code)
		}
		if code != "" {
			continue
		}
		if again, code := Normalise(canonical); again != canonical || code != "" {
			t.Errorf("%q is no fixed point: %q, %q", canonical, again, code)
		}
	}
}
