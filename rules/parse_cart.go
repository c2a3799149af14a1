package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// cartKeys are the keys of a cart.
var cartKeys = []string{"get", "path", "graphql", "json", "rows", "headers", "query", "within"}

// cartHeaders are the fields that a question bears if a policy does not say.
var cartHeaders = []string{"Cookie", "Authorization"}

var (
	headerName = regexp.MustCompile(`^[A-Za-z0-9-]+$`)
	// foreignHeaders are those that the gateway writes itself, and those that say what a body or an answer is.
	foreignHeaders = regexp.MustCompile(`(?i)^(host|connection|te|trailer|upgrade|expect|range|transfer-.*|content-.*|accept.*|if-.*|x-forwarded.*|forwarded|x-http-method.*|x-method.*|gate451-.*)$`)
)

// readCart reads how a shop is asked for a cart; targets are below another path.
func (r *reader) readCart(n ast.Node, below string) *Cart {
	v := r.keys(n, "a cart", cartKeys, "json")
	c := &Cart{Rows: r.printable(v, "rows"), JSON: r.printable(v, "json"), GraphQL: r.printable(v, "graphql"), Within: r.readWithin(v["within"])}
	if get, graphql := v["get"] != nil, v["path"] != nil && v["graphql"] != nil; get == graphql || get && (v["path"] != nil || v["graphql"] != nil) {
		r.fail(n, "a cart is asked for in exactly one way; give get, or path and graphql")
	}
	c.Get, c.Path = r.readTarget(v, "get", below), r.readTarget(v, "path", below)
	for key, path := range map[string]string{"json": c.JSON, "rows": c.Rows} {
		if keys := strings.Split(path, "."); path != "" && (slices.Contains(keys, "") || !slices.Contains(keys, "#") || strings.ContainsAny(path, "*?(|@")) {
			r.fail(v[key], "%s %q is no path to the rows of an answer; write one such as items.#.id, with # for every element of a list", key, path)
		}
	}
	if strings.Count(c.GraphQL, cartID) != strings.Count(c.GraphQL, `"`+cartID+`"`) {
		r.fail(v["graphql"], "graphql holds %s outside of quotes; write \"%[1]s\", so that an id is a string", cartID)
	}
	if n, ok := v["headers"]; ok {
		r.texts(n, "headers", func(n ast.Node, name string) {
			if !headerName.MatchString(name) || foreignHeaders.MatchString(name) {
				r.fail(n, "%q is no header field that tells whose cart it is; name one such as Cookie, Authorization or the shop's own token", name)
			}
			c.Headers = append(c.Headers, name)
		})
	} else {
		c.Headers = slices.Clone(cartHeaders)
	}
	r.texts(v["query"], "query", func(n ast.Node, name string) {
		if !printable(name) || strings.ContainsAny(name, "&=#[") {
			r.fail(n, "%q is no name of a parameter; write it decoded and without value, such as token", name)
		}
		c.Query = append(c.Query, name)
	})
	slices.Sort(c.Headers)
	slices.Sort(c.Query)
	return c
}

// readTarget reads the target of a question, which is one of the shop itself and nothing but a path and a query.
func (r *reader) readTarget(v map[string]ast.Node, key, below string) string {
	n, ok := v[key]
	if !ok {
		return ""
	}
	text, ok := r.text(n, key)
	if !ok {
		return ""
	}
	if err := checkTarget(key, text); err != nil {
		r.fail(n, "%v", err)
	}
	// Below a path that is written with *, the question goes to what stands before that.
	if star := strings.IndexByte(below, '*'); star >= 0 {
		below = below[:strings.LastIndexByte(below[:star], '/')]
	}
	return below + text
}

func checkTarget(key, text string) error {
	path, query, _ := strings.Cut(text, "?")
	odd := func(c rune) bool { return c <= ' ' || c >= 0x7f || strings.ContainsRune(`#\"<>^|`+"`", c) }
	switch braces := strings.ReplaceAll(path, "/"+cartID, "/"); {
	case !strings.HasPrefix(text, "/") || strings.HasPrefix(text, "//") || strings.ContainsFunc(text, odd):
		return fmt.Errorf("%s %q is no path of the shop; write one such as /wp-json/wc/store/v1/cart, coded as it is sent", key, text)
	case strings.ContainsAny(braces+query, "{}") || key == "path" && path != braces || strings.Contains(path+"/", "/../") || strings.Contains(path+"/", "/./"):
		return fmt.Errorf("%s %q has . segments or braces; only %s can stand in a get, as a segment of its path", key, text, cartID)
	}
	for rest := path; ; {
		_, after, found := strings.Cut(rest, cartID)
		if !found {
			return nil
		}
		if after != "" && after[0] != '/' {
			return fmt.Errorf("%s %q has more beside %s in a segment; leave it alone there", key, text, cartID)
		}
		rest = after
	}
}

// readWithin reads how long the shop may take.
func (r *reader) readWithin(n ast.Node) time.Duration {
	if n == nil {
		return DefaultCartWithin
	}
	text, ok := r.text(n, "within")
	if !ok {
		return DefaultCartWithin
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Millisecond || d > LongestCartWithin {
		r.fail(n, "within cannot be %q; write how long the shop may take to answer, such as 500ms or 2s, and at most %v", text, LongestCartWithin)
	}
	return d
}

// checkCart checks an element that says how its cart is asked for, and one whose fields need that it does.
func (r *reader) checkCart(v map[string]ast.Node, s *selector, what string) {
	named := slices.ContainsFunc(s.fields, func(f Field) bool { return f.Cart })
	switch {
	case s.cart == nil:
		return
	case s.carried && len(s.fields)+len(s.where) == 0:
		r.fail(v["when"], "when: carried is given without fields and where in %s; say by what a request is known that is about a cart, or leave it out", what)
	case named && !s.cart.Named():
		r.fail(v["cart"], "a field has the id of a cart in %s, and the question has no place for it; write %s into get or graphql", what, cartID)
	case !named && s.cart.Named():
		r.fail(v["cart"], "the question has a place for the id of a cart in %s, and no field has one; mark that which does with cart: true", what)
	}
}
