package server

import "strings"

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

// canonicalName returns a field's name as http.Header has it. It reports false for what is no name.
func canonicalName(name string) (string, bool) {
	upper := true // what comes next is
	for i := range len(name) {
		c := name[i]
		if !tokens[c] {
			return "", false
		}
		if upper && 'a' <= c && c <= 'z' || !upper && 'A' <= c && c <= 'Z' {
			return capitalized(name)
		}
		upper = c == '-'
	}
	return name, name != ""
}

// capitalized writes a name as http.Header has it.
func capitalized(name string) (string, bool) {
	var memory [64]byte
	text, upper := memory[:0], true
	for i := range len(name) {
		c := name[i]
		switch {
		case !tokens[c]:
			return "", false
		case upper && 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		case !upper && 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		upper = c == '-'
		text = append(text, c)
	}
	if known, ok := knownNames[string(text)]; ok {
		return known, true
	}
	return string(text), true
}

// knownNames are those that many clients send, so that none of them is made anew.
var knownNames = func() map[string]string {
	names := map[string]string{}
	for name := range strings.FieldsSeq(`Accept Accept-Charset Accept-Encoding Accept-Language Access-Control-Request-Headers
		Access-Control-Request-Method Authorization Cache-Control Connection Content-Disposition Content-Encoding Content-Language
		Content-Length Content-Type Cookie Date Dnt Expect Forwarded From Host If-Match If-Modified-Since If-None-Match If-Range
		If-Unmodified-Since Keep-Alive Origin Pragma Priority Proxy-Connection Range Referer Sec-Ch-Ua Sec-Ch-Ua-Mobile
		Sec-Ch-Ua-Platform Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site Sec-Fetch-User Sec-Gpc Sec-Websocket-Extensions
		Sec-Websocket-Key Sec-Websocket-Protocol Sec-Websocket-Version Te Traceparent Tracestate Trailer Transfer-Encoding Upgrade
		Upgrade-Insecure-Requests User-Agent Via X-Csrf-Token X-Forwarded-For X-Forwarded-Host X-Forwarded-Port X-Forwarded-Proto
		X-Real-Ip X-Request-Id X-Requested-With`) {
		names[name] = name
	}
	return names
}()
