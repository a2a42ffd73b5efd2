package detention

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/alert"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/pg"
)

type needWord struct {
	need  law.Need
	words []string
}

// needWords are how hurried people write a need, in the three languages: its code, and what its word begins with. A need that is
// read where there is none costs a question; one that is overlooked costs more, so that a denial ("no injuries") is read as the need,
// too. The most urgent first, which is our judgement: who may not live, a child alone, who cannot speak for themselves. Lists are
// sorted by it.
var needWords = []needWord{
	{law.Injured, []string{"injur", "wound", "beaten", "травм", "ранен", "избит", "перелом", "сотрясен", "жарақат", "соққы"}},
	{law.ChildrenAtHome, []string{"children at home", "child at home", "child alone", "children alone", "дети дома", "дети одни", "ребенок один", "ребенок дома",
		"дома дети", "дома ребенок", "балалары үйде", "баласы үйде", "бала жалғыз", "балалары жалғыз"}},
	{law.Minor, []string{"minor", "underage", "несовершеннолет", "подрост", "кәмелет", "жасөспірім"}},
	{law.Pregnant, []string{"pregnan", "беремен", "жүкті", "екіқабат"}},
	{law.Medicine, []string{"medic", "insulin", "diabet", "asthma", "epilep", "inhaler", "инсулин", "диабет", "астм", "эпилеп", "лекарств", "медикамент", "врач",
		"ингалятор", "таблет", "дәрі", "ауру"}},
	{law.Asylum, []string{"asylum", "refugee", "убежищ", "беженец", "беженк", "босқын", "баспана сұра", "пана сұра", "пана іздеу"}},
	{law.Disability, []string{"disab", "wheelchair", "инвалид", "коляск", "мүгедек", "мүмкіндігі шектеулі"}},
	{law.Consular, []string{"consul", "embassy", "foreign", "консул", "посольств", "иностран", "елшілік", "шетелдік"}},
	{law.Interpreter, []string{"interpret", "translat", "sign language", "перевод", "сурдо", "аударма"}},
	{law.ChildUnder14, []string{"child under 14", "children under 14", "ребенок до 14", "дети до 14", "14 жасқа дейін"}},
	{law.LoneFather, []string{"lone father", "single father", "отец одиночка", "жалғызбасты әке"}},
}

// plainNeed writes a need in the way of needWords: codes have underscores, people hyphens, and ё is е.
var plainNeed = strings.NewReplacer("_", " ", "-", " ", "ё", "е")

// says tells whether somebody wrote that the person has this need.
func (p Profile) says(words []string) bool {
	return slices.ContainsFunc(p.Needs, func(need string) bool {
		need = plainNeed.Replace(strings.ToLower(need))
		return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(need, word) })
	})
}

// Flags are the needs that decide who must look after the person, what applies to them and how lists are sorted: what was written, and
// what follows from age and citizenship. The most urgent first.
func (p Profile) Flags(now time.Time) []law.Need {
	var out []law.Need
	for _, n := range needWords {
		if p.says(n.words) || n.need == law.Minor && p.Minor(now) || n.need == law.Consular && p.foreign() {
			out = append(out, n.need)
		}
	}
	return out
}

func (p Profile) foreign() bool { return p.Citizenship != "" && p.Citizenship != home }

// Asylum tells whether news must go through a person because someone seeks refuge: an embassy or a relative abroad may be
// the danger.
func (p Profile) Asylum() bool {
	return p.says(needWords[urgency(law.Asylum)].words)
}

func urgency(n law.Need) int {
	return slices.IndexFunc(needWords, func(w needWord) bool { return w.need == n })
}

// moreUrgent orders two people by their flags: by the most urgent one, then the next, then by who has more. Both lists are as Flags
// gives them. Nobody's needs are worth less than none.
func moreUrgent(a, b []law.Need) int {
	for i := range min(len(a), len(b)) {
		if c := cmp.Compare(urgency(a[i]), urgency(b[i])); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(b), len(a))
}

// mostNeeds is how many people one list by need may open: needs are sealed, so that a thief of the database cannot pick out the children,
// and only opening tells them apart. Three times the detentions of the worst day that domain.md plans for.
const mostNeeds = 20000

// InCustody are the states in which someone is held or might be; a release that is only reported is not the end.
const InCustody = ` and (d.state in ('held', 'hospitalised', 'whereabouts_unknown') or d.release = 'reported')`

// listByNeed opens everyone in sight who is still held, and sorts them by what they need; those held longest come first among equals.
// Faults: invalid, too_many (#department_id: a department or an assembly must be named).
func (l *Ledger) listByNeed(ctx context.Context, tx *pg.Tx, p account.Principal, f Filter) ([]Detention, bool, error) {
	args := f.args(p, tx)
	args["limit"] = mostNeeds + 1
	where := selectDetention + readable + filters
	if f.State == "" {
		where += InCustody
	}
	rows, err := tx.Query(ctx, where+" order by d.id limit @limit", args)
	if err != nil {
		return nil, false, fmt.Errorf("list detentions by need: %w", err)
	}
	found, err := scan(rows)
	if err != nil {
		return nil, false, err
	}
	if len(found) > mostNeeds {
		return nil, false, fault.BadField("#department_id", "required")
	}
	opened, err := l.open(ctx, tx, found)
	if err != nil {
		return nil, false, err
	}
	if err := l.withOthers(ctx, tx, opened); err != nil {
		return nil, false, err
	}
	flags := make(map[uuid.UUID][]law.Need, len(opened))
	page := slices.DeleteFunc(opened, func(d Detention) bool {
		has := d.Flags(tx.Now)
		flags[d.ID] = has
		return d.Canary && !canarySeenBy(p, d) || f.Need != "" && !slices.Contains(has, f.Need)
	})
	slices.SortStableFunc(page, func(a, b Detention) int { return moreUrgent(flags[a.ID], flags[b.ID]) })
	page = page[min(f.Skip, len(page)):]
	return page[:min(f.Limit, len(page))], len(page) > f.Limit, nil
}

// alone are the needs for which somebody must do something about this one person now. Of all others a coordinator hears once for a
// department, until they have looked: a bus of forty is one call for help, not forty.
var alone = []law.Need{law.Injured, law.ChildrenAtHome}

// quiet are what is an argument or has a way of its own, and calls nobody by itself.
var quiet = []law.Need{law.ChildUnder14, law.LoneFather}

// needy is someone with flags that are new.
type needy struct {
	id, department uuid.UUID
	flags          []law.Need
}

// raiseNeeds tells the coordinators of people who must not be overlooked.
func (l *Ledger) raiseNeeds(ctx context.Context, tx *pg.Tx, organisation uuid.UUID, people []needy) error {
	for _, who := range people {
		for _, need := range who.flags {
			if slices.Contains(quiet, need) {
				continue
			}
			n := alert.News{Organisation: organisation, Kind: alert.Need, SubjectKind: "department", Subject: who.department, Details: alert.Details{Code: string(need)}, Ring: l.ring}
			if slices.Contains(alone, need) {
				n.SubjectKind, n.Subject = "detention", who.id
			}
			if err := alert.Raise(ctx, tx, n); err != nil {
				return err
			}
			break // the most urgent says enough; the list says the rest
		}
	}
	return nil
}

// gained are the flags of after that before did not have.
func gained(before, after []law.Need) []law.Need {
	return slices.DeleteFunc(slices.Clone(after), func(n law.Need) bool { return slices.Contains(before, n) })
}
