package rights

import (
	"fmt"
	"time"

	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/paper"
)

// sheetWords are what stands on the paper twin of the checklist beside the law's own texts. Our words; the Kazakh ones were not yet
// read by a native speaker.
type sheetWords struct {
	title, how, keep, footer, within, again     string
	ticks                                       paper.TickWords
	name, year, sex, citizenship, department    string
	assembly, taken, date, lawyer, needs, sheet string
	notes, entered                              string
	sexes, needTicks                            []string
	groups                                      map[string]string
}

var sheetIn = map[string]sheetWords{
	"kk": {
		title: "Ұсталған адамның құқықтары: тексеру парағы",
		how: "Бір адамға бір парақ. Көргеніңізді ғана белгілеңіз: сақталды, бұзылды немесе тексерілмеді, жанына уақытын жазыңыз. " +
			"Құқық бұзылса, нормасын атап, хаттамаға жаздыруды талап етіңіз.",
		keep:   "Парақта адамның аты бар. Оны ешкімге бермеңіз, Qorgau-ға енгізген соң жойыңыз.",
		footer: "Qorgau · заң нұсқасы: %s · Заң кеңесі емес. Әр тармақты осындағы кодымен енгізіңіз.",
		within: "%s ішінде", again: "қайта сұраңыз: әр %s сайын",
		ticks: paper.TickWords{Boxes: [3]string{"Сақталды", "Бұзылды", "Тексерілмеді"}, Time: "Сағат : минут"},
		name:  "Аты-жөні немесе белгілері", year: "Туған жылы", sex: "Жынысы", citizenship: "Азаматтығы", department: "Бөлім", assembly: "Жиналыс",
		taken: "Нақты ұсталған күні, уақыты", date: "Парақ күні", lawyer: "Адвокат", needs: "Ерекше жағдайы", sheet: "Парақ №", notes: "Ескертпелер",
		entered: "Qorgau-ға енгізілді (күні, кім)", sexes: []string{"әйел", "ер"},
		needTicks: []string{"кәмелетке толмаған", "жарақат", "жүкті", "дәрі", "аудармашы", "шетелдік", "мүгедектік"},
		groups: map[string]string{"start": "Бірден", "lawyer": "Адвокат", "family": "Отбасы", "body": "Дене және денсаулық", "women": "Әйелдер және қамауға болмайтындар",
			"minors": "Балалар (18-ге дейін)", "foreigners": "Шетелдіктер", "special": "Мүгедектік, заттар"},
	},
	"ru": {
		title: "Права задержанного: лист проверки",
		how: "Один лист на одного человека. Отмечайте только то, что видели: соблюдено, нарушено или не проверено, и рядом время. " +
			"Если право нарушено, назовите норму и требуйте записать это в протокол.",
		keep:   "На листе имя человека. Никому его не отдавайте; после внесения в Qorgau уничтожьте.",
		footer: "Qorgau · закон в редакции: %s · Не юридическая консультация. Вносите каждый пункт по коду, который стоит под ним.",
		within: "в течение %s", again: "спросить снова: каждые %s",
		ticks: paper.TickWords{Boxes: [3]string{"Соблюдено", "Нарушено", "Не проверено"}, Time: "Часы : минуты"},
		name:  "Имя или приметы", year: "Год рождения", sex: "Пол", citizenship: "Гражданство", department: "Отдел", assembly: "Собрание",
		taken: "Фактически задержан (дата, время)", date: "Дата листа", lawyer: "Адвокат", needs: "Особое", sheet: "Лист №", notes: "Заметки",
		entered: "Внесено в Qorgau (когда, кем)", sexes: []string{"жен.", "муж."},
		needTicks: []string{"младше 18", "травма", "беременность", "лекарства", "переводчик", "иностранец", "инвалидность"},
		groups: map[string]string{"start": "Сразу", "lawyer": "Адвокат", "family": "Семья", "body": "Тело и здоровье", "women": "Женщины и те, кого нельзя арестовать",
			"minors": "Дети (до 18)", "foreigners": "Иностранцы", "special": "Инвалидность, вещи"},
	},
	"en": {
		title: "Rights of a person in custody: checklist",
		how: "One sheet for one person. Tick only what you saw: kept, broken or not checked, and write the time beside it. " +
			"When a right is broken, quote the norm and ask for it to be written into the protocol.",
		keep:   "This sheet names a person. Give it to nobody; destroy it once it is entered in Qorgau.",
		footer: "Qorgau · law as of %s · Not legal advice. Enter each item by the code that stands beneath it.",
		within: "within %s", again: "ask again: every %s",
		ticks: paper.TickWords{Boxes: [3]string{"Kept", "Broken", "Not checked"}, Time: "Hour : minute"},
		name:  "Name or description", year: "Year of birth", sex: "Sex", citizenship: "Citizenship", department: "Department", assembly: "Assembly",
		taken: "Really taken (date, time)", date: "Date of sheet", lawyer: "Lawyer", needs: "Special", sheet: "Sheet no.", notes: "Notes",
		entered: "Entered in Qorgau (when, by whom)", sexes: []string{"female", "male"},
		needTicks: []string{"under 18", "injured", "pregnant", "medicine", "interpreter", "foreigner", "disability"},
		groups: map[string]string{"start": "At once", "lawyer": "Lawyer", "family": "Family", "body": "Body and health", "women": "Women, and who may not be arrested",
			"minors": "Children (under 18)", "foreigners": "Foreigners", "special": "Disability, belongings"},
	},
}

// Sheet is the paper twin of the checklist, in kk, ru or en (any other: en): a sheet for one person, so that one that is seized names
// one only, and is entered with one request. Each item stands with its code, for late entry. paces replaces the shipped times of the items in it.
func Sheet(v *law.Version, language string, paces map[string]law.Pace) ([]byte, error) {
	if _, known := sheetIn[language]; !known {
		language = "en"
	}
	w := sheetIn[language]
	s := paper.New(paper.Setup{Title: w.title, Language: language, Footer: fmt.Sprintf(w.footer, v.Name), At: v.From, EachPage: func(s *paper.Sheet) {
		s.Fields([]paper.Field{{Label: w.sheet, Share: 1}, {Label: w.name, Share: 3}, {Label: w.date, Share: 1.4}}) // leaves get loose
	}})
	s.Title(w.title)
	s.Small(w.how)
	s.Strong(w.keep)
	s.Fields(
		[]paper.Field{{Label: w.sheet, Share: 1}, {Label: w.name, Share: 4.4}},
		[]paper.Field{{Label: w.year, Share: 1.5}, {Label: w.sex, Ticks: w.sexes, Share: 1.5}, {Label: w.citizenship, Share: 2}},
		[]paper.Field{{Label: w.needs, Ticks: w.needTicks, Share: 1}},
		[]paper.Field{{Label: w.department, Share: 1}, {Label: w.assembly, Share: 1}},
		[]paper.Field{{Label: w.taken, Share: 1.6}, {Label: w.lawyer, Share: 1.3}, {Label: w.date, Share: 1}},
	)
	for i := 0; i < len(v.Items); {
		group, rows := v.Items[i].Group, []paper.Tick(nil)
		for ; i < len(v.Items) && v.Items[i].Group == group; i++ {
			pace, changed := paces[v.Items[i].Code]
			if !changed {
				pace = v.Items[i].Pace
			}
			rows = append(rows, w.tick(&v.Items[i], pace, language))
		}
		heading, known := w.groups[group]
		if !known {
			heading = group // of data that an operator put in the place of ours
		}
		s.Ticks(heading, w.ticks, rows)
	}
	s.Lines(w.notes, 3)
	s.Lines(w.entered, 1)
	return s.Bytes()
}

func (w sheetWords) tick(i *law.Item, pace law.Pace, language string) paper.Tick {
	t := paper.Tick{Text: i.Text.In(language), Small: i.Code}
	if pace.Due > 0 {
		t.Small += " · " + fmt.Sprintf(w.within, long(pace.Due, language))
	}
	for n, q := range law.Quote(i.Cites, language) {
		if n == 0 {
			t.Small += "\n" + q
		} else {
			t.Small += "; " + q
		}
	}
	if pace.Repeat > 0 {
		t.Again = fmt.Sprintf(w.again, long(pace.Repeat, language))
	}
	return t
}

// long is a length in whole hours, else in minutes, short enough to need no grammar.
func long(d time.Duration, language string) string {
	hour, minute := "h", "min"
	switch language {
	case "kk":
		hour, minute = "сағ", "мин"
	case "ru":
		hour, minute = "ч", "мин"
	}
	if d%time.Hour == 0 {
		return fmt.Sprintf("%d %s", d/time.Hour, hour)
	}
	return fmt.Sprintf("%d %s", d/time.Minute, minute)
}
