package canonical

import "strings"

// isTriplet reports whether a percent sign at i begins a percent-encoded byte (RFC 3986, section 2.1).
func isTriplet(path string, i int) bool {
	return i+2 < len(path) && isHex(path[i+1]) && isHex(path[i+2])
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}

// decoded decodes the path once. A percent sign that begins no triplet stands for itself, as it may after
// another round.
func decoded(path string) string { return decode(path, "") }

// decodedButSlashes decodes the path once, but for slashes: those who split before they decode take an
// encoded slash for a part of its segment.
func decodedButSlashes(path string) string { return decode(path, `/\`) }

func decode(path, but string) string {
	var b []byte
	copied := 0
	for i := strings.IndexByte(path, '%'); 0 <= i && i < len(path); i++ {
		if path[i] != '%' || !isTriplet(path, i) {
			continue
		}
		c := unhex(path[i+1])<<4 | unhex(path[i+2])
		if strings.IndexByte(but, c) < 0 {
			if b == nil {
				b = make([]byte, 0, len(path))
			}
			b = append(append(b, path[copied:i]...), c)
			copied = i + 3
		}
		i += 2
	}
	if b == nil {
		return path
	}
	return string(append(b, path[copied:]...))
}

// hasUnicodeEscape reports whether the path holds a code unit as IIS and Jetty used to read it, %uXXXX.
func hasUnicodeEscape(path string) bool {
	for i := 0; i+5 < len(path); i++ {
		if path[i] == '%' && path[i+1]|0x20 == 'u' &&
			isHex(path[i+2]) && isHex(path[i+3]) && isHex(path[i+4]) && isHex(path[i+5]) {
			return true
		}
	}
	return false
}

// hasOverlong reports whether the path holds a character in more bytes than UTF-8 gives it (RFC 3629,
// section 3), which lenient decoders take for the character: C0 AE is a dot to them. Text in Latin-1, which
// old clients send, does not look so.
func hasOverlong(path string) bool {
	for i := 0; i+1 < len(path); i++ {
		c := path[i+1]
		switch path[i] {
		case 0xc0, 0xc1:
			// Decoders that drop the high bits of the second byte take one in ASCII as well.
			if isContinuation(c) || c == '.' || c == '/' || c == '\\' {
				return true
			}
		case 0xe0:
			if 0x80 <= c && c < 0xa0 && i+2 < len(path) && isContinuation(path[i+2]) {
				return true
			}
		case 0xf0, 0xf8, 0xfc:
			if 0x80 <= c && c < 0x90 && i+2 < len(path) && isContinuation(path[i+2]) {
				return true
			}
		}
	}
	return false
}

func isContinuation(c byte) bool { return c&0xc0 == 0x80 }
