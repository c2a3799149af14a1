package goods

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gate451/rules"
)

const (
	addItem  = "graphql addItemToOrder.productVariantId"
	addLines = "graphql cartLinesAdd.lines.merchandiseId"
)

func TestDocuments(t *testing.T) {
	for _, tt := range []struct {
		field, query, variables, operation string
		present, undetermined              bool
		ids                                []string
	}{
		{addItem, `mutation { addItemToOrder(productVariantId: "7", quantity: 1) { __typename } }`, "", "", true, false, []string{"7"}},
		{addItem, `mutation { addItemToOrder(productVariantId: 7) { id } }`, "", "", true, false, []string{"7"}},
		{addItem, `mutation { addItemToOrder(productVariantId: "0x7") { id } }`, "", "", true, false, []string{"7"}},
		{addItem, `mutation { addItemToOrder(productVariantId: "7abc") { id } }`, "", "", true, false, []string{"7abc", "7"}},
		{addItem, `mutation { addItemToOrder(productVariantId: " +70e-1abc") { id } }`, "", "", true, false, []string{"7"}},
		{addItem, `mutation { addItemToOrder(productVariantId: "0_7") { id } }`, "", "", true, false, []string{"7"}},
		{addItem, `mutation { addItemToOrder(productVariantId: "+0x_7") { id } }`, "", "", true, false, []string{"7"}},
		{addItem, `mutation { addItemToOrder(productVariantId: """7""") { id } }`, "", "", true, false, []string{"7"}},
		{addItem, `mutation { addItemToOrder(productVariantId: "\u0037") { id } }`, "", "", true, false, []string{"7"}},
		{addItem, `mutation { harmless: addItemToOrder(productVariantId: "7") { id } }`, "", "", true, false, []string{"7"}},
		{addItem, `mutation { a: addItemToOrder(productVariantId: "1") { id } b: addItemToOrder(productVariantId: "7") { id } }`, "", "", true, false, []string{"1", "7"}},
		{addItem, `{ addItemToOrder: product(productVariantId: "7") { id } }`, "", "", false, false, nil},
		{addItem, `query addItemToOrder { product(productVariantId: "7") { id } }`, "", "", false, false, nil},
		{addItem, `query { addItemToOrder(productVariantId: "7") { id } }`, "", "", false, false, nil},
		{addItem, `mutation { addItemToOrder: login(productVariantId: "7") { id } }`, "", "", false, false, nil},
		{addItem, `mutation { ...X } fragment X on Mutation { ... on Mutation { addItemToOrder(productVariantId: "7") { id } } }`, "", "", true, false, []string{"7"}},
		{addItem, `mutation { ...X } fragment X on Mutation { ...Y } fragment Y on Mutation { ...X addItemToOrder(productVariantId: "7") { id } }`, "", "", true, false, []string{"7"}},
		{addItem, `mutation { addItemToOrder(productVariantId: "7") @skip(if: true) { id } }`, "", "", false, false, nil},
		{addItem, `mutation { addItemToOrder(productVariantId: "7") @include(if: false) { id } }`, "", "", false, false, nil},
		{addItem, `mutation { ...X @skip(if: true) ... @include(if: false) { addItemToOrder(productVariantId: "7") { id } } } fragment X on Mutation { addItemToOrder(productVariantId: "7") { id } }`, "", "", false, false, nil},
		{addItem, `mutation { addItemToOrder(productVariantId: "7") @include(if: true) @skip(if: $x) @foo(if: true) { id } }`, "", "", true, false, []string{"7"}},
		{addItem, `mutation($id: ID!) { addItemToOrder(productVariantId: $id) { id } }`, `{"id":"7"}`, "", true, false, []string{"7"}},
		{addItem, `mutation($id: ID!) { addItemToOrder(productVariantId: $id) { id } }`, `{"id":7.0}`, "", true, false, []string{"7"}},
		{addItem, `mutation($id: ID!) { addItemToOrder(productVariantId: $id) { id } }`, `{"id":"1","\u0069d":"7"}`, "", true, false, []string{"1", "7"}},
		{addItem, `mutation($id: ID = "7") { addItemToOrder(productVariantId: $id) { id } }`, ``, "", true, false, []string{"7"}},
		{addItem, `mutation($id: ID = "7") { addItemToOrder(productVariantId: $id) { id } }`, `{"id":"1"}`, "", true, false, []string{"1"}},
		{addItem, `mutation($id: ID) { addItemToOrder(productVariantId: $id) { id } }`, `{"ids":"7"}`, "", true, true, nil},
		{addItem, `mutation($id: ID = "1") { addItemToOrder(productVariantId: $id) { id } }`, `["7"]`, "", true, true, []string{"1"}},
		{addItem, `mutation($id: ID) { addItemToOrder(productVariantId: $id) { id } }`, `{"id":{"a":"7"}}`, "", true, true, nil},
		{addItem, `mutation { addItemToOrder(productVariantId: {a: "7"}) { id } }`, ``, "", true, true, nil},
		{addItem, `mutation { addItemToOrder(productVariantId: null) { id } }`, ``, "", true, false, nil},
		{addItem, `mutation { addItemToOrder(quantity: 7) { id } }`, ``, "", true, false, nil},
		{addItem, `query A { x } mutation B { addItemToOrder(productVariantId: "7") { id } }`, ``, "B", true, false, []string{"7"}},
		{addItem, `query A { x } mutation B { addItemToOrder(productVariantId: "7") { id } }`, ``, "A", false, false, nil},
		{addItem, `query A { x } mutation B { addItemToOrder(productVariantId: "7") { id } }`, ``, "C", true, false, []string{"7"}},
		{addItem, `query A { x } mutation B { addItemToOrder(productVariantId: "7") { id } }`, ``, "", true, false, []string{"7"}},
		{addItem, `mutation { addItemToOrder(productVariantId: "7" { id } }`, ``, "", true, true, nil},
		{addItem, `mutation { addItem(productVariantId: "7" { id } }`, ``, "", false, false, nil},
		{addItem, "mutation { addItemToOrder(productVariantId: \"7\") { id } } #" + strings.Repeat("x", 1000), ``, "", true, false, []string{"7"}},
		{addItem, "mutation { " + strings.Repeat("a ", mostTokens) + "addItemToOrder(productVariantId: \"7\") { id } }", ``, "", true, true, nil},
		{addLines, `mutation { cartLinesAdd(lines: [{merchandiseId: "gid://shopify/ProductVariant/7"}, {quantity: 1}]) { id } }`, "", "", true, false, []string{"7"}},
		{addLines, `mutation { cartLinesAdd(lines: {merchandiseId: "7"}) { id } }`, "", "", true, false, []string{"7"}},
		{addLines, `mutation { cartLinesAdd(lines: "7") { id } }`, "", "", true, true, nil},
		{addLines, `mutation { cartLinesAdd(lines: {x: {merchandiseId: "7"}}) { id } }`, "", "", true, false, nil},
		{addLines, `mutation($l: [L!]!) { cartLinesAdd(lines: $l) { id } }`, `{"l":[{"merchandiseId":"1"},{"merchandiseId":["7"]}]}`, "", true, false, []string{"1", "7"}},
		{addLines, `mutation($l: [L!]!) { cartLinesAdd(lines: $l) { id } }`, `{"l":{"merchandiseId":"7"}}`, "", true, false, []string{"7"}},
		{addLines, `mutation($l: [L!]!) { cartLinesAdd(lines: $l) { id } }`, `{"l":"7"}`, "", true, true, nil},
		{addLines, `mutation($a: ID, $b: L = {merchandiseId: "8"}) { cartLinesAdd(lines: [{merchandiseId: $a}, $b]) { id } }`, `{"a":"7"}`, "", true, false, []string{"7", "8"}},
		{"graphql adjustOrderLine", `mutation { adjustOrderLine(orderLineId: 7) { id } }`, "", "", true, false, nil},
	} {
		t.Run(tt.query[:min(len(tt.query), 200)]+tt.variables+tt.operation, func(t *testing.T) {
			c := carrier("node", tt.field)
			body := graphqlBody(tt.query, tt.variables, tt.operation)
			got := read(post("/shop-api", "application/json", body), c)
			check(t, got, tt.present, tt.undetermined, tt.ids...)
			got = read(post("/shop-api", "application/json", "[{},"+body+"]"), c)
			check(t, got, tt.present, tt.undetermined, tt.ids...)
			fields := url.Values{"query": {tt.query}, "operationName": {tt.operation}, "variables": {tt.variables}}.Encode()
			got = read(post("/shop-api", form, fields), c)
			check(t, got, tt.present, tt.undetermined, tt.ids...)
			r := post("/shop-api?"+fields, "", "")
			r.Method, r.Body = http.MethodGet, nil
			check(t, read(r, c), tt.present, tt.undetermined, tt.ids...)
		})
	}
}

// graphqlBody returns a request as most clients send it.
func graphqlBody(query, variables, operation string) string {
	text, _ := json.Marshal(query)
	body := fmt.Sprintf(`{"query":%s`, text)
	if variables != "" {
		body += `,"variables":` + variables
	}
	if operation != "" {
		body += fmt.Sprintf(`,"operationName":%q`, operation)
	}
	return body + "}"
}

func TestEnvelopes(t *testing.T) {
	const (
		doc       = `mutation($id:ID!){addItemToOrder(productVariantId:$id){id}}`
		byDefault = `mutation($id:ID!="7"){addItemToOrder(productVariantId:$id){id}}`
	)
	inPart := func(name, value string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
	}
	for _, tt := range []struct {
		name, target, contentType, body string
		present, undetermined           bool
		ids                             []string
	}{
		{"application/graphql", "/", "application/graphql", strings.Replace(doc, "$id)", "7)", 1), true, false, []string{"7"}},
		{"a form with variables", "/", form, "query=" + url.QueryEscape(doc) + "&variables[id]=7", true, false, []string{"7"}},
		{"a form with lists", "/", form, "query=" + url.QueryEscape(doc) + "&variables[id][0]=7&variables[id][]=8", true, false, []string{"7", "8"}},
		{"a form with other variables", "/", form, "query=" + url.QueryEscape(doc) + "&variables[ids]=7&variables[id][x]=7", true, false, nil},
		{"JSON said to be a form", "/", form, graphqlBody(doc, `{"id":7}`, ""), true, false, []string{"7"}},
		{"JSON said to be text", "/", "text/plain", graphqlBody(doc, `{"id":7}`, ""), true, true, []string{"7"}},
		{"multipart", "/", "multipart/form-data; boundary=b", inPart("operations", graphqlBody(doc, `{"id":7}`, "")) +
			inPart("map", "{}") + "--b--", true, false, []string{"7"}},
		{"multipart with fields", "/", "multipart/form-data; boundary=b", inPart("query", doc) + inPart("variables[id]", "7"), true, false, []string{"7"}},
		{"multipart, broken", "/", "multipart/form-data; boundary=b", inPart("operations", "x"), false, true, nil},
		{"document in the query, variables in the body", "/?query=" + url.QueryEscape(doc), "application/json", `{"variables":{"id":7}}`, true, false, []string{"7"}},
		{"variables in a text", "/", "application/json", graphqlBody(doc, `"{\"id\":7}"`, ""), true, false, []string{"7"}},
		{"variables in a broken text", "/", "application/json", graphqlBody(doc, `"{\"id\""`, ""), true, true, nil},
		{"a hash", "/", "application/json", `{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"ab"}}}`, true, true, nil},
		{"a hash and no document", "/", "application/json", `{"query":null,"extensions":{"persistedQuery":{"sha256Hash":"ab"}}}`, true, true, nil},
		{"a hash and two documents", "/", "application/json", `{"query":"{x}","query":"","extensions":{"persistedQuery":{"sha256Hash":"ab"}}}`, true, true, nil},
		{"a hash and its document", "/", "application/json", `{"query":"{x}",` + named(hashOf("{x}")) + `}`, false, false, nil},
		{"a hash and another document", "/", "application/json", `{"query":"{x}",` + named(hashOf("{y}")) + `}`, true, true, nil},
		{"two hashes and a document", "/", "application/json", `{"query":"{x}",` + named(hashOf("{x}")) + `,` + named(hashOf("{y}")) + `}`, true, true, nil},
		{"a hash and its document in the query", "/?query={x}", "application/json", `{` + named(hashOf("{x}")) + `}`, false, false, nil},
		{"a hash and another document in the query", "/?query={x}", "application/json", `{"extensions":{"persistedQuery":{"sha256Hash":"ab"}}}`, true, true, nil},
		{"a hash and the other's too", "/?query={x}&extensions[persistedQuery][sha256Hash]=" + hashOf("{x}"), "application/json", `{"extensions":{"persistedQuery":{"sha256Hash":"ab"}}}`, true, true, nil},
		{"a document's id and a document in the query", "/?query={x}", "application/json", `{"documentId":"ab"}`, true, true, nil},
		{"a document's id and a document", "/", "application/json", `{"documentId":"ab","query":"{x}"}`, false, false, nil},
		{"variables in the query, and a default", "/?variables[id]=6", "application/json", graphqlBody(byDefault, "{}", ""), true, false, []string{"6", "7"}},
		{"variables twice, and a default", "/", "application/json", strings.TrimSuffix(graphqlBody(byDefault, `{"id":"6"}`, ""), "}") + `,"variables":{}}`, true, false, []string{"6", "7"}},
		{"a form with a bracket first", "/", form, "[query]=" + url.QueryEscape(doc) + "&%5bvariables%5D[id]=7", true, false, []string{"7"}},
		{"a form with something between", "/", form, "query=" + url.QueryEscape(byDefault) + "&variables[id]x=8", true, false, []string{"7", "8"}},
		{"a form with an equals sign in a name", "/", form, "query=" + url.QueryEscape(doc) + "&variables[id]a=b%5D=7", true, false, []string{"7"}},
		{"a form that does not decode", "/", form, "query=mutation{addItemToOrder(productVariantId:7)#%0A@skip(if:true)\n{id}}#%zz", true, false, []string{"7"}},
		{"a form that decodes to no text", "/", form, "query=mutation{addItemToOrder(productVariantId:7)#%0A@skip(if:true)\n{id}}#%ff", true, false, []string{"7"}},
		{"a blank of Latin-1", "/", form + "; charset=iso-8859-1", "query=" + url.QueryEscape(doc) + "&variables[id]=%A07", true, false, []string{"7"}},
		{"a blank of Latin-1 in a document", "/", form + "; charset=iso-8859-1", "query=mutation{addItemToOrder(productVariantId:\"%A07\"){id}}", true, false, []string{"7"}},
		{"a hash in a form", "/", form, `extensions[persistedQuery][sha256Hash]=ab`, true, true, nil},
		{"a hash in the query", "/?extensions=" + url.QueryEscape(`{"persistedQuery":{"sha256Hash":"ab"}}`), "application/json", `{}`, true, true, nil},
		{"a document's id", "/", "application/json", `{"documentId":"ab"}`, true, true, nil},
		{"a document's id in a query", "/?documentId=ab", "application/json", `{}`, true, true, nil},
		{"other extensions", "/", "application/json", `{"extensions":{"trace":1,"persistedQuery":null}}`, false, false, nil},
		{"two names", "/", "application/json", `{"query":"query A{x} mutation B{addItemToOrder(productVariantId:7){id}}","operationName":"A","operationName":"B"}`, true, false, []string{"7"}},
		{"broken", "/", "application/json", `{"query":`, false, true, nil},
		{"nothing", "/", "application/json", `{}`, false, false, nil},
		{"an array of nothing", "/", "application/json", `[1,"x"]`, false, false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			check(t, read(post(tt.target, tt.contentType, tt.body), carrier(rules.Node, addItem)), tt.present, tt.undetermined, tt.ids...)
		})
	}
}
