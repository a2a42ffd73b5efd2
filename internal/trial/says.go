package trial

import (
	"slices"
	"strings"

	"github.com/qorgau/qorgau/internal/push"
)

// hotline is the number that families are told.
const hotline = "+77000000001"

// title stands before or above every notice.
const title = "Қорғау"

// sentences are all that may go out, by kind, in the language of the row's families: with the app and without it. They are written down here once more, so that a text into
// which a name or a place has come is not held right because the engine made it.
var sentences = map[string][]string{
	push.Match:   {"Есть новости. Откройте приложение.", "Есть новости."},
	push.Update:  {"Есть новые сведения. Откройте приложение.", "Есть новые сведения."},
	push.Erased:  {"Данные стираются по запросу. Если это не вы, свяжитесь с нами.", "Данные стираются по запросу. Не вы?"},
	push.Changed: {"Изменено, куда сообщать новости. Если это не вы, свяжитесь с нами.", "Изменено, куда писать новости. Не вы?"},
}

// generic tells whether a message says what all messages of its kind say, and nothing more.
func generic(kind, says string) bool {
	said, titled := strings.CutPrefix(strings.TrimSpace(says), title)
	if titled {
		said = strings.TrimLeft(said, ":\r\n ")
	}
	said = strings.TrimSpace(strings.TrimSuffix(said, "Звоните: "+hotline))
	return slices.Contains(sentences[kind], said)
}
