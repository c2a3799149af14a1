package goods

import (
	"fmt"
	"strings"
	"testing"

	"gate451/rules"
)

// TestPersistedQueries registers a document as clients do, and buys by its digest alone.
func TestPersistedQueries(t *testing.T) {
	const (
		document = `mutation($id:ID!){addItemToOrder(productVariantId:$id){id}}`
		digest   = "4dde9ac63087a07425bc6e65665ad6e5f7676de4f63053415db386e0b886fc74"
	)
	documents := map[string]string{}
	opts := Options{
		Stored:     func(hash string) (string, bool) { document, ok := documents[hash]; return document, ok },
		Registered: func(hash, document string) { documents[hash] = document },
	}
	named := func(hash string) string { return `,"extensions":{"persistedQuery":{"sha256Hash":"` + hash + `"}}}` }
	send := func(body string) rules.Carried {
		return Read(nil, post("/", "application/json", body), nil, []*rules.Carrier{carrier("node", addItem)}, opts)[0]
	}
	check(t, send(`{"variables":{"id":7}`+named(digest)), true, true)
	// A harmless document under the digest of another one is not believed, nor does it stand in for that.
	check(t, send(`{"query":"{x}"`+named(digest)), true, true)
	check(t, send(`{"variables":{"id":7}`+named(digest)), true, true)

	registration := strings.TrimSuffix(graphqlBody(document, `{"id":1}`, ""), "}") + named(digest)
	check(t, send(registration), true, false, "1")
	check(t, send(`{"variables":{"id":7}`+named(strings.ToUpper(digest))), true, false, "7")
	check(t, send(`{"query":"{x}","variables":{"id":7}`+named(digest)), true, false, "7")
	check(t, send(fmt.Sprintf(`[{"variables":{"id":7}%s,{"variables":{"id":8}%s]`, named(digest), named("ab"))), true, true, "7")
}
