package gateway

import (
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"gate451/config"
	"gate451/gateway/upstream"
	"gate451/rules"
)

// routes finds the upstreams of a host.
type routes struct {
	exact map[string]*route
	below map[string]*route // by parent domain, of hosts such as *.example
	any   *route
	all   []*route
}

// route is where the requests for some hosts go.
type route struct {
	name  string
	proxy *upstream.Proxy
}

// newRoutes makes a proxy for every route. Its error names everything that is wrong.
func newRoutes(cfg *config.Config, options func(route string) upstream.Options) (*routes, error) {
	rs := &routes{exact: make(map[string]*route), below: make(map[string]*route)}
	var errs []error
	for i := range cfg.Routes {
		c := &cfg.Routes[i]
		proxy, err := upstream.New(upstream.Config{
			Upstreams: c.Upstreams, CAFile: c.CAFile, ConnectTimeout: c.ConnectTimeout, HeaderTimeout: c.HeaderTimeout,
			IdleTimeout: c.IdleTimeout,
		}, options(c.Name))
		if err != nil {
			errs = append(errs, placed(cfg, err, func(one error) any {
				if strings.HasPrefix(one.Error(), "CA file") {
					return &c.CAFile
				}
				return &c.Upstreams
			}))
			continue
		}
		r := &route{name: c.Name, proxy: proxy}
		rs.all = append(rs.all, r)
		for _, host := range c.Hosts {
			if parent, ok := strings.CutPrefix(host, "*."); ok {
				rs.below[parent] = r
			} else if host == "*" {
				rs.any = r
			} else {
				rs.exact[host] = r
			}
		}
	}
	if len(errs) > 0 {
		rs.close()
		return nil, errors.Join(errs...)
	}
	return rs, nil
}

// find returns the route of a host: of its own name, or else of the nearest domain above it, or else of any host; nil
// if there is none.
func (rs *routes) find(host string) *route {
	if r := rs.exact[host]; r != nil {
		return r
	}
	if len(rs.below) > 0 {
		for _, rest, ok := strings.Cut(host, "."); ok; _, rest, ok = strings.Cut(rest, ".") {
			if r := rs.below[rest]; r != nil {
				return r
			}
		}
	}
	return rs.any
}

func (rs *routes) close() {
	for _, r := range rs.all {
		r.proxy.Close()
	}
}

// forward hands a request that may pass to the upstreams of its host.
func (g *Gateway) forward(c echo.Context) error {
	j, _ := c.Get(contextKey).(*judgement) // Enforce has put it there, or forward is not reached
	x, r := c.Response().Writer.(*exchange), c.Request()
	if x.route == nil {
		g.metrics.rejected.WithLabelValues("unknown_host").Inc()
		short(x, r, http.StatusMisdirectedRequest)
		return nil
	}
	if limit := g.cfg.Limits.BodyBytes; limit > 0 {
		if r.ContentLength > limit {
			g.metrics.rejected.WithLabelValues("body_size").Inc()
			short(x, r, http.StatusRequestEntityTooLarge)
			return nil
		}
		if r.ContentLength < 0 {
			// The server waits a moment for the rest of a longer body, so that the answer arrives.
			r.Body = http.MaxBytesReader(x.ResponseWriter, r.Body, limit)
		}
	}
	m := g.meta(r, j)
	if x.traced != nil {
		m.TraceParent, m.TraceState = x.traced.toUpstream(x.route.name)
		defer x.traced.fromUpstream(x)
	}
	x.route.proxy.Forward(x, r, m)
	return nil
}

// meta is what the upstream is told of a request that passes.
func (g *Gateway) meta(r *http.Request, j *judgement) upstream.Meta {
	return upstream.Meta{
		Client: j.client.Addr, Proto: j.scheme(r), CountryHeader: g.cfg.CountryHeader, HeardHeader: g.cfg.GeoIP.Header, Country: j.origin.Country.String(),
		Decision: decisionHeader(&j.decision), Notice: noticeHeader(&j.decision, j.policy, g.refusals, r.Header),
		PrivateCache: j.previewed || g.cfg.GovernedCache == "private" && (j.decision.Governed() || j.policy.MayCarry(&j.request)),
	}
}

// decisionHeader tells the upstream what was decided about a governed request: verdict, reason and, where one led to it,
// the rule.
func decisionHeader(d *rules.Decision) string {
	if !d.Governed() {
		return ""
	}
	value := d.Verdict.String() + "; reason=" + d.Reason.String()
	if d.Rule != nil {
		value += `; rule="` + d.Rule.ID + `"`
	}
	return value
}
