package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// dialer connects to upstreams. Its errors are of type *dialError.
type dialer struct {
	net.Dialer
	tls *tls.Config
}

func newDialer(c Config) (*dialer, error) {
	roots, err := readRoots(c.CAFile)
	if err != nil {
		return nil, err
	}
	return &dialer{
		Dialer: net.Dialer{Timeout: c.ConnectTimeout},
		tls: &tls.Config{
			RootCAs:            roots,
			MinVersion:         tls.VersionTLS12,
			NextProtos:         []string{"http/1.1"},
			ClientSessionCache: tls.NewLRUClientSessionCache(len(c.Upstreams)),
		},
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

// dialError says at which step no connection came about, as a cause.
type dialError struct {
	cause string
	err   error
}

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

func newDialError(cause string, err error) *dialError {
	var slow net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &slow) && slow.Timeout() {
		cause = CauseConnectTimeout
	}
	return &dialError{cause: cause, err: err}
}

// to returns how to connect to a host, which may have a port.
func (d *dialer) to(scheme, host string) func(context.Context) (*link, error) {
	name, port, err := net.SplitHostPort(host)
	if err != nil { // It has none.
		name, port = strings.Trim(host, "[]"), map[string]string{"http": "80", "https": "443"}[scheme]
	}
	address := net.JoinHostPort(name, port)
	if scheme == "http" {
		return func(ctx context.Context) (*link, error) {
			conn, err := d.connect(ctx, address)
			if err != nil {
				return nil, err
			}
			return newLink(conn, conn), nil
		}
	}
	settings := d.tls.Clone()
	settings.ServerName = name
	return func(ctx context.Context) (*link, error) {
		conn, err := d.connect(ctx, address)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, d.Timeout)
		defer cancel()
		secure := tls.Client(conn, settings)
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, newDialError(CauseTLS, fmt.Errorf("tls handshake: %w", err))
		}
		return newLink(secure, conn), nil
	}
}

func (d *dialer) connect(ctx context.Context, address string) (net.Conn, error) {
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, newDialError(CauseConnect, err)
	}
	return conn, nil
}
