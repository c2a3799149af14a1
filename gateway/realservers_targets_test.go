package gateway_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// shopName stands for the host of a shop in targets in absolute form.
const shopName = "shop.example"

var methods = []string{"GET", "POST", "HEAD"}

// honest are the ways in which a shop's own links may lead to its page.
var honest = []string{"/cart", "/cart/", "/index.php/cart"}

// attempt is a method and a target with which someone tries to see the page.
type attempt struct{ method, target string }

// knownTargets are those that once led, or nearly led, to the page of some server.
var knownTargets = []attempt{
	{"GET", "//../folder/cart%2f/"}, {"GET", "/x/..;/..;/folder/cart/"}, {"GET", `/\../folder/cart/`},
	{"GET", "/x/index.php/cart"}, {"GET", "/index.php/x/index.php/cart"}, {"GET", "/index.php/x.php/cart"}, {"GET", "/index.phpcart"}, {"GET", "/cart+"}, {"GET", "/cart%2b"}, {"GET", "/index.php/%2fcart%2b"},
	{"GET", "/index.php/cart/"}, {"GET", "/index.php/%63art"}, {"GET", "/index.php/cart/x"}, {"GET", "/index%2ephp/cart"}, {"GET", "/./index.php/cart"}, {"GET", "/index.php/Cart"},
	{"GET", "/%2f/cart/"}, {"GET", "/%2fx/..%2fcart/"}, {"GET", "/%2563art"}, {"GET", "/cart%3fx"}, {"GET", "/cart%3bx"}, {"GET", "/cart;x"},
	{"GET", "/cart.html"}, {"GET", "/cart.html.en"}, {"GET", "/cart.var"}, {"GET", "/cart/index.html"}, {"GET", "/cart.php/x"},
	{"GET", "/index.php/cart"}, {"GET", "/INDEX.PHP/cart"}, {"GET", "/index.php//cart"}, {"GET", "//cart"}, {"GET", "///cart"}, {"GET", "/./cart/"},
	{"GET", "/x/../cart/"}, {"GET", "/x/%2e%2e/cart/"}, {"GET", "/%63art/"}, {"GET", "/c%61rt/index.html"}, {"GET", "/%2563art/"}, {"GET", "/;x/cart/"},
	{"GET", "/cart;x/"}, {"GET", "/x/..;/cart/"}, {"GET", `/x\..\cart/`}, {"GET", "/%5ccart/"}, {"GET", "/%2fcart/"}, {"GET", "//x/cart"}, {"GET", "//x/cart/"},
	{"GET", "/cart%23/"}, {"GET", "/cart%3f/"}, {"GET", "/%2e/cart/"}, {"GET", "/cart%2findex.html"}, {"GET", "http://shop.example/%63art/"},
	{"GET", "http://shop.example//cart/"}, {"GET", "//shop.example/cart/"}, {"HEAD", "/%63art/"}, {"POST", "/%63art/"}, {"HEAD", "//cart/"}, {"POST", "//cart/"},
	{"GET", "/cart%20"}, {"GET", "/cart%20/"}, {"GET", "/cart/x"}, {"GET", "/cart/%2e%2e/cart/"}, {"GET", "/%43art"}, {"GET", "/CAR%54/"}, {"GET", "/cart%2f"},
}

// targets makes attempts from the governed path, the same ones from the same seed.
type targets struct{ *rand.Rand }

func newTargets(seed uint64) targets { return targets{rand.New(rand.NewPCG(seed, 451))} }

// some returns a number of new attempts.
func (r targets) some(n int) []attempt {
	all := make([]attempt, n)
	for i := range all {
		method := methods[0]
		if r.IntN(8) == 0 {
			method = pick(r, methods...)
		}
		all[i] = attempt{method, r.change(pick(r, bases...))}
	}
	return all
}

var bases = []string{
	"/cart", "/cart", "/cart/", "/cart/", "/cart/index.html", "/cart.html", "/cart.html.en", "/index.php/cart", "/x/../cart/", "/x/index.php/cart", "//x/cart/",
	"/static/../cart", "/cart/add", "/./cart/", "/cart?x", "/x/style.css",
}

// change changes a target in one to four ways.
func (r targets) change(target string) string {
	for range 1 + r.IntN(4) {
		target = pick(r, changes...)(r, target)
	}
	return target
}

func pick[T any](r targets, from ...T) T { return from[r.IntN(len(from))] }

// changes are the ways in which a target is written differently.
var changes = []func(targets, string) string{
	encode, encode, encode, encodeAgain, overlong, wide, slashes, slashes, segments, segments, parameters, suffix, suffix, prefix, prefix, anyCase,
	likeness, insert, insert, remove, double, encodeAll,
}

// at returns a place in a target behind its first slash.
func (r targets) at(target string) int {
	if len(target) < 2 {
		return len(target)
	}
	return 1 + r.IntN(len(target))
}

// slash returns the place of one of the slashes; -1 if there is none.
func (r targets) slash(target string) int {
	n := strings.Count(target, "/")
	if n == 0 {
		return -1
	}
	n = r.IntN(n)
	for i := range len(target) {
		if target[i] == '/' {
			if n == 0 {
				return i
			}
			n--
		}
	}
	return -1
}

func (r targets) hex(c byte) string { return fmt.Sprintf(pick(r, "%%%02x", "%%%02X"), c) }

func replaceAt(target string, i, n int, text string) string {
	if i < 0 || i+n > len(target) {
		return target
	}
	return target[:i] + text + target[i+n:]
}

func encode(r targets, target string) string {
	if i := r.at(target); i < len(target) {
		return replaceAt(target, i, 1, r.hex(target[i]))
	}
	return target
}

func encodeAll(r targets, target string) string {
	if i := r.slash(target); i >= 0 {
		var b strings.Builder
		for _, c := range []byte(target[i+1:]) {
			b.WriteString(r.hex(c))
		}
		return target[:i+1] + b.String()
	}
	return target
}

func encodeAgain(_ targets, target string) string { return strings.ReplaceAll(target, "%", "%25") }

func overlong(r targets, target string) string {
	i := r.at(target)
	if i >= len(target) {
		return target
	}
	c := target[i]
	return replaceAt(target, i, 1, pick(r, r.hex(0xc0|c>>6)+r.hex(0x80|c&0x3f), "%e0"+r.hex(0x80|c>>6)+r.hex(0x80|c&0x3f), r.hex(0xc0|c>>6)+string(c&0x3f|0x40), r.hex(c|0x80)))
}

func wide(r targets, target string) string {
	if i := r.at(target); i < len(target) {
		return replaceAt(target, i, 1, pick(r, "%u00", "%U00", "%uff", "&#x", `\u00`, `%5cu00`)+fmt.Sprintf("%02x", target[i]))
	}
	return target
}

func slashes(r targets, target string) string {
	return replaceAt(target, r.slash(target), 1, pick(r, "//", "///", `\`, "%2f", "%2F", "%5c", "%5C", "/%2f", "%2f/", "%252f", "/%5c", `\/`, `/\`, "%c0%af", "／", "%EF%BC%8F", "%e2%81%84", ":", "/:/", "/@/"))
}

func segments(r targets, target string) string {
	return replaceAt(target, r.slash(target), 1, pick(r, "/./", "/x/../", "/%2e/", "/x/%2e%2e/", "/x/.%2e/", "/x/..;/", "/x/..;y=z/", "/x/..%3b/", "/.;/", "/;/", "/;x/", "/%3b/", "/x/..%00/", "/../",
		"/x/..%20/", "/x/...//", "/.%20/", "/%20/", "/ /", "/x//../", "/x/y/../../", `/x\..\`, "/x%2f..%2f", "/x/..%2f", "/x%5c..%5c", "/x/..%5c", "/%252e/", "/x/%252e%252e/", "/x/%c0%ae./", "/*/",
		"/x/..?/", "/x/..%3f/", "/x/..#/", "/x/..%23/", "/~/", "/~nobody/", "/$x/", "/index.php/../", "/index.html/../", "/x.php/../", "/WEB-INF/../", "/x/..%c0%af", "/../folder/", "/..%2ffolder/", "/static/../"))
}

func parameters(r targets, target string) string {
	i := r.slash(target)
	if r.IntN(2) == 0 {
		i = len(target)
	}
	if i < 0 {
		return target
	}
	return replaceAt(target, i, 0, pick(r, ";", ";x", ";x=y", ";jsessionid=0", "%3b", "%3Bx=y", ";/", ";%2f", ";x/..", ";.css", ";x;y", "!x", "$x", "+x", "*", "|", "'", `"`, "^", "~1", ",x", "=", "&x", "@", ":80", ":x"))
}

func suffix(r targets, target string) string {
	return target + pick(r, ".html", ".php", ".en", ".de", ".html.en", ".var", ".jsp", ".json", ".css", ".HTML", ".x", "~", ".bak", "::$DATA", "::$INDEX_ALLOCATION", ":$I30:$INDEX_ALLOCATION", "%20", "%20%20", ".", "..", ". .",
		"%00", "%00.html", "%0a", "%0d%0a", "%09", "%7f", "%a0", "%c2%a0", "%e2%80%8b", "/", "//", "/x", "/index.html", "/index.php", "/.", "/..", "/../cart", "/../cart/", "?", "?x", "#", "#x", "%23", "%23x", "%3f", "%3fx", "+", "%2b",
		"/.;/", ";", "/;", "%2f", "%5c", `\`, "/%2e", "%2e", "%2e%2e", "/x.css", "/x.php/y", "*", "/*", "%", "%2", "%zz", "=", "&", "\xff", "%ff", "%80", "\u00ad", "%c2%ad", "%ef%bb%bf")
}

func prefix(r targets, target string) string {
	rest := strings.TrimPrefix(target, "/")
	return pick(r, "/index.php/", "/INDEX.PHP/", "/Index.Php/", "/index.php//", "/x/index.php/", "/x/y/index.php/", "/index.php/index.php/", "/index.php/x/index.php/", "/index.php", "/x/index.php", "/x.php", "/app.php/", "/index.html/", "/x.php/", "//"+shopName+"/", "//x/", "///x/",
		"//x:80/", "//@/", "//x@y/", "/x:/", "/x:80/", "/http:/", "/http://x/", "/http://"+shopName+"/", "http://"+shopName+"/", "HTTP://"+shopName+"/", "http://"+shopName+":80/", "http://"+shopName+"//", "https://"+shopName+"/",
		"http://"+shopName, "http:/", "/~user/", "/~/", "/(S(x))/", "/(A(x))/", "/.;/", "/;x/", "/%3b/", "/static/../", "/x/../", "/./", "/%2e/", "/?/", "/?/../", "/#/", "/#/../", "/%23/../", "/%3f/../", "/%20", "/%20/", "/.", "/..", "/../", "/%00/",
		`/\`, `/\x/`, `\`, `\\`, "/%5c", "/%2f", "/%2f/", "/*/", "/x/cart/../../", "/index.php%2f", "/index.php/%2e%2e/", "/index.php;x/", "/index.php%20/", "/index.php./", "/index.php%00/", "/x%2findex.php/", "/?index.php/", "/index.php?/", "/index.php%3f/",
		"/page/", "/en/", "/_/", "", "*/", "/x/style.css/", "/\u200b", "/%e2%80%8b", "/%ef%bb%bf", "/%0a", "/%09", "/+", "/%2b", "/&/", "/=/", "/@/") + rest
}

func anyCase(r targets, target string) string {
	b := []byte(target)
	for i, c := range b {
		if 'a' <= c|0x20 && c|0x20 <= 'z' && r.IntN(2) == 0 {
			b[i] ^= 0x20
		}
	}
	return string(b)
}

// likeness writes a letter as a character that looks or sorts like it.
func likeness(r targets, target string) string {
	i := r.at(target)
	if i >= len(target) {
		return target
	}
	c := rune(target[i])
	if c <= ' ' || c >= 0x7f {
		return target
	}
	text := string(c + 0xfee0) // full width
	if 'a' <= c|0x20 && c|0x20 <= 'z' {
		n := c | 0x20 - 'a'
		text = pick(r, text, string('ⓐ'+n), string('𝐚'+n), string('⒜'+n), string(c)+"\u0301", string(c)+"\u200d", string(c)+"\u00ad", string(c)+"\ufe0f")
	}
	if r.IntN(2) == 0 {
		var b strings.Builder
		for _, c := range []byte(text) {
			b.WriteString(r.hex(c))
		}
		text = b.String()
	}
	return replaceAt(target, i, 1, text)
}

// insert puts a byte, raw or encoded, anywhere.
func insert(r targets, target string) string {
	c := byte(r.IntN(256))
	if r.IntN(2) == 0 {
		c = pick(r, []byte(`/\.;?#%:@&=+$,!*'()~-_ []{}|^<>"`)...)
	}
	text := string([]byte{c})
	if r.IntN(2) == 0 {
		text = r.hex(c)
	}
	return replaceAt(target, r.at(target), 0, text)
}

func remove(r targets, target string) string { return replaceAt(target, r.at(target), 1, "") }

// double repeats a part.
func double(r targets, target string) string {
	i, j := r.at(target), r.at(target)
	if i > j {
		i, j = j, i
	}
	return target[:j] + target[i:j] + target[j:]
}
