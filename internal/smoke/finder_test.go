package smoke_test

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	octets "encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/qorgau/qorgau/internal/push/sms/gsm7"
)

// mark is a value that was put in somewhere and must come out nowhere.
type mark struct {
	way   string // how it was put in
	whole string // the value
	word  string // the part of it that nothing else holds
}

// forms are the writings of a value that give it away: as it is, escaped, encoded, or as a hash that a list of names would
// find again.
func (m mark) forms() map[string][]string {
	out := map[string][]string{}
	add := func(form string, texts ...string) {
		for _, s := range texts {
			if len(s) >= shortest && !slices.Contains(out[form], s) {
				out[form] = append(out[form], s)
			}
		}
	}
	add("plain", m.word)
	add("lower case", strings.ToLower(m.word))
	add("upper case", strings.ToUpper(m.word))
	if latin := gsm7.Latin(m.word); latin != m.word { // as an SMS writes it
		add("Latin", latin, strings.ToLower(latin), strings.ToUpper(latin))
	}
	for _, s := range []string{m.word, strings.ToLower(m.word)} {
		add(`\u-escaped`, escaped(s, "%04x"), escaped(s, "%04X"))
		add("URL-encoded", url.QueryEscape(s), strings.ToLower(url.QueryEscape(s)))
		add("hex", hex.EncodeToString([]byte(s)), strings.ToUpper(hex.EncodeToString([]byte(s))))
		add("base64", base64s([]byte(s))...)
		add("UTF-16", utf16s(s)...)
	}
	hashed := []string{m.word, strings.ToLower(m.word), strings.ToUpper(m.word), m.whole, strings.ToLower(m.whole), strings.ToUpper(m.whole)}
	for _, s := range hashed {
		s256, s1, m5 := sha256.Sum256([]byte(s)), sha1.Sum([]byte(s)), md5.Sum([]byte(s))
		for form, sum := range map[string][]byte{"SHA-256": s256[:], "SHA-1": s1[:], "MD5": m5[:]} {
			add(form, string(sum), hex.EncodeToString(sum), strings.ToUpper(hex.EncodeToString(sum)),
				base64.RawStdEncoding.EncodeToString(sum), base64.RawURLEncoding.EncodeToString(sum))
		}
	}
	return out
}

func escaped(s, digits string) string {
	var b strings.Builder
	for _, r := range s {
		if r < 0x80 {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u`+digits, r)
		}
	}
	return b.String()
}

// base64s are the bytes in base64 wherever they stand in what is encoded: without the first and last characters, which
// depend on the neighbours.
func base64s(b []byte) []string {
	var out []string
	for before := range 3 {
		padded := append(make([]byte, before), b...)
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			text := e.EncodeToString(padded)
			from, to := (before*8+5)/6, len(padded)*8/6
			out = append(out, text[from:to])
		}
	}
	return out
}

func utf16s(s string) []string {
	var little, big []byte
	for _, u := range utf16.Encode([]rune(s)) {
		little, big = octets.LittleEndian.AppendUint16(little, u), octets.BigEndian.AppendUint16(big, u)
	}
	return []string{string(little), string(big)}
}

// shortest is how long a writing must be to be looked for: shorter ones stand in random bytes by chance.
const shortest = 7

// finder looks for many writings in one pass.
type finder struct {
	marks   []mark
	forms   map[string]bool
	wanted  map[uint32][]wanted // by the first four bytes
	maybe   []bool
	sinks   map[string]int
	bytes   int
	spared  map[string]string // word → a sink where it belongs
	reports []string
	found   map[string]bool // way + form, for the self-check
}

// everywhere spares a mark that is left behind on purpose.
const everywhere = "everywhere"

type wanted struct {
	text, way, form, word string
}

func newFinder() *finder {
	return &finder{forms: map[string]bool{}, wanted: map[uint32][]wanted{}, maybe: make([]bool, 1<<20), sinks: map[string]int{}, spared: map[string]string{}, found: map[string]bool{}}
}

func spot(b uint32) uint32 { return b * 2654435761 >> 12 }

// look makes the finder look for a mark, in all forms or (none given) the named ones.
func (f *finder) look(m mark, only ...string) {
	f.marks = append(f.marks, m)
	forms := m.forms()
	for _, form := range slices.Sorted(maps.Keys(forms)) {
		if len(only) > 0 && !slices.Contains(only, form) {
			continue
		}
		f.forms[form] = true
		for _, text := range forms[form] {
			head := octets.LittleEndian.Uint32([]byte(text))
			f.wanted[head] = append(f.wanted[head], wanted{text, m.way, form, m.word})
			f.maybe[spot(head)] = true
		}
	}
}

// search goes through one piece of a sink. Pieces of a sink are counted together.
func (f *finder) search(sink, piece string, data []byte) {
	f.sinks[sink] += len(data)
	f.bytes += len(data)
	for i := 0; i+4 <= len(data); i++ {
		head := octets.LittleEndian.Uint32(data[i:])
		if !f.maybe[spot(head)] {
			continue
		}
		for _, w := range f.wanted[head] {
			if len(data)-i < len(w.text) || string(data[i:i+len(w.text)]) != w.text {
				continue
			}
			f.found[sink+"|"+w.way+"|"+w.form] = true
			if spared := f.spared[w.word]; spared == sink || spared == everywhere || len(f.reports) > 200 {
				continue
			}
			f.reports = append(f.reports, fmt.Sprintf("%s (%s): %s of what was put in as %s: …%q…", sink, piece, w.form, w.way, data[max(0, i-60):min(len(data), i+len(w.text)+30)]))
		}
	}
}
