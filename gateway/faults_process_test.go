//go:build unix

package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gate451/config"
	"gate451/gateway"
)

// Gateways that are processes of their own, because what happens to them would happen to the test as well.

const (
	processFolder      = "GATE451_TEST_GATEWAY"     // where gateway.yaml is
	processDescriptors = "GATE451_TEST_DESCRIPTORS" // how many it may have
)

// processAt is where the clock of such a gateway stands.
var processAt = time.Date(2024, 12, 1, 0, 0, 0, 0, time.UTC)

// TestFaultProcess is the gateway that other tests start; by itself it does nothing.
func TestFaultProcess(t *testing.T) {
	dir := os.Getenv(processFolder)
	if dir == "" {
		return
	}
	cfg, err := config.Load(filepath.Join(dir, "gateway.yaml"), nil)
	must(t, err)
	log, err := os.Create(filepath.Join(dir, "log"))
	must(t, err)
	defer log.Close()
	g, err := gateway.New(cfg, gateway.Options{
		Logger: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: func() time.Time { return processAt },
	})
	must(t, err)
	if text := os.Getenv(processDescriptors); text != "" {
		n, err := strconv.ParseUint(text, 10, 32)
		must(t, errors.Join(err, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n})))
	}
	stop, end := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // until the other process lets go, or is gone
		end()
	}()
	writeFile(t, filepath.Join(dir, "addresses.new"), []byte(g.PublicAddr().String()+" "+g.AdminAddr().String()))
	must(t, os.Rename(filepath.Join(dir, "addresses.new"), filepath.Join(dir, "addresses")))
	if err := g.Run(stop, context.Background()); err != nil {
		t.Error(err)
	}
}

// spawned is a gateway that runs as a process.
type spawned struct {
	*exec.Cmd
	hold          io.Closer // closed, the gateway stops
	said          strings.Builder
	public, admin string
}

// spawn starts the gateway of a folder and waits until it serves.
func spawn(t testing.TB, dir string, environ ...string) *spawned {
	t.Helper()
	where := filepath.Join(dir, "addresses")
	if err := os.Remove(where); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	p := &spawned{Cmd: exec.Command(os.Args[0], "-test.run=^TestFaultProcess$")}
	p.Env = append(append(os.Environ(), processFolder+"="+dir), environ...)
	p.Stdout, p.Stderr = &p.said, &p.said
	var err error
	p.hold, err = p.StdinPipe()
	must(t, err)
	must(t, p.Start())
	for limit := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if text, err := os.ReadFile(where); err == nil {
			p.public, p.admin, _ = strings.Cut(string(text), " ")
			return p
		}
		if time.Now().After(limit) {
			_ = p.Process.Kill()
			_ = p.Wait()
			t.Fatalf("the gateway does not serve: %s", p.said.String())
		}
	}
}

// end stops the gateway and waits for it.
func (p *spawned) end(t testing.TB) {
	t.Helper()
	p.hold.Close()
	if err := p.Wait(); err != nil {
		t.Errorf("the gateway ends with %v: %s", err, p.said.String())
	}
}

// kill ends the gateway as it stands.
func (p *spawned) kill() {
	_ = p.Process.Kill()
	_ = p.Wait() // it says that it was killed
}

// process is a gateway in a process of its own, with a shop and buyers.
type process struct {
	world         *world
	shop          *ailing
	traffic       *traffic
	operator      *http.Client
	dir           string
	public, admin string
	random        *rand.Rand
}

// startProcess starts a gateway that may have so many descriptors, or as many as it likes.
func startProcess(t *testing.T, descriptors int) *process {
	t.Helper()
	p := &process{world: new(world), shop: newAiling(t), dir: t.TempDir(), random: rand.New(rand.NewPCG(faultSeed(t), 0))}
	s := setup{
		policy: editions[0].text, files: map[string][]byte{"geo.mmdb": gazetteFile(t, "first")}, upstream: "http://" + p.shop.address,
		config: "geoip: {databases: [geo.mmdb]}\nlimits: {header_timeout: 120s, idle_timeout: 10m}\n",
	}
	s.write(t, p.dir)
	var environ []string
	if descriptors > 0 {
		environ = append(environ, processDescriptors+"="+strconv.Itoa(descriptors))
	}
	program := spawn(t, p.dir, environ...)
	t.Cleanup(func() {
		p.operator.CloseIdleConnections()
		program.end(t)
	})
	p.operator = &http.Client{Transport: &http.Transport{}, Timeout: patience}
	p.public, p.admin = program.public, program.admin
	clients := map[string]*http.Client{}
	for _, peer := range append(faultBuyers, "10.0.0.7") {
		transport := &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return p.dial(peer, "") }, DisableCompression: true, MaxIdleConnsPerHost: 16,
		}
		clients[peer] = &http.Client{Transport: transport, Timeout: patience}
		t.Cleanup(transport.CloseIdleConnections)
	}
	p.traffic = &traffic{world: p.world, scheme: "http", client: func(peer string) *http.Client { return clients[peer] }}
	p.world.clock.may(processAt)
	p.world.policy.may(editions[0])
	p.world.gazette.may("first")
	p.world.shop.may("well")
	p.world.disorder.may("")
	return p
}

// dial connects as a peer and sends a text.
func (p *process) dial(peer, text string) (net.Conn, error) {
	conn, err := net.Dial("tcp", p.public)
	if err != nil {
		return nil, err
	}
	family := "TCP4 " + peer + " 127.0.0.1"
	if strings.Contains(peer, ":") {
		family = "TCP6 " + peer + " ::1"
	}
	if _, err := io.WriteString(conn, "PROXY "+family+" 40000 80\r\n"+text); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func (p *process) log(t testing.TB) *logbook {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "log"))
	must(t, err)
	l := new(logbook)
	_, err = l.Write(text[:strings.LastIndexByte(string(text), '\n')+1])
	must(t, err)
	return l
}

// audit joins all records, but for the refusals on one path, which it counts.
func (p *process) audit(t *testing.T, but string) (without int) {
	t.Helper()
	p.shop.mu.Lock()
	r := &records{asked: p.traffic.asked, reached: p.shop.came}
	p.shop.mu.Unlock()
	for _, l := range refusals(t, p.log(t).lines(t, "request refused")) {
		if l.Path == but {
			without++
			continue
		}
		r.refused = append(r.refused, l)
	}
	wrong, certain := p.world.join(r)
	for _, text := range wrong {
		t.Error(text)
	}
	t.Logf("%d requests, %d with but one possible verdict; %d reached the shop, %d are logged as refused", len(r.asked), certain, len(r.reached), len(r.refused))
	if len(r.refused) < len(r.asked)/20 || len(r.reached) < len(r.asked)/4 {
		t.Error("that proves too little")
	}
	return without
}

// bustle lets several buyers ask so many times each.
func (p *process) bustle(times int) {
	var going sync.WaitGroup
	for range 4 {
		random := rand.New(rand.NewPCG(p.random.Uint64(), 0))
		going.Go(func() {
			for range times {
				p.traffic.ask(random, faultBuyers[random.IntN(len(faultBuyers))], random.IntN(len(aims)), false)
			}
		})
	}
	going.Wait()
}

// operate asks the admin port over a connection that is kept.
func (p *process) operate(t testing.TB, method, path string) answer {
	t.Helper()
	return exchange(t, p.operator, method, "http://"+p.admin+path, nil)
}

// TestFaultDescriptors takes every descriptor from a gateway. Who is connected is judged as before, nothing that is
// loaded gets lost, and with the descriptors everything comes back.
func TestFaultDescriptors(t *testing.T) {
	t.Parallel()
	p := startProcess(t, 64)
	buyers := []string{american, puertoRican, german, nowhere}
	once := func() {
		for _, buyer := range buyers {
			for _, aim := range []int{0, 5, 7} {
				p.traffic.ask(p.random, buyer, aim, false)
			}
		}
	}
	for range 6 { // so that everybody has a connection, the trusted proxy too
		once()
	}
	p.operate(t, http.MethodGet, "/healthz")

	p.world.shop.may("well", "starved")
	const refused = "too many open files"
	var held []net.Conn
	release := func() {
		for _, conn := range held {
			conn.Close()
		}
		held = nil
	}
	defer release()
	eventually(t, "the gateway has no descriptors left", func() bool {
		if len(held) < 500 {
			conn, err := p.dial(german, "GET /about/none HTTP/1.1\r\n")
			must(t, err)
			held = append(held, conn)
		}
		return strings.Contains(p.log(t).String(), refused)
	})
	eventually(t, "a reload fails", func() bool {
		a := p.operate(t, http.MethodPost, "/-/reload")
		return a.StatusCode == http.StatusInternalServerError && strings.Contains(a.text, refused+"; name a readable policy file under policy")
	})
	for range 6 {
		once()
	}
	if a := p.operate(t, http.MethodGet, "/healthz"); a.StatusCode != 200 {
		t.Errorf("health: %d", a.StatusCode)
	}
	release()
	eventually(t, "there are descriptors again", func() bool {
		a := p.traffic.ask(p.random, french, 1, false)
		return a.status == 200 && a.whole
	})
	p.world.shop.may("well")
	p.bustle(20)

	p.world.policy.may(editions[0], editions[1])
	writeFile(t, filepath.Join(p.dir, "policy.new"), []byte(editions[1].text))
	must(t, os.Rename(filepath.Join(p.dir, "policy.new"), filepath.Join(p.dir, "policy.yaml")))
	if a := p.operate(t, http.MethodPost, "/-/reload"); a.StatusCode != 200 {
		t.Errorf("reload: %d %s", a.StatusCode, a.text)
	}
	p.world.policy.may(editions[1])
	p.bustle(30)
	p.audit(t, "")
}

// TestFaultIdleConnections serves buyers while ten thousand others are connected and say nothing more.
func TestFaultIdleConnections(t *testing.T) {
	t.Parallel()
	idle := 10_000
	if testing.Short() {
		idle = 500
	}
	room(t, uint64(idle)+500)
	p := startProcess(t, 0)
	held := make([]net.Conn, idle)
	defer func() {
		for _, conn := range held {
			if conn != nil {
				conn.Close()
			}
		}
	}()
	var next atomic.Int64
	var going sync.WaitGroup
	for range 8 {
		going.Go(func() {
			for i := next.Add(1) - 1; i < int64(idle); i = next.Add(1) - 1 {
				conn, err := p.dial(american, "HEAD /cart/idle HTTP/1.1\r\nHost: shop.example\r\n\r\n")
				if err != nil {
					t.Error(err)
					return
				}
				held[i] = conn
				if err := errors.Join(conn.SetDeadline(time.Now().Add(patience)), refusedOn(conn)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	going.Wait()
	p.bustle(100)
	open := func() int {
		for line := range strings.Lines(p.operate(t, http.MethodGet, "/metrics").text) {
			if text, ok := strings.CutPrefix(line, "process_open_fds "); ok {
				var n float64
				_, err := fmt.Sscan(text, &n)
				must(t, err)
				return int(n)
			}
		}
		return -1
	}
	if n := open(); n >= 0 && n < idle { // only Linux tells
		t.Errorf("the gateway has %d descriptors: it has not kept %d connections", n, idle)
	}
	for i, conn := range held {
		conn.Close()
		held[i] = nil
	}
	eventually(t, "the gateway has let go of the idle connections", func() bool { return open() < idle/10+100 })
	p.bustle(20)
	if n := p.audit(t, "/cart/idle"); n != idle {
		t.Errorf("%d refusals of the idle are logged, want %d", n, idle)
	}
}

// refusedOn reads a refusal without a body.
func refusedOn(conn net.Conn) error {
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodHead})
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode != http.StatusUnavailableForLegalReasons {
		return errors.New(res.Status)
	}
	return nil
}

// room makes sure that the test, and the processes that it starts, may have so many descriptors.
func room(t *testing.T, descriptors uint64) {
	t.Helper()
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if limit.Max < descriptors {
		t.Skipf("needs %d descriptors, and the hard limit is %d", descriptors, limit.Max)
	}
	if limit.Cur >= descriptors {
		return
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		if os.Getenv("GATE451_REQUIRE_ALL") == "1" {
			t.Fatalf("needs %d descriptors: %v", descriptors, err)
		}
		t.Skipf("needs %d descriptors: %v", descriptors, err)
	}
}
