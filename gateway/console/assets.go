package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
)

//go:embed pages
var files embed.FS

// assets are the files that pages load, by name.
type assets map[string]asset

// asset is a file under an address that is another for every content, so that browsers may keep it for good.
type asset struct {
	version, mediaType string
	content            []byte
}

func newAssets() assets {
	all := assets{}
	for name, mediaType := range map[string]string{
		"console.css": "text/css; charset=utf-8", "live.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml",
	} {
		content, err := files.ReadFile("pages/" + name)
		if err != nil {
			panic(err) // unreachable: it is part of the program
		}
		sum := sha256.Sum256(content)
		all[name] = asset{hex.EncodeToString(sum[:8]), mediaType, content}
	}
	return all
}

// address returns where pages find a file.
func (a assets) address(name string) string { return "/assets/" + a[name].version + "/" + name }

func (a assets) serve(w http.ResponseWriter, r *http.Request) {
	one, ok := a[r.PathValue("name")]
	if !ok || r.PathValue("version") != one.version {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", one.mediaType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(one.content) // whoever is gone needs no file
}

// views are the pages' templates, by name.
type views map[string]*template.Template

func newViews(a assets) views {
	all := views{}
	functions := template.FuncMap{
		"asset": a.address, "number": func(n any) string { return number(reflect.ValueOf(n).Int()) }, "span": span, "instant": instant, "moment": moment, "digest": digest, "visible": visible,
		"pages": func() any { return pages }, "kinds": func() []Kind { return []Kind{Blocked, WouldBlock, Allowed} },
		"ago": func(now, at time.Time) string { return span(now.Sub(at)) }, "dict": dict, "plus": plus, "minus": func(a, b any) float64 { return plus(a, -float(b)) },
		"lines": func(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") },
	}
	for _, name := range []string{"overview", "calendar", "why", "live", "policy", "sign-in", "sorry"} {
		all[name] = template.Must(template.New(name).Funcs(functions).ParseFS(files, "pages/frame.html", "pages/"+name+".html"))
	}
	return all
}

// dict makes a map of names and values for a template that takes several.
func dict(pairs ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return m
}

// plus adds coordinates.
func plus(a, b any) float64 { return round(float(a) + float(b)) }

func float(n any) float64 {
	if whole, ok := n.(int); ok {
		return float64(whole)
	}
	f, _ := n.(float64) // coordinates are nothing else
	return f
}

// seconds writes a duration for Retry-After.
func seconds(d time.Duration) string { return strconv.Itoa(int((d + time.Second - 1) / time.Second)) }
