package console

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gate451/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testToken = "a token"
	patience  = 20 * time.Second // bounds every wait; no test expects to reach it
)

const testPolicy = `version: 1
time_zone: America/New_York
activities:
  sale: [{paths: [/cart]}]
products:
  licensed: [{paths: [/cart/licensed]}]
rules:
  - {id: sales, activity: sale, countries: [us-jurisdiction], from: 2024-07-20, basis: {title: 89 FR 52434, url: "https://law.example/"}}
  - {id: ended, activity: sale, countries: [JP], from: 2023-01-01, until: 2024-01-01}
  - {id: coming, activity: sale, countries: [FR], from: 2025-01-01, mode: shadow}
  - {id: ancient, activity: sale, countries: [CU], from: 1962-02-07, until: 2090-01-01, except: [{products: [licensed], until: 2024-12-31, note: licence 1}]}
  - {id: always, activity: sale, countries: [KP]}
`

var testNow = time.Date(2024, 9, 26, 14, 20, 30, 0, time.UTC)

func parsed(t testing.TB, text string) *rules.Policy {
	t.Helper()
	p, err := rules.Parse("policy.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// still is a gateway that stands still: what it says is what a test has written.
type still struct {
	mu       sync.Mutex
	state    State
	text     Text
	totals   []Total
	explain  func(Question) ([]Step, error)
	find     func(string) ([]string, error)
	reload   error
	reloaded int
}

func newStill(t testing.TB) *still {
	t.Helper()
	p := parsed(t, testPolicy)
	return &still{
		state: State{Now: testNow.In(p.Zone()), Replica: "gate-1", Version: "1.2.3", Policy: p, Databases: []Database{{Name: "embedded", Built: testNow.AddDate(0, 0, -9)}}},
		text:  Text{Source: "policy.yaml", InForce: []byte(testPolicy), Tried: testNow, File: "policy.yaml"},
	}
}

func (s *still) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

func (s *still) Text() Text      { return s.text }
func (s *still) Totals() []Total { return s.totals }

func (s *still) Calendar() []Change {
	var changes []Change
	for _, c := range s.state.Policy.Calendar() {
		change := Change{At: c.At, Past: !c.At.After(s.state.Now), Rule: c.Rule.ID, Mode: c.Rule.Mode, Kind: c.Kind}
		if c.Exception != nil {
			change.Note = c.Exception.Note
		}
		changes = append(changes, change)
	}
	return changes
}

func (s *still) Explain(q Question) ([]Step, error)         { return s.explain(q) }
func (s *still) Find(reference string) ([]string, error)    { return s.find(reference) }
func (s *still) Client(addr netip.Addr, _ time.Time) string { return "about " + addr.String() }

func (s *still) Reload() error {
	s.reloaded++
	return s.reload
}

// served is a console that is served, to whoever asks from 127.0.0.1.
type served struct {
	*Console
	t       testing.TB
	still   *still
	server  *httptest.Server
	client  *http.Client
	cookies []*http.Cookie
}

func serve(t testing.TB, s *still, token string) *served {
	t.Helper()
	random := rand.NewChaCha8([32]byte{4, 5, 1})
	c := New(s, NewDoor(token, random, slog.New(slog.DiscardHandler)), new(Feed))
	c.beat = time.Millisecond
	mux := http.NewServeMux()
	c.Register(mux)
	v := &served{Console: c, t: t, still: s, server: httptest.NewServer(mux)}
	v.client = v.server.Client()
	v.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.Cleanup(v.server.Close)
	return v
}

// answer is a whole answer.
type answer struct {
	*http.Response
	text string
}

// ask sends a request, with the cookies that came before; change may change it.
func (v *served) ask(method, path string, form url.Values, change ...func(*http.Request)) answer {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, v.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range v.cookies {
		r.AddCookie(c)
	}
	for _, f := range change {
		f(r)
	}
	res, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	var text bytes.Buffer
	if _, err := io.Copy(&text, res.Body); err != nil {
		v.t.Fatal(err)
	}
	return answer{res, text.String()}
}

func (v *served) get(path string, change ...func(*http.Request)) answer {
	v.t.Helper()
	return v.ask(http.MethodGet, path, nil, change...)
}

// page returns a page's text, which must be one.
func (v *served) page(path string) string {
	v.t.Helper()
	a := v.get(path)
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		v.t.Fatalf("%s: %s\n%s", path, a.Status, a.text)
	}
	return a.text
}

// signIn signs in with a token.
func (v *served) signIn(token string, change ...func(*http.Request)) answer {
	v.t.Helper()
	a := v.ask(http.MethodPost, "/sign-in", url.Values{"token": {token}, "to": {"/why"}}, change...)
	if cookies := a.Cookies(); len(cookies) > 0 {
		v.cookies = cookies
	}
	return a
}

// wants reports what a text lacks.
func wants(t *testing.T, text string, all ...string) {
	t.Helper()
	for _, one := range all {
		if !strings.Contains(text, one) {
			t.Errorf("%q is not in\n%.6000s", one, text)
		}
	}
}
