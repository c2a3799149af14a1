package gateway_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"gate451/config"
	"gate451/gateway"
)

// TestEnforceAlone mounts the compliance step in another Echo program.
func TestEnforceAlone(t *testing.T) {
	t.Parallel()
	s := setup{config: "client_ip: {trusted_proxies: [127.0.0.0/8]}\n"}
	file := s.write(t, t.TempDir())
	cfg, err := config.Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	var log logbook
	enforcer, err := gateway.NewEnforcer(cfg, gateway.Options{Logger: log.logger(), Now: func() time.Time { return time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC) }})
	if err != nil {
		t.Fatal(err)
	}
	e := echo.New()
	e.Logger.SetOutput(io.Discard)
	tell := func(c echo.Context) error {
		d, ok := gateway.DecisionOf(c)
		if !ok {
			return c.String(http.StatusOK, "undecided")
		}
		return c.String(http.StatusOK, d.Verdict.String()+" "+d.Reason.String()+" "+d.Country.String()+" "+d.Client.String())
	}
	e.GET("/healthz", tell)
	e.GET("/cart", tell)
	statuses := make(chan int, 1) // as the program's own middleware sees them
	e.Pre(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			err := next(c)
			statuses <- c.Response().Status
			return err
		}
	}, gateway.Enforce(enforcer))
	server := httptest.NewUnstartedServer(e)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	defer server.Close()
	client := server.Client()
	for _, c := range []struct {
		path, buyer string
		status      int
		text        string
	}{
		{"/cart", german, 200, "allow country_not_listed DE " + german},
		{"/healthz", american, 200, "allow ungoverned US " + american},
		{"/cart", american, 451, theSentence},
		{"/Cart/", american, 451, theSentence},     // though no route has it
		{"/cart?wget", american, 451, theSentence}, // with a status line of its own
		{"/nowhere", german, 404, ""},
		{"/%00", german, 400, "Bad Request\n"},
	} {
		r, err := http.NewRequest(http.MethodGet, server.URL+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "shop.example"
		r.Header.Set("X-Forwarded-For", c.buyer)
		if strings.HasSuffix(c.path, "?wget") {
			r.Header.Set("User-Agent", "Wget/1.21.3")
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != c.status || !strings.HasPrefix(string(text), c.text) {
			t.Errorf("%s for %s: %d %q, %v; want %d %q", c.path, c.buyer, res.StatusCode, text, err, c.status, c.text)
		}
		if status := <-statuses; (status == 451) != (c.status == 451) {
			t.Errorf("%s for %s: the middleware sees %d", c.path, c.buyer, status)
		}
	}
	if _, ok := gateway.DecisionOf(e.NewContext(httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder())); ok {
		t.Error("a request that Enforce has not seen is decided")
	}

	writeFile(t, cfg.Policy, []byte(strings.Replace(packPolicy, "/cart", "/basket", 1)))
	if err := enforcer.Reload(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "http://shop.example/cart", nil)
	r.RemoteAddr = american + ":1"
	rec := httptest.NewRecorder()
	e.ServeHTTP(rec, r)
	if rec.Code != 200 || rec.Body.String() != "allow ungoverned US "+american {
		t.Errorf("after the reload: %d %q", rec.Code, rec.Body)
	}
}
