package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"gate451/config"
	"gate451/gateway"
	"gate451/rules"
)

// explainFlags are what the user asks, in the user's words.
type explainFlags struct {
	file, ip, url, method, at string
	body, request             string
	headers                   []string
	demo                      bool
	asJSON                    format
}

func explainCommand(s surroundings) *cobra.Command {
	var f explainFlags
	c := &cobra.Command{
		Use: "explain", Short: "Tell what a request would be answered, and why", Args: cobra.MatchAll(noArguments, apart("demo", "config"),
			either("url", "request"), apart("request", "url"), apart("request", "method"), apart("request", "header"), apart("request", "body")),
		Long: "Tell what a request would be answered, and why. The exit code is 0 for an answer, be it yes or no, and 1 if the request\n" +
			"would be rejected as malformed before it is judged.",
		Example: "  gate451 explain --config gateway.yaml --ip 50.114.0.1 --url https://shop.example/checkout --at 2024-07-20\n" +
			"  gate451 explain --config gateway.yaml --ip 50.114.0.1 --request request.txt",
		RunE: func(*cobra.Command, []string) error { return explain(f, s) },
	}
	configFlag(c, &f.file)
	outputFlag(c, &f.asJSON)
	flags := c.Flags()
	flags.StringVar(&f.ip, "ip", "", "`ADDRESS` at the other end of the connection")
	flags.StringVar(&f.url, "url", "", "`URL` that is asked for, with scheme and host; its path is judged as it is written")
	flags.StringVar(&f.method, "method", http.MethodGet, "HTTP `METHOD`")
	flags.StringArrayVar(&f.headers, "header", nil, "a `'KEY: VALUE'` of the request; may be given again")
	flags.StringVar(&f.body, "body", "", "`FILE` with the body of the request")
	flags.StringVar(&f.at, "at", "", "`INSTANT` to judge at: RFC 3339, or a date or local time in the policy's zone (default now)")
	flags.BoolVar(&f.demo, "demo", false, "ask the gateway of the demo command")
	flags.StringVar(&f.request, "request", "", "`FILE` with a whole request as it would be sent, in place of url, method, header and body; - is standard input")
	_ = c.MarkFlagRequired("ip") // the flag is defined above
	return c
}

func explain(f explainFlags, s surroundings) error {
	q := gateway.Question{URL: f.url, Method: f.method, At: s.now()}
	var err error
	if q.IP, err = netip.ParseAddr(f.ip); err != nil {
		return fmt.Errorf("--ip: %q is no address; expected one such as 50.114.0.1 or 2600:1f00::1", f.ip)
	}
	if q.Header, err = parseHeaders(f.headers); err != nil {
		return err
	}
	if f.body != "" {
		if q.Body, err = os.ReadFile(f.body); err != nil {
			return fmt.Errorf("--body: %w; name a readable file", err)
		}
	}
	if q.Raw, err = readRequest(f.request, s.stdin); err != nil {
		return err
	}
	enforcer, err := openEnforcer(f, s)
	if err != nil {
		return err
	}
	if f.at != "" {
		if q.At, err = enforcer.ParseInstant(f.at); err != nil {
			return fmt.Errorf("--at: %w", err)
		}
	}
	account, err := enforcer.Explain(q)
	if err != nil {
		return err
	}
	return printAccount(s.stdout, account, f.asJSON)
}

// readRequest reads a whole request, or returns nil if no file is named.
func readRequest(file string, stdin io.Reader) (raw []byte, err error) {
	switch file {
	case "":
		return nil, nil
	case "-":
		raw, err = io.ReadAll(stdin)
	default:
		raw, err = os.ReadFile(file)
	}
	if err == nil && len(raw) == 0 {
		err = errors.New("there is nothing in it")
	}
	if err != nil {
		return nil, fmt.Errorf("--request: %w; name a readable file with a request, or - for standard input", err)
	}
	return raw, nil
}

func openEnforcer(f explainFlags, s surroundings) (*gateway.Enforcer, error) {
	opts := gateway.Options{Now: s.now}
	if f.demo {
		return gateway.NewDemoEnforcer(opts)
	}
	cfg, err := config.Load(f.file, s.environ)
	if err != nil {
		return nil, err
	}
	return gateway.NewEnforcer(cfg, opts)
}

func parseHeaders(lines []string) (http.Header, error) {
	h := http.Header{}
	for _, line := range lines {
		key, value, ok := strings.Cut(line, ":")
		if key = strings.TrimSpace(key); !ok || key == "" {
			return nil, fmt.Errorf("--header: %q is no header; expected 'Key: value'", line)
		}
		h.Add(key, strings.TrimSpace(value))
	}
	return h, nil
}

func printAccount(w io.Writer, account *gateway.Account, asJSON format) error {
	record, rejected := account.Record()
	if asJSON {
		if rejected != nil {
			return rejected
		}
		return printJSON(w, struct {
			rules.Record
			Findings []gateway.FindingRecord `json:"findings"`
		}{record, account.Findings()})
	}
	t := newTable(w)
	for _, step := range account.Steps() {
		t.row("%s\t%s", step.About, step.Text)
	}
	if err := t.print(); err != nil {
		return err
	}
	return rejected
}
