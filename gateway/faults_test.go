package gateway_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gate451/gateway"
)

// faults are what happens around a gateway, or in it, while buyers come. Each ends with everything well again.
var faults = map[string]func(*testing.T, *calamity){
	"policy replaced":           policyReplaced,
	"policy in place":           policyInPlace,
	"policy half written":       policyHalfWritten,
	"policy emptied":            policyEmptied,
	"policy binary":             policyBinary,
	"policy a directory":        policyDirectory,
	"policy unreadable":         policyUnreadable,
	"policy removed":            policyRemoved,
	"database swapped":          databaseSwapped,
	"database truncated":        databaseTruncated,
	"database overwritten":      databaseOverwritten,
	"database of networks":      databaseOfNetworks,
	"database of the anonymous": databaseOfTheAnonymous,
	"database removed":          databaseRemoved,
	"shop down":                 shopFalls("down", 30),
	"shop frozen":               shopFalls("frozen", 8),
	"shop silent":               shopFalls("silent", 30),
	"shop slow to begin":        shopFalls("slow header", 30),
	"shop slow to end":          shopFalls("slow body", 30),
	"shop resets":               shopFalls("reset", 30),
	"shop breaks off":           shopFalls("broken off", 30),
	"shop promises too much":    shopFalls("too long", 30),
	"shop promises too little":  shopFalls("too short", 30),
	"shop says too much":        shopFalls("smuggling", 60),
	"shop raves":                shopFalls("garbage", 40),
	"slow readers":              slowClients,
	"idle connections":          idleClients,
	"no references":             noReferences,
}

// calamity is a gateway with everything around it that can fail.
type calamity struct {
	world   *world
	gate    *gate
	shop    *ailing
	traffic *traffic
	random  *rand.Rand
	mounted string // the folder of the policy
	late    time.Duration
	dumb    atomic.Bool // the source of references panics
}

// newCalamity starts a gateway, over TLS if it is told so, before a shop that does well. The setup may be changed
// before.
func newCalamity(t *testing.T, seed uint64, secure bool, change func(*setup)) *calamity {
	t.Helper()
	var stream uint64
	if secure {
		stream = 1
	}
	c := &calamity{world: new(world), shop: newAiling(t), random: rand.New(rand.NewPCG(seed, stream)), mounted: t.TempDir()}
	first, at := editions[0], editions[0].boundaries()[0]
	mount(t, c.mounted, "1", first.text)
	must(t, os.Symlink("..data/policy.yaml", filepath.Join(c.mounted, "policy.yaml")))
	s := setup{
		upstream: "http://" + c.shop.address, at: at,
		files: map[string][]byte{"geo.mmdb": gazetteFile(t, "first")},
		config: `geoip: {databases: [geo.mmdb]}
limits: {header_timeout: 1s}
routes: [{name: shop, hosts: [shop.example, updates.example], upstreams: ["http://` + c.shop.address + `"], header_timeout: 4s}]
policy: "` + filepath.Join(c.mounted, "policy.yaml") + `"
`,
		options: func(o *gateway.Options) { o.Random = c },
	}
	if secure {
		cert, key := certificate(t, 1)
		s.config += "tls: {cert_file: tls.crt, key_file: tls.key}\n"
		s.files["tls.crt"], s.files["tls.key"] = cert, key
	}
	if change != nil {
		change(&s)
	}
	c.gate = start(t, s)
	c.traffic = &traffic{world: c.world, client: c.gate.client, scheme: "http"}
	if secure {
		c.gate.tls = &tls.Config{InsecureSkipVerify: true}
		c.traffic.scheme = "https"
	}
	for _, peer := range append(faultBuyers, "10.0.0.7") { // a transport changes its settings when it is used first
		transport := c.gate.client(peer).Transport.(*http.Transport)
		if secure {
			transport.TLSClientConfig = c.gate.tls.Clone()
		}
		// A transport that dials while another connection falls free keeps the new one unused, and a POST that it
		// sends there as limits.header_timeout is over is lost.
		transport.IdleConnTimeout = 300 * time.Millisecond
	}
	c.world.clock.may(at)
	c.world.policy.may(first)
	c.world.gazette.may("first")
	c.world.shop.may("well")
	c.world.disorder.may("")
	return c
}

// Read is where references come from. A panic stands for whatever a handler may do wrong.
func (c *calamity) Read(p []byte) (int, error) {
	if c.dumb.Load() {
		panic("no references")
	}
	return copy(p, "any bits"), nil
}

// bustle lets buyers come and the clock move while something happens.
func (c *calamity) bustle(buyers int, happens func()) {
	ctx, end := context.WithCancel(context.Background())
	var going sync.WaitGroup
	for range buyers {
		random := rand.New(rand.NewPCG(c.random.Uint64(), 1))
		going.Go(func() { c.traffic.run(ctx, random) })
	}
	random := rand.New(rand.NewPCG(c.random.Uint64(), 2))
	going.Go(func() {
		c.world.clockwork(ctx, random, c.gate.now.set, func() bool {
			for want := c.traffic.last.Load() + 2*int64(buyers); c.traffic.done.Load() < want; time.Sleep(time.Millisecond) {
				if ctx.Err() != nil {
					return false
				}
			}
			return true
		})
	})
	defer going.Wait()
	defer end()
	happens()
}

// records are what the buyers, the shop and the gateway have written down.
func (c *calamity) records(t testing.TB) *records {
	t.Helper()
	c.traffic.mu.Lock()
	c.shop.mu.Lock()
	defer c.traffic.mu.Unlock()
	defer c.shop.mu.Unlock()
	return &records{asked: slices.Clone(c.traffic.asked), reached: slices.Clone(c.shop.came), refused: refusals(t, c.gate.log.lines(t, "request refused"))}
}

// shopFalls returns what happens if the shop falls ill until it has met some requests.
func shopFalls(ailment string, requests int64) func(*testing.T, *calamity) {
	return func(t *testing.T, c *calamity) {
		c.world.shop.may("well", ailment, "convalescent")
		c.shop.fall(t, ailment)
		if ailment == "frozen" || ailment == "down" {
			c.traffic.pass(t, 10) // what was under way is over
		}
		c.world.shop.may(ailment)
		c.traffic.pass(t, requests)
		c.world.shop.may(ailment, "convalescent")
		c.shop.fall(t, "well")
		// A connection that has just ended may still be kept for a next request, and a POST that meets it is lost.
		random := rand.New(rand.NewPCG(c.random.Uint64(), 3))
		well := 0
		eventually(t, "the shop is well again", func() bool {
			well++
			if a := c.traffic.ask(random, german, 8, false); a.status != 200 || !a.whole {
				well = 0
			}
			return well == 20
		})
		c.world.shop.may("well")
		c.traffic.pass(t, 10)
	}
}

// slowClients are those that send their header for as long as they are let. None of them is let for long.
func slowClients(t *testing.T, c *calamity) {
	var held []net.Conn
	for i := range 100 {
		conn, err := c.gate.dial(german)
		must(t, err)
		held = append(held, conn)
		begin := "GET /about/slow HTTP/1.1\r\nHost: shop.exam"
		if c.gate.tls != nil {
			begin = "\x16\x03\x01\x02\x00\x01" // of a handshake
		}
		_, err = io.WriteString(conn, begin[:1+i%len(begin)])
		must(t, err)
	}
	c.traffic.pass(t, 30)
	for _, conn := range held {
		must(t, conn.SetDeadline(time.Now().Add(patience)))
		if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
			t.Errorf("a slow client is not turned away: %v", err)
		}
		conn.Close()
	}
}

// idleClients connect, and some say who they are, and nothing else.
func idleClients(t *testing.T, c *calamity) {
	var held []net.Conn
	for i := range 400 {
		conn, err := net.Dial("tcp", c.gate.PublicAddr().String())
		must(t, err)
		held = append(held, conn)
		if i%2 == 0 {
			_, err = io.WriteString(conn, "PROXY TCP4 "+german+" 127.0.0.1 40000 80\r\n")
			must(t, err)
		}
	}
	c.traffic.pass(t, 40)
	for i, conn := range held {
		if i%3 == 0 {
			must(t, conn.(*net.TCPConn).SetLinger(0))
		}
		conn.Close()
	}
	c.traffic.pass(t, 10)
}

// noReferences has every refusal panic.
func noReferences(t *testing.T, c *calamity) {
	c.world.disorder.may("", "no references")
	c.dumb.Store(true)
	before := sum(c.gate.admin(t, "GET", "/metrics").text, "gate451_http_requests_total", `code="500"`)
	eventually(t, "a refusal has panicked", func() bool {
		return sum(c.gate.admin(t, "GET", "/metrics").text, "gate451_http_requests_total", `code="500"`) > before
	})
	c.dumb.Store(false)
	c.world.disorder.may("")
	c.traffic.pass(t, 10)
}

// TestFaults breaks everything around two gateways while buyers come, and joins what buyers, shop and gateway have
// written down: nothing reached the shop that the model blocks, nothing was refused that it allows, nothing cut short
// looks whole, and every request has its answer.
func TestFaults(t *testing.T) {
	t.Parallel()
	seed := faultSeed(t)
	for name, secure := range map[string]bool{"HTTP/1.1": false, "HTTP/2 over TLS": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCalamity(t, seed, secure, nil)
			order := slices.Sorted(maps.Keys(faults))
			c.random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
			if testing.Short() {
				order = order[:6]
			}
			c.bustle(6, func() {
				c.traffic.pass(t, 50)
				for _, fault := range order {
					began, before := time.Now(), c.traffic.done.Load()
					faults[fault](t, c)
					t.Logf("%-26s %5d requests in %v", fault, c.traffic.done.Load()-before, time.Since(began).Round(time.Millisecond))
				}
			})
			c.audit(t)
		})
	}
}

// audit joins the records, and compares them with the metrics.
func (c *calamity) audit(t *testing.T) {
	t.Helper()
	var metrics string
	eventually(t, "every refusal is logged and counted", func() bool {
		metrics = c.gate.admin(t, "GET", "/metrics").text
		n := len(c.gate.log.lines(t, "request refused"))
		return sum(metrics, "gate451_http_requests_total", `code="451"`) == n
	})
	r := c.records(t)
	wrong, certain := c.world.join(r)
	for i, text := range wrong {
		if i == 20 {
			t.Errorf("and %d more", len(wrong)-i)
			break
		}
		t.Error(text)
	}
	seen, sharp := map[int]int{}, 0
	for _, a := range r.asked {
		if c.world.sharp(a) {
			sharp++
		}
		if a.whole {
			seen[a.status]++
		}
	}
	for status, n := range seen {
		if counted := sum(metrics, "gate451_http_requests_total", `code="`+strconv.Itoa(status)+`"`); counted < n {
			t.Errorf("%d answers of %d came and %d are counted", n, status, counted)
		}
	}
	panicked := len(c.gate.log.lines(t, "a request's handler panicked"))
	if blocked := sum(metrics, "gate451_decisions_total", `verdict="block"`); blocked != len(r.refused)+panicked {
		t.Errorf("%d blocks are counted, %d refusals are logged and %d requests panicked", blocked, len(r.refused), panicked)
	}
	t.Logf("%d requests, %d with but one possible verdict, %d within a nanosecond of another; %d reached the shop, %d are logged as refused; answers %v",
		len(r.asked), certain, sharp, len(r.reached), len(r.refused), seen)
	if certain < len(r.asked)/2 || sharp < len(r.asked)/100 || len(r.refused) < len(r.asked)/20 || len(r.reached) < len(r.asked)/10 {
		t.Error("that proves too little")
	}
}

// faultSeed returns the seed of the schedules, which is another every time unless GATE451_TEST_SEED repeats one.
func faultSeed(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("GATE451_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal("GATE451_TEST_SEED: ", err)
		}
	}
	t.Logf("GATE451_TEST_SEED=%d", seed)
	return seed
}
