package gateway_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// vendure is a shop that runs, of the version that testdata/vendure names.
type vendure struct {
	address  string
	variants []vendureVariant
}

type vendureVariant struct {
	ID, Product, SKU string
}

// newVendure starts a shop and waits until its shelves are full. It ends with the test. VENDURE names the folder into which
// npm has installed what testdata/vendure/package-lock.json lists.
func newVendure(t *testing.T) *vendure {
	t.Helper()
	missing := t.Skipf
	if os.Getenv("GATE451_REQUIRE_ALL") == "1" {
		missing = t.Fatalf
	}
	modules := os.Getenv("VENDURE")
	if modules == "" {
		missing("Vendure is not installed: npm ci --ignore-scripts in a copy of gateway/testdata/vendure, and set VENDURE to that folder's path; deployments/test.sh does")
	}
	if _, err := os.Stat(filepath.Join(modules, "node_modules", "@vendure", "core")); err != nil {
		missing("VENDURE: %v; it is to be a folder in which npm has installed @vendure/core", err)
	}
	node := os.Getenv("NODE")
	if node == "" {
		node = "node"
	}
	program, err := exec.LookPath(node)
	if err != nil {
		missing("node is not installed: %v; set NODE to its path", err)
	}
	script, err := filepath.Abs(filepath.Join("testdata", "vendure", "shop.js"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, script, modules)
	cmd.Dir = t.TempDir() // what the shop would leave there goes with it
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdin, err := cmd.StdinPipe() // the shop ends with it, however the test does
	if err != nil {
		t.Fatal(err)
	}
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	cmd.WaitDelay = patience
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // one that has ended by itself is reported below
		err := cmd.Wait()
		if e, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || e.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL) {
			t.Errorf("the shop ended before the test: %v", err)
		}
		if t.Failed() {
			t.Logf("the shop said: %.2000s", complaints.String())
		}
	})
	late := time.AfterFunc(4*patience, func() { _ = cmd.Process.Kill() }) // it has a schema to make first
	defer late.Stop()
	var stock struct {
		Port     string
		Variants []vendureVariant
	}
	for lines := bufio.NewScanner(said); stock.Port == "" && lines.Scan(); {
		_ = json.Unmarshal(lines.Bytes(), &stock) // what is no JSON is a remark
	}
	if stock.Port == "" {
		t.Fatalf("the shop does not come up: %.2000s", complaints.String())
	}
	go func() { _, _ = io.Copy(io.Discard, said) }() // until it ends
	return &vendure{address: net.JoinHostPort("127.0.0.1", stock.Port), variants: stock.Variants}
}

// dial connects to the shop past the gateway.
func (v *vendure) dial() (net.Conn, error) { return net.Dial("tcp", v.address) }

// vendureBuyer is a buyer with a session of his own.
type vendureBuyer struct {
	shop *vendure
	// dial leads to the shop, through the gateway or not.
	dial func() (net.Conn, error)
	// token is that of the session; cookie says that it is a cookie, as browsers have.
	token  string
	cookie bool
}

// send sends a row in the buyer's session, and keeps the session that the shop opens for him.
func (b *vendureBuyer) send(t testing.TB, r *shopRow) answer {
	t.Helper()
	sent := *r
	sent.Headers = slices.Clone(r.Headers)
	switch {
	case b.token == "":
	case b.cookie:
		sent.Headers = append(sent.Headers, [2]string{"Cookie", b.token})
	default:
		sent.Headers = append(sent.Headers, [2]string{"Authorization", "Bearer " + b.token})
	}
	conn, err := b.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, sent.text("shop.example")); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("%s: %v", r.ID, err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: r.Method})
	if err != nil {
		return answer{&http.Response{}, err.Error()} // refused in the middle of it
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s: %v", r.ID, err)
	}
	b.keep(res)
	return answer{res, string(text)}
}

// keep keeps the session.
func (b *vendureBuyer) keep(res *http.Response) {
	if !b.cookie {
		if token := res.Header.Get("Vendure-Auth-Token"); token != "" {
			b.token = token
		}
		return
	}
	var all []string
	for _, c := range res.Cookies() {
		all = append(all, c.Name+"="+c.Value)
	}
	if len(all) > 0 {
		b.token = strings.Join(all, "; ")
	}
}

// post sends a document as most clients do.
func (b *vendureBuyer) post(t testing.TB, document string, variables map[string]any) answer {
	t.Helper()
	text, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	return b.send(t, &shopRow{ID: "plain", Method: http.MethodPost, Target: "/shop-api", Body: string(text), Headers: [][2]string{{"Content-Type", "application/json"}}})
}

// straight is the same buyer in the same session, past the gateway.
func (b *vendureBuyer) straight() *vendureBuyer {
	return &vendureBuyer{b.shop, b.shop.dial, b.token, b.cookie}
}

// vendureLine is a line of an order.
type vendureLine struct {
	ID             string
	Quantity       int
	ProductVariant vendureVariant
}

// cart asks the shop itself what lies in the buyer's order.
func (b *vendureBuyer) cart(t testing.TB) []vendureLine {
	t.Helper()
	got := b.straight().post(t, "{ activeOrder { lines { id quantity productVariant { id sku } } } }", nil)
	var said struct {
		Data *struct {
			ActiveOrder struct{ Lines []vendureLine }
		}
	}
	if err := json.Unmarshal([]byte(got.text), &said); err != nil || said.Data == nil {
		t.Fatalf("the shop does not show the order: %d %.300s", got.StatusCode, got.text)
	}
	return said.Data.ActiveOrder.Lines
}

// has reports whether a variant lies in the buyer's order.
func (b *vendureBuyer) has(t testing.TB, id string) bool {
	t.Helper()
	return slices.ContainsFunc(b.cart(t), func(l vendureLine) bool { return l.ProductVariant.ID == id && l.Quantity > 0 })
}

// empty takes everything out of the buyer's order, past the gateway.
func (b *vendureBuyer) empty(t testing.TB) {
	t.Helper()
	if got := b.straight().post(t, "mutation { removeAllOrderLines { __typename } }", nil); !strings.Contains(got.text, `"Order"`) {
		t.Fatalf("the order cannot be emptied: %d %.300s", got.StatusCode, got.text)
	}
}

// takes sends a row and reports whether the variant came into the buyer's order, of which nothing is left then.
func (b *vendureBuyer) takes(t testing.TB, r *shopRow, id string) (took bool, got answer) {
	t.Helper()
	got = b.send(t, r)
	lines := b.cart(t)
	took = slices.ContainsFunc(lines, func(l vendureLine) bool { return l.ProductVariant.ID == id && l.Quantity > 0 })
	if len(lines) > 0 {
		b.empty(t)
	}
	return took, got
}

// ordered asks the shop's staff how often a variant lies in anyone's order.
func (v *vendure) ordered(t testing.TB, id string) int {
	t.Helper()
	staff := &vendureBuyer{shop: v, dial: v.dial}
	ask := func(document string) answer {
		text, err := json.Marshal(map[string]string{"query": document})
		if err != nil {
			t.Fatal(err)
		}
		return staff.send(t, &shopRow{ID: "staff", Method: http.MethodPost, Target: "/admin-api", Body: string(text), Headers: [][2]string{{"Content-Type", "application/json"}}})
	}
	if got := ask(`mutation { login(username: "admin", password: "admin") { __typename } }`); !strings.Contains(got.text, "CurrentUser") {
		t.Fatalf("the staff is not let in: %d %.300s", got.StatusCode, got.text)
	}
	var said struct {
		Data *struct {
			Orders struct {
				Items []struct{ Lines []vendureLine }
			}
		}
	}
	got := ask(`{ orders(options: {take: 1000}) { items { lines { quantity productVariant { id } } } } }`)
	if err := json.Unmarshal([]byte(got.text), &said); err != nil || said.Data == nil {
		t.Fatalf("the shop does not show its orders: %d %.300s", got.StatusCode, got.text)
	}
	n := 0
	for _, order := range said.Data.Orders.Items {
		for _, l := range order.Lines {
			if l.ProductVariant.ID == id {
				n += l.Quantity
			}
		}
	}
	return n
}
