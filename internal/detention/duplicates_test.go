package detention_test

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/pkg/names"
)

// Records that may be of one person are proposed, best first, with reasons, in the reader's sight only; nothing is merged.
func TestDuplicatesAreProposed(t *testing.T) {
	t.Parallel()
	f := newField(t)
	operator, lawyer := f.operator("almaty"), f.lawyer()
	id := f.one(operator, f.almaly, detention.Entry{Name: "Ахметов Арман Серікұлы", Facts: fact("birth_year", "1990")})
	same := f.one(lawyer, f.medeu, detention.Entry{Name: "Akhmetov Arman Serikovich", Facts: fact("birth_year", "1990")})
	alike := f.one(lawyer, f.medeu, detention.Entry{Name: "Ахметов Арман"})
	f.one(lawyer, f.medeu, detention.Entry{Name: "Сейтов Нұрлан"})
	far := f.one(lawyer, f.saryarqa, detention.Entry{Name: "Ахметов Арман Серікұлы"})
	_, err := f.ledger.PlantCanary(f.ctx, f.coordinator(), f.almaly, detention.Entry{ClientID: uuid.New(), Name: "Ахметов Арман Серікұлы"})
	f.must(err)
	gone := f.one(lawyer, f.almaly, detention.Entry{Name: "Ахметов Арман Серікұлы"})
	f.add(lawyer, gone, detention.WithdrawnKind, 0, nil)
	foreign := f.person(grant{role: account.Lawyer, org: f.organisation()})
	f.one(foreign, f.almaly, detention.Entry{Name: "Ахметов Арман Серікұлы"})
	nameless := f.one(operator, f.almaly, detention.Entry{Description: "женщина, около 30, красная куртка"})

	f.counts(0, "select count(*) from audit_entries where action = 'detention.compared'")
	found, complete, err := f.ledger.Duplicates(f.ctx, operator, id)
	f.must(err)
	var got []uuid.UUID
	for _, d := range found {
		if got = append(got, d.ID); d.Verdict.Tier < names.Possible || len(d.Verdict.Reasons) == 0 {
			t.Errorf("%s: %+v", d.Name, d.Verdict)
		}
	}
	if !complete || !slices.Equal(got, []uuid.UUID{same, alike}) || found[0].Verdict.Tier != names.Certain {
		t.Errorf("%d proposed, complete %t", len(got), complete)
	}
	f.counts(1, "select count(*) from audit_entries where action = 'detention.compared' and subject_id = $1", id)

	if found, _, err := f.ledger.Duplicates(f.ctx, f.operator(), id); err != nil || !slices.ContainsFunc(found, func(d detention.Likeness) bool { return d.ID == far }) {
		t.Errorf("in every city: %d, %v", len(found), err)
	}
	if found, complete, err := f.ledger.Duplicates(f.ctx, operator, nameless); err != nil || len(found) != 0 || !complete {
		t.Errorf("without a name: %d, %t, %v", len(found), complete, err)
	}
	if found, _, err := f.ledger.Duplicates(f.ctx, lawyer, same); err != nil || slices.ContainsFunc(found, func(d detention.Likeness) bool { return d.ID == id }) {
		t.Errorf("a lawyer is shown what is not theirs: %d, %v", len(found), err)
	}
	for _, c := range []struct {
		p  account.Principal
		id uuid.UUID
	}{{lawyer, id}, {operator, far}, {operator, uuid.New()}, {foreign, same}} {
		_, _, err := f.ledger.Duplicates(f.ctx, c.p, c.id)
		f.refused(err, "not_found")
	}
	f.counts(8, "select count(*) from detentions where state = 'held'")
}

// Where more people share a name than are compared, the list says that it is not whole.
func TestDuplicatesOfACommonName(t *testing.T) {
	t.Parallel()
	f := newField(t)
	p := f.lawyer()
	var id uuid.UUID
	for range 3 {
		id = f.record(p, f.almaly, entries(slices.Repeat([]string{"Оспанов Бекзат"}, detention.MaxBatch)...)...)[0].DetentionID
	}
	found, complete, err := f.ledger.Duplicates(f.ctx, p, id)
	f.must(err)
	if complete || len(found) > names.Compared {
		t.Errorf("%d proposed, complete %t", len(found), complete)
	}
}
