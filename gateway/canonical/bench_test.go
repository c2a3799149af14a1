package canonical

import (
	"net/http"
	"strings"
	"testing"

	"gate451/rules"
)

func TestPlainTargetsAllocateNothing(t *testing.T) {
	out := rules.Request{Paths: make([]string, 0, 8)}
	for _, target := range []string{
		"/", "/product/mug", "/search?q=/cart;a//b/..%zz", "/a-b_c~d!$&'()*+,=:@", "/style.css", "/lib/jquery-3.7.1.min.js", "/index.php?route=x",
		"http://shop.example/cart",
	} {
		r := &http.Request{Method: "GET", RequestURI: target, Host: "shop.example:8080", ProtoMajor: 2}
		if n := testing.AllocsPerRun(100, func() {
			if err := Read(r, &out); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", target, n)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	for _, bench := range []struct{ name, target string }{
		{"plain", "/product/mug/big-blue-one"},
		{"query", "/product/mug?" + strings.Repeat("a=b&", 20)},
		{"extension", "/lib/jquery-3.7.1.min.js"},
		{"encoded", "/caf%C3%A9"},
		{"several", "/p%20q;jsessionid=1//x.html"},
		{"many", "/a.b%20c;d.e//f.g%2fh.i/../%25;%23x%3fy.z%5c"},
		{"long", strings.Repeat("/a.b;c//%2561", 600)},
		{"slashes", strings.Repeat("/", 8000) + "cart"},
		{"climbing", strings.Repeat("/a/..", 1600) + "/cart"},
		{"dots", "/" + strings.Repeat("a.b/", 2000)},
		{"letters", "/" + strings.Repeat("é%C3%A9", 1000)},
		{"nested", "/" + strings.Repeat("%252563", 1000)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			r := &http.Request{Method: "GET", RequestURI: bench.target, Host: "shop.example", ProtoMajor: 1}
			var out rules.Request
			b.ReportAllocs()
			for b.Loop() {
				_ = Read(r, &out)
			}
		})
	}
}
