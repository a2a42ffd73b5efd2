package watch

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/pkg/names"
)

// Who knows a name can try birth years and fathers' names until a search is told something. The guard counts how often a
// name is asked for within a day, whatever year and father stand beside it, on all nodes together; it never looks at who
// is held, so that its answers and their timing say nothing of that.

const (
	attemptsKept = 24 * time.Hour
	sourceWindow = 10 * time.Minute
	sourcesKept  = 50_000
	dedupeBytes  = 8 // of a keyed hash, to join the alarms about one name
	easiest      = 16
	hardest      = 22 // about four million hashes: some seconds on a phone
	mostWords    = 12 // of one name; pkg/names looks at no more
)

// asking is a request that names someone.
type asking struct {
	names        []string
	proof        *Proof
	source       string
	staff        bool
	organisation uuid.UUID
}

// guard counts the request and says whether it may go on. A refusal (challenge_required, too_many) comes back as the first
// value, so that the caller commits what was counted. A request with the proof of its challenge was counted when it got the
// challenge, and is not counted again. Staff are counted and may raise the alarm, but are never stopped: a caller who cannot
// get through herself must get through by them.
func (p *Post) guard(ctx context.Context, tx *pg.Tx, a asking) (*fault.Error, error) {
	macs := p.nameMACs(a.names)
	counting := p.limits.NameFree > 0 || p.limits.NameAlarm > 0 || p.limits.NameMost > 0
	if !counting && p.limits.SourceFree <= 0 {
		return nil, nil
	}
	if err := lockNames(ctx, tx, macs); err != nil {
		return nil, err
	}
	proven, err := p.spend(ctx, tx, a.proof, macs)
	if err != nil || proven {
		return nil, err
	}
	var t tally
	if counting {
		if t, err = p.count(ctx, tx, macs, a); err != nil {
			return nil, err
		}
	}
	switch {
	case a.staff:
		return nil, nil
	case len(t.full) > 0:
		wait, err := p.untilFree(ctx, tx, t.full)
		return fault.Limited(wait), err
	case p.limits.NameFree > 0 && t.most > p.limits.NameFree:
		return p.challenge(tx.Now, macs, difficulty(t.most, p.limits.NameFree))
	case a.source != "" && p.sources.over(p.sourceKey(a.source, tx.Now), p.limits.SourceFree, tx.Now):
		return p.challenge(tx.Now, macs, easiest)
	}
	return nil, nil
}

// difficulty grows by one bit each time the count doubles past what is free.
func difficulty(count, free int) int {
	return min(easiest+bits.Len(uint((count-1)/free))-1, hardest)
}

// nameMACs gives keyed hashes of the names asked for, sorted and distinct. The first form, the name itself, is always among
// them; another that cannot be read as a name is left out, since all such would count as one.
func (p *Post) nameMACs(forms []string) [][]byte {
	var out [][]byte
	for i, f := range forms {
		if c := canonical(f); c != "" || i == 0 {
			out = append(out, p.ring.MAC(seal.ForName, []byte(c)))
		}
	}
	slices.SortFunc(out, bytes.Compare)
	return slices.CompactFunc(out, bytes.Equal)
}

// canonical brings the writings of one name to one text: a key for each word that does not mind spelling, script or
// nickname, in no order. A father's name is left out where two words remain: it is one of the facts that are tried.
func canonical(name string) string {
	words := nameWords(name)
	var all, own []string
	for _, w := range words {
		n := names.Parse(w)
		keys := n.WordKeys()
		if len(keys) == 0 {
			continue // an initial
		}
		key := string(keys[0]) + "/" + vowels(w)
		for _, k := range keys {
			// A key of equivalents (Александр, Саша) covers more writings than one of sounds; of several, always the same.
			if s := string(k); strings.HasPrefix(s, equivalents) && (!strings.HasPrefix(key, equivalents) || s < key) {
				key = s
			}
		}
		all = append(all, key)
		if !n.HasPatronymic() {
			own = append(own, key)
		}
	}
	if len(own) < 2 {
		own = all
	}
	slices.Sort(own)
	return strings.Join(slices.Compact(own), "|")
}

const equivalents = "W:="

// vowels is the first two vowels of a word and where consonants stand, as far as spellings agree about them. The key of
// sounds holds consonants alone: by itself it would count Ахметов Арман, Хамитов Армен and hundreds more as one name, and
// on a day of 120,000 searches refuse families for each other's sake.
func vowels(word string) string {
	var out []byte
	add := func(b byte) {
		last := len(out) - 1
		switch {
		case last >= 0 && out[last] == b:
		case last >= 0 && out[last] == 'i' && b != '.': // я is ya and ia, ю yu and iu
			if out[last] = b; last > 0 && out[last-1] == b {
				out = out[:last] // Аягөз, Ayagoz
			}
		default:
			out = append(out, b)
		}
	}
	mixed := strings.ContainsFunc(word, func(r rune) bool { return unicode.Is(unicode.Cyrillic, r) })
	for _, r := range strings.ToLower(word) {
		switch {
		case strings.ContainsRune("аәяaäáəæ", r):
			add('a')
		case strings.ContainsRune("оөуұүюёўӯouöóøüúū", r), r == 'y' && mixed:
			add('o')
		case strings.ContainsRune("еэиіыйїєӣeiyıéëėý", r):
			add('i')
		case unicode.IsLetter(r) && r != 'ь' && r != 'ъ':
			add('.')
		}
	}
	seen := 0
	for i, b := range out {
		if b != '.' {
			seen++
		}
		if seen == 2 {
			return string(out[:i+1])
		}
	}
	return strings.TrimRight(string(out), ".")
}

// nameWords splits as names are written: at whatever is no letter, mark or apostrophe, and before a capital inside a word
// (АхметовАрман). A full stop stays with its word: it tells an initial. A father's name in two words (Серік ұлы) is one.
func nameWords(name string) []string {
	var out []string
	from, small := -1, 0
	flush := func(to int) {
		if from >= 0 && len(out) < mostWords {
			out = append(out, name[from:to])
		}
		from, small = -1, 0
	}
	for i, r := range name {
		switch {
		case unicode.IsLetter(r) && small >= 3 && unicode.IsUpper(r):
			flush(i)
			from = i
		case unicode.IsLetter(r):
			if from < 0 {
				from = i
			}
			if unicode.IsLower(r) {
				small++
			}
		case from >= 0 && r == '.':
			flush(i + 1)
		case from >= 0 && (unicode.IsMark(r) || strings.ContainsRune("'`’‘ʼʹʻ´′", r)):
		default:
			flush(i)
		}
	}
	flush(len(name))
	return joinFathers(out)
}

func joinFathers(words []string) []string {
	var out []string
	for _, w := range words {
		last := len(out) - 1
		if last >= 0 && names.Parse(w).Words() == 1 && names.Parse(out[last]).Words() == 1 && names.Parse(out[last]+" "+w).Words() == 1 {
			out[last] += " " + w
			continue
		}
		out = append(out, w)
	}
	return out
}

// lockNames makes requests for one name follow each other until they commit: side by side, each would see the count before
// the others. The order is the same for all, so that two requests with several names cannot wait for each other.
func lockNames(ctx context.Context, tx *pg.Tx, macs [][]byte) error {
	keys := make([]int64, len(macs))
	for i, m := range macs {
		keys[i] = int64(binary.BigEndian.Uint64(m))
	}
	slices.Sort(keys)
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(k) from unnest($1::bigint[]) k", keys); err != nil {
		return fmt.Errorf("lock names: %w", err)
	}
	return nil
}

// tally is how often the names of one request were asked for within the day.
type tally struct {
	most int      // the highest count, this request included
	hot  []byte   // whose it is
	full [][]byte // names whose limit is reached
}

// count counts the request and raises the alarm. What is refused is not counted, so that a stranger's persistence does not
// keep a family out for longer than the day; the alarm sounds for it all the same.
func (p *Post) count(ctx context.Context, tx *pg.Tx, macs [][]byte, a asking) (tally, error) {
	t, err := p.countNames(ctx, tx, macs)
	if err != nil {
		return t, err
	}
	if len(t.full) == 0 || a.staff {
		t.most++
		if err := addAttempts(ctx, tx, macs); err != nil {
			return t, err
		}
	}
	if p.limits.NameAlarm <= 0 || t.most < p.limits.NameAlarm {
		return t, nil
	}
	return t, alert.Raise(ctx, tx, alert.News{Organisation: a.organisation, Kind: alert.Guessing, Dedupe: hex.EncodeToString(t.hot[:dedupeBytes])})
}

func (p *Post) countNames(ctx context.Context, tx *pg.Tx, macs [][]byte) (tally, error) {
	t := tally{most: -1}
	rows, err := tx.Query(ctx, `select m.mac, count(a.id) from unnest($1::bytea[]) m(mac)
		left join search_attempts a on a.name_mac = m.mac and a.at > $2 group by m.mac order by m.mac`, macs, tx.Now.Add(-attemptsKept))
	if err != nil {
		return t, fmt.Errorf("count attempts: %w", err)
	}
	var mac []byte
	var n int
	_, err = pgx.ForEachRow(rows, []any{&mac, &n}, func() error {
		if n > t.most {
			t.most, t.hot = n, bytes.Clone(mac)
		}
		if p.limits.NameMost > 0 && n >= p.limits.NameMost {
			t.full = append(t.full, bytes.Clone(mac))
		}
		return nil
	})
	if err != nil {
		return t, fmt.Errorf("count attempts: %w", err)
	}
	return t, nil
}

func addAttempts(ctx context.Context, tx *pg.Tx, macs [][]byte) error {
	ids := make([]uuid.UUID, len(macs))
	for i := range ids {
		ids[i] = uuid.New()
	}
	if _, err := tx.Exec(ctx, "insert into search_attempts (id, name_mac, at) select i.id, i.mac, $3 from unnest($1::uuid[], $2::bytea[]) i(id, mac)",
		ids, macs, tx.Now); err != nil {
		return fmt.Errorf("add attempts: %w", err)
	}
	return nil
}

// untilFree is how long until all these names are below their limit again.
func (p *Post) untilFree(ctx context.Context, tx *pg.Tx, full [][]byte) (time.Duration, error) {
	var wait time.Duration
	for _, mac := range full {
		var at time.Time
		err := tx.QueryRow(ctx, "select at from search_attempts where name_mac = $1 and at > $2 order by at desc offset $3 limit 1",
			mac, tx.Now.Add(-attemptsKept), p.limits.NameMost-1).Scan(&at)
		if err != nil {
			return 0, fmt.Errorf("read attempts: %w", err)
		}
		wait = max(wait, at.Add(attemptsKept).Sub(tx.Now))
	}
	return wait, nil
}

// sources counts requests by origin, in this process and nowhere else. Two generations bound it: at sourcesKept origins
// the older half is forgotten, which gives those origins a fresh start and nobody a disadvantage.
type sources struct {
	mu       sync.Mutex
	now, old map[[8]byte]*bucket
}

// bucket refills steadily; full it holds as many requests as are free in a window.
type bucket struct {
	tokens float64
	at     time.Time
}

func newSources() *sources { return &sources{now: map[[8]byte]*bucket{}} }

// sourceKey hides the origin even from who reads this process's memory on another day.
func (p *Post) sourceKey(source string, now time.Time) (key [8]byte) {
	copy(key[:], p.ring.MAC(seal.ForSource, []byte(source), []byte(now.UTC().Format(time.DateOnly))))
	return key
}

// over takes one request from the origin's bucket and tells whether it was empty.
func (s *sources) over(key [8]byte, free int, now time.Time) bool {
	if free <= 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.now[key]
	if b == nil {
		if b = s.old[key]; b == nil {
			b = &bucket{tokens: float64(free), at: now}
		}
		if len(s.now) >= sourcesKept {
			s.old, s.now = s.now, map[[8]byte]*bucket{}
		}
		s.now[key] = b
	}
	if passed := now.Sub(b.at); passed > 0 {
		b.tokens, b.at = min(float64(free), b.tokens+passed.Seconds()*float64(free)/sourceWindow.Seconds()), now
	}
	if b.tokens < 1 {
		return true
	}
	b.tokens--
	return false
}
