package config

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// owned are headers that the gateway itself sets for the upstream or in its answers.
var owned = []string{
	"Forwarded", "Gate451-Decision", "Gate451-Notice", "Gate451-Preview", "Gate451-Reference", "Gate451-Token", "Link", "Vary", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
}

// check reports what no value shows alone. Values that could not be read are zero, and passed by.
func (w *walker) check(c *Config) {
	w.checkAddresses(c)
	w.checkClientIP(c)
	w.checkForwardAuth(c)
	w.checkTLS(c)
	w.checkRoutes(c)
	w.checkEvidence(c)
	w.checkRedis(c)
	w.checkUpdate(c)
	w.checkTracing(c)
	switch {
	case slices.Contains(owned, c.CountryHeader):
		w.report(fmt.Sprintf("country_header %s has another meaning here; write another, such as X-Country-Code", c.CountryHeader), &c.CountryHeader)
	case c.CountryHeader != "" && c.CountryHeader == c.ClientIP.Header:
		w.report(fmt.Sprintf("country_header and client_ip.header are both %s; write different ones", c.CountryHeader), &c.CountryHeader, &c.ClientIP.Header)
	}
	w.checkSources(c)
}

// checkSources reports what would make a source of countries useless, or have buyers write it.
func (w *walker) checkSources(c *Config) {
	g := &c.GeoIP
	seen := map[string]any{}
	for i, field := range g.Fields {
		fresh := w.unique(seen, field, &g.Fields[i], "field %s is named twice, first on line %d; name it once")
		if fresh && field != "" && field != "country" && len(g.Databases) == 0 {
			w.report(fmt.Sprintf("the embedded database has no %s; name one that has under databases, or leave it out", field), &g.Fields[i])
		}
	}
	if _, asked := w.places[&g.Fields]; asked && len(g.Fields) == 0 {
		w.report("fields is empty; name at least one, such as fields: [country], or leave it out", &g.Fields)
	}
	if g.Header != "" {
		w.checkCountryHeader(c)
	} else if g.Decide == "any" && max(1, len(g.Databases))*max(1, len(g.Fields)) == 1 {
		w.warn("decide: any makes no difference with one source; name another database under databases, or leave decide out", &g.Decide)
	}
}

func (w *walker) checkCountryHeader(c *Config) {
	g := &c.GeoIP
	switch {
	case slices.Contains(owned, g.Header):
		w.report(fmt.Sprintf("geoip.header %s has another meaning here; write the one in which the proxy names the buyer's country, such as CF-IPCountry", g.Header), &g.Header)
	case g.Header == c.CountryHeader:
		w.report(fmt.Sprintf("geoip.header and country_header are both %s, which is the gateway's own word; write different ones", g.Header), &g.Header, &c.CountryHeader)
	case g.Header == c.ClientIP.Header:
		w.report(fmt.Sprintf("geoip.header and client_ip.header are both %s; write the one that names a country", g.Header), &g.Header)
	case len(c.ClientIP.TrustedProxies) == 0:
		w.report("geoip.header is never believed while client_ip.trusted_proxies is empty; name the proxies that send it, or leave it out", &g.Header)
	case g.Decide != "any":
		w.report("geoip.header adds a country to that of the databases, and decide: first has one count alone; write decide: any beside it", &g.Header, &g.Decide)
	}
	if _, listens := w.places[&c.ForwardAuth.Listen]; listens {
		// It stands in the question as the buyer wrote it: the proxy that asks hands it on.
		w.report(fmt.Sprintf("forward_auth would have buyers write %s themselves; leave geoip.header out, or have the proxy forward to the gateway instead of asking it", g.Header), &g.Header)
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

func (w *walker) checkForwardAuth(c *Config) {
	f := &c.ForwardAuth
	_, asked := w.places[f]
	_, listens := w.places[&f.Listen]
	switch {
	case asked && !listens:
		w.report("forward_auth has no listen; name an address, such as listen: \"127.0.0.1:9452\", or leave forward_auth out", f)
	case listens && len(c.ClientIP.TrustedProxies) == 0:
		w.report("forward_auth would believe nobody while client_ip.trusted_proxies is empty; name the proxy that asks, such as trusted_proxies: [127.0.0.1], or leave forward_auth out", &f.Listen)
	case listens && c.ClientIP.Header != "" && c.ClientIP.Header != "X-Forwarded-For":
		// It stands in the question as the buyer wrote it: the proxy that asks hands it on.
		w.report(fmt.Sprintf("forward_auth would believe what buyers write into %s; leave client_ip.header out, as the proxy that asks adds the buyer's address to X-Forwarded-For", c.ClientIP.Header), &c.ClientIP.Header, &f.Listen)
	case f.Listen != "" && clash(c.Listen, f.Listen):
		w.report(fmt.Sprintf("forward_auth.listen %s and listen %s are the same port; give forward_auth.listen another one", f.Listen, c.Listen), &f.Listen, &c.Listen)
	case f.Listen != "" && clash(c.Admin.Listen, f.Listen):
		w.report(fmt.Sprintf("forward_auth.listen %s and admin.listen %s are the same port; give forward_auth.listen another one", f.Listen, c.Admin.Listen), &f.Listen, &c.Admin.Listen)
	}
}

func (w *walker) checkTLS(c *Config) {
	_, cert := w.places[&c.TLS.CertFile]
	_, key := w.places[&c.TLS.KeyFile]
	_, acme := w.places[&c.TLS.ACME]
	acme = acme || c.TLS.ACME.On() // by a variable
	switch {
	case acme && (cert || key):
		w.report("tls.acme has certificates issued, and tls.cert_file and tls.key_file name one; keep one of the two", &c.TLS.ACME, &c.TLS.ACME.Email)
	case cert && !key:
		w.report("tls.cert_file has no tls.key_file; name both, or neither", &c.TLS.CertFile)
	case key && !cert:
		w.report("tls.key_file has no tls.cert_file; name both, or neither", &c.TLS.KeyFile)
	case (cert || acme) && c.HTTP2Cleartext:
		w.warn("http2_cleartext makes no difference with a certificate, as nothing is cleartext then; leave it out", &c.HTTP2Cleartext)
	}
	if acme {
		w.checkACME(c)
	}
}

// checkACME reports what no authority issues a certificate for, and what would be kept in the open.
func (w *walker) checkACME(c *Config) {
	a := &c.TLS.ACME
	if a.DirectoryURL != nil && open(a.DirectoryURL) {
		w.report(fmt.Sprintf("directory_url %s is not encrypted, so that anybody on the way could have certificates issued; write https", a.DirectoryURL), &a.DirectoryURL)
	}
	for i := range c.Routes {
		for j, host := range c.Routes[i].Hosts {
			if host != "" && !certifiable(host) {
				w.report(fmt.Sprintf("host %s cannot have a certificate by tls.acme; write out the names that buyers use, or give a certificate under tls.cert_file", host), &c.Routes[i].Hosts[j])
			}
		}
	}
	_, secret := w.places[&a.SecretFile]
	switch shared := len(c.Redis.Addrs) > 0; {
	case secret && !shared:
		w.warn("tls.acme.secret_file encrypts what is kept in Redis, and there is none; leave it out", &a.SecretFile)
	case shared && !secret:
		w.warn("the private keys of certificates are kept in Redis for whoever can read there; name a file under tls.acme.secret_file", a)
	}
}

// certifiable reports whether a host is one name, of letters that the name of a public certificate may have.
func certifiable(host string) bool {
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err != nil && !strings.ContainsAny(host, "*_")
}

// open reports whether what is sent to a URL can be read on the way.
func open(u *url.URL) bool {
	return u.Scheme != "https" && !loopback(net.JoinHostPort(u.Hostname(), "0"))
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

// checkUpdate reports what would send the license key in the open, and what would be fetched for nothing.
func (w *walker) checkUpdate(c *Config) {
	u := &c.GeoIP.Update
	if u.URL != nil && open(u.URL) {
		w.report(fmt.Sprintf("url %s would have the license key sent without encryption; write https", u.URL), &u.URL)
	}
	seen := map[string]any{}
	for i, edition := range u.Editions {
		fresh := w.unique(seen, edition, &u.Editions[i], "edition %s is named twice, first on line %d; name it once")
		file := filepath.Join(u.Dir, edition+".mmdb")
		if fresh && edition != "" && !slices.Contains(append(slices.Clone(c.GeoIP.Databases), c.GeoIP.Anonymous), file) {
			w.warn(fmt.Sprintf("%s is fetched, and nothing asks %s; name that file under geoip.databases or geoip.anonymous", edition, file), &u.Editions[i])
		}
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
