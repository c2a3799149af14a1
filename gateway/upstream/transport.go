package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

const (
	// idleConnections is how many connections are kept per upstream.
	idleConnections = 512
	// headerBytes bounds an answer's header.
	headerBytes = 1 << 20
)

// newTransport returns a transport that speaks HTTP/1.1, adds nothing, follows nothing, asks no
// environment for a proxy and times the wait for an answer nowhere, which watch does.
func newTransport(c Config) (*http.Transport, error) {
	roots, err := readRoots(c.CAFile)
	if err != nil {
		return nil, err
	}
	d := dialer{
		Dialer: net.Dialer{Timeout: c.ConnectTimeout},
		tls: &tls.Config{
			RootCAs:            roots,
			MinVersion:         tls.VersionTLS12,
			NextProtos:         []string{"http/1.1"},
			ClientSessionCache: tls.NewLRUClientSessionCache(len(c.Upstreams)),
		},
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		DialContext:            d.dial,
		DialTLSContext:         d.dialTLS,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    idleConnections,
		IdleConnTimeout:        c.IdleTimeout,
		ExpectContinueTimeout:  c.ContinueTimeout,
		MaxResponseHeaderBytes: headerBytes,
		Protocols:              &protocols,
	}, nil
}

// readRoots returns nil, the system's roots, for no file.
func readRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("CA file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s holds no certificate; expected PEM, beginning with -----BEGIN CERTIFICATE-----", file)
	}
	return roots, nil
}

// dialer connects to upstreams. Its errors are of type *dialError.
type dialer struct {
	net.Dialer
	tls *tls.Config
}

// dialError says at which step no connection came about, as a cause.
type dialError struct {
	cause string
	err   error
}

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, newDialError(CauseConnect, err)
	}
	return &countedConn{Conn: conn}, nil
}

func (d *dialer) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	settings := d.tls.Clone()
	settings.ServerName = host
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	secure := tls.Client(conn, settings)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, newDialError(CauseTLS, fmt.Errorf("tls handshake: %w", err))
	}
	return secure, nil
}

func newDialError(cause string, err error) *dialError {
	var slow net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &slow) && slow.Timeout() {
		cause = CauseConnectTimeout
	}
	return &dialError{cause: cause, err: err}
}

func closeWrite(conn any) error {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// longAgo is a deadline that ends what is blocked.
var longAgo = time.Unix(1, 0)
