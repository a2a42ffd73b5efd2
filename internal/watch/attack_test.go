package watch_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/watch"
)

// Each test here is an attack that once worked.

// Who guesses dresses one name up, so that matching still reads it and the count does not.
func TestADressedUpNameCountsAsThePlainOne(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{NameFree: 3})
	f.must(f.guesses(1, 3))
	for i, dressed := range []string{
		"Ахметов-Бекмұхамбетов Арман", "Ахметов-Ххх Арман", // matching takes one half of a double surname
		strings.Repeat("中 ", 12) + "Ахметов Арман", "中Ахметов Арман", // what matching cannot read
		"𝐀khm𝐞tov Arman", "Ａkhmetov Arman", "Ạkhmetov Ārman", "А́хметов Арма́н", // letters in other clothes
		"F[vtnjd Fhvfy", // typed on the wrong layout
	} {
		n := asked()
		n.Name, n.BirthYear, n.Source = dressed, 1950+i, fmt.Sprint("source ", i)
		if _, err := f.post.Create(f.ctx, n); !fault.Is(err, "challenge_required") {
			t.Errorf("%q passes as another name: %v", dressed, err)
		}
	}
	n := asked()
	n.Name = "Аа Бб-Вв-Гг-Дд-Ее-Жж-Зз-Ии-Кк-Лл-Мм"
	n.AlsoKnownAs = []string{"Ба Во-Гу-До-Жу-Зо-Ку-Ло-Му-Но-Пу-Ро", "Ца Чо-Шу-Що-Эн-Юн-Ян-Фу-Хо-Ту-Су-Ру"}
	if _, err := f.post.Create(f.ctx, n); !fault.Is(err, "invalid") {
		t.Errorf("a search for half a town: %v", err)
	}
}

// One search that is renamed again and again asks for everyone on a list.
func TestARenamedSearchMeetsAChallenge(t *testing.T) {
	t.Parallel()
	f := newField(t, watch.Limits{SourceFree: 3})
	s := f.search("Ахметов Арман", 1990)
	rename := func(i int) error {
		name := fmt.Sprintf("Оспанов %s", []string{"Нұрлан", "Тимур", "Ержан", "Азамат", "Бауыржан"}[i])
		read, err := f.post.Read(f.ctx, s.id, s.secret)
		f.must(err)
		_, err = f.post.Patch(f.ctx, watch.Caller{Secret: s.secret}, s.id, watch.SearchPatch{Revision: read.Revision, Name: &name})
		return err
	}
	for i := range 3 {
		f.must(rename(i))
	}
	f.challenged(rename(3))
	if other := f.search("Ахметов Арман", 1990); other.id == uuid.Nil {
		t.Error("another search is held up")
	}
}
