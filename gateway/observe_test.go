package gateway

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// TestPanics shows that a handler's fault ends its own request and no other, and never lets anything through.
func TestPanics(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	var mu sync.Mutex
	registry := prometheus.NewRegistry()
	g := &Gateway{Enforcer: &Enforcer{metrics: newMetrics(registry, Build{}), log: slog.New(slog.NewTextHandler(writer(func(line []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(line)
	}), nil))}}
	e := echo.New()
	e.Logger.SetOutput(io.Discard)
	e.Pre(g.observe, func(echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			w := c.Response().Writer
			switch c.Request().URL.Path {
			case "/before":
				panic("a fault")
			case "/midway":
				_, _ = w.Write(make([]byte, 1<<20)) // an error shows in the answer
				panic("a fault")
			case "/abort":
				panic(http.ErrAbortHandler)
			case "/hijacked":
				conn, _, err := http.NewResponseController(w).Hijack()
				if err == nil {
					conn.Close()
				}
				panic("a fault")
			}
			return c.String(http.StatusOK, "fine")
		}
	})
	server := httptest.NewUnstartedServer(e)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	defer server.Close()
	server.Client().Transport.(*http.Transport).DisableKeepAlives = true // or else it would try again on another connection
	for _, c := range []struct {
		method, path, want string
		logged             int // faults so far
	}{
		{"GET", "/before", "500 Internal Server Error\n", 1},
		{"HEAD", "/before", "500 ", 2},
		{"GET", "/midway", "cut off", 3},
		{"GET", "/abort", "cut off", 3},
		{"GET", "/hijacked", "cut off", 4},
		{"GET", "/", "200 fine", 4},
	} {
		if got := ask(t, server, c.method, c.path); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.method, c.path, got, c.want)
		}
		for g.running.Load() > 0 {
			runtime.Gosched()
		}
		mu.Lock()
		if n := strings.Count(log.String(), `fault="a fault"`); n != c.logged {
			t.Errorf("%s %s: %d faults are logged so far, want %d", c.method, c.path, n, c.logged)
		}
		mu.Unlock()
	}
	if !strings.Contains(log.String(), "observe_test.go") {
		t.Error("the log does not tell where")
	}
	if got, want := counts(t, registry), "0 GET 1, 101 GET 1, 200 GET 2, 500 GET 1, 500 HEAD 1"; got != want {
		t.Errorf("counted as %s, want %s", got, want)
	}
}

// counts tells how often each code and method is counted.
func counts(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, family := range families {
		if family.GetName() == "gate451_http_requests_total" {
			for _, m := range family.GetMetric() {
				all = append(all, fmt.Sprint(m.GetLabel()[0].GetValue(), " ", m.GetLabel()[1].GetValue(), " ", m.GetCounter().GetValue()))
			}
		}
	}
	return strings.Join(all, ", ")
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// ask returns status and body, or that the answer was cut off.
func ask(t *testing.T, server *httptest.Server, method, path string) string {
	t.Helper()
	r, err := http.NewRequest(method, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := server.Client().Transport.RoundTrip(r)
	if err != nil {
		return "cut off"
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return "cut off"
	}
	return res.Status[:4] + string(text)
}
