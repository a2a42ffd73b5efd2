package dispatch

import (
	"fmt"
	"strings"
)

// words are the reasons in Kazakh, Russian and English; %d is the figure. Ours: a native speaker has yet to read them.
var words = map[string][3]string{
	Uncovered:  {"адвокатсыз: %d", "без адвоката: %d", "without a lawyer: %d"},
	Fragile:    {"осал: %d", "уязвимых: %d", "vulnerable: %d"},
	ClockNear:  {"мерзім бітуіне %d мин", "до конца срока %d мин", "a limit ends in %d min"},
	DoorShut:   {"есік жабық", "дверь закрыта", "the door is shut"},
	DoorSlow:   {"есікте күттіреді", "у двери заставляют ждать", "lawyers wait at the door"},
	Way:        {"жол шамамен %d мин", "дорога около %d мин", "about %d min away"},
	WayUnknown: {"жолы белгісіз", "дорога неизвестна", "the way is not known"},
	Load:       {"қорғауында: %d", "ведёт людей: %d", "acts for %d"},
	Tired:      {"кезекшілікте %d сағ", "на дежурстве %d ч", "%d h on duty"},
	NeededHere: {"өз орнында басқа адвокат жоқ, ұсталғандар: %d", "на своём месте без другого адвоката, задержанных: %d", "no other lawyer at their place, %d held"},
	Children:   {"балалармен жұмыс тәжірибесі бар, балалар: %d", "опыт с детьми, детей: %d", "experienced with minors, minors: %d"},
	Migrants:   {"шетелдіктермен жұмыс тәжірибесі бар, шетелдіктер: %d", "опыт с мигрантами, иностранцев: %d", "experienced with migrants, foreigners: %d"},
	Languages:  {"шет тілін біледі, шетелдіктер: %d", "говорит на иностранном языке, иностранцев: %d", "speaks a foreign language, foreigners: %d"},
	Trained:    {"оқудан өткен", "прошёл обучение", "trained"},
	OffDuty:    {"кезекшілікте емес", "не на дежурстве", "off duty"},
	Engaged:    {"басқа жерге жіберілген", "уже направлен в другое место", "sent elsewhere already"},
}

// In is the reason in that language (kk, ru, en); Russian for any other.
func (r Reason) In(language string) string {
	w := words[r.Code]
	text := w[1]
	switch language {
	case "kk":
		text = w[0]
	case "en":
		text = w[2]
	}
	if !strings.Contains(text, "%d") {
		return text
	}
	return fmt.Sprintf(text, r.Value)
}
