package canonical

import (
	"bytes"
	"strings"
)

// transform is one way in which some server reads a path as another path. It concerns paths with any of some
// features, and yields each path that it makes, which may be the same, for as long as more are wanted. What it
// is given begins with a slash and so does what it makes.
type transform struct {
	concerns odd
	apply    func(path string, yield func(string) bool)
}

// transforms are all but percent-decoding, in no order that matters.
var transforms = [...]transform{
	{backslash, one(backslashesAsSlashes)},
	{doubled, one(slashesMerged)},
	{doubled, one(withoutAuthority)},
	{dot, one(withoutDotSegments)},
	{semicolon, one(withoutParameters)},
	{semicolon, cutAt(";")},
	{question, cutAt("?")},
	{hash, cutAt("#")},
	{dot | blank, one(withoutTails)},
	{stream, one(withoutStreams)},
	{blank, one(withoutBlanks)},
	{plus, one(plusesAsBlanks)},
	{dot, withoutExtension},
	{dot, behindScript},
	{dot, scriptApart},
	{dot | session, one(withoutExtras)},
	{high, one(compatible)},
	{high, one(unaccented)},
	{high, one(sharps.Replace)},
}

func one(read func(string) string) func(string, func(string) bool) {
	return func(path string, yield func(string) bool) { yield(read(path)) }
}

// cutAt reads a path up to a mark: there the path ends for those who look for it after decoding.
func cutAt(mark string) func(string, func(string) bool) {
	return one(func(path string) string {
		before, _, _ := strings.Cut(path, mark)
		return before
	})
}

// backslashesAsSlashes reads as Windows does, and as browsers' URL parsers do, Node's among them.
func backslashesAsSlashes(path string) string { return strings.ReplaceAll(path, `\`, "/") }

// slashesMerged reads as nginx and Apache do by default, and as most frameworks do.
func slashesMerged(path string) string {
	b := make([]byte, 0, len(path))
	for i := range len(path) {
		if path[i] != '/' || i == 0 || path[i-1] != '/' {
			b = append(b, path[i])
		}
	}
	return string(b)
}

// withoutAuthority reads a path that begins with two slashes as a network-path reference (RFC 3986, section
// 4.2), as do programs that hand the target to a parser of URLs. Those of browsers skip further slashes.
func withoutAuthority(path string) string {
	if !strings.HasPrefix(path, "//") {
		return path
	}
	path = strings.TrimLeft(path, "/")
	if slash := strings.IndexByte(path, '/'); slash >= 0 {
		return path[slash:]
	}
	return "/"
}

// withoutParameters removes path parameters (RFC 3986, section 3.3), as servlet containers do.
func withoutParameters(path string) string {
	return mapSegments(path, func(segment string) (string, bool) {
		before, _, _ := strings.Cut(segment, ";")
		return before, true
	})
}

// withoutTails reads names as Windows does, without dots and blanks at the end.
func withoutTails(path string) string {
	return mapSegments(path, func(segment string) (string, bool) {
		if segment == "." || segment == ".." {
			return segment, true
		}
		return strings.TrimRight(segment, ". "), true
	})
}

// withoutStreams reads names as NTFS does, without the name of a stream behind a colon (/cart::$DATA).
func withoutStreams(path string) string {
	return mapSegments(path, func(segment string) (string, bool) {
		if i := strings.Index(segment, ":$"); i >= 0 {
			segment = strings.TrimSuffix(segment[:i], ":")
		}
		return segment, true
	})
}

// withoutBlanks removes the blanks about each segment, as frameworks do that trim.
func withoutBlanks(path string) string {
	return mapSegments(path, func(segment string) (string, bool) { return strings.Trim(segment, " "), true })
}

// plusesAsBlanks reads a path as if it were part of a form, as PHP's urldecode does, which many shops use.
func plusesAsBlanks(path string) string { return strings.ReplaceAll(path, "+", " ") }

// withoutExtras removes segments that stand in front of what is asked for and do not change it: front controllers
// (/index.php/cart), and the session of ASP.NET (/(S(3d4x))/cart).
func withoutExtras(path string) string {
	return mapSegments(path, func(segment string) (string, bool) {
		return segment, !isFrontController(segment) && !isSession(segment)
	})
}

// isFrontController reports whether a segment names the script that serves the whole folder.
func isFrontController(segment string) bool {
	name, extension, ok := strings.Cut(segment, ".")
	if !ok || extension == "" {
		return false
	}
	switch {
	case strings.EqualFold(name, "index"), strings.EqualFold(name, "default"),
		strings.EqualFold(name, "app"), strings.EqualFold(name, "app_dev"):
		return isLetter(extension[0])
	}
	return false
}

// behindScript reads what follows a script's name as the path, as a script does for which its server has split the target,
// whatever stands in front: some search for the last name that ends in .php (/index.php/x.php/cart), and some run the
// same script wherever its name stands (/x/index.php/cart).
func behindScript(path string, yield func(string) bool) {
	for start := 1; ; {
		slash := strings.IndexByte(path[start:], '/')
		if slash < 0 {
			return
		}
		end := start + slash
		if segment := path[start:end]; (isFrontController(segment) || isPHP(segment)) && !yield(path[end:]) {
			return
		}
		start = end + 1
	}
}

// scriptApart ends a segment behind each name of a script in PHP with which it only begins, as Symfony does, and with it
// most shops in PHP, when it takes the script's name off the target (/index.phpcart).
func scriptApart(path string, yield func(string) bool) {
	for end := gluedScript(path, 0); end > 0; end = gluedScript(path, end) {
		if !yield(path[:end] + "/" + path[end:]) {
			return
		}
	}
}

// gluedScript returns where the next name of a script ends with which a segment only begins; 0 if there is none.
func gluedScript(path string, from int) int {
	const extension = ".php"
	for end := from + len(extension); end < len(path); end++ {
		if path[end-len(extension)] == '.' && path[end] != '/' && strings.EqualFold(path[end-len(extension):end], extension) {
			return end
		}
	}
	return 0
}

// isPHP reports whether a segment has an extension by which servers know a script of PHP.
func isPHP(segment string) bool {
	const extension = ".php"
	i := len(strings.TrimRight(segment, "0123456789")) - len(extension)
	return i >= 0 && strings.EqualFold(segment[i:i+len(extension)], extension)
}

// isSession reports whether a segment looks like (S(…)), (A(…)F(…)) and the like.
func isSession(segment string) bool {
	return len(segment) > 4 && segment[0] == '(' && isLetter(segment[1]) && segment[2] == '(' && strings.HasSuffix(segment, "))")
}

// withoutExtension removes the last extension of one segment: any extension of the last segment, where
// frameworks take it for a format, and one that begins with a letter further in front, where it may be that
// of a script (/cart.php/add).
func withoutExtension(path string, yield func(string) bool) {
	end := len(strings.TrimRight(path, "/"))
	for last := true; end > 0; last = false {
		start := strings.LastIndexByte(path[:end], '/') + 1
		segment := path[start:end]
		if i := strings.LastIndexByte(segment, '.'); i > 0 && strings.Trim(segment[:i], ".") != "" && i+1 < len(segment) {
			if (last || isLetter(segment[i+1])) && !yield(path[:start+i]+path[end:]) {
				return
			}
		}
		end = start - 1
	}
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// withoutDotSegments removes dot segments (RFC 3986, section 5.2.4): an empty segment is a segment, and what
// climbs above the root stays there.
func withoutDotSegments(path string) string {
	clean, _ := removeDotSegments(path)
	return clean
}

// climbs reports whether the dot segments of a path lead above the root.
func climbs(path string) bool {
	_, above := removeDotSegments(path)
	return above
}

func removeDotSegments(path string) (clean string, above bool) {
	if !hasDotSegment(path) {
		return path, false
	}
	b := make([]byte, 0, len(path))
	for rest, more := path[1:], true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		switch segment {
		case "..":
			above = above || len(b) == 0
			b = b[:max(0, bytes.LastIndexByte(b, '/'))]
		case ".":
		default:
			b = append(append(b, '/'), segment...)
			continue
		}
		if !more {
			b = append(b, '/')
		}
	}
	return string(b), above
}

func hasDotSegment(path string) bool {
	return strings.Contains(path, "/./") || strings.Contains(path, "/../") || strings.HasSuffix(path, "/.") || strings.HasSuffix(path, "/..")
}

// mapSegments replaces every segment by what read makes of it, or leaves it out if read says so. A path that
// stays as it is is not copied.
func mapSegments(path string, read func(segment string) (text string, keep bool)) string {
	var b []byte
	for start := 1; start <= len(path); {
		end := len(path)
		if slash := strings.IndexByte(path[start:], '/'); slash >= 0 {
			end = start + slash
		}
		text, keep := read(path[start:end])
		if b == nil && (!keep || text != path[start:end]) {
			b = append(make([]byte, 0, len(path)), path[:start-1]...)
		}
		switch {
		case b == nil:
		case keep:
			b = append(append(b, '/'), text...)
		case end == len(path):
			b = append(b, '/')
		}
		start = end + 1
	}
	if b == nil {
		return path
	}
	return string(b)
}
