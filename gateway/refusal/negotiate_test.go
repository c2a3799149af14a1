package refusal

import (
	"net/http"
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	const (
		chrome  = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
		firefox = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/png,image/svg+xml,*/*;q=0.8"
		safari  = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
		jquery  = "application/json, text/javascript, */*; q=0.01"
	)
	tests := []struct {
		name    string
		headers []string // name, value, name, value ...
		want    form
	}{
		{"Chrome", []string{"Accept", chrome, "Sec-Fetch-Dest", "document", "Sec-Fetch-Mode", "navigate"}, page451},
		{"Chrome without TLS sends no fetch metadata", []string{"Accept", chrome}, page451},
		{"Chrome posting a form", []string{"Accept", chrome, "Content-Type", "application/x-www-form-urlencoded"}, page451},
		{"Chrome in a frame", []string{"Accept", chrome, "Sec-Fetch-Dest", "iframe"}, page451},
		{"Chrome loading an image", []string{"Accept", "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8", "Sec-Fetch-Dest", "image"}, line},
		{"Firefox", []string{"Accept", firefox}, page451},
		{"Safari", []string{"Accept", safari}, page451},
		{"Internet Explorer 11", []string{"Accept", "text/html, application/xhtml+xml, */*"}, page451},
		{"lynx", []string{"Accept", "text/html, text/plain, text/sgml, text/css, application/xhtml+xml, */*;q=0.01"}, page451},
		{"w3m", []string{"Accept", "text/html, text/*;q=0.5, image/*, application/*, audio/*"}, page451},
		{"a browser's page by XHTML", []string{"Accept", "application/xhtml+xml"}, page451},
		{"document that takes anything", []string{"Accept", "*/*", "Sec-Fetch-Dest", "document"}, page451},
		{"document without Accept", []string{"Sec-Fetch-Dest", "document"}, page451},
		{"document that takes no HTML", []string{"Accept", "application/json", "Sec-Fetch-Dest", "document"}, problem},
		{"document that refuses HTML", []string{"Accept", "text/html;q=0, */*", "Sec-Fetch-Dest", "document"}, line},
		{"Turbo", []string{"Accept", "text/vnd.turbo-stream.html, text/html, application/xhtml+xml", "Sec-Fetch-Dest", "empty"}, page451},

		{"nothing", nil, line},
		{"empty Accept", []string{"Accept", ""}, line},
		{"Accept of commas", []string{"Accept", " , ,, "}, line},
		{"curl", []string{"Accept", "*/*", "User-Agent", "curl/8.5.0"}, line},
		{"curl posting a form", []string{"Accept", "*/*", "Content-Type", "application/x-www-form-urlencoded"}, line},
		{"wget", []string{"Accept", "*/*", "Accept-Encoding", "identity"}, line},
		{"apt, a list", []string{"Accept", "text/*"}, line},
		{"apt, a package", []string{"User-Agent", "Debian APT-HTTP/1.3 (2.6.1)"}, line},
		{"freshclam", []string{"Accept", "*/*", "User-Agent", "ClamAV/1.0.7"}, line},
		{"dnf", []string{"Accept", "*/*", "User-Agent", "libdnf (Fedora Linux 40)"}, line},
		{"git", []string{"Accept", "*/*", "User-Agent", "git/2.43.0", "Pragma", "no-cache"}, line},
		{"git fetching", []string{"Accept", "application/x-git-upload-pack-result", "Content-Type", "application/x-git-upload-pack-request"}, line},
		{"BITS", []string{"Accept", "*/*", "User-Agent", "Microsoft BITS/7.8"}, line},
		{"Java", []string{"Accept", "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"}, page451},
		{"Android's web view navigating", []string{"Accept", "*/*", "X-Requested-With", "com.example.app"}, line},
		{"event stream", []string{"Accept", "text/event-stream"}, line},
		{"only pictures", []string{"Accept", "image/png"}, line},

		{"axios", []string{"Accept", "application/json, text/plain, */*"}, problem},
		{"axios in a browser", []string{"Accept", "application/json, text/plain, */*", "Sec-Fetch-Dest", "empty"}, problem},
		{"fetch", []string{"Accept", "*/*", "Sec-Fetch-Dest", "empty", "Sec-Fetch-Mode", "cors"}, problem},
		{"fetch with a JSON body, old browser", []string{"Accept", "*/*", "Content-Type", "application/json; charset=utf-8"}, problem},
		{"JSON body without Accept", []string{"Content-Type", "Application/JSON"}, problem},
		{"GraphQL client", []string{"Accept", "application/graphql-response+json, application/json;q=0.9"}, problem},
		{"Shopify's cart script", []string{"Accept", "application/json", "X-Requested-With", "XMLHttpRequest"}, problem},
		{"Shopify's theme, JavaScript", []string{"Accept", "application/javascript", "X-Requested-With", "XMLHttpRequest"}, line},
		{"WooCommerce, jQuery", []string{"Accept", jquery, "X-Requested-With", "XMLHttpRequest", "Content-Type", "application/x-www-form-urlencoded; charset=UTF-8"}, problem},
		{"WooCommerce, jQuery without a data type", []string{"Accept", "*/*", "X-Requested-With", "xmlhttprequest"}, problem},
		{"jQuery loading a fragment", []string{"Accept", "text/html, */*; q=0.01", "X-Requested-With", "XMLHttpRequest"}, page451},
		{"Docker", []string{"Accept", "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v1+prettyjws, */*"}, problem},
		{"any JSON", []string{"Accept", "application/*+json"}, problem},
		{"any application", []string{"Accept", "application/*"}, problem},
		{"problem details", []string{"Accept", "application/problem+json"}, problem},
		{"upper case", []string{"Accept", "APPLICATION/JSON;Q=1"}, problem},
		{"OData", []string{"Accept", "application/json;odata=verbose"}, problem},

		{"the heavier wins", []string{"Accept", "text/html;q=0.4, application/json;q=0.5, text/plain;q=0.3"}, problem},
		{"the heavier wins across fields", []string{"Accept", "text/html;q=0.4", "Accept", "text/plain;q=0.5"}, line},
		{"a wildcard can be the heavier", []string{"Accept", "text/html;q=0.5, */*"}, line},
		{"the more specific range counts", []string{"Accept", "*/*;q=0.1, text/*;q=0.9, text/plain;q=0.2, text/html;q=0.3, application/json;q=0.4"}, problem},
		{"the type before its alias", []string{"Accept", "text/html;q=0, application/xhtml+xml, application/json;q=0.1"}, problem},
		{"the heavier of two for one form", []string{"Accept", "application/json;q=0.1, application/vnd.api+json;q=0.9, text/html;q=0.5"}, problem},
		{"named alike", []string{"Accept", "text/plain, application/json, text/html"}, page451},
		{"named alike by a script", []string{"Accept", "text/plain, text/html, application/json", "Sec-Fetch-Dest", "empty"}, problem},
		{"text by a script", []string{"Accept", "text/*", "Sec-Fetch-Dest", "empty"}, line},
		{"zero is no", []string{"Accept", "text/html;q=0, application/json;q=0.000, text/plain;q=0.001"}, line},
		{"zero for the rest", []string{"Accept", "text/html, */*;q=0"}, page451},
		{"zero for text", []string{"Accept", "text/plain;q=0, */*"}, problem},
		{"zero for text and JSON", []string{"Accept", "text/plain;q=0, application/*;q=0, */*"}, page451},
		{"zero for all", []string{"Accept", "*/*;q=0"}, line},
		{"zero for all by a script", []string{"Accept", "*/*;q=0", "Sec-Fetch-Dest", "empty"}, line},
		{"a comma inside quotes", []string{"Accept", `text/html;a="x,\"y";q=0, application/json;q=0.1`}, problem},
		{"a semicolon inside quotes", []string{"Accept", `text/html;a=";q=0", application/json;q=0.1`}, page451},
		{"quotes without end", []string{"Accept", `text/html;a=", application/json`}, page451},
		{"a weight that is none", []string{"Accept", "text/html;q=x, application/json;q=0.1"}, problem},
		{"a weight without digits", []string{"Accept", "text/html;q=, application/json;q=0.1"}, problem},
		{"a weight with a bad fraction", []string{"Accept", "text/html;q=0.x, application/json;q=0.1"}, problem},
		{"a weight beyond one", []string{"Accept", "text/html;q=7, application/json;q=0.1"}, page451},
		{"a weight beyond three digits", []string{"Accept", "text/html;q=0.0001, application/json;q=0"}, page451},
		{"JSON is no suffix of a name", []string{"Accept", "application/notjson"}, line},
		{"a suffix alone is no type", []string{"Accept", "application/+json"}, line},
		{"text/json is nobody's type", []string{"Accept", "text/json"}, line},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			for i := 0; i < len(test.headers); i += 2 {
				h.Add(test.headers[i], test.headers[i+1])
			}
			if got := choose(h); got != test.want {
				t.Errorf("got %s, want %s", got.mediaType(), test.want.mediaType())
			}
		})
	}
}

// hostile are Accept headers that want to be expensive.
func hostile() map[string][]string {
	return map[string][]string{
		"one long range":  {strings.Repeat("a", 1<<20)},
		"many ranges":     {strings.Repeat("text/html;q=0.1,", 1<<16)},
		"many parameters": {"text/html" + strings.Repeat(";q=0.1", 1<<17)},
		"many fields":     make([]string, 1<<16),
		"many quotes":     {strings.Repeat(`";"\`, 1<<18)},
		"only commas":     {strings.Repeat(",", 1<<20)},
	}
}

func TestHostileAcceptIsBounded(t *testing.T) {
	t.Parallel()
	for name, fields := range hostile() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// What comes behind the bound has no say; what comes before it has.
			behind := append(append([]string{}, fields...), "application/json")
			if got := choose(http.Header{"Accept": behind}); got == problem {
				t.Error("a range behind the bound was read")
			}
			before := append([]string{"application/json"}, fields...)
			if got := choose(http.Header{"Accept": before}); got != problem {
				t.Errorf("a range before the bound was not read: got %s", got.mediaType())
			}
		})
	}
	cutInside := "text/plain;q=0.1," + strings.Repeat("x", maxAccept-40) + ",application/json;q=0.9999999999999"
	if got := choose(http.Header{"Accept": {cutInside}}); got != line {
		t.Errorf("a range across the bound was read in part: got %s", got.mediaType())
	}
}

func TestChooseAllocatesNothing(t *testing.T) {
	for name, fields := range hostile() {
		h := http.Header{"Accept": fields, "X-Requested-With": {"x"}, "Content-Type": {strings.Repeat("application/json", 1<<16)}}
		if allocations := testing.AllocsPerRun(5, func() { choose(h) }); allocations != 0 {
			t.Errorf("%s: %v allocations", name, allocations)
		}
	}
}

// FuzzChoose checks what must hold for every header: neither the case of letters nor spreading the list over fields
// changes the answer, and a form that nothing asks for is given only as the last resort.
func FuzzChoose(f *testing.F) {
	for _, seed := range []string{"", "*/*", "text/html, */*;q=0.1", "application/json, text/plain, */*", `text/html;a="x,y";q=0`, "text/*;q=0.3, *", "a/b;q=.5;Q=1"} {
		f.Add(seed, "empty", "application/json")
	}
	f.Fuzz(func(t *testing.T, accept, destination, contentType string) {
		h := http.Header{"Accept": {accept}, "Sec-Fetch-Dest": {destination}, "Content-Type": {contentType}}
		got := choose(h)
		if got >= forms {
			t.Fatalf("no such form: %d", got)
		}
		// Letters outside ASCII change their length with their case, which moves the bound.
		if upper := strings.ToUpper(accept); len(upper) == len(accept) {
			h["Accept"] = []string{upper}
			if again := choose(h); again != got {
				t.Errorf("%q is %s, in upper case %s", accept, got.mediaType(), again.mediaType())
			}
		}
		if len(accept) < maxAccept-1 && !strings.ContainsAny(accept, `"\`) {
			h["Accept"] = strings.Split(accept, ",")
			if again := choose(h); again != got {
				t.Errorf("%q is %s, over several fields %s", accept, got.mediaType(), again.mediaType())
			}
		}
		lower := strings.ToLower(accept)
		if got == page451 && strings.Trim(accept, ", \t") != "" && !strings.Contains(lower, "html") && !strings.Contains(lower, "*") {
			t.Errorf("%q does not ask for a page", accept)
		}
		if got == problem && strings.Trim(accept, ", \t") != "" && !strings.Contains(lower, "json") && !strings.Contains(lower, "*") {
			t.Errorf("%q does not ask for JSON", accept)
		}
	})
}
