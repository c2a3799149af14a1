package console

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// door returns a Door with a clock, and a function that makes requests from an address.
func door(token string) (d *Door, clock *time.Time, from func(string) *http.Request) {
	d, clock = NewDoor(token, rand.NewChaCha8([32]byte{1}), slog.New(slog.DiscardHandler)), &time.Time{}
	*clock = testNow
	d.now = func() time.Time { return *clock }
	return d, clock, func(address string) *http.Request {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = address
		return r
	}
}

// TestSessions shows how long a cookie is good, and for whom.
func TestSessions(t *testing.T) {
	t.Parallel()
	d, clock, from := door(testToken)
	value, err := d.open(from("192.0.2.1:1000"))
	if err != nil {
		t.Fatal(err)
	}
	with := func(address, value string) *http.Request {
		r := from(address)
		r.AddCookie(cookie(r, value))
		return r
	}
	for address, want := range map[string]bool{"192.0.2.1:2000": true, "[::ffff:192.0.2.1]:2000": true, "192.0.2.2:1000": false, "": false} {
		if got := d.signedIn(with(address, value)); got != want {
			t.Errorf("%s: signed in %v, want %v", address, got, want)
		}
	}
	for _, other := range []string{"", "x", testToken, value[1:], value + "A"} {
		if d.signedIn(with("192.0.2.1:1000", other)) {
			t.Errorf("the cookie %q signs in", other)
		}
	}
	*clock = clock.Add(sessionLength - 1)
	if !d.signedIn(with("192.0.2.1:1", value)) {
		t.Error("the session has ended too early")
	}
	*clock = clock.Add(1)
	if d.signedIn(with("192.0.2.1:1", value)) {
		t.Error("the session does not end")
	}
	var values []string
	for range mostSessions + 1 {
		*clock = clock.Add(time.Second)
		v, err := d.open(from("192.0.2.1:1"))
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, v)
	}
	if len(d.sessions) != mostSessions || d.signedIn(with("192.0.2.1:1", values[0])) || !d.signedIn(with("192.0.2.1:1", values[mostSessions])) {
		t.Errorf("%d sessions; the oldest must give way", len(d.sessions))
	}
	d.close(with("192.0.2.1:1", values[mostSessions]))
	d.close(from("192.0.2.1:1")) // without one
	if d.signedIn(with("192.0.2.1:1", values[mostSessions])) {
		t.Error("who signed out is signed in")
	}
	d.random = bytes.NewReader(nil)
	if _, err := d.open(from("192.0.2.1:1")); err == nil {
		t.Error("a session without a random number")
	}
}

// TestGuesses shows that wrong tokens have a limit, for each network, and that no number of networks lifts it.
func TestGuesses(t *testing.T) {
	t.Parallel()
	d, clock, from := door(testToken)
	var said strings.Builder
	d.log = slog.New(slog.NewTextHandler(&said, nil))
	try := func(address, token string) string {
		right, wait := d.Try(from(address), token)
		return fmt.Sprint(right, " ", wait)
	}
	for i := range mostGuesses {
		if got := try(fmt.Sprintf("[2001:db8::%d]:1", i), "wrong"); got != "false 0s" {
			t.Fatalf("guess %d: %s", i, got)
		}
	}
	for address, want := range map[string]string{"[2001:db8::ffff]:1": "false 1m0s", "[2001:db8:0:1::1]:1": "true 0s", "192.0.2.1:1": "true 0s"} {
		if got := try(address, testToken); got != want {
			t.Errorf("%s with the right token: %s, want %s", address, got, want)
		}
	}
	if n := strings.Count(said.String(), "a wrong token"); n != 2 || !strings.Contains(said.String(), "from=2001:db8::9 times=10") || strings.Contains(said.String(), testToken) {
		t.Errorf("%d lines about guesses: %s", n, said.String())
	}
	*clock = clock.Add(guessWindow)
	if got := try("[2001:db8::1]:1", testToken); got != "true 0s" {
		t.Errorf("a minute later: %s", got)
	}
	for i := range 2 * mostGuessers {
		try(fmt.Sprintf("10.%d.%d.1:1", i/256, i%256), "wrong")
	}
	if len(d.guesses) > mostGuessers+1 {
		t.Errorf("%d networks are kept", len(d.guesses))
	}
	if got := try("172.16.0.1:1", testToken); got != "false 1m0s" {
		t.Errorf("the networks beyond those that are told apart guess without limit: %s", got)
	}
	*clock = clock.Add(guessWindow)
	if got := try("172.16.0.1:1", testToken); got != "true 0s" || len(d.guesses) > 2 {
		t.Errorf("a minute later: %s, with %d networks", got, len(d.guesses))
	}
}

// TestPresents shows what an Authorization is worth, and that none is no guess.
func TestPresents(t *testing.T) {
	t.Parallel()
	d, _, from := door(testToken)
	for _, c := range []struct {
		field string
		want  bool
	}{{"", false}, {"Bearer " + testToken, true}, {"Bearer", false}, {"Basic YTpi", false}, {testToken, false}, {"Bearer  " + testToken, false}, {"Bearer ", false}} {
		r := from("192.0.2.1:1")
		if c.field != "" {
			r.Header.Set("Authorization", c.field)
		}
		if right, _ := d.Presents(r); right != c.want {
			t.Errorf("%q: %v", c.field, right)
		}
	}
	if g := d.guesses[netip.MustParsePrefix("192.0.2.1/32")]; g.n != 2 {
		t.Errorf("%d guesses are counted, want 2", g.n)
	}
}

func TestCookie(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "/sign-in", nil)
	if got := cookie(r, "v").String(); got != "gate451=v; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict" {
		t.Error(got)
	}
	r.Header.Set("Origin", "https://console.example")
	if got := cookie(r, "v").String(); got != "__Host-gate451=v; Path=/; Max-Age=43200; HttpOnly; Secure; SameSite=Strict" {
		t.Error(got)
	}
	r = httptest.NewRequest(http.MethodPost, "/sign-in", nil)
	r.TLS = new(tls.ConnectionState)
	if got := cookie(r, "").String(); got != "__Host-gate451=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict" {
		t.Error(got)
	}
}

// TestStranger shows who is taken for a person on this machine.
func TestStranger(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		remote, host, header string
		in                   bool
	}{
		{"127.0.0.1:1", "127.0.0.1:9451", "", true}, {"127.9.9.9:1", "127.1.2.3", "", true}, {"[::1]:1", "[::1]:9451", "", true}, {"[::1]:1", "[::1]", "", true},
		{"[::ffff:127.0.0.1]:1", "LocalHost:9451", "", true}, {"127.0.0.1:1", "localhost", "", true},
		{"192.0.2.1:1", "127.0.0.1:9451", "", false}, {"@", "localhost", "", false}, {"", "localhost", "", false},
		{"127.0.0.1:1", "evil.example:9451", "", false}, {"127.0.0.1:1", "localhost.evil.example", "", false}, {"127.0.0.1:1", "127.0.0.1.evil.example", "", false},
		{"127.0.0.1:1", "", "", false}, {"127.0.0.1:1", "192.0.2.1:9451", "", false}, {"127.0.0.1:1", "[2001:db8::1]:9451", "", false}, {"127.0.0.1:1", "0.0.0.0:9451", "", false},
		{"127.0.0.1:1", "localhost:9451", "X-Forwarded-For", false}, {"127.0.0.1:1", "localhost:9451", "Forwarded", false},
		{"127.0.0.1:1", "localhost:9451", "Via", false}, {"127.0.0.1:1", "localhost:9451", "X-Real-Ip", false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.Host = c.remote, c.host
		if c.header != "" {
			r.Header.Set(c.header, "192.0.2.1")
		}
		if why := Stranger(r); (why == "") != c.in {
			t.Errorf("%+v: %q", c, why)
		}
	}
}
