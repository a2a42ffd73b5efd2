package department

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/fault"
	"github.com/qorgau/qorgau/internal/pg"
)

// Point is a place on the map, in degrees (WGS 84).
type Point struct{ Lat, Lon float64 }

// Query asks for a page. Empty and nil leave a filter out. Text is words in any order, each part of a name, a code, a city
// or an address, in Kazakh, Russian or English. Near sorts by distance, entries without a point last; without Near the
// order is by city and Russian name. Limit is 1 to 100, 0 for 50.
type Query struct {
	City     string
	Text     string
	Near     *Point
	Kind     Kind
	Verified *bool
	Cursor   string
	Limit    int
}

// Listed is an entry with its distance in metres from Near, nil when not asked for or when it has no point.
type Listed struct {
	Department
	DistanceM *int64 `gorm:"column:distance_m"`
}

// Page is part of a list; Next is the cursor of the next one, empty at the end.
type Page struct {
	Items []Listed
	Next  string
}

// List gives a page of the directory to anyone who works here. Faults: unauthenticated, forbidden, invalid.
func (d *Directory) List(ctx context.Context, p account.Principal, q Query) (Page, error) {
	if err := p.Needs(account.Lawyer, account.Operator, account.Coordinator, account.Admin); err != nil {
		return Page{}, err
	}
	after, err := q.check()
	if err != nil {
		return Page{}, err
	}
	statement, args := q.statement(after)
	var page Page
	if err := d.db.Read(ctx).Raw(statement, args).Scan(&page.Items).Error; err != nil {
		return Page{}, pg.Unavailable(fmt.Errorf("list departments: %w", err))
	}
	if len(page.Items) > q.Limit {
		page.Items = page.Items[:q.Limit]
		page.Next = q.cursor(page.Items[q.Limit-1])
	}
	return page, nil
}

// statement sorts by keys that all differ (the id is the last), and starts after the last row of the page before: a row
// that is added meanwhile neither hides another nor brings one twice.
func (q Query) statement(after *position) (string, map[string]any) {
	args := map[string]any{"limit": q.Limit + 1}
	where := []string{"true"}
	if q.City != "" {
		where, args["city"] = append(where, "city = @city"), q.City
	}
	if q.Kind != "" {
		where, args["kind"] = append(where, "kind = @kind"), q.Kind
	}
	if q.Verified != nil {
		where, args["verified"] = append(where, "(verified_at is not null) = @verified"), *q.Verified
	}
	for i, w := range words(q.Text) {
		key := fmt.Sprintf("word%d", i)
		where, args[key] = append(where, searched+" like @"+key), "%"+wildcards.Replace(w)+"%"
	}
	metres, order, beyond := "null::bigint", `city collate "C", name_ru collate "C", id`, "true"
	if q.Near != nil {
		metres, args["lat"], args["lon"] = haversine, q.Near.Lat, q.Near.Lon
		order = "distance_m nulls last, id"
	}
	if after != nil {
		args["id"] = after.ID
		switch {
		case q.Near == nil:
			beyond = `(city collate "C", name_ru collate "C", id) > (@after_city, @after_name, @id)`
			args["after_city"], args["after_name"] = after.City, after.Name
		case after.Metres == nil:
			beyond = "distance_m is null and id > @id"
		default:
			beyond = "(distance_m is null or (distance_m, id) > (@metres, @id))"
			args["metres"] = *after.Metres
		}
	}
	return fmt.Sprintf(`select * from (select %s, %s as distance_m from departments where %s) d where %s order by %s limit @limit`,
		columns, metres, strings.Join(where, " and "), beyond, order), args
}

// haversine is the great-circle distance in whole metres on a sphere of 6,371 km: within half a percent, far below how well
// most points are known. Whole metres, so that a cursor repeats the sort key exactly. The case is there because least() passes over null: no point would be half the world away.
const haversine = `case when lat is not null then round(12742000 * asin(least(1, sqrt(power(sin(radians(lat - @lat) / 2), 2) +
	cos(radians(@lat)) * cos(radians(lat)) * power(sin(radians(lon - @lon) / 2), 2)))))::bigint end`

// Search folds both sides to small letters without the marks that a Russian keyboard lacks: "Караганда" finds Қарағанды.
// translate, because lower() knows only ASCII letters in a database whose locale is C.
const (
	foldFrom = "АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯӘҒҚҢӨҰҮҺІёәғқңөұүһі"
	foldTo   = "абвгдеежзийклмнопрстуфхцчшщъыьэюяагкноуухиеагкноуухи"
	searched = `translate(lower(concat_ws(chr(10), name_kk, name_ru, name_en, code, city, city_ru, city_en, address)), '` +
		foldFrom + `', '` + foldTo + `')`
)

var (
	folding   = strings.NewReplacer(foldPairs()...)
	wildcards = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)
	// A Russian adjective in any case and gender: people ask for Алмалинское, the sign says Алмалинского района.
	adjective = regexp.MustCompile(`^(.+ск)(?:ий|ого|ому|им|ом|ое|ая|ой|ую|ие|их|ими)$`)
	// What people call a police station, by old abbreviations that stand in no official name of today.
	stations = []string{"ровд", "рувд", "увд", "гувд", "овд", "rovd", "ruvd", "uvd", "guvd", "ovd"}
)

func foldPairs() []string {
	to := []rune(foldTo)
	var pairs []string
	for i, r := range []rune(foldFrom) {
		pairs = append(pairs, string(r), string(to[i]))
	}
	return pairs
}

// words are what each entry found must contain.
func words(text string) []string {
	found := strings.Fields(folding.Replace(strings.ToLower(text)))
	named := slices.DeleteFunc(slices.Clone(found), func(w string) bool { return slices.Contains(stations, w) })
	if len(named) == 0 {
		named = found
	}
	for i, w := range named {
		named[i] = adjective.ReplaceAllString(w, "$1")
	}
	return named
}

// position is the last row of a page.
type position struct {
	City   string    `json:"c,omitempty"`
	Name   string    `json:"n,omitempty"`
	Near   bool      `json:"near,omitempty"`
	Metres *int64    `json:"m,omitempty"`
	ID     uuid.UUID `json:"id"`
}

func (q Query) cursor(last Listed) string {
	at := position{Near: q.Near != nil, ID: last.ID}
	if at.Near {
		at.Metres = last.DistanceM
	} else {
		at.City, at.Name = last.City, last.NameRU
	}
	plain, err := json.Marshal(at)
	if err != nil {
		panic(err) // texts and numbers always encode
	}
	return base64.RawURLEncoding.EncodeToString(plain)
}

const maxText, maxWords = 200, 20

func (q *Query) check() (*position, error) {
	var f faults
	if q.Limit == 0 {
		q.Limit = 50
	}
	if q.Limit < 1 || q.Limit > 100 {
		f.add("#limit", "out_of_range")
	}
	if q.Kind != "" && !slices.Contains(kinds, q.Kind) {
		f.add("#kind", "not_allowed")
	}
	if q.Near != nil {
		f.degrees("#near", &q.Near.Lat, 90)
		f.degrees("#near", &q.Near.Lon, 180)
	}
	if !utf8.ValidString(q.City) || strings.ContainsRune(q.City, 0) {
		f.add("#city", "bad_format")
	}
	f.text("#q", &q.Text, maxText, false)
	if len(strings.Fields(q.Text)) > maxWords {
		f.add("#q", "too_many")
	}
	var after *position
	if q.Cursor != "" {
		plain, err := base64.RawURLEncoding.DecodeString(q.Cursor)
		if err != nil || json.Unmarshal(plain, &after) != nil || after == nil || after.Near != (q.Near != nil) ||
			strings.ContainsRune(after.City+after.Name, 0) {
			f.add("#cursor", "bad_format")
		}
	}
	return after, f.err()
}

// ParsePoint reads "lat,lon". Fault: invalid at #near.
func ParsePoint(text string) (Point, error) {
	lat, lon, both := strings.Cut(text, ",")
	y, errY := strconv.ParseFloat(strings.TrimSpace(lat), 64)
	x, errX := strconv.ParseFloat(strings.TrimSpace(lon), 64)
	if !both || errY != nil || errX != nil {
		return Point{}, fault.BadField("#near", "bad_format")
	}
	return Point{Lat: y, Lon: x}, nil
}
