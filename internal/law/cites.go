package law

import (
	"slices"
	"strings"
)

// Cite is a place in an act, as a complaint quotes it.
type Cite struct {
	Act      *Act
	Articles string // "66(3), 70(2)(1)"
}

// Act is a law of Kazakhstan, or a treaty or principle of the United Nations.
type Act struct {
	Code   string // as in the files
	Treaty bool
	Name   Text
}

// acts are those that the files cite. The Kazakh and Russian names are the usual short ones.
var acts = []Act{
	{"Const", false, Text{KK: "ҚР Конституциясының", RU: "Конституция РК, ст.", EN: "Constitution of Kazakhstan (2026), art."}},
	{"CoAO", false, Text{KK: "ҚР ӘҚБтК", RU: "КоАП РК, ст.", EN: "Code on Administrative Offences, art."}},
	{"CPC", false, Text{KK: "ҚР ҚПК", RU: "УПК РК, ст.", EN: "Criminal Procedure Code, art."}},
	{"CC", false, Text{KK: "ҚР ҚК", RU: "УК РК, ст.", EN: "Criminal Code, art."}},
	{"353-I", false, Text{KK: "ҚР 353-I Заңы", RU: "Закон РК № 353-I, ст.", EN: "Law 353-I, art."}},
	{"ICCPR", true, Text{KK: "Азаматтық және саяси құқықтар туралы халықаралық пакт", RU: "Международный пакт о гражданских и политических правах, ст.", EN: "International Covenant on Civil and Political Rights, art."}},
	{"CAT", true, Text{KK: "Азаптауға қарсы конвенция", RU: "Конвенция против пыток, ст.", EN: "Convention against Torture, art."}},
	{"BoP", true, Text{KK: "БҰҰ Ұсталғандарды қорғау қағидаттарының жиынтығы", RU: "Свод принципов ООН защиты задержанных, принц.", EN: "UN Body of Principles on Detention, principle"}},
	{"BPL", true, Text{KK: "БҰҰ Заңгерлердің рөлі туралы негізгі қағидаттары", RU: "Основные принципы ООН о роли юристов, п.", EN: "UN Basic Principles on the Role of Lawyers, principle"}},
	{"Mandela", true, Text{KK: "БҰҰ Мандела қағидалары", RU: "Правила Нельсона Манделы (ООН), пр.", EN: "UN Nelson Mandela Rules, rule"}},
	{"Bangkok", true, Text{KK: "БҰҰ Бангкок қағидалары", RU: "Бангкокские правила (ООН), пр.", EN: "UN Bangkok Rules, rule"}},
	{"VCCR", true, Text{KK: "Консулдық қатынастар туралы Вена конвенциясы", RU: "Венская конвенция о консульских сношениях, ст.", EN: "Vienna Convention on Consular Relations, art."}},
	{"CRC", true, Text{KK: "Бала құқықтары туралы конвенция", RU: "Конвенция о правах ребёнка, ст.", EN: "Convention on the Rights of the Child, art."}},
	{"CRPD", true, Text{KK: "Мүгедектердің құқықтары туралы конвенция", RU: "Конвенция о правах инвалидов, ст.", EN: "Convention on the Rights of Persons with Disabilities, art."}},
	{"Refugees", true, Text{KK: "Босқындар мәртебесі туралы конвенция", RU: "Конвенция о статусе беженцев, ст.", EN: "Convention relating to the Status of Refugees, art."}},
}

// suffixes after the articles, where a language puts the word "article" there.
func (a Act) quote(articles, language string) string {
	text := a.Name.In(language) + " " + articles
	if language == "kk" {
		text += "-б."
	}
	return text
}

// Quote gives cites in kk, ru or en: what is of Kazakhstan first, then treaties (law.md, 0.4: since 2026 a treaty's priority rests on
// statutes, so a complaint leads with the domestic norm).
func Quote(cites []Cite, language string) []string {
	sorted := slices.Clone(cites)
	slices.SortStableFunc(sorted, func(a, b Cite) int {
		switch {
		case a.Act.Treaty == b.Act.Treaty:
			return 0
		case a.Act.Treaty:
			return 1
		}
		return -1
	})
	out := make([]string, len(sorted))
	for i, c := range sorted {
		out[i] = c.Act.quote(c.Articles, language)
	}
	return out
}

// cites reads "CoAO 748(3), 750(4); CC 435".
func (r *row) cites(column string) []Cite {
	var out []Cite
	for part := range strings.SplitSeq(r.get(column), ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		code, articles, ok := strings.Cut(part, " ")
		at := slices.IndexFunc(acts, func(a Act) bool { return a.Code == code })
		if !ok || at < 0 {
			r.fault(column, "no act that is known: "+part)
			return nil
		}
		out = append(out, Cite{Act: &acts[at], Articles: articles})
	}
	return out
}
