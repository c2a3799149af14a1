package clientip_test

import (
	"strings"
	"testing"

	"gate451/gateway/clientip"
)

func TestResolveForwarded(t *testing.T) {
	t.Parallel()
	r := newResolver(t, clientip.Config{TrustedProxies: prefixes("10.0.0.0/8", "2001:db8:aaaa::/48"), Header: "forwarded"})
	tests := []struct {
		name  string
		lines []string
		want  found
	}{
		{"one", []string{"for=" + us4}, found{us4, 1, ""}},
		{"case of the name", []string{"FoR=" + us4}, found{us4, 1, ""}},
		{"quoted", []string{`for="` + us4 + `"`}, found{us4, 1, ""}},
		{"quoted with port", []string{`for="` + us4 + `:4711"`}, found{us4, 1, ""}},
		{"obfuscated port", []string{`for="` + us4 + `:_a.B-9_"`}, found{us4, 1, ""}},
		{"IPv6", []string{`for="[` + us6 + `]"`}, found{us6, 1, ""}},
		{"IPv6 with port", []string{`For="[` + us6 + `]:4711"`}, found{us6, 1, ""}},
		{"IPv6 with obfuscated port", []string{`For="[` + us6 + `]:_x"`}, found{us6, 1, ""}},
		{"mapped", []string{`for="[::ffff:` + us4 + `]"`}, found{us4, 1, ""}},
		{"escaped for no need", []string{`for="\5\0.114.0\.1"`}, found{us4, 1, ""}},
		{"all parameters", []string{"by=203.0.113.43;for=" + us4 + ";host=shop.example;proto=https"}, found{us4, 1, ""}},
		{"extensions", []string{`secret="a,b;for=1.1.1.1";for=` + us4 + `;x=y`}, found{us4, 1, ""}},
		{"space around semicolons", []string{"by=_x ; for=" + us4 + "\t;proto=http "}, found{us4, 1, ""}},
		{"empty pairs", []string{";;for=" + us4 + ";;"}, found{us4, 1, ""}},
		{"elements", []string{"for=" + de4 + ", for=" + us4}, found{us4, 1, ""}},
		{"proxies", []string{"for=" + de4 + ",for=" + us4 + `;proto=https, for=10.9.9.9,for="[2001:db8:aaaa::1]:80"`}, found{us4, 3, ""}},
		{"lines", []string{"for=" + de4, "for=" + us4 + ", for=10.9.9.9", "for=10.8.8.8"}, found{us4, 3, ""}},
		{"quoted commas and quotes", []string{`for=` + de4 + `, host="a,\",for=1.1.1.1,\\\"";for=` + us4}, found{us4, 1, ""}},
		{"quoted backslash at the end", []string{`for=` + us4 + `;host="\\"`}, found{us4, 1, ""}},
		{"empty quoted string", []string{`for=` + us4 + `;host=""`}, found{us4, 1, ""}},
		{"Latin 1 in quotes", []string{"for=" + us4 + ";host=\"\xe9\t\""}, found{us4, 1, ""}},

		// What the client wrote cannot reach into the proxy's element.
		{"open quote to the left", []string{`for="` + de4 + `, for=` + us4}, found{us4, 1, ""}},
		{"open quote and backslash", []string{`for="\, for=` + us4}, found{us4, 1, ""}},
		{"open quote, proxy quotes", []string{`for="x, for="[` + us6 + `]:80"`}, found{us6, 1, ""}},
		{"open quote, proxy's parameters", []string{`for="x, for=` + us4 + `;host="shop.example"`}, found{us4, 1, ""}},
		{"open quote in an earlier line", []string{`for="x`, "for=" + us4}, found{us4, 1, ""}},
		{"junk to the left", []string{"=;=\"\\, for=" + us4}, found{us4, 1, ""}},
		{"an open parameter to the left", []string{"host=x;,for=" + us4}, found{us4, 1, ""}},

		{"absent", nil, found{"", 0, clientip.Missing}},
		{"no for", []string{"for=" + us4 + ", by=10.9.9.9;proto=https"}, found{"", 1, clientip.Missing}},
		{"empty", []string{""}, found{"", 1, clientip.Empty}},
		{"ends in a comma", []string{"for=" + us4 + ", "}, found{"", 1, clientip.Empty}},
		{"only empty pairs", []string{"for=" + us4 + ", ;;"}, found{"", 1, clientip.Empty}},
		{"empty value in quotes", []string{`for=""`}, found{"", 1, clientip.Empty}},
		{"empty between proxies", []string{"for=" + us4 + ",,for=10.9.9.9"}, found{"", 2, clientip.Empty}},
		{"no name", []string{"=" + us4}, found{"", 1, clientip.Malformed}},
		{"no value", []string{"for="}, found{"", 1, clientip.Malformed}},
		{"no pair", []string{us4}, found{"", 1, clientip.Malformed}},
		{"space before the equals sign", []string{"for =" + us4}, found{"", 1, clientip.Malformed}},
		{"space after the equals sign", []string{"for= " + us4}, found{"", 1, clientip.Malformed}},
		{"no semicolon", []string{"for=" + us4 + " proto=http"}, found{"", 1, clientip.Malformed}},
		{"no semicolon after quotes", []string{`for="` + us4 + `"proto=http`}, found{"", 1, clientip.Malformed}},
		{"for twice", []string{"for=" + de4 + ";for=" + us4}, found{"", 1, clientip.Malformed}},
		{"for twice in two cases", []string{"FOR=" + us4 + ";for=" + us4}, found{"", 1, clientip.Malformed}},
		{"quote not closed", []string{`for="` + us4}, found{"", 1, clientip.Malformed}},
		{"quote not opened", []string{`for=` + us4 + `"`}, found{"", 1, clientip.Malformed}},
		{"closing quote escaped", []string{`for="` + us4 + `\"`}, found{"", 1, clientip.Malformed}},
		{"opening quote escaped", []string{`for=\"` + us4 + `"`}, found{"", 1, clientip.Malformed}},
		{"backslashes before the quotes", []string{`for=\\"` + us4 + `"`}, found{"", 1, clientip.Malformed}},
		{"control character", []string{"for=\"" + us4 + "\x00\""}, found{"", 1, clientip.Malformed}},
		{"control character elsewhere", []string{"for=" + us4 + ";host=\"\x7f\""}, found{"", 1, clientip.Malformed}},
		{"port without quotes", []string{"for=" + us4 + ":80"}, found{"", 1, clientip.Malformed}},
		{"brackets without quotes", []string{"for=[" + us6 + "]"}, found{"", 1, clientip.Malformed}},
		{"IPv6 without brackets", []string{`for="` + us6 + `"`}, found{"", 1, clientip.Malformed}},
		{"brackets around IPv4", []string{`for="[` + us4 + `]"`}, found{"", 1, clientip.Malformed}},
		{"spaces in quotes", []string{`for=" ` + us4 + `"`}, found{"", 1, clientip.Malformed}},
		{"list in quotes", []string{`for="` + us4 + `, 10.9.9.9"`}, found{"", 1, clientip.Malformed}},
		{"empty obfuscated port", []string{`for="` + us4 + `:_"`}, found{"", 1, clientip.Malformed}},
		{"bad obfuscated port", []string{`for="` + us4 + `:_ä"`}, found{"", 1, clientip.Malformed}},
		{"junk between proxies", []string{"for=" + us4 + ", junk, for=10.9.9.9"}, found{"", 2, clientip.Malformed}},
		{"zone", []string{`for="[fe80::1%eth0]"`}, found{"", 1, clientip.Zone}},
		{"unknown", []string{"for=" + us4 + ", for=unknown"}, found{"", 1, clientip.Unknown}},
		{"unknown with port", []string{`for="Unknown:80"`}, found{"", 1, clientip.Unknown}},
		{"obfuscated", []string{"for=_SEVKISEK"}, found{"", 1, clientip.Obfuscated}},
		{"unspecified", []string{`for="[::]"`}, found{"", 1, clientip.Unspecified}},
		{"only trusted", []string{"for=10.1.1.1, for=10.9.9.9"}, found{"", 2, clientip.OnlyTrusted}},
		{"too many", []string{"for=" + us4 + strings.Repeat(", for=10.1.1.1", 32)}, found{"", 32, clientip.TooLong}},
		{"too long", []string{strings.Repeat(`"`, 8<<10) + ", for=" + us4}, found{"", 0, clientip.TooLong}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			checkResolve(t, r, proxy, "Forwarded", test.lines, test.want)
		})
	}
}
