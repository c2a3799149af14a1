package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"gate451/gateway/console"
)

// adminServer serves the operator: metrics and health to whoever reaches the port, the console and what changes something
// to whoever has the token, if there is one.
func (g *Gateway) adminServer(alive context.Context, pages *console.Console) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(g.registry, promhttp.HandlerOpts{Registry: g.registry}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", g.readyz)
	mux.HandleFunc("GET /evidence/checkpoint", g.showCheckpoint)
	mux.Handle("POST /-/reload", g.operator(g.reload))
	pages.Register(mux)
	return &http.Server{
		// A page in the operator's browser must not reach what changes something.
		Handler:           http.NewCrossOriginProtection().Handler(mux),
		BaseContext:       func(net.Listener) context.Context { return alive }, // the console's stream ends with it
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 60 * time.Second, IdleTimeout: 120 * time.Second,
	}
}

// readyz tells a balancer whether to send requests: the policy and the databases are loaded since New, so that only
// stopping makes it fail, and a host whose certificate is still to be issued.
func (g *Gateway) readyz(w http.ResponseWriter, _ *http.Request) {
	if !g.ready.Load() {
		answer(w, http.StatusServiceUnavailable, "stopping")
		return
	}
	if host, missing := g.uncertified(); missing {
		answer(w, http.StatusServiceUnavailable, "no certificate for "+host)
		return
	}
	answer(w, http.StatusOK, "ok")
}

func (g *Gateway) reload(w http.ResponseWriter, _ *http.Request) {
	if err := g.Reload(); err != nil {
		answer(w, http.StatusInternalServerError, err.Error())
		return
	}
	answer(w, http.StatusOK, "reloaded")
}

// operator lets only those through who present the token, where there is one.
func (g *Gateway) operator(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.door.Locked() {
			// Commands send no Origin. A browser does, and may have been led here under another name (DNS rebinding).
			if r.Header.Get("Origin") != "" && console.Stranger(r) != "" {
				answer(w, http.StatusForbidden, console.Stranger(r)+"; open the port under 127.0.0.1 or localhost, or give admin.token_file")
				return
			}
			next(w, r)
			return
		}
		switch right, wait := g.door.Presents(r); {
		case right:
			next(w, r)
		case wait > 0:
			w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
			answer(w, http.StatusTooManyRequests, "too many wrong tokens came from this address; wait a minute")
		default:
			w.Header().Set("WWW-Authenticate", `Bearer realm="gate451"`)
			answer(w, http.StatusUnauthorized, "the token of admin.token_file is needed; send it as Authorization: Bearer TOKEN")
		}
	})
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // whoever is gone needs no answer
}

// Healthy asks a gateway's admin port whether its process is well. The error says why it is not.
func Healthy(client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(url + " answered " + resp.Status)
	}
	return nil
}
