package gateway

import (
	"context"
	_ "embed" // for the demo's policy
	"errors"
	"fmt"
	"net"
	"time"

	"gate451/config"
	"gate451/gateway/sample"
	"gate451/rules"
)

//go:embed demo.policy.yaml
var demoPolicy []byte

// DemoOptions say how the demonstration runs. The zero DemoOptions are usable.
type DemoOptions struct {
	// At is where the clock stands by which requests are judged. The zero time means that the real clock runs.
	At time.Time
	// Listen and AdminListen are the addresses of the gateway. Empty means 127.0.0.1 with the ports 8451 and 9451 or, if
	// they are taken, any.
	Listen, AdminListen string
	// Command is how the user calls the program, in the words of a shell.
	Command string
}

// Demo is a sample shop, a sample update server and a gateway before them, all on loopback.
type Demo struct {
	*Gateway
	samples Samples
	options DemoOptions
}

// NewDemo starts the sample servers and makes the gateway. It needs no file, no network beyond loopback, and no
// privilege. Whoever does not call Run calls Close.
func NewDemo(o DemoOptions, opts Options) (*Demo, error) {
	if !o.At.IsZero() {
		opts.Now = func() time.Time { return o.At }
	}
	d := &Demo{options: o}
	if err := d.start(opts); err != nil {
		d.samples.close()
		return nil, err
	}
	return d, nil
}

func (d *Demo) start(opts Options) error {
	shop, errShop := d.samples.start("127.0.0.1:0", sample.Shop())
	updates, errUpdates := d.samples.start("127.0.0.1:0", sample.Updates())
	if err := errors.Join(errShop, errUpdates); err != nil {
		return err
	}
	cfg, err := demoConfig(shop, updates)
	if err != nil {
		return err
	}
	if opts.Public, err = listenOrAny(d.options.Listen, "127.0.0.1:8451"); err != nil {
		return err
	}
	if opts.Admin, err = listenOrAny(d.options.AdminListen, "127.0.0.1:9451"); err != nil {
		_ = opts.Public.Close() // nothing was served on it
		return err
	}
	opts.Policy = demoPolicy
	d.Gateway, err = New(cfg, opts)
	return err
}

// Run serves until stop ends, as Gateway.Run does, and ends the sample servers.
func (d *Demo) Run(stop, kill context.Context) error {
	defer d.samples.close()
	return d.Gateway.Run(stop, kill)
}

// Close gives back what a Demo holds that does not run.
func (d *Demo) Close() {
	d.Gateway.Close()
	d.samples.close()
}

// DemoInstant reads an RFC 3339 instant, or a date or local time in the zone of the demonstration's policy.
func DemoInstant(text string) (time.Time, error) {
	p, err := rules.Parse("demo.policy.yaml", demoPolicy)
	if err != nil {
		return time.Time{}, err
	}
	return rules.ParseInstant(text, p.Zone())
}

// NewDemoEnforcer makes what judges in the demonstration, to ask it questions.
func NewDemoEnforcer(opts Options) (*Enforcer, error) {
	cfg, err := demoConfig("http://127.0.0.1:1", "http://127.0.0.1:1") // nothing is forwarded
	if err != nil {
		return nil, err
	}
	opts.Policy = demoPolicy
	return NewEnforcer(cfg, opts)
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
		ln, err := net.Listen("tcp", address)
		if err != nil {
			return nil, cannotListen(err)
		}
		return ln, nil
	}
	if ln, err := net.Listen("tcp", preferred); err == nil {
		return ln, nil
	}
	return net.Listen("tcp", "127.0.0.1:0")
}

func cannotListen(err error) error {
	return fmt.Errorf("%w; name a free address of this machine, such as 127.0.0.1:0 for any port", err)
}
