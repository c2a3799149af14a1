package rules

import (
	"crypto/md5" // it is what shops name rows by, and guards nothing
	"encoding/hex"
	"strings"
	"time"
)

// Cart is how a shop is asked what is in a buyer's cart, where a request orders it or changes it and names no product. The
// question bears what the shop knows the buyer by, and is what any buyer may ask.
type Cart struct {
	// Get is the target of a GET, {cart} in it the cart's id; empty where GraphQL is asked.
	Get string
	// Path is where the query GraphQL is posted, in which "{cart}" is the cart's id.
	Path, GraphQL string
	// JSON is the path to the products' ids in the answer, and Rows that to the keys of their rows, as many in the same order;
	// empty if the answer has none.
	JSON, Rows string
	// Headers are the header fields of the buyer's request that the question bears, and Query the parameters of its query.
	Headers, Query []string
	// Within is how long the shop may take to answer.
	Within time.Duration
}

// What Cart.Within is if a policy does not say, and what it may be.
const (
	DefaultCartWithin = time.Second
	LongestCartWithin = 10 * time.Second
)

// cartID is what stands for the id of a cart in a question.
const cartID = "{cart}"

// Named reports whether the question names the cart by an id, which has to be read out of the request.
func (c *Cart) Named() bool { return strings.Contains(c.Get+c.GraphQL, cartID) }

// Question returns the target and the GraphQL query, if there is one, of the question for the cart of the given id. ok is false
// if it needs an id and there is none, or one that could mean more than an id.
func (c *Cart) Question(id string) (target, query string, ok bool) {
	if c.Named() && !IsCartID(id) {
		return "", "", false
	}
	return strings.ReplaceAll(c.Get+c.Path, cartID, id), strings.ReplaceAll(c.GraphQL, cartID, id), true
}

// IsCartID reports whether a text can stand for a cart in a question: letters, digits, _, - and =, which are no more than a
// part of one segment of a path and of one string of GraphQL.
func IsCartID(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', c == '_', c == '-', c == '=':
		default:
			return false
		}
	}
	return text != "" && len(text) <= 200
}

// Asks reports whether it takes the shop's answer to know which products a request is about that carries this: one that orders
// or changes a cart, and names no product, or rows of which only the cart knows what they are.
func (c *Carrier) Asks(carried *Carried) bool {
	return c.Cart != nil && (c.Claims || carried.Present) && !carried.Answered && (len(carried.Rows) > 0 || len(carried.IDs) == 0)
}

// Unhash returns the SKU, of those that the policy writes out, that the text is the MD5 of in hexadecimal digits. SKUs are
// compared as they are matched, in lower case.
func (c *Carrier) Unhash(text string) (sku string, ok bool) {
	var sum [md5.Size]byte
	if len(c.hashes) == 0 || len(text) != 2*len(sum) {
		return "", false
	}
	if _, err := hex.Decode(sum[:], []byte(text)); err != nil {
		return "", false
	}
	sku, ok = c.hashes[sum]
	return sku, ok
}

// hash makes the SKUs that are written out known by their MD5 to the carriers that read such, if there are any.
func (p *Policy) hash() {
	var hashes map[[md5.Size]byte]string
	for _, carrier := range p.carriers {
		for _, f := range carrier.Fields {
			if f.Hash == "" {
				continue
			}
			if hashes == nil {
				hashes = make(map[[md5.Size]byte]string, len(p.skus.texts.literals))
				for sku := range p.skus.texts.literals {
					hashes[md5.Sum([]byte(sku))] = sku
				}
			}
			carrier.hashes = hashes
		}
	}
}

func (c *Cart) text() map[string]any {
	text := map[string]any{"json": c.JSON, "headers": c.Headers, "within": c.Within.String()}
	for key, value := range map[string]string{"get": c.Get, "path": c.Path, "graphql": c.GraphQL, "rows": c.Rows} {
		if value != "" {
			text[key] = value
		}
	}
	if len(c.Query) > 0 {
		text["query"] = c.Query
	}
	return text
}
