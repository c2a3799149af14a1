package upstream

import (
	"net/http"
	"net/netip"

	"golang.org/x/net/http/httpguts"
)

// Meta is what the gateway found out about a request and tells the upstream.
type Meta struct {
	// Client is the buyer's address, which X-Forwarded-For will name and no other. If it is invalid,
	// there will be no X-Forwarded-For.
	Client netip.Addr
	// Proto is how the buyer came, http or https, for X-Forwarded-Proto.
	Proto string
	// CountryHeader is the header that tells the country, such as X-Country-Code; a valid field name.
	CountryHeader string
	// HeardHeader is the header in which a proxy in front tells the country to the gateway, and which goes no further; empty if
	// there is none.
	HeardHeader string
	// Country is the buyer's country. If it is empty, the header will be absent: to shops an unknown
	// country is none.
	Country string
	// Decision is the value of Gate451-Decision. If it is empty, the header will be absent.
	Decision string
	// Notice is the value of Gate451-Notice, for the upstream and for the client. If it is empty, the upstream is told none.
	Notice string
	// TraceParent and TraceState are the values of the headers of those names (W3C Trace Context). If the first is empty,
	// the client's own are passed on; otherwise they never are.
	TraceParent, TraceState string
	// PrivateCache keeps the answer out of shared caches.
	PrivateCache bool
}

// noticeField tells of a refusal that is to come.
const noticeField = "Gate451-Notice"

// previewField tells an auditor what would have become of the request.
const previewField = "Gate451-Preview"

// requestHeader returns what the upstream is told: the client's header without what is withheld and what
// Connection lists, and what the gateway has to say, which is set last so that no client can strip it.
// Values are shared with r.
func requestHeader(r *http.Request, m Meta, upgrade bool) http.Header {
	h := make(http.Header, len(r.Header)+6)
	for name, values := range r.Header {
		if !withheld(name, &m) {
			h[name] = values
		}
	}
	options(r.Header, func(option string) {
		if _, ok := h[option]; ok && !lasting(option) {
			delete(h, option)
		}
	})

	values := make([]string, 0, 10)
	tell := func(name, value string) {
		if value != "" {
			values = append(values, value)
			h[name] = values[len(values)-1 : len(values) : len(values)]
		}
	}
	if m.Client.IsValid() {
		tell("X-Forwarded-For", m.Client.Unmap().WithZone("").String())
	}
	tell("X-Forwarded-Proto", m.Proto)
	tell("X-Forwarded-Host", r.Host)
	tell("Gate451-Decision", m.Decision)
	tell(noticeField, m.Notice)
	if m.TraceParent != "" {
		delete(h, "Tracestate")
		tell("Traceparent", m.TraceParent)
		tell("Tracestate", m.TraceState)
	}
	if m.CountryHeader != "" {
		tell(http.CanonicalHeaderKey(m.CountryHeader), m.Country)
	}
	switch {
	case upgrade:
		tell("Connection", "Upgrade")
		tell("Upgrade", "websocket")
	case httpguts.HeaderValuesContainsToken(r.Header["Te"], "trailers"):
		tell("Connection", "TE")
		tell("Te", "trailers")
	}
	if !r.ProtoAtLeast(1, 1) {
		delete(h, "Expect") // RFC 9110, section 10.1.1.
	}
	return h
}

// valid reports whether a header may be sent at all.
func valid(name string, values []string) bool {
	for _, value := range values {
		if !httpguts.ValidHeaderFieldValue(value) {
			return false
		}
	}
	return httpguts.ValidHeaderFieldName(name)
}

// asksWebSocket reports whether the request asks for the one upgrade that is passed on, in the form of
// RFC 6455, section 4.1.
func asksWebSocket(r *http.Request) bool {
	return r.Method == http.MethodGet && r.ProtoMajor == 1 && r.ProtoMinor >= 1 && r.ContentLength == 0 &&
		httpguts.HeaderValuesContainsToken(r.Header["Connection"], "upgrade") &&
		httpguts.HeaderValuesContainsToken(r.Header["Upgrade"], "websocket")
}

// copyTrailers adds to dst what may be passed on of the request's trailers. Nothing may arrive in a
// trailer that would not be passed on in the header, or that has its place there.
func copyTrailers(dst http.Header, r *http.Request, m *Meta) {
	for name, values := range r.Trailer {
		if !withheld(name, m) && !lasting(name) && valid(name, values) {
			dst[name] = values
		}
	}
	options(r.Header, func(option string) { delete(dst, option) })
}
