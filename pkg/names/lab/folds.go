package lab

import (
	"hash/fnv"
)

// halves splits pairs in two so that no person stands on both sides: people who meet in a pair stay together.
func halves(pairs []Pair) map[string]bool {
	root := map[string]string{}
	var find func(p string) string
	find = func(p string) string {
		r, there := root[p]
		if !there || r == p {
			root[p] = p
			return p
		}
		r = find(r)
		root[p] = r
		return r
	}
	for i := range pairs {
		a, b := find(pairs[i].QueryPerson), find(pairs[i].TargetPerson)
		root[max(a, b)] = min(a, b)
	}
	out := make(map[string]bool, len(pairs))
	for i := range pairs {
		h := fnv.New32a()
		_, _ = h.Write([]byte(find(pairs[i].QueryPerson)))
		out[pairs[i].ID] = h.Sum32()>>8&1 == 1
	}
	return out
}
