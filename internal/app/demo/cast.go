package demo

import (
	"encoding/json"
	"strconv"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
)

// The cast. All of them are invented; the names are common ones, put together at random.
const (
	coordinatorName = "Dana Omarova"
	lawyerName      = "Saule Bekova"

	wifeToken   = "demo-phone-of-the-wife"
	motherToken = "demo-phone-of-the-mother"

	husbandAsked = "Akhmetov Arman"
	husbandYear  = 1990
	sonAsked     = "Сейтказы Даулет"
	sonYear      = 2001
)

// detainee is one line of the lawyer's note.
type detainee struct {
	name, description string
	year              int
}

// eleven is the note, as she copies it: Kazakh and Russian names, and a woman who gives none.
func eleven() []detainee {
	return []detainee{
		{name: "Ахметов Арман Серікұлы", year: husbandYear},
		{name: "Сейтқазы Дәулет Маратұлы", year: sonYear},
		{name: "Ибраева Гүлнар Қанатқызы", year: 1984},
		{name: "Ким Виктор Андреевич", year: 1977},
		{name: "Жүнісова Айдана Болатқызы", year: 1998},
		{name: "Оспанов Ержан Төлегенұлы", year: 1969},
		{name: "Петренко Ольга Николаевна", year: 1992},
		{name: "Нұрпейісов Санжар", year: 2003},
		{name: "Мұсабекова Ләззат Ерікқызы", year: 1995},
		{name: "Тілеуберді Бауыржан Асқарұлы", year: 1988},
		{description: "женщина, около 30 лет, красное пальто, имени не называет"},
	}
}

func (d detainee) String() string {
	if d.name == "" {
		return d.description
	}
	return d.name + ", " + strconv.Itoa(d.year)
}

// batch is the note as her phone sends it: the same ids each time.
func batch(department uuid.UUID, ids []uuid.UUID) *api.DetentionBatch {
	b := &api.DetentionBatch{DepartmentID: department}
	for i, d := range eleven() {
		one := api.Detainee{ClientID: ids[i], Source: json.RawMessage(`"seen"`)}
		if d.name != "" {
			one.Name, one.BirthYear = &d.name, json.RawMessage(strconv.Itoa(d.year))
		} else {
			one.Description = &d.description
		}
		b.Detainees = append(b.Detainees, one)
	}
	return b
}
