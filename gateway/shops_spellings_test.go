package gateway_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/andybalholm/brotli"
)

// speller writes one thing in the many ways in which shops read it. What it draws follows from its seed.
type speller struct{ *rand.Rand }

func newSpeller(seed uint64) *speller { return &speller{rand.New(rand.NewPCG(seed, 451))} }

// draw draws one of several.
func draw[T any](s *speller, from ...T) T { return from[s.IntN(len(from))] }

func (s *speller) chance(percent int) bool { return s.IntN(100) < percent }

// phpNumber spells a number so that PHP's (int) reads it; Shops that check is_numeric take all of these.
func (s *speller) phpNumber(id string) string {
	n := id
	switch s.IntN(5) {
	case 0:
		n = "0" + id
	case 1:
		n = id + draw(s, ".0", ".9", "e0")
	case 2:
		n = id[:1] + "." + id[1:] + "0e" + strconv.Itoa(len(id)-1)
	}
	return draw(s, "", "", "", " ", "+", "\t", "\n ") + n
}

// jsNumber spells a number so that JavaScript's unary plus reads it.
func (s *speller) jsNumber(id string) string {
	n, _ := strconv.ParseInt(id, 10, 64) // the tests' ids are numbers
	return draw(s, "", "", " ", "\t", "\u00a0", "\ufeff") + draw(s, id, id, "0"+id, "+"+id, id+".0", id+".", id+"e0", "."+id+"e"+strconv.Itoa(len(id)), id+"0e-1",
		fmt.Sprintf("0x%x", n), fmt.Sprintf("0X%X", n), fmt.Sprintf("0b%b", n), fmt.Sprintf("0o%o", n)) + draw(s, "", "", " ", "\n")
}

// shopifyGID spells a variant as the Storefront API takes it.
func (s *speller) shopifyGID(id string) string {
	gid := "gid://shopify/ProductVariant/" + id
	return draw(s, gid, base64.StdEncoding.EncodeToString([]byte(gid)))
}

// saleorID spells a variant as graphene takes it.
func (s *speller) saleorID(id string) string {
	return base64.StdEncoding.EncodeToString([]byte("ProductVariant:" + id))
}

// anyCase changes the case of letters.
func (s *speller) anyCase(text string) string {
	return strings.Map(func(r rune) rune {
		if s.chance(50) {
			return r ^ 0x20*boolRune('a' <= r|0x20 && r|0x20 <= 'z')
		}
		return r
	}, text)
}

func boolRune(b bool) rune {
	if b {
		return 1
	}
	return 0
}

// pair is a name and a value.
type pair [2]string

// escape codes a text for a query, and now and then what needs none.
func (s *speller) escape(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		plain := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-_.~", c) >= 0
		switch {
		case c == ' ' && s.chance(50):
			b.WriteByte('+')
		case plain && !s.chance(5):
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, draw(s, "%%%02x", "%%%02X"), c)
		}
	}
	return b.String()
}

// phpName spells the name of a parameter so that PHP reads it.
func (s *speller) phpName(name string) string {
	if i := strings.IndexByte(name, '_'); i >= 0 && !strings.Contains(name, "[") && s.chance(40) {
		name = name[:i] + draw(s, ".", " ", "[") + name[i+1:]
	}
	return draw(s, "", "", "", " ") + name + draw(s, "", "", "", "\x00x")
}

// query writes pairs as a query or a form, in any order and among others. Only PHP is told names in its own way.
func (s *speller) query(php bool, pairs ...pair) string {
	var all []string
	for _, p := range pairs {
		if php {
			p[0] = s.phpName(p[0])
		}
		all = append(all, s.escape(p[0])+"="+s.escape(p[1]))
	}
	for range s.IntN(3) {
		all = append(all, draw(s, "utm_source=x", "lang=de", "x[]=1", "_="+strconv.Itoa(s.IntN(1e6)), ""))
	}
	s.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return strings.Join(all, "&")
}

// form gives a row a form as its body, of either kind.
func (s *speller) form(r *shopRow, php bool, pairs ...pair) {
	if s.chance(60) {
		r.Body = s.query(php, pairs...)
		r.Headers = append(r.Headers, [2]string{draw(s, "Content-Type", "content-type"), draw(s, "application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=UTF-8", "Application/X-WWW-Form-Urlencoded")})
		return
	}
	boundary := "----b" + strconv.Itoa(s.IntN(1e6))
	var b strings.Builder
	b.WriteString(draw(s, "", "", "preamble\r\n"))
	s.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
	for _, p := range pairs {
		name := `"` + p[0] + `"`
		if php && s.chance(30) {
			name = draw(s, "'"+p[0]+"'", `"x"; name="`+p[0]+`"`)
			if !strings.Contains(p[0], " ") && s.chance(50) {
				name = p[0]
			}
		}
		fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=%s\r\n%s\r\n%s\r\n", boundary, name, draw(s, "", "", "Content-Type: text/plain\r\n"), p[1])
	}
	b.WriteString("--" + boundary + "--\r\n")
	r.Body = b.String()
	r.Headers = append(r.Headers, [2]string{"Content-Type", "multipart/form-data; boundary=" + draw(s, boundary, `"`+boundary+`"`)})
}

// object is a JSON object that keeps its order.
type object []member

type member struct {
	key   string
	value any // object, list, string, number or any other JSON value
}

type list []any

// number is a JSON number as it is to be written.
type number string

// json writes a value with members in any order, letters as escapes and blanks between.
func (s *speller) json(v any) string {
	blank := func() string { return draw(s, "", "", "", " ", "\n", "\t") }
	var b strings.Builder
	b.WriteString(blank())
	switch v := v.(type) {
	case object:
		v = slices.Clone(v)
		s.Shuffle(len(v), func(i, j int) { v[i], v[j] = v[j], v[i] })
		b.WriteString("{")
		for i, m := range v {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString(blank() + s.jsonText(m.key) + blank() + ":" + s.json(m.value))
		}
		b.WriteString("}")
	case list:
		b.WriteString("[")
		for i, element := range v {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString(s.json(element))
		}
		b.WriteString("]")
	case number:
		b.WriteString(string(v) + draw(s, "", "", ".0", "e0", "E+0"))
	case string:
		b.WriteString(s.jsonText(v))
	default:
		text, _ := json.Marshal(v) // of a plain value
		b.Write(text)
	}
	return b.String() + blank()
}

func (s *speller) jsonText(text string) string {
	escapes := s.chance(40)
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		plain, _ := json.Marshal(string(r)) // of a string
		if escapes && r < 0x10000 && s.chance(30) {
			fmt.Fprintf(&b, draw(s, `\u%04x`, `\u%04X`), r)
		} else {
			b.Write(plain[1 : len(plain)-1])
		}
	}
	b.WriteByte('"')
	return b.String()
}

// jsonBody gives a row a JSON body. Node's body parser decodes charsets and codings; PHP does not.
func (s *speller) jsonBody(r *shopRow, node bool, v any) {
	text, kind := s.json(v), draw(s, "application/json", "application/json", "application/json; charset=utf-8", "Application/JSON")
	body := []byte(text)
	if node {
		switch s.IntN(7) {
		case 0:
			body = append([]byte("\xef\xbb\xbf"), body...)
		case 1:
			kind, body = "application/json; charset=utf-16le", utf16Of(text, binary.LittleEndian, s.chance(50))
		case 2:
			kind, body = "application/json; charset=utf-16", utf16Of(text, binary.LittleEndian, true)
		case 3:
			kind, body = "application/json; charset=utf-32le", nil
			for _, r := range text {
				body = binary.LittleEndian.AppendUint32(body, uint32(r))
			}
		}
		body = s.coded(r, body)
	}
	r.BodyBase64 = body
	r.Headers = append(r.Headers, [2]string{"Content-Type", kind})
}

// coded compresses a body now and then, and says so in the row.
func (s *speller) coded(r *shopRow, body []byte) []byte {
	var b bytes.Buffer
	switch s.IntN(6) {
	case 0:
		w := gzip.NewWriter(&b)
		_, _ = w.Write(body) // a buffer takes everything
		_ = w.Close()
		r.Headers = append(r.Headers, [2]string{"Content-Encoding", draw(s, "gzip", "GZip")})
	case 1:
		w := zlib.NewWriter(&b)
		_, _ = w.Write(body)
		_ = w.Close()
		r.Headers = append(r.Headers, [2]string{"Content-Encoding", "deflate"})
	case 2:
		w := brotli.NewWriter(&b)
		_, _ = w.Write(body)
		_ = w.Close()
		r.Headers = append(r.Headers, [2]string{"Content-Encoding", "br"})
	default:
		return body
	}
	return b.Bytes()
}

func utf16Of(text string, order binary.AppendByteOrder, mark bool) (out []byte) {
	if mark {
		text = "\ufeff" + text
	}
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	return out
}

// mutation writes a GraphQL request that calls a field of Mutation, with its arguments at any place where they may be. An
// argument is an object, a list or a text, which is an ID.
func (s *speller) mutation(field string, args object) object {
	g := &graphQL{s: s}
	call := draw(s, "", "", "products: ", "x : ") + field + draw(s, "", " ") + "(" + g.members(args, true) + ")" + draw(s, "", " @include(if: true)") + " { __typename }"
	name, fragments := draw(s, "", "M"), ""
	if s.chance(30) {
		call = "... on Mutation { " + call + " }"
	}
	if s.chance(30) {
		call, fragments = "...F", "fragment F on Mutation { "+call+" }\n"
	}
	if s.chance(20) {
		call, fragments = "...G", fragments+"fragment G on Mutation { "+call+" }\n"
	}
	call += draw(s, "", " z: __typename", " # a remark\n")
	document := "mutation " + name
	if len(g.declared) > 0 {
		document += "(" + strings.Join(g.declared, draw(s, ", ", " ", "\n")) + ")"
	}
	document += " { " + call + " }"
	request := object{}
	if name != "" && s.chance(50) {
		document = draw(s, "query Q { __typename } "+document, document+" query Q { __typename }")
		request = append(request, member{"operationName", name})
	}
	if s.chance(50) {
		document = fragments + document
	} else {
		document += "\n" + fragments
	}
	if len(g.variables) > 0 || s.chance(20) {
		request = append(request, member{"variables", g.variables})
	}
	return append(request, member{"query", document})
}

// graphQL is a document that is being written.
type graphQL struct {
	s         *speller
	declared  []string
	variables object
}

// members writes the fields of an object, or arguments, in any order.
func (g *graphQL) members(o object, top bool) string {
	o = slices.Clone(o)
	g.s.Shuffle(len(o), func(i, j int) { o[i], o[j] = o[j], o[i] })
	var all []string
	for _, m := range o {
		all = append(all, m.key+draw(g.s, ":", ": ", " : ")+g.value(m.key, m.value, top))
	}
	return strings.Join(all, draw(g.s, ", ", ",", " ", "\n"))
}

// inputTypes are the types of arguments that are objects or lists of them, for shops that look at that.
var inputTypes = map[string]string{"inputs": "AddItemInput"}

// typeOf names the type of a value at the key.
func typeOf(key string, v any) string {
	switch v.(type) {
	case object:
		return cmp.Or(inputTypes[key], "Input")
	case list:
		return "[" + cmp.Or(inputTypes[key], "Input") + "!]"
	case number:
		return "Int"
	}
	return "ID"
}

// value writes the value at a key: as it is, as a variable or as a variable's default.
func (g *graphQL) value(key string, v any, top bool) string {
	percent := 15
	if top {
		percent = 40
	}
	if g.s.chance(percent) {
		name := "v" + strconv.Itoa(len(g.declared))
		if g.s.chance(30) {
			g.declared = append(g.declared, "$"+name+": "+typeOf(key, v)+draw(g.s, "", "!")+" = "+g.literal(v))
		} else {
			g.declared = append(g.declared, "$"+name+": "+typeOf(key, v)+"!")
			g.variables = append(g.variables, member{name, v})
		}
		return "$" + name
	}
	switch v := v.(type) {
	case object:
		return "{" + g.members(v, false) + "}"
	case list:
		if len(v) == 1 && g.s.chance(30) {
			return g.value(key, v[0], false) // one stands for a list of one
		}
		var all []string
		for _, element := range v {
			all = append(all, g.value(key, element, false))
		}
		return "[" + strings.Join(all, draw(g.s, ", ", " ")) + "]"
	}
	return g.literal(v)
}

// literal writes a value without variables.
func (g *graphQL) literal(v any) string {
	switch v := v.(type) {
	case object:
		var all []string
		for _, m := range v {
			all = append(all, m.key+": "+g.literal(m.value))
		}
		return "{" + strings.Join(all, ", ") + "}"
	case list:
		var all []string
		for _, element := range v {
			all = append(all, g.literal(element))
		}
		return "[" + strings.Join(all, ", ") + "]"
	case number:
		return string(v)
	case string:
		if plain := strings.Trim(v, "0123456789") == "" && v != "" && (v[0] != '0' || len(v) == 1); plain && g.s.chance(30) {
			return v // an ID may be written as an Int
		}
		if g.s.chance(20) && !strings.ContainsAny(v, "\"\\\t\n \u00a0\ufeff") {
			return `"""` + v + `"""`
		}
		return g.s.jsonText(v)
	}
	return fmt.Sprint(v)
}

// pathOf spells a path that is read in any case.
func (s *speller) pathOf(path string) string {
	if s.chance(30) {
		path = s.anyCase(path)
	}
	return path + draw(s, "", "", "/")
}

// urlOf joins a path with a query.
func urlOf(path, query string) string {
	if query == "" {
		return path
	}
	return path + "?" + query
}

// strip is a text among which PHP shops strip letters that cannot be in a route.
func (s *speller) stripped(route, junk string) string {
	var b strings.Builder
	for _, r := range route {
		if s.chance(15) {
			b.WriteByte(junk[s.IntN(len(junk))])
		}
		b.WriteRune(r)
	}
	return b.String()
}
