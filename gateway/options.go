package gateway

import (
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options are what a Gateway takes from its surroundings. The zero Options are usable.
type Options struct {
	// Logger is told what the gateway does; nil means nobody is.
	Logger *slog.Logger
	// Registry is where the metrics are registered, and what /metrics shows; nil means one of its own, with the
	// metrics of the Go runtime and the process.
	Registry *prometheus.Registry
	// Now is the clock by which requests are judged; nil means time.Now. Waiting is always done by the real clock.
	Now func() time.Time
	// Random is where references come from; nil means crypto/rand.
	Random io.Reader
	// Public and Admin are sockets to serve on instead of opening those that the configuration names.
	Public, Admin net.Listener
	// Serving is called once, when buyers are served; nil means nobody is told.
	Serving func()
	// Policy is the text of a policy to use instead of the file that the configuration names. It is never reloaded.
	Policy []byte
	// Build says which build of the program this is, for metrics.
	Build Build

	// anyPolicy takes policies that name parts of countries which no database tells.
	anyPolicy bool
}

// Build says which build of the program runs.
type Build struct {
	Version, Revision string
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Serving == nil {
		o.Serving = func() {}
	}
	return o
}
