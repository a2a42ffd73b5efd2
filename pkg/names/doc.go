// Package names tells whether two written names are one person's, as Kazakhstan writes names: in Kazakh and Russian Cyrillic and
// in many Latin spellings, in any order, with the patronymic in another form or missing. A detained person's name is
// written down in a hurry by one hand and searched for by another; plain equality and trigrams lose most of those people.
//
// The package is pure: no input or output beyond its embedded lexicon, no logging, no state after first use; everything is
// safe for concurrent use. It imports the standard library and golang.org/x/text only.
//
// # Use
//
// [Parse] each name once. Store [Name.PairKeys] (and, for names of one word, [Name.WordKeys]) as keyed hashes to find candidates,
// then [Compare] the candidates. A [Verdict] carries a tier, a score inside the band of that tier, and reasons that lay the
// parts side by side; [Reason.Text] says them in Kazakh, Russian or English. [Levers] tells which further fact would change the tier.
// [Split] sees when a whole list stands where one name should.
//
// # States of a match
//
// [None], [Possible], [Likely], [Certain]. The rules, in order:
//
//   - Certain: two words or more (surname and given name) agree without an unexplained slip, no word is left over on either side,
//     a patronymic or the birth year (± 1) agrees, and nothing contradicts.
//   - Likely: the same without a second fact; or one slip with a second fact; or two slips with both; or a word that only one side
//     has. Also, with an agreeing year: a given name and a patronymic without a surname, a surname with agreeing initials,
//     one word against one word. Without a year: a given name and a patronymic when they are the whole of both names.
//   - Possible: weaker agreement; agreement of the words against a contradicting patronymic or year, but not both; another surname when
//     given name, father and year agree; a given name like the other but a name of its own (Ерлан, Ержан) when surname, father
//     and year agree.
//   - None: everything else.
//
// What contradicts: a patronymic against a patronymic of another father, years more than one apart, an initial. A patronymic
// that contradicts in one form of a person's name is not hidden by another form that leaves it out. Sex-marked endings alone
// never contradict: clerks get them wrong. A name of one word against a longer one stays possible, even with the year.
//
// # Invariants
//
// Compare(a, b) and Compare(b, a) have one tier and one score. A score is ≥ .90 exactly for Certain, ≥ .65 for Likely, ≥ .35 for
// Possible. Parse considers at most 300 runes and 12 words, Compare the first 8 of them; nothing panics.
//
// A pair that Compare makes certain or likely nearly always shares a PairKey, or a WordKey when one side has a single word. It shares
// neither when a slip hit the consonants of one of only two words (1 in 120 of such pairs as measured): keys find, they do not promise.
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
// Two names that are both in the lexicon as names of their own are never a slip of each other.
//
// # Measured
//
// README.md holds the figures and says what they are worth.
package names
