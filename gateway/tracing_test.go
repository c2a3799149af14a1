package gateway_test

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"gate451/gateway"
)

// collector takes traces by OTLP over HTTP.
type collector struct {
	url string

	mu    sync.Mutex
	spans []*tracepb.Span
	all   []*tracepb.ResourceSpans
}

func newCollector(t testing.TB) *collector {
	t.Helper()
	c := new(collector)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var told tracepb.TracesData
		if err == nil {
			err = proto.UnmarshalOptions{}.Unmarshal(body, &told)
		}
		if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" || len(told.ProtoReflect().GetUnknown()) > 0 {
			t.Errorf("%s %s of %s: %v", r.Method, r.URL, r.Header.Get("Content-Type"), err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all = append(c.all, told.ResourceSpans...)
		for _, of := range told.ResourceSpans {
			for _, scope := range of.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(s.Close)
	c.url = s.URL
	return c
}

// told returns the spans of a kind that the collector was told, once the gateway has ended.
func (c *collector) told(t testing.TB, g *gate, kind tracepb.Span_SpanKind) []*tracepb.Span {
	t.Helper()
	g.stop()
	if err := g.end(); err != nil {
		t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.spans), func(s *tracepb.Span) bool { return s.Kind != kind })
}

// described writes the attributes of a span.
func described(attributes []*commonpb.KeyValue) map[string]string {
	all := map[string]string{}
	for _, a := range attributes {
		all[a.Key] = strings.Trim(regexp.MustCompile(`^\w+:`).ReplaceAllString(strings.ReplaceAll(a.Value.String(), "  ", " "), ""), `"`)
	}
	return all
}

const (
	theirTrace  = "0af7651916cd43dd8448eb211c80319c"
	theirParent = "00-" + theirTrace + "-b7ad6b7169203331-"
)

// startTraced starts a gateway whose requests are traced, by a share, and an upstream that says what it is told of it.
func startTraced(t *testing.T, endpoint, sample string) (*gate, func() []http.Header) {
	t.Helper()
	var mu sync.Mutex
	var heard []http.Header
	shop := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		heard = append(heard, r.Header.Clone())
		mu.Unlock()
		if r.URL.Path == "/broken" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	g := start(t, setup{
		upstream: shop, policy: packPolicy + "rules: [{id: german, activity: sale, products: [kaspersky], countries: [DE], from: 2024-01-01, mode: shadow}]\n", config: "tracing: {endpoint: \"" + endpoint + "\", sample: " + sample + "}\nreplica: gate-7\n",
		options: func(o *gateway.Options) { o.Build.Version = "1.2.3" },
	})
	return g, func() []http.Header {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(heard)
	}
}

// TestTraces: one span a request with the decision, and one for the upstream, and nothing that a buyer chose.
func TestTraces(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	g, heard := startTraced(t, c.url, "1")
	g.get(t, american, "http://shop.example/cart?secret=4711", "X-Secret", "secret")
	g.get(t, german, "http://shop.example/cart?secret=4711", "Traceparent", theirParent+"01", "Tracestate", "secret=1")
	g.send(t, german, "SECRET", "http://shop.example/secret", nil)
	g.get(t, german, "http://secret.example/")
	g.get(t, german, "http://shop.example/broken")
	spans := c.told(t, g, tracepb.Span_SPAN_KIND_SERVER)
	behind := c.told(t, g, tracepb.Span_SPAN_KIND_CLIENT)
	digest := regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	want := []map[string]string{
		{
			"": "GET shop", "http.request.method": "GET", "url.scheme": "http", "gate451.route": "shop", "gate451.verdict": "block", "gate451.reason": "listed_country",
			"gate451.rule": "kaspersky-us-2024/sales", "gate451.activity": "sale", "gate451.product": "kaspersky", "gate451.country": "US", "http.response.status_code": "451",
		}, {
			"": "GET shop", "http.request.method": "GET", "url.scheme": "http", "gate451.route": "shop", "gate451.verdict": "allow", "gate451.reason": "country_not_listed",
			"gate451.activity": "sale", "gate451.product": "kaspersky", "gate451.country": "DE", "http.response.status_code": "200",
			"gate451.shadow": `{values:{string_value:"german"}}`,
		}, {
			"": "other shop", "http.request.method": "other", "url.scheme": "http", "gate451.route": "shop", "gate451.verdict": "allow", "gate451.reason": "ungoverned",
			"gate451.country": "DE", "http.response.status_code": "200",
		}, {
			"": "GET other", "http.request.method": "GET", "url.scheme": "http", "gate451.route": "other", "gate451.verdict": "allow", "gate451.reason": "ungoverned",
			"gate451.country": "DE", "http.response.status_code": "421",
		}, {
			"": "GET shop", "http.request.method": "GET", "url.scheme": "http", "gate451.route": "shop", "gate451.verdict": "allow", "gate451.reason": "ungoverned",
			"gate451.country": "DE", "http.response.status_code": "500",
		},
	}
	if len(spans) != len(want) || len(behind) != 3 {
		t.Fatalf("%d spans of requests and %d of the upstream: %v", len(spans), len(behind), spans)
	}
	for i, span := range spans {
		got := described(span.Attributes)
		if !digest.MatchString(got["gate451.policy"]) {
			t.Errorf("policy %q", got["gate451.policy"])
		}
		delete(got, "gate451.policy")
		got[""] = span.Name
		if d := cmp.Diff(want[i], got); d != "" {
			t.Errorf("span %d (-want +got):\n%s", i, d)
		}
		if failed := want[i]["http.response.status_code"] == "500"; (span.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR) != failed {
			t.Errorf("span %d: %v", i, span.Status)
		}
		if len(span.ParentSpanId) > 0 || span.EndTimeUnixNano < span.StartTimeUnixNano {
			t.Errorf("span %d has the parent %x, from %d to %d", i, span.ParentSpanId, span.StartTimeUnixNano, span.EndTimeUnixNano)
		}
	}
	for i, headers := range heard() {
		parent := spans[[]int{1, 2, 4}[i]]
		if want := "00-" + hex.EncodeToString(behind[i].TraceId) + "-" + hex.EncodeToString(behind[i].SpanId) + "-01"; headers.Get("Traceparent") != want || headers["Tracestate"] != nil {
			t.Errorf("the upstream is told %q and %q, want %q", headers["Traceparent"], headers["Tracestate"], want)
		}
		if string(behind[i].TraceId) != string(parent.TraceId) || string(behind[i].ParentSpanId) != string(parent.SpanId) || behind[i].Name != "upstream shop" {
			t.Errorf("the upstream's span %v is not below that of the request %v", behind[i], parent)
		}
	}
	if from := described(c.all[0].Resource.Attributes); from["service.name"] != "gate451" || from["service.version"] != "1.2.3" || from["service.instance.id"] != "gate-7" {
		t.Errorf("told by %v", from)
	}
	for _, of := range c.all {
		for _, secret := range []string{"secret", "4711", american, german, "/cart", "shop.example", theirTrace} {
			if strings.Contains(strings.ToLower(of.String()), secret) {
				t.Errorf("%q is told: %s", secret, of)
			}
		}
	}
}

// TestTracesOfOthers: a buyer can neither have a request traced nor name its trace; a trusted proxy can do both.
func TestTracesOfOthers(t *testing.T) {
	t.Parallel()
	const proxy = "10.0.0.1"
	for name, c := range map[string]struct {
		from, sample, parent string
		told, theirs         bool
		flags                string
	}{
		"a buyer asks for it":                {german, "0", theirParent + "01", false, false, "00"},
		"a buyer asks not to":                {german, "1", theirParent + "00", true, false, "01"},
		"a trusted proxy traces":             {proxy, "0", theirParent + "01", true, true, "01"},
		"a trusted proxy does not":           {proxy, "1", theirParent + "00", false, true, "00"},
		"a trusted proxy says nothing":       {proxy, "1", "", true, false, "01"},
		"a trusted proxy says what is wrong": {proxy, "1", "00-0-0-01", true, false, "01"},
		"a trusted proxy says two things":    {proxy, "0", theirParent + "01 " + theirParent + "01", false, false, "00"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := newCollector(t)
			g, heard := startTraced(t, to.url, c.sample)
			headers := []string{"X-Forwarded-For", german, "Tracestate", "vendor=1"}
			for parent := range strings.FieldsSeq(c.parent) {
				headers = append(headers, "Traceparent", parent)
			}
			g.get(t, c.from, "http://shop.example/cart", headers...)
			spans := to.told(t, g, tracepb.Span_SPAN_KIND_SERVER)
			if (len(spans) == 1) != c.told || len(spans) > 0 && (hex.EncodeToString(spans[0].TraceId) == theirTrace) != c.theirs {
				t.Errorf("told: %v", spans)
			}
			parent, state := heard()[0].Get("Traceparent"), heard()[0]["Tracestate"]
			if (parent[3:35] == theirTrace) != c.theirs || parent[53:] != c.flags || parent[36:52] == "b7ad6b7169203331" || len(heard()[0]["Traceparent"]) != 1 || (state != nil) != c.theirs {
				t.Errorf("the upstream is told %q and %q", parent, state)
			}
		})
	}
}

// TestCollectorThatFails: no request waits for a collector, and the operator is told.
func TestCollectorThatFails(t *testing.T) {
	t.Parallel()
	held := make(chan struct{})
	for name, handler := range map[string]http.HandlerFunc{
		"refuses": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"moves": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		},
		"is silent": func(http.ResponseWriter, *http.Request) { <-held },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(handler)
			t.Cleanup(s.Close)
			t.Cleanup(sync.OnceFunc(func() {
				if name == "is silent" {
					close(held)
				}
			}))
			g, _ := startTraced(t, s.URL, "1")
			for range 20 {
				if a := g.get(t, german, "http://shop.example/"); a.StatusCode != http.StatusOK {
					t.Fatal(a.Status)
				}
			}
			if name == "is silent" {
				g.kill() // what is left is given up at once
			}
			g.stop()
			if err := g.end(); err != nil && name != "is silent" { // who is told twice waits for nobody
				t.Error(err)
			}
			eventually(t, "the operator is told", func() bool {
				return len(g.log.lines(t, "the collector does not take traces; see tracing.endpoint in gateway.yaml")) == 1
			})
		})
	}
}
