package department

import "time"

// FamilyView is what a family may read of the place where someone is held. Name and City are in her language. Address and
// Phone are given only when a person verified them. Hotline is the number to call when the place's own is not given.
type FamilyView struct {
	Name     string
	City     string
	Verified bool
	At       *time.Time // when a person last verified it
	Address  string
	Phone    string
	Hotline  string
	// What is taken for those inside, in the words of who asked, and when they were told; empty: not known.
	Parcels   string
	ParcelsAt *time.Time
}

// ForFamily cuts the entry down to what a family may read; language is kk, ru or en.
func (d Department) ForFamily(language, hotline string) FamilyView {
	v := FamilyView{Name: d.Name(language), City: d.CityName(language), Verified: d.Verified(), Parcels: d.Parcels}
	if v.Parcels != "" {
		v.ParcelsAt = d.ParcelsAt
	}
	if v.Verified {
		v.Address, v.Phone, v.At = d.Address, d.Phone, d.VerifiedAt
	}
	if v.Phone == "" {
		v.Hotline = hotline
	}
	return v
}
