// Package names tells whether two written names are one person's, as Kazakhstan writes names: in Kazakh and Russian Cyrillic and
// in many Latin spellings, in any order, with the patronymic in another form or missing. A detained person's name is
// written down in a hurry by one hand and searched for by another; plain equality and trigrams lose most of those people.
//
// The package is pure: no input or output beyond its embedded lexicon, no logging, no state after first use; everything is
// safe for concurrent use. It imports the standard library and golang.org/x/text only.
//
// # Use
//
// [Parse] each name once, and [Compare] people. To find one among many, put them into an [Index] and ask it: it gives candidates by
// their [Person.Keys], compares them, and knows from its own people how common a name is. A [Verdict] carries a score, a tier, and reasons that lay the
// parts side by side; [Reason.Text] says them in Kazakh, Russian or English. [Levers] tells which further fact would change the tier.
// [Split] sees when a whole list stands where one name should. `qorgau names compare` and `qorgau names match` do the same from the
// command line.
//
// # How a pair is judged
//
//  1. Words are brought to sounds that both scripts share (letters.go), endings of patronymics and surnames are cut to their stem
//     (endings.go), and each word gets a role as far as its form tells: given name, surname, patronymic, initial (parse.go).
//  2. The words of both names are laid side by side so that what agrees is greatest, whatever their order (align.go). Each pair of
//     words is equal, spelled otherwise, another form, a slip, a resemblance, or two names of their own (relate.go, distance.go).
//  3. What was found becomes numbers, the [Evidence]: how many words agree and how rare they are, slips and their size, words left
//     over, fathers, years. A [Model] weighs them; its weights are data (data/model.tsv), fitted on labelled pairs.
//  4. The sum is the logarithm of odds. It falls with the number of people who could be meant: twice as many, half the odds. Of
//     several who fit and cannot all be meant, each counts for less ([Index.Judge]): whoever asks for "Ахметов Арман" without a second
//     fact is as sure of none as there are of them.
//
// # States of a match
//
// [None], [Possible], [Likely], [Certain]: as high as the score reaches, and no higher than the facts allow:
//
//   - Certain: two given parts agree, one of them without a slip; a patronymic or the birth year (± 1) agrees; no word of one
//     stands against a word of the other, at most one is left over; nothing is doubtful (a short word with a slip, a word that only
//     resembles the other, a related name of its own, surname and patronymic of the other sex, "жена …", another father in another form);
//     nothing contradicts. Of a given name and a patronymic without a surname nothing is left over and the year is the same.
//   - Likely: nothing contradicts, no word is a name of its own beside one like it (Ерлан, Ержан), and more than one word is known or
//     the year agrees.
//   - Possible: the rest, but for one common word of a longer name: too many are meant by it.
//
// What contradicts: a patronymic against a patronymic of another father, years more than one apart, an initial. A patronymic
// that contradicts in one form of a person's name is not hidden by another form that leaves it out. Sex-marked endings alone
// never contradict: clerks get them wrong.
//
// # Invariants
//
// Compare(a, b) and Compare(b, a) have one tier and one score. A score means the same whatever the size of the index: the probability, as
// fitted, that both are one person. Parse considers at most 300 runes and 12 words, Compare the first 8 of them; nothing panics; one
// look compares at most [Compared] people, and says when there were more.
//
// # What is not a slip
//
// Each tolerated difference has its reason beside it in the code: exchanges of sounds in distance.go (explained, dropCost), spellings
// of one sound in letters.go (cyrillic, latin, ambiguous, clusters, settle), endings in endings.go, equivalents in data/. In short:
//
//   - ә а, ө о у е, ұ ү у о, і ы и, қ к х, ғ г, ң н ng, һ х: no Kazakh keyboard, Russian documents, passports;
//   - е ye ie, ё yo io e o, я ya ia, ю yu iu u, й y i, ж zh j дж, х kh h x, ц ts, ч ch tch, щ shch, ш sh: transliterations (ICAO Doc
//     9303, GOST 7.79, the Kazakh Latin drafts of 2018 and 2021, Turkish, informal);
//   - doubled letters; ь and ъ; a short ы or і left out; у as в before vowels; Ukrainian г as h, Belarusian -аўскі;
//   - -ұлы -қызы -ович -евич -ич -овна -евна -ична -оглы -уулу, written apart or hyphenated: the father's stem counts;
//   - surname endings by gender and case, -ов left out (Серік, Сериков), -off;
//   - equivalents (Александр, Саша, Олександр; Жүсіп, Юсуп);
//   - characters that are not seen (zero-width, soft hyphen, marks of direction); look-alike letters of another script, words fused or hyphenated, the keyboard left on its Latin layout.
//
// Two names that are both in the lexicon as names of their own are never a slip of each other. Package rule names what can be left out
// one by one, to see what it carries.
//
// # Measured
//
// README.md holds the figures and says what they are worth.
package names
