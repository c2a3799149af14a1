package upstream

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// Config says which upstreams a route has and how long to wait for them. A duration of zero stands for
// its default.
type Config struct {
	// Upstreams are where requests go, in turn. Each is http or https with a host and perhaps a port, and
	// nothing else: targets are forwarded byte for byte, so that there is no path to put before them.
	Upstreams []*url.URL
	// CAFile is a PEM file of the certificate authorities that https upstreams are verified against
	// instead of the system's. Their certificates are always verified.
	CAFile string
	// ConnectTimeout bounds looking up and connecting to an upstream, and after that the TLS handshake
	// with it. The default is 5 s.
	ConnectTimeout time.Duration
	// HeaderTimeout bounds the wait for an answer's header once a request has been sent. The default is 60 s.
	HeaderTimeout time.Duration
	// ContinueTimeout is how long an upstream may take to call for (or refuse) the body of a request with
	// Expect: 100-continue, before it is sent uncalled for. The default, 3 s, is as patient as common
	// clients are.
	ContinueTimeout time.Duration
	// IdleTimeout is how long a connection is kept for a next request. It must be shorter than the
	// upstream's own, or else a request can meet a connection that is being closed, and a POST that does
	// cannot be repeated. Node's servers close after 5 s; the default is 4 s. For gunicorn, which closes
	// after 2 s, set less.
	IdleTimeout time.Duration
	// IdleBody is how long a transfer may stand still in which somebody owes bytes: a client that sends a
	// body or does not read an answer, an upstream that does not read a body or is part way through an
	// answer of announced length. Of a large answer, less than 256 KiB within that time is standing still, too. The
	// default is 5 min. There is no limit to how long a transfer may take.
	IdleBody time.Duration
	// IdleStream is how long nothing may pass where nobody owes anything: in an answer without length, such
	// as server-sent events or a long poll, and in an upgraded connection. The default is 1 h; a vanished
	// peer is found sooner, by TCP keep-alive.
	IdleStream time.Duration
}

// withDefaults returns the configuration with every duration set, or all that is wrong with it.
func (c Config) withDefaults() (Config, error) {
	var errs []error
	if len(c.Upstreams) == 0 {
		errs = append(errs, errors.New("no upstreams; name at least one, such as http://10.0.0.5:3000"))
	}
	secure := false
	for i, u := range c.Upstreams {
		if err := checkUpstream(u); err != nil {
			errs = append(errs, fmt.Errorf("upstream %d: %w", i+1, err))
			continue
		}
		secure = secure || u.Scheme == "https"
	}
	if c.CAFile != "" && !secure {
		errs = append(errs, errors.New("a CA file is given but no upstream is https; write https:// or leave the file out"))
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		dflt  time.Duration
	}{
		{"connect timeout", &c.ConnectTimeout, 5 * time.Second},
		{"header timeout", &c.HeaderTimeout, time.Minute},
		{"continue timeout", &c.ContinueTimeout, 3 * time.Second},
		{"idle timeout", &c.IdleTimeout, 4 * time.Second},
		{"idle limit of bodies", &c.IdleBody, 5 * time.Minute},
		{"idle limit of streams", &c.IdleStream, time.Hour},
	} {
		switch {
		case *d.value < 0:
			errs = append(errs, fmt.Errorf("%s %s is negative; leave it out for %s", d.name, *d.value, d.dflt))
		case *d.value == 0:
			*d.value = d.dflt
		}
	}
	return c, errors.Join(errs...)
}

func checkUpstream(u *url.URL) error {
	switch {
	case u == nil:
		return errors.New("no URL; expected one such as http://10.0.0.5:3000")
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%q: unknown scheme %q; expected http or https, as in http://10.0.0.5:3000", u.Redacted(), u.Scheme)
	case u.Opaque != "" || u.Hostname() == "":
		return fmt.Errorf("%q names no host; expected one, as in http://10.0.0.5:3000", u.Redacted())
	case u.User != nil:
		return fmt.Errorf("%q has user information, which would not be sent; leave it out", u.Redacted())
	case (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return fmt.Errorf("%q has more than a host; targets are forwarded as they come, so write %q", u.Redacted(), u.Scheme+"://"+u.Host)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("%q: no such port as %s; expected 1 to 65535", u.Redacted(), port)
		}
	}
	return nil
}
