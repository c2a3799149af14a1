package gateway

import (
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// previewPath is where a browser is given the token, which can send no header of its own. It is compared as it came, is answered only
// where the request would reach the shop, and is the shop's own where there are no previews.
const previewPath = "/.well-known/gate451-preview"

//go:embed preview.html
var previewSource string

var previewTemplate = template.Must(template.New("preview").Parse(previewSource))

const previewStyle = `:root{color-scheme:light dark}body{margin:0 auto;max-width:40rem;padding:2rem 1.25rem;font:16px/1.5 system-ui,sans-serif;color:CanvasText;background:Canvas}a{color:inherit}` +
	`h1{font-size:1.5rem;font-weight:680}label{display:block;font-weight:600}input{box-sizing:border-box;width:100%;padding:.5rem;font:inherit}button{padding:.5rem 1rem;font:inherit}` +
	`.on,.wrong{padding:.75rem;border:2px solid}`

var previewHeaders = func() map[string]string {
	sum := sha256.Sum256([]byte(previewStyle))
	return map[string]string{
		"Content-Security-Policy": "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
		"Cache-Control":           "no-store", "Content-Type": "text/html; charset=utf-8", "Referrer-Policy": "same-origin",
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
	}
}()

// mostForm is how long the form may be that the page sends, in bytes.
const mostForm = 8 << 10

// previewView is what the page shows. Place, Shown and Until are of the preview that is on, if there is one; the rest is the form.
type previewView struct {
	Style             template.CSS
	Place, Shown      string
	Until             string
	Wrong             string
	Country, At, Zone string
}

func asksPreviewPage(r *http.Request) bool {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	return path == previewPath
}

// orPreviewPage answers a browser that asks for the page of previews, and hands everything else on to next.
func (e *Enforcer) orPreviewPage(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !e.previews.on() || !asksPreviewPage(c.Request()) {
			return next(c)
		}
		j, _ := c.Get(contextKey).(*judgement) // enforce has put it there
		return e.previewPage(c.Response(), c.Request(), j)
	}
}

// previewPage takes the token from a browser and gives it a cookie in its place, or takes that back.
func (e *Enforcer) previewPage(w http.ResponseWriter, r *http.Request, j *judgement) error {
	view := previewView{Style: previewStyle, Zone: j.policy.Zone().String()}
	if asked, until, ok := e.byCookie(j.asking.cookies); ok {
		view.Place, view.Until = asked.place(), until.In(j.policy.Zone()).Format("2 January 15:04 MST")
		if !asked.now {
			view.Shown = asked.at.In(j.policy.Zone()).Format(time.RFC3339Nano)
		}
	}
	h, status := w.Header(), http.StatusOK
	for name, value := range previewHeaders {
		h.Set(name, value)
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		if r.ProtoMajor == 1 {
			h.Set("Connection", "close") // what is left of a body is nobody's
		}
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(patience))
		var cookie *http.Cookie
		if cookie, status = e.previewForm(r, j, &view); cookie != nil {
			http.SetCookie(w, cookie)
			h.Set("Location", previewPath)
		}
	default:
		h.Set("Allow", "GET, HEAD, POST")
		short(w, r, http.StatusMethodNotAllowed)
		return nil
	}
	w.WriteHeader(status)
	return previewTemplate.Execute(w, view)
}

// previewForm reads the form, and returns the cookie that a browser is to keep and the status of the answer. Without a cookie the view
// says what is wrong.
func (e *Enforcer) previewForm(r *http.Request, j *judgement, view *previewView) (cookie *http.Cookie, status int) {
	text, err := io.ReadAll(io.LimitReader(r.Body, mostForm+1))
	form, bad := url.ParseQuery(string(text))
	// A proxy in front that speaks TLS need not be a trusted one, and the browser itself says where the form came from.
	secure := j.scheme(r) == "https" || strings.HasPrefix(r.Header.Get("Origin"), "https://")
	switch {
	case err != nil, bad != nil, len(text) > mostForm:
		view.Wrong = "The form cannot be read."
		return nil, http.StatusBadRequest
	case !ownForm(r):
		view.Wrong = "The form came from another page; send it from this one."
		return nil, http.StatusForbidden
	case form.Get("do") == "end":
		return previewCookie(secure, "", -time.Second), http.StatusSeeOther
	}
	view.Country, view.At = strings.TrimSpace(form.Get("country")), strings.TrimSpace(form.Get("at"))
	if !e.isAuditor(strings.TrimSpace(form.Get("token")), j) {
		view.Wrong = "This is not the token that previews take here."
		return nil, http.StatusForbidden
	}
	asked, err := readPreview(view.Country, view.At, j.policy.Zone(), e.now())
	if err != nil {
		e.metrics.previews.WithLabelValues(notClear).Inc()
		view.Wrong = err.Error() + "."
		return nil, http.StatusUnprocessableEntity
	}
	return previewCookie(secure, e.previews.key.cookie(&asked, e.now().Add(previewLength)), previewLength), http.StatusSeeOther
}

// ownForm reports whether a form comes from the page itself, as far as the browser says: another page could otherwise end a preview,
// and its auditor would take for allowed what is not.
func ownForm(r *http.Request) bool {
	if site := r.Header["Sec-Fetch-Site"]; len(site) > 0 {
		return len(site) == 1 && site[0] == "same-origin"
	}
	origin := r.Header["Origin"]
	if len(origin) == 0 {
		return true
	}
	_, host, ok := strings.Cut(origin[0], "://")
	return ok && len(origin) == 1 && strings.EqualFold(host, r.Host)
}

// previewCookie is what a browser keeps. It is sent with links that lead to the shop as well (Lax), because auditors follow such.
func previewCookie(secure bool, value string, length time.Duration) *http.Cookie {
	c := &http.Cookie{Name: previewCookiePlain, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(length / time.Second)}
	if secure {
		c.Name, c.Secure = previewCookieSecure, true
	}
	return c
}
