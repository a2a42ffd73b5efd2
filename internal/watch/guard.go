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
	hardest      = 22  // about four million hashes: some seconds on a phone
	mostPairs    = 100 // of words in all forms of the name; each is a lock and a row
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
	counting := p.limits.NameFree > 0 || p.limits.NameAlarm > 0 || p.limits.NameMost > 0
	if !counting && p.limits.SourceFree <= 0 {
		return nil, nil
	}
	macs, err := p.nameMACs(a.names)
	if err != nil {
		return nil, err
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

// nameMACs gives keyed hashes of the names asked for, sorted and distinct. A form that cannot be read as a name is left out,
// since all such would count as one; when none can be read there is still one hash. Fault: invalid, when there are so many
// words that they would be a search for half a town.
func (p *Post) nameMACs(forms []string) ([][]byte, error) {
	var out [][]byte
	for _, f := range forms {
		for _, pair := range pairs(canonical(f)) {
			out = append(out, p.ring.MAC(seal.ForName, []byte(pair)))
		}
	}
	if out == nil {
		out = append(out, p.ring.MAC(seal.ForName, nil))
	}
	slices.SortFunc(out, bytes.Compare)
	out = slices.CompactFunc(out, bytes.Equal)
	if len(out) > mostPairs {
		return nil, fault.BadField("/name", "too_long")
	}
	return out, nil
}

// pairs gives each two of a name's words. Two are enough to find someone by, so that a third word that changes with each
// attempt (Ахметов-Иванов Арман, Ахметов-Петров Арман) must not make another name of them.
func pairs(words []string) []string {
	if len(words) == 1 {
		return words
	}
	var out []string
	for i, w := range words {
		for _, v := range words[i+1:] {
			out = append(out, w+"|"+v)
		}
	}
	return out
}

// canonical gives the words of a name, each as a key that does not mind spelling, script or nickname, sorted. A father's
// name is left out where two words remain: it is one of the facts that are tried.
func canonical(name string) []string {
	var all, own []string
	for _, w := range names.Parse(name).Each() {
		key := string(w.Keys[0]) + "/" + vowels(w.Sounds)
		for _, k := range w.Keys {
			// A key of equivalents (Александр, Саша) covers more writings than one of sounds; of several, always the same.
			if s := string(k); strings.HasPrefix(s, equivalents) && (!strings.HasPrefix(key, equivalents) || s < key) {
				key = s
			}
		}
		all = append(all, key)
		if !w.Patronymic {
			own = append(own, key)
		}
	}
	if len(own) < 2 {
		own = all
	}
	slices.Sort(own)
	return slices.Compact(own)
}

const equivalents = "W:="

// vowels is the first two vowels among a word's sounds and where consonants stand, as far as spellings agree about them.
// The key of sounds holds consonants alone: by itself it would count Ахметов Арман, Хамитов Армен and hundreds more as one
// name, and on a day of 120,000 searches refuse families for each other's sake.
func vowels(sounds string) string {
	var out []byte
	seen := 0
	for _, r := range sounds {
		b := byte('.')
		switch r {
		case 'a':
			b = 'a'
		case 'o', 'u':
			b = 'o'
		case 'e', 'i':
			b = 'i'
		case 'I':
			continue // я is ya and ia, ю yu and iu
		}
		if last := len(out) - 1; last >= 0 && out[last] == b {
			continue
		}
		out = append(out, b)
		if b != '.' {
			if seen++; seen == 2 {
				return string(out)
			}
		}
	}
	return strings.TrimRight(string(out), ".")
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

// suspected tells whether one of the names was asked for so often within the day that whoever asks may be trying facts.
// Nothing is refused for it: a stranger could keep families out that way. What such a search finds is told by a person.
func (p *Post) suspected(ctx context.Context, tx *pg.Tx, forms []string) (bool, error) {
	if p.limits.NameAlarm <= 0 {
		return false, nil
	}
	macs, err := p.nameMACs(forms)
	if err != nil {
		return false, err
	}
	t, err := p.countNames(ctx, tx, macs)
	return t.most >= p.limits.NameAlarm, err
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
