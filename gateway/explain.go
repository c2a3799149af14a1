package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"gate451/gateway/canonical"
	"gate451/gateway/geoip"
	"gate451/gateway/refusal"
	"gate451/gateway/upstream"
	"gate451/rules"
)

// Question describes a request, to be judged as if it had come.
type Question struct {
	// IP is the address at the other end of the connection: the buyer's, unless it is a trusted proxy's.
	IP netip.Addr
	// URL is what is asked for, with scheme and host. Its path and query are judged as they are written here.
	URL string
	// Method is the HTTP method; GET if it is empty.
	Method string
	// Header has the further header fields. A Host among them stands for the host of the URL, as with curl.
	Header http.Header
	// Body is the request's body; its length stands for a Content-Length.
	Body []byte
	// At is the instant at which it is judged.
	At time.Time
	// Raw is the whole request as a client would send it in HTTP/1.1, in place of URL, Method, Header and Body; nil if these say
	// what is asked. Lines may end without a carriage return, and the blank line behind the header may be missing.
	Raw []byte
	// From is where it comes from, in place of what the databases say of IP; nil if they are to be asked.
	From *rules.Origin
}

// request makes the request that a server would have read. What a server would refuse is left for the judge to refuse.
func (q *Question) request() (*http.Request, error) {
	if q.Raw != nil {
		return q.read()
	}
	host, target, err := cutURL(q.URL)
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	if q.Header != nil {
		header = q.Header.Clone()
	}
	switch hosts := header["Host"]; len(hosts) {
	case 0:
	case 1:
		host = hosts[0]
	default:
		return nil, fmt.Errorf("the request names %d hosts in its header; one is all that a server takes", len(hosts))
	}
	delete(header, "Host") // a server has it apart from the others
	method := q.Method
	if method == "" {
		method = http.MethodGet
	}
	request := &http.Request{
		Method: method, Host: host, RequestURI: target, URL: new(url.URL), Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		RemoteAddr: netip.AddrPortFrom(q.IP, 0).String(), Body: http.NoBody,
	}
	if len(q.Body) > 0 {
		request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(q.Body)), int64(len(q.Body))
	}
	return request, nil
}

// cutURL takes a URL apart into what a client writes into the Host field and into the request line. It decodes and cleans
// nothing, because what is odd about a target is what the question is about.
func cutURL(text string) (host, target string, err error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return "", "", fmt.Errorf("%q is no URL; expected one such as https://shop.example/checkout", text)
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host, target = rest[:end], rest[end:]
	switch {
	case host == "":
		return "", "", fmt.Errorf("%q names no host; expected a URL such as https://shop.example/checkout", text)
	case strings.Contains(host, "@"):
		return "", "", errors.New("the URL names a user, which no request line carries; leave out what stands before the @")
	case !strings.HasPrefix(target, "/"):
		target = "/" + target // RFC 9110, section 4.2.3
	}
	return host, target, nil
}

// Account is the answer to a Question: the decision, and the way that led to it.
type Account struct {
	question Question
	request  *http.Request
	zone     *time.Location
	judgement
	rejected    *canonical.Malformed
	whereabouts geoip.Report
	unheard     bool // a proxy could have named the country, and none was asked
	explanation rules.Explanation
	routes      *routes // nil where there are none, as in another Echo program
	words       *refusal.Writer
}

// ParseInstant reads an RFC 3339 instant, or a date or local time in the zone of the policy in force.
func (e *Enforcer) ParseInstant(text string) (time.Time, error) {
	return rules.ParseInstant(text, e.policy.current.Load().Zone())
}

// Explain judges a described request as if it had come. The error says what is wrong with the description; a request that
// would be rejected is no error.
func (e *Enforcer) Explain(q Question) (*Account, error) {
	r, err := q.request()
	if err != nil {
		return nil, err
	}
	a := &Account{question: q, request: r, zone: e.policy.current.Load().Zone(), words: e.refusals}
	if len(e.cfg.Routes) > 0 {
		if a.routes, err = newRoutes(e.cfg, func(string) upstream.Options { return upstream.Options{Logger: slog.New(slog.DiscardHandler)} }); err != nil {
			return nil, err
		}
		a.routes.close() // nothing is forwarded
	}
	then := e.judge
	then.now, then.carts, then.stated = func() time.Time { return q.At }, nil, q.From
	if err := then.judge(nil, r, &a.judgement); err != nil {
		var malformed bool
		if a.rejected, malformed = errors.AsType[*canonical.Malformed](err); !malformed {
			return nil, err
		}
		return a, nil
	}
	a.whereabouts = e.places.Lookup(a.client.Addr, q.At)
	if heard, asked := e.heard(r, &a.judgement); asked {
		a.whereabouts.Findings = append(a.whereabouts.Findings, heard.Finding())
	} else {
		a.unheard = e.header != "" && q.From == nil
	}
	a.explanation = a.policy.Explain(&a.judgement.request, &a.origin, q.At)
	return a, nil
}

// Findings return what each source says of where the client is.
func (a *Account) Findings() []FindingRecord {
	records := []FindingRecord{}
	for _, f := range a.whereabouts.Findings {
		records = append(records, findingRecord(f))
	}
	return records
}

// Record returns the decision's fields. The error says why there is none: the request is rejected as malformed.
func (a *Account) Record() (rules.Record, error) {
	if a.rejected != nil {
		return rules.Record{}, fmt.Errorf("the request is not judged, but answered %d: %w", a.rejected.Status, a.rejected)
	}
	return a.decision.Record(), nil
}
