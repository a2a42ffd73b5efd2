package smslog

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/qorgau/qorgau/internal/push/sms/gsm7"
)

// oneSMS makes the answer and checks that it is one, and not empty.
func oneSMS(t *testing.T, r Reply) string {
	t.Helper()
	got := Answer(r)
	n, ok := gsm7.Septets(got)
	if got == "" || (!ok || n > gsm7.MostSeptets) && gsm7.Units(got) > gsm7.MostUnits {
		t.Errorf("%q is no SMS (%s %d)", got, r.Language, len(r.Message.People))
	}
	if r.Latin && !ok {
		t.Errorf("%q is not GSM-7", got)
	}
	return got
}

func TestAnswerSaysWhatWasUnderstood(t *testing.T) {
	t.Parallel()
	const in = "K7T4X2M DP-71 Ахметов Асан 99; Ким Виктор 01; ли ольга"
	for _, x := range []struct {
		in   string
		r    Reply
		want string
	}{
		{in, Reply{}, "Записано: 3 чел. (А.А. К.В. Л.О.), DP-71"},
		{in, Reply{Language: "kk"}, "Жазылды: 3 адам (А.А. К.В. Л.О.), DP-71"},
		{in, Reply{Language: "en"}, ""}, // Cyrillic initials go out of GSM-7 in Latin letters
		{in, Reply{Latin: true}, "Zapisano: 3 chel. (A.A. K.V. L.O.), DP-71"},
		{in, Reply{Department: "UP-75-ALMALY"}, "Записано: 3 чел. (А.А. К.В. Л.О.), UP-75-ALMALY"},
		{"K7T4X2M DP-71 Ахметов Асан р 99 р", Reply{}, "Записано: 1 чел. (А.А.), DP-71. Не понято: 1"},
		{"K7T4X2M Ахметов Асан", Reply{}, "Записано: 1 чел. (А.А.), отдел не понят"},
		{"K7T4X2M отдел: Ахметова; Ким", Reply{}, "Записано: 1 чел. (К.)"}, // what was typed as a department may be a name
		{"K7T4X2M DP-71", Reply{}, "Имена не поняты, не записано. Пишите: код отдел имя год; имя год"},
		{in, Reply{Outcome: BadCode}, "Код не подошёл, не записано. Повторите со следующим кодом с листа."},
		{in, Reply{Outcome: Failed}, "Не записано. Пошлите это же сообщение ещё раз позже."},
		{"СТАТУС K7T4X2M", Reply{}, "По этому коду новостей нет. Проверьте код."},
		{"СТАТУС K7T4X2M", Reply{News: true}, "Есть новости. Откройте приложение или позвоните на горячую линию."},
		{"СТАТУС", Reply{News: true}, "Код не понят. Напишите: СТАТУС и код"},
		{"СТОП", Reply{}, "Больше не пишем на этот номер. Вернуть: в приложении."},
		{"ТОҚТА", Reply{}, "Бұл нөмірге енді жазбаймыз. Қайтару: қолданбада."},
		{"HELP", Reply{}, "Code department name year; name year. A search: STATUS code. No more messages: STOP"},
		{"K7T4X2M 5 Akhmetov Asan", Reply{}, "Logged: 1 person (A.A.), 5"},
		{"K7T4X2M 5 Akhmetov Asan", Reply{Language: "de"}, "Logged: 1 person (A.A.), 5"},
	} {
		m, err := Parse(x.in)
		if err != nil {
			t.Fatal(err)
		}
		x.r.Message = m
		got := oneSMS(t, x.r)
		if x.want == "" {
			x.want = "Logged: 3 people (A.A. K.V. L.O.), DP-71"
		}
		if got != x.want {
			t.Errorf("%q:\n  got  %q\n  want %q", x.in, got, x.want)
		}
	}
}

// Whatever is logged, the answer has no word of a name and no piece that was unclear in it.
func TestAnswersNameNobody(t *testing.T) {
	t.Parallel()
	for _, x := range typed {
		m, err := Parse(x.in)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range []string{"kk", "ru", "en"} {
			for _, latin := range []bool{false, true} {
				for _, o := range []Outcome{Taken, BadCode, Failed} {
					got := oneSMS(t, Reply{Message: m, Language: l, Latin: latin, Outcome: o})
					for _, p := range m.People {
						for _, w := range strings.Fields(p.Name) {
							if len([]rune(w)) > 2 && (strings.Contains(got, w) || strings.Contains(got, gsm7.Latin(w))) {
								t.Errorf("%q names %s", got, w)
							}
						}
					}
					if m.Code != "" && strings.Contains(got, m.Code) {
						t.Errorf("%q repeats the code", got)
					}
				}
			}
		}
	}
}

// However many there are and however long the department, the number of people and of what was unclear stays.
func TestTheCountsAlwaysFit(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 5, 12, 40, 41, 10_000} {
		m := Message{Kind: Logging, Department: "UP-75-" + strings.Repeat("A", 54)}
		for i := range n {
			m.People = append(m.People, Person{Name: name(i) + " " + name(i+1)})
			m.Unclear = append(m.Unclear, "x")
		}
		for _, l := range []string{"kk", "ru", "en"} {
			for _, latin := range []bool{false, true} {
				for _, place := range []string{m.Department, ""} {
					m.Department = place
					if got := oneSMS(t, Reply{Message: m, Language: l, Latin: latin}); strings.Count(got, fmt.Sprint(n)) < 2 {
						t.Errorf("%q", got)
					}
				}
			}
		}
	}
}

// Each text fits in each alphabet.
func TestEveryAnswerFits(t *testing.T) {
	t.Parallel()
	for l, a := range answersIn {
		v := reflect.ValueOf(a)
		for i := range v.NumField() {
			text := v.Field(i).String()
			if _, err := gsm7.Fit(text, true); err != nil {
				t.Errorf("%s %s in Latin: %v", l, v.Type().Field(i).Name, err)
			}
			if _, err := gsm7.Fit(text, false); l != "en" && err != nil {
				t.Errorf("%s %s: %v (%d)", l, v.Type().Field(i).Name, err, gsm7.Units(text))
			}
		}
	}
}
