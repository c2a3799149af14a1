package refusal

import (
	"strings"
	"time"
)

// Notice says in English what a Refusal of the kind will say from an instant on, in the zone that the instant is in. It has no
// line breaks, whatever the products are called. No products are "these products".
func Notice(kind string, products []string, from time.Time) (string, error) {
	all, err := builtIn()
	if err != nil {
		return "", err
	}
	l := &language{w: all[english]}
	sentence := l.sentence(&Refusal{Kind: kind, Products: products, Reason: listedCountry})
	return strings.Join(strings.Fields("From "+l.date(from)+" "+zone(from)+": "+sentence), " "), nil
}
