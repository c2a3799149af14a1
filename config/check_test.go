package config

import (
	"errors"
	"net/netip"
	"testing"
)

func TestWarnings(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ src, want string }{
		{"client_ip: {header: Forwarded}", "/etc/gate451/gateway.yaml:3:21: client_ip.header is never believed while client_ip.trusted_proxies is empty; name the proxies that send it"},
		{"client_ip: {header: Forwarded, trusted_proxies: [10.0.0.0/8]}", ""},
		{"client_ip: {proxy_protocol: [10.0.0.0/8]}", ""},
		{"geoip: {decide: any}", "/etc/gate451/gateway.yaml:3:17: decide: any makes no difference with one source; name another database under databases, or leave decide out"},
		{"http2_cleartext: true\ntls: {cert_file: a, key_file: b}", "/etc/gate451/gateway.yaml:3:18: http2_cleartext makes no difference with a certificate, as nothing is cleartext then; leave it out"},
		{"http2_cleartext: true", ""},
		{"geoip: {decide: any, databases: [a.mmdb, b.mmdb]}", ""},
		{"evidence: {client: hmac}", "/etc/gate451/gateway.yaml:3:11: evidence has no dir, so that nothing is recorded; name a folder, such as dir: evidence"},
		{"evidence: {dir: a, client: hmac, client_key_file: k}", ""},
		{"tracing: {sample: 1}", "/etc/gate451/gateway.yaml:3:10: tracing has no endpoint, so that nothing is traced; name a collector, such as endpoint: http://127.0.0.1:4318"},
		{"tracing: {endpoint: \"http://127.0.0.1:4318\", sample: 0}", ""},
		{"redis: {addrs: [\"a:1\"], tls: {enabled: true}, stream_lines: 9}\nevidence: {dir: a}", ""},
	} {
		c := parse(t, minimal+test.src+"\n")
		got := ""
		if all := c.Warnings(); len(all) > 0 {
			got = all[0].Error()
		}
		if got != test.want || len(c.Warnings()) > 1 {
			t.Errorf("%s: warnings %v, want %q", test.src, c.Warnings(), test.want)
		}
	}
}

func TestHeaderOfOneAddress(t *testing.T) {
	t.Parallel()
	if c := parse(t, minimal+"client_ip: {header: cf-connecting-ip, trusted_proxies: [10.0.0.0/8]}\n"); c.ClientIP.Header != "Cf-Connecting-Ip" {
		t.Errorf("header is %s", c.ClientIP.Header)
	}
}

func TestTLSOfRedis(t *testing.T) {
	t.Parallel()
	for tls, want := range map[string]bool{
		"{}": false, "{enabled: false}": false, "{enabled: true}": true, "{ca_file: a}": true, "{cert_file: a, key_file: b}": true, "{server_name: a}": true,
	} {
		if c := parse(t, minimal+"redis: {addrs: [\"a:1\"], tls: "+tls+"}\n"); c.Redis.TLS.On() != want {
			t.Errorf("tls: %s is on: %v, want %v", tls, c.Redis.TLS.On(), want)
		}
	}
}

func TestCallersCanPlaceProblems(t *testing.T) {
	t.Parallel()
	c := parse(t, minimal+"geoip:\n  overrides: {203.0.113.0/24: UK}\n", "GATE451_LISTEN=:80")
	for _, test := range []struct {
		field any
		want  string
	}{
		{&c.Policy, "/etc/gate451/gateway.yaml:2:9: m"},
		{&c.Routes[0].Hosts[0], "/etc/gate451/gateway.yaml:1:19: m"},
		{&c.Routes[0].Name, "/etc/gate451/gateway.yaml:1:19: m"},
		{&c.GeoIP, "/etc/gate451/gateway.yaml:4:3: m"},
		{netip.MustParsePrefix("203.0.113.0/24"), "/etc/gate451/gateway.yaml:4:31: m"},
		{&c.Listen, "GATE451_LISTEN: m"},
		{&c.CountryHeader, "/etc/gate451/gateway.yaml: m"},
	} {
		if got := c.Problem(test.field, "m").Error(); got != test.want {
			t.Errorf("Problem(%T) = %s, want %s", test.field, got, test.want)
		}
	}
}

func TestErrorsUnwrapToProblems(t *testing.T) {
	t.Parallel()
	_, err := Parse("gateway.yaml", []byte(minimal+"listen: x\n"), nil)
	var p Problem
	if !errors.As(err, &p) || p.File != "gateway.yaml" || p.Line != 3 || p.Column != 9 {
		t.Errorf("errors.As finds %+v in %v", p, err)
	}
}

func TestClash(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{":80", ":80", true},
		{":80", ":81", false},
		{":0", ":0", false},
		{":80", "127.0.0.1:80", true},
		{"[::]:80", "127.0.0.1:80", true},
		{"0.0.0.0:80", "127.0.0.1:80", true},
		{"0.0.0.0:80", "[::1]:80", false},
		{"0.0.0.0:80", "localhost:80", true},
		{"localhost:80", "127.0.0.1:80", true},
		{"127.0.0.1:80", "127.0.0.2:80", false},
		{"a.example:80", "A.example:80", true},
		{"a.example:80", "b.example:80", false},
		{"a.example:80", "10.0.0.1:80", false},
		{"", ":80", false},
	} {
		if clash(test.a, test.b) != test.want || clash(test.b, test.a) != test.want {
			t.Errorf("clash(%q, %q) is not %t both ways", test.a, test.b, test.want)
		}
	}
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]bool{
		"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "[::ffff:127.0.0.1]:1": true, "localhost:1": true, "LocalHost:1": true,
		":1": false, "0.0.0.0:1": false, "[::]:1": false, "10.0.0.1:1": false, "localhost.example:1": false, "": false,
	} {
		if got := loopback(listen); got != want {
			t.Errorf("loopback(%q) = %t", listen, got)
		}
	}
}
