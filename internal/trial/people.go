package trial

import "strings"

// person is somebody whom nobody else resembles: of two numbers below 274,625 neither surname nor given name is the same.
func person(seed uint64, n int) string {
	const all = 65 * 65 * 65
	n += int(seed%1000) * 200
	word := func(n int) string {
		var b strings.Builder
		for range 3 {
			b.WriteString([]string{"б", "г", "д", "ж", "з", "к", "л", "м", "н", "п", "р", "с", "т"}[n%13])
			b.WriteString([]string{"а", "о", "у", "и", "е"}[n/13%5])
			n /= 65
		}
		s := b.String()
		return strings.ToUpper(s[:2]) + s[2:]
	}
	return word(n*48271%all) + "ров " + word((n*69621+17)%all) + "н"
}
