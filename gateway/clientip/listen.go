package clientip

import (
	"net"
	"net/netip"
	"time"

	"github.com/gaissmai/bart"
)

// The causes for which a connection that had to begin with a PROXY protocol header is closed, all there are.
const (
	// CauseAbsent: the connection begins with something else; the balancer is not set up to send a header.
	CauseAbsent = "absent"
	// CauseMalformed: a header of version 1 or 2 begins, but does not follow the specification, is
	// longer than 4 KiB, or, in version 1, does not arrive in one piece.
	CauseMalformed = "malformed"
	// CauseTimeout: no whole header came in time.
	CauseTimeout = "timeout"
	// CauseClosed: the connection ended before a whole header came, as that of a bare TCP health check does.
	CauseClosed = "closed"
)

// Causes returns all causes.
func Causes() []string { return []string{CauseAbsent, CauseMalformed, CauseTimeout, CauseClosed} }

// ListenOptions are the particulars of Listen.
type ListenOptions struct {
	// HeaderTimeout is how long a whole PROXY protocol header may take to arrive, from the first use of
	// the connection; 5 s if it is zero.
	HeaderTimeout time.Duration
	// OnError, if not nil, is told why a connection was closed: one of Causes. It may be called by
	// several goroutines at once.
	OnError func(cause string)
}

// Listen returns a listener whose connections from the configured balancers begin with a PROXY protocol header,
// version 1 or 2, and have the address that it announces as their RemoteAddr. Without Config.ProxyProtocol it
// returns ln itself, and everybody else's connections are returned as ln accepted them: a PROXY line of theirs
// is theirs to explain to whoever reads it. For TLS, wrap what Listen returns, because the header comes
// before the handshake.
//
// The header is read at the first use of the connection, by whoever uses it: Accept never waits for it, and
// the gateway's server, as http.Server, calls RemoteAddr first thing in the connection's own goroutine. Hooks of http.Server that run in
// the accepting one (ConnContext and ConnState) must not call it.
//
// A header that is absent, malformed or late closes the connection. One that announces no address that a client
// of ours can have (LOCAL, which balancers send with their health checks, UNKNOWN, or a Unix socket) leaves a
// connection that works, but whose RemoteAddr Resolve refuses with the reason NoAddress. In neither case is it
// the balancer's. The announced destination and all TLVs are ignored; LocalAddr remains the socket's.
func (r *Resolver) Listen(ln net.Listener, o ListenOptions) net.Listener {
	if r.announced == nil {
		return ln
	}
	if o.HeaderTimeout == 0 {
		o.HeaderTimeout = 5 * time.Second
	}
	return &listener{Listener: ln, announced: r.announced, options: o}
}

type listener struct {
	net.Listener
	announced *bart.Lite
	options   ListenOptions
}

// Accept returns the next connection without waiting for what it begins with.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if !l.announced.Contains(addrOf(c.RemoteAddr())) {
		return c, nil
	}
	return newConn(c, l.options), nil
}

// addrOf returns the address of a TCP peer, or the zero Addr, which is in no network.
func addrOf(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().WithZone("").Unmap()
}
