package gateway

import "net"

// LocalAddress returns an address at which this machine reaches a listener: its own, or loopback where it listens on
// every interface.
func LocalAddress(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if host == "" || host == "0.0.0.0" || host == "::" { // each of them is both IPv4 and IPv6 to Go
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
