package detention

import "github.com/qorgau/qorgau/pkg/names"

// severalNames warns when a name reads as a list of people. The entry is kept as it was sent, for nothing logged is lost, and each of them
// is found by name (Profile.Person); but they share one record, so that each needs an entry of their own.
func severalNames(pointer, name string) []Warning {
	found := names.Split(name)
	if found == nil {
		return nil
	}
	w := Warning{Pointer: pointer, Code: "several_names", Spans: make([][2]int, len(found))}
	for i, s := range found {
		w.Spans[i][0], w.Spans[i][1] = s.Runes(name)
	}
	return []Warning{w}
}
