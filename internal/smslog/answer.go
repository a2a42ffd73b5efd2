package smslog

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/qorgau/qorgau/internal/push/sms/gsm7"
)

// Outcome is what became of a report.
type Outcome int

// What becomes of a report.
const (
	Taken   Outcome = iota // logged
	BadCode                // the code is none of ours, or was used: not logged as the lawyer's
	Failed                 // not logged now; the same message sent again is right
)

// Reply is what an answer is made of. Language is kk, ru or en, empty for the message's. Latin writes it in GSM-7. Department is the directory's
// code of the department that was found; empty: the message's own stands. News tells, for Status, that there is some under this code.
type Reply struct {
	Message    Message
	Language   string
	Latin      bool
	Outcome    Outcome
	Department string
	News       bool
}

// answers are the texts, each within one SMS. Our words; the Kazakh ones were not yet read by a native speaker.
type answers struct {
	taken, one, place, noPlace, unclear, nobody, badCode, failed string
	news, noNews, noCode, stop, help                             string
}

var answersIn = map[string]answers{
	"kk": {
		taken: "Жазылды: %d адам", one: "Жазылды: %d адам", place: ", %s", noPlace: ", бөлім түсініксіз", unclear: ". Түсініксіз: %d",
		nobody:  "Аттар түсініксіз, жазылмады. Былай: код бөлім аты жылы; аты жылы",
		badCode: "Код жарамайды, жазылмады. Парақтағы келесі кодпен қайта жіберіңіз.",
		failed:  "Жазылмады. Осы хабарды біраздан соң қайта жіберіңіз.",
		news:    "Жаңалық бар. Қолданбаны ашыңыз немесе жедел желіге қоңырау шалыңыз.",
		noNews:  "Бұл код бойынша жаңалық жоқ. Кодты тексеріңіз.",
		noCode:  "Код түсініксіз. Былай жазыңыз: ЖАҒДАЙ және код",
		stop:    "Бұл нөмірге енді жазбаймыз. Қайтару: қолданбада.",
		help:    "Код бөлім аты жылы; аты жылы. Іздеу: ЖАҒДАЙ код. Тоқтату: ТОҚТА",
	},
	"ru": {
		taken: "Записано: %d чел.", one: "Записано: %d чел.", place: ", %s", noPlace: ", отдел не понят", unclear: ". Не понято: %d",
		nobody:  "Имена не поняты, не записано. Пишите: код отдел имя год; имя год",
		badCode: "Код не подошёл, не записано. Повторите со следующим кодом с листа.",
		failed:  "Не записано. Пошлите это же сообщение ещё раз позже.",
		news:    "Есть новости. Откройте приложение или позвоните на горячую линию.",
		noNews:  "По этому коду новостей нет. Проверьте код.",
		noCode:  "Код не понят. Напишите: СТАТУС и код",
		stop:    "Больше не пишем на этот номер. Вернуть: в приложении.",
		help:    "Код отдел имя год; имя год. Поиск: СТАТУС код. Отказ: СТОП",
	},
	"en": {
		taken: "Logged: %d people", one: "Logged: %d person", place: ", %s", noPlace: ", department not understood", unclear: ". Not understood: %d",
		nobody:  "No name was understood, nobody is logged. Write: code department name year; name year",
		badCode: "The code does not fit, nobody is logged. Send it again with the next code on the sheet.",
		failed:  "Not logged. Send the same message again later.",
		news:    "There is news. Open the app or call the hotline.",
		noNews:  "No news under this code. Check the code.",
		noCode:  "The code was not understood. Write: STATUS and the code",
		stop:    "No more messages to this number. To undo: in the app.",
		help:    "Code department name year; name year. A search: STATUS code. No more messages: STOP",
	},
}

// Answer makes the one SMS that says what was understood.
//
// It has no name in it: counts, the department's code, and initials where all fit. A lawyer compares the number with her own list and sees whether
// somebody is missing; for that no name is needed. The names went out once, under need; a second copy would pass the operators' logs again, be stored
// in a phone that is taken at the door, lie open on its locked screen, and go to whoever sent a forged message. Nor are unclear pieces
// repeated, which may be parts of names.
//
// What was not understood is always counted in it; initials go first when there is no room, then the department.
func Answer(r Reply) string {
	a, known := answersIn[r.Language]
	if !known {
		if a, known = answersIn[r.Message.Language]; !known {
			a = answersIn["ru"]
		}
	}
	latin := r.Latin || a == answersIn["en"]
	m := r.Message
	switch {
	case m.Kind == Stop:
		return fitted(latin, a.stop)
	case m.Kind == Help:
		return fitted(latin, a.help)
	case m.Kind == Status && m.Code == "":
		return fitted(latin, a.noCode)
	case m.Kind == Status && r.News:
		return fitted(latin, a.news)
	case m.Kind == Status:
		return fitted(latin, a.noNews)
	case r.Outcome == BadCode:
		return fitted(latin, a.badCode)
	case r.Outcome == Failed:
		return fitted(latin, a.failed)
	case len(m.People) == 0:
		return fitted(latin, a.nobody)
	}
	head := fmt.Sprintf(a.taken, len(m.People))
	if len(m.People) == 1 {
		head = fmt.Sprintf(a.one, 1)
	}
	place, tail := "", ""
	switch {
	case r.Department != "":
		place = fmt.Sprintf(a.place, r.Department)
	case m.Department == "":
		place = a.noPlace
	case mayBeShown(m.Department):
		place = fmt.Sprintf(a.place, m.Department)
	}
	if len(m.Unclear) > 0 {
		tail = fmt.Sprintf(a.unclear, len(m.Unclear))
	}
	return fitted(latin, head+initials(m.People)+place+tail, head+place+tail, head+tail)
}

// fitted is the first that fits; the texts above are tried by a test, in both alphabets.
func fitted(latin bool, texts ...string) string {
	for _, t := range texts {
		if s, err := gsm7.Fit(t, latin); err == nil {
			return s
		}
	}
	return ""
}

// initials are the first letters of each person's first two words, in brackets.
func initials(all []Person) string {
	const most = 40 // people; those of more do not fit
	if len(all) > most {
		return ""
	}
	var out []string
	for _, p := range all {
		s := ""
		for i, w := range strings.Fields(p.Name) {
			if first, _ := utf8.DecodeRuneInString(w); i < 2 {
				s += string(unicode.ToUpper(first)) + "."
			}
		}
		out = append(out, s)
	}
	return " (" + strings.Join(out, " ") + ")"
}

// mayBeShown tells whether a department is a number or a code of the directory's form: what was typed in its place may have been a name.
func mayBeShown(place string) bool {
	parts := strings.Split(place, "-")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	if len(parts) == 1 {
		return digits(parts[0])
	}
	return shownPlaces[parts[0]] && digits(parts[1])
}
