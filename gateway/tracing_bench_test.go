package gateway

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"gate451/config"
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
	handler, r, w := g.publicHandler(), benchRequest("/cart"), sink{http.Header{}}
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
	slack := 0.0
	if racing {
		slack = 3 // it has pools forget
	}
	if with > without+slack || traced <= with+slack {
		t.Errorf("%v allocations with tracing off, %v without it, %v with it on", with, without, traced)
	}
}

// TestSpansBeyondTheQueueAreDropped has a collector that never answers: whoever makes spans waits for nothing, and what is kept for
// it has a bound.
func TestSpansBeyondTheQueueAreDropped(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-held }))
	t.Cleanup(silent.Close)
	t.Cleanup(func() { close(held) })
	endpoint, err := url.Parse(silent.URL)
	if err != nil {
		t.Fatal(err)
	}
	cfg, registry := &config.Config{Tracing: config.Tracing{Endpoint: endpoint, Sample: 1}, Replica: "a"}, prometheus.NewRegistry()
	tracer, err := newTracer(cfg, Options{}.withDefaults(), registry)
	if err != nil {
		t.Fatal(err)
	}
	const made = 3 * mostSpans
	for range made {
		_, span := tracer.Start(context.Background(), "a")
		span.End()
	}
	given, cancel := context.WithCancel(context.Background())
	cancel()
	tracer.close(given)
	counted, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	kept := 0.0
	for _, m := range counted[0].GetMetric() {
		kept += m.GetCounter().GetValue()
	}
	if kept < spansAtOnce || kept > mostSpans+2*spansAtOnce {
		t.Errorf("%v of %d spans were kept, want up to %d and what was on its way", kept, made, mostSpans)
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
