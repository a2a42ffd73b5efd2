package smslog

import (
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/paper"
)

// Printed is a sheet of codes to be printed. Number is where messages go, as it is dialled. At is the day it was made.
type Printed struct {
	Account  uuid.UUID
	First, N int
	Number   string
	Language string // kk, ru or en; any other: en
	At       time.Time
}

// pageWords are what stands on a sheet. Our words; the Kazakh ones were not yet read by a native speaker.
type pageWords struct {
	title, keep, how, example, footer, letters string
	flags                                      [][2]string
}

var pageIn = map[string]pageWords{
	"kk": {
		title:   "SMS үшін бір реттік кодтар",
		keep:    "Әр код бір рет қана жарайды. Ретімен алыңыз, пайдаланғанын сызып тастаңыз. Жоғалса, координаторға бірден айтыңыз.",
		how:     "Интернет болмаса %s нөміріне SMS жіберіңіз: код, бөлім, содан кейін адамдар, әрқайсысы жаңа жолдан немесе нүктелі үтірден кейін. Туған жылы мен белгілері аттан кейін.",
		example: "%s UP-75-ALMALY\nАхметов Асан 99\nСейтқали Әсел 2008 ә н", letters: "Латынша да, кириллицамен де теруге болады; бас әріп міндетті емес.",
		footer: "Qorgau",
		flags:  [][2]string{{"Н", "кәмелетке толмаған"}, {"Ә", "әйел"}, {"М", "ер"}, {"Т", "жарақат"}, {"А", "адвокат керек"}, {"О", "босатылды"}, {"К", "басқа жерге әкетілді"}},
	},
	"ru": {
		title:   "Одноразовые коды для SMS",
		keep:    "Каждый код годится один раз. Берите по порядку и зачёркивайте. Потеряли лист, сразу скажите координатору.",
		how:     "Нет интернета: пошлите SMS на %s. Сначала код, потом отдел, потом люди, каждый с новой строки или после точки с запятой. Год рождения и пометки после имени.",
		example: "%s UP-75-ALMALY\nАхметов Асан 99\nСейтқали Әсел 2008 ж н", letters: "Набирать можно и латиницей, и кириллицей; заглавные не обязательны.",
		footer: "Qorgau",
		flags:  [][2]string{{"Н", "несовершеннолетний"}, {"Ж", "женщина"}, {"М", "мужчина"}, {"Т", "травма"}, {"А", "нужен адвокат"}, {"О", "отпущен"}, {"К", "увезли в другое место"}},
	},
	"en": {
		title:   "One-time codes for SMS",
		keep:    "Each code is good once. Take them in order and cross them out. If the sheet is lost, tell the coordinator at once.",
		how:     "No internet: send an SMS to %s. First the code, then the department, then the people, each on a new line or after a semicolon. Year of birth and marks after the name.",
		example: "%s UP-75-ALMALY\nAkhmetov Asan 99\nSeitkali Asel 2008 w n", letters: "Latin or Cyrillic, capitals or not: all are read.",
		footer: "Qorgau",
		flags:  [][2]string{{"N", "minor"}, {"W", "woman"}, {"M", "man"}, {"T", "injured (trauma)"}, {"A", "needs a lawyer (advocate)"}, {"O", "released (out)"}, {"K", "taken elsewhere"}},
	},
}

const columns = 4

// Page prints a sheet of codes as PDF. It names neither the account nor its holder: a sheet that is found says nothing about anyone. Codes stand in
// order from left to right, in two groups, as they are read aloud.
func Page(key []byte, p Printed) ([]byte, error) {
	w, known := pageIn[p.Language]
	if !known {
		p.Language, w = "en", pageIn["en"]
	}
	s := paper.New(paper.Setup{Title: w.title, Language: p.Language, Footer: w.footer, At: p.At})
	s.Title(w.title)
	s.Strong(w.keep)
	s.Paragraph(fmt.Sprintf(w.how, p.Number))
	s.Paragraph(fmt.Sprintf(w.example, "K7T 4X2M"))
	s.Paragraph(w.letters)
	flags := make([]paper.Column, 0, len(w.flags))
	means := make([]string, 0, len(w.flags))
	for _, f := range w.flags {
		flags, means = append(flags, paper.Column{Head: f[0], Share: 1}), append(means, f[1])
	}
	s.Table(flags, [][]string{means})
	cells := make([]paper.Cell, 0, max(p.N, 0))
	for i, c := range Sheet(key, p.Account, p.First, p.N) {
		cells = append(cells, paper.Cell{Label: strconv.Itoa(p.First + i + 1), Text: c[:3] + " " + c[3:]})
	}
	s.Grid(columns, cells)
	return s.Bytes()
}
