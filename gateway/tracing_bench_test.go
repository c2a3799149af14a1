package gateway

import (
	"context"
	"net/http"
	"net/url"
	"testing"

	"github.com/labstack/echo/v4"
)

// sink is an answer that goes nowhere.
type sink struct{ h http.Header }

func (s sink) Header() http.Header         { return s.h }
func (s sink) Write(p []byte) (int, error) { return len(p), nil }
func (s sink) WriteHeader(int)             {}

// refusing returns what serves a request that is refused, with the tracer of an endpoint.
func refusing(tb testing.TB, endpoint *url.URL) (g *Gateway, serve func()) {
	tb.Helper()
	g = &Gateway{Enforcer: benchEnforcer(tb), routes: new(routes)}
	g.cfg.Tracing.Endpoint, g.cfg.Replica = endpoint, "bench"
	if err := g.trace(benchOptions().withDefaults()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { g.tracer.close(context.Background()) })
	handler, r, w := g.publicServer(context.Background()).Handler, benchRequest("/cart"), sink{http.Header{}}
	return g, func() {
		clear(w.h)
		handler.ServeHTTP(w, r)
	}
}

// TestTracingThatIsOffAllocatesNothing compares a gateway that traces nothing with one that knows no tracing, and with one
// that traces, so that it is seen that the comparison can tell.
func TestTracingThatIsOffAllocatesNothing(t *testing.T) {
	_, off := refusing(t, nil)
	_, on := refusing(t, &url.URL{Scheme: "http", Host: "127.0.0.1:1"})
	g, none := refusing(t, nil)
	g.judged = func(c echo.Context, j *judgement) {
		c.Response().Writer.(*exchange).route = g.routes.find(j.request.Host)
	}
	with, without, traced := testing.AllocsPerRun(200, off), testing.AllocsPerRun(200, none), testing.AllocsPerRun(200, on)
	if with != without || traced <= with {
		t.Errorf("%v allocations with tracing off, %v without it, %v with it on", with, without, traced)
	}
}

// BenchmarkTracing shows what tracing costs a request that is refused.
func BenchmarkTracing(b *testing.B) {
	for name, endpoint := range map[string]*url.URL{"off": nil, "on": {Scheme: "http", Host: "127.0.0.1:1"}} {
		b.Run(name, func(b *testing.B) {
			_, serve := refusing(b, endpoint)
			b.ReportAllocs()
			for b.Loop() {
				serve()
			}
		})
	}
}
