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

// overrides are what the operator has said of networks. The nil overrides say nothing.
type overrides struct {
	table *bart.Table[rules.Country]
}

// newOverrides checks all the networks and reports everything that is wrong with them at once.
func newOverrides(networks map[netip.Prefix]rules.Country) (*overrides, error) {
	if len(networks) == 0 {
		return nil, nil
	}
	table := new(bart.Table[rules.Country])
	var wrong []error
	for _, network := range sortedPrefixes(networks) {
		country := networks[network]
		normal, err := normalPrefix(network)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		if country.String() == "" {
			wrong = append(wrong, fmt.Errorf("override %s names no country; expected an ISO 3166-1 code such as DE", network))
			continue
		}
		if other, taken := table.Get(normal); taken && other != country {
			wrong = append(wrong, fmt.Errorf("overrides give network %s both %s and %s; expected one country", normal, other, country))
			continue
		}
		table.Insert(normal, country)
	}
	return &overrides{table: table}, errors.Join(wrong...)
}

func sortedPrefixes(networks map[netip.Prefix]rules.Country) []netip.Prefix {
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

// country returns what the operator has said of a client: of its own address, or else of the address
// by which it is judged. The longest network wins.
func (o *overrides) country(client, judged netip.Addr) (rules.Country, bool) {
	if o == nil {
		return 0, false
	}
	if country, found := o.table.Lookup(client); found || client == judged {
		return country, found
	}
	return o.table.Lookup(judged)
}

// network is country for those who also want to know which network matched.
func (o *overrides) network(client, judged netip.Addr) (netip.Prefix, rules.Country, bool) {
	if o == nil {
		return netip.Prefix{}, 0, false
	}
	for _, addr := range [...]netip.Addr{client, judged} {
		if network, country, found := o.table.LookupPrefixLPM(netip.PrefixFrom(addr, addr.BitLen())); found {
			return network, country, true
		}
	}
	return netip.Prefix{}, 0, false
}
