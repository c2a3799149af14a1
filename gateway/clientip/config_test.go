package clientip_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"gate451/gateway/clientip"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	const header = "; expected X-Forwarded-For, Forwarded or a header of one address that the proxy sets, such as CF-Connecting-IP"
	tests := []struct {
		name   string
		config clientip.Config
		want   string
	}{
		{"all of IPv4", clientip.Config{TrustedProxies: prefixes("0.0.0.0/0")},
			"trusted_proxies: 0.0.0.0/0 would trust everybody; name the proxies' own networks, such as 10.0.0.0/8"},
		{"all of IPv6", clientip.Config{TrustedProxies: prefixes("::/0")},
			"trusted_proxies: ::/0 would trust everybody; name the proxies' own networks, such as 10.0.0.0/8"},
		{"all of IPv4, mapped", clientip.Config{TrustedProxies: prefixes("::ffff:0.0.0.0/96")},
			"trusted_proxies: ::ffff:0.0.0.0/96 would trust everybody; name the proxies' own networks, such as 10.0.0.0/8"},
		{"more than mapped", clientip.Config{TrustedProxies: prefixes("::ffff:0.0.0.0/80")},
			"trusted_proxies: ::ffff:0.0.0.0/80 has host bits set; write ::/80 for the network or ::ffff:0.0.0.0/128 for the one address"},
		{"halves", clientip.Config{TrustedProxies: prefixes("0.0.0.0/1", "128.0.0.0/1")},
			"trusted_proxies: 0.0.0.0/1 is too wide; a network of proxies is /8 or longer\n" +
				"trusted_proxies: 128.0.0.0/1 is too wide; a network of proxies is /8 or longer"},
		{"halves, mapped", clientip.Config{TrustedProxies: prefixes("::ffff:128.0.0.0/97")},
			"trusted_proxies: 128.0.0.0/1 is too wide; a network of proxies is /8 or longer"},
		{"short", clientip.Config{TrustedProxies: prefixes("10.0.0.0/7")},
			"trusted_proxies: 10.0.0.0/7 is too wide; a network of proxies is /8 or longer"},
		{"global unicast", clientip.Config{TrustedProxies: prefixes("2000::/3")},
			"trusted_proxies: 2000::/3 is too wide; a network of proxies is /20 or longer"},
		{"6to4, which is all of IPv4", clientip.Config{TrustedProxies: prefixes("2002::/16")},
			"trusted_proxies: 2002::/16 is too wide; a network of proxies is /20 or longer"},
		{"all of IPv4, translated", clientip.Config{TrustedProxies: prefixes("64:ff9b::/96", "64:ff9b::/32")},
			"trusted_proxies: 64:ff9b::/96 is too wide; a network of proxies is /104 or longer\n" +
				"trusted_proxies: 64:ff9b::/32 is too wide; a network of proxies is /104 or longer"},
		{"more than unique local", clientip.Config{TrustedProxies: prefixes("fc00::/6")},
			"trusted_proxies: fc00::/6 is too wide; a network of proxies is /20 or longer"},
		{"a quarter of IPv4 and one more", clientip.Config{TrustedProxies: eights(65)},
			"trusted_proxies: together the networks hold more than a quarter of the Internet; name the proxies' own networks"},
		{"all unicast of IPv4", clientip.Config{ProxyProtocol: eights(223)},
			"proxy_protocol: together the networks hold more than a quarter of the Internet; name the proxies' own networks"},
		{"a quarter of IPv6 and one more", clientip.Config{TrustedProxies: twenties(1<<15 + 1)},
			"trusted_proxies: together the networks hold more than a quarter of the Internet; name the proxies' own networks"},
		{"host bits", clientip.Config{TrustedProxies: prefixes("10.1.2.3/8")},
			"trusted_proxies: 10.1.2.3/8 has host bits set; write 10.0.0.0/8 for the network or 10.1.2.3/32 for the one address"},
		{"no prefix", clientip.Config{TrustedProxies: []netip.Prefix{{}}},
			"trusted_proxies: invalid network; expected one such as 10.0.0.0/8 or 2001:db8::/32"},
		{"no header name", clientip.Config{Header: "X Forwarded For"},
			`header: "X Forwarded For" is not a header name` + header},
		{"two header names", clientip.Config{Header: "X-Real-IP,X-Forwarded-For"},
			`header: "X-Real-IP,X-Forwarded-For" is not a header name` + header},
		{"another header", clientip.Config{Header: "cookie"},
			"header: Cookie does not hold the client's address" + header},
		{"the host", clientip.Config{Header: "Host"},
			"header: Host does not hold the client's address" + header},
		{"an ambiguous header", clientip.Config{Header: "CloudFront-Viewer-Address"},
			"header: CloudFront-Viewer-Address has ports behind IPv6 addresses without brackets, so that they cannot be told apart; " +
				"use X-Forwarded-For, which CloudFront sets as well"},
		{"everything at once", clientip.Config{TrustedProxies: prefixes("::/0"), Header: "é", ProxyProtocol: prefixes("0.0.0.0/0")},
			"trusted_proxies: ::/0 would trust everybody; name the proxies' own networks, such as 10.0.0.0/8\n" +
				`header: "é" is not a header name` + header + "\n" +
				"proxy_protocol: 0.0.0.0/0 would trust everybody; name the proxies' own networks, such as 10.0.0.0/8"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r, err := clientip.New(test.config)
			if err == nil || r != nil {
				t.Fatalf("New = %v, %v; want an error", r, err)
			}
			if err.Error() != test.want {
				t.Errorf("error\n got %s\nwant %s", err, test.want)
			}
		})
	}
}

func TestNewAccepts(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]clientip.Config{
		"nothing":               {},
		"private networks":      {TrustedProxies: prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "100.64.0.0/10", "::1/128")},
		"mapped":                {TrustedProxies: prefixes("::ffff:10.0.0.0/104")},
		"local IPv6":            {TrustedProxies: prefixes("fc00::/7", "fe80::/10", "fd00::/8")},
		"translated":            {TrustedProxies: prefixes("64:ff9b::a00:0/104")},
		"a provider's":          {TrustedProxies: prefixes("2400:cb00::/32", "2a06:98c0::/29", "2003:0::/20", "104.16.0.0/13")},
		"a quarter of IPv4":     {TrustedProxies: eights(64)},
		"a quarter, twice over": {TrustedProxies: append(eights(64), prefixes("1.0.0.0/9", "1.2.3.4/32")...)},
		"a quarter of IPv6":     {TrustedProxies: twenties(1 << 15)},
		"header":                {Header: "x-forwarded-for"},
		"one-address header":    {Header: "CF-Connecting-IP"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := clientip.New(config); err != nil {
				t.Error(err)
			}
		})
	}
}

// eights returns n networks of IPv4, each a /8.
func eights(n int) []netip.Prefix {
	var all []netip.Prefix
	for i := range n {
		all = append(all, netip.MustParsePrefix(fmt.Sprintf("%d.0.0.0/8", i+1)))
	}
	return all
}

// twenties returns n networks of IPv6, each a /20.
func twenties(n int) []netip.Prefix {
	var all []netip.Prefix
	for i := range n {
		all = append(all, netip.PrefixFrom(netip.AddrFrom16([16]byte{byte(i>>12) + 0x20, byte(i >> 4), byte(i << 4)}), 20))
	}
	return all
}

func TestReasonsAreMetricLabels(t *testing.T) {
	t.Parallel()
	seen := map[clientip.Reason]bool{}
	for _, reason := range clientip.Reasons() {
		if seen[reason] || reason == "" || strings.Trim(string(reason), "abcdefghijklmnopqrstuvwxyz_") != "" {
			t.Errorf("reason %q", reason)
		}
		seen[reason] = true
	}
	clientip.Reasons()[0] = "changed"
	if clientip.Reasons()[0] != clientip.NoAddress {
		t.Error("a caller can change the list")
	}
}
