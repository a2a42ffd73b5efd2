package names

import "strings"

// A name typed with the keyboard left on its Latin layout ("bdfyjd" for Иванов) is read as if typed on the Russian one. Tried
// only when nothing in the name is recognised as it stands, and kept only when half its words are recognised then.

// layout is the Russian layout (ЙЦУКЕН) key by key over the Latin one, with the digits of the Kazakh layout (KZ, ҚР СТ 1048).
var layout = func() map[rune]rune {
	m := map[rune]rune{}
	from := []rune("qwertyuiop[]asdfghjkl;'zxcvbnm,.`")
	to := []rune("йцукенгшщзхъфывапролджэячсмитьбюё")
	for i, r := range from {
		m[r] = to[i]
	}
	for _, k := range []struct{ digit, letter rune }{
		{'2', 'ә'}, {'3', 'і'}, {'4', 'ң'}, {'5', 'ғ'}, {'8', 'ү'}, {'9', 'ұ'}, {'0', 'қ'}, {'-', 'ө'}, {'=', 'һ'},
		{'{', 'х'}, {'}', 'ъ'}, {':', 'ж'}, {'"', 'э'}, {'<', 'б'}, {'>', 'ю'}, {'~', 'ё'},
	} {
		m[k.digit] = k.letter
	}
	return m
}()

// layoutSuspect reports whether s can be a name in the wrong layout: Latin letters, no others, and at least four of them.
func layoutSuspect(s string) bool {
	count := 0
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
			count++
		case r >= 0x80:
			return false
		}
	}
	return count >= 4
}

func retype(s string) string {
	return strings.Map(func(r rune) rune {
		if c, ok := layout[lower(r)]; ok {
			return c
		}
		return r
	}, s)
}
