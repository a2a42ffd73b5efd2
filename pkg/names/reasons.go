package names

import "strconv"

// reasons tells an outcome in words of Reason, with a and b as the caller gave them.
func (o *outcome) reasons(a, b *Name, yearA, yearB int) []Reason {
	out := make([]Reason, 0, 8)
	usedA, usedB := &o.al.usedA, &o.al.usedB
	if o.swapped {
		usedA, usedB = usedB, usedA
	}
	for _, l := range o.al.links[:o.al.n] {
		i, j := l.i, l.j
		if o.swapped {
			i, j = j, i
		}
		p, q := &a.parts[i], &b.parts[j]
		code, detail := l.code(p, q)
		out = append(out, Reason{Code: code, Left: p.text, Right: q.text, Detail: detail})
	}
	if o.al.joined > 0 || o.al.fused != nil {
		out = append(out, Reason{Code: WordsJoined})
	}
	if o.al.initials > 0 {
		out = append(out, Reason{Code: InitialAgrees, Detail: strconv.Itoa(o.al.initials)})
	}
	if o.al.clashing > 0 {
		out = append(out, Reason{Code: InitialContradicts, Detail: strconv.Itoa(o.al.clashing)})
	}
	out = appendFathers(out, a, b, o.tally.father, usedA, usedB)
	for i := range a.parts {
		if code := missing(a, usedA, i); code != "" {
			out = append(out, Reason{Code: code, Left: a.parts[i].text})
		}
	}
	for j := range b.parts {
		if code := missing(b, usedB, j); code != "" {
			out = append(out, Reason{Code: code, Right: b.parts[j].text})
		}
	}
	if a.mistyped || b.mistyped {
		out = append(out, Reason{Code: WrongLayout})
	}
	if code := o.tally.year.code(); code != "" {
		out = append(out, Reason{Code: code, Left: strconv.Itoa(yearA), Right: strconv.Itoa(yearB)})
	}
	return out
}

// appendFathers adds what patronymics say beyond the links: that they contradict, or that one is missing.
func appendFathers(out []Reason, a, b *Name, f father, usedA, usedB *[maxTokens]bool) []Reason {
	hasA := a.father >= 0 && !usedA[a.father]
	hasB := b.father >= 0 && !usedB[b.father]
	switch {
	case f == fatherClash:
		return append(out, Reason{Code: PatronymicContradicts, Left: a.parts[a.father].text, Right: b.parts[b.father].text})
	case hasA:
		return append(out, Reason{Code: PatronymicMissing, Left: a.parts[a.father].text})
	case hasB:
		return append(out, Reason{Code: PatronymicMissing, Right: b.parts[b.father].text})
	}
	return out
}

func missing(n *Name, used *[maxTokens]bool, i int) string {
	switch {
	case used[i] || n.parts[i].role == Initial || i == n.father:
		return ""
	case halfMatched(n, used, i):
		return DoubleSurname
	}
	return WordMissing
}

func (l link) code(p, q *part) (code, detail string) {
	kind := "word"
	switch {
	case p.role == Patronymic || q.role == Patronymic:
		kind = "patronymic"
	case p.role == Surname || q.role == Surname:
		kind = "surname"
	case p.role == Given || q.role == Given:
		kind = "given"
	}
	switch l.rel {
	case crossed:
		return PatronymicSurname, ""
	case rival:
		return DifferentNames, kind
	case slipped:
		return Slip, kind
	case resembling:
		return Resembles, kind
	}
	if l.rel == spelled {
		detail = "spelling"
	}
	if l.pat {
		if l.rel == equivalent {
			detail = "equivalent"
		}
		return PatronymicAgrees, detail
	}
	switch l.rel {
	case equivalent:
		return Equivalent, kind
	case otherForm:
		return OtherForm, kind
	case suffixed:
		if kind == "given" {
			return GivenCase, ""
		}
		return SurnameSuffix, ""
	}
	switch kind {
	case "given":
		return GivenEqual, detail
	case "word":
		return WordEqual, detail
	}
	return SurnameEqual, detail
}

func (y year) code() string {
	switch y {
	case yearEqual:
		return YearAgrees
	case yearOff:
		return YearOffByOne
	case yearClash:
		return YearContradicts
	}
	return ""
}
