package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestNamesCompare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		says []string
		not  string
	}{
		{args: []string{"Омаров Данияр Серікұлы", "Daniyar Omarov Serikovich"},
			says: []string{"certain: certain match (0.9", "  patronymic: Серікұлы ~ Serikovich, same father's name", "  A, B: a birth year from both sides that contradicts makes the match possible\n"}},
		{args: []string{"Омаров Данияр", "Omarov Daniyar", "--year-b", "1990", "--lang", "ru"},
			says: []string{"likely: вероятное совпадение (0.", "  имя: Данияр ~ Daniyar, совпадает\n", "Что ещё можно спросить:\n",
				"  A: год рождения, если совпадёт, сделает совпадение надёжным\n"}},
		{args: []string{"Омаров Данияр", "Омаров Данияр", "--year-a", "1990", "--year-b", "1991", "--lang", "kk"},
			says: []string{"certain: сенімді сәйкестік (0.9", "  туған жылы: 1990 ~ 1991, бір жылға айырмасы бар\n"}},
		{args: []string{"Омаров Данияр", "Жүнісова Ләззат"}, says: []string{"none: no match (0."}, not: "asked"},
	} {
		out, errs, err := newMachine(t).run(append([]string{"names", "compare"}, c.args...)...)
		if err != nil || errs != "" {
			t.Errorf("%v: %q, %v", c.args, errs, err)
		}
		for _, want := range c.says {
			if !strings.Contains(out, want) {
				t.Errorf("%v does not say %q but\n%s", c.args, want, out)
			}
		}
		if c.not != "" && strings.Contains(out, c.not) {
			t.Errorf("%v says %q:\n%s", c.args, c.not, out)
		}
	}
}

func TestNamesCompareAsJSON(t *testing.T) {
	t.Parallel()
	out, _, err := newMachine(t).run("names", "compare", "--json", "--lang", "ru", "--year-b", "1990", "Омаров Данияр", "Omarov Daniyar")
	if err != nil {
		t.Fatal(err)
	}
	var said outcome
	if err := json.Unmarshal([]byte(out), &said); err != nil {
		t.Fatal(err)
	}
	if said.Tier != "likely" || said.TierText != "вероятное совпадение" || said.Score < .65 || len(said.Reasons) != 2 || len(said.Levers) != 4 {
		t.Fatalf("said %s", out)
	}
	if r := said.Reasons[1]; r.Code != "given_equal" || r.Left != "Данияр" || r.Right != "Daniyar" || r.Text != "имя: Данияр ~ Daniyar, совпадает" {
		t.Errorf("reason %+v", r)
	}
	if l := said.Levers[0]; l.Code != "year_if_agrees" || l.Side != "a" || l.Tier != "certain" || l.Text == "" {
		t.Errorf("lever %+v", l)
	}
	out, _, err = newMachine(t).run("names", "compare", "--json", "Омаров", "Жүнісова")
	if err != nil || !strings.Contains(out, `"reasons":[`) || !strings.Contains(out, `"levers":[]`) {
		t.Errorf("lists are never null: %s, %v", out, err)
	}
}

func TestNamesCompareRefuses(t *testing.T) {
	t.Parallel()
	const a, b = "Омаров Данияр", "Omarov Daniyar"
	for _, c := range []struct {
		args []string
		says string
	}{
		{nil, "no command given"},
		{[]string{"guess"}, "unknown command"},
		{[]string{"compare"}, "accepts 2 arg(s)"},
		{[]string{"compare", a}, "accepts 2 arg(s)"},
		{[]string{"compare", "...", b}, "A holds no word"},
		{[]string{"compare", a, ""}, "B holds no word"},
		{[]string{"compare", a, "Ә. Қ."}, "B holds no word"},
		{[]string{"compare", a + ", Жүнісова Ләззат", b}, "A reads as a list"},
		{[]string{"compare", strings.Repeat("Омаров ", 50), b}, "A is longer than 300"},
		{[]string{"compare", a, b, "--year-a", "90"}, "--year-a wants a year"},
		{[]string{"compare", a, b, "--year-b", "x"}, "--year-b"},
		{[]string{"compare", a, b, "--lang", "de"}, "--lang wants kk, ru or en"},
	} {
		out, _, err := newMachine(t).run(append([]string{"names"}, c.args...)...)
		if exitCode(err) != exitUsage || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), a) {
			t.Errorf("%v: exit code %d, %v; want %q", c.args, exitCode(err), err, c.says)
		}
		if len(c.args) > 1 && out != "" {
			t.Errorf("%v printed %q", c.args, out)
		}
	}
}
