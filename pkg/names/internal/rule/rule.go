// Package rule names the rules of name matching that can be left out, so that what each of them is worth can be measured. Nothing but
// measurements and tests ever leaves one out.
package rule

import "sync/atomic"

// A Rule is one thing that matching knows.
type Rule uint32

// The rules.
const (
	Endings     Rule = 1 << iota // endings of patronymics and surnames are cut to the stem
	Fathers                      // a patronymic is compared with a patronymic
	Deletions                    // a word is found with a consonant lost
	Rarity                       // a rare name says more than a common one
	Equivalents                  // Саша is Александр
	Readings                     // Latin c, j, w, x are read in two ways
	Iotation                     // и before a vowel vanishes or softens
	Attested                     // two names that both exist are no slip of each other
	Explained                    // spellings of one sound cost little
	Lookalikes                   // letters of the other script inside a word
	Joined                       // words written together, or apart
	Layout                       // a keyboard left on its Latin layout
	Initials                     // an abbreviated word agrees with its first sound
	NearYears                    // a birth year one off still agrees
	Namesakes                    // of several who fit and cannot all be meant, each counts for less
	end
)

var names = []string{"endings", "fathers", "deletions", "rarity", "equivalents", "readings", "iotation", "attested", "explained", "lookalikes",
	"joined", "layout", "initials", "near years", "namesakes"}

func (r Rule) String() string {
	for i, n := range names {
		if r == 1<<i {
			return n
		}
	}
	return "no rule"
}

// All gives every rule.
func All() []Rule {
	var out []Rule
	for r := Rule(1); r < end; r <<= 1 {
		out = append(out, r)
	}
	return out
}

var off atomic.Uint32

// LeaveOut leaves out one rule everywhere, and only that one; zero restores all. What was parsed or indexed before must be made anew.
func LeaveOut(r Rule) { off.Store(uint32(r)) }

// On tells whether a rule is in force.
func On(r Rule) bool { return off.Load()&uint32(r) == 0 }
