package gateway

import (
	"errors"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"gate451/config"
	"gate451/gateway/canonical"
	"gate451/gateway/clientip"
	"gate451/gateway/geoip"
	"gate451/gateway/goods"
	"gate451/gateway/refusal"
	"gate451/rules"
)

// judge comes to a decision about a request: the same way when serving, explaining and trying.
type judge struct {
	clients *clientip.Resolver
	places  *geoip.Locator
	header  string // in which trusted proxies name the country; empty if none does
	policy  *policySource
	now     func() time.Time
	goods   goods.Options
	carts   *carts // nil where no shop can be asked
	// stated is where a request comes from that is only described, if the description says so; nil whenever somebody is served.
	stated *rules.Origin
}

// judgement is a decision with all that led to it.
type judgement struct {
	request   rules.Request
	carriers  []*rules.Carrier // where products were looked for
	client    clientip.Client
	clientErr error // why there is no client address
	origin    rules.Origin
	policy    *rules.Policy
	decision  rules.Decision
	unsent    bool          // it is blocked for want of a document that the client would send if it were asked
	reference string        // of a refusal or a record; what it was for another request otherwise
	waited    time.Duration // for a shop's answer
	told      told
	asking    asking
	previewed bool // it passes under a preview
}

// told is what a buyer is told who is refused, kept with the judgement so that a refusal makes none of it anew.
type told struct {
	outcome  outcome
	refusal  refusal.Refusal
	products [1]string
}

// judge fills in j for the request. The error is a *canonical.Malformed: the request can be neither judged nor
// forwarded. The body is read only where the policy cannot decide without, and then yields all the same what came; and the shop
// is asked for the cart only where the decision hangs on it. The writer is the server's, or nil.
func (w *judge) judge(rw http.ResponseWriter, r *http.Request, j *judgement) error {
	if err := canonical.Read(r, &j.request); err != nil {
		return err
	}
	now := w.now()
	if j.client, j.clientErr = w.clients.Resolve(r.RemoteAddr, r.Header); w.stated != nil {
		j.client, j.clientErr, j.origin = clientip.Client{Addr: w.stated.Client, Peer: w.stated.Client}, nil, *w.stated
	} else {
		j.origin = w.places.Locate(j.client.Addr, now)
		if w.header != "" {
			w.hear(r, j)
		}
	}
	j.origin.Token = tokenOf(r.Header)
	j.policy, j.previewed = w.policy.current.Load(), false
	w.decide(rw, r, j, &j.origin, now)
	return nil
}

// decide comes to a decision about the request of a judgement, as if it came from an origin at an instant. What of the body is read
// for that is put back, whoever else has read it before.
func (w *judge) decide(rw http.ResponseWriter, r *http.Request, j *judgement, from *rules.Origin, at time.Time) {
	j.request.Carried = nil
	if j.carriers = j.policy.Wanted(&j.request, from, at, j.carriers[:0]); len(j.carriers) > 0 {
		j.request.Carried = goods.Read(rw, r, j.request.Paths, j.carriers, w.goods)
	}
	j.decision, j.waited = j.policy.Decide(&j.request, from, at), 0
	if w.carts != nil && j.asks(from, at) {
		w.carts.ask(r, j)
		j.decision = j.policy.Decide(&j.request, from, at)
	}
	j.unsent = j.lacksDocument(from, at)
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
	clients, err := clientip.New(clientip.Config{
		TrustedProxies: cfg.ClientIP.TrustedProxies, Header: cfg.ClientIP.Header, ProxyProtocol: cfg.ClientIP.ProxyProtocol,
	})
	return clients, placed(cfg, err, func(one error) any {
		switch key, _, _ := strings.Cut(one.Error(), ":"); key {
		case "trusted_proxies":
			return &cfg.ClientIP.TrustedProxies
		case "proxy_protocol":
			return &cfg.ClientIP.ProxyProtocol
		}
		return &cfg.ClientIP.Header
	})
}

// openPlaces loads the databases.
func openPlaces(cfg *config.Config, opts geoip.Options) (*geoip.Locator, error) {
	overrides, wrong := overridesOf(cfg)
	places, err := geoip.Open(geoip.Config{
		Databases: cfg.GeoIP.Databases, Fields: fieldsOf(cfg), Decide: geoip.Mode(cfg.GeoIP.Decide), Header: cfg.GeoIP.Header != "",
		Overrides: overrides, Anonymous: cfg.GeoIP.Anonymous, MaxAge: cfg.GeoIP.MaxAge,
	}, opts)
	err = placed(cfg, err, func(one error) any {
		about, ok := errors.AsType[interface {
			error
			File() string
		}](one)
		if !ok {
			return &cfg.GeoIP.Databases
		}
		if i := slices.Index(cfg.GeoIP.Databases, about.File()); i >= 0 {
			return &cfg.GeoIP.Databases[i]
		}
		return &cfg.GeoIP.Anonymous
	})
	if err = errors.Join(wrong, err); err != nil {
		return nil, err
	}
	return places, nil
}

// fieldsOf returns the fields that count.
func fieldsOf(cfg *config.Config) []geoip.Field {
	var fields []geoip.Field
	for _, field := range cfg.GeoIP.Fields {
		fields = append(fields, geoip.Field(field))
	}
	return fields
}

// overridesOf reads the places of the overrides. Codes that are no place are all reported where they stand.
func overridesOf(cfg *config.Config) (map[netip.Prefix]geoip.Place, error) {
	overrides := make(map[netip.Prefix]geoip.Place, len(cfg.GeoIP.Overrides))
	var wrong []error
	for _, prefix := range slices.SortedFunc(maps.Keys(cfg.GeoIP.Overrides), netip.Prefix.Compare) {
		country, subdivision, err := rules.ParsePlace(cfg.GeoIP.Overrides[prefix])
		if err != nil {
			wrong = append(wrong, cfg.Problem(prefix, err.Error()))
			continue
		}
		overrides[prefix] = geoip.Place{Country: country, Subdivision: subdivision}
	}
	return overrides, errors.Join(wrong...)
}

// placed puts each error that err joins at the value of the configuration that it is about, so that every one is reported
// with file, line and column. Problems of a policy have places of their own.
func placed(cfg *config.Config, err error, about func(error) any) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[rules.Problems](err); ok {
		return err
	}
	joined, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err)
	if !ok {
		return cfg.Problem(about(err), err.Error())
	}
	var all []error
	for _, one := range joined.Unwrap() {
		all = append(all, placed(cfg, one, about))
	}
	return errors.Join(all...)
}

// firstTime reports true once.
type firstTime struct{ done atomic.Bool }

func (f *firstTime) is() bool { return !f.done.Load() && f.done.CompareAndSwap(false, true) }
