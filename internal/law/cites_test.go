package law

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What is cited is what the file's norm says, and what is of Kazakhstan comes first in every language.
func TestEveryObstructionIsCited(t *testing.T) {
	t.Parallel()
	number := regexp.MustCompile(`\d+(\(\d+\))*`)
	v := book(t).At(noon)
	for _, o := range v.Obstructions {
		norm := o.Norm
		if o.Code == "FORTRESS_PLAN" { // "Same as ENTRY_REFUSED"
			norm += v.Obstruction("ENTRY_REFUSED").Norm
		}
		for _, c := range o.Cites {
			for _, n := range number.FindAllString(c.Articles, -1) {
				if !strings.Contains(norm, n) {
					t.Errorf("%s: %s %s is not in %q", o.Code, c.Act.Code, n, norm)
				}
			}
		}
		if len(o.Cites) == 0 && o.Code != "RECORDING_BANNED" { // no norm was found for that one
			t.Errorf("%s cites nothing", o.Code)
		}
		for _, language := range []string{"kk", "ru", "en"} {
			treaty := false
			for _, q := range Quote(o.Cites, language) {
				is := slices.ContainsFunc(acts, func(a Act) bool { return a.Treaty && strings.HasPrefix(q, a.Name.In(language)) })
				if treaty && !is {
					t.Errorf("%s in %s: %q after a treaty", o.Code, language, q)
				}
				treaty = is
			}
		}
	}
	got := Quote(v.Obstruction("HOLDING_DENIED").Cites, "ru")
	want := []string{"УК РК, ст. 414(4)", "Закон РК № 353-I, ст. 7(4)", "Свод принципов ООН защиты задержанных, принц. 12, 16"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// An item's norm has acts that are named by remarks only (Istanbul Protocol, a seed text); every number that is cited stands in it.
func TestEveryItemIsCited(t *testing.T) {
	t.Parallel()
	number := regexp.MustCompile(`\d+(\(\d+\))*`)
	for _, i := range book(t).At(noon).Items {
		if len(i.Cites) == 0 {
			t.Errorf("%s cites nothing", i.Code)
		}
		for _, c := range i.Cites {
			for _, n := range number.FindAllString(c.Articles, -1) {
				if !strings.Contains(i.Norm, n) {
					t.Errorf("%s: %s %s is not in %q", i.Code, c.Act.Code, n, i.Norm)
				}
			}
		}
	}
}
