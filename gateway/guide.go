package gateway

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"

	"gate451/rules"
)

// demoTries are requests whose answer depends on who makes them, and when.
func demoTries() []demoTry {
	return []demoTry{
		{"Buy Kaspersky Standard, which may not be sold to the United States from 20 July 2024", "shop.example", "/buy/kaspersky-standard"},
		{"Download an update of it, which may not be given to the United States from 29 September 2024", "updates.example", "/updates/bases.dat.sha256"},
	}
}

type demoTry struct{ title, host, path string }

// demoBuyers are people to play. The embedded database knows their addresses.
func demoBuyers() []demoBuyer {
	return []demoBuyer{{"an American", "50.114.0.1"}, {"a Puerto Rican", "66.50.0.1"}, {"a German", "85.214.132.117"}}
}

type demoBuyer struct{ who, address string }

// WriteGuide prints what can be tried, as commands to paste, each with what it will show.
func (d *Demo) WriteGuide(w io.Writer) error {
	g := guide{w: w}
	public, admin := "http://"+LocalAddress(d.PublicAddr().String()), "http://"+LocalAddress(d.AdminAddr().String())
	d.writeHead(&g, public, admin)
	for _, try := range demoTries() {
		g.say("\n%s:", try.title)
		for _, buyer := range demoBuyers() {
			answer, err := d.foresee(try, buyer)
			if err != nil {
				return err
			}
			g.say("  # %s: %s", buyer.who, answer)
			g.say("  curl -i -H 'Host: %s' -H 'X-Forwarded-For: %s' %s%s", try.host, buyer.address, public, try.path)
		}
	}
	d.writeMore(&g, public, admin)
	g.say("\nCtrl-C ends it.")
	return g.err
}

func (d *Demo) writeHead(g *guide, public, admin string) {
	g.say("gate451 stands before a sample shop and a sample update server, all on this machine.\n")
	g.say("  Shop in a browser:  %s/", public)
	g.say("  Console:            %s/", admin)
	g.say("  Metrics:            %s/metrics", admin)
	if d.options.At.IsZero() {
		g.say("  Judged by:          the real clock")
	} else {
		g.say("  Judged by:          a clock that stands at %s", d.instant())
	}
	g.say("\nA browser on this machine comes from no country: it sees every page, but may not buy while a rule on buying is effective.")
	g.say("To be a buyer from elsewhere, paste these commands into another terminal. Their X-Forwarded-For says where the buyer is;")
	g.say("the gateway believes it, because the demonstration trusts this machine as it would trust a balancer.")
}

func (d *Demo) writeMore(g *guide, public, admin string) {
	command, at := d.options.Command, ""
	if !d.options.At.IsZero() {
		at = " --at " + d.instant()
	}
	g.say("\nWhy the American gets that answer, step by step:")
	g.say("  %s explain --demo%s --ip 50.114.0.1 --url https://shop.example/buy/kaspersky-standard", command, at)
	g.say("\nThe last moment before each date, and the first one from it (end this demonstration first):")
	for _, at := range []string{"2024-07-19T23:59:59-04:00", "2024-07-20T00:00:00-04:00", "2024-09-28", "2024-09-29T00:00:00-04:00"} {
		g.say("  %s demo --at %s", command, at)
	}
	g.say("\nWhat the shop learns of a buyer, and what Prometheus learns of all:")
	g.say("  curl -H 'Host: shop.example' -H 'X-Forwarded-For: 85.214.132.117' %s/echo", public)
	g.say("  curl -s %s/metrics | grep ^gate451_decisions_total", admin)
}

// instant is where the clock stands, in the zone of the policy.
func (d *Demo) instant() string {
	return d.options.At.In(d.policy.current.Load().Zone()).Format(time.RFC3339Nano)
}

// foresee says how the gateway will answer a buyer.
func (d *Demo) foresee(try demoTry, buyer demoBuyer) (string, error) {
	account, err := d.Explain(Question{
		IP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), URL: "http://" + try.host + try.path, At: d.now(),
		Header: http.Header{"X-Forwarded-For": {buyer.address}},
	})
	if err != nil {
		return "", err
	}
	reason := account.decision.Reason
	if account.decision.Verdict == rules.Block {
		return fmt.Sprintf("451, %v: %s", reason, reasonWords(reason)), nil
	}
	return fmt.Sprintf("200, %v: %s", reason, reasonWords(reason)), nil
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
