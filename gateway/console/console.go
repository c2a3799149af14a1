package console

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Console serves the operator's pages.
type Console struct {
	gateway Gateway
	door    *Door
	feed    *Feed
	history *History
	views   views
	assets  assets

	readers   atomic.Int64 // of the stream
	searching sync.Mutex   // one search through the evidence at a time
	reloaded  atomic.Pointer[reloaded]
	beat      time.Duration // how often the stream looks for news
}

// sampling is how often the totals are looked at.
const sampling = 5 * time.Second

// New returns a Console that shows a gateway, with the decisions of a feed, to whom a door lets in.
func New(gateway Gateway, door *Door, feed *Feed) *Console {
	c := &Console{gateway: gateway, door: door, feed: feed, history: NewHistory(gateway.State().Now), assets: newAssets(), beat: 250 * time.Millisecond}
	c.views = newViews(c.assets)
	return c
}

// Run watches what is decided, for the charts, until the context ends.
func (c *Console) Run(ctx context.Context) {
	look := time.NewTicker(sampling)
	defer look.Stop()
	for {
		c.sample(c.gateway.State().Now)
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

func (c *Console) sample(now time.Time) { c.history.Take(now, c.gateway.Totals()) }

// pages are those of the navigation.
var pages = []struct{ Path, Title string }{
	{"/", "Overview"}, {"/calendar", "Calendar"}, {"/why", "Why"}, {"/live", "Live"}, {"/policy", "Policy"},
}

// Register adds the console to what an admin port serves. Its caller must refuse POST requests from other origins.
func (c *Console) Register(mux *http.ServeMux) {
	inside := func(pattern string, next http.HandlerFunc) { mux.HandleFunc(pattern, c.guard(next)) }
	inside("GET /{$}", c.overview)
	inside("GET /calendar", c.calendar)
	inside("GET /why", c.why)
	inside("POST /why", c.try)
	inside("GET /live", c.live)
	inside("GET /live/events", c.events)
	inside("GET /policy", c.policy)
	inside("POST /policy/reload", c.reload)
	outside := func(pattern string, next http.HandlerFunc) { mux.HandleFunc(pattern, c.protect(next)) }
	outside("GET /sign-in", c.signInPage)
	outside("POST /sign-in", c.signIn)
	outside("POST /sign-out", c.signOut)
	mux.HandleFunc("GET /assets/{version}/{name}", c.assets.serve)
}

// contentPolicy lets a page use the console's own files, and nothing else.
const contentPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// mostForm bounds a form, in bytes: the body to try is its largest field, and escapes make three of one.
const mostForm = 1 << 20

// protect sends what keeps a browser from doing more with a page than show it.
func (c *Console) protect(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")        // for browsers that do not know frame-ancestors
		h.Set("Referrer-Policy", "same-origin") // with no-referrer, a form's Origin would be null
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, mostForm)
		next(w, r)
	}
}

// guard lets in whom the door does, and shows others the way.
func (c *Console) guard(next http.HandlerFunc) http.HandlerFunc {
	return c.protect(func(w http.ResponseWriter, r *http.Request) {
		if elsewhere(r) {
			c.sorry(w, http.StatusForbidden, "Not from there", "A page of another origin has asked for this one, other than by a link.")
			return
		}
		if !c.door.Locked() {
			if why := Stranger(r); why != "" {
				c.sorry(w, http.StatusForbidden, "Not from here",
					why+". Without a token this console is for this machine alone: open it as http://127.0.0.1 or http://localhost with its port, or give admin.token_file in gateway.yaml.")
				return
			}
			next(w, r)
			return
		}
		switch right, wait := c.door.Presents(r); {
		case right || wait == 0 && c.door.signedIn(r):
			next(w, r)
		case r.Method == http.MethodGet && r.URL.Path != "/live/events":
			http.Redirect(w, r, "/sign-in?to="+r.URL.Path, http.StatusSeeOther) // the path is that of a pattern
		default:
			c.sorry(w, http.StatusUnauthorized, "Not signed in", "Sign in with the token of admin.token_file; what you sent was not done.")
		}
	})
}

// elsewhere reports whether a page of another origin has asked, to show the answer within itself or only to keep the
// gateway at work: a search through the evidence, a place among those who follow. A link may lead here.
func elsewhere(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return (site == "cross-site" || site == "same-site") && r.Header.Get("Sec-Fetch-Dest") != "document"
}

// signInForm is what the sign-in page shows.
type signInForm struct{ To, Problem string }

func (c *Console) signInPage(w http.ResponseWriter, r *http.Request) {
	to := pageOf(r.FormValue("to"))
	if !c.door.Locked() || c.door.signedIn(r) {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return
	}
	c.show(w, r, http.StatusOK, "sign-in", "Sign in", signInForm{To: to})
}

// pageOf returns a page of the console: anything else would be somebody else's choice of where to go.
func pageOf(path string) string {
	for _, page := range pages {
		if page.Path == path {
			return path
		}
	}
	return "/"
}

func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	if !c.door.Locked() {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	form := signInForm{To: pageOf(r.PostFormValue("to"))}
	switch right, wait := c.door.Try(r, strings.TrimSpace(r.PostFormValue("token"))); {
	case wait > 0:
		w.Header().Set("Retry-After", seconds(wait))
		form.Problem = "Too many wrong tokens came from your address. Wait " + span(wait.Round(time.Second)) + "."
		c.show(w, r, http.StatusTooManyRequests, "sign-in", "Sign in", form)
	case !right:
		form.Problem = "This is not the token. It stands in the file that admin.token_file in gateway.yaml names."
		c.show(w, r, http.StatusForbidden, "sign-in", "Sign in", form)
	default:
		value, err := c.door.open(r)
		if err != nil {
			c.sorry(w, http.StatusInternalServerError, "Not signed in", "No random number could be had: "+err.Error())
			return
		}
		http.SetCookie(w, cookie(r, value))
		http.Redirect(w, r, form.To, http.StatusSeeOther)
	}
}

func (c *Console) signOut(w http.ResponseWriter, r *http.Request) {
	c.door.close(r)
	http.SetCookie(w, cookie(r, ""))
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
}

// frame is what every page shows around its own.
type frame struct {
	Title, Path string
	State       *State // nil where nobody has come in
	SignOut     bool
	Alarms      int
	Page        any
}

// show answers with a page.
func (c *Console) show(w http.ResponseWriter, r *http.Request, status int, view, title string, page any) {
	f := frame{Title: title, Path: r.URL.Path, Page: page}
	if view != "sign-in" && view != "sorry" {
		state := c.gateway.State()
		f.State, f.SignOut = &state, c.door.Locked()
		f.Alarms = len(slices.DeleteFunc(worries(&state), func(worry Worry) bool { return !worry.Serious }))
	}
	c.write(w, status, view, f)
}

// sorry answers with a page that says why there is no other.
func (c *Console) sorry(w http.ResponseWriter, status int, title, text string) {
	c.write(w, status, "sorry", frame{Title: title, Page: text})
}

func (c *Console) write(w http.ResponseWriter, status int, view string, f frame) {
	var page bytes.Buffer
	if err := c.views[view].ExecuteTemplate(&page, "frame", f); err != nil {
		http.Error(w, "the page cannot be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = page.WriteTo(w) // whoever is gone needs no page
}
