package canonical

import (
	"strings"
	"testing"

	"gate451/rules"
)

func TestHosts(t *testing.T) {
	t.Parallel()
	label63 := strings.Repeat("a", 63)
	for field, want := range map[string]string{
		"shop.example":           "shop.example",
		"Shop.EXAMPLE":           "shop.example",
		"shop.example.":          "shop.example",
		"shop.example.:8080":     "shop.example",
		"shop.example:65535":     "shop.example",
		"my_shop.a-b.xn--p1ai":   "my_shop.a-b.xn--p1ai",
		"localhost":              "localhost",
		"203.0.113.10:80":        "203.0.113.10",
		"[::1]":                  "[::1]",
		"[2001:DB8:0:0::1]:8443": "[2001:db8::1]",
		"[::ffff:192.0.2.1]":     "[::ffff:192.0.2.1]",
		label63 + ".example":     label63 + ".example",
	} {
		if got, err := readHost(field); err != nil || got != want {
			t.Errorf("%q: read as %q, %v; want %q", field, got, err, want)
		}
	}
}

func TestMalformedHosts(t *testing.T) {
	t.Parallel()
	const (
		label = " has a label that is empty, longer than 63 bytes, or begins or ends with a hyphen"
		port  = " has no port behind its colon; expected a number from 1 to 65535"
		v6    = " is no IPv6 address in brackets"
		bytes = "; letters, digits, hyphens and dots make a host, and any other script is written in Punycode"
	)
	for field, want := range map[string]string{
		"":                              "the host is missing",
		".":                             `the host "."` + label,
		"shop.example..":                `the host "shop.example.."` + label,
		".shop.example":                 `the host ".shop.example"` + label,
		"shop..example":                 `the host "shop..example"` + label,
		"-shop.example-":                `the host "-shop.example-"` + label,
		":80":                           `the host ":80"` + label,
		strings.Repeat("a", 64):         `the host "` + strings.Repeat("a", 40) + `"...` + label,
		strings.Repeat("a.", 127) + "a": `the host "` + strings.Repeat("a.", 20) + `"... is longer than 253 bytes`,
		"shop.example:":                 `the host "shop.example:"` + port,
		"shop.example:0":                `the host "shop.example:0"` + port,
		"shop.example:00080":            `the host "shop.example:00080"` + port,
		"shop.example:65536":            `the host "shop.example:65536"` + port,
		"shop.example:100000":           `the host "shop.example:100000"` + port,
		"shop.example:8o":               `the host "shop.example:8o"` + port,
		"shop.example:80:80":            `the host "shop.example:80:80"` + port,
		"::1":                           `the host "::1"` + port,
		"shop.example,other.example":    `the host "shop.example,other.example" holds ","` + bytes,
		"shop.example/":                 `the host "shop.example/" holds "/"` + bytes,
		"shop%2eexample":                `the host "shop%2eexample" holds "%"` + bytes,
		"a@shop.example":                `the host "a@shop.example" holds "@"` + bytes,
		"shop example":                  `the host "shop example" holds " "` + bytes,
		"ｓhop.example":                  `the host "ｓhop.example" holds "\xef"` + bytes,
		"[::1":                          `the host "[::1"` + v6,
		"[]":                            `the host "[]"` + v6,
		"[192.0.2.1]":                   `the host "[192.0.2.1]"` + v6,
		"[fe80::1%eth0]":                `the host "[fe80::1%eth0]"` + v6,
		"[::1]x":                        `the host "[::1]x" goes on behind its address`,
		"[::1]:":                        `the host "[::1]:"` + port,
	} {
		if got, err := readHost(field); err == nil || err.Error() != "malformed request: "+want {
			t.Errorf("%q: read as %q, %v; want %s", field, got, err, want)
		}
	}
}

func TestHostOfATargetInAbsoluteForm(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"", "shop.example", "SHOP.example:80"} {
		var out rules.Request
		if err := ReadTarget("GET", "http://Shop.Example:8080/cart", host, &out); err != nil || out.Host != "shop.example" {
			t.Errorf("with the host %q: %q, %v", host, out.Host, err)
		}
	}
}
