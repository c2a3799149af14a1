package canonical

import (
	"net/http"
	"strings"
)

// longestPath is the longest path that is read, in bytes as they came.
const longestPath = 8 << 10

// splitTarget takes a request target (RFC 9112, section 3.2) apart: the authority of an absolute form, the
// path and the query, all as they came.
func splitTarget(method, target string) (authority, path, query string, err error) {
	switch {
	case target == "":
		return "", "", "", malformed(CauseTarget, "the target is missing; expected a path such as /")
	case target[0] == '/':
		path, query = cutQuery(target)
		return "", path, query, nil
	case target == "*":
		if method != http.MethodOptions {
			return "", "", "", malformed(CauseTarget, "the target * goes with the method OPTIONS only, not with %s", excerpt(method))
		}
		return "", "/", "", nil
	default:
		rest, ok := cutScheme(target)
		if !ok {
			return "", "", "", malformed(CauseTarget, "the target %s is neither a path nor an http or https URL", excerpt(target))
		}
		end := strings.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		if authority, path = rest[:end], rest[end:]; authority == "" {
			return "", "", "", malformed(CauseHost, "the target %s names no host", excerpt(target))
		}
	}
	path, query = cutQuery(path)
	if path == "" {
		path = "/" // RFC 9110, section 4.2.3.
	}
	return authority, path, query, nil
}

func cutQuery(target string) (path, query string) {
	if mark := strings.IndexByte(target, '?'); mark >= 0 {
		return target[:mark], target[mark+1:]
	}
	return target, ""
}

// cutScheme removes http:// or https:// in any case.
func cutScheme(target string) (rest string, ok bool) {
	for _, scheme := range [...]string{"http://", "https://"} {
		if len(target) >= len(scheme) && strings.EqualFold(target[:len(scheme)], scheme) {
			return target[len(scheme):], true
		}
	}
	return "", false
}

// checkTarget refuses a path that is too long, bytes that end a target or a line of the request for one
// server and not for another, and percent-encodings in the path that are none. The oddities are those of
// the path. A stray percent sign in the query is common and harmless.
func checkTarget(path, query string, o odd) error {
	if len(path) > longestPath {
		m := malformed(CauseLength, "the path is %d bytes long; at most %d are read", len(path), longestPath)
		m.Status = http.StatusRequestURITooLong
		return m
	}
	for i := range len(query) {
		o |= oddities[query[i]] & (control | blank | hash)
	}
	switch {
	case o&control != 0:
		return malformed(CauseControl, "the target holds a control character")
	case o&blank != 0:
		return malformed(CauseTarget, "the target holds a blank; encoded as %%20 it would be right")
	case o&hash != 0:
		return malformed(CauseTarget, "the target holds a fragment; clients keep what follows # to themselves")
	case o&percent == 0:
		return nil
	}
	for i := range len(path) {
		if path[i] == '%' && !isTriplet(path, i) {
			return malformed(CauseEncoding, "the path holds %s, which is no percent-encoding; a percent sign alone is %%25", excerpt(path[i:min(i+3, len(path))]))
		}
	}
	return nil
}
