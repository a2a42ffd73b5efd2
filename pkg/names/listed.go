package names

import "strings"

// ListedName is a word of the shipped lists, as it is written in Kazakh or Russian Cyrillic, or in Latin letters.
type ListedName struct {
	Text    string
	Surname bool // else a given name
	Female  bool
}

// Listed gives the shipped list of given names and surnames: for those who make people up.
func Listed() []ListedName {
	var out []ListedName
	for i, line := range strings.Split(lexiconTSV, "\n") {
		f := strings.Split(strings.TrimRight(line, "\r"), "\t")
		if i == 0 || len(f) < 4 {
			continue
		}
		out = append(out, ListedName{Text: f[0], Surname: f[1] == "surname", Female: f[2] == "f"})
	}
	return out
}
