package gateway

import (
	"context"
	"io"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"
)

// forwardAuth is what the port for proxies in front remembers.
type forwardAuth struct{ stranger, unclear firstTime }

// The paths of the port for proxies in front. They are compared as they came: what a router would make of a path has no say
// in which request is judged.
const (
	askPath     = "/forward-auth"
	nginxPath   = "/forward-auth/nginx"
	envoyPath   = "/forward-auth/envoy" // and the path of the request behind it
	refusalPath = "/refusal"
)

// describedBytes is how much longer a header may be than a buyer's: what the proxy in front adds, the target above all.
const describedBytes = 16 << 10

// forwardAuthServer answers proxies in front. What they ask goes the way of all requests, through Enforce; only its ends are
// others: the request is a described one, and passing is status 200.
func (g *Gateway) forwardAuthServer(alive context.Context) *http.Server {
	e := echo.New()
	e.Logger.SetOutput(io.Discard) // everything is logged through slog
	e.Pre(g.observe, func(echo.HandlerFunc) echo.HandlerFunc { return g.answerNeighbour })
	return &http.Server{
		Handler:                      e,
		ReadHeaderTimeout:            g.cfg.Limits.HeaderTimeout,
		IdleTimeout:                  g.cfg.Limits.IdleTimeout,
		MaxHeaderBytes:               int(g.cfg.Limits.HeaderBytes) + describedBytes,
		BaseContext:                  func(net.Listener) context.Context { return alive },
		ErrorLog:                     stdlog.New(serverLog{g.log}, "", 0),
		DisableGeneralOptionsHandler: true,
	}
}

// answerNeighbour answers a proxy in front. Nobody else is answered 200, whatever is asked.
func (g *Gateway) answerNeighbour(c echo.Context) error {
	r := c.Request()
	if client, _ := g.clients.Resolve(r.RemoteAddr, nil); !client.Trusted { // without headers, the error says no more
		g.refuseStranger(c, client.Peer)
		return nil
	}
	switch path, _, _ := strings.Cut(r.RequestURI, "?"); {
	case path == askPath:
		return g.ask(c, describedByHeader, g.tellNeighbour)
	case path == nginxPath:
		return g.ask(c, describedByOriginal, g.tellNginx)
	case strings.HasPrefix(r.RequestURI, envoyPath):
		return g.ask(c, describedByEnvoy, g.tellNeighbour)
	case path == refusalPath:
		g.showRefusal(c)
	default:
		answer(c.Response(), http.StatusNotFound, "there are "+askPath+", "+nginxPath+", "+envoyPath+" and "+refusalPath)
	}
	return nil
}

// refuseStranger answers a peer that is not to be believed.
func (g *Gateway) refuseStranger(c echo.Context, peer netip.Addr) {
	g.metrics.rejected.WithLabelValues("forward_peer").Inc()
	if g.forwardAuth.stranger.is() {
		g.log.Warn("a peer that is no trusted proxy asked forward_auth; if it is yours, name it under client_ip.trusted_proxies", slog.String("peer", peer.String()))
	}
	answer(c.Response(), http.StatusForbidden, "forward_auth answers the peers in client_ip.trusted_proxies only, and this one is none of them")
}

// ask judges the request that a proxy in front describes.
func (g *Gateway) ask(c echo.Context, describe func(*http.Request) (*http.Request, error), tell func(echo.Context, *outcome)) error {
	described, err := describe(c.Request())
	if err != nil {
		if g.forwardAuth.unclear.is() {
			g.log.Warn("a proxy in front does not say what it asks about, and nobody passes so", slog.Any("error", err))
		}
		tell(c, g.reject(err))
		return nil
	}
	c.SetRequest(described)
	return g.enforce(c, func(c echo.Context) error { return g.permit(c, tell) }, tell)
}

// permit tells the proxy in front to forward, and what it is to tell the upstream and the buyer.
func (g *Gateway) permit(c echo.Context, tell func(echo.Context, *outcome)) error {
	j, _ := c.Get(contextKey).(*judgement)   // Enforce has put it there, or permit is not reached
	c.Response().Header().Del(previewHeader) // some proxies would tell the shop
	if c.Response().Writer.(*exchange).route == nil {
		g.metrics.rejected.WithLabelValues("unknown_host").Inc()
		tell(c, &outcome{Status: http.StatusMisdirectedRequest})
		return nil
	}
	m, h := g.meta(c.Request(), j), c.Response().Header()
	set := func(name, value string) {
		if value != "" {
			h.Set(name, value)
		}
	}
	set(m.CountryHeader, m.Country)
	set("Gate451-Decision", m.Decision)
	set("Gate451-Notice", m.Notice)
	if m.PrivateCache {
		set("Cache-Control", "private")
	}
	c.Response().WriteHeader(http.StatusOK)
	return nil
}

// tellNeighbour answers with the outcome itself, which the proxy in front hands to the buyer. It never has a status that would
// let the request pass; a client that lacks a document reads the answer, whatever its status.
func (g *Gateway) tellNeighbour(c echo.Context, o *outcome) {
	o.Status = max(o.Status, http.StatusBadRequest)
	var w http.ResponseWriter = c.Response()
	if c.Request().Method == http.MethodHead {
		w = plain{w}
	}
	g.tell(w, c.Request(), o)
}

// plain keeps a refusal from having a status line of its own. The question about a HEAD may be a GET, which has a body, and only
// the server knows what it was.
type plain struct{ http.ResponseWriter }

// outcomeField is where nginx keeps the outcome until it asks for its text.
const outcomeField = "Gate451-Refusal"

// tellNginx answers 403 whatever the outcome is, because auth_request understands nothing else, and has nginx keep the outcome,
// so that what the buyer is told is what was decided, whatever comes between.
func (g *Gateway) tellNginx(c echo.Context, o *outcome) {
	c.Response().Header().Set(outcomeField, o.text())
	answer(c.Response(), http.StatusForbidden, "to be told by "+refusalPath)
}

// showRefusal tells a buyer the outcome that nginx has kept.
func (g *Gateway) showRefusal(c echo.Context) {
	r, o := c.Request(), &outcome{Status: http.StatusForbidden}
	if kept := r.Header[outcomeField]; len(kept) == 1 {
		if known, err := parseOutcome(kept[0]); err == nil {
			o = known
		}
	}
	g.tell(c.Response(), r, o)
}
