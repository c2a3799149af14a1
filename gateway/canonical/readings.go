package canonical

import (
	"slices"
	"strings"
)

const (
	// mostReadings and mostBytes bound the work that one target can cause. Honest targets have few odd
	// features at a time: a dozen readings is already much.
	mostReadings = 128
	mostBytes    = 128 << 10
	// mostRounds is how often a path is decoded. Honest links are encoded twice at most, by mistake.
	mostRounds = 4
)

// appendReadings appends all readings of a path that came with a target, the plain one first: what it is
// once decoded. The oddities are those of the path. Most paths need no closure.
func appendReadings(dst []string, path string, o odd) ([]string, error) {
	if o == 0 {
		return append(dst, path), nil
	}
	if readings, ok := appendShorter(dst, path, o); ok {
		return readings, nil
	}
	return appendClosure(dst, path, o)
}

// appendClosure is appendReadings for every path. There are two stages. Structure that a server sees before it
// decodes (a semicolon that ends a segment, say) is taken from the path as it came; each form that results is
// decoded, and from there on every transform applies to every form, until nothing new turns up. Forms that
// were never decoded are no readings.
func appendClosure(dst []string, path string, o odd) ([]string, error) {
	undecoded, readings := forms{from: path}, forms{from: path}
	undecoded.add(path, 0)
	rounds := 0
	if o&percent != 0 {
		undecoded.grow(false)
		rounds = 1
	}
	if undecoded.refusal != nil {
		return dst, undecoded.refusal
	}
	readings.bytes = undecoded.bytes
	for _, decode := range [...]func(string) string{decoded, decodedButSlashes} {
		for i := range undecoded.all {
			readings.add(decode(undecoded.all[i].path), rounds)
		}
	}
	readings.grow(true)
	if readings.refusal != nil {
		return dst, readings.refusal
	}
	for i := range readings.all {
		dst = append(dst, readings.all[i].path)
	}
	return dst, nil
}

// appendShorter appends the readings of the most common odd path, that of a file with an extension: the path,
// the path without each of its extensions, and the folder if the file is a front controller. They are all
// parts of the path, so nothing is copied. It reports false if the path needs more than that.
func appendShorter(dst []string, path string, o odd) (readings []string, ok bool) {
	name := strings.LastIndexByte(path, '/') + 1
	first := strings.IndexByte(path, '.')
	if o != dot || first <= name || path[len(path)-1] == '.' || strings.Contains(path, "..") || gluedScript(path, 0) > 0 {
		return dst, false
	}
	dst = append(dst, path)
	if isFrontController(path[name:]) {
		dst = append(dst, path[:name])
	}
	for i := len(path) - 1; i >= first; i-- {
		if path[i] == '.' {
			dst = append(dst, path[:i])
		}
	}
	return dst, true
}

// forms is a growing set of forms of one path.
type forms struct {
	from    string // the path as it came
	all     []form
	known   map[string]bool // all, once there are many
	bytes   int             // of all forms, to bound the work
	refusal error
}

// form is a path, what is odd about it, and how many times it has been decoded.
type form struct {
	path   string
	odd    odd
	rounds int
}

// grow applies the transforms, and with decode percent-decoding too, to every form until nothing new turns up.
func (f *forms) grow(decode bool) {
	for i := 0; i < len(f.all) && f.refusal == nil; i++ {
		from := f.all[i]
		add := func(path string) bool {
			f.add(path, from.rounds)
			return f.refusal == nil
		}
		for _, t := range transforms {
			if from.odd&t.concerns != 0 {
				t.apply(from.path, add)
			}
		}
		if decode && from.odd&percent != 0 {
			f.add(decoded(from.path), from.rounds+1)
			f.add(decodedButSlashes(from.path), from.rounds+1)
		}
	}
}

// add adds a form if it is new, and refuses the whole set if the form is malformed or one too many.
func (f *forms) add(path string, rounds int) {
	if f.refusal != nil || f.has(path) {
		return
	}
	o := oddIn(path)
	f.bytes += len(path)
	f.all = append(f.all, form{path: path, odd: o, rounds: rounds})
	if f.known != nil {
		f.known[path] = true
	}
	switch {
	case o&dot != 0 && climbs(path):
		// Also a form that only some servers make: where it climbs to and comes down again, nobody here can know.
		f.refusal = malformed(CauseAboveRoot, "the dot segments of the path %s climb above the root", excerpt(f.from))
	case o&control != 0:
		f.refusal = malformed(CauseControl, "the path holds an encoded control character")
	case o&lead != 0 && hasOverlong(path):
		f.refusal = malformed(CauseEncoding, "the path holds an overlong form of UTF-8 (RFC 3629, section 3)")
	case o&percent != 0 && hasUnicodeEscape(path):
		f.refusal = malformed(CauseEncoding, "the path holds a percent-encoding in the form %%uXXXX; UTF-8 would be right")
	case rounds > mostRounds:
		f.refusal = malformed(CauseEncoding, "the path is percent-encoded more than %d times over", mostRounds)
	case len(f.all) > mostReadings || f.bytes > mostBytes:
		f.refusal = malformed(CauseReadings, "the path can be read in too many ways to judge them all")
	}
}

// has reports whether a form is in the set. Most sets are so small that a map would cost more than it saves.
func (f *forms) has(path string) bool {
	const few = 16
	if len(f.all) <= few {
		return slices.ContainsFunc(f.all, func(known form) bool { return known.path == path })
	}
	if f.known == nil {
		f.known = make(map[string]bool, mostReadings)
		for i := range f.all {
			f.known[f.all[i].path] = true
		}
	}
	return f.known[path]
}
