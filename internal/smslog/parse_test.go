package smslog

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/pkg/names"
)

// said writes a message on one line, to be compared and read: kind, code, department | name year age flags; … | unclear.
func said(m Message) string {
	var people []string
	for _, p := range m.People {
		s := p.Name
		if p.Year != 0 {
			s += fmt.Sprint(" ", p.Year)
		}
		if p.Age != 0 {
			s += fmt.Sprint(" age ", p.Age)
		}
		v := reflect.ValueOf(p.Flags)
		for i := range v.NumField() {
			if v.Field(i).Bool() {
				s += " +" + strings.ToLower(v.Type().Field(i).Name)
			}
		}
		people = append(people, s)
	}
	out := strings.TrimSpace(strings.Join([]string{string(m.Kind), m.Code, m.Department}, " "))
	out += " | " + strings.Join(people, "; ")
	if len(m.Unclear) > 0 {
		out += " | " + strings.Join(m.Unclear, ", ")
	}
	return out
}

const c = "K7T4X2M "

// As hurried people type.
var typed = []struct{ in, want string }{
	// The sheet's own examples, in three languages.
	{"K7T4X2M UP-75-ALMALY\nАхметов Асан 99\nСейтқали Әсел 2008 ә н", "report K7T4X2M UP-75-ALMALY | Ахметов Асан 1999; Сейтқали Әсел 2008 +minor +woman"},
	{"K7T4X2M UP-75-ALMALY\nАхметов Асан 99\nСейтқали Әсел 2008 ж н", "report K7T4X2M UP-75-ALMALY | Ахметов Асан 1999; Сейтқали Әсел 2008 +minor +woman"},
	{"K7T4X2M UP-75-ALMALY\nAkhmetov Asan 99\nSeitkali Asel 2008 w n", "report K7T4X2M UP-75-ALMALY | Akhmetov Asan 1999; Seitkali Asel 2008 +minor +woman"},
	// Codes: either alphabet, any case, in two groups, with a word before, look-alikes, at the end.
	{"к7т4х2м дп-71 Ахметов", "report K7T4X2M DP-71 | Ахметов"},
	{"К7Т 4Х2М DP-71 Ахметов", "report K7T4X2M DP-71 | Ахметов"},
	{"k7t4-x2m\nDP71\nАхметов", "report K7T4X2M DP-71 | Ахметов"},
	{"код: K7T4X2M, DP-71; Ахметов", "report K7T4X2M DP-71 | Ахметов"},
	{"«K7T4X2M» DP-71 — Ахметов", "report K7T4X2M DP-71 | Ахметов"},
	{"  \n👉 K7T4X2M 12 Ахметов", "report K7T4X2M 12 | Ахметов"},
	{"aO2IF9c DP-71 Ахметов", "report A021F9C DP-71 | Ахметов"}, // O for 0, I for 1
	{"АО2lФ9С DP-71 Ахметов", "report A021F9C DP-71 | Ахметов"},
	{"A02ІФ9Ц DP-71 Ахметов", "report  DP-71 | Ахметов | A02ІФ9Ц"},
	{"Ахметов Асан 99 DP-71 K7T4X2M", "report K7T4X2M DP-71 | Ахметов Асан 1999"},
	{"Ахметов Асан 99\nK7T4X2M", "report K7T4X2M | Ахметов Асан 1999"},
	// Codes that are none: missing, forged forms, one sign too few or too many.
	{"Ахметов Асан 99", "report | Ахметов Асан 1999"},
	{"DP-71 Ахметов Асан 99", "report  DP-71 | Ахметов Асан 1999"},
	{"K7T4X2 DP-71 Ахметов", "report  DP-71 | Ахметов | K7T4X2"},
	{"K7T4X2MM DP-71 Ахметов", "report  DP-71 | Ахметов | K7T4X2MM"},
	{"KTTEXAM DP-71 Ахметов", "report  DP-71 | KTTEXAM; Ахметов"},
	{"Марат99 Ким01", "report | Марат 1999; Ким 2001"},
	{"Тен 1990", "report | Тен 1990"},
	{"1. Ахметов 2. Ким", "report | Ахметов; Ким"},
	// Departments.
	{c + "ИВС 11: Ахметов", "report K7T4X2M IVS-11 | Ахметов"},
	{c + "СПЕЦ-79 Ахметов", "report K7T4X2M SPETS-79 | Ахметов"},
	{c + "УП-75-АЛМАЛЫ Ахметов", "report K7T4X2M UP-75-ALMALY | Ахметов"},
	{c + "DР-71 Ахметов", "report K7T4X2M DP-71 | Ахметов"}, // a Cyrillic Р
	{c + "YП 75 Ахметов", "report K7T4X2M UP-75 | Ахметов"}, // a Latin Y
	{c + "ОП№5 Ахметов", "report K7T4X2M OP-5 | Ахметов"},
	{c + "отдел 12 Ахметов", "report K7T4X2M 12 | Ахметов"},
	{c + "отдел: Медеу; Ахметов", "report K7T4X2M MEDEU | Ахметов"},
	{c + "№ 7\nАхметов", "report K7T4X2M 7 | Ахметов"},
	{c + "? Ахметов", "report K7T4X2M | Ахметов"},
	{c + "Алмалинский РУП; Ахметов", "report K7T4X2M ALMALINSKIY-RUP | Ахметов"},
	{c + "РУП Алмалы\nАхметов", "report K7T4X2M RUP-ALMALY | Ахметов"},
	{c + "ИВС\nАхметов", "report K7T4X2M IVS | Ахметов"},
	{c + "УП Ахметов Асан 99", "report K7T4X2M | Ахметов Асан 1999 | УП"},
	{c + "Медеу; Ахметов Асан", "report K7T4X2M | Медеу; Ахметов Асан"},
	{c + "Ахметов; Ким", "report K7T4X2M | Ахметов; Ким"},
	// Separators, lists, and none at all.
	{c + "1 ахметов асан 99/ким виктор 01;ли ольга", "report K7T4X2M 1 | ахметов асан 1999; ким виктор 2001; ли ольга"},
	{c + "1; Ахметов Асан, Ким Виктор, Ли Ольга", "report K7T4X2M 1 | Ахметов Асан; Ким Виктор; Ли Ольга"},
	{c + "DP-71 Ахметов Асан 99 Ким Виктор 01 Ли Ольга", "report K7T4X2M DP-71 | Ахметов Асан 1999; Ким Виктор 2001; Ли Ольга"},
	{c + "DP-71\n1) Ахметов Асан\n2) Ким Виктор\n10) Ли", "report K7T4X2M DP-71 | Ахметов Асан; Ким Виктор; Ли"},
	{c + "DP-71 1. Ахметов Асан 99 2. Ким 3. Ли", "report K7T4X2M DP-71 | Ахметов Асан 1999; Ким; Ли"},
	{c + "DP-71\n- Ахметов\n• Ким\n* Ли", "report K7T4X2M DP-71 | Ахметов; Ким; Ли"},
	{c + "DP-71 Ахметов😀Ким😢 Ли🙏🏽", "report K7T4X2M DP-71 | Ахметов; Ким; Ли"},
	{c + "DP-71 Ахметов и Ким және Ли and Пак", "report K7T4X2M DP-71 | Ахметов; Ким; Ли; Пак"},
	{c + "DP-71 АХМЕТОВ АСАН И КИМ ВИКТОР", "report K7T4X2M DP-71 | АХМЕТОВ АСАН; КИМ ВИКТОР"},
	{c + "DP-71 Ахметов Асан. Ким Виктор.", "report K7T4X2M DP-71 | Ахметов Асан; Ким Виктор"},
	{c + "DP-71 Ахметов Асан + Ким", "report K7T4X2M DP-71 | Ахметов Асан; Ким"},
	{c + "DP-71 Ахметов Асан Ким Виктор Ли Ольга", "report K7T4X2M DP-71 | Ахметов Асан Ким Виктор Ли Ольга | Ахметов Асан Ким Ви…"},
	// Names: initials, patronymics, double names, apostrophes, brackets, mixed alphabets, autocorrect.
	{c + "DP-71 Ахметов А.С. 99; Ким В П", "report K7T4X2M DP-71 | Ахметов А. С. 1999; Ким В П"},
	{c + "DP-71 А. Ахметов; К Ким", "report K7T4X2M DP-71 | А. Ахметов; К Ким"},
	{c + "DP-71 Сейд-Али О’Коннор Д`Артаньян", "report K7T4X2M DP-71 | Сейд-Али О'Коннор Д'Артаньян"},
	{c + "DP-71 Ахметов (Асан) Болат ұлы", "report K7T4X2M DP-71 | Ахметов Асан Болат ұлы"},
	{c + "DP-71 Cерік Aхметов", "report K7T4X2M DP-71 | Cерік Aхметов"}, // Latin C and A stay: pkg/names reads them
	{c + "DP-71 Пётр “Королёв” – 99", "report K7T4X2M DP-71 | Пётр Королёв 1999"},
	{c + "DP-71 Ахм3тов Асан", "report K7T4X2M DP-71 | Ахм3тов Асан | Ахм3тов"},
	{c + "DP-71 " + "Йо\u0306ргай и\u0306", "report K7T4X2M DP-71 | Йо̆ргай й"},
	// Years and ages.
	{c + "DP-71 Ахметов 1999 г.р.; Ким 01г; Ли 99 ж.т.; Пак 1999ж.; Цой туған жылы 88", "report K7T4X2M DP-71 | Ахметов 1999; Ким 2001; Ли 1999; Пак 1999; Цой 1988"},
	{c + "DP-71 Ахметов 12.03.1999, Ким 1/2/01; Ли 05-06-88", "report K7T4X2M DP-71 | Ахметов 1999; Ким 2001; Ли 1988"},
	{c + "DP-71 Ахметов О4; Ким 199З; Ли 2ОО1", "report K7T4X2M DP-71 | Ахметов 2004; Ким 1993; Ли 2001"},
	{c + "DP-71 Ахметов (99); Ким 29; Ли 30", "report K7T4X2M DP-71 | Ахметов 1999; Ким 2029; Ли 1930"},
	{c + "DP-71 Ахметов 17 лет; Ким 18 лет; Ли 16 жаста; Pak 15 years", "report K7T4X2M DP-71 | Ахметов age 17 +minor; Ким age 18; Ли age 16 +minor; Pak age 15 +minor"},
	{c + "DP-71 99 Ахметов Асан", "report K7T4X2M DP-71 | Ахметов Асан | 99"},
	{c + "DP-71 1999 Ахметов Асан", "report K7T4X2M DP-71 | Ахметов Асан 1999"},
	{"12 K7T4X2M Ахметов", "report K7T4X2M | Ахметов | 12"},
	{c + "Асан99 Ли88", "report K7T4X2M | Асан 1999; Ли 1988"},
	{c + "DP-71 Исаев 99 Адам Ким 01, 5 адам", "report K7T4X2M DP-71 | Исаев 1999; Адам Ким 2001 | 5 адам"},
	{c + "DP-71 Ахметов 22 года; Ким 01 года; Ли 22 года рождения; Пак 21 год; Цой 93 года", "report K7T4X2M DP-71 | Ахметов age 22; Ким 2001; Ли 2022; Пак age 21; Цой 1993"},
	{c + "DP-71 Ли Жен; Ким жен.; Пак 2008 қыз", "report K7T4X2M DP-71 | Ли Жен; Ким +woman; Пак 2008 +woman"},
	{c + "DP-71 Ахметов 99 01; Ким 1850; Ли 123", "report K7T4X2M DP-71 | Ахметов 1999; Ким; Ли | 01, 1850, 123"},
	{c + "DP-71 Ахметов ИИН 990312300123 тел +7 (701) 555-01-23", "report K7T4X2M DP-71 | Ахметов ИИН тел | 990…, 770…"},
	// Flags: letters of either alphabet, words, glued, on a line of their own, initials that are none.
	{c + "DP-71 Ахметов 99 н т а о к", "report K7T4X2M DP-71 | Ахметов 1999 +minor +injured +lawyer +released +transferred"},
	{c + "DP-71 Ахметов 99 H T A O K", "report K7T4X2M DP-71 | Ахметов 1999 +minor +injured +lawyer +released +transferred"},
	{c + "DP-71 Akhmetov 99 u; Kim 01 f l; Lee 88 R", "report K7T4X2M DP-71 | Akhmetov 1999 +minor; Kim 2001 +woman +lawyer; Lee 1988 +released"},
	{c + "DP-71 Ахметова +жт Ким +ж Ли", "report K7T4X2M DP-71 | Ахметова +woman +injured; Ким +woman; Ли"},
	{c + "DP-71 Ахметова Дана ж", "report K7T4X2M DP-71 | Ахметова Дана +woman"},
	{c + "DP-71 ахметова дана ж", "report K7T4X2M DP-71 | ахметова дана ж | ж"},
	{c + "DP-71 Ахметова Ж.", "report K7T4X2M DP-71 | Ахметова Ж."},
	{c + "DP-71 Ахметов Асан 99\nт а\nКим", "report K7T4X2M DP-71 | Ахметов Асан 1999 +injured +lawyer; Ким"},
	{c + "DP-71 Ахметов 99 р б в и", "report K7T4X2M DP-71 | Ахметов 1999 | р, б, в, и"},
	{c + "DP-71 Ахметов 99 ж м", "report K7T4X2M DP-71 | Ахметов 1999 | м"},
	{c + "DP-71 Ахметова 2004 ж.", "report K7T4X2M DP-71 | Ахметова 2004 | ж."},
	{c + "DP-71 Ахметов ранен, нужен адвокат; Ким босатылды; Lee injured needs a lawyer", "report K7T4X2M DP-71 | Ахметов +injured +lawyer; Ким +released; Lee +injured +lawyer"},
	{c + "DP-71 ранен Ким Виктор", "report K7T4X2M DP-71 | Ким Виктор +injured"},
	{c + "DP-71 Ахметов Асан переведён в ИВС 11", "report K7T4X2M DP-71 | Ахметов Асан +transferred | ИВС 11"},
	// What is denied is not said.
	{c + "DP-71 Ахметов не отпущен; Ким не был ранен; Ли босатылған жоқ; Lee not released", "report K7T4X2M DP-71 | Ахметов; Ким; Ли; Lee | не отпущен, не, ранен, босатылған жоқ, not released"},
	{c + "DP-71 Ахметов босатылмады", "report K7T4X2M DP-71 | Ахметов босатылмады"},
	{c + "DP-71 Ахметов без адвоката; Ким адвокаты жоқ; Ли нет адвоката", "report K7T4X2M DP-71 | Ахметов +lawyer; Ким +lawyer; Ли +lawyer"},
	{c + "DP-71 Ахметов адвокат есть; Ким адвокат не нужен; Ли не нужен адвокат; Пак адвокат керек емес", "report K7T4X2M DP-71 | Ахметов; Ким; Ли; Пак | адвокат есть, адвокат не нужен, нужен адвокат, адвокат керек емес"},
	{c + "DP-71 Ахметов Асан 99 и еще 5 человек", "report K7T4X2M DP-71 | Ахметов Асан 1999 | еще, 5 человек"},
	// A relative asks.
	{"СТАТУС K7T4X2M", "status K7T4X2M | "},
	{"статус:к7т4х2м", "status K7T4X2M | "},
	{"статусk7t4x2m", "status K7T4X2M | "},
	{"Status code k7t-4x2m?", "status K7T4X2M | "},
	{"ЖАҒДАЙ K7T4 X2MA 0123", "status K7T4X2MA0123 | "},
	{"жагдай K7T4X2M рахмет", "status K7T4X2M |  | рахмет"},
	{"K7T4X2M статус", "status K7T4X2M | "},
	{"CTATYC K7T4X2M", "status K7T4X2M | "}, // in Latin letters that look alike
	{"cnfnec K7T4X2M", "status K7T4X2M | "}, // the wrong layout
	{"ыефегы K7T4X2M", "status K7T4X2M | "},
	{";f5lfq K7T4X2M", "status K7T4X2M | "},
	{"статус", "status | "},
	{"статус моего сына", "status |  | моего сына"},
	// Stop and help.
	{"СТОП", "stop | "}, {"стоп!!!", "stop | "}, {"Stop.", "stop | "}, {"ТОҚТА", "stop | "}, {"токта", "stop | "}, {"CTOП", "stop | "},
	{"cnjg", "stop | "}, {"ыещз", "stop | "}, {"nj0nf", "stop | "}, {"njrnf", "stop | "}, {"стоп пожалуйста", "stop | "},
	{"Стоп это мой сын где он", "help |  | это мой сын где он"},
	{"?", "help | "}, {"Помощь", "help | "}, {"КӨМЕК", "help | "}, {"комек", "help | "}, {"help me", "help |  | me"}, {"gjvjom", "help | "}, {"r-vtr", "help | "},
}

func TestParse(t *testing.T) {
	t.Parallel()
	if len(typed) < 60 {
		t.Fatal(len(typed))
	}
	for _, x := range typed {
		m, err := Parse(x.in)
		if err != nil {
			t.Errorf("%q: %v", x.in, err)
			continue
		}
		if got, want := strings.TrimSpace(said(m)), strings.TrimSpace(x.want); got != want {
			t.Errorf("%q\n  got  %s\n  want %s", x.in, got, want)
		}
	}
}

func TestWhatIsNoMessage(t *testing.T) {
	t.Parallel()
	for in, code := range map[string]string{
		"": "required", " \n": "required", "😀🙏🏽": "required", "!.,;": "required", "\x00\xff": "required",
		strings.Repeat("я", MaxText+1): "too_long",
	} {
		_, err := Parse(in)
		f := fault.As(err)
		if f == nil || f.Kind != fault.Invalid || f.Fields[0] != (fault.Field{Pointer: "/text", Code: code}) {
			t.Errorf("%.10q: %v", in, err)
		}
	}
	if _, err := Parse(strings.Repeat("я", MaxText)); err != nil {
		t.Error(err)
	}
}

func TestTheLanguageIsGuessed(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Ахметов": "ru", "Akhmetov": "en", "K7T4X2M DP-71 Ахметов Әсел": "kk", "STOP": "en", "ыещз": "en", "nj0nf": "kk", "cnjg": "ru", "токта": "kk", "12": "ru", "K7T4X2M UP-75-ALMALY Ким": "ru", "K7T4X2M УП-75 Kim": "en",
	} {
		if m, err := Parse(in); err != nil || m.Language != want {
			t.Errorf("%q: %q %v", in, m.Language, err)
		}
	}
}

// A thousand names come out a thousand, in order, whatever stands between them.
func TestAThousandNames(t *testing.T) {
	t.Parallel()
	for _, between := range []string{"\n", "; ", "/", ", ", " 99 ", "\r\n", " и "} {
		var in strings.Builder
		in.WriteString("K7T4X2M DP-71\n")
		for i := range 1000 {
			fmt.Fprintf(&in, "%s %s%s", name(i), name(i+7), between)
		}
		m, err := Parse(in.String())
		if err != nil || len(m.People) != 1000 || len(m.Unclear) != 0 {
			t.Fatalf("%q: %d people, unclear %.3q, %v", between, len(m.People), m.Unclear, err)
		}
		for i, p := range m.People {
			if p.Name != name(i)+" "+name(i+7) {
				t.Fatalf("%q: %d is %q", between, i, p.Name)
			}
		}
	}
}

// name makes words that are in no table of ours.
func name(i int) string {
	parts := []string{"Жу", "ма", "ре", "ба", "се", "ги", "ло", "ша", "ды", "ну"}
	return parts[i%10] + parts[i/10%10] + parts[i/100%10] + "мбетов"
}

// No text takes the square of its length. The bound is generous: what is slow here would take minutes.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	start := time.Now()
	for _, unit := range []string{"а", "а ", "+а ", "+", "-", "'", "отдел ", "K7T4X2", "1 ", "1. ", "99 ", "не ", "ж ", "и ", "(", "12.03.99 ", "+7 ", "адвокат ", "\u0306", "статус", "О4", "DP-1 ", "ранен не "} {
		for _, tail := range []string{"", "Ким"} {
			in := strings.Repeat(unit, (MaxText-3)/len([]rune(unit))) + tail
			if _, err := Parse(in); err != nil && fault.As(err) == nil {
				t.Errorf("%q: %v", unit, err)
			}
		}
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("took %v", took)
	}
}

// No letter means two things, and letters that look alike mean one.
func TestLetterFlagsAreUnambiguous(t *testing.T) {
	t.Parallel()
	seen := map[string]Flags{}
	for l, set := range letterFlags {
		var f Flags
		set(&f)
		seen[l] = f
	}
	for latin, cyrillic := range lookalike {
		if seen[string(latin)] != seen[string(cyrillic)] {
			t.Errorf("%c and %c differ", latin, cyrillic)
		}
	}
	for _, r := range "РБВИI" {
		if seen[string(r)] != (Flags{}) {
			t.Errorf("%c is read in two ways by people and has a meaning", r)
		}
	}
	for _, w := range strings.Fields(lawyers) {
		if wordFlags[skeleton(w)] == nil {
			t.Errorf("%s is no flag", w)
		}
	}
}

func TestAMessageDoesNotPrint(t *testing.T) {
	t.Parallel()
	m, err := Parse("K7T4X2M DP-71 Ахметов Асан 99 СЕКРЕТ")
	if err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprintf("%v %+v %#v %v %s", m, m, m, m.People[0], m.LogValue()); strings.Contains(s, "Ахметов") || strings.Contains(s, "K7T") || strings.Contains(s, "СЕКРЕТ") {
		t.Error(s)
	}
}

// checked are what holds for every text.
func checked(t *testing.T, in string) {
	t.Helper()
	m, err := Parse(in)
	if err != nil {
		if fault.As(err) == nil {
			t.Errorf("%q: %v is no fault", in, err)
		}
		return
	}
	if m.Code != "" {
		if again, ok := Fold(m.Code); !ok || again != m.Code || m.Kind == Logging && !formed(m.Code) {
			t.Errorf("%q: code %q", in, m.Code)
		}
	}
	for _, p := range m.People {
		if strings.TrimSpace(p.Name) == "" || strings.ContainsAny(p.Name, "\n;/,+") || p.Year != 0 && (p.Year < 1900 || p.Year > 2099) || p.Age < 0 || p.Age > 99 {
			t.Errorf("%q: %q %d %d", in, p.Name, p.Year, p.Age)
		}
		if p.Flags.Man && p.Flags.Woman {
			t.Errorf("%q: man and woman", in)
		}
	}
	for _, u := range m.Unclear {
		if len([]rune(u)) > 20 || u == "" {
			t.Errorf("%q: unclear %q", in, u)
		}
	}
	if m.Kind != Logging && len(m.People) > 0 {
		t.Errorf("%q: %s logs people", in, m.Kind)
	}
	for _, r := range m.Department {
		if unicode.IsLower(r) || unicode.IsSpace(r) {
			t.Errorf("%q: department %q", in, m.Department)
		}
	}
	for _, l := range []string{"kk", "ru", "en"} {
		for _, latin := range []bool{true, false} {
			oneSMS(t, Reply{Message: m, Language: l, Latin: latin})
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, x := range typed {
		f.Add(x.in)
	}
	f.Add("K7T4X2M\u202e DP-71 \ufeffАхметов\u00ad")
	f.Add("\xff\xfe")
	f.Fuzz(checked)
}

// Words put together at random, from what the parser knows and from names: nothing panics, nothing breaks a promise, and every name is somewhere.
func TestRandomMessages(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	pool := strings.Fields("K7T4X2M DP-71 99 2001 ж н т 17 лет не отпущен ранен адвокат жоқ и + ; , / . 1) 2. ИВС 11 отдел ( ) г.р. ж.т. +мт 12.03.99 5 человек ? №")
	for range 3_000 {
		var in []string
		var names []string
		for range 1 + r.IntN(12) {
			if r.IntN(3) == 0 {
				n := name(r.IntN(1000))
				names = append(names, n)
				in = append(in, n)
			} else {
				in = append(in, pool[r.IntN(len(pool))])
			}
		}
		text := strings.Join(in, []string{" ", " ", "\n"}[r.IntN(3)])
		checked(t, text)
		m, err := Parse(text)
		if err != nil {
			continue
		}
		found := m.Department
		for _, p := range m.People {
			found += " " + p.Name
		}
		for _, n := range names {
			if m.Kind == Logging && !strings.Contains(found, n) && !strings.Contains(found, normalise(n)) {
				t.Errorf("%q: %s is lost: %s", text, n, said(m))
			}
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := Parse("K7T4X2M UP-75-ALMALY\nАхметов Асан 99\nСейтқали Әсел 2008 ә н"); err != nil {
			b.Fatal(err)
		}
	}
}

// What the sheet in docs/sms.md shows is read as it says.
func TestTheSheetsExamples(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/sms.md")
	if err != nil {
		t.Fatal(err)
	}
	sheet, _, _ := strings.Cut(string(raw), "## How it is read")
	var columns [3][]string
	for _, line := range strings.Split(sheet, "\n") {
		cells := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(line, -1)
		if len(cells) == 3 && strings.Count(line, "|") == 4 {
			for i := range columns {
				columns[i] = append(columns[i], cells[i][1])
			}
		}
	}
	for i, want := range []string{
		"report K7T4X2M UP-75-ALMALY | Ахметов Асан 1999; Сейтқали Әсел 2008 +minor +woman; Ким Виктор +injured",
		"report K7T4X2M UP-75-ALMALY | Ахметов Асан 1999; Сейткали Асель 2008 +minor +woman; Ким Виктор age 17 +minor +injured",
		"report K7T4X2M UP-75-ALMALY | Akhmetov Asan 1999; Seitkali Asel 2008 +minor +woman; Kim Viktor 2001 +injured",
	} {
		m, err := Parse(strings.Join(columns[i], "\n"))
		if err != nil || said(m) != want {
			t.Errorf("column %d: %s %v", i, said(m), err)
		}
	}
	marks := regexp.MustCompile(`(?m)^\| ([А-ЯӘA-Z](?:, [А-ЯӘA-Z])*) \|.*\| ([^|]+) \|$`).FindAllStringSubmatch(sheet, -1)
	if len(marks) != 7 {
		t.Fatalf("%d marks", len(marks))
	}
	for _, mark := range marks {
		want := Flags{}
		for i, way := range append(strings.Split(mark[1], ", "), strings.Split(mark[2], ", ")...) {
			m, err := Parse("K7T4X2M DP-71 Ким 99 " + way)
			if err != nil || len(m.People) != 1 || len(m.Unclear) != 0 {
				t.Fatalf("%s: %s %v", way, said(m), err)
			}
			if i == 0 {
				want = m.People[0].Flags
			}
			if m.People[0].Flags != want || want == (Flags{}) {
				t.Errorf("%s is not what %s is: %s", way, mark[1], said(m))
			}
		}
	}
}

// No name that pkg/names knows is taken for a command, a flag, a place or a word that says nothing.
func TestNoNameIsAWordOfOurs(t *testing.T) {
	t.Parallel()
	all := names.Listed()
	if len(all) < 500 {
		t.Fatalf("%d names", len(all))
	}
	for _, n := range all {
		for _, text := range []string{n.Text + " Жумабаев", "Жумабаев " + n.Text, "Жумабаев 99 " + n.Text,
			"жумабаев " + strings.ToLower(n.Text), strings.ToUpper(n.Text) + " ЖУМАБАЕВ"} {
			m, err := Parse("K7T4X2M DP-71 " + text)
			if err != nil || len(m.Unclear) > 0 {
				t.Errorf("%q: %s %v", text, said(m), err)
				continue
			}
			last := m.People[len(m.People)-1]
			if last.Name != strings.ReplaceAll(text, "Жумабаев 99 ", "") || last.Flags != (Flags{}) {
				t.Errorf("%q: %s", text, said(m))
			}
		}
	}
}
