package canonical

import "strings"

// odd is a set of features of a path that give it more than one reading.
type odd uint16

const (
	dot odd = 1 << iota
	percent
	backslash
	semicolon
	question
	hash
	blank
	high    // a byte beyond ASCII
	lead    // a byte with which an overlong form of UTF-8 may begin
	control // C0 and DEL
	stream  // a colon, until oddIn has looked closer
	session // an opening parenthesis, likewise
	doubled // two slashes in a row
	plus    // a plus sign, until oddIn has looked closer
)

var oddities = buildOddities()

func buildOddities() (table [256]odd) {
	for c := range 0x20 {
		table[c] = control
	}
	table[0x7f] = control
	for c := 0x80; c < 0x100; c++ {
		table[c] = high
	}
	for _, c := range [...]byte{0xc0, 0xc1, 0xe0, 0xf0, 0xf8, 0xfc} {
		table[c] |= lead
	}
	table['.'], table['%'], table['\\'], table[';'], table['?'], table['#'] = dot, percent, backslash, semicolon, question, hash
	table[' '], table[':'], table['('], table['+'] = blank, stream, session, plus
	return table
}

// oddIn returns the features of a path; none means that it has no reading but itself.
func oddIn(path string) odd {
	var o odd
	for i := range len(path) {
		o |= oddities[path[i]]
	}
	if o&stream != 0 && !strings.Contains(path, ":$") {
		o &^= stream
	}
	if o&session != 0 && !strings.Contains(path, "/(") {
		o &^= session
	}
	if o == plus && !strings.HasSuffix(path, "+") && !strings.Contains(path, "+/") && !strings.Contains(path, "/+") {
		o = 0 // A blank within a name has no reading but itself.
	}
	if strings.Contains(path, "//") {
		o |= doubled
	}
	return o
}
