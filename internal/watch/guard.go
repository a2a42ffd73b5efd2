package watch

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/pkg/names"
)

// Who knows a name can try birth years and fathers' names until a search is told something. The guard counts how often a
// name is asked for within a day, however it is written and whatever year and father stand beside it, on all nodes together; it never
// looks at who is held, so that its answers and their timing say nothing of that.

const (
	sourceWindow = 10 * time.Minute
	sourcesKept  = 50_000
	easiest      = 16
	hardest      = 22  // about four million hashes: some seconds on a phone
	mostPairs    = 100 // of words in all forms of the name; each is looked for
)

// asking is a request that names someone.
type asking struct {
	names        []string
	proof        *Proof
	source       string
	staff        bool
	organisation uuid.UUID
}

// guarded is what the guard found.
type guarded struct {
	refused *fault.Error // challenge_required, too_many; nil: it may go on
	// suspected: the name was asked for so often within the day that whoever asks may be trying facts. Nothing is refused for it: a
	// stranger could keep families out that way. What such a search finds is told by a person.
	suspected bool
}

// guard counts the request and says whether it may go on. A refusal is no error, so that the caller commits what was counted. A
// request with the proof of its challenge was counted when it got the challenge, and is not counted again. Staff are counted and may
// raise the alarm, but are never stopped: a caller who cannot get through herself must get through by them.
func (p *Post) guard(ctx context.Context, tx *pg.Tx, a asking) (g guarded, err error) {
	counting := p.limits.NameFree > 0 || p.limits.NameAlarm > 0 || p.limits.NameMost > 0
	if !counting && p.limits.SourceFree <= 0 {
		return g, nil
	}
	asked := askedFor(a.names)
	if len(asked) > mostPairs {
		return g, fault.BadField("/name", "too_long")
	}
	var t tally
	if counting {
		if t, err = p.count(ctx, tx, asked); err != nil {
			return g, err
		}
	}
	proven, err := p.spend(ctx, tx, a.proof, p.boundTo(asked, t))
	if err != nil {
		return g, err
	}
	if counting && !proven {
		if t, err = p.add(ctx, tx, asked, a, t); err != nil {
			return g, err
		}
	}
	g.suspected = p.limits.NameAlarm > 0 && t.most >= p.limits.NameAlarm
	switch {
	case proven || a.staff:
	case t.wait > 0:
		g.refused = fault.Limited(t.wait)
	case p.limits.NameFree > 0 && t.most > p.limits.NameFree:
		g.refused, err = p.challenge(tx.Now, p.boundTo(asked, t), difficulty(t.most, p.limits.NameFree))
	case a.source != "" && p.sources.over(p.sourceKey(a.source, tx.Now), p.limits.SourceFree, tx.Now):
		g.refused, err = p.challenge(tx.Now, p.boundTo(asked, t), easiest)
	}
	return g, err
}

// difficulty grows by one bit each time the count doubles past what is free.
func difficulty(count, free int) int {
	return min(easiest+bits.Len(uint((count-1)/free))-1, hardest)
}

// askedFor gives each two own words of each form of the name, sorted and distinct; a name of one word gives that. Two are enough to
// find someone by, so that a third word that changes with each attempt (Ахметов-Иванов Арман, Ахметов-Петров Арман) must not make
// another name of them. And the form as it is, for what is seen in the whole only (the keyboard left on its Latin layout, an initial). What
// cannot be read as a name gives nothing.
func askedFor(forms []string) []string {
	var out []string
	for _, f := range forms {
		words, whole := ownWords(f)
		if n := names.Parse(f); n.Words() > 0 && (!whole || n.Retyped()) {
			out = append(out, strings.ToLower(f))
		}
		if len(words) == 1 {
			out = append(out, words[0])
		}
		for i, w := range words {
			for _, v := range words[i+1:] {
				out = append(out, w+" "+v)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ownWords are the words of a name without initials, and without the father's where two remain: he is one of the facts that are
// tried. A word can be two that were written together. whole says that they, and the father, are all there is of the name.
func ownWords(name string) (own []string, whole bool) {
	tokens := strings.FieldsFunc(strings.ToLower(split(name)), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !strings.ContainsRune("'’ʼ`", r)
	})
	var all []string
	joined := 0
	for i := 0; i < len(tokens); i++ {
		w := tokens[i]
		father := names.Parse(w).HasPatronymic()
		if !father && i+1 < len(tokens) && len([]rune(tokens[i+1])) <= longestSon && !names.Parse(tokens[i+1]).HasPatronymic() &&
			names.Parse(w+" "+tokens[i+1]).HasPatronymic() {
			father, w, i, joined = true, w+tokens[i+1], i+1, joined+1 // Серік ұлы
		}
		if names.Parse(w).Words() == 0 {
			continue
		}
		if all = append(all, w); !father {
			own = append(own, w)
		}
	}
	if len(own) < 2 && (len(own) == 0 || names.Parse(own[0]).Words() < 2) {
		own = all
	}
	slices.Sort(own)
	return slices.Compact(own), len(own) > 1 && len(all) == len(tokens)-joined
}

const longestSon = 5 // ұлы, қызы, uulu, kyzy

// split puts a space where two words were written together: АхметовАрман.
func split(name string) string {
	var out strings.Builder
	last := ' '
	for _, r := range name {
		if unicode.IsUpper(r) && unicode.IsLower(last) {
			out.WriteByte(' ')
		}
		out.WriteRune(r)
		last = r
	}
	return out.String()
}

// lockNames makes requests for one name follow each other until they commit: side by side, each would see the count before
// the others. What is locked is coarse, so that every spelling of a name locks the same: the kinds of sounds that its words begin
// with. The order is the same for all, so that two requests with several names cannot wait for each other.
func lockNames(ctx context.Context, tx *pg.Tx, asked []string) error {
	keys := []int64{guardLock}
	for _, name := range asked {
		var kinds []byte
		for _, w := range strings.Fields(name) {
			kinds = append(kinds, beginning(w))
		}
		slices.Sort(kinds)
		key := int64(guardLock)
		for _, k := range kinds {
			key = key<<4 + int64(k)
		}
		keys = append(keys, key)
	}
	if len(keys) > 1 {
		keys = keys[1:]
	}
	slices.Sort(keys)
	if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock(k) from unnest($1::bigint[]) k", slices.Compact(keys)); err != nil {
		return fmt.Errorf("lock names: %w", err)
	}
	return nil
}

const guardLock = 7215304895

// beginnings are letters that one sound is written with, in Kazakh, Russian and Latin. What is in no line, and vowels, are one kind.
var beginnings = []string{"бвпфbvpfw", "гғкқхһgkqhx", "дзжстцчшщdzjstc", "лl", "мm", "нңn", "рr"}

func beginning(word string) byte {
	r, _ := utf8.DecodeRuneInString(word)
	return byte(1 + slices.IndexFunc(beginnings, func(letters string) bool { return strings.ContainsRune(letters, r) }))
}

// tally is how often the names of one request were asked for within the day.
type tally struct {
	most  int           // the highest count, this request included
	first uuid.UUID     // where the row of attempts for that name began
	wait  time.Duration // until all are below the limit again; 0: they are
}

// count is how often the names were asked for before this request.
func (p *Post) count(ctx context.Context, tx *pg.Tx, asked []string) (tally, error) {
	if err := lockNames(ctx, tx, asked); err != nil {
		return tally{}, err
	}
	look, err := p.finder.Look(ctx) // behind the lock: it sees who held it before
	if err != nil {
		return tally{}, err
	}
	return p.countNames(look, asked, tx.Now), nil
}

// add counts the request and raises the alarm. What is refused is not counted, so that a stranger's persistence does not
// keep a family out for longer than the day; the alarm sounds for it all the same.
func (p *Post) add(ctx context.Context, tx *pg.Tx, asked []string, a asking, t tally) (_ tally, err error) {
	if t.wait == 0 || a.staff {
		t.most++
		if t.first, err = p.addAttempt(ctx, tx, asked, t.first); err != nil {
			return t, err
		}
	}
	if p.limits.NameAlarm <= 0 || t.most < p.limits.NameAlarm {
		return t, nil
	}
	return t, alert.Raise(ctx, tx, alert.News{Organisation: a.organisation, Kind: alert.Guessing, Dedupe: t.first.String()})
}

// counted is how many attempts for one name are counted at least, where there are so many: the challenge grows no harder far above it.
const counted = 100

func (p *Post) countNames(look *finder.Look, asked []string, now time.Time) (t tally) {
	most := max(counted, p.limits.NameAlarm+1, p.limits.NameMost+1)
	for _, name := range asked {
		made, more := look.Attempts(name, now.Add(-finder.Kept), most)
		if len(made) == 0 {
			continue
		}
		n := len(made)
		if more {
			n = max(n, most)
		}
		if n > t.most {
			t.most, t.first = n, made[0].First
		}
		if most := p.limits.NameMost; most > 0 && len(made) >= most {
			t.wait = max(t.wait, made[most-1].At.Add(finder.Kept).Sub(now))
		}
	}
	return t
}

// addAttempt keeps the request for a day, sealed. first is where its row of attempts began; it begins one if it is the first.
func (p *Post) addAttempt(ctx context.Context, tx *pg.Tx, asked []string, first uuid.UUID) (uuid.UUID, error) {
	id := uuid.New()
	if first == uuid.Nil {
		first = id
	}
	key, err := p.ring.PeriodKey(seal.Period(tx.Now))
	if err != nil {
		return first, err
	}
	ct, err := finder.Attempt{Names: asked, First: first}.Seal(key, id)
	if err != nil {
		return first, err
	}
	if _, err := tx.Exec(ctx, "insert into search_attempts (id, names_ct, at) values ($1, $2, $3)", id, ct, tx.Now); err != nil {
		return first, fmt.Errorf("add attempt: %w", err)
	}
	return first, nil
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
