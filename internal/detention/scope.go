package detention

import "github.com/qorgau/qorgau/internal/account"

// Who reads a detention (domain.md, "Who sees and does what"), as SQL over detentions d, its department dep, @reader and
// @now. Built into every statement that reads or writes one: what is out of scope does not exist. An organisation share
// opens reading to the other organisation's operators and coordinators, never writing. Who logged, or acts for, one of a person's
// records reads and writes the one that stands for the person.
const (
	ownOrganisation = `exists (select 1 from grants g where g.account_id = @reader and ` + account.GrantInForce + `
		and g.organisation_id = d.organisation_id and (
			(g.role in ('operator', 'coordinator') and (g.cities = '{}' or dep.city = any(g.cities)))
			or (g.role = 'lawyer' and (d.recorded_by = @reader
				or exists (select 1 from representations r where r.detention_id = d.id and ` + actsNow + `)
				or exists (select 1 from detentions m where m.merged_into is not null and m.merged_into = d.id and (m.recorded_by = @reader
					or exists (select 1 from representations r where r.detention_id = m.id and ` + actsNow + `)))
				or exists (select 1 from shifts s where s.account_id = @reader and s.organisation_id = d.organisation_id
					and s.department_id = d.department_id and s.state <> 'left' and s.starts_at <= @now and s.ends_at > @now)))))`

	actsNow = `r.account_id = @reader and r.ended_at is null and r.valid_from <= @now and (r.valid_until is null or r.valid_until > @now)`

	// Shared is how another organisation's operators and coordinators read; watch builds its scope of matches on it.
	Shared = `exists (select 1 from organisation_shares sh join grants g on g.organisation_id = sh.reader_id
		where sh.owner_id = d.organisation_id and sh.valid_from <= @now and (sh.valid_until is null or sh.valid_until > @now)
			and (sh.cities = '{}' or dep.city = any(sh.cities)) and g.account_id = @reader and ` + account.GrantInForce + `
			and g.role in ('operator', 'coordinator') and (g.cities = '{}' or dep.city = any(g.cities)))`

	// Readable is the whole of it, for what other features count.
	Readable = `(` + ownOrganisation + ` or ` + Shared + `)`
	readable = Readable
	writable = ownOrganisation

	// What a lawyer's scope can at most hold, as sets that indexes answer. An array and not a subquery: of an array the planner
	// expects few whatever the statistics say, and a table filled within the last minute has none.
	lawyersAtMost = ` and d.id = any(array(select unnest(array[l.id, l.merged_into]) from detentions l where l.recorded_by = @reader
		union all select unnest(array[l.id, l.merged_into]) from representations r join detentions l on l.id = r.detention_id where r.account_id = @reader
		union all select l.id from detentions l where l.department_id = any(array(select s.department_id from shifts s
			where s.account_id = @reader and s.starts_at <= @now and s.ends_at > @now))))`
	citiesAtMost = ` and dep.city = any(@cities::text[])`
)

// atMost narrows a list to what the reader's grants can at most show, so that a lawyer with eleven people does not have the
// question of scope asked for every row of the table (2 to 5 µs each as measured). It decides nothing: scope stands beside it.
func atMost(p account.Principal) (condition string, cities []string) {
	everywhere, lawyer := false, false
	for _, g := range p.Grants {
		switch g.Role {
		case account.Lawyer:
			lawyer = true
		case account.Operator, account.Coordinator:
			everywhere = everywhere || len(g.Cities) == 0
			cities = append(cities, g.Cities...)
		}
	}
	switch {
	case everywhere || (lawyer && len(cities) > 0):
		return "", nil // sees most of it; or holds two roles, which is rare
	case lawyer:
		return lawyersAtMost, nil
	}
	return citiesAtMost, cities
}

// canarySeenBy tells whether a canary may be shown: to coordinators, who plant them. To everyone else it is not there, so
// that nobody goes looking for a person who does not exist.
func canarySeenBy(p account.Principal, d Detention) bool {
	return p.HasIn(d.OrganisationID, d.City, account.Coordinator)
}
