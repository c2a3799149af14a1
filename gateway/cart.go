package gateway

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"gate451/gateway/goods"
	"gate451/gateway/upstream"
	"gate451/rules"
)

// mostCartBytes is how long a shop's answer may be. A row takes some kilobytes.
const mostCartBytes = 1 << 20

// carts asks shops what is in the carts that requests are about.
type carts struct {
	routes  *routes
	country string // the header that tells it
	heard   string // the one in which a proxy in front does, if any
	metrics *metrics
	log     *slog.Logger
}

// asks reports whether the decision about a request hangs on what is in a cart: whether it would pass if there were nothing in it,
// or if that were exempt. What is blocked whatever the answer is needs none.
func (j *judgement) asks(from *rules.Origin, at time.Time) bool {
	asks := false
	for i, carrier := range j.carriers {
		if c := &j.request.Carried[i]; carrier.Asks(c) {
			c.Answered, asks = true, true
		}
	}
	if !asks {
		return false
	}
	empty := j.policy.Decide(&j.request, from, at)
	for i := range j.request.Carried {
		j.request.Carried[i].Answered = false // nobody has been asked yet
	}
	return empty.Verdict == rules.Allow || empty.Rule != nil && slices.ContainsFunc(empty.Rule.Exceptions, func(x rules.Exception) bool { return len(x.Products) > 0 })
}

// question is what a shop is asked. One answer serves all carriers that ask the same.
type question struct{ target, query, headers string }

// questionOf returns the question of a carrier; ok is false if the request does not say for which cart.
func questionOf(r *http.Request, carrier *rules.Carrier, carried *rules.Carried) (q question, ok bool) {
	q.headers = strings.Join(carrier.Cart.Headers, " ")
	if q.target, q.query, ok = carrier.Cart.Question(carried.Cart); !ok {
		return q, false
	}
	_, query, _ := strings.Cut(r.RequestURI, "?")
	if pairs := pairsOf(query, carrier.Cart.Query); pairs != "" {
		separator := "?"
		if strings.Contains(q.target, "?") {
			separator = "&"
		}
		q.target += separator + pairs
	}
	return q, true
}

// ask puts one question to the shop, and adds the answer to what the request carries. A carrier that asks another one is left
// without an answer, as are all if there is none.
func (c *carts) ask(r *http.Request, j *judgement) {
	var asked question
	var answer []byte
	for i, carrier := range j.carriers {
		carried := &j.request.Carried[i]
		if !carrier.Asks(carried) {
			continue
		}
		q, ok := questionOf(r, carrier, carried)
		if !ok || asked != (question{}) && asked != q {
			continue
		}
		if asked == (question{}) {
			asked = q
			if answer, ok = c.put(r, j, carrier, q); !ok {
				return
			}
		}
		goods.TakeCart(carrier, answer, carried)
	}
}

// put sends a question and counts what came of it. ok says that the answer is one.
func (c *carts) put(r *http.Request, j *judgement, carrier *rules.Carrier, q question) (answer []byte, ok bool) {
	route := c.routes.find(j.request.Host)
	if route == nil {
		return nil, false // the request will not be forwarded either
	}
	start := time.Now()
	in := upstream.Inquiry{Target: q.target, Headers: carrier.Cart.Headers, Within: carrier.Cart.Within, MostBytes: mostCartBytes}
	if q.query != "" {
		in.Body, _ = json.Marshal(map[string]string{"query": q.query}) // of strings
	}
	answer, err := route.proxy.Ask(r, upstream.Meta{
		Client: j.client.Addr, Proto: j.scheme(r), CountryHeader: c.country, HeardHeader: c.heard, Country: j.origin.Country.String(),
	}, in)
	j.waited = time.Since(start)
	result := "answered"
	if un, failed := errors.AsType[*upstream.Unanswered](err); failed {
		result = un.Cause
	} else if !goods.TakeCart(carrier, answer, &rules.Carried{}) {
		result, err = "unreadable", errors.New("the answer does not say what is in the cart")
	}
	c.metrics.cartQuestions.WithLabelValues(route.name, result).Inc()
	c.metrics.cartDuration.WithLabelValues(route.name).Observe(j.waited.Seconds())
	if err != nil {
		c.log.Info("the shop did not say what is in a cart", slog.String("route", route.name), slog.String("result", result), slog.Any("error", err))
	}
	return answer, err == nil
}

// pairsOf returns the parameters of a query that the shop may read under one of the names, as they came.
func pairsOf(query string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	var pairs []string
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		name, _, _ = strings.Cut(strings.TrimLeft(name, " "), "[")
		if slices.ContainsFunc(names, func(wanted string) bool { return sameName(name, wanted) }) {
			pairs = append(pairs, pair)
		}
	}
	return strings.Join(pairs, "&")
}

// sameName compares two names of parameters. PHP takes blanks and dots for underscores, and drops what follows a NUL.
func sameName(a, b string) bool {
	a, _, _ = strings.Cut(a, "\x00")
	plain := strings.NewReplacer(" ", "_", ".", "_")
	return strings.EqualFold(plain.Replace(a), plain.Replace(b))
}
