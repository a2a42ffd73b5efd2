package day

import "testing"

func TestOneSlipIsSeen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want bool
	}{{"Досжанов", "Досжаров", true}, {"Нұрлан", "Нұржан", true}, {"Серік", "Серик", true}, {"Ахметов", "Сейтқалиев", false}, {"Қонысбек", "Әбілхайыр", false}} {
		if got := oneSlip(c.a, c.b); got != c.want {
			t.Errorf("%s, %s: %v", c.a, c.b, got)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"абв", "", 3}, {"", "аб", 2}, {"абв", "абв", 0}, {"абв", "агв", 1}, {"абв", "ав", 1}, {"ав", "абв", 1}, {"кот", "ток", 2}, {"абвг", "вгаб", 4}} {
		if got := distance([]rune(c.a), []rune(c.b)); got != c.want {
			t.Errorf("%s, %s: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

// Who shares one name with somebody who was taken, and is one slip away in the other, is not drawn; their very namesakes are.
func TestNobodyIsTakenForAnother(t *testing.T) {
	t.Parallel()
	p, b := newPool(), beside{}
	taken := called{surname: 5, given: 7}
	b.add(taken)
	slips := 0
	for i := range p.surnames {
		c := called{surname: i, given: 7}
		if got, want := b.mistakable(p, c), i != 5 && oneSlip(p.surnames[i], p.surnames[5]); got != want {
			t.Errorf("%s beside %s: %v", p.surnames[i], p.surnames[5], got)
		} else if want {
			slips++
		}
		if c.female = true; b.mistakable(p, c) {
			t.Error("a woman for a man")
		}
	}
	for i := range p.men {
		if got, want := b.mistakable(p, called{surname: 5, given: i}), i != 7 && oneSlip(p.men[i], p.men[7]); got != want {
			t.Errorf("%s beside %s: %v", p.men[i], p.men[7], got)
		} else if want {
			slips++
		}
	}
	if slips < 5 {
		t.Fatalf("%d slips: the test proves little", slips)
	}
}
