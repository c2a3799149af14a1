package geoip

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"gate451/rules"

	"github.com/gaissmai/bart"
)

// sourceOverride is the Origin.Source of what the operator has said.
const sourceOverride = "override"

// Place is where the operator says that a network is.
type Place struct {
	// Country is the country; it must be one.
	Country rules.Country
	// Subdivision is the ISO 3166-2 code of a part of the country, or empty.
	Subdivision string
}

// String returns the more exact code of the two.
func (p Place) String() string {
	if p.Subdivision != "" {
		return p.Subdivision
	}
	return p.Country.String()
}

// overrides are what the operator has said of networks. The nil overrides say nothing.
type overrides struct {
	table *bart.Table[*answer]
}

// newOverrides checks all the networks and reports everything that is wrong with them at once.
func newOverrides(networks map[netip.Prefix]Place) (*overrides, error) {
	if len(networks) == 0 {
		return nil, nil
	}
	table := new(bart.Table[*answer])
	said := make(map[netip.Prefix]Place)
	var wrong []error
	for _, network := range sortedPrefixes(networks) {
		place := networks[network]
		normal, err := normalPrefix(network)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		if place.Country.String() == "" {
			wrong = append(wrong, fmt.Errorf("override %s names no country; expected an ISO 3166-1 code such as DE", network))
			continue
		}
		if other, taken := said[normal]; taken && other != place {
			wrong = append(wrong, fmt.Errorf("overrides give network %s both %s and %s; expected one place", normal, other, place))
			continue
		}
		said[normal] = place
		table.Insert(normal, place.answer())
	}
	return &overrides{table: table}, errors.Join(wrong...)
}

func (p Place) answer() *answer {
	a := &answer{country: p.Country}
	if p.Subdivision != "" {
		a.subdivisions = []string{p.Subdivision}
	}
	return a
}

func sortedPrefixes(networks map[netip.Prefix]Place) []netip.Prefix {
	sorted := make([]netip.Prefix, 0, len(networks))
	for network := range networks {
		sorted = append(sorted, network)
	}
	slices.SortFunc(sorted, func(a, b netip.Prefix) int {
		if order := a.Addr().Compare(b.Addr()); order != 0 {
			return order
		}
		return strings.Compare(a.String(), b.String())
	})
	return sorted
}

// normalPrefix brings a network to the form in which plain addresses are looked up: masked, and IPv4
// where it is IPv4-mapped.
func normalPrefix(network netip.Prefix) (netip.Prefix, error) {
	if !network.IsValid() {
		return netip.Prefix{}, errors.New("an override has an invalid network; expected CIDR notation such as 203.0.113.0/24")
	}
	if !network.Addr().Is4In6() {
		return network.Masked(), nil
	}
	if network.Bits() < 96 {
		return netip.Prefix{}, fmt.Errorf("override %s reaches beyond the IPv4-mapped addresses; expected an IPv4 network", network)
	}
	return netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96).Masked(), nil
}

// find returns what the operator has said of a client: of its own address, or else of the address
// by which it is judged; nil if nothing. The longest network wins.
func (o *overrides) find(client, judged netip.Addr) *answer {
	if o == nil {
		return nil
	}
	if said, found := o.table.Lookup(client); found || client == judged {
		return said
	}
	said, _ := o.table.Lookup(judged)
	return said
}

// network is find for those who also want to know which network matched.
func (o *overrides) network(client, judged netip.Addr) (netip.Prefix, *answer) {
	if o == nil {
		return netip.Prefix{}, nil
	}
	for _, addr := range [...]netip.Addr{client, judged} {
		if network, said, found := o.table.LookupPrefixLPM(netip.PrefixFrom(addr, addr.BitLen())); found {
			return network, said
		}
	}
	return netip.Prefix{}, nil
}
