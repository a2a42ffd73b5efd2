package names

import "strings"

// People makes one Person of all forms of a name, as they were written. Of a list that was put where one name should be, each of the people is
// a form, so that nobody on it is missed until someone has taken it apart; forms without words are left out.
func People(birthYear int, forms ...string) Person {
	p := Person{BirthYear: birthYear}
	for _, f := range forms {
		several := Split(f)
		p.Several = p.Several || several != nil
		for _, s := range several {
			p.Names = append(p.Names, Parse(f[s.From:s.To]))
		}
		if several != nil || strings.TrimSpace(f) == "" {
			continue
		}
		if n := Parse(f); n.words > 0 {
			p.Names = append(p.Names, n)
		}
	}
	return p
}
