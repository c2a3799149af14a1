package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// neighbour is a proxy in front of a shop that asks a gateway before it forwards. It is a real one, with the configuration that
// deployments/ has for it.
type neighbour struct {
	name    string
	gate    *gate
	address string
	phone   *phone
}

// neighbours are those that can be run here.
var neighbours = []string{"nginx", "haproxy", "caddy"}

// Buyers connect from addresses of this machine, each of which the gateway takes for one of a country.
const (
	loopbackAmerican = "127.0.0.2"
	loopbackGerman   = "127.0.0.3"
)

// neighbourSetup is a gateway that such a proxy asks: for buyers from this machine, and from proxies in 127.10.0.0/16.
func neighbourSetup(policy, upstream string) setup {
	return setup{policy: policy, upstream: upstream, config: `
client_ip: {trusted_proxies: [127.0.0.1/32, 127.10.0.0/16, 10.0.0.0/8]}
geoip: {overrides: {127.0.0.2/32: US, 127.0.0.3/32: DE}}
forward_auth: {listen: "127.0.0.1:0"}
routes: [{hosts: [shop.example, updates.example, other.example], upstreams: ["` + upstream + `"]}]
`}
}

// startNeighbour runs a proxy before a shop, and the gateway that it asks, until the test ends. What is to be otherwise in its files
// is given as old and new texts. A secure one speaks TLS and HTTP/2.
func startNeighbour(t testing.TB, name string, secure bool, s setup, otherwise ...string) *neighbour {
	t.Helper()
	dir, err := os.MkdirTemp("", "neighbour")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	n := &neighbour{name: name, gate: start(t, s), address: "127.0.0.1:" + strconv.Itoa(freePorts(t, name)[name])}
	n.phone = newPhone(t, n.gate.ForwardAuthAddr().String())
	shipped := func(file string, changes ...string) {
		text, err := os.ReadFile(filepath.Join("..", "deployments", name, file))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(changes); i += 2 {
			if !strings.Contains(string(text), changes[i]) {
				t.Fatalf("%s has no %q", file, changes[i])
			}
		}
		changes = slices.Concat(changes, otherwise, []string{"127.0.0.1:9452", n.phone.address, "127.0.0.1:3000", strings.TrimPrefix(s.upstream, "http://")})
		writeFile(t, filepath.Join(dir, file), []byte(strings.NewReplacer(changes...).Replace(string(text))))
	}
	cert, key := certificate(t, 1)
	pem := filepath.Join(dir, "tls.pem")
	writeFile(t, pem, slices.Concat(cert, key))
	var command []string
	var needs string
	switch name {
	case "nginx":
		listen, files := "listen "+n.address, ""
		if secure {
			listen, files = listen+" ssl http2", fmt.Sprintf("ssl_certificate %[1]s; ssl_certificate_key %[1]s;", pem)
		}
		shipped("gate451.conf", "listen 80", listen, "updates.example;", "updates.example other.example;", "gate451/withheld.conf", "withheld.conf")
		shipped("withheld.conf")
		user := ""
		if os.Geteuid() == 0 {
			user = "user root;"
		}
		main := filepath.Join(dir, "nginx.conf")
		writeFile(t, main, fmt.Appendf(nil, `daemon off; master_process off; pid %[1]s/pid; error_log stderr crit; %[2]s
events { worker_connections 1024; }
http {
	access_log off; %[3]s
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	include %[1]s/gate451.conf;
}
`, dir, user, files))
		command = []string{"nginx", "-e", "stderr", "-p", dir, "-c", main}
	case "haproxy":
		bind := "bind " + n.address
		if secure {
			bind += " ssl crt " + pem + " alpn h2,http/1.1"
		}
		shipped("haproxy.cfg", "/etc/haproxy/", dir+"/", "bind :80", bind)
		shipped("gate451.lua")
		command = []string{"haproxy", "-db", "-f", filepath.Join(dir, "haproxy.cfg")}
	case "caddy":
		host, port, _ := net.SplitHostPort(n.address)
		scheme, place := "http://", "bind "+host
		if secure {
			scheme, place = "https://", place+fmt.Sprintf("\n\ttls %[1]s %[1]s", pem)
		}
		var sites []string
		for _, site := range []string{"shop", "updates", "other"} {
			sites = append(sites, scheme+site+".example:"+port)
		}
		shipped("Caddyfile", "\n:80 {", "\n"+scheme+":"+port+" {\n\t"+place, "\nshop.example, updates.example {", "\n"+strings.Join(sites, ", ")+" {\n\t"+place,
			"# trusted_proxies private_ranges", "trusted_proxies 127.10.0.0/16")
		shipped("withheld.caddy")
		file := filepath.Join(dir, "Caddyfile")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, file, append([]byte("{\n\tadmin off\n\tauto_https disable_redirects\n\tservers {\n\t\tprotocols h1 h2\n\t}\n}\n"), text...))
		// It keeps what it runs at home.
		command, needs = []string{"env", "HOME=" + dir, "XDG_CONFIG_HOME=" + dir, "XDG_DATA_HOME=" + dir, "caddy", "run", "--adapter", "caddyfile", "--config", file}, "/usr/bin/caddy"
	}
	run(t, program{command: command, needs: needs})
	eventually(t, name+" listens", func() bool {
		conn, err := net.Dial("tcp", n.address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return n
}

// phone connects a proxy with the gateway that it asks, until somebody else answers in its place.
type phone struct {
	address string
	instead atomic.Pointer[string] // is answered to every question; the empty text hangs up
}

func newPhone(t testing.TB, gateway string) *phone {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &phone{address: ln.Addr().String()}
	var calls sync.WaitGroup
	ended, end := context.WithCancel(context.Background())
	calls.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			calls.Go(func() {
				defer conn.Close()
				defer context.AfterFunc(ended, func() { conn.Close() })()
				p.answer(conn, gateway)
			})
		}
	})
	t.Cleanup(func() {
		end()
		ln.Close()
		calls.Wait()
	})
	return p
}

func (p *phone) answer(conn net.Conn, gateway string) {
	if text := p.instead.Load(); text != nil {
		_, _ = conn.Read(make([]byte, 64<<10)) // whatever was asked
		_, _ = io.WriteString(conn, *text)
		return
	}
	other, err := net.Dial("tcp", gateway)
	if err != nil {
		return
	}
	defer other.Close()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{conn, other}, {other, conn}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // until one of them hangs up, and then the other is hung up on
			way[0].Close()
			way[1].Close()
		})
	}
	both.Wait()
}

// from returns the address of this machine that stands for a buyer's.
func from(buyer string) string {
	if rest, ok := strings.CutPrefix(strings.TrimPrefix(buyer, "::ffff:"), "10.1."); ok {
		return "127.10." + rest
	}
	if strings.HasSuffix(buyer, german) || buyer == "2a01:4f8::1" {
		return loopbackGerman
	}
	return loopbackAmerican
}

// dial connects to the proxy as a buyer.
func (n *neighbour) dial(buyer string) (net.Conn, error) { return dialFrom(from(buyer), n.address) }

func dialFrom(own, address string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(own)}, Timeout: patience}
	return d.Dial("tcp", address)
}

// TestBypassesOfNeighbours plays the corpus of attempts at real proxies that ask the gateway, and what can be said in it over HTTP/2.
// None may reach the shop that should not, and what the proxy can carry is answered as the gateway would.
func TestBypassesOfNeighbours(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("plays the corpus six times")
	}
	for _, name := range neighbours {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := newWitness(t)
			n := startNeighbour(t, name, false, neighbourSetup(corpusPolicy, seen.url))
			n.playCorpus(t, seen, func(r *row) []int { return append([]int{}, r.play(t, n.dial)...) })
		})
		t.Run(name+" over HTTP 2", func(t *testing.T) {
			t.Parallel()
			seen := newWitness(t)
			n := startNeighbour(t, name, true, neighbourSetup(corpusPolicy, seen.url), "timeout http-request    10s", "timeout http-request 2s")
			n.playCorpus(t, seen, func(r *row) []int {
				if !r.sayableInHTTP2() {
					return nil
				}
				if status := r.playHTTP2(t, n.dial); status != 0 {
					return []int{status}
				}
				return []int{}
			})
		})
	}
}

// playCorpus plays each row and says what came of them. A row that play cannot say is nil.
func (n *neighbour) playCorpus(t *testing.T, seen *witness, play func(*row) []int) {
	t.Helper()
	var same, refused, altered, unsayable int
	for _, rows := range readCorpus(t) {
		for _, r := range rows {
			seen.take()
			codes := play(&r)
			heads := slices.DeleteFunc(seen.take(), func(head string) bool { return strings.HasPrefix(head, "GET "+sentinel+" ") })
			told := fmt.Sprintf("%s: %s %.70q answered %v, want %s or %v; the shop saw %q; %s", r.ID, r.Method, r.Target, codes, r.Expect, r.AlsoOK, heads, r.Note)
			switch verdict := r.verdict(codes, heads); {
			case codes == nil:
				unsayable++
			case verdict == "":
				same++
			case len(heads) == 0:
				refused++
				t.Logf("refused by %s itself: %s", n.name, told)
			case n.mayHave(t, heads):
				altered++
				t.Logf("altered by %s: %s", n.name, told)
			default:
				t.Errorf("%s: %s", verdict, told)
			}
			for _, head := range heads {
				if withheld.MatchString(head) || !requestLine.MatchString(head) {
					t.Errorf("%s: the shop saw %q", r.ID, head)
				}
			}
		}
	}
	t.Logf("%s: %d rows as through the gateway, %d refused by itself, %d altered before they were judged, %d that cannot be said", n.name, same, refused, altered, unsayable)
	if same < (752-unsayable)*9/10 {
		t.Errorf("only %d rows as through the gateway", same)
	}
}

// requestLine is how every request begins, and what is left of a body never does.
var requestLine = regexp.MustCompile(`^[!-~]+ [^ \r\n]+ HTTP/1\.[01]\r\n`)

// mayHave reports whether the gateway lets an American have each of the requests that have reached the shop, as they did.
func (n *neighbour) mayHave(t *testing.T, heads []string) bool {
	t.Helper()
	for _, head := range heads {
		line, fields, _ := strings.Cut(head, "\r\n")
		text, body := line+"\r\n", ""
		for field := range strings.SplitSeq(fields, "\r\n") {
			name, value, _ := strings.Cut(field, ":")
			switch strings.ToLower(name) {
			case "host", "connection":
			case "transfer-encoding":
				body = "0\r\n\r\n"
			case "content-length":
				length, err := strconv.Atoi(strings.TrimSpace(value))
				if err != nil {
					return false
				}
				body = strings.Repeat("x", length)
			default:
				continue
			}
			text += field + "\r\n"
		}
		conn, err := dialFrom(loopbackAmerican, n.gate.PublicAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if readAnswer(t, conn, text+"\r\n"+body).StatusCode != http.StatusOK {
			return false
		}
	}
	return true
}

// readAnswer sends a text and reads one answer.
func readAnswer(t testing.TB, conn net.Conn, text string) answer {
	t.Helper()
	_ = conn.SetDeadline(time.Now().Add(patience)) // an error shows in the reading
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res, string(body)}
}
