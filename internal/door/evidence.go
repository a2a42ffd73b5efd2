package door

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/law"
	"github.com/qorgau/qorgau/internal/paper"
	"github.com/qorgau/qorgau/internal/pg"
)

// Evidence is what lawyers said about one department in a time, as it can be attached to a complaint, in one language.
type Evidence struct {
	Language         string
	Department, City string
	From, To, AsOf   time.Time
	Incidents        []ShownIncident
	Intervals        []ShownInterval
}

// Norms are what to quote: what is of Kazakhstan, then treaties.
type Norms struct{ Domestic, Treaties []string }

// ShownIncident is an incident without the lawyer's note.
type ShownIncident struct {
	At             time.Time
	Until          *time.Time
	Code, Text     string
	Norms          Norms
	Officer, Badge string
	Advocate       string
}

// ShownInterval is an interval with its advocates as they are shown.
type ShownInterval struct {
	Interval
	Text     string
	Norms    Norms
	Words    []Words
	Advocate map[uuid.UUID]string
}

// Words are a pretext, and to whom it was said when.
type Words struct {
	Advocate string
	At       time.Time
	Pretext  string
}

// codeOf is the incident that a closed door is, for its text and norms.
var codeOf = map[Status]string{Refused: "ENTRY_REFUSED", Fortress: "FORTRESS_PLAN", Delayed: "LONG_WAIT"}

// evidence reads the statements as they were when the export was asked for: what the second person sees is what leaves the house.
func (r *Register) evidence(ctx context.Context, tx *pg.Tx, x Export, language string) (Evidence, error) {
	dep, err := department.Find(ctx, tx, x.DepartmentID)
	if err != nil {
		return Evidence{}, err
	}
	const which = "r.organisation_id = @organisation and r.department_id = @department and r.recorded_at <= @asked"
	args := pgx.NamedArgs{"organisation": x.Organisation, "department": x.DepartmentID, "asked": x.AskedAt}
	reports, err := r.reports(ctx, tx, which, args)
	if err != nil {
		return Evidence{}, err
	}
	incidents, err := r.incidents(ctx, tx, which, args)
	if err != nil {
		return Evidence{}, err
	}
	incidents = slices.DeleteFunc(incidents, func(i Incident) bool {
		end := i.At
		if i.Until != nil {
			end = *i.Until
		}
		return end.Before(x.From) || i.At.After(x.To)
	})
	slices.SortStableFunc(incidents, func(a, b Incident) int { return a.At.Compare(b.At) })
	intervals := slices.DeleteFunc(Intervals(reports), func(v Interval) bool { return v.To.Before(x.From) || v.From.After(x.To) })
	advocates, err := r.advocates(ctx, tx, language, incidents, intervals)
	if err != nil {
		return Evidence{}, err
	}
	out := Evidence{Language: language, Department: dep.Name(language), City: dep.CityName(language), From: x.From, To: x.To, AsOf: x.AskedAt}
	for _, i := range incidents {
		s := ShownIncident{At: i.At, Until: i.Until, Code: i.Code, Text: i.Code, Officer: i.Officer, Badge: i.Badge, Advocate: advocates[i.Lawyer]}
		if i.Type != nil {
			s.Text, s.Norms = i.Type.Text.In(language), norms(i.Type.Cites, language)
		}
		out.Incidents = append(out.Incidents, s)
	}
	for _, v := range intervals {
		s := ShownInterval{Interval: v, Text: wordsIn(language).open, Advocate: advocates}
		if t := r.book.At(v.From).Obstruction(codeOf[v.Status]); t != nil {
			s.Text, s.Norms = t.Text.In(language), norms(t.Cites, language)
		}
		for _, said := range v.Reports {
			if said.Pretext != "" {
				s.Words = append(s.Words, Words{Advocate: advocates[said.Lawyer], At: said.Since, Pretext: said.Pretext})
			}
		}
		out.Intervals = append(out.Intervals, s)
	}
	return out, nil
}

func norms(cites []law.Cite, language string) Norms {
	var domestic, treaties []law.Cite
	for _, c := range cites {
		if c.Act.Treaty {
			treaties = append(treaties, c)
		} else {
			domestic = append(domestic, c)
		}
	}
	return Norms{Domestic: law.Quote(domestic, language), Treaties: law.Quote(treaties, language)}
}

// advocates are letters in the order in which the lawyers first appear, or names, of those who agreed.
func (r *Register) advocates(ctx context.Context, tx *pg.Tx, language string, incidents []Incident, intervals []Interval) (map[uuid.UUID]string, error) {
	first := map[uuid.UUID]time.Time{}
	seen := func(who uuid.UUID, at time.Time) {
		if t, there := first[who]; !there || at.Before(t) {
			first[who] = at
		}
	}
	for _, i := range incidents {
		seen(i.Lawyer, i.At)
	}
	for _, v := range intervals {
		for _, said := range v.Reports {
			seen(said.Lawyer, said.Since)
		}
	}
	order := make([]uuid.UUID, 0, len(first))
	for who := range first {
		order = append(order, who)
	}
	slices.SortFunc(order, func(a, b uuid.UUID) int { return cmp.Or(first[a].Compare(first[b]), slices.Compare(a[:], b[:])) })
	rows, err := tx.Query(ctx, "select account_id from evidence_names where account_id = any($1::uuid[])", order)
	if err != nil {
		return nil, fmt.Errorf("read who agreed to be named: %w", err)
	}
	agreed, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("read who agreed to be named: %w", err)
	}
	names, err := r.accounts.Names(ctx, tx, agreed...)
	if err != nil {
		return nil, err
	}
	out := map[uuid.UUID]string{}
	for i, who := range order {
		if out[who] = names[who]; out[who] == "" {
			out[who] = wordsIn(language).advocate + " " + letter(i)
		}
	}
	return out, nil
}

// letter counts A to Z, AA, AB…
func letter(i int) string {
	if i < 26 {
		return string(rune('A' + i))
	}
	return letter(i/26-1) + letter(i%26)
}

// words of the document, in the language asked for.
type words struct {
	title, period, asOf, advocate, open, incidents, intervals, none, domestic, treaties, noEnd, against string
	columns                                                                                             []string
}

func wordsIn(language string) words {
	switch language {
	case "kk":
		return words{"Адвокаттарға кедергі жасау туралы куәліктер", "Кезең", "Жағдай бойынша", "адвокат", "Кіруге рұқсат берілді", "Оқиғалар", "Есік: кіргізу", "Мәліметтер жоқ",
			"Қазақстан нормалары", "Халықаралық нормалар", "аяқталғаны хабарланбаған", "Қайшы мәлімет",
			[]string{"Басталуы", "Аяқталуы", "Не болды", "Қазақстан нормалары", "Халықаралық нормалар", "Адвокат", "Лауазымды адам", "Сылтау", "Қайшы мәлімет"}}
	case "en":
		return words{"Evidence of obstruction of advocates", "Period", "As known at", "advocate", "Entry allowed", "Incidents", "The door: access", "Nothing was reported",
			"Norms of Kazakhstan", "International norms", "end not reported", "Contradicted",
			[]string{"From", "To", "What happened", "Norms of Kazakhstan", "International norms", "Advocate", "Officer", "Pretext", "Contradicted"}}
	}
	return words{"Свидетельства о воспрепятствовании адвокатам", "Период", "По состоянию на", "адвокат", "Вход разрешён", "Случаи", "Дверь: допуск", "Сообщений нет",
		"Нормы Казахстана", "Международные нормы", "об окончании не сообщено", "Противоречащее сообщение",
		[]string{"Начало", "Конец", "Что произошло", "Нормы Казахстана", "Международные нормы", "Адвокат", "Должностное лицо", "Предлог", "Противоречащее сообщение"}}
}

// almaty is the one zone of Kazakhstan since 1 March 2024.
var almaty = time.FixedZone("UTC+5", 5*60*60)

func clock(t time.Time) string { return t.In(almaty).Format("02.01.2006 15:04") }

// rows are the evidence as a table: times of Kazakhstan, the columns of words.columns.
func (e Evidence) rows() [][]string {
	w := wordsIn(e.Language)
	var out [][]string
	for _, i := range e.Incidents {
		until := ""
		if i.Until != nil {
			until = clock(*i.Until)
		}
		out = append(out, []string{clock(i.At), until, i.Text, strings.Join(i.Norms.Domestic, "; "), strings.Join(i.Norms.Treaties, "; "), i.Advocate,
			strings.TrimSpace(i.Officer + " " + i.Badge), "", ""})
	}
	for _, v := range e.Intervals {
		to := clock(v.To)
		if v.OpenEnded {
			to += " (" + w.noEnd + ")"
		}
		out = append(out, []string{clock(v.From), to, v.Text, strings.Join(v.Norms.Domestic, "; "), strings.Join(v.Norms.Treaties, "; "), v.who(), "", v.pretexts(), v.against(e.Language)})
	}
	return out
}

// who gives each advocate with their own wait, or who was let in.
func (v ShownInterval) who() string {
	var parts []string
	for _, x := range v.Waits {
		parts = append(parts, v.Advocate[x.Lawyer]+": "+clock(x.From)+" – "+clock(x.To))
	}
	if len(parts) == 0 {
		for _, x := range v.Reports {
			if name := v.Advocate[x.Lawyer]; !slices.Contains(parts, name) {
				parts = append(parts, name)
			}
		}
	}
	return strings.Join(parts, "; ")
}

func (v ShownInterval) pretexts() string {
	var parts []string
	for _, x := range v.Words {
		parts = append(parts, clock(x.At)+", "+x.Advocate+": "+x.Pretext)
	}
	return strings.Join(parts, "; ")
}

func (v ShownInterval) against(language string) string {
	var parts []string
	for _, x := range v.Against {
		text := clock(x.From) + " – " + clock(x.To)
		if x.Status == Open {
			text += ": " + wordsIn(language).open
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// CSV gives RFC 4180 in UTF-8 with a byte order mark, for the spreadsheet that a prosecutor opens. A cell that such a program could take
// for a formula begins with an apostrophe.
func (e Evidence) CSV() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("\ufeff")
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	for _, row := range append([][]string{wordsIn(e.Language).columns}, e.rows()...) {
		safe := make([]string, len(row))
		for i, cell := range row {
			safe[i] = harmless(cell)
		}
		if err := w.Write(safe); err != nil {
			return nil, fmt.Errorf("write CSV: %w", err)
		}
	}
	w.Flush()
	return b.Bytes(), w.Error()
}

func harmless(cell string) string {
	if strings.ContainsAny(cell[:min(1, len(cell))], "=+-@\t\r\n") {
		return "'" + cell
	}
	return cell
}

// PDF gives A4 pages.
func (e Evidence) PDF() ([]byte, error) {
	w := wordsIn(e.Language)
	s := paper.New(paper.Setup{Title: w.title, Language: e.Language, Footer: e.Department, At: e.AsOf})
	s.Title(w.title)
	s.Strong(strings.Trim(e.Department+", "+e.City, ", "))
	s.Paragraph(w.period + ": " + clock(e.From) + " – " + clock(e.To) + "\n" + w.asOf + ": " + clock(e.AsOf) + " (UTC+5)")
	s.Heading(w.incidents)
	for _, i := range e.Incidents {
		times := clock(i.At)
		if i.Until != nil {
			times += " – " + clock(*i.Until)
		}
		e.part(s, times+". "+i.Text, i.Norms, []string{w.columns[5], i.Advocate}, []string{w.columns[6], strings.TrimSpace(i.Officer + " " + i.Badge)})
	}
	if len(e.Incidents) == 0 {
		s.Paragraph(w.none)
	}
	s.Heading(w.intervals)
	for _, v := range e.Intervals {
		times := clock(v.From) + " – " + clock(v.To)
		if v.OpenEnded {
			times += " (" + w.noEnd + ")"
		}
		rows := [][]string{{w.columns[5], strings.ReplaceAll(v.who(), "; ", "\n")}}
		for _, x := range v.Words {
			rows = append(rows, []string{w.columns[7], clock(x.At) + ", " + x.Advocate + ": " + x.Pretext})
		}
		e.part(s, times+". "+v.Text, v.Norms, append(rows, []string{w.against, v.against(e.Language)})...)
	}
	if len(e.Intervals) == 0 {
		s.Paragraph(w.none)
	}
	return s.Bytes()
}

// part writes one incident or interval: what happened, then what is known of it, the domestic norm before the treaty.
func (e Evidence) part(s *paper.Sheet, what string, n Norms, facts ...[]string) {
	w := wordsIn(e.Language)
	s.Strong(what)
	for _, f := range append(facts, []string{w.domestic, strings.Join(n.Domestic, "; ")}, []string{w.treaties, strings.Join(n.Treaties, "; ")}) {
		if f[1] != "" {
			s.Paragraph(f[0] + ": " + f[1])
		}
	}
	s.Space(2)
}
