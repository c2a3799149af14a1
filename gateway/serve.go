package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"gate451/gateway/clientip"
	"gate451/gateway/server"
)

// Run serves until stop ends. Then readiness fails first, and after shutdown.delay nothing new is accepted; requests under
// way may finish within shutdown.timeout, or until kill ends. It returns nil after a stop in which every request
// finished, and otherwise says what happened.
func (g *Gateway) Run(stop, kill context.Context) error {
	alive, end := context.WithCancel(context.Background())
	defer end()
	public, pages, asked := g.publicServer(alive), g.newConsole(), g.forwardAuthServer(alive)
	admin := g.adminServer(alive, pages)

	failed := make(chan error, 3)
	var serving sync.WaitGroup
	serving.Go(func() { failed <- g.servePublic(public) })
	serving.Go(func() { failed <- admin.Serve(g.admin) })
	told := []any{slog.String("public", g.public.Addr().String()), slog.String("admin", g.admin.Addr().String())}
	if g.neighbours != nil {
		serving.Go(func() { failed <- asked.Serve(g.neighbours) })
		told = append(told, slog.String("forward_auth", g.neighbours.Addr().String()))
	}
	for _, w := range g.watched {
		serving.Go(func() { w.Run(alive, w.load) })
	}
	serving.Go(func() { g.renew(alive) })
	issuing, issued := context.WithCancel(alive)
	defer issued()
	if g.issued != nil {
		serving.Go(func() { g.issued.Run(issuing) })
	}
	serving.Go(func() { pages.Run(alive) })
	leave := g.share()
	g.ready.Store(true)
	g.log.Info("serving", told...)
	g.serving()

	var err error
	select {
	case err = <-failed:
		err = fmt.Errorf("serving ended by itself: %w", err)
		_ = public.Close() // whatever it holds is lost with its socket
		_ = asked.Close()
	case <-stop.Done():
		issued() // no authority is called to a port that is about to be closed
		err = g.drain(kill, public, asked)
	}
	end()
	g.routes.close()
	_ = admin.Close() // scrapes under way have nothing more to learn
	serving.Wait()
	if g.issued != nil {
		g.issued.Close()
	}
	if closing := g.recorder.close(); closing != nil {
		err = errors.Join(err, fmt.Errorf("the evidence was not ended properly: %w", closing))
	}
	limit, cancel := context.WithTimeout(kill, flushPatience)
	defer cancel()
	g.tracer.close(limit)
	leave() // only now, so that the fleet has the evidence's last checkpoint
	return err
}

// settling is how long connections that have just been accepted may take to say what they want, be it in TLS: a server
// that is shutting down closes a connection on which the first request arrives, without an answer.
const settling = 500 * time.Millisecond

// drain lets requests under way finish.
func (g *Gateway) drain(kill context.Context, public *server.Server, asked *http.Server) error {
	cfg := g.cfg.Shutdown
	g.ready.Store(false)
	g.log.Info("stopping", slog.Duration("delay", cfg.Delay), slog.Duration("timeout", cfg.Timeout))
	select {
	case <-time.After(cfg.Delay):
	case <-kill.Done():
	}
	limit, cancel := context.WithTimeout(kill, cfg.Timeout)
	defer cancel()
	_ = g.public.Close() // whoever comes now is served by the next process, if there is one that has the socket
	select {
	case <-time.After(settling):
	case <-limit.Done():
	}
	// A proxy in front that goes on asking is answered as long as buyers who came by the public port are.
	err := errors.Join(public.Shutdown(limit), asked.Shutdown(limit))
	if err == nil {
		err = g.waitForUpgraded(limit)
	}
	if err != nil {
		_ = public.Close() // what is left is cut off, which is what the error says
		_ = asked.Close()
		g.log.Warn("stopped with requests cut off")
		return fmt.Errorf("requests were cut off: %w", err)
	}
	g.log.Info("stopped")
	return nil
}

// waitForUpgraded waits for the exchanges that the server no longer counts, because they left HTTP.
func (g *Gateway) waitForUpgraded(limit context.Context) error {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for g.running.Load() > 0 {
		select {
		case <-look.C:
		case <-limit.Done():
			return limit.Err()
		}
	}
	return nil
}

// publicHandler answers buyers.
func (g *Gateway) publicHandler() http.Handler {
	e := echo.New()
	e.Logger.SetOutput(io.Discard) // everything is logged through slog
	g.judged = func(c echo.Context, j *judgement) {
		x := c.Response().Writer.(*exchange) // observe has put it there
		x.route = g.routes.find(j.request.Host)
		x.traced = g.tracer.begin(x, c.Request(), j)
	}
	// One middleware, put together once: Echo puts them together for each request.
	way := g.observe(Enforce(g.Enforcer)(g.forward))
	e.Pre(func(echo.HandlerFunc) echo.HandlerFunc { return way })
	return e
}

// publicServer bounds what one connection may ask for.
func (g *Gateway) publicServer(alive context.Context) *server.Server {
	return server.New(server.Config{
		Handler:        g.publicHandler(),
		TLS:            g.tlsConfig(),
		HeaderTimeout:  g.cfg.Limits.HeaderTimeout,
		IdleTimeout:    g.cfg.Limits.IdleTimeout,
		HeaderBytes:    int(g.cfg.Limits.HeaderBytes),
		HTTP2Cleartext: g.cfg.HTTP2Cleartext,
		HTTP2Streams:   g.cfg.Limits.HTTP2Streams,
		Base:           alive,
		Logger:         g.log,
	})
}

func (g *Gateway) servePublic(s *server.Server) error {
	ln := g.clients.Listen(g.public, clientip.ListenOptions{OnError: func(cause string) {
		g.metrics.rejected.WithLabelValues("proxy_protocol_" + cause).Inc()
	}})
	if limit := g.cfg.Limits.Connections; limit > 0 {
		ln = (&connections{
			limit: limit, client: g.single, surplus: g.metrics.rejected.WithLabelValues("connections").Inc, open: make(map[netip.Prefix]int),
		}).listen(ln)
	}
	return s.Serve(ln)
}

// single returns the address of a peer that is one client, and the zero Addr for trusted proxies, behind which there are
// many, and for peers of which no address is known.
func (g *Gateway) single(peer net.Addr) netip.Addr {
	client, _ := g.clients.Resolve(peer.String(), nil) // without headers, only a peer that is not trusted has an address
	return client.Addr
}

// serverLog passes on what net/http says of broken connections, which clients cause at will.
type serverLog struct{ log *slog.Logger }

func (l serverLog) Write(line []byte) (int, error) {
	l.log.Debug("http server", slog.String("message", string(line)))
	return len(line), nil
}
