package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestSigningIn shows that nobody gets in without the token, and with it everybody where they wanted to go.
func TestSigningIn(t *testing.T) {
	t.Parallel()
	s := newStill(t)
	v := serve(t, s, testToken)
	for _, page := range []string{"/", "/calendar", "/why", "/live", "/policy"} {
		if a := v.get(page); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/sign-in?to="+page || strings.Contains(a.text, "gate-1") {
			t.Errorf("%s: %s to %s", page, a.Status, a.Header.Get("Location"))
		}
	}
	for _, request := range []string{"POST /policy/reload", "POST /why", "GET /live/events"} {
		method, path, _ := strings.Cut(request, " ")
		if a := v.ask(method, path, nil); a.StatusCode != http.StatusUnauthorized || s.reloaded > 0 {
			t.Errorf("%s: %s, %d reloads", request, a.Status, s.reloaded)
		}
	}
	if a := v.signIn("wrong"); a.StatusCode != http.StatusForbidden || len(a.Cookies()) > 0 {
		t.Errorf("a wrong token: %s", a.Status)
	}
	a := v.signIn(" " + testToken + "\n") // as it is pasted
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/why" || len(a.Cookies()) != 1 || strings.Contains(fmt.Sprint(a.Header), testToken) {
		t.Fatalf("the right token: %s %v", a.Status, a.Header)
	}
	wants(t, v.page("/"), "Sign out")
	if a := v.get("/sign-in?to=/live"); a.Header.Get("Location") != "/live" {
		t.Errorf("who is signed in and asks to be: %s", a.Header.Get("Location"))
	}
	if a := v.ask(http.MethodPost, "/sign-out", nil); a.StatusCode != http.StatusSeeOther || a.Cookies()[0].MaxAge >= 0 {
		t.Errorf("signing out: %s %v", a.Status, a.Cookies())
	}
	if a := v.get("/"); a.StatusCode != http.StatusSeeOther { // with the old cookie
		t.Errorf("after signing out: %s", a.Status)
	}
	v.cookies = nil
	for _, to := range []string{"https://evil.example/", "//evil.example", "/policy/reload", `/\evil.example`} {
		if a := v.ask(http.MethodPost, "/sign-in", url.Values{"token": {testToken}, "to": {to}}); a.Header.Get("Location") != "/" {
			t.Errorf("sent to %s", a.Header.Get("Location"))
		}
	}
	if a := v.get("/", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+testToken) }); a.StatusCode != http.StatusOK {
		t.Errorf("a command with the token: %s", a.Status)
	}
	for range mostGuesses {
		a = v.signIn("wrong")
	}
	if a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
		t.Errorf("after too many guesses: %s", a.Status)
	}
	if a := v.signIn(testToken); a.StatusCode != http.StatusTooManyRequests {
		t.Errorf("guesses have no limit: %s", a.Status)
	}
	v.door.random = strings.NewReader("")
	clear(v.door.guesses)
	if a := v.signIn(testToken); a.StatusCode != http.StatusInternalServerError {
		t.Errorf("without random numbers: %s", a.Status)
	}
}

// TestWithoutAToken shows that only this machine gets in then, and only under a name that means it.
func TestWithoutAToken(t *testing.T) {
	t.Parallel()
	s := newStill(t)
	v := serve(t, s, "")
	v.page("/")
	for _, path := range []string{"/", "/live/events", "/policy"} {
		for _, change := range []func(*http.Request){
			func(r *http.Request) { r.Host = "evil.example:9451" }, func(r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.1") },
		} {
			if a := v.get(path, change); a.StatusCode != http.StatusForbidden || strings.Contains(a.text, "gate-1") {
				t.Errorf("%s: %s", path, a.Status)
			}
		}
	}
	if a := v.ask(http.MethodPost, "/policy/reload", nil, func(r *http.Request) { r.Host = "evil.example" }); a.StatusCode != http.StatusForbidden || s.reloaded > 0 {
		t.Errorf("a reload under another name: %s", a.Status)
	}
	for from, want := range map[string]int{"cross-site empty": 403, "cross-site iframe": 403, "same-site image": 403, "cross-site document": 200, "same-origin empty": 200, "none document": 200} {
		a := v.get("/why", func(r *http.Request) {
			site, dest, _ := strings.Cut(from, " ")
			r.Header.Set("Sec-Fetch-Site", site)
			r.Header.Set("Sec-Fetch-Dest", dest)
		})
		if a.StatusCode != want {
			t.Errorf("asked for by a browser, %s: %s, want %d", from, a.Status, want)
		}
	}
	for _, request := range []string{"GET /sign-in", "POST /sign-in"} {
		method, path, _ := strings.Cut(request, " ")
		if a := v.ask(method, path, nil); a.Header.Get("Location") != "/" {
			t.Errorf("%s without a token: %s", request, a.Status)
		}
	}
}
