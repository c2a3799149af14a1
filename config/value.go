package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/idna"
	"golang.org/x/text/language"
)

// format is one way of writing a value. What it accepts matches pattern and is accepted by parse, whose
// errors say only what differs from the general rule.
type format struct {
	is      string         // completes: "x" is not
	right   string         // what would be right
	pattern *regexp.Regexp // also used by the JSON Schema, so within ECMA-262
	bare    string         // type of YAML, and of JSON Schema, in which it may be written besides text; none if empty
	parse   func(text string) (any, error)
}

var formats = map[string]format{
	"listen": {
		"an address to listen on", "write host:port, such as :8080 or 127.0.0.1:8080",
		regexp.MustCompile(`^(|[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?\]):[0-9]{1,5}$`), "", parseListen,
	},
	"file": {
		"a path", "write the path of a file, relative to the folder of this one",
		regexp.MustCompile(`^[^\x00-\x1f\x7f]+$`), "", verbatim,
	},
	"network": {
		"a network", "write an address or a prefix, such as 10.0.0.0/8 or \"2001:db8::/32\", IPv6 in quotes",
		regexp.MustCompile(`^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$`), "", parseNetwork,
	},
	"host": {
		"a host", "write a name without scheme, port or path, such as shop.example, *.shop.example or \"*\"",
		regexp.MustCompile(`^(\*|(\*\.)?[^\s*/:@?#%\\]+|\[[0-9A-Fa-f:.]+\])$`), "", parseHost,
	},
	"upstream": {
		"an upstream", "write scheme, host and port and no path, such as http://10.0.0.5:3000",
		regexp.MustCompile(`^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?$`), "", parseUpstream,
	},
	"url": {
		"a web address", "write one with scheme and host, such as https://shop.example/legal",
		regexp.MustCompile(`^https?://[!#-;=?-\[\]_a-z~]+$`), "", parseURL,
	},
	"header": {
		"a header name", "write letters, digits and hyphens, such as X-Forwarded-For",
		regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`), "", parseHeader,
	},
	"place": {
		"a country", "write its ISO 3166-1 code of two capital letters, such as US, or the ISO 3166-2 code of a part of it, such as UA-43",
		regexp.MustCompile(`^[A-Z]{2}(-[A-Z0-9]{1,3})?$`), "", verbatim,
	},
	"field": {
		"a field of a database", "write country, registered_country or represented_country",
		regexp.MustCompile(`^(country|registered_country|represented_country)$`), "", verbatim,
	},
	"name": {
		"a route name", "write up to 63 letters, digits, dots, hyphens and underscores, such as shop",
		regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`), "", parseName,
	},
	"replica": {
		"a name", "write up to 63 letters, digits, dots, hyphens and underscores, such as gate-1",
		regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`), "", verbatim,
	},
	"word": {
		"one word", "write printable ASCII without blanks",
		regexp.MustCompile(`^[!-~]+$`), "", verbatim,
	},
	"address": {
		"an address", "write host:port, such as 127.0.0.1:6379",
		regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$`), "", parseAddress,
	},
	"duration": {
		"a duration", "write whole numbers with ms, s, m, h or d, such as 10s, 1h30m or 60d",
		regexp.MustCompile(`^([0-9]+(ms|s|m|h|d))+$`), "", parseDuration,
	},
	"size": {
		"a size", "write bytes, or a whole number with KiB, MiB or GiB, such as 64KiB",
		regexp.MustCompile(`^[0-9]+(KiB|MiB|GiB)?$`), "integer", parseSize,
	},
	"count": {
		"a number", "write a whole one, such as 100",
		regexp.MustCompile(`^(0|[1-9][0-9]*)$`), "integer", parseCount,
	},
	"email": {
		"an e-mail address", "write one such as webmaster@shop.example",
		regexp.MustCompile(`^[^\s@<>"(),:;\[\]\\]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$`), "", verbatim,
	},
	"account": {
		"an account ID", "write the digits that MaxMind shows for the account, such as 123456",
		regexp.MustCompile(`^[1-9][0-9]{0,17}$`), "integer", verbatim,
	},
	"edition": {
		"an edition that tells countries or anonymous networks", "write MaxMind's name of a binary database, such as GeoLite2-Country, GeoIP2-City or GeoIP2-Anonymous-IP",
		regexp.MustCompile(`^(GeoLite2|GeoIP2|GeoIP)-((Country|City|Enterprise|Precision-Enterprise)(-(North-America|Europe|Asia-Pacific|Africa|South-America))?|Anonymous-IP|Anonymous-Plus)$`), "", verbatim,
	},
	"share": {
		"a share", "write a number from 0 to 1, such as 0.01",
		regexp.MustCompile(`^(0|1|0\.[0-9]{1,9}|1\.0{1,9})$`), "number", parseShare,
	},
	"switch": {
		"a switch", "write true or false",
		regexp.MustCompile(`^(true|false)$`), "boolean", func(text string) (any, error) { return text == "true", nil },
	},
	"text": {
		"a line of text", "write one of up to 200 characters",
		regexp.MustCompile(`^[^\x00-\x1f\x7f]{1,200}$`), "", verbatim,
	},
	"color": {
		"a color", "write # and six digits or letters a to f, in quotes, such as \"#0a5bd3\"",
		regexp.MustCompile(`^#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})$`), "", verbatim,
	},
	"language": {
		"a language", "write its BCP 47 tag, such as de or pt-BR",
		regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`), "", parseLanguage,
	},
	"level": {"a log level", "", regexp.MustCompile(``), "", parseLevel},
}

var (
	errGeneral = errors.New("not the format")
	label      = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)
	quantity   = regexp.MustCompile(`[0-9]+|[A-Za-z]+`)
)

// parse reads one scalar as the field's tags ask, into a value that can be set. Its error is a message
// for the operator.
func (f field) parse(text string) (reflect.Value, error) {
	if f.enum != nil && !slices.Contains(f.enum, text) {
		return reflect.Value{}, fmt.Errorf("%s is not allowed here; write %s", show(text), cmp.Or(nearest(text, f.enum), enumerate(f.enum, "or")))
	}
	if f.format == "" {
		return reflect.ValueOf(text), nil
	}
	form := formats[f.format]
	if form.pattern.MatchString(text) {
		value, err := form.parse(text)
		if err == nil && f.min != "" {
			err = atLeast(f.min, form, value, text)
		}
		if !errors.Is(err, errGeneral) {
			return reflect.ValueOf(value), err
		}
	}
	return reflect.Value{}, fmt.Errorf("%s is not %s; %s", show(text), form.is, form.right)
}

func atLeast(least string, form format, value any, text string) error {
	low, err := form.parse(least)
	if err == nil && integer(value) < integer(low) {
		return fmt.Errorf("%s is too little; write at least %s", text, least)
	}
	return err
}

func integer(value any) int64 { return reflect.ValueOf(value).Int() }

func verbatim(text string) (any, error) { return text, nil }

func parseListen(text string) (any, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return nil, errGeneral
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("%s has no usable port; ports go from 0 to 65535", show(text))
	}
	if host != "" && !named(host) {
		return nil, errGeneral
	}
	return net.JoinHostPort(host, strconv.FormatUint(number, 10)), nil
}

// parseAddress reads an address to connect to.
func parseAddress(text string) (any, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil || !named(host) {
		return nil, errGeneral
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return nil, fmt.Errorf("%s has no usable port; ports go from 1 to 65535", show(text))
	}
	return text, nil
}

func parseNetwork(text string) (any, error) {
	prefix, err := netip.ParsePrefix(text)
	if addr, bad := netip.ParseAddr(text); bad == nil {
		prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	switch {
	case err != nil:
		return nil, errGeneral
	case prefix.Addr().Is4In6() && prefix.Bits() < 96:
		return nil, errGeneral
	case prefix.Addr().Is4In6():
		return nil, fmt.Errorf("%s is an IPv4 network in IPv6 form; write %s", show(text),
			netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96).Masked())
	case prefix != prefix.Masked():
		return nil, fmt.Errorf("%s is an address inside a network; write the network %s or the address %s", show(text), prefix.Masked(), prefix.Addr())
	}
	return prefix, nil
}

func parseHost(text string) (any, error) {
	if text == "*" {
		return text, nil
	}
	if literal, ok := strings.CutPrefix(text, "["); ok {
		addr, err := netip.ParseAddr(strings.TrimSuffix(literal, "]"))
		if err != nil || !addr.Is6() {
			return nil, errGeneral
		}
		return "[" + addr.String() + "]", nil
	}
	stars, name := "", text
	if parent, ok := strings.CutPrefix(text, "*."); ok {
		stars, name = "*.", parent
	}
	if ascii, err := idna.Lookup.ToASCII(name); err == nil && !strings.EqualFold(ascii, name) {
		return nil, fmt.Errorf("%s is not how the name travels in a request; write %s", show(text), stars+ascii)
	}
	if _, err := netip.ParseAddr(name); !named(name) || err == nil && stars != "" {
		return nil, errGeneral
	}
	return strings.ToLower(text), nil
}

// named reports whether text is an address or a name of RFC 1123 section 2.1, underscores allowed as they
// are in use. A name that ends in a number would be an address that is none.
func named(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	last := ""
	for last = range strings.SplitSeq(strings.ToLower(text), ".") {
		if !label.MatchString(last) {
			return false
		}
	}
	return len(text) <= 253 && strings.Trim(last, "0123456789") != ""
}

func parseUpstream(text string) (any, error) {
	u, err := url.Parse(strings.TrimSuffix(text, "/"))
	if err != nil {
		return nil, errGeneral
	}
	if !named(u.Hostname()) {
		return nil, errGeneral
	}
	if port, err := strconv.ParseUint(cmp.Or(u.Port(), "80"), 10, 16); err != nil || port == 0 {
		return nil, fmt.Errorf("%s has no usable port; ports go from 1 to 65535", show(text))
	}
	u.Host = strings.ToLower(u.Host)
	return u, nil
}

func parseURL(text string) (any, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return nil, errGeneral
	}
	return u, nil
}

// parseLanguage returns the tag in the form in which it is written everywhere.
func parseLanguage(text string) (any, error) {
	tag, err := language.Parse(text)
	if err != nil {
		return nil, errGeneral
	}
	return tag.String(), nil
}

// unusable are headers that say how a message travels, or that proxies and upstreams rely on for
// something other than an address or a country.
var unusable = []string{
	"Accept", "Authorization", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Cookie", "Expect", "Host",
	"Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

func parseHeader(text string) (any, error) {
	name := http.CanonicalHeaderKey(text)
	if slices.Contains(unusable, name) {
		return nil, fmt.Errorf("header %s has another meaning in HTTP; write another, such as X-Forwarded-For or X-Country-Code", text)
	}
	return name, nil
}

func parseName(text string) (any, error) {
	if text == "other" {
		return nil, errors.New("a route may not be called other, which metrics say of hosts that no route names; write another name")
	}
	return text, nil
}

func parseDuration(text string) (any, error) {
	units := map[string]time.Duration{"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}
	parts := quantity.FindAllString(text, -1)
	var sum time.Duration
	for i := 0; i < len(parts); i += 2 {
		n, err := strconv.ParseInt(parts[i], 10, 64)
		unit := units[parts[i+1]]
		if err != nil || n > int64((math.MaxInt64-sum)/unit) {
			return nil, fmt.Errorf("%s is too long; write at most 106751d", text)
		}
		sum += time.Duration(n) * unit
	}
	return sum, nil
}

func parseSize(text string) (any, error) {
	units := map[string]int64{"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
	digits := strings.TrimRight(text, "KMGiB")
	unit := units[text[len(digits):]]
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > (1<<50)/unit {
		return nil, fmt.Errorf("%s is too much; write at most 1048576GiB", text)
	}
	return n * unit, nil
}

func parseCount(text string) (any, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n > 1_000_000 {
		return nil, fmt.Errorf("%s is too much; write at most 1000000", text)
	}
	return n, nil
}

func parseShare(text string) (any, error) { return strconv.ParseFloat(text, 64) }

func parseLevel(text string) (any, error) {
	var level slog.Level
	err := level.UnmarshalText([]byte(text))
	return level, err
}
