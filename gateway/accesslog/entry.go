package accesslog

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// Entry is one request as a log has it.
type Entry struct {
	// Client is the address that the server took for the client's, unmapped.
	Client netip.Addr
	// At is when the request came, or was answered: the log does not say which.
	At time.Time
	// Method and Target are as they stood in the request line; both are empty if the server could not read one.
	Method, Target string
	// Host is the host asked for; empty if the line does not name it.
	Host string
	// Bodiless says that the line knows of no body. Most lines say nothing of that.
	Bodiless bool

	format  format
	request string // the JSON that has the header fields; empty if none has
}

// Parser reads lines. The zero Parser is usable; it serves one goroutine.
type Parser struct {
	clock clock
}

// Parse reads a line, without its end, into e. The error says why there is no request in it; e is of no use then. What it
// keeps of the line shares the line's memory.
func (p *Parser) Parse(line string, e *Entry) error {
	*e = Entry{}
	if strings.HasPrefix(line, "{") {
		return p.parseJSON(line, e)
	}
	return p.parseCommon(line, e)
}

var errUnknown = errors.New("no line of an access log; expected the common or the combined format, or JSON as nginx, Caddy and Traefik write it")

// readClient reads an address, with or without a port.
func (e *Entry) readClient(text string) error {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		withPort, portErr := netip.ParseAddrPort(text)
		if portErr != nil {
			return fmt.Errorf("the client %.60q is no address; have the server log addresses and no names", text)
		}
		addr = withPort.Addr()
	}
	e.Client = addr.Unmap().WithZone("")
	return nil
}

// readRequest reads a request line.
func (e *Entry) readRequest(line string) {
	method, rest, ok := strings.Cut(line, " ")
	if !ok {
		return
	}
	if end := strings.LastIndexByte(rest, ' '); end >= 0 && strings.HasPrefix(rest[end+1:], "HTTP/") {
		rest = rest[:end]
	}
	e.setRequest(method, rest)
}

// setRequest notes what was asked. A method that is none (RFC 9110, section 9.1) leaves both empty: a server logs what it has
// answered 400, too.
func (e *Entry) setRequest(method, target string) {
	if httpguts.ValidHeaderFieldName(method) { // both are tokens
		e.Method, e.Target = method, target
	}
}
