// Package sample answers the question: what can stand behind a gateway, to try it on? It holds a small shop of several
// pages and an update server, which know nothing of gateways but the headers that one sets.
package sample

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// product is what the shop sells. Price is in US cents.
type product struct {
	Slug  string `json:"-"`
	SKU   string `json:"sku"`
	Name  string `json:"name"`
	Price int    `json:"price_cents"`
	About string `json:"-"`
}

// amount writes a number of US cents.
func amount(cents int) string { return fmt.Sprintf("$%d.%02d", cents/100, cents%100) }

// catalogue returns the shop's goods: two whose sale a determination forbids, one of the same maker that is exempt
// from it, and two of other makers.
func catalogue() []product {
	return []product{
		{"kaspersky-standard", "KL1", "Kaspersky Standard", 2999, "Protection for one computer, for a year."},
		{"kaspersky-premium", "KL2", "Kaspersky Premium", 5999, "Protection for five computers and those who use them, for a year."},
		{"kaspersky-threat-intelligence", "TI1", "Kaspersky Threat Intelligence", 89900, "Reports on current threats. Information only: nothing to install."},
		{"other-antivirus", "OA1", "Other Antivirus", 2499, "Protection by another maker."},
		{"other-password-manager", "OP1", "Other Password Manager", 1499, "A safe for passwords, by another maker."},
	}
}

//go:embed pages
var pages embed.FS

// shop is the sample shop.
type shop struct {
	goods []product
	carts *carts
	pages map[string]*template.Template
}

// maxBody is how much of a request's body the shop and the echo page read, in bytes.
const maxBody = 64 << 10

// Shop returns the sample shop, with empty carts. Its pages are /, /products/…, /about, /cart, /checkout and
// /buy/…; POST /cart and POST /cart/add put a product into the cart, from a form or JSON with the members
// sku and quantity; /echo answers with the request as the shop saw it.
func Shop() http.Handler {
	s := &shop{goods: catalogue(), carts: newCarts(), pages: map[string]*template.Template{}}
	layout := template.Must(template.New("layout.html").Funcs(template.FuncMap{"amount": amount}).ParseFS(pages, "pages/layout.html", "pages/lines.html"))
	for _, name := range []string{"home", "product", "about", "cart", "checkout", "buy", "thanks", "message"} {
		s.pages[name] = template.Must(template.Must(layout.Clone()).ParseFS(pages, "pages/"+name+".html"))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /products/{slug}", s.product)
	mux.HandleFunc("GET /about", s.about)
	mux.HandleFunc("GET /cart", s.cart)
	mux.HandleFunc("POST /cart", s.add)
	mux.HandleFunc("POST /cart/add", s.add)
	mux.HandleFunc("GET /checkout", s.checkout)
	mux.HandleFunc("POST /checkout", s.order)
	mux.HandleFunc("GET /buy/{slug}", s.buy)
	mux.HandleFunc("POST /buy/{slug}", s.buyNow)
	mux.HandleFunc("/echo", echo)
	mux.HandleFunc("/", s.missing)
	return mux
}

// view is what every page sees.
type view struct {
	Title   string
	Country string
	Product product
	Goods   []product
	Cart    cart
}

// show answers with a page.
func (s *shop) show(w http.ResponseWriter, r *http.Request, status int, page string, v view) {
	v.Country = r.Header.Get("X-Country-Code")
	var body bytes.Buffer
	if err := s.pages[page].Execute(&body, v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, status, "text/html; charset=utf-8", body.Bytes())
}

// answer writes a whole answer.
func answer(w http.ResponseWriter, status int, mediaType string, body []byte) {
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// An error is the client's going away, and nobody is left to tell.
	_, _ = w.Write(body)
}

func (s *shop) home(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, http.StatusOK, "home", view{Title: "Example Security Store", Goods: s.goods})
}

func (s *shop) about(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, http.StatusOK, "about", view{Title: "About us"})
}

func (s *shop) missing(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, http.StatusNotFound, "message", view{Title: "There is no such page"})
}

// find returns the first of the goods that is meant.
func (s *shop) find(meant func(product) bool) (product, bool) {
	for _, p := range s.goods {
		if meant(p) {
			return p, true
		}
	}
	return product{}, false
}

// named calls next with the product that the path names.
func (s *shop) named(w http.ResponseWriter, r *http.Request, next func(product)) {
	p, ok := s.find(func(p product) bool { return strings.EqualFold(p.Slug, r.PathValue("slug")) })
	if !ok {
		s.missing(w, r)
		return
	}
	next(p)
}

func (s *shop) product(w http.ResponseWriter, r *http.Request) {
	s.named(w, r, func(p product) { s.show(w, r, http.StatusOK, "product", view{Title: p.Name, Product: p}) })
}

func (s *shop) buy(w http.ResponseWriter, r *http.Request) {
	s.named(w, r, func(p product) { s.show(w, r, http.StatusOK, "buy", view{Title: "Buy " + p.Name, Product: p}) })
}

func (s *shop) buyNow(w http.ResponseWriter, r *http.Request) {
	s.named(w, r, func(p product) {
		s.show(w, r, http.StatusOK, "thanks", view{Title: "Thank you", Cart: cart{}.with(p, 1)})
	})
}

func (s *shop) cart(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, http.StatusOK, "cart", view{Title: "Your cart", Cart: s.carts.of(r)})
}

func (s *shop) checkout(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, http.StatusOK, "checkout", view{Title: "Checkout", Cart: s.carts.of(r)})
}

func (s *shop) order(w http.ResponseWriter, r *http.Request) {
	ordered := s.carts.empty(r)
	if len(ordered.Lines) == 0 {
		http.Redirect(w, r, "/cart", http.StatusSeeOther)
		return
	}
	s.show(w, r, http.StatusOK, "thanks", view{Title: "Thank you", Cart: ordered})
}

// add puts a product into the cart. A form is answered with a redirect to the cart, JSON with the cart.
func (s *shop) add(w http.ResponseWriter, r *http.Request) {
	asJSON := isJSON(r)
	sku, quantity, err := readOrder(http.MaxBytesReader(w, r.Body, maxBody), r, asJSON)
	status := http.StatusBadRequest
	var p product
	if err == nil {
		var ok bool
		if p, ok = s.find(func(p product) bool { return strings.EqualFold(p.SKU, sku) }); !ok {
			status, err = http.StatusUnprocessableEntity, errors.New("no such SKU is sold here")
		}
	} else if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		status = http.StatusRequestEntityTooLarge
	}
	switch {
	case err != nil && asJSON:
		answerJSON(w, status, map[string]string{"error": err.Error()})
	case err != nil:
		s.show(w, r, status, "message", view{Title: "That did not work: " + err.Error()})
	case asJSON:
		answerJSON(w, http.StatusOK, s.carts.add(w, r, p, quantity))
	default:
		s.carts.add(w, r, p, quantity)
		http.Redirect(w, r, "/cart", http.StatusSeeOther)
	}
}

// isJSON reports whether the request's body is JSON by its own account.
func isJSON(r *http.Request) bool {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && mediaType == "application/json"
}

// answerJSON writes value, which must be one that JSON has a form for.
func answerJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, status, "application/json", append(body, '\n'))
}
