package canonical

import (
	"net/url"
	"path"
	"strings"
)

// The models are naive readers of a path, each written as the program does it that it is named after, one
// step behind the other, and with nothing of the package under test. Each returns the paths that it acts on.
var models = map[string]func(raw string) []string{
	"nginx":      nginx,
	"tomcat":     tomcat,
	"iis":        iis,
	"browser":    browser,
	"express":    express,
	"servemux":   serveMux,
	"wsgi":       wsgi,
	"rails":      rails,
	"php":        phpFront,
	"decoders":   decoders,
	"normalizer": normalizer,
}

// nginx decodes once, then merges slashes and resolves dot segments in one go.
func nginx(raw string) []string {
	text, err := url.PathUnescape(raw)
	if err != nil {
		return nil
	}
	return []string{path.Clean(text), resolve(text)}
}

// tomcat cuts parameters off the raw segments, decodes, turns backslashes, merges slashes and resolves. Where
// the encoded slash is left in, it is part of its segment.
func tomcat(raw string) []string {
	var found []string
	for _, keep := range []bool{false, true} {
		text := unescape(stripParameters(raw), keep)
		text = strings.ReplaceAll(text, `\`, "/")
		found = append(found, resolve(squeeze(text)))
	}
	return found
}

// iis decodes once or, in its older days, twice; backslashes are slashes; then Windows opens the names.
func iis(raw string) []string {
	var found []string
	for text, i := raw, 0; i < 2; i++ {
		text = unescape(text, false)
		slashed := squeeze(strings.ReplaceAll(text, `\`, "/"))
		resolved := resolve(slashed)
		names := strings.Split(resolved, "/")
		for i, name := range names {
			names[i] = strings.TrimRight(name, ". ")
		}
		found = append(found, resolved, strings.Join(names, "/"))
	}
	return found
}

// browser is the URL parser of the WHATWG with a base, as programs for Node apply it to the target.
func browser(raw string) []string {
	text := strings.ReplaceAll(raw, `\`, "/")
	if strings.HasPrefix(text, "//") {
		_, text, _ = strings.Cut(strings.TrimLeft(text, "/"), "/")
		text = "/" + text
	}
	segments := strings.Split(text[1:], "/")
	for i, segment := range segments {
		switch dots := strings.ReplaceAll(strings.ToLower(segment), "%2e", "."); dots {
		case ".", "..":
			segments[i] = dots
		}
	}
	text = resolve("/" + strings.Join(segments, "/"))
	return []string{unescape(text, false), unescape(text, true)}
}

// express matches the raw path, and decodes what a parameter holds.
func express(raw string) []string {
	segments := strings.Split(raw, "/")
	for i, segment := range segments {
		segments[i] = unescape(segment, true)
	}
	return []string{strings.Join(segments, "/")}
}

func serveMux(raw string) []string {
	u, err := url.ParseRequestURI(raw)
	if err != nil {
		return nil
	}
	return []string{path.Clean(u.Path)}
}

// wsgi hands over the decoded path; Werkzeug merges slashes, the file server of Python normalises.
func wsgi(raw string) []string {
	text := unescape(raw, false)
	beforeQuery, _, _ := strings.Cut(text, "?")
	beforeFragment, _, _ := strings.Cut(beforeQuery, "#")
	return []string{text, squeeze(text), beforeQuery, path.Clean(beforeFragment)}
}

// rails squeezes slashes, cuts the last one and splits the format off the raw path.
func rails(raw string) []string {
	text := squeeze(raw)
	if len(text) > 1 {
		text = strings.TrimSuffix(text, "/")
	}
	slash := strings.LastIndexByte(text, '/')
	if i := strings.LastIndexByte(text, '.'); i > slash+1 && strings.Trim(text[slash+1:i], ".") != "" && i+1 < len(text) {
		text = text[:i]
	}
	return []string{unescape(text, true), unescape(text, false)}
}

// phpFront is a front controller: what follows /index.php is the path, or what follows the last name of a script, where
// the server before it splits the target there.
func phpFront(raw string) []string {
	text := unescape(raw, false)
	if len(text) > len("/index.php") && strings.EqualFold(text[:len("/index.php")], "/index.php") && text[len("/index.php")] == '/' {
		text = text[len("/index.php"):]
	}
	split := text
	if i := strings.LastIndex(text, ".php/"); i >= 0 {
		split = text[i+len(".php"):]
	}
	return []string{text, squeeze(text), split}
}

// decoders decode until nothing changes, one program behind the other, and the last of them cleans up.
func decoders(raw string) []string {
	var found []string
	for text := raw; ; {
		next, err := url.PathUnescape(text)
		if err != nil || next == text {
			return found
		}
		text = next
		found = append(found, text, path.Clean(text))
	}
}

// normalizer is a proxy that decodes unreserved characters and resolves before a server that strips
// parameters, decodes and resolves again.
func normalizer(raw string) []string {
	var b strings.Builder
	for i := 0; i < len(raw); i++ {
		if raw[i] == '%' && i+2 < len(raw) {
			c, err := url.PathUnescape(raw[i : i+3])
			if err == nil && (isAlphanumeric(c[0]) || strings.Contains("-._~", c)) {
				b.WriteString(c)
			} else {
				b.WriteString(raw[i : i+3])
			}
			i += 2
			continue
		}
		b.WriteByte(raw[i])
	}
	return tomcat(resolve(b.String()))
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// unescape decodes once and leaves alone what is no encoding; with keep, encoded slashes too.
func unescape(text string, keep bool) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if i+2 < len(text) {
			if c, err := url.PathUnescape(text[i : i+3]); err == nil && text[i] == '%' && (!keep || c != "/" && c != `\`) {
				b.WriteString(c)
				i += 2
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

func stripParameters(text string) string {
	segments := strings.Split(text, "/")
	for i, segment := range segments {
		segments[i], _, _ = strings.Cut(segment, ";")
	}
	return strings.Join(segments, "/")
}

func squeeze(text string) string {
	for strings.Contains(text, "//") {
		text = strings.ReplaceAll(text, "//", "/")
	}
	return text
}

// resolve removes dot segments; a program that climbs above the root stays there.
func resolve(text string) string {
	var kept []string
	segments := strings.Split(text, "/")[1:]
	for i, segment := range segments {
		last := i == len(segments)-1
		switch segment {
		case ".", "..":
			if segment == ".." && len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
			if last {
				kept = append(kept, "")
			}
		default:
			kept = append(kept, segment)
		}
	}
	return "/" + strings.Join(kept, "/")
}
