package watch_test

import (
	"testing"

	"github.com/qorgau/qorgau/internal/account"
)

// Nobody on a list that was pasted into one name is missed: the third is found like the first.
func TestEveryoneOnAPastedListIsFound(t *testing.T) {
	t.Parallel()
	f := newField(t, open)
	lawyer := f.person(account.Lawyer, f.org)
	first, third := f.search("Akhmetov Arman Serikuly", 0), f.search("Жунисова Ляззат Кайратовна", 0)
	brother := f.search("Ахметов Данияр Болатұлы", 0) // words of two people on the list are nobody's name
	d := f.log(lawyer, almaly, entry("1. Ахметов Арман Серікұлы\n2. Омаров Данияр Болатұлы\n3. Жүнісова Ләззат Қайратқызы", 1990))
	f.must(f.post.MatchDetentions(f.ctx, d))
	for _, s := range []seeker{first, third} {
		f.expect(s, d[0], seen{"certain", "notified", "", 1})
	}
	later := f.search("Omarov Daniyar Bolatuly", 0) // made after the list was logged
	f.must(f.post.MatchSearch(f.ctx, later.id))
	f.expect(later, d[0], seen{"certain", "notified", "", 1})
	if told := f.told(brother); len(told) != 0 {
		t.Errorf("told of somebody else: %+v", told)
	}
}
