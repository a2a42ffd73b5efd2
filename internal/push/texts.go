package push

import (
	"embed"
	"encoding/json"
	"fmt"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

//go:embed locales/*.json
var locales embed.FS

var (
	kinds     = []string{Match, Update, Retraction, Correction, Erased, Changed, Alert, Offer, OfferGone, Alarm, Timer, Shift}
	languages = []string{"kk", "ru", "en"}
)

// text is what a locked screen shows. It is true whoever reads it, and says nothing about anyone: the phone may lie on a
// policeman's desk.
type text struct{ title, body string }

// texts are by language, then kind.
type texts map[string]map[string]text

// loadTexts reads every text once, so that a missing one stops the start and not a notice.
func loadTexts() (texts, error) {
	bundle := i18n.NewBundle(language.Russian)
	bundle.RegisterUnmarshalFunc("json", json.Unmarshal)
	out := texts{}
	for _, l := range languages {
		if _, err := bundle.LoadMessageFileFS(locales, "locales/push."+l+".json"); err != nil {
			return nil, fmt.Errorf("load texts of notices: %w", err)
		}
	}
	for _, l := range languages {
		localizer := i18n.NewLocalizer(bundle, l)
		out[l] = map[string]text{}
		for _, k := range kinds {
			title, err := localise(localizer, l, "title")
			if err != nil {
				return nil, err
			}
			body, err := localise(localizer, l, k)
			if err != nil {
				return nil, err
			}
			out[l][k] = text{title: title, body: body}
		}
	}
	return out, nil
}

// localise refuses another language's text, which the library would fall back to.
func localise(l *i18n.Localizer, want, id string) (string, error) {
	s, tag, err := l.LocalizeWithTag(&i18n.LocalizeConfig{MessageID: id})
	if err != nil || tag.String() != want || s == "" {
		return "", fmt.Errorf("text %q of notices is missing in %s", id, want)
	}
	return s, nil
}
