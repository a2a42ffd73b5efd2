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
func loadTexts() (texts, map[string]short, error) {
	bundle := i18n.NewBundle(language.Russian)
	bundle.RegisterUnmarshalFunc("json", json.Unmarshal)
	out, shorts := texts{}, map[string]short{}
	for _, l := range languages {
		if _, err := bundle.LoadMessageFileFS(locales, "locales/push."+l+".json"); err != nil {
			return nil, nil, fmt.Errorf("load texts of notices: %w", err)
		}
	}
	for _, l := range languages {
		localizer := i18n.NewLocalizer(bundle, l)
		out[l] = map[string]text{}
		for _, k := range kinds {
			title, err := localise(localizer, l, "title")
			if err != nil {
				return nil, nil, err
			}
			body, err := localise(localizer, l, k)
			if err != nil {
				return nil, nil, err
			}
			out[l][k] = text{title: title, body: body}
		}
		var err error
		if shorts[l], err = loadShort(localizer, l); err != nil {
			return nil, nil, err
		}
	}
	return out, shorts, nil
}

func loadShort(localizer *i18n.Localizer, l string) (short, error) {
	out := short{news: map[string]string{}}
	into := map[string]*string{"found": &out.found, "ask_call": &out.call, "ask_here": &out.here}
	for id, to := range into {
		var err error
		if *to, err = localise(localizer, l, id); err != nil {
			return out, err
		}
	}
	for _, k := range familyKinds {
		s, err := localise(localizer, l, k+"_short")
		if err != nil {
			return out, err
		}
		out.news[k] = s
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
