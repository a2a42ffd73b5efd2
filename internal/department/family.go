package department

// FamilyView is what a family may read of the place where someone is held. Name and City are in her language. Address and
// Phone are given only when a person verified them. Hotline is the number to call when the place's own is not given.
type FamilyView struct {
	Name     string
	City     string
	Verified bool
	Address  string
	Phone    string
	Hotline  string
}

// ForFamily cuts the entry down to what a family may read; language is kk, ru or en.
func (d Department) ForFamily(language, hotline string) FamilyView {
	v := FamilyView{Name: d.Name(language), City: d.CityName(language), Verified: d.Verified()}
	if v.Verified {
		v.Address, v.Phone = d.Address, d.Phone
	}
	if v.Phone == "" {
		v.Hotline = hotline
	}
	return v
}
