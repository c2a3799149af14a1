package gateway

import (
	"context"
	_ "embed" // for the demo's policy
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"gate451/config"
	"gate451/gateway/sample"
	"gate451/rules"
)

//go:embed demo.policy.yaml
var demoPolicy []byte

// DemoOptions say how the demonstration runs. The zero DemoOptions are usable.
type DemoOptions struct {
	// At stops the clock by which requests are judged: at a date or local time in the policy's zone, or an RFC 3339
	// instant. Empty means that the real clock runs.
	At string
	// Listen and AdminListen are the addresses of the gateway. Empty means 127.0.0.1 with the ports 8451 and 9451 or, if
	// they are taken, any.
	Listen, AdminListen string
	// Command is how the user calls the program.
	Command string
}

// Demo is a sample shop, a sample update server and a gateway before them, all on loopback.
type Demo struct {
	*Gateway
	samples *samples
	options DemoOptions
	cfg     *config.Config
}

// NewDemo starts the sample servers and makes the gateway. It needs no file, no network beyond loopback, and no
// privilege. Whoever does not call Run calls Close.
func NewDemo(o DemoOptions, opts Options) (d *Demo, err error) {
	if o.At != "" {
		at, err := DemoInstant(o.At)
		if err != nil {
			return nil, err
		}
		opts.Now = func() time.Time { return at }
	}
	d = &Demo{options: o, samples: new(samples)}
	defer func() {
		if err != nil {
			d.samples.stop()
			d = nil
		}
	}()
	shop, err := d.samples.start("127.0.0.1:0", sample.Shop())
	if err != nil {
		return d, err
	}
	updates, err := d.samples.start("127.0.0.1:0", sample.Updates())
	if err != nil {
		return d, err
	}
	if opts.Public, err = listenOrAny(o.Listen, "127.0.0.1:8451"); err != nil {
		return d, err
	}
	if opts.Admin, err = listenOrAny(o.AdminListen, "127.0.0.1:9451"); err != nil {
		return d, errors.Join(err, opts.Public.Close())
	}
	if d.cfg, err = demoConfig(shop, updates); err != nil {
		return d, errors.Join(err, opts.Public.Close(), opts.Admin.Close())
	}
	opts.Policy = demoPolicy
	d.Gateway, err = New(d.cfg, opts)
	return d, err
}

// Run serves until stop ends, as Gateway.Run does, and ends the sample servers.
func (d *Demo) Run(stop, kill context.Context) error {
	defer d.samples.stop()
	return d.Gateway.Run(stop, kill)
}

// Close gives back what a Demo holds that does not run.
func (d *Demo) Close() {
	d.Gateway.Close()
	d.samples.stop()
}

// DemoInstant reads an instant in the zone of the demonstration's policy.
func DemoInstant(text string) (time.Time, error) {
	p, err := rules.Parse("demo.policy.yaml", demoPolicy)
	if err != nil {
		return time.Time{}, err
	}
	return rules.ParseInstant(text, p.Zone())
}

// ExplainDemo answers a question as the demonstration's gateway would.
func ExplainDemo(opts Options, q Question) (*Account, error) {
	cfg, err := demoConfig("http://127.0.0.1:1", "http://127.0.0.1:1") // nothing is forwarded
	if err != nil {
		return nil, err
	}
	opts.Policy = demoPolicy
	return Explain(cfg, opts, q)
}

// demoConfig trusts loopback, so that the user can play buyers from anywhere by X-Forwarded-For.
func demoConfig(shop, updates string) (*config.Config, error) {
	text := fmt.Sprintf(`listen: "127.0.0.1:0"
admin: {listen: "127.0.0.1:0"}
client_ip: {trusted_proxies: [127.0.0.1/32, "::1/128"]}
routes:
  - {name: updates, hosts: [updates.example], upstreams: [%q]}
  - {name: shop, hosts: ["*"], upstreams: [%q]}
policy: demo.policy.yaml
shutdown: {timeout: 10s}
`, updates, shop)
	return config.Parse("demo", []byte(text), nil)
}

// listenOrAny listens on the address or, if there is none, on the preferred one or any.
func listenOrAny(address, preferred string) (net.Listener, error) {
	if address != "" {
		return net.Listen("tcp", address)
	}
	if ln, err := net.Listen("tcp", preferred); err == nil {
		return ln, nil
	}
	return net.Listen("tcp", "127.0.0.1:0")
}

// samples are the servers behind a demonstration.
type samples struct {
	servers []*http.Server
	serving sync.WaitGroup
}

// start serves a handler and returns the URL of its server.
func (s *samples) start(address string, handler http.Handler) (string, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	s.servers = append(s.servers, server)
	s.serving.Go(func() { _ = server.Serve(ln) }) // it ends when it is closed
	return "http://" + ln.Addr().String(), nil
}

func (s *samples) stop() {
	for _, server := range s.servers {
		_ = server.Close() // whatever it served came through the gateway, which has ended
	}
	s.serving.Wait()
}

// ServeSamples serves the sample shop, and the update server below /updates and for the host updates.example, on one
// address until the context ends: upstreams for a gateway that runs elsewhere.
func ServeSamples(stop context.Context, address string, started func(url string)) error {
	shop, updates := sample.Shop(), sample.Updates()
	s := new(samples)
	url, err := s.start(address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host, _, _ := strings.Cut(r.Host, ":"); host == "updates.example" || strings.HasPrefix(r.URL.Path, "/updates") {
			updates.ServeHTTP(w, r)
			return
		}
		shop.ServeHTTP(w, r)
	}))
	if err != nil {
		return err
	}
	started(url)
	<-stop.Done()
	s.stop()
	return nil
}

// demoBuyer is somebody to play.
type demoBuyer struct{ who, address string }

// demoBuyers have addresses that the embedded database knows.
func demoBuyers() []demoBuyer {
	return []demoBuyer{{"An American", "50.114.0.1"}, {"A Puerto Rican", "66.50.0.1"}, {"A German", "85.214.132.117"}}
}

// WriteGuide prints what can be tried, as commands to paste, with what each will show.
func (d *Demo) WriteGuide(w io.Writer) error {
	g := guide{w: w}
	gateway, admin := "http://"+d.PublicAddr().String(), "http://"+d.AdminAddr().String()
	g.say("gate451 stands before a sample shop and a sample update server, all on this machine.")
	g.say("")
	g.say("  Shop in a browser:  %s/   (you are a buyer without a country: carts are refused)", gateway)
	now := d.now().In(d.policy.current.Load().Zone())
	if d.options.At == "" {
		g.say("  Judged by:          the real clock")
	} else {
		g.say("  Judged by:          a clock that stands at %s", now.Format(time.RFC3339Nano))
	}
	for _, try := range []struct{ title, host, path string }{
		{"Buy Kaspersky Standard", "shop.example", "/buy/kaspersky-standard"},
		{"Download an update", "updates.example", "/updates/bases.dat.sha256"},
	} {
		g.say("\n%s:", try.title)
		for _, buyer := range demoBuyers() {
			status, err := d.foresee(buyer.address, "http://"+try.host+try.path)
			if err != nil {
				return err
			}
			g.say("  # %s: %s", buyer.who, status)
			g.say("  curl -i -H 'Host: %s' -H 'X-Forwarded-For: %s' %s%s", try.host, buyer.address, gateway, try.path)
		}
	}
	g.say("\nBefore and after each date, to the second (stop this one first):")
	for _, at := range []string{"2024-07-19T23:59:59-04:00", "2024-07-20T00:00:00-04:00", "2024-09-28", "2024-09-29T00:00:00-04:00"} {
		g.say("  %s demo --at %s", d.options.Command, at)
	}
	g.say("\nWhy:")
	g.say("  %s explain --demo --ip 50.114.0.1 --url https://shop.example/buy/kaspersky-standard", d.options.Command)
	g.say("\nWhat the shop is told, and what Prometheus is told:")
	g.say("  curl -H 'Host: shop.example' -H 'X-Forwarded-For: 85.214.132.117' %s/echo", gateway)
	g.say("  curl -s %s/metrics | grep ^gate451_decisions_total", admin)
	g.say("\nCtrl-C ends it.")
	return g.err
}

// foresee says how the gateway will answer.
func (d *Demo) foresee(address, url string) (string, error) {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return "", err
	}
	q := Question{IP: addr, URL: url}
	r, err := q.request()
	if err != nil {
		return "", err
	}
	var j judgement
	if err := d.judge.judge(r, &j); err != nil {
		return "", err
	}
	if j.decision.Verdict == rules.Block {
		return "451, " + j.decision.Reason.String(), nil
	}
	return "200, " + j.decision.Reason.String(), nil
}

// guide prints lines until one fails.
type guide struct {
	w   io.Writer
	err error
}

func (g *guide) say(format string, args ...any) {
	if g.err == nil {
		_, g.err = fmt.Fprintf(g.w, format+"\n", args...)
	}
}
