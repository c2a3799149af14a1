package console

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

const (
	// sessionLength is how long a browser stays signed in.
	sessionLength = 12 * time.Hour
	mostSessions  = 64
	// mostGuesses is how many wrong tokens one address, or one /64 of IPv6, may present within guessWindow.
	mostGuesses = 10
	guessWindow = time.Minute
	// mostGuessers is how many addresses are told apart; those beyond share one count.
	mostGuessers = 1000
	cookieBytes  = 32
)

// Door tells who may come in. It may be used by several goroutines at once.
type Door struct {
	token  string
	random io.Reader
	log    *slog.Logger
	now    func() time.Time // a session ends and a guess is forgotten by the real clock, whatever clock judges requests

	mu       sync.Mutex
	sessions map[[sha256.Size]byte]session // by the hash of the cookie, so that looking one up tells nothing of the others
	guesses  map[netip.Prefix]*guesses
}

// session is a browser that has signed in.
type session struct {
	from    netip.Addr
	expires time.Time
}

// guesses are the wrong tokens of one network within a window.
type guesses struct {
	n     int
	until time.Time
}

// NewDoor returns a Door that a token opens. An empty token lets in whoever is on this machine. Random is where the
// values of cookies come from; the logger is told who guesses.
func NewDoor(token string, random io.Reader, logger *slog.Logger) *Door {
	return &Door{
		token: token, random: random, log: logger, now: time.Now, sessions: map[[sha256.Size]byte]session{}, guesses: map[netip.Prefix]*guesses{},
	}
}

// Locked reports whether there is a token.
func (d *Door) Locked() bool { return d.token != "" }

// Try compares a token with the right one. Whoever has presented too many wrong ones has to wait until then, with the
// right one, too, or else guesses would have no limit.
func (d *Door) Try(r *http.Request, token string) (right bool, wait time.Duration) {
	network, now := guesser(r), d.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.guessesOf(network, now)
	if g.n >= mostGuesses {
		return false, max(g.until.Sub(now), time.Second)
	}
	given, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(d.token)) // of one length, whatever was given
	if subtle.ConstantTimeCompare(given[:], want[:]) == 1 {
		return true, 0
	}
	if g.n++; g.n == 1 || g.n == mostGuesses { // neither more often, as whoever guesses decides how often that is
		d.log.Warn("a wrong token was presented on the admin port", slog.String("from", remote(r).String()), slog.Int("times", g.n))
	}
	return false, 0
}

// guessesOf returns the count of a network. The mutex is held.
func (d *Door) guessesOf(network netip.Prefix, now time.Time) *guesses {
	if len(d.guesses) >= mostGuessers {
		for one, g := range d.guesses {
			if !now.Before(g.until) {
				delete(d.guesses, one)
			}
		}
		if d.guesses[network] == nil && len(d.guesses) >= mostGuessers {
			network = netip.Prefix{}
		}
	}
	g := d.guesses[network]
	if g == nil || !now.Before(g.until) {
		g = &guesses{until: now.Add(guessWindow)}
		d.guesses[network] = g
	}
	return g
}

// Presents reports whether a request has the token in its Authorization, as commands send it. Without the field nothing
// was guessed.
func (d *Door) Presents(r *http.Request) (right bool, wait time.Duration) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return false, 0
	}
	return d.Try(r, token)
}

// open begins a session and returns the value of its cookie.
func (d *Door) open(r *http.Request) (string, error) {
	value := make([]byte, cookieBytes)
	if _, err := io.ReadFull(d.random, value); err != nil {
		return "", err
	}
	text, now := base64.RawURLEncoding.EncodeToString(value), d.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	for key, s := range d.sessions {
		if !now.Before(s.expires) {
			delete(d.sessions, key)
		}
	}
	if len(d.sessions) >= mostSessions {
		var oldest [sha256.Size]byte
		var first time.Time
		for key, s := range d.sessions {
			if first.IsZero() || s.expires.Before(first) {
				oldest, first = key, s.expires
			}
		}
		delete(d.sessions, oldest)
	}
	d.sessions[sha256.Sum256([]byte(text))] = session{remote(r), now.Add(sessionLength)}
	return text, nil
}

// signedIn reports whether a request has the cookie of a session. Cookies know no ports: the browser sends this one to
// whatever else the host serves, the shop behind the gateway perhaps. So it is good only from where it was given to.
func (d *Door) signedIn(r *http.Request) bool {
	value, ok := cookieOf(r)
	if !ok {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.sessions[sha256.Sum256([]byte(value))]
	return ok && d.now().Before(s.expires) && s.from == remote(r)
}

// close ends the session of a request.
func (d *Door) close(r *http.Request) {
	if value, ok := cookieOf(r); ok {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.sessions, sha256.Sum256([]byte(value)))
	}
}

// The cookie's names. A browser takes the first only over TLS, for this host alone and the whole of it (RFC 6265bis,
// section 4.1.3.2).
const (
	cookieSecure = "__Host-gate451"
	cookiePlain  = "gate451"
)

func cookieOf(r *http.Request) (string, bool) {
	for _, name := range []string{cookieSecure, cookiePlain} {
		if c, err := r.Cookie(name); err == nil && c.Value != "" {
			return c.Value, true
		}
	}
	return "", false
}

// cookie makes the cookie of a session; with no value, one that removes it. That the browser came over TLS, to a proxy in
// front perhaps, it says itself in the Origin of the form.
func cookie(r *http.Request, value string) *http.Cookie {
	c := &http.Cookie{
		Name: cookiePlain, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: int(sessionLength / time.Second),
	}
	if r.TLS != nil || strings.HasPrefix(r.Header.Get("Origin"), "https://") {
		c.Name, c.Secure = cookieSecure, true
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

// remote is the address at the other end of the connection; the zero Addr if it has none.
func remote(r *http.Request) netip.Addr {
	at, _ := netip.ParseAddrPort(r.RemoteAddr)
	return at.Addr().Unmap().WithZone("")
}

// guesser is what guesses are counted by.
func guesser(r *http.Request) netip.Prefix {
	addr := remote(r)
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	network, _ := addr.Prefix(bits) // the zero Prefix is a count of its own
	return network
}

// Stranger says why a request cannot come from a person on this machine; empty if it can. Without a token that is all that
// keeps others out.
func Stranger(r *http.Request) string {
	switch {
	case !remote(r).IsLoopback():
		return "the request comes from another machine"
	case cmp.Or(r.Header.Get("X-Forwarded-For"), r.Header.Get("Forwarded"), r.Header.Get("Via"), r.Header.Get("X-Real-Ip")) != "":
		return "the request comes through a proxy"
	case !loopbackName(r.Host):
		return "the request came under a name that does not mean this machine"
	}
	return ""
}

// loopbackName reports whether a Host field can only mean the machine itself. Any other name can be made to, by whoever
// owns it.
func loopbackName(host string) bool {
	if at, err := netip.ParseAddrPort(host); err == nil {
		return at.Addr().IsLoopback()
	}
	if addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")); err == nil {
		return addr.IsLoopback()
	}
	name, _, _ := strings.Cut(host, ":")
	return strings.EqualFold(name, "localhost")
}
