package server

import "bytes"

// tokens are the characters of names and methods (RFC 9110, section 5.6.2).
var tokens = func() (token [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~") {
		token[c] = true
	}
	return token
}()

func isToken(text string) bool {
	for i := range len(text) {
		if !tokens[text[i]] {
			return false
		}
	}
	return text != ""
}

// capitalize writes the names of fields as http.Header has them, of which each is one line. It changes nothing else.
func capitalize(lines []byte) {
	for {
		upper := true // what comes next is
		for i, c := range lines {
			if c == ':' || c == '\n' {
				break
			}
			if upper && 'a' <= c && c <= 'z' {
				lines[i] = c - ('a' - 'A')
			} else if !upper && 'A' <= c && c <= 'Z' {
				lines[i] = c + ('a' - 'A')
			}
			upper = c == '-'
		}
		end := bytes.IndexByte(lines, '\n')
		if end < 0 {
			return
		}
		lines = lines[end+1:]
	}
}
