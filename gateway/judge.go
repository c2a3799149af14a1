package gateway

import (
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"gate451/config"
	"gate451/gateway/canonical"
	"gate451/gateway/clientip"
	"gate451/gateway/geoip"
	"gate451/rules"
)

// judge comes to a decision about a request: the same way when serving, explaining and trying.
type judge struct {
	clients *clientip.Resolver
	places  *geoip.Locator
	policy  *policySource
	now     func() time.Time
}

// judgement is a decision with all that led to it.
type judgement struct {
	request   rules.Request
	client    clientip.Client
	clientErr error // why there is no client address
	origin    rules.Origin
	policy    *rules.Policy
	decision  rules.Decision
}

// judge fills in j for the request. The error is a *canonical.Malformed: the request can be neither judged nor
// forwarded.
func (w *judge) judge(r *http.Request, j *judgement) error {
	if err := canonical.Read(r, &j.request); err != nil {
		return err
	}
	j.client, j.clientErr = w.clients.Resolve(r.RemoteAddr, r.Header)
	now := w.now()
	j.origin = w.places.Locate(j.client.Addr, now)
	j.policy = w.policy.current.Load()
	j.decision = j.policy.Decide(&j.request, &j.origin, now)
	return nil
}

// scheme is how the buyer came: what the connection says or, where a trusted proxy stands in front, what that
// says.
func (j *judgement) scheme(r *http.Request) string {
	if said := r.Header["X-Forwarded-Proto"]; j.client.Trusted && len(said) == 1 && (said[0] == "http" || said[0] == "https") {
		return said[0]
	}
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

func newClients(cfg *config.Config) (*clientip.Resolver, error) {
	return clientip.New(clientip.Config{
		TrustedProxies: cfg.ClientIP.TrustedProxies, Header: cfg.ClientIP.Header, ProxyProtocol: cfg.ClientIP.ProxyProtocol,
	})
}

// openPlaces loads the databases. Overrides with a code that is no country are reported where they stand.
func openPlaces(cfg *config.Config, opts geoip.Options) (*geoip.Locator, error) {
	overrides := make(map[netip.Prefix]rules.Country, len(cfg.GeoIP.Overrides))
	for prefix, code := range cfg.GeoIP.Overrides {
		country, err := rules.ParseCountry(code)
		if err != nil {
			return nil, cfg.Problem(prefix, err.Error())
		}
		overrides[prefix] = country
	}
	places, err := geoip.Open(geoip.Config{
		Databases: cfg.GeoIP.Databases, Decide: geoip.Mode(cfg.GeoIP.Decide), Overrides: overrides, Anonymous: cfg.GeoIP.Anonymous,
		MaxAge: cfg.GeoIP.MaxAge,
	}, opts)
	if err != nil {
		return nil, cfg.Problem(&cfg.GeoIP.Databases, err.Error())
	}
	return places, nil
}

// firstTime reports true once.
type firstTime struct{ done atomic.Bool }

func (f *firstTime) is() bool { return !f.done.Load() && f.done.CompareAndSwap(false, true) }
