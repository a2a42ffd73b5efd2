package department

import "strings"

// short are the words of official names and what people write for them, by language; longer ones first, since a word may begin another.
var short = map[string]*strings.Replacer{
	"kk": strings.NewReplacer("Полиция басқармасы", "ПБ", "Полиция департаменті", "ПД", "Полиция бөлімі", "ПБөл", "полиция бөлімі", "ПБөл", "Уақытша ұстау изоляторы", "УҰИ",
		"Арнайы қабылдау орны", "Арнайы қабылдау", "ауданының", "ауд.", "ауданы", "ауд.", "қаласының", "қ.", "қаласы", "қ.", "облысының", "обл.", " жанындағы", ""),
	"ru": strings.NewReplacer("Управление полиции", "УП", "Департамент полиции", "ДП", "Отдел полиции", "ОП", "отдел полиции", "ОП", "Изолятор временного содержания", "ИВС",
		"Специальный приёмник", "Спецприёмник", " района", " р-на", "района ", "р-на ", "города ", "г. ", "области", "обл."),
	"en": strings.NewReplacer("District Police Division", "District PD", "City Police Division", "City PD", "Police Department", "PD", "Police Division", "PD", "Police Unit", "PU",
		"Special reception centre (administrative arrest)", "Special reception centre", "Temporary detention facility (IVS)", "IVS"),
}

// InText gives the name for a text in which room is scarce, from the longest to the shortest: with the city where the name does not say it, and in
// abbreviations. language is kk, ru or en; Russian for any other.
func (d Department) InText(language string) []string {
	words := short[language]
	if words == nil {
		words = short["ru"]
	}
	long, city := d.Name(language), d.CityName(language)
	brief := words.Replace(long)
	var out []string
	for _, name := range []string{long + ", " + city, brief + ", " + city, brief} {
		if name == brief || !says(long, city) {
			out = append(out, name)
			continue
		}
		out = append(out, strings.TrimSuffix(name, ", "+city))
	}
	return distinct(out)
}

// says tells whether a name holds its city, in whatever case: города Караганды, Карагандинской.
func says(name, city string) bool {
	stem := []rune(strings.ToLower(city))
	if len(stem) > 3 {
		stem = stem[:len(stem)-1] // the letter that a case changes
	}
	return strings.Contains(strings.ToLower(name), string(stem))
}

func distinct(in []string) (out []string) {
	for i, s := range in {
		if i == 0 || s != out[len(out)-1] {
			out = append(out, s)
		}
	}
	return out
}
