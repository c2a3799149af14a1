package canonical

import (
	"net/netip"
	"strings"
)

const (
	longestHost  = 253 // RFC 1035, section 2.3.4, as text.
	longestLabel = 63
	longestPort  = 65535
)

// readHost returns the host that a Host field names: in lower case, without port and without the dot of
// the root. A name is a list of labels of letters, digits, hyphens and underscores; an IPv6 address stays
// in its brackets, in its canonical text (RFC 5952). A host that is already so costs nothing.
func readHost(field string) (string, error) {
	if field == "" {
		return "", malformed(CauseHost, "the host is missing")
	}
	if field[0] == '[' {
		return readAddress(field)
	}
	name := field
	if colon := strings.IndexByte(field, ':'); colon >= 0 {
		name = field[:colon]
		if err := checkPort(field, field[colon+1:]); err != nil {
			return "", err
		}
	}
	return readName(field, name)
}

func readName(field, name string) (string, error) {
	name = strings.TrimSuffix(name, ".")
	if len(name) > longestHost {
		return "", malformed(CauseHost, "the host %s is longer than %d bytes", excerpt(field), longestHost)
	}
	var upper bool
	label := 0 // where the label began
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
		case 'A' <= c && c <= 'Z':
			upper = true
		case c == '.':
			if !isLabel(name[label:i]) {
				return "", badLabel(field)
			}
			label = i + 1
		default:
			return "", malformed(CauseHost, "the host %s holds %s; letters, digits, hyphens and dots make a host, and any other script is written in Punycode", excerpt(field), excerpt(name[i:i+1]))
		}
	}
	if !isLabel(name[label:]) {
		return "", badLabel(field)
	}
	if upper {
		name = strings.ToLower(name)
	}
	return name, nil
}

func badLabel(field string) error {
	return malformed(CauseHost, "the host %s has a label that is empty, longer than %d bytes, or begins or ends with a hyphen", excerpt(field), longestLabel)
}

func isLabel(label string) bool {
	return label != "" && len(label) <= longestLabel && label[0] != '-' && label[len(label)-1] != '-'
}

// readAddress reads an IPv6 address in brackets. A zone is for the client's own use and names no host.
func readAddress(field string) (string, error) {
	literal, port, closed := strings.Cut(field[1:], "]")
	addr, err := netip.ParseAddr(literal)
	if !closed || err != nil || !addr.Is6() || addr.Zone() != "" {
		return "", malformed(CauseHost, "the host %s is no IPv6 address in brackets", excerpt(field))
	}
	if port != "" {
		if port[0] != ':' {
			return "", malformed(CauseHost, "the host %s goes on behind its address", excerpt(field))
		}
		if err := checkPort(field, port[1:]); err != nil {
			return "", err
		}
	}
	return "[" + addr.String() + "]", nil
}

// checkPort takes the one decimal spelling of a port, because servers differ over the others.
func checkPort(field, port string) error {
	n, ok := 0, 0 < len(port) && len(port) <= 5 && port[0] != '0'
	for i := 0; ok && i < len(port); i++ {
		ok = '0' <= port[i] && port[i] <= '9'
		n = n*10 + int(port[i]-'0')
	}
	if !ok || n > longestPort {
		return malformed(CauseHost, "the host %s has no port behind its colon; expected a number from 1 to %d", excerpt(field), longestPort)
	}
	return nil
}

// sameHost refuses a request that names two hosts, because a server behind may believe either.
func sameHost(a, b string) error {
	if a == b {
		return nil
	}
	hostA, err := readHost(a)
	if err != nil {
		return err
	}
	hostB, err := readHost(b)
	if err != nil {
		return err
	}
	if hostA != hostB {
		return malformed(CauseHost, "the request names two hosts, %s and %s", excerpt(a), excerpt(b))
	}
	return nil
}
