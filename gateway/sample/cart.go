package sample

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
)

const (
	// maxCarts is how many carts the shop remembers. A further one makes it forget the oldest.
	maxCarts = 1000
	// maxQuantity is how many of one product a cart holds. A cart has one line per product of the catalogue at most.
	maxQuantity = 99
	// sessionCookie names the buyer's cart.
	sessionCookie = "sample_session"
)

// cartLine is a number of one product.
type cartLine struct {
	product
	Quantity int `json:"quantity"`
}

// Total returns the line's price in US cents.
func (l cartLine) Total() int { return l.Price * l.Quantity }

// cart is what a buyer has chosen, in the order of choosing.
type cart struct {
	Lines []cartLine `json:"lines"`
}

// Total returns the cart's price in US cents.
func (c cart) Total() int {
	total := 0
	for _, line := range c.Lines {
		total += line.Total()
	}
	return total
}

// with returns a cart with quantity more of p, or as many as it holds. It leaves c as it was.
func (c cart) with(p product, quantity int) cart {
	lines := slices.Clone(c.Lines)
	i := slices.IndexFunc(lines, func(l cartLine) bool { return l.SKU == p.SKU })
	if i < 0 {
		i, lines = len(lines), append(lines, cartLine{product: p})
	}
	lines[i].Quantity = min(lines[i].Quantity+quantity, maxQuantity)
	return cart{lines}
}

// carts are the carts of all buyers, in memory.
type carts struct {
	mu        sync.Mutex
	bySession map[string]cart
	sessions  []string // The oldest first.
}

func newCarts() *carts { return &carts{bySession: map[string]cart{}} }

// session returns the request's session, or the empty string if it has none that a shop would have given.
func session(r *http.Request) string {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return ""
	}
	return cookie.Value
}

// of returns the buyer's cart. A buyer without a session has an empty one.
func (c *carts) of(r *http.Request) cart {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bySession[session(r)]
}

// empty empties the buyer's cart and returns what was in it.
func (c *carts) empty(r *http.Request) cart {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := session(r)
	old, known := c.bySession[name]
	if known {
		c.bySession[name] = cart{}
	}
	return old
}

// add puts a product into the buyer's cart and returns the cart. A buyer whose session is not known gets a new one: nobody
// chooses the name of a session but the shop.
func (c *carts) add(w http.ResponseWriter, r *http.Request, p product, quantity int) cart {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := session(r)
	if _, known := c.bySession[name]; !known {
		if len(c.sessions) == maxCarts {
			delete(c.bySession, c.sessions[0])
			c.sessions = slices.Delete(c.sessions, 0, 1)
		}
		name = rand.Text()
		c.sessions = append(c.sessions, name)
		http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: name, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	}
	c.bySession[name] = c.bySession[name].with(p, quantity)
	return c.bySession[name]
}

// readOrder reads which product is to be added, and how many of it; one if that is left out.
func readOrder(body io.ReadCloser, r *http.Request, asJSON bool) (sku string, quantity int, err error) {
	if asJSON {
		order := struct {
			SKU      string `json:"sku"`
			Quantity int    `json:"quantity"`
		}{Quantity: 1}
		if err := json.NewDecoder(body).Decode(&order); err != nil {
			return "", 0, fmt.Errorf("the body is not an order in JSON: %w", err)
		}
		sku, quantity = order.SKU, order.Quantity
	} else {
		r.Body = body
		// Parsing a form of several parts hides what is wrong with one that has none, so that comes first.
		err := r.ParseForm()
		if err == nil {
			err = r.ParseMultipartForm(maxBody)
		}
		if err != nil && !errors.Is(err, http.ErrNotMultipart) {
			return "", 0, fmt.Errorf("the body is not a form: %w", err)
		}
		sku, quantity = r.PostFormValue("sku"), 1
		if text := r.PostFormValue("quantity"); text != "" {
			if quantity, err = strconv.Atoi(text); err != nil {
				return "", 0, errors.New("the quantity is not a number")
			}
		}
	}
	if quantity < 1 || quantity > maxQuantity {
		return "", 0, fmt.Errorf("the quantity is not between 1 and %d", maxQuantity)
	}
	return sku, quantity, nil
}
