package refusal

import (
	"strings"
	"time"
)

// listedCountry is the one reason with which a refusal knows the buyer's country.
const listedCountry = "listed_country"

// messages are the words of one language. A further language is a further value.
type messages struct {
	// Language is the BCP 47 tag.
	Language string
	// Title heads the page.
	Title string
	// Basis, Since, Until, Reference and Contact label the facts.
	Basis, Since, Until, Reference, Contact string
	// Quote says what the reference is for.
	Quote string
	// country says where the buyer is; {country} stands for the name.
	country string
	// sentences say by kind what cannot be done; {products} stands for the names.
	sentences map[string]string
	// these stands for products that have no name.
	these string
	// and joins the last two of several products.
	and string
	// explanations say by reason why a refusal does not know enough, and what helps; unexplained is for all others.
	explanations map[string]string
	unexplained  string
	// instant writes an instant with its zone.
	instant func(time.Time) string
}

// english returns the English words.
func english() *messages {
	return &messages{
		Language:  "en",
		Title:     "Unavailable for legal reasons",
		Basis:     "Legal basis",
		Since:     "Since",
		Until:     "Until",
		Reference: "Reference",
		Contact:   "Contact",
		Quote:     "Quote this reference when you ask about this answer, so that the decision behind it can be found.",
		country:   "Your internet address appears to be in {country}.",
		sentences: map[string]string{
			Purchase: "For legal compliance purposes, {products} cannot be purchased from your country.",
			Update:   "For legal compliance purposes, {products} cannot be updated from your country.",
			Access:   "For legal compliance purposes, {products} cannot be obtained from your country.",
		},
		these: "these products",
		and:   " and ",
		explanations: map[string]string{
			listedCountry: "",
			"unknown_country": "The country that your request comes from could not be determined. " +
				"Try another internet connection, or ask the store.",
			"private_network": "The country that your request comes from could not be determined, because it arrived " +
				"from a private network address. Try a public internet connection, or ask the store.",
			"client_address": "The country that your request comes from could not be determined, because its address " +
				"could not be established. Try without a proxy, or ask the store.",
			"stale_database": "The country that your request comes from could not be determined with certainty, because " +
				"the store's address records are out of date. Try again later, or ask the store.",
			"anonymized": "The country that your request comes from could not be determined, because it arrived through " +
				"a VPN, a proxy, a relay or a hosting service. Try again without it, or ask the store.",
			"undetermined_product": "The product that your request concerns could not be determined. " +
				"Begin again from the product's own page, or ask the store.",
		},
		unexplained: "Where your request comes from, or what it concerns, could not be determined. Try again later, or ask the store.",
		instant:     englishInstant,
	}
}

// englishInstant writes 20 July 2024, 00:00 EDT (UTC-04:00); the zone's abbreviation is left out where it has none.
func englishInstant(t time.Time) string {
	zone, offset := t.Zone()
	switch {
	case zone == "UTC":
		return t.Format("2 January 2006, 15:04 UTC")
	case zone == "" || zone[0] == '+' || zone[0] == '-':
		return t.Format("2 January 2006, 15:04 (UTC-07:00)")
	case offset == 0:
		return t.Format("2 January 2006, 15:04 ") + zone + " (UTC)"
	}
	return t.Format("2 January 2006, 15:04 MST (UTC-07:00)")
}

// sentence says what cannot be done.
func (m *messages) sentence(f *Refusal) string {
	text, ok := m.sentences[f.Kind]
	if !ok {
		text = m.sentences[Access]
	}
	return strings.Replace(text, "{products}", m.list(f.Products), 1)
}

// list joins names as a sentence does.
func (m *messages) list(names []string) string {
	switch last := len(names) - 1; {
	case last < 0:
		return m.these
	case last == 0:
		return names[0]
	default:
		return strings.Join(names[:last], ", ") + m.and + names[last]
	}
}

// explanation says why the refusal does not know enough. It is empty if it does.
func (m *messages) explanation(reason string) string {
	text, ok := m.explanations[reason]
	if !ok {
		return m.unexplained
	}
	return text
}

// located says where the buyer is. It is empty unless that is the ground of the refusal.
func (m *messages) located(f *Refusal) string {
	if f.Reason != listedCountry || f.Country == 0 {
		return ""
	}
	return strings.Replace(m.country, "{country}", f.Country.Name(), 1)
}
