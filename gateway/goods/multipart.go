package goods

import (
	"encoding/base64"
	"strings"
)

// part is a part of a multipart body.
type part struct {
	// names are its names: of several name parameters PHP takes the last, others the first.
	names []string
	// values are its value as it is and, where it is in base64, decoded.
	values []string
	// file says that it has a file's name, and named that this is not empty.
	file, named bool
	// odd says that its value is encoded in a way in which it was not read.
	odd bool
}

// eachPart calls f with every part that has a name. It is as lenient as PHP (main/rfc1867.c): lines may end in a bare
// LF, something may stand before the first boundary and behind the last, and that may be missing. eachPart reports whether
// the boundary is there at all.
func eachPart(body, boundary string, f func(part)) bool {
	delimiter := "\n--" + boundary
	var content string
	more := strings.HasPrefix(body, delimiter[1:])
	if more {
		body = body[len(delimiter)-1:]
	} else if _, body, more = strings.Cut(body, delimiter); !more {
		return false
	}
	for more {
		content, body, more = strings.Cut(body, delimiter)
		if more {
			content = strings.TrimSuffix(content, "\r")
		}
		line, content, ok := strings.Cut(content, "\n")
		if !ok || strings.TrimSpace(line) != "" {
			continue // The end, or no boundary after all.
		}
		if p, ok := parsePart(content); ok {
			f(p)
		}
	}
	return true
}

// parsePart reads the header of a part.
func parsePart(content string) (p part, ok bool) {
	var header []string
	for {
		line, rest, more := strings.Cut(content, "\n")
		line = strings.TrimSuffix(line, "\r")
		content = rest
		switch {
		case line == "":
			p.read(header, content)
			return p, len(p.names) > 0
		case !more:
			return p, false
		case len(header) > 0 && (line[0] == ' ' || line[0] == '\t'):
			header[len(header)-1] += line
		default:
			header = append(header, line)
		}
	}
}

// read reads the lines of a header, and the content as they tell.
func (p *part) read(header []string, content string) {
	if len(header) > 0 {
		p.values = append(p.values, content)
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ":")
		lower := strings.ToLower(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "content-disposition":
			p.disposition(value)
		case "content-transfer-encoding":
			p.transferred(strings.TrimSpace(lower), content)
		case "content-type":
			p.odd = p.odd || !isASCII(value)
			for _, charset := range parameters(value, lower, "charset") {
				p.odd = p.odd || !isUnicode(strings.ToLower(charset))
			}
		}
	}
}

// disposition reads the parameters of Content-Disposition.
func (p *part) disposition(header string) {
	for header != "" {
		var pair string
		pair, header = word(header, ';')
		name, rest := word(pair, '=')
		switch value := unquoted(rest); strings.ToLower(strings.TrimSpace(name)) {
		case "name":
			p.names = append(p.names, value)
		case "name*": // RFC 8187, as Python reads it.
			if i := strings.LastIndexByte(value, '\''); i >= 0 {
				p.names = append(p.names, unescaped(strings.ReplaceAll(value[i+1:], "+", "%2B")))
			}
		case "filename", "filename*":
			p.file, p.named = true, p.named || value != ""
		}
	}
}

// transferred decodes a value that is in base64, which PHP does not.
func (p *part) transferred(coding, content string) {
	switch coding {
	case "", "7bit", "8bit", "binary":
	case "base64":
		decoded, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(content), ""))
		if err != nil {
			p.odd = true
			return
		}
		p.values = append(p.values, string(decoded))
	default:
		p.odd = true
	}
}

// word cuts s at the first stop that is outside quotes.
func word(s string, stop byte) (before, after string) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case stop:
			return s[:i], s[i+1:]
		case '"', '\'':
			for i++; i < len(s) && s[i] != c; i++ {
				if s[i] == '\\' && i+1 < len(s) && s[i+1] == c {
					i++
				}
			}
		}
	}
	return s, ""
}

// unquoted returns a parameter's value, which may be in double quotes, single quotes or none.
func unquoted(s string) string {
	s = strings.TrimLeft(s, " \t")
	if s == "" || s[0] != '"' && s[0] != '\'' {
		if i := strings.IndexAny(s, " \t"); i >= 0 {
			s = s[:i]
		}
		return s
	}
	var b []byte
	for i := 1; i < len(s) && s[i] != s[0]; i++ {
		if s[i] == '\\' && i+1 < len(s) && (s[i+1] == '\\' || s[i+1] == s[0]) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}
