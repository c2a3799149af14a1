package gateway_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// Documents with which variants are bought.
const (
	vendureByVariable = `mutation Buy($id: ID!) { addItemToOrder(productVariantId: $id, quantity: 1) { __typename } }`
	vendureByDefault  = `mutation Buy($id: ID! = "%s") { addItemToOrder(productVariantId: $id, quantity: 1) { __typename } }`
	vendureByLiteral  = `mutation { addItemToOrder(productVariantId: "%s", quantity: 1) { __typename } }`
)

// digestOf is the name of a persisted query.
func digestOf(document string) string {
	sum := sha256.Sum256([]byte(document))
	return hex.EncodeToString(sum[:])
}

func jsonText(v any) string {
	text, _ := json.Marshal(v) // of texts and maps of them
	return string(text)
}

// utf7 writes a text so that nothing of it but letters, digits and a few signs remains, and every letter is hidden.
func utf7(text string) string {
	return "+" + strings.TrimRight(base64.StdEncoding.EncodeToString(utf16Of(text, binary.BigEndian, false)), "=") + "-"
}

// vendureTricks are requests that buy a variant and say so where, or in a way in which, nobody would look: each makes the
// gateway's reading differ from the shop's if the gateway has but one. known and unknown are the digests of a document that
// buys by the variable id, registered at the shop: one through the gateway, one past it.
func vendureTricks(id, other, known, unknown string) (all []*shopRow) {
	form := [2]string{"Content-Type", "application/x-www-form-urlencoded"}
	plain := [2]string{"Content-Type", "application/json"}
	add := func(name, target, body string, headers ...[2]string) {
		all = append(all, &shopRow{ID: name, Method: "POST", Target: target, Body: body, Headers: headers})
	}
	request := func(document, variables string) string {
		return `{"query":` + jsonText(document) + `,"variables":` + variables + `}`
	}
	hidden, literal := fmt.Sprintf(vendureByDefault, id), fmt.Sprintf(vendureByLiteral, id)
	others := `{"id":"` + other + `"}`

	// A default that seems to be overridden, by variables that the shop does not read.
	add("variables in the target", "/shop-api?variables="+url.QueryEscape(others), request(hidden, `{}`), plain)
	add("a field in the target", "/shop-api?variables[id]="+other, request(hidden, `null`), plain)
	add("variables twice", "/shop-api", `{"query":`+jsonText(hidden)+`,"variables":`+others+`,"variables":{}}`, plain)
	add("variables twice, then null", "/shop-api", `{"query":`+jsonText(hidden)+`,"variables":`+others+`,"variables":null}`, plain)
	add("variables beside the operations", "/shop-api", parts(part{"operations", request(hidden, "{}"), ""}, part{"map", "{}", ""}, part{"variables", others, ""}), multipartOf("b"))
	add("variables that are a file", "/shop-api", parts(part{"operations", request(hidden, others), ""}, part{"map", `{"0":["variables"]}`, ""},
		part{`0"; filename="x`, "x", ""}), multipartOf("b"))

	// A document that is named, beside one that the shop does not read.
	named := func(digest string) string {
		return `"extensions":{"persistedQuery":{"version":1,"sha256Hash":"` + digest + `"}},"variables":{"id":"` + id + `"}`
	}
	for _, p := range []pair{{"known", known}, {"unknown", unknown}} {
		name, digest := p[0], p[1]
		add("persisted, "+name, "/shop-api", "{"+named(digest)+"}", plain)
		add("persisted, "+name+", and a document in the target", "/shop-api?query={__typename}", "{"+named(digest)+"}", plain)
		add("persisted, "+name+", and its digest's document in the target", "/shop-api?query="+url.QueryEscape(`{__typename}`)+"&extensions="+
			url.QueryEscape(`{"persistedQuery":{"version":1,"sha256Hash":"`+digestOf("{__typename}")+`"}}`), "{"+named(digest)+"}", plain)
		add("persisted, "+name+", with an empty document", "/shop-api", `{"query":"",`+named(digest)+"}", plain)
		add("persisted, "+name+", with a document before none", "/shop-api", `{"query":"{__typename}","query":null,`+named(digest)+"}", plain)
		add("persisted, "+name+", as a form", "/shop-api", "extensions[persistedQuery][version]=1&extensions[persistedQuery][sha256Hash]="+digest+"&variables[id]="+id, form)
		add("persisted, "+name+", as a form with a bracket first", "/shop-api", "[extensions][persistedQuery][version]=1&[extensions][persistedQuery][sha256Hash]="+digest+"&[variables][id]="+id, form)
		add("persisted, "+name+", as parts", "/shop-api", parts(part{"operations", "{" + named(digest) + "}", ""}, part{"map", "{}", ""}, part{"query", "{__typename}", ""}), multipartOf("b"))
	}

	// Names of forms as Node's qs reads them.
	escaped := url.QueryEscape
	add("a form", "/shop-api", "query="+escaped(vendureByVariable)+"&variables[id]="+id, form)
	add("a form with a bracket first", "/shop-api", "[query]="+escaped(literal), form)
	add("a form with brackets first", "/shop-api", "[query]="+escaped(vendureByVariable)+"&[variables][id]="+id, form)
	add("a form with brackets escaped", "/shop-api", "%5Bquery%5D="+escaped(vendureByVariable)+"&%5bvariables%5d%5bid%5d="+id, form)
	add("a form with something between", "/shop-api", "query="+escaped(fmt.Sprintf(vendureByDefault, other))+"&variables[id]x="+id, form)
	add("a form with an equals sign in a name", "/shop-api", "query="+escaped(vendureByVariable)+"&variables[id]a=b]="+id, form)
	add("a form with an escaped bracket in a name", "/shop-api", "query="+escaped(vendureByVariable)+"&variables[id]a=b%5d="+id, form)
	add("a form with a document behind an equals sign", "/shop-api", "[query]a=b]="+literal, form)
	add("a form with something between brackets", "/shop-api", "query="+escaped(`mutation($l: [AddItemInput!]! = [{productVariantId: "`+other+`", quantity: 1}]) { addItemsToOrder(inputs: $l) { __typename } }`)+
		"&variables[l]x[0]y[productVariantId]="+id, form)
	// The value of a form that cannot be decoded is left as it is, and then a remark goes on behind what would end a line.
	for _, p := range []pair{{"a broken escape", "%zz"}, {"an escape of no letter", "%ff"}} {
		name, broken := p[0], p[1]
		add("a form with "+name, "/shop-api", "query=mutation{addItemToOrder(productVariantId:"+id+",quantity:1)%23%0A@skip(if:true)\n{__typename}}%23"+broken, form)
		add("a form with "+name+" behind a number sign", "/shop-api", "query=mutation{addItemToOrder(productVariantId:"+id+",quantity:1)#%0A@skip(if:true)\n{__typename}}#"+broken, form)
	}

	// Charsets: a blank of Latin-1, and letters that only UTF-7 has.
	latin := [2]string{"Content-Type", "application/x-www-form-urlencoded; charset=iso-8859-1"}
	add("a blank of Latin-1 in a form", "/shop-api", "query="+escaped(vendureByVariable)+"&variables[id]=%A0"+id, latin)
	add("a blank of Latin-1 in a form's document", "/shop-api", "query="+strings.Replace(escaped(fmt.Sprintf(vendureByLiteral, "~"+id)), "~", "%A0", 1), latin)
	add("a blank of Latin-1 in a part", "/shop-api", parts(part{"operations", request(vendureByVariable, "{\"id\":\"\xa0"+id+"\"}"), "Content-Type: text/plain; charset=latin1"},
		part{"map", "{}", ""}), multipartOf("b"))
	hiding := strings.Replace(request(vendureByVariable, `{"id":"`+id+`"}`), "addItemToOrder", utf7("addItemToOrder"), 1)
	for _, kind := range []string{"application/json; charset=utf-7", "application/json; charset=utf-8; charset=utf-7", "application/json; charset=utf-7; charset=utf-8",
		`application/json; x="charset=utf-8"; charset=utf-7`, `application/json; x="; charset=utf-8"; charset=utf-7`, "application/json; x=\"\u212a\"; charset=utf-7",
		`application/json; x="charset=utf-8 ;"; charset=utf-7`, "application/json; x=\"\u212a\xff\"; charset=utf-7",
		"application/json; charset=utf-7-imap", "application/json; charset=UTF-7"} {
		add("UTF-7 by "+kind, "/shop-api", hiding, [2]string{"Content-Type", kind})
	}
	add("UTF-7 by the first of two types", "/shop-api", hiding, [2]string{"Content-Type", "application/json; charset=utf-7"}, plain)
	add("UTF-7 by the second of two types", "/shop-api", hiding, plain, [2]string{"Content-Type", "application/json; charset=utf-7"})
	add("UTF-16 without a mark", "/shop-api", string(utf16Of(request(literal, "{}"), binary.BigEndian, false)), [2]string{"Content-Type", "application/json; charset=utf-16"})
	add("UTF-16, big-endian", "/shop-api", string(utf16Of(request(literal, "{}"), binary.BigEndian, true)), [2]string{"Content-Type", "application/json; charset=utf-16be"})
	add("UTF-16 in a part", "/shop-api", parts(part{"operations", string(utf16Of(request(literal, "{}"), binary.LittleEndian, false)), "Content-Type: text/plain; charset=utf-16le"},
		part{"map", "{}", ""}), multipartOf("b"))

	// Parts as busboy finds them.
	good := []part{{"operations", request(literal, "{}"), ""}, {"map", "{}", ""}}
	harmless := parts(part{"operations", `{"query":"{__typename}"}`, ""}, part{"map", "{}", ""})
	add("a boundary with a backslash", "/shop-api", strings.ReplaceAll(harmless, "--b", `--x\y`)+strings.ReplaceAll(parts(good...), "--b", "--xy"), [2]string{"Content-Type", `multipart/form-data; boundary="x\y"`})
	add("a boundary with a quote", "/shop-api", strings.ReplaceAll(harmless, "--b", `--x\`)+strings.ReplaceAll(parts(good...), "--b", `--x"y`), [2]string{"Content-Type", `multipart/form-data; boundary="x\"y"`})
	add("two boundaries", "/shop-api", harmless+strings.ReplaceAll(parts(good...), "--b", "--c"), [2]string{"Content-Type", `multipart/form-data; boundary=c; boundary=b`})
	add("a boundary in a parameter", "/shop-api", harmless+strings.ReplaceAll(parts(good...), "--b", "--c"), [2]string{"Content-Type", `multipart/form-data; x="boundary=b"; boundary=c`})
	add("a boundary behind a letter that shrinks", "/shop-api", parts(good...), [2]string{"Content-Type", "multipart/form-data; x=\"\u212a\"; boundary=b"})
	add("operations by name*", "/shop-api", strings.Replace(parts(good...), `name="operations"`, `name*=utf-8''%6fperations`, 1), multipartOf("b"))
	add("operations by the first name", "/shop-api", strings.Replace(parts(good...), `name="operations"`, `name="operations"; name="x"`, 1), multipartOf("b"))
	add("operations with a backslash", "/shop-api", strings.Replace(parts(good...), `name="operations"`, `name="opera\tions"`, 1), multipartOf("b"))
	add("operations in base64", "/shop-api", strings.Replace(parts(good...), "\r\n\r\n", "\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1), multipartOf("b"))
	add("operations that are a file", "/shop-api", strings.Replace(parts(good...), `name="operations"`, `name="operations"; filename=""`, 1), multipartOf("b"))
	// Node decodes no parts that are compressed.
	add("operations behind what is compressed", "/shop-api", deflated(harmless)+"\r\n"+parts(good...), multipartOf("b"), [2]string{"Content-Encoding", "deflate"})
	add("operations twice", "/shop-api", parts(good[0], part{"operations", `{"query":"{__typename}"}`, ""}, good[1]), multipartOf("b"))
	add("operations twice, the last", "/shop-api", parts(part{"operations", `{"query":"{__typename}"}`, ""}, good[0], good[1]), multipartOf("b"))
	add("a batch in the operations", "/shop-api", parts(part{"operations", "[" + good[0].value + "]", ""}, good[1]), multipartOf("b"))

	// Numbers whose length is beyond what is read of them.
	long := strings.Repeat("0", 99_999)
	add("a number with a long way to go", "/shop-api", request(vendureByVariable, `{"id":"0.`+long+id+`e100000"}`), plain)
	add("a number with a long way back", "/shop-api", request(vendureByVariable, `{"id":"`+id+long+`0e-100000"}`), plain)
	add("a long fraction", "/shop-api", request(vendureByVariable, `{"id":"`+id+`.`+long[:500]+`1"}`), plain)
	add("a fraction that is rounded", "/shop-api", request(vendureByVariable, `{"id":"6.99999999999999999999"}`), plain)
	add("a JSON number that is rounded", "/shop-api", request(vendureByVariable, `{"id":6.99999999999999999999}`), plain)
	add("a JSON number with a long way to go", "/shop-api", request(vendureByVariable, `{"id":0.`+long+id+`e100000}`), plain)
	add("a JSON number with a long way back", "/shop-api", request(vendureByVariable, `{"id":`+id+long+`0e-100000}`), plain)
	add("a JSON number with an exponent", "/shop-api", request(vendureByVariable, `{"id":0.000`+id+`E+4}`), plain)
	add("a long hexadecimal number", "/shop-api", request(vendureByVariable, `{"id":"0x`+long[:100]+id+`"}`), plain)
	for _, blank := range []string{"\u2028", "\u3000", "\ufeff", "\u000b", "\u1680", "\u202f"} {
		add(fmt.Sprintf("the blank %+q", blank), "/shop-api", request(vendureByVariable, `{"id":`+jsonText(blank+id+blank)+`}`), plain)
	}

	// A call in a named fragment, from which the shop gives the id to its database as it came. SQLite takes fewer texts for a
	// number than JavaScript does, MySQL and PostgreSQL some others.
	for _, text := range []string{id, " " + id + "\t", "0" + id, "+" + id, id + ".0", id + "e0", "." + id + "e1", "70e-1", id + "abc", "0x" + id, "0_" + id, "+0x" + id, "0b111", "\u00a0" + id} {
		add(fmt.Sprintf("%q in a fragment", text), "/shop-api", request("mutation { ...Sale } fragment Sale on Mutation { addItemToOrder(productVariantId: "+jsonText(text)+", quantity: 1) { __typename } }", "{}"), plain)
	}

	// Which operation, and what is in it.
	two := `query Q { __typename } ` + vendureByVariable
	operation := func(name string) string {
		return `{"query":` + jsonText(two) + `,"variables":{"id":"` + id + `"},"operationName":` + name + `}`
	}
	add("an operation by name", "/shop-api", operation(`"Buy"`), plain)
	add("another operation in the target", "/shop-api?operationName=Q", operation(`"Buy"`), plain)
	add("another operation before", "/shop-api", strings.Replace(operation(`"Buy"`), `{"query"`, `{"operationName":"Q","query"`, 1), plain)
	add("an operation in the target alone", "/shop-api?operationName=Q", request(vendureByVariable, `{"id":"`+id+`"}`), plain)
	add("an operation that is a file", "/shop-api", parts(part{"operations", operation(`"Q"`), ""}, part{"map", `{"0":["operationName"]}`, ""}, part{`0"; filename="x`, "x", ""}), multipartOf("b"))
	add("an escape with braces", "/shop-api", request(strings.Replace(literal, `"`+id, `"\u{3`+id+`}`, 1), "{}"), plain)
	add("a block string", "/shop-api", request(strings.Replace(literal, `"`+id+`"`, "\"\"\"\n\t"+id+"\n\"\"\"", 1), "{}"), plain)
	add("a description", "/shop-api", request(`"what it does" `+literal, "{}"), plain)
	add("skipped by a variable", "/shop-api", request(`mutation($no: Boolean = false) { addItemToOrder(productVariantId: "`+id+`", quantity: 1) @skip(if: $no) { __typename } }`, "{}"), plain)
	add("a mark in the document", "/shop-api", request("\ufeff"+literal, "{}"), plain)
	add("a long document", "/shop-api", request(strings.Replace(literal, "__typename", "__typename "+strings.Repeat("__typename ", 3000), 1), "{}"), plain)
	add("a deep body", "/shop-api", strings.Replace(request(literal, "{}"), "{", `{"x":`+strings.Repeat("[", 600)+strings.Repeat("]", 600)+",", 1), plain)
	add("a batch", "/shop-api", "["+request(literal, "{}")+"]", plain)

	// Codings, and what HTTP lets one do.
	add("two members of gzip", "/shop-api", gzipped(request(literal, "{}")[:20])+gzipped(request(literal, "{}")[20:]), plain, [2]string{"Content-Encoding", "gzip"})
	add("gzip and something behind", "/shop-api", gzipped(request(literal, "{}"))+"junk", plain, [2]string{"Content-Encoding", "gzip"})
	add("gzip of zeros behind", "/shop-api", gzipped(request(literal, "{}"))+"\x00\x00\x00\x00", plain, [2]string{"Content-Encoding", "gzip"})
	add("gzip cut off", "/shop-api", gzipped(request(literal, "{}") + strings.Repeat(" ", 5000))[:90], plain, [2]string{"Content-Encoding", "gzip"})
	add("two codings", "/shop-api", request(literal, "{}"), plain, [2]string{"Content-Encoding", "identity"}, [2]string{"Content-Encoding", "identity"})
	add("a body that is long", "/shop-api", request(literal, "{}")+strings.Repeat(" ", 90_000), plain)
	add("JSON said to be a form", "/shop-api", request(literal, "{}"), form)
	add("JSON said to be text", "/shop-api", request(literal, "{}"), [2]string{"Content-Type", "text/plain"})
	add("JSON of no type", "/shop-api", request(literal, "{}"))
	add("GraphQL", "/shop-api", literal, [2]string{"Content-Type", "application/graphql"})
	add("JSON of another type", "/shop-api", request(literal, "{}"), [2]string{"Content-Type", "application/graphql+json"})
	for _, target := range []string{"/Shop-API/", "/shop-api/x/y", "//shop-api", "/shop%2dapi", "/%73hop-api", "/./shop-api", "/x/../shop-api", "/shop-api;x", "/shop-api?", "/shop-api#x", "http://shop.example/shop-api",
		"/shop-api%2f", "/shop-api\\", "/SHOP-API?query={__typename}"} {
		add("target "+target, target, request(literal, "{}"), plain)
	}
	for _, method := range []string{"PUT", "PATCH", "DELETE", "GET"} {
		add("by "+method, "/shop-api", request(literal, "{}"), plain)
		all[len(all)-1].Method = method
	}
	all = append(all, &shopRow{ID: "by GET in the target", Method: "GET", Target: "/shop-api?query=" + escaped(literal)},
		&shopRow{ID: "by GET as another", Method: "GET", Target: "/shop-api?query=" + escaped(literal), Headers: [][2]string{{"X-HTTP-Method-Override", "POST"}}})
	return all
}

// part is a part of a multipart body, with a line of its header.
type part struct{ name, value, header string }

func parts(all ...part) string {
	var b strings.Builder
	for _, p := range all {
		b.WriteString("--b\r\nContent-Disposition: form-data; name=\"" + p.name + "\"\r\n")
		if p.header != "" {
			b.WriteString(p.header + "\r\n")
		}
		b.WriteString("\r\n" + p.value + "\r\n")
	}
	return b.String() + "--b--\r\n"
}

func multipartOf(boundary string) [2]string {
	return [2]string{"Content-Type", "multipart/form-data; boundary=" + boundary}
}

func deflated(text string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write([]byte(text)) // a buffer takes everything
	_ = w.Close()
	return b.String()
}

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text)) // a buffer takes everything
	_ = w.Close()
	return b.String()
}
