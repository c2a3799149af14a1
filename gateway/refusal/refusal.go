// Package refusal answers the question: what are buyers told whose request may not pass?
//
// They are told with status 451, and why, in their language and in the form that they can read: a page for a browser,
// problem details for a program that speaks JSON, a line of text for an updater. A refusal is never a redirect,
// is never stored by a cache, and repeats nothing of the request but, where it must, its host.
package refusal

import (
	"bytes"
	"errors"
	"html/template"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"

	"gate451/rules"
)

// The kinds of refusal: what the buyer was about to do.
const (
	Purchase = "purchase"
	Update   = "update"
	Access   = "access"
)

// Refusal is what is to be said about one blocked request. Nothing in it may come from the request
// unchecked; every field may be empty, and what is empty is left unsaid.
type Refusal struct {
	// Kind is Purchase, Update or Access; anything else reads as Access.
	Kind string
	// Products are the names of the goods as a buyer knows them, such as "Kaspersky products". Without
	// any the refusal speaks of "these products".
	Products []string
	// Country is the buyer's. It is told only where it is the ground of the refusal, which is to say
	// with the reason listed_country.
	Country rules.Country
	// Reason is the decision's reason, such as listed_country or unknown_country.
	Reason string
	// Since and Until bound the time in which the rule is effective. They are told in their own zones.
	Since, Until time.Time
	// Basis is the law or order behind the rule.
	Basis Basis
	// Alternatives are what a buyer can have instead, with http or https URLs. Refusals of one rule share the slice.
	Alternatives []rules.Alternative
	// Reference is what the buyer can quote and the evidence is searched by. See NewReference.
	Reference string
	// Activity, Product and Rule are the policy's names for what was decided. They are told to programs.
	Activity, Product, Rule string
}

// Basis names the law or order that a rule carries out. URL is linked if it is http or https.
type Basis struct {
	Title string `json:"title,omitempty"`
	URL   string `json:"url,omitempty"`
}

// Config is what all refusals of a gateway have in common. Every field may be empty.
type Config struct {
	// BlockedBy is the absolute http or https URL of whoever blocks, which is the operator and not
	// whoever made the law (RFC 7725, section 4). If it is empty the origin of each request stands in,
	// because it is the store itself that blocks.
	BlockedBy string
	// Name is the shop's, and heads the page.
	Name string
	// Logo is a picture that heads the page in place of the name, and LogoDark the one for dark screens: PNG, JPEG or
	// SVG, up to MostLogo bytes.
	Logo, LogoDark []byte
	// Light and Dark are the page's colors. What is empty has a default.
	Light, Dark Palette
	// Contact is who answers questions: an e-mail address, an http or https URL, or plain words.
	Contact string
	// Alternatives are what a buyer can have instead, where a refusal names none of its own.
	Alternatives []rules.Alternative
	// Language is the BCP 47 tag of the language for buyers who ask for none that there is. Empty means en.
	Language string
	// Messages replace messages of a language, or add a language.
	Messages []Messages
	// Template is a page of the operator's own, in the language of html/template. It is executed with a Page.
	Template *Template
}

// Fault is what is wrong with one field of a Config, and what would be right.
type Fault struct {
	// Key is the field as gateway.yaml calls it, below refusal: logo, colors.accent, language.
	Key string
	// Message says what is wrong; what would be right.
	Message string
}

// Error returns the message.
func (f *Fault) Error() string { return f.Message }

// Writer writes refusals. It is safe for concurrent use.
type Writer struct {
	cfg       Config
	blockedBy string
	link      string // to blockedBy; empty if there is none
	page      *template.Template
	policy    string // Content-Security-Policy of the page
	look      look
	languages *languages
	headers   [forms]http.Header
	fields    [forms]fields // The same, as text.
	buffers   sync.Pool
	kept      kept
	patience  time.Duration
}

const (
	// keptBuffer is the largest buffer that is worth keeping, in bytes. No ordinary refusal comes near it.
	keptBuffer = 64 << 10
	// patience is how long a client that has its answer may go on sending a body before the connection
	// is cut. Cutting it at once could destroy the answer on its way (RFC 9112, section 9.6).
	patience = 5 * time.Second
)

// New returns a Writer of refusals. Its error joins all that is wrong with cfg: values of type *Fault, and rules.Problems
// with the places in the files of messages and in the template.
func New(cfg Config) (*Writer, error) {
	w := &Writer{cfg: cfg, patience: patience}
	var errs [4]error
	w.blockedBy, errs[0] = checkBlockedBy(cfg.BlockedBy)
	w.look, errs[1] = newLook(&cfg)
	w.languages, errs[2] = newLanguages(&cfg)
	errs[3] = checkAlternatives(cfg.Alternatives)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	if err := w.preparePage(); err != nil {
		return nil, err
	}
	if w.blockedBy != "" {
		w.link = linkBegin + w.blockedBy + linkEnd
	}
	w.buffers.New = func() any { return new(bytes.Buffer) }
	for f := range forms {
		w.headers[f] = http.Header{
			"Cache-Control":          {"no-store"},
			"Content-Type":           {f.mediaType()},
			"Referrer-Policy":        {"no-referrer"},
			"Vary":                   {"Accept, Accept-Language"},
			"X-Content-Type-Options": {"nosniff"},
		}
	}
	w.headers[page451].Set("Content-Security-Policy", w.policy)
	for f := range forms {
		w.fields[f] = newFields(w.headers[f])
	}
	return w, nil
}

// Write answers r with f: status 451, in the form and the language that r's headers ask for. The Link header, and no
// other part of the answer but the same member of problem details, may repeat r's host, and only if it is a plain one; for any other
// the link is "/", which a client resolves against the URL that it asked for. The link's scheme is https if the connection is
// encrypted or r.URL.Scheme says so, which is where a caller puts what a proxy before it told.
//
// A program that shows its user nothing but the status line has the text in it as well, over HTTP/1; its connection is closed.
//
// Write reads nothing of r's body. If there is one and the protocol is HTTP/1, the answer is sent at once and
// the connection is closed behind it, so that bytes which nobody read can never be taken for another request.
func (w *Writer) Write(rw http.ResponseWriter, r *http.Request, f *Refusal) {
	buf := w.buffers.Get().(*bytes.Buffer)
	buf.Reset()
	defer func() {
		if buf.Cap() <= keptBuffer {
			w.buffers.Put(buf)
		}
	}()
	link := w.link
	if link == "" {
		link = linkToOrigin(r)
	}
	language := w.languages.choose(r.Header["Accept-Language"])
	chosen := w.render(buf, choose(r.Header), language, f, linked(link))
	unread := r.ContentLength != 0 && r.ProtoMajor == 1
	phrase := chosen == line && r.ProtoMajor == 1 && !unread && readsPhrase(r.Header)
	if !unread && !phrase && w.writeAll(rw, buf, chosen, language, link, f.Reference) {
		return
	}

	h := rw.Header()
	for _, name := range [...]string{"Content-Encoding", "Etag", "Expires", "Last-Modified", "Location", "Refresh"} {
		delete(h, name)
	}
	// The values are shared between answers: each fills its slice, so that adding to one copies it.
	maps.Copy(h, w.headers[chosen])
	h["Content-Language"] = language.header
	own := &[...]string{link, strconv.Itoa(buf.Len()), f.Reference} // in one piece of memory
	h["Link"], h["Content-Length"] = own[0:1:1], own[1:2:2]
	if f.Reference != "" {
		h["Gate451-Reference"] = own[2:3:3]
	}
	if phrase && w.writePhrase(rw, r, buf.Bytes()) {
		return
	}
	if unread {
		h["Connection"] = []string{"close"}
		// The server reads up to 256 KiB of the rest before it closes, however slowly they come.
		_ = http.NewResponseController(rw).SetReadDeadline(time.Now().Add(w.patience))
	}
	rw.WriteHeader(http.StatusUnavailableForLegalReasons)
	// An error is the client's going away, which takes nothing from the refusal. To HEAD the server sends no body; whether it
	// was asked so is its own affair, because r may be what another server was asked.
	_, _ = rw.Write(buf.Bytes())
	if unread {
		// Waiting for the handler to return would do, unless a middleware has something to finish first.
		_ = http.NewResponseController(rw).Flush()
	}
}
