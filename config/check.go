package config

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// owned are headers that the gateway itself sets for the upstream or in its answers.
var owned = []string{
	"Forwarded", "Gate451-Decision", "Gate451-Reference", "Link", "Vary", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
}

// check reports what no value shows alone. Values that could not be read are zero, and passed by.
func (w *walker) check(c *Config) {
	w.checkAddresses(c)
	w.checkClientIP(c)
	w.checkTLS(c)
	w.checkRoutes(c)
	w.checkEvidence(c)
	w.checkRedis(c)
	w.checkTracing(c)
	switch {
	case slices.Contains(owned, c.CountryHeader):
		w.report(fmt.Sprintf("country_header %s has another meaning here; write another, such as X-Country-Code", c.CountryHeader), &c.CountryHeader)
	case c.CountryHeader != "" && c.CountryHeader == c.ClientIP.Header:
		w.report(fmt.Sprintf("country_header and client_ip.header are both %s; write different ones", c.CountryHeader), &c.CountryHeader, &c.ClientIP.Header)
	}
	if c.GeoIP.Decide == "any" && len(c.GeoIP.Databases) < 2 {
		w.warn("decide: any makes no difference with one database; name another under databases, or leave decide out", &c.GeoIP.Decide)
	}
}

func (w *walker) warn(message string, field any) {
	w.warnings = append(w.warnings, placed(w.places, w.file, message, field))
}

func (w *walker) checkAddresses(c *Config) {
	if _, token := w.places[&c.Admin.TokenFile]; !token && c.Admin.Listen != "" && !loopback(c.Admin.Listen) {
		w.report(fmt.Sprintf("admin.listen %s can be reached from other machines without a token; add admin.token_file, or listen on 127.0.0.1", c.Admin.Listen), &c.Admin.Listen)
	}
	if clash(c.Listen, c.Admin.Listen) {
		w.report(fmt.Sprintf("admin.listen %s and listen %s are the same port; give admin.listen another one", c.Admin.Listen, c.Listen), &c.Admin.Listen, &c.Listen)
	}
}

func (w *walker) checkClientIP(c *Config) {
	for _, networks := range [][]netip.Prefix{c.ClientIP.TrustedProxies, c.ClientIP.ProxyProtocol} {
		for i, network := range networks {
			if network.IsValid() && network.Bits() == 0 {
				w.report(network.String()+" trusts everybody, so that any buyer could choose a country; write the networks of your proxies", &networks[i])
			}
		}
	}
	if _, header := w.places[&c.ClientIP.Header]; header && len(c.ClientIP.TrustedProxies) == 0 {
		w.warn("client_ip.header is never believed while client_ip.trusted_proxies is empty; name the proxies that send it", &c.ClientIP.Header)
	}
}

func (w *walker) checkTLS(c *Config) {
	_, cert := w.places[&c.TLS.CertFile]
	_, key := w.places[&c.TLS.KeyFile]
	switch {
	case cert && !key:
		w.report("tls.cert_file has no tls.key_file; name both, or neither", &c.TLS.CertFile)
	case key && !cert:
		w.report("tls.key_file has no tls.cert_file; name both, or neither", &c.TLS.KeyFile)
	case cert && c.HTTP2Cleartext:
		w.warn("http2_cleartext makes no difference with a certificate, as nothing is cleartext then; leave it out", &c.HTTP2Cleartext)
	}
}

func (w *walker) checkEvidence(c *Config) {
	e := &c.Evidence
	_, kept := w.places[&e.Dir]
	if _, asked := w.places[e]; asked && !kept {
		w.warn("evidence has no dir, so that nothing is recorded; name a folder, such as dir: evidence", e)
	}
}

func (w *walker) checkRedis(c *Config) {
	r := &c.Redis
	if _, asked := w.places[r]; asked && len(r.Addrs) == 0 {
		w.report("redis has no addrs; name its servers, such as addrs: [\"127.0.0.1:6379\"], or leave redis out", r)
	}
	_, cert := w.places[&r.TLS.CertFile]
	_, key := w.places[&r.TLS.KeyFile]
	_, evidence := w.places[&c.Evidence.Dir]
	switch {
	case cert != key:
		w.report("redis.tls has only one of cert_file and key_file; name both, or neither", &r.TLS.CertFile, &r.TLS.KeyFile)
	case r.StreamLines > 0 && !evidence:
		w.report("redis.stream_lines sends evidence, and none is kept; name a folder under evidence.dir, or leave it out", &r.StreamLines)
	}
	servers := map[string]any{}
	for i := range r.Addrs {
		w.unique(servers, r.Addrs[i], &r.Addrs[i], "server %s is named twice, first on line %d; name it once")
	}
}

func (w *walker) checkTracing(c *Config) {
	t := &c.Tracing
	_, told := w.places[&t.Endpoint]
	if _, asked := w.places[t]; asked && !told {
		w.warn("tracing has no endpoint, so that nothing is traced; name a collector, such as endpoint: http://127.0.0.1:4318", t)
	}
}

// checkRoutes also names the routes that have no name.
func (w *walker) checkRoutes(c *Config) {
	names, hosts := map[string]any{}, map[string]any{}
	for i := range c.Routes {
		r := &c.Routes[i]
		w.checkUpstreams(r)
		_, named := w.places[&r.Name]
		for j, host := range r.Hosts {
			fresh := w.unique(hosts, host, &r.Hosts[j], "host %s is named twice, first on line %d; name it once")
			if j == 0 && fresh && !named {
				r.Name = host
				w.places[&r.Name] = w.places[&r.Hosts[0]]
			}
		}
		w.unique(names, r.Name, &r.Name, "route name %s is taken, first on line %d; give each route a name of its own")
	}
}

func (w *walker) checkUpstreams(r *Route) {
	upstreams := map[string]any{}
	https := len(r.Upstreams) == 0
	for i, u := range r.Upstreams {
		if u == nil {
			https = true // or might have been
			continue
		}
		https = https || u.Scheme == "https"
		w.unique(upstreams, u.String(), &r.Upstreams[i], "upstream %s is named twice, first on line %d; name it once")
	}
	if r.CAFile != "" && !https {
		w.report("ca_file verifies no upstream of this route; write https upstreams, or leave it out", &r.CAFile)
	}
}

// unique reports a text that was seen before, and remembers it otherwise. The empty text stands for a
// value that could not be read.
func (w *walker) unique(seen map[string]any, text string, field any, message string) bool {
	first, again := seen[text]
	if again && text != "" {
		w.report(fmt.Sprintf(message, text, w.places[first].Line), field)
		return false
	}
	seen[text] = field
	return true
}

// loopback reports whether only this machine can reach an address.
func loopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	addr, bad := netip.ParseAddr(host)
	return err == nil && (strings.EqualFold(host, "localhost") || bad == nil && addr.Unmap().IsLoopback())
}

// clash reports whether one of two addresses could not be listened on because of the other.
func clash(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if cmp.Or(errA, errB) != nil || portA != portB || portA == "0" {
		return false
	}
	return covers(hostA, hostB) || covers(hostB, hostA)
}

// covers reports whether listening on one host takes a port of the other, too.
func covers(one, other string) bool {
	a, _ := netip.ParseAddr(strings.Replace(strings.ToLower(one), "localhost", "127.0.0.1", 1))
	b, _ := netip.ParseAddr(strings.Replace(strings.ToLower(other), "localhost", "127.0.0.1", 1))
	return strings.EqualFold(one, other) || one == "" || one == "::" || a.IsValid() && a == b || one == "0.0.0.0" && b.Is4()
}
