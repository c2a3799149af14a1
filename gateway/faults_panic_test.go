package gateway_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"gate451/config"
	"gate451/gateway"
)

// TestPanicsBehindEnforce mounts the compliance step in a program whose handlers panic, fail and take their time. None
// ever sees the decision about somebody else, and whoever asks for one after Enforce has returned is told of none.
func TestPanicsBehindEnforce(t *testing.T) {
	t.Parallel()
	s := setup{policy: editions[0].text, files: map[string][]byte{"geo.mmdb": gazetteFile(t, "first")}, config: "client_ip: {trusted_proxies: [127.0.0.0/8]}\ngeoip: {databases: [geo.mmdb]}\n"}
	cfg, err := config.Load(s.write(t, t.TempDir()), nil)
	must(t, err)
	at := instant("2024-12-01T00:00:00Z")
	enforcer, err := gateway.NewEnforcer(cfg, gateway.Options{Now: func() time.Time { return at }})
	must(t, err)

	var mu sync.Mutex
	var wrong []string
	complain := func(c echo.Context, format string) {
		mu.Lock()
		defer mu.Unlock()
		wrong = append(wrong, c.Request().Header.Get("X-Forwarded-For")+": "+format)
	}
	own := func(c echo.Context) {
		buyer := c.Request().Header.Get("X-Forwarded-For")
		d, ok := gateway.DecisionOf(c)
		if !ok || d.Client.String() != buyer || d.Country.String() != gazettes["first"][buyer] {
			complain(c, "has another's decision, or none")
		}
	}
	none := func(c echo.Context, where string) {
		if _, ok := gateway.DecisionOf(c); ok {
			complain(c, "has a decision "+where)
		}
	}
	failed := errors.New("failed")
	e := echo.New()
	e.Logger.SetOutput(io.Discard)
	e.HTTPErrorHandler = func(err error, c echo.Context) {
		none(c, "where errors are handled")
		_ = c.NoContent(http.StatusInternalServerError) // whoever is gone needs no answer
	}
	e.Any("/*", func(c echo.Context) error {
		own(c)
		for range 20 {
			runtime.Gosched()
		}
		own(c)
		switch c.QueryParam("do") {
		case "panic":
			panic("a handler's fault")
		case "fail":
			return failed
		}
		return c.String(http.StatusOK, c.QueryParam("id"))
	})
	e.Pre(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) (err error) {
			none(c, "before it is judged")
			defer func() {
				if fault := recover(); fault != nil {
					err = errors.New("recovered")
				}
				for range 5 {
					runtime.Gosched()
				}
				none(c, "after Enforce has returned")
			}()
			return next(c)
		}
	}, gateway.Enforce(enforcer))
	server := httptest.NewUnstartedServer(e)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	defer server.Close()

	var going sync.WaitGroup
	for worker, buyer := range []string{american, german, puertoRican, french, cuban, american, german, french} {
		going.Go(func() {
			for i := range 150 {
				do := []string{"answer", "panic", "fail", "answer"}[(worker+i)%4]
				path := []string{"/about", "/cart"}[i%2]
				want := map[string]int{"answer": 200, "panic": 500, "fail": 500}[do]
				if path == "/cart" && editions[0].verdict("sale", gazettes["first"][buyer], at) == "block" {
					want = 451
				}
				r, err := http.NewRequest(http.MethodGet, server.URL+path+"?do="+do+"&id="+strconv.Itoa(i), nil)
				if err != nil {
					t.Error(err)
					return
				}
				r.Host = "shop.example"
				r.Header.Set("X-Forwarded-For", buyer)
				res, err := server.Client().Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				text, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || res.StatusCode != want || want == 200 && string(text) != strconv.Itoa(i) {
					t.Errorf("%s %s %s: %d %q, %v; want %d", buyer, path, do, res.StatusCode, text, err, want)
				}
			}
		})
	}
	going.Wait()
	if len(wrong) > 0 {
		t.Errorf("%d times, such as %s", len(wrong), strings.Join(wrong[:min(3, len(wrong))], "; "))
	}
}
