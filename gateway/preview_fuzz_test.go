package gateway_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gate451/gateway"
)

// ledger is a shop that writes down all of each request, and answers the gateway's own questions with what is in a cart.
type ledger struct{ register }

func (l *ledger) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if slices.Equal(r.Header["Accept"], []string{"application/json"}) && slices.Equal(r.Header["Accept-Encoding"], []string{"identity"}) {
		_, _ = io.WriteString(w, fullCart) // whoever is gone needs no answer
		return
	}
	l.add(arrival{method: r.Method, target: r.RequestURI, body: fmt.Sprintf("%s %v %v %q %v", r.Host, r.Header, r.Trailer, body, err)})
	_, _ = io.WriteString(w, "ok") // likewise
}

// previewPolicies have every kind of rule. Whom a preview stands for has no address, and is of those whom each rollout has reached.
var previewPolicies = []string{
	previewPolicy,
	`version: 1
activities:
  sale: [{preset: woocommerce, hosts: [shop.example]}, {preset: vendure, hosts: [shop.example]}, {preset: medusa, hosts: [shop.example]}]
products: {restricted: [{skus: ["11", "7", "43"]}], free: [{skus: ["12"]}]}
defaults: {undetermined_product: allow, unknown_country: allow, private_networks: allow}
rules:
  - {id: goods, activity: sale, products: [restricted], countries: [US], rollout: 50%}
  - {id: all, activity: sale, countries: [CU], undetermined_product: block, from: 2024-07-20T00:00:00Z, until: 2025-07-20T00:00:00Z, except: [{products: [free]}]}
  - {id: watched, activity: sale, countries: [FR], mode: shadow}
`,
	strings.Replace(basketPolicy, "rules:", "rules:\n  - {id: later, activity: sale, countries: [DE, FR], notice_from: 2024-01-01T00:00:00Z, from: 2026-01-01T00:00:00Z, until: 2027-01-01T00:00:00Z, unknown_country: block, private_networks: allow}", 1),
	`version: 1
activities: {sale: [{paths: ["/**"]}]}
rules:
  - {id: everywhere, activity: sale, countries: [US, DE], client_address: allow, except: [{networks: [50.114.0.1, "192.168.0.0/16"], until: 2025-06-01T00:00:00Z}, {tokens: ["` + tokenDigest + `"]}, {paths: [/about]}]}
`,
}

// previewBuyers are whoever may ask, and previewPlaces whom they may ask to be taken for, each with somebody who is one.
var (
	previewBuyers = []string{german, american, puertoRican, "88.120.0.1", nowhere, private, nobody, "50.114.0.2"}
	previewPlaces = [][2]string{{"US", "50.114.0.2"}, {"DE", "85.214.132.118"}, {"PR", puertoRican}, {"FR", "88.120.0.1"}, {"unknown", nowhere}, {"GU", guamanian}}
	previewTimes  = []string{"2020-01-01T00:00:00Z", "2024-07-20T04:00:00Z", "2024-07-20T03:59:59.999999999Z", "2025-03-01T12:00:00Z", "2026-06-01T00:00:00Z", "2100-01-01T00:00:00Z"}
)

// stage is a policy in force at a gateway that has previews and evidence, and at one that has neither and whose clock can be set.
type stage struct {
	shown, real        *gate
	behind, behindReal *ledger
	records            string
	file               string
	cookies            map[string]string // by place and instant
	read               int64
}

func newStage(t testing.TB, policy string) *stage {
	s := &stage{behind: new(ledger), behindReal: new(ledger), cookies: map[string]string{}}
	quiet := func(o *gateway.Options) { o.Logger = slog.New(slog.DiscardHandler) }
	s.shown = start(t, setup{
		policy: policy, upstream: newShop(t, s.behind.serve), files: previewFile, options: quiet,
		config: withPreviews + "evidence: {dir: evidence, segment_size: 100GiB}\n",
	})
	everybody := regexp.MustCompile(`, rollout: [0-9.]+%`).ReplaceAllString(policy, "")
	s.real = start(t, setup{policy: everybody, upstream: newShop(t, s.behindReal.serve), options: quiet})
	s.records = s.shown.file("evidence")
	return s
}

// recorded returns what the evidence has got since the last time: decisions without their times and references, and how many
// previews.
func (s *stage) recorded(t testing.TB) (decisions []string, previews int) {
	t.Helper()
	if s.file == "" {
		files, err := filepath.Glob(filepath.Join(s.records, "*.jsonl"))
		if err != nil || len(files) != 1 {
			t.Fatalf("%v, %v", files, err)
		}
		s.file = files[0]
	}
	f, err := os.Open(s.file)
	must(t, err)
	defer f.Close()
	_, err = f.Seek(s.read, io.SeekStart)
	must(t, err)
	text, err := io.ReadAll(f)
	must(t, err)
	s.read += int64(len(text))
	for one := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(one, `{"verdict":`):
			decisions = append(decisions, regexp.MustCompile(`"time":"[^"]*","reference":"[^"]*"`).ReplaceAllString(one, ""))
		case strings.Contains(one, `"event":"preview"`):
			previews++
		}
	}
	return decisions, previews
}

// cookie has the page of previews give a browser a cookie.
func (s *stage) cookie(t testing.TB, place, at string) string {
	t.Helper()
	if s.cookies[place+at] == "" {
		a := s.shown.sendForm(t, "88.120.0.1", previewForm(place, at)) // whom no policy refuses the page
		s.cookies[place+at], _, _ = strings.Cut(a.Header.Get("Set-Cookie"), ";")
		if s.behind.take(); a.StatusCode != http.StatusSeeOther || s.cookies[place+at] == "" {
			t.Fatalf("no cookie: %d %s", a.StatusCode, a.text)
		}
		s.recorded(t)
	}
	return s.cookies[place+at]
}

// came is what has become of a request.
type came struct {
	answer    string // without what differs each time
	arrived   []arrival
	decisions []string
	previews  int
}

var differsEachTime = regexp.MustCompile(`Date: [^\r]*\r\n|[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}|HTTP/1.1 100 Continue\r\n\r\n`)

// send plays a request as a buyer.
func (s *stage) send(t *testing.T, buyer, text string) (c came) {
	t.Helper()
	s.behind.take()
	c.answer = differsEachTime.ReplaceAllString(tell(t, s.shown, announced(buyer)+text), "")
	c.arrived, _ = s.behind.take()
	c.decisions, c.previews = s.recorded(t)
	return c
}

// tell sends a text, in which a whole request stands that ends its connection, and returns all that is answered. The client stays
// until then: one that leaves is told something else, if the disk is slow.
func tell(t *testing.T, g *gate, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", g.PublicAddr().String())
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	_, _ = io.WriteString(conn, text) // a connection that is closed meanwhile shows in the answer
	answer, err := io.ReadAll(conn)
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		t.Fatalf("the connection stays open behind %.300q, upon %.500q", answer, text)
	}
	return string(answer)
}

// announced is how a balancer begins that knows the buyer.
func announced(buyer string) string {
	switch {
	case buyer == nobody:
		return "PROXY UNKNOWN\r\n"
	case strings.Contains(buyer, ":"):
		return "PROXY TCP6 " + buyer + " ::1 40000 80\r\n"
	}
	return "PROXY TCP4 " + buyer + " 127.0.0.1 40000 80\r\n"
}

func (c *came) status() string {
	_, rest, _ := strings.Cut(c.answer, " ")
	return rest[:min(3, len(rest))]
}

// told is what the answer says of a preview.
func (c *came) told() string {
	head, _, _ := strings.Cut(c.answer, "\r\n\r\n")
	_, told, _ := strings.Cut(head, "\r\nGate451-Preview: ")
	told, _, _ = strings.Cut(told, "\r\n")
	return told
}

// compare says what a preview has done that none may do: whatever is refused without it is refused with it, in the same words and with
// the same record; what passes arrives as it would, or not at all.
func (c *came) compare(with *came) error {
	blocked := slices.ContainsFunc(c.decisions, func(one string) bool { return strings.HasPrefix(one, `{"verdict":"block"`) })
	switch {
	case !slices.Equal(c.decisions, with.decisions):
		return fmt.Errorf("the records are %q and %q", c.decisions, with.decisions)
	case (blocked || c.status() == "451") && (c.answer != with.answer || with.previews > 0 || len(with.arrived) > 0):
		return fmt.Errorf("refused with %.1500q, and with the preview %.1500q, %d previews; %+v arrived", c.answer, with.answer, with.previews, with.arrived)
	case slices.Equal(c.arrived, with.arrived):
		return nil
	case len(with.arrived) > 0:
		return fmt.Errorf("%+v arrived, and with the preview %+v", c.arrived, with.arrived)
	case with.status() == "400" || with.status() == "403" || strings.HasPrefix(with.told(), "block; "):
		return nil
	}
	return fmt.Errorf("%+v arrived, and with the preview nothing, which was answered %.500q", c.arrived, with.answer)
}

// fidelity says where a preview differs from what a buyer of the place is told at the instant.
func (s *stage) fidelity(t *testing.T, with *came, text string, place [2]string, at string) error {
	t.Helper()
	instant, err := time.Parse(time.RFC3339Nano, at)
	must(t, err)
	s.real.now.set(instant)
	s.behindReal.take()
	real := differsEachTime.ReplaceAllString(tell(t, s.real, announced(place[1])+text), "")
	shown := strings.Replace(with.answer, "Gate451-Preview: "+with.told()+"\r\n", "", 1)
	refused := strings.HasPrefix(real, "HTTP/1.1 451") || strings.Contains(real, "PersistedQueryNotFound")
	switch blocks := strings.HasPrefix(with.told(), "block; "); {
	case blocks && real != shown, !blocks && refused:
		return fmt.Errorf("shown to be told %.1500q, and told %.1500q", with.answer, real)
	}
	return nil
}

// TestPreviewsAreCompared shows that FuzzPreview would notice.
func TestPreviewsAreCompared(t *testing.T) {
	t.Parallel()
	const block, allow = `{"verdict":"block","reason":"listed_country"}`, `{"verdict":"allow"}`
	buy, other := []arrival{{method: "GET", target: "/cart"}}, []arrival{{method: "GET", target: "/cart", body: "DE"}}
	refused, passes := came{answer: "HTTP/1.1 451 X\r\n\r\n", decisions: []string{block}}, came{answer: "HTTP/1.1 200 OK\r\n\r\n", decisions: []string{allow}, arrived: buy}
	for i, c := range []struct {
		without, with came
		good          bool
	}{
		{refused, refused, true},
		{refused, passes, false},
		{refused, came{answer: refused.answer, decisions: refused.decisions, arrived: buy}, false},
		{refused, came{answer: "HTTP/1.1 403 X\r\n\r\n", decisions: refused.decisions}, false},
		{refused, came{answer: refused.answer, decisions: refused.decisions, previews: 1}, false},
		{refused, came{answer: refused.answer, decisions: []string{`{"verdict":"block","reason":"unknown_country"}`}}, false},
		{refused, came{answer: refused.answer}, false},
		{passes, passes, true},
		{passes, came{answer: passes.answer, decisions: passes.decisions, arrived: other}, false},
		{passes, came{answer: passes.answer, decisions: passes.decisions, arrived: append(other, buy...)}, false},
		{passes, came{answer: "HTTP/1.1 451 X\r\nGate451-Preview: block; country=US\r\n\r\n", decisions: passes.decisions, previews: 1}, true},
		{passes, came{answer: "HTTP/1.1 451 X\r\n\r\nGate451-Preview: block; country=US\r\n", decisions: passes.decisions, previews: 1}, false},
		{passes, came{answer: "HTTP/1.1 403 X\r\n\r\n", decisions: passes.decisions}, true},
		{passes, came{answer: "HTTP/1.1 502 X\r\n\r\n", decisions: passes.decisions}, false},
	} {
		if err := c.without.compare(&c.with); (err == nil) != c.good {
			t.Errorf("%d: %v", i, err)
		}
	}
}

// FuzzPreview sends any request twice, without a preview and with one, in every policy and as any buyer: with the token and without,
// of any place and instant, well-formed or not, once or several times. See compare for what must hold.
func FuzzPreview(f *testing.F) {
	const form, json = "Content-Type: application/x-www-form-urlencoded\n", "Content-Type: application/json\n"
	n := uint(0)
	for _, asked := range []string{
		"", "country=US; token=TOKEN", "country=DE; at=2020-01-01; token=TOKEN", "country=DE", "country=DE; token=x", "token=TOKEN", "country=DE; token=TOKEN\ncountry=US; token=TOKEN",
		"country=DE; country=US; token=TOKEN", ";;;", "country=\"US\";at=\"2024-07-20\";token=\"TOKEN\"", "country=unknown; token=TOKEN", "country=DE; token=TOKEN, country=US; token=TOKEN",
	} {
		for _, target := range []string{"/cart", "/about", "/order", "/?add-to-cart=11", "/%00", "http://shop.example/cart"} {
			n++
			f.Add("GET", target, "Cookie: a=1; gate451-preview=x; b=2\n", []byte(nil), []byte(asked), n, 72*n+1)
		}
	}
	targets := []string{"/cart", "/cart", "/cart/returns", "/add?sku=KL1", "/add?sku=TEA", "/order", "/row?row=a", "/carts/c1", "/about", "/?add-to-cart=11", "/cart", "/shop-api/x", "/books?sku=b1", previewPage}
	random := rand.New(rand.NewPCG(4, 51))
	for what := range uint(6 * 6) {
		for policy := range uint(len(previewPolicies)) {
			for _, buyer := range []uint{0, random.UintN(uint(len(previewBuyers)))} {
				way := 216 * random.UintN(3)
				f.Add("GET", targets[random.IntN(len(targets))], "", []byte(nil), []byte(nil), policy+uint(len(previewPolicies))*buyer, 2*(what+way))
			}
		}
	}
	for _, post := range [][3]string{
		{"/add", json, `{"sku":"KL1"}`}, {"/add", form, "sku=TEA"}, {"/add", json, `{"sku":`}, {"/shop-api", json, `{"query":"mutation{addItemToOrder(productVariantId:7,quantity:1){__typename}}"}`},
		{"/wp-json/wc/store/v1/cart/add-item", json, `{"id":11}`}, {"/store/carts/c/line-items", json, `{"variant_id":"variant_1","quantity":1}`}, {"/cart", "Gate451-Token: " + token + "\n", ""}, {"/books", form, "x"},
		{"/cart", "Expect: 100-continue\nGate451_Preview: country=DE; token=TOKEN\n", "x"}, {"/about", "Connection: Gate451-Preview\nTransfer-Encoding: chunked\n", "0\r\n\r\n"},
	} {
		for what := range uint(12) {
			n++
			f.Add("POST", post[0], post[1], []byte(post[2]), []byte("country=US; token=TOKEN"), n, what*7)
		}
	}
	for i, row := range readShopRows(f, "shops.jsonl", 300) {
		if i%12 == 0 {
			head, _, _ := strings.Cut(row.text("shop.example"), "\r\n\r\n")
			_, lines, _ := strings.Cut(head, "\r\nHost: shop.example\r\n")
			f.Add(row.Method, row.Target, strings.ReplaceAll(lines, "\r\n", "\n")+"\n", row.body(), []byte("country=US; token=TOKEN"), uint(i)<<3|1, uint(i/12))
		}
	}
	var stages []*stage
	for _, policy := range previewPolicies {
		stages = append(stages, newStage(f, policy))
	}
	f.Fuzz(func(t *testing.T, method, target, header string, body, asked []byte, who, what uint) {
		s, buyer := stages[who%uint(len(stages))], previewBuyers[who/uint(len(stages))%uint(len(previewBuyers))]
		place, at := previewPlaces[what/2%uint(len(previewPlaces))], previewTimes[what/12%uint(len(previewTimes))]
		faithful := what%2 == 0 // a preview of which it is known what it must show
		lines := strings.Split(strings.ReplaceAll(string(asked), "TOKEN", previewToken), "\n")
		if faithful {
			lines = []string{"country=" + place[0] + "; at=" + at + "; token=" + previewToken}
		}
		for _, part := range append(lines, method, target) {
			if strings.ContainsFunc(part, func(c rune) bool { return c < ' ' || c == 0x7f }) || len(part) > 4<<10 {
				return // another request than is meant, or none that a server would read
			}
		}
		host := []string{"shop.example", "shop.example", "shop.example", "SHOP.example.:80", "updates.example", "unheard-of.example"}[what/72%6]
		var head strings.Builder
		fmt.Fprintf(&head, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, host)
		for line := range strings.SplitSeq(header, "\n") {
			if name, _, ok := strings.Cut(line, ":"); ok && !slices.Contains(append(held, "gate451-preview"), strings.ToLower(strings.TrimSpace(name))) {
				head.WriteString(strings.TrimSuffix(line, "\r") + "\r\n")
			}
		}
		rest := "Connection: close\r\n\r\n" + string(body)
		if len(body) > 0 {
			rest = fmt.Sprintf("Content-Length: %d\r\n", len(body)) + rest
		}
		text := head.String() + rest
		preview := ""
		for _, line := range lines {
			switch way := what / 432 % 3; {
			case way < 2:
				preview += []string{"Gate451-Preview", "gate451-preview"}[way] + ": " + line + "\r\n"
			case faithful:
				preview += "Cookie: " + s.cookie(t, place[0], at) + "\r\n"
			default:
				preview += "Cookie: gate451-preview=" + strings.ReplaceAll(line, ";", "/") + "\r\n"
			}
		}
		judge := func() error {
			without, with := s.send(t, buyer, text), s.send(t, buyer, head.String()+preview+rest)
			if err := without.compare(&with); err != nil {
				return err
			}
			if faithful && with.told() != "" && !strings.Contains(strings.ToLower(header), "gate451-token") {
				return s.fidelity(t, &with, text, place, at)
			}
			return nil
		}
		if err := judge(); err != nil {
			time.Sleep(200 * time.Millisecond) // what was forwarded for a client that has left may arrive late
			s.behind.take()
			s.recorded(t)
			if again := judge(); again != nil {
				t.Errorf("%v; and once more: %v\nfrom %s under\n%s\n%.2000q\n%q", err, again, buyer, previewPolicies[who%uint(len(stages))], text, preview)
			}
		}
	})
}
