package upstream

import (
	"net/http"
	"net/textproto"
	"strings"
)

// longestName is the length of the longest name in withheldNames.
const longestName = 32

// withheldNames are request headers that are never passed on as they come, in the form that fold gives
// them: what holds for one connection only (RFC 9110, section 7.6.1), what the head of a request has of its own,
// what this package sets, and what would give the upstream another idea of the target, of the client's
// address or scheme, or of the client's country than the gateway's.
var withheldNames = set(
	"connection proxy-connection keep-alive te trailer transfer-encoding upgrade http2-settings proxy-authenticate proxy-authorization",
	"host content-length",
	"forwarded x-forwarded x-forwarded-for x-forwarded-host x-forwarded-proto x-forwarded-protocol x-forwarded-scheme x-forwarded-ssl",
	"x-forwarded-port x-forwarded-server x-forwarded-prefix x-forwarded-path x-forwarded-uri x-forwarded-url x-forwarded-method x-forwarded-by",
	"x-original-url x-original-uri x-original-host x-original-method x-rewrite-url x-rewrite-uri x-host x-http-host-override",
	"x-original-path x-original-proto x-original-scheme x-original-port x-envoy-original-path x-envoy-original-host x-envoy-original-dst-host",
	"request-uri x-request-uri x-http-destinationurl x-http-path-override x-forwarded-request-uri x-proxy-url proxy-url proxy-host",
	"x-invoke-path x-invoke-query x-matched-path",
	"front-end-https x-scheme x-url-scheme x-arr-ssl cf-visitor cloudfront-forwarded-proto",
	"x-original-forwarded-for x-forwarded-client-ip x-real-ip true-client-ip client-ip x-client-ip x-cluster-client-ip cf-connecting-ip cf-connecting-ipv6",
	"forwarded-for x-originating-ip x-true-ip x-true-client-ip http-client-ip proxy-client-ip wl-proxy-client-ip do-connecting-ip x-proxyuser-ip",
	"incap-client-ip x-sucuri-clientip ali-cdn-real-ip cdn-src-ip cdn-real-ip x-original-remote-addr",
	"cf-pseudo-ipv4 fastly-client-ip fly-client-ip x-azure-clientip x-azure-socketip x-appengine-user-ip x-envoy-external-address x-remote-ip x-remote-addr",
	"x-country-code x-country x-geo-country x-client-geo-location x-akamai-edgescape x-sucuri-country",
	"x-nf-geo x-nf-country cdn-requestcountrycode fastly-country-code cf-region cf-region-code cf-timezone cf-postal-code cf-metro-code",
	"gate451",
	// A CGI program takes it for the proxy that it is to use itself.
	"proxy",
)

// withheldFamilies are beginnings of names that are withheld too.
var withheldFamilies = []string{
	"gate451-", "geoip-", "geoip2-", "x-geoip-", "x-geoip2-", "mm-", "x-mm-", "cf-ip", "cloudfront-viewer-", "x-vercel-ip-", "x-appengine-",
}

// lastingNames are request headers that are for every recipient. A client that lists one of them in
// Connection, which RFC 9110, section 7.6.1, forbids, does not get it stripped after the gateway has judged
// by it, and they have no place in a trailer (section 6.5.1).
var lastingNames = set("authorization cache-control cookie expect from host max-forwards origin pragma range referer",
	"x-http-method x-http-method-override x-method-override")

// lastingFamilies are beginnings of names that are lasting too.
var lastingFamilies = []string{"content-", "if-"}

func set(lines ...string) map[string]struct{} {
	names := map[string]struct{}{}
	for _, line := range lines {
		for name := range strings.FieldsSeq(line) {
			names[name] = struct{}{}
		}
	}
	return names
}

// fold writes a header name as the upstream's program may see it: CGI, PHP and WSGI know variables, in
// which case is lost and every other character than a letter or digit is the same. It returns as much
// of the name as can matter.
func fold(buf *[longestName + 1]byte, name string) []byte {
	n := min(len(name), len(buf))
	for i := range n {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		default:
			c = '-'
		}
		buf[i] = c
	}
	return buf[:n]
}

// among reports whether a folded name is in the set or begins like one of the families.
func among(names map[string]struct{}, families []string, folded []byte) bool {
	if _, ok := names[string(folded)]; ok {
		return true
	}
	for _, family := range families {
		if len(folded) >= len(family) && string(folded[:len(family)]) == family {
			return true
		}
	}
	return false
}

// withheld reports whether a request header is not passed on, those that tell a country included. What the
// name stands for counts, not how it is spelled.
func withheld(name string, m *Meta) bool {
	var buf [longestName + 1]byte
	return among(withheldNames, withheldFamilies, fold(&buf, name)) || alias(name, m.CountryHeader) || alias(name, m.HeardHeader)
}

// lasting reports whether a request header stays though the client lists it in Connection.
func lasting(name string) bool {
	var buf [longestName + 1]byte
	return among(lastingNames, lastingFamilies, fold(&buf, name))
}

// alias reports whether two header names of any length fold to the same.
func alias(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	var x, y [longestName + 1]byte
	for len(a) > 0 {
		fa, fb := fold(&x, a), fold(&y, b)
		if string(fa) != string(fb) {
			return false
		}
		a, b = a[len(fa):], b[len(fb):]
	}
	return true
}

// options calls yield with every option that a Connection header lists, in canonical form.
func options(h http.Header, yield func(string)) {
	for _, line := range h["Connection"] {
		for option := range strings.SplitSeq(line, ",") {
			if option = textproto.TrimString(option); option != "" {
				yield(http.CanonicalHeaderKey(option))
			}
		}
	}
}
