package clientip_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"gate451/gateway/clientip"
)

const (
	us4   = "50.114.0.1"
	us6   = "2600:1f00::1"
	de4   = "85.214.132.117"
	proxy = "10.1.2.3:40000"
)

func TestResolveUntrustedPeer(t *testing.T) {
	t.Parallel()
	r := newResolver(t, clientip.Config{TrustedProxies: prefixes("10.0.0.0/8", "fd00::/8")})
	claims := http.Header{}
	for _, name := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "CF-Connecting-IP", "True-Client-IP", "X_Forwarded_For"} {
		claims.Set(name, de4)
	}
	for peer, want := range map[string]string{
		us4 + ":1":                    us4,
		"[" + us6 + "]:65535":         us6,
		"[::ffff:" + us4 + "]:40000":  us4,
		"[::ffff:3272:1]:40000":       us4,
		"[fe80::1%eth0]:40000":        "fe80::1",
		"[64:ff9b::3272:1]:40000":     "64:ff9b::3272:1",
		"11.0.0.0:40000":              "11.0.0.0",
		"9.255.255.255:40000":         "9.255.255.255",
		"192.168.0.1:40000":           "192.168.0.1",
		"[::10.1.2.3]:40000":          "::a01:203", // IPv4-compatible is not IPv4-mapped
		"[fcff:ffff::ffff]:40000":     "fcff:ffff::ffff",
		"[::ffff:9.255.255.255]:4000": "9.255.255.255",
	} {
		addr := netip.MustParseAddr(want)
		for name, h := range map[string]http.Header{
			"nil": nil, "none": {}, "claims": claims, "trusted": header("X-Forwarded-For", "10.1.2.3"),
			"junk": header("X-Forwarded-For", ",,", "\x00"), "empty": {"X-Forwarded-For": {}},
		} {
			got, err := r.Resolve(peer, h)
			if want := (clientip.Client{Addr: addr, Peer: addr}); err != nil || got != want {
				t.Errorf("%s, %s headers: %+v, %v; want %+v", peer, name, got, err, want)
			}
		}
	}
}

func TestResolveUnusablePeer(t *testing.T) {
	t.Parallel()
	r := newResolver(t, clientip.Config{TrustedProxies: prefixes("10.0.0.0/8")})
	for peer, want := range map[string]clientip.Reason{
		"": clientip.NoAddress, "@": clientip.NoAddress, "proxy-protocol-local": clientip.NoAddress,
		"10.1.2.3": clientip.NoAddress, "localhost:80": clientip.NoAddress, "10.1.2.3:http": clientip.NoAddress,
		"[10.1.2.3]:80": clientip.NoAddress, "010.1.2.3:80": clientip.NoAddress, "::1:80": clientip.NoAddress,
		"0.0.0.0:80": clientip.Unspecified, "[::]:80": clientip.Unspecified, "[::ffff:0.0.0.0]:80": clientip.Unspecified,
	} {
		got, err := r.Resolve(peer, header("X-Forwarded-For", de4))
		if reasonOf(err) != want || got.Addr.IsValid() || got.Trusted {
			t.Errorf("%q: %+v, %v; want %s", peer, got, err, want)
		}
	}
}

// found is what a case expects: an address at a hop, or a reason.
type found struct {
	addr   string
	hop    int
	reason clientip.Reason
}

func TestResolveForwardedFor(t *testing.T) {
	t.Parallel()
	r := newResolver(t, clientip.Config{TrustedProxies: prefixes("10.0.0.0/8", "::ffff:172.16.0.0/108", "2001:db8:aaaa::/48")})
	tests := []struct {
		name  string
		lines []string
		want  found
	}{
		{"one", []string{us4}, found{us4, 1, ""}},
		{"forged in front", []string{de4 + ", " + us4}, found{us4, 1, ""}},
		{"two proxies", []string{de4 + ", " + us4 + ", 10.9.9.9, 10.8.8.8"}, found{us4, 3, ""}},
		{"proxies of both kinds", []string{us4 + ",2001:db8:aaaa::1 ,\t172.31.255.255"}, found{us4, 3, ""}},
		{"IPv6", []string{us6}, found{us6, 1, ""}},
		{"lines are one list", []string{de4, us4}, found{us4, 1, ""}},
		{"lines with proxies", []string{de4, us4 + ", 10.9.9.9", "10.8.8.8"}, found{us4, 3, ""}},
		{"no space", []string{de4 + "," + us4}, found{us4, 1, ""}},
		{"port", []string{us4 + ":51234"}, found{us4, 1, ""}},
		{"brackets", []string{"[" + us6 + "]"}, found{us6, 1, ""}},
		{"brackets and port", []string{"[" + us6 + "]:51234"}, found{us6, 1, ""}},
		{"mapped", []string{"::ffff:" + us4}, found{us4, 1, ""}},
		{"mapped, in hex", []string{"::ffff:3272:1"}, found{us4, 1, ""}},
		{"mapped, uncompressed", []string{"0:0:0:0:0:ffff:3272:0001"}, found{us4, 1, ""}},
		{"mapped proxy", []string{us4 + ", ::ffff:10.9.9.9"}, found{us4, 2, ""}},
		{"mapped, brackets and port", []string{"[::ffff:" + us4 + "]:80"}, found{us4, 1, ""}},
		{"NAT64 is passed on", []string{"64:ff9b::3272:1"}, found{"64:ff9b::3272:1", 1, ""}},
		{"private client", []string{"192.168.1.1"}, found{"192.168.1.1", 1, ""}},

		{"junk to the left", []string{"<script>, " + us4}, found{us4, 1, ""}},
		{"unknown to the left", []string{"unknown, " + us4}, found{us4, 1, ""}},
		{"empty to the left", []string{"," + us4}, found{us4, 1, ""}},
		{"empty lines to the left", []string{"", ",,", us4}, found{us4, 1, ""}},
		{"zone to the left", []string{"fe80::1%eth0, " + us4 + ", 10.9.9.9"}, found{us4, 2, ""}},
		{"a hundred to the left", []string{strings.Repeat("1.1.1.1,", 100) + us4}, found{us4, 1, ""}},

		{"absent", nil, found{"", 0, clientip.Missing}},
		{"empty line", []string{""}, found{"", 1, clientip.Empty}},
		{"spaces", []string{" \t "}, found{"", 1, clientip.Empty}},
		{"ends in a comma", []string{us4 + ","}, found{"", 1, clientip.Empty}},
		{"only commas", []string{",,"}, found{"", 1, clientip.Empty}},
		{"empty between proxies", []string{us4 + ",, 10.9.9.9"}, found{"", 2, clientip.Empty}},
		{"empty line last", []string{us4, ""}, found{"", 1, clientip.Empty}},
		{"empty after all proxies", []string{", 10.9.9.9"}, found{"", 2, clientip.Empty}},
		{"junk", []string{de4 + ", junk"}, found{"", 1, clientip.Malformed}},
		{"junk between proxies", []string{us4 + ", junk, 10.9.9.9"}, found{"", 2, clientip.Malformed}},
		{"two in one", []string{us4 + " " + de4}, found{"", 1, clientip.Malformed}},
		{"semicolon", []string{us4 + ";" + de4}, found{"", 1, clientip.Malformed}},
		{"leading zeros", []string{"050.114.000.001"}, found{"", 1, clientip.Malformed}},
		{"octal", []string{"062.114.0.1"}, found{"", 1, clientip.Malformed}},
		{"one number", []string{"846331905"}, found{"", 1, clientip.Malformed}},
		{"hex", []string{"0x32720001"}, found{"", 1, clientip.Malformed}},
		{"three parts", []string{"50.114.1"}, found{"", 1, clientip.Malformed}},
		{"a name", []string{"client.example"}, found{"", 1, clientip.Malformed}},
		{"quotes", []string{`"` + us4 + `"`}, found{"", 1, clientip.Malformed}},
		{"a network", []string{us4 + "/32"}, found{"", 1, clientip.Malformed}},
		{"no port", []string{us4 + ":"}, found{"", 1, clientip.Malformed}},
		{"port too large", []string{us4 + ":65536"}, found{"", 1, clientip.Malformed}},
		{"port too long", []string{us4 + ":000080"}, found{"", 1, clientip.Malformed}},
		{"port is a name", []string{us4 + ":http"}, found{"", 1, clientip.Malformed}},
		{"obfuscated port", []string{us4 + ":_x"}, found{"", 1, clientip.Malformed}},
		{"brackets around IPv4", []string{"[" + us4 + "]"}, found{"", 1, clientip.Malformed}},
		{"bracket not closed", []string{"[" + us6}, found{"", 1, clientip.Malformed}},
		{"bracket not opened", []string{us6 + "]"}, found{"", 1, clientip.Malformed}},
		{"no colon after the bracket", []string{"[" + us6 + "]80"}, found{"", 1, clientip.Malformed}},
		{"no port after the bracket", []string{"[" + us6 + "]:"}, found{"", 1, clientip.Malformed}},
		{"line break", []string{us4 + "\r\n"}, found{"", 1, clientip.Malformed}},
		{"no-break space", []string{us4 + "\u00a0"}, found{"", 1, clientip.Malformed}},
		{"NUL", []string{us4 + "\x00"}, found{"", 1, clientip.Malformed}},
		{"zone", []string{"fe80::1%eth0"}, found{"", 1, clientip.Zone}},
		{"zone in brackets", []string{"[fe80::1%eth0]:80"}, found{"", 1, clientip.Zone}},
		{"zone on a proxy", []string{us4 + ", 2001:db8:aaaa::1%eth0"}, found{"", 1, clientip.Zone}},
		{"unknown", []string{us4 + ", unknown"}, found{"", 1, clientip.Unknown}},
		{"Unknown", []string{"UnKnown:80"}, found{"", 1, clientip.Unknown}},
		{"obfuscated", []string{us4 + ", _hidden"}, found{"", 1, clientip.Obfuscated}},
		{"unspecified", []string{"0.0.0.0"}, found{"", 1, clientip.Unspecified}},
		{"unspecified IPv6", []string{"[::]:80"}, found{"", 1, clientip.Unspecified}},
		{"unspecified, mapped", []string{"::ffff:0.0.0.0"}, found{"", 1, clientip.Unspecified}},
		{"only trusted", []string{"10.1.1.1, 10.9.9.9"}, found{"", 2, clientip.OnlyTrusted}},
		{"only trusted, mapped", []string{"::ffff:10.1.1.1"}, found{"", 1, clientip.OnlyTrusted}},
		{"31 proxies", []string{us4 + strings.Repeat(", 10.1.1.1", 31)}, found{us4, 32, ""}},
		{"32 proxies", []string{us4 + strings.Repeat(", 10.1.1.1", 32)}, found{"", 32, clientip.TooLong}},
		{"only 32 proxies", []string{"10.1.1.1" + strings.Repeat(", 10.1.1.1", 31)}, found{"", 32, clientip.OnlyTrusted}},
		{"8 KiB", []string{strings.Repeat("x", 8<<10-11) + "," + us4}, found{us4, 1, ""}},
		{"more than 8 KiB", []string{strings.Repeat("x", 8<<10-10) + "," + us4}, found{"", 0, clientip.TooLong}},
		{"8 KiB in lines", []string{strings.Repeat("x", 4<<10), strings.Repeat("x", 4<<10-12), us4}, found{us4, 1, ""}},
		{"more than 8 KiB in lines", []string{strings.Repeat("x", 4<<10), strings.Repeat("x", 4<<10-11), us4}, found{"", 0, clientip.TooLong}},
		{"more than 8192 lines", append(make([]string, 8<<10), us4), found{"", 0, clientip.TooLong}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, peer := range []string{proxy, "[::ffff:10.1.2.3]:40000", "172.16.0.1:1"} {
				checkResolve(t, r, peer, "X-Forwarded-For", test.lines, test.want)
			}
		})
	}
}

func TestResolveOneAddress(t *testing.T) {
	t.Parallel()
	r := newResolver(t, clientip.Config{TrustedProxies: prefixes("10.0.0.0/8"), Header: "CF-Connecting-IP"})
	for name, test := range map[string]struct {
		lines []string
		want  found
	}{
		"one":             {[]string{us4}, found{us4, 1, ""}},
		"IPv6":            {[]string{us6}, found{us6, 1, ""}},
		"spaces and port": {[]string{" " + us4 + ":80 "}, found{us4, 1, ""}},
		"absent":          {nil, found{"", 0, clientip.Missing}},
		"empty":           {[]string{""}, found{"", 1, clientip.Empty}},
		"twice":           {[]string{de4, us4}, found{"", 0, clientip.Repeated}},
		"the same twice":  {[]string{us4, us4}, found{"", 0, clientip.Repeated}},
		"a list":          {[]string{de4 + ", " + us4}, found{"", 1, clientip.List}},
		"a comma":         {[]string{us4 + ","}, found{"", 1, clientip.List}},
		"junk":            {[]string{"junk"}, found{"", 1, clientip.Malformed}},
		"trusted":         {[]string{"10.9.9.9"}, found{"", 1, clientip.OnlyTrusted}},
		"long":            {[]string{strings.Repeat("1", 8<<10+1)}, found{"", 0, clientip.TooLong}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkResolve(t, r, proxy, "Cf-Connecting-Ip", test.lines, test.want)
		})
	}
}

func TestResolveReadsOneHeaderOnly(t *testing.T) {
	t.Parallel()
	names := []string{"X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP", "Fly-Client-IP", "X_Forwarded_For", "X.Forwarded.For"}
	for _, configured := range names[:5] {
		r := newResolver(t, clientip.Config{TrustedProxies: prefixes("10.0.0.0/8"), Header: configured})
		h := http.Header{}
		for _, name := range names {
			if name != configured {
				h.Set(name, de4)
			}
		}
		if _, err := r.Resolve(proxy, h); reasonOf(err) != clientip.Missing {
			t.Errorf("%s: another header was read: %v", configured, err)
		}
		h.Set(configured, us4)
		if configured == "Forwarded" {
			h.Set(configured, "for="+us4)
		}
		if got, err := r.Resolve(proxy, h); err != nil || got.Addr.String() != us4 {
			t.Errorf("%s: %+v, %v; want %s", configured, got, err, us4)
		}
	}
}

func checkResolve(t *testing.T, r *clientip.Resolver, peer, name string, lines []string, want found) {
	t.Helper()
	before := slices.Clone(lines)
	got, err := r.Resolve(peer, header(name, lines...))
	if !slices.Equal(before, lines) {
		t.Error("the header was changed")
	}
	if !got.Trusted {
		t.Errorf("peer %s is not trusted", peer)
	}
	if want.reason != "" {
		var e *clientip.Error
		if !errors.As(err, &e) {
			t.Fatalf("%q: %+v, %v; want reason %s", lines, got, err, want.reason)
		}
		if e.Reason != want.reason || e.Hop != want.hop || e.Header != name || e.Peer != got.Peer {
			t.Errorf("%q: %+v; want reason %s at hop %d", lines, *e, want.reason, want.hop)
		}
		if got.Addr.IsValid() {
			t.Errorf("%q: an address, %s, beside the error", lines, got.Addr)
		}
		return
	}
	if err != nil {
		t.Fatalf("%q: %v; want %s", lines, err, want.addr)
	}
	if got.Addr != netip.MustParseAddr(want.addr) || got.Hop != want.hop || got.Header != name {
		t.Errorf("%q: %+v; want %s at hop %d", lines, got, want.addr, want.hop)
	}
}

func reasonOf(err error) clientip.Reason {
	var e *clientip.Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

func TestErrorMessages(t *testing.T) {
	t.Parallel()
	resolve := func(config, peer string, lines ...string) error {
		r := newResolver(t, clientip.Config{TrustedProxies: prefixes("10.0.0.0/8"), Header: config})
		_, err := r.Resolve(peer, header(config, lines...))
		return err
	}
	const xff, one, rfc = "X-Forwarded-For", "X-Real-Ip", "Forwarded"
	covered := map[clientip.Reason]bool{}
	for _, test := range []struct {
		err  error
		want string
	}{
		{resolve(xff, "@"), "the connection has no address; clients must come by TCP, or be announced by PROXY protocol"},
		{resolve(xff, "0.0.0.0:1"), "peer is the unspecified address, which nobody has"},
		{resolve(xff, proxy), "X-Forwarded-For from 10.1.2.3 names no client; the proxy must set it on every request, to the address that it was called from"},
		{resolve(rfc, proxy, "proto=http"), "Forwarded from 10.1.2.3: hop 1 from the right names no client; the proxy must set it on every request, to the address that it was called from"},
		{resolve(xff, proxy, us4+","), "X-Forwarded-For from 10.1.2.3: hop 1 from the right is empty; the proxy must add the address that it was called from"},
		{resolve(xff, proxy, "x, 10.9.9.9"), "X-Forwarded-For from 10.1.2.3: hop 2 from the right is not an address; expected one such as 192.0.2.1, 192.0.2.1:4711 or [2001:db8::1]:4711"},
		{resolve(rfc, proxy, "x"), `Forwarded from 10.1.2.3: hop 1 from the right does not follow RFC 7239; expected one such as for=192.0.2.1 or for="[2001:db8::1]:4711"`},
		{resolve(xff, proxy, "fe80::1%eth0"), "X-Forwarded-For from 10.1.2.3: hop 1 from the right has a zone; the proxy must be called by an address that is not link-local"},
		{resolve(xff, proxy, "unknown"), "X-Forwarded-For from 10.1.2.3: hop 1 from the right is unknown to the proxy; it must tell the address that it was called from"},
		{resolve(xff, proxy, "_x"), "X-Forwarded-For from 10.1.2.3: hop 1 from the right is concealed by the proxy; it must tell the address that it was called from"},
		{resolve(xff, proxy, "::"), "X-Forwarded-For from 10.1.2.3: hop 1 from the right is the unspecified address, which nobody has"},
		{resolve(one, proxy, us4, us4), "X-Real-Ip from 10.1.2.3 occurs more than once; the proxy must replace what the client sent"},
		{resolve(one, proxy, us4+","+us4), "X-Real-Ip from 10.1.2.3: hop 1 from the right holds a list; the proxy must replace what the client sent, or client_ip.header be X-Forwarded-For"},
		{resolve(xff, proxy, strings.Repeat(",", 8<<10+1)), "X-Forwarded-For from 10.1.2.3 is longer than 8 KiB or 32 proxies; expected one address for each proxy on the way"},
		{resolve(xff, proxy, "10.1.1.1,10.1.1.1"), "X-Forwarded-For from 10.1.2.3 holds trusted proxies only; leave the clients' own networks out of client_ip.trusted_proxies"},
	} {
		covered[reasonOf(test.err)] = true
		if got := fmt.Sprint(test.err); got != test.want {
			t.Errorf("\n got %s\nwant %s", got, test.want)
		}
	}
	for _, reason := range clientip.Reasons() {
		if !covered[reason] {
			t.Errorf("no message for %s is tested", reason)
		}
	}
}
