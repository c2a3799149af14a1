package refusal

import (
	"bytes"
	"errors"
	"html/template"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"gate451/rules"
)

// own is a page of an operator's own that has everything that it must.
const own = `<!DOCTYPE html>
<html lang="{{.Language}}" dir="{{.Direction}}">
<head><meta charset="utf-8"><title>{{.Title}}</title><style>
p { color: #333; background: url(data:image/png;base64,AAAA) }
</style></head>
<body><img src="{{.Logo}}" alt="{{.Shop}}">
<p>{{.Sentence}} {{.Meaning}}</p>
{{with .Basis}}{{if .URL}}<a href="{{.URL}}">{{.Text}}</a>{{end}}{{end}}
<ul>{{range $i, $a := .Alternatives}}<li><a href="{{$a.URL}}">{{$a.Title}}</a></li>{{else}}<li>none{{end}}</ul>
{{with .Reference}}{{if .Text}}<p>{{.Label}}: {{.Text}}, <a href="mailto:a@shop.example?subject={{.Text}}">ask</a></p>{{end}}{{end}}
</body></html>
`

func TestTemplate(t *testing.T) {
	t.Parallel()
	cfg := branded()
	cfg.Template = &Template{"own.html", own}
	w := newWriter(t, cfg)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Accept-Language", "he")
	rec := httptest.NewRecorder()
	w.Write(rec, r, new(sales()))
	body := rec.Body.String()
	for _, want := range []string{`<html lang="he" dir="rtl">`, "K3F9-0ZQ1, <a href=\"mailto:a@shop.example?subject=K3F9-0ZQ1\">", "https://shop.example/returns", "מוצרי Kaspersky"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	_, style, _ := strings.Cut(own, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	if got := rec.Header().Get("Content-Security-Policy"); got != securityPolicy([]string{style}) {
		t.Errorf("a browser would not apply the style sheet under %s", got)
	}
	if got := securityPolicy(nil); got != "default-src 'none'; style-src 'none'; img-src data:; base-uri 'none'; form-action 'none'" {
		t.Errorf("without a style sheet: %s", got)
	}
	// The page that comes with the program is a template that would be accepted.
	cfg.Template.Text = pageSource
	newWriterOr := func() error { _, err := New(cfg); return err }
	if err := newWriterOr(); err == nil || !strings.Contains(err.Error(), "range over .; ") {
		t.Errorf("the program's own page: %v", err)
	}
	cfg.Template.Text = strings.NewReplacer("{{- with .Alternatives}}", "{{- if .Alternatives}}", "{{- range .}}", "{{- range .Alternatives}}").Replace(pageSource)
	if err := newWriterOr(); err != nil {
		t.Error(err)
	}
}

func TestBadTemplates(t *testing.T) {
	t.Parallel()
	with := func(what string) string { return strings.Replace(own, "</ul>", "</ul>"+what, 1) }
	without := func(what string) string { return strings.Replace(own, what, "", 1) }
	const here = "own.html:9:1: "
	for name, test := range map[string]struct{ text, want string }{
		"syntax":          {with("{{if}}"), here + "the template cannot be read: missing value for if; see the Go package html/template"},
		"no field":        {with("{{.Host}}"), here + "the template fails in language en: "},
		"no function":     {with("{{env \"HOME\"}}"), here + "the template cannot be read: function \"env\" not defined; "},
		"no call":         {with("{{call .Sentence}}"), here + "the template fails in language en: "},
		"endless":         {with("{{range 1000000000}}{{end}}"), here + "range over 1000000000; a page needs with, if, and range over .Alternatives"},
		"endless, inside": {with("{{if .Shop}}{{else}}{{with .Shop}}{{range 9}}{{end}}{{end}}{{end}}"), here + "range over 9; "},
		"recursion":       {with(`{{template "page" .}}`), here + "{{template}} and {{block}} call another template; "},
		"block":           {with(`{{block "x" .}}{{end}}`), here + "{{template}} and {{block}} call another template; "},
		"long":            {with(`{{printf "%300000s" ""}}`), "own.html:1:1: the template fails in language en: the page has no end; make it shorter; "},
		"heavy":           {with(strings.Repeat("<p>"+rarely+"</p>", 1)), "own.html:1:1: the page has "},
		"bytes":           {strings.Repeat(" ", MostTemplate+1), "own.html:1:1: the template has more than 65536 bytes; write a smaller page"},
		"empty":           {"", "own.html:1:1: the page does not say its language"},
		"script":          {with("<script>alert(1)</script>"), "own.html:1:1: <script> does nothing here, as the page runs no script and loads nothing; leave it out"},
		"form":            {with("<form action=/></form>"), "own.html:1:1: <form> does nothing here"},
		"handler":         {with("<p onclick='x()'>"), "own.html:1:1: onclick does nothing here, as the page runs no script; leave it out"},
		"style attribute": {with("<p style='color: red'>"), "own.html:1:1: style attributes are not applied under the page's policy; "},
		"picture":         {with("<img src=https://shop.example/a.png>"), "own.html:1:1: the page loads nothing from outside; show {{.Logo}}, or leave src out"},
		"style sheet":     {with("<link rel=stylesheet href=/a.css>"), "own.html:1:1: the page loads nothing from outside; write its style between <style> and </style>"},
		"refresh":         {with("<meta http-equiv=refresh content='0; url=/'>"), "own.html:1:1: a refusal leads nowhere else and sets nothing; leave http-equiv out"},
		"no language":     {without(` lang="{{.Language}}"`), "own.html:1:1: the page does not say its language to those who hear it; "},
		"no title":        {without("<title>{{.Title}}</title>"), "own.html:1:1: the page has no <title>; write <title>{{.Title}}</title>"},
		"no sentence":     {without("{{.Sentence}}"), "own.html:1:1: the page does not say what cannot be done; show {{.Sentence}}"},
		"no reference":    {strings.ReplaceAll(own, "{{.Text}}", ""), "own.html:1:1: the page does not tell the reference, "},
		"changing style":  {strings.Replace(own, "p { color", "{{if .Reference.Text}}b{{else}}p{{end}} { color", 1), "own.html:1:1: the style sheet is not the same on every page; "},
		"context":         {with("<a href='{{if .Shop}}x'{{end}}>"), "the template fails in language en: "},
	} {
		_, err := New(Config{Template: &Template{"own.html", test.text}})
		problems, ok := errors.AsType[rules.Problems](err)
		if !ok || len(problems) != 1 || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v\nwant %s", name, err, test.want)
		}
	}
}

// rarely is a text that hardly gets smaller when it is compressed.
var rarely = func() string {
	var b strings.Builder
	for range 1500 {
		b.WriteString(NewReference(nil) + " ")
	}
	return b.String()
}()

// TestATemplateSeesNothingElse goes through all that a template can reach: text, and no method, function or pointer that
// could lead to the request or to the program's insides.
func TestATemplateSeesNothingElse(t *testing.T) {
	t.Parallel()
	var walk func(path string, typ reflect.Type)
	walk = func(path string, typ reflect.Type) {
		if typ.NumMethod() > 0 || reflect.PointerTo(typ).NumMethod() > 0 {
			t.Errorf("%s has methods", path)
		}
		switch typ.Kind() {
		case reflect.String:
		case reflect.Slice:
			walk(path+"[]", typ.Elem())
		case reflect.Struct:
			for i := range typ.NumField() {
				f := typ.Field(i)
				if !f.IsExported() {
					t.Errorf("%s.%s is hidden", path, f.Name)
				}
				walk(path+"."+f.Name, f.Type)
			}
		default:
			t.Errorf("%s is a %s", path, typ)
		}
	}
	walk("Page", reflect.TypeFor[Page]())
}

// TestATemplateThatFailsLaterBecomesALine has a template fail with what no sample had.
func TestATemplateThatFailsLaterBecomesALine(t *testing.T) {
	t.Parallel()
	w := newWriter(t, Config{})
	w.page = template.Must(template.New("").Parse(`{{if eq .Basis.Text "odd"}}{{index .Alternatives 7}}{{end}}`))
	f := sales()
	f.Basis.Title = "odd"
	var buf bytes.Buffer
	if got := w.render(&buf, page451, w.languages.all[0], &f, "/"); got != line || !strings.HasPrefix(buf.String(), "For legal compliance purposes, ") {
		t.Errorf("form %d: %s", got, buf.String())
	}
}

func TestSample(t *testing.T) {
	t.Parallel()
	w := newWriter(t, Config{BlockedBy: "https://shop.example/legal", Language: "de"})
	for _, test := range []struct{ shape, language, kind, reason, want string }{
		{"text", "", Purchase, "listed_country", "Aus rechtlichen Gründen können Produkte von Kaspersky aus Ihrem Land nicht gekauft werden."},
		{"json", "EN", Update, "listed_country", `"blocked_by":"https://shop.example/legal"`},
		{"html", "ja", Access, "unknown_country", `<html lang="ja" dir="ltr">`},
		{"pdf", "", Purchase, "listed_country", `there is no form "pdf"; expected html, json or text`},
		{"text", "tlh", Purchase, "listed_country", `there are no messages in language "tlh"; expected ar, bg, `},
		{"text", "", "sale", "listed_country", `there is no kind "sale"; expected purchase, update, access`},
		{"text", "", Purchase, "other", `there is no reason "other"; expected listed_country, `},
	} {
		text, err := w.Sample(test.shape, test.language, test.kind, test.reason)
		if err != nil {
			text = []byte(err.Error())
		}
		if !strings.Contains(string(text), test.want) {
			t.Errorf("%v: %s", test, text)
		}
	}
	if text, err := newWriter(t, Config{}).Sample("json", "", Purchase, "listed_country"); err != nil || !strings.Contains(string(text), `"blocked_by":"https://shop.example/"`) {
		t.Errorf("%s, %v", text, err)
	}
	if text, err := BuiltInMessages("zh-hant"); err != nil || !bytes.HasPrefix(text, []byte("title: ")) {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := BuiltInMessages("tlh"); err == nil || !strings.HasPrefix(err.Error(), `no messages in language "tlh" come with the program; expected ar, `) {
		t.Error(err)
	}
}
