package accesslog

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// lines are as servers write them, each with what it says.
var lines = []struct {
	name, line string
	want       Entry
}{
	{"common", `50.114.0.1 - - [20/Jul/2024:00:00:00 -0400] "GET /cart?a=b HTTP/1.1" 200 2326`, got("50.114.0.1", "GET", "", "/cart?a=b")},
	{"combined, nginx", `50.114.0.1 - frank [20/Jul/2024:00:00:00 -0400] "POST /cart HTTP/2.0" 451 0 "https://shop.example/" "Mozilla/5.0 (\x22X11\x22)"`, got("50.114.0.1", "POST", "", "/cart")},
	{"combined, Apache", `2001:db8::1 - - [20/Jul/2024:00:00:00 -0400] "GET /a\"b\\c\t\xc3\xa9\q HTTP/1.1" 200 - "-" "-"`, got("2001:db8::1", "GET", "", "/a\"b\\c\té\\q")},
	{"virtual host", `shop.example:443 50.114.0.1 - - [20/Jul/2024:00:00:00 -0400] "GET / HTTP/1.1" 200 5 "-" "-"`, got("50.114.0.1", "GET", "shop.example:443", "/")},
	{"Traefik", `50.114.0.1 - - [20/Jul/2024:00:00:00 -0400] "GET /cart HTTP/1.1" 200 12 "-" "-" 7 "shop@file" "http://10.0.0.5:3000" 3ms`, got("50.114.0.1", "GET", "", "/cart")},
	{"a user with blanks", `50.114.0.1 - Jane Doe [20/Jul/2024:00:00:00 -0400] "GET / HTTP/1.1" 401 12`, got("50.114.0.1", "GET", "", "/")},
	{"a user who looks like a time", `50.114.0.1 - x [01/Jan/2001:00:00:00 +0000] [20/Jul/2024:00:00:00 -0400] "GET / HTTP/1.1" 200 1`, got("50.114.0.1", "GET", "", "/")},
	{"a user who looks like a line", `50.114.0.1 - x [01/Jan/2001:00:00:00 +0000] \x22GET /other HTTP/1.1\x22 200 1 [20/Jul/2024:00:00:00 -0400] "GET / HTTP/1.1" 200 1`, got("50.114.0.1", "GET", "", "/")},
	{"HTTP/0.9", `50.114.0.1 - - [20/Jul/2024:00:00:00 -0400] "GET /cart" 400 1`, got("50.114.0.1", "GET", "", "/cart")},
	{"a target with blanks", `50.114.0.1 - - [20/Jul/2024:00:00:00 -0400] "GET /a b HTTP/1.1" 400 1`, got("50.114.0.1", "GET", "", "/a b")},
	{"no request", `50.114.0.1 - - [20/Jul/2024:00:00:00 -0400] "-" 408 0`, got("50.114.0.1", "", "", "")},
	{"TLS on a plain port", `50.114.0.1 - - [20/Jul/2024:00:00:00 -0400] "\x16\x03\x01" 400 157 "-" "-"`, got("50.114.0.1", "", "", "")},
	{"mapped, with port", `[::ffff:50.114.0.1]:4711 - - [20/Jul/2024:00:00:00 -0400] "GET / HTTP/1.1" 200 1`, got("50.114.0.1", "GET", "", "/")},
	{"nginx, parts", `{"time_iso8601":"2024-07-20T00:00:00-04:00","remote_addr":"50.114.0.1","request_method":"GET","server_name":"_","host":"shop.example","request_uri":"/cart?a=b","status":200}`, got("50.114.0.1", "GET", "shop.example", "/cart?a=b")},
	{"nginx, whole", `{"msec":"1721448000.000","remote_addr":"50.114.0.1","http_host":"Shop.Example:8080","host":"shop.example","request":"GET /\u0063art HTTP/1.1","http_x_forwarded_for":"192.0.2.1, 192.0.2.2"}`, got("50.114.0.1", "GET", "Shop.Example:8080", "/cart")},
	{"nginx, parts, and a method that is none", `{"time_iso8601":"2024-07-20T00:00:00-04:00","remote_addr":"50.114.0.1","request_method":"GE ","host":"shop.example","request_uri":"/cart?a=b","status":400}`, got("50.114.0.1", "", "shop.example", "")},
	{"nginx, seconds", `{"msec":1721448000,"remote_addr":"50.114.0.1","server_name":"shop.example","request":"GET / HTTP/1.1"}`, got("50.114.0.1", "GET", "shop.example", "/")},
	{"Caddy", `{"level":"info","ts":1721448000.0,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"10.0.0.2","remote_port":"4711","client_ip":"50.114.0.1","proto":"HTTP/2.0","method":"GET","host":"shop.example","uri":"/cart","headers":{"X-Forwarded-For":["192.0.2.1, 192.0.2.2"]}},"bytes_read":0,"status":200}`, bodiless(got("50.114.0.1", "GET", "shop.example", "/cart"))},
	{"Caddy, older", `{"ts":"2024-07-20T00:00:00.000-0400","request":{"remote_addr":"50.114.0.1:4711","method":"POST","host":"shop.example","uri":"/cart"},"bytes_read":12}`, got("50.114.0.1", "POST", "shop.example", "/cart")},
	{"Traefik, JSON", `{"ClientAddr":"50.114.0.1:4711","ClientHost":"50.114.0.1","RequestAddr":"shop.example:8080","RequestHost":"shop.example","RequestMethod":"GET","RequestPath":"/cart?a=b","RequestContentSize":0,"StartUTC":"2024-07-20T04:00:00Z","request_X-Forwarded-For":"192.0.2.1, 192.0.2.2","time":"2024-07-20T04:00:09Z"}`, bodiless(got("50.114.0.1", "GET", "shop.example:8080", "/cart?a=b"))},
}

var midnight = time.Date(2024, 7, 20, 4, 0, 0, 0, time.UTC)

func got(client, method, host, target string) Entry {
	return Entry{Client: netip.MustParseAddr(client), At: midnight, Method: method, Host: host, Target: target}
}

func bodiless(e Entry) Entry {
	e.Bodiless = true
	return e
}

func TestLines(t *testing.T) {
	t.Parallel()
	var p Parser
	for _, c := range lines {
		var e Entry
		if err := p.Parse(c.line, &e); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		e.format, e.request, e.At = 0, "", e.At.UTC()
		if diff := cmp.Diff(c.want, e, cmp.AllowUnexported(Entry{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// TestCutLines: a line that was cut off anywhere is no line, or is one that says the same. What has been written behind the
// number of bytes is not asked for.
func TestCutLines(t *testing.T) {
	t.Parallel()
	var p Parser
	for _, c := range lines {
		cut := 0
		for end := range c.line {
			var e Entry
			if err := p.Parse(c.line[:end], &e); err != nil {
				cut++
				continue
			}
			e.format, e.request, e.At = 0, "", e.At.UTC()
			if diff := cmp.Diff(c.want, e, cmp.AllowUnexported(Entry{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("%s, cut at %d: %s", c.name, end, diff)
			}
		}
		if cut < len(c.line)/4 {
			t.Errorf("%s: only %d of %d cuts are noticed", c.name, cut, len(c.line))
		}
	}
}

func TestBadLines(t *testing.T) {
	t.Parallel()
	const known, names = "no line of an access log; expected", "is no address; have the server log addresses"
	for line, want := range map[string]string{
		"":             known,
		"gate451":      known,
		"a b c":        known,
		"50.114.0.1 a": known,
		`www.example.net - - [20/Jul/2024:00:00:00 -0400] "GET / HTTP/1.1" 200 1`:                           `the client "www.example.net" ` + names,
		`50.114.0.1 - - [40/Jul/2024:00:00:00 -0400] "GET / HTTP/1.1" 200 1`:                                known,
		`50.114.0.1 - - [20/Jul/2024:00:00:00 -0400] "GET / HTTP/1.1 200 1`:                                 known,
		`50.114.0.1 - - [20/Jul/2024:00:00:00 -0400] "GET / HTTP/1.1" 2x0 1`:                                known,
		`{"remote_addr":"50.114.0.1"`:                                                                       "the line is no JSON",
		`{"remote_addr":"50.114.0.1","request":"GET / HTTP/1.1"}`:                                           "the object names no request",
		`{"ts":1721448000,"remote_addr":"50.114.0.1","request_uri":"/"}`:                                    "the object names no request",
		`{"level":"info","ts":1721448000,"msg":"serving initial configuration"}`:                            "the object names no request",
		`{"ts":1721448000,"remote_addr":"unix:","request":"GET / HTTP/1.1"}`:                                `the client "unix:" ` + names,
		`{"ts":-1,"remote_addr":"50.114.0.1","request":"GET / HTTP/1.1"}`:                                   "the time is none",
		`{"ts":"now","remote_addr":"50.114.0.1","request":"GET / HTTP/1.1"}`:                                "the time is none",
		`{"ts":{},"request":{"remote_ip":"a","method":"GET","host":"shop.example","uri":"/","headers":{}}}`: `the client "a" ` + names,
	} {
		var p Parser
		var e Entry
		if err := p.Parse(line, &e); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", line, err, want)
		}
	}
}

func TestNumbersOfSeconds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{
		"1721448000.000000001":     midnight.Add(1),
		"1721448000.5241024":       midnight.Add(524102400),
		"1721448000250":            midnight.Add(250 * time.Millisecond),
		"1721448000000250":         midnight.Add(250 * time.Microsecond),
		"1721448000000000250":      midnight.Add(250),
		"1.721448e9":               midnight,
		"2024-07-20T04:00:00.25Z":  midnight.Add(250 * time.Millisecond),
		"20/Jul/2024:06:00:00 +02": {},
		"1e300":                    {},
	} {
		at, err := new(clock).parseAny(text)
		if (err == nil) == want.IsZero() || err == nil && !at.Equal(want) {
			t.Errorf("%s: %v, %v", text, at, err)
		}
	}
}

func TestHeaderOfALine(t *testing.T) {
	t.Parallel()
	want := []string{"192.0.2.1, 192.0.2.2"}
	var p Parser
	seen := 0
	for _, c := range lines {
		var e Entry
		if err := p.Parse(c.line, &e); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(c.line, "192.0.2.1") {
			seen++
			if got := e.Header("X-Forwarded-For"); !slices.Equal(got, want) {
				t.Errorf("%s: %q", c.name, got)
			}
		}
		if got := e.Header("Forwarded"); got != nil {
			t.Errorf("%s: %q", c.name, got)
		}
	}
	if seen != 3 {
		t.Errorf("%d lines have the header", seen)
	}
}

// FuzzParse: whatever stands in a line, it is no line, or one with a client and a time; and a line of the common format is read
// as a plain program would take it apart that looks from the other end.
func FuzzParse(f *testing.F) {
	for _, c := range lines {
		f.Add(c.line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var p, again Parser
		var e, twice Entry
		err := p.Parse(line, &e)
		if err != nil {
			return
		}
		if !e.Client.IsValid() || e.Client.Is4In6() || e.Client.Zone() != "" {
			t.Errorf("client %v", e.Client)
		}
		if e.Method == "" && e.Target != "" || strings.Contains(e.Method, " ") {
			t.Errorf("method %q, target %q", e.Method, e.Target)
		}
		if err := again.Parse(strings.Clone(line), &twice); err != nil || twice.Target != e.Target || !twice.At.Equal(e.At) {
			t.Errorf("again: %+v, %v", twice, err)
		}
		if err := p.Parse(line, &twice); err != nil || twice.Target != e.Target || !twice.At.Equal(e.At) {
			t.Errorf("with the time known: %+v, %v", twice, err)
		}
	})
}

// FuzzRequestInALine: a request that a server has written as nginx does is read back, whatever its user and its client's
// agent say.
func FuzzRequestInALine(f *testing.F) {
	f.Add("/cart", "frank", "curl/8")
	f.Add(`/a"b\c`, `x [01/Jan/2001:00:00:00 +0000] "GET /other HTTP/1.1" 200 1`, `" [01/Jan/2001:00:00:00 +0000] "GET /other HTTP/1.1" 200 1`)
	f.Fuzz(func(t *testing.T, target, user, agent string) {
		line := "50.114.0.1 - " + escaped(user) + ` [20/Jul/2024:00:00:00 -0400] "GET /` + escaped(target) + ` HTTP/1.1" 200 5 "-" "` + escaped(agent) + `"`
		var p Parser
		var e Entry
		if err := p.Parse(line, &e); err != nil || e.Target != "/"+target || e.Method != "GET" || !e.At.Equal(midnight) {
			t.Errorf("%s\n%+v, %v", line, e, err)
		}
	})
}

// escaped is what nginx writes of a text.
func escaped(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if c == '"' || c == '\\' || c < ' ' || c > '~' {
			const digits = "0123456789ABCDEF"
			b.WriteString(`\x` + string(digits[c>>4]) + string(digits[c&15]))
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

func BenchmarkParse(b *testing.B) {
	for _, name := range []string{"combined, nginx", "nginx, parts", "Caddy", "Traefik, JSON"} {
		for _, c := range lines {
			if c.name != name {
				continue
			}
			b.Run(name, func(b *testing.B) {
				var p Parser
				var e Entry
				b.ReportAllocs()
				for b.Loop() {
					if err := p.Parse(c.line, &e); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
