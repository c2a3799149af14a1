package accesslog

import (
	"net/netip"
	"strings"
)

// parseCommon reads the common format, and what begins like it:
//
//	[host] client ident user [time] "request" status bytes ["referer" "agent" ...]
func (p *Parser) parseCommon(line string, e *Entry) error {
	client, rest, ok := strings.Cut(line, " ")
	if !ok {
		return errUnknown
	}
	if err := e.readClient(client); err != nil {
		second, behind, _ := strings.Cut(rest, " ")
		if _, other := netip.ParseAddr(second); other != nil {
			if strings.Contains(line, "] \"") {
				return err
			}
			return errUnknown
		}
		e.Host, rest = client, behind
		if err := e.readClient(second); err != nil {
			return err
		}
	}
	// A user's name is the client's, and may look like a time; but the quote of a request cannot be in it.
	for {
		_, from, ok := strings.Cut(rest, "[")
		if !ok {
			return errUnknown
		}
		rest = from
		text, behind, _ := strings.Cut(from, "] \"")
		at, err := p.clock.parse(text)
		if err != nil {
			continue
		}
		request, behind, ok := cutQuoted(behind)
		if !ok || !isStatus(behind) {
			return errUnknown
		}
		e.At = at
		e.readRequest(unescaped(request))
		return nil
	}
}

// cutQuoted returns what stands before the closing quote, and what behind it.
func cutQuoted(text string) (quoted, rest string, ok bool) {
	for from := 0; ; {
		end := strings.IndexByte(text[from:], '"')
		if end < 0 {
			return "", "", false
		}
		end += from
		slashes := 0
		for end-slashes > 0 && text[end-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return text[:end], text[end+1:], true
		}
		from = end + 1
	}
}

// isStatus reports whether a status and a number of bytes follow, so that the line has not been cut off before them.
func isStatus(text string) bool {
	if len(text) < len(" 200 0") || text[0] != ' ' || text[4] != ' ' {
		return false
	}
	for _, c := range []byte(text[1:4]) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return text[5] == '-' || '0' <= text[5] && text[5] <= '9'
}

// unescaped undoes what servers do to bytes that could end a field: \xHH of nginx and Apache, and the letters of Apache.
func unescaped(text string) string {
	at := strings.IndexByte(text, '\\')
	if at < 0 {
		return text
	}
	plain := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c != '\\' || i+1 == len(text) {
			plain = append(plain, c)
			continue
		}
		i++
		switch next := text[i]; {
		case next == 'x' && i+2 < len(text) && unhex(text[i+1]) < 16 && unhex(text[i+2]) < 16:
			plain = append(plain, unhex(text[i+1])<<4|unhex(text[i+2]))
			i += 2
		case strings.IndexByte(`"\`, next) >= 0:
			plain = append(plain, next)
		case strings.IndexByte("bnrtv", next) >= 0:
			plain = append(plain, "\b\n\r\t\v"[strings.IndexByte("bnrtv", next)])
		default:
			plain = append(plain, '\\', next)
		}
	}
	return string(plain)
}

// unhex returns the value of a hexadecimal digit, and more than any has for what is none.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0xff
}
