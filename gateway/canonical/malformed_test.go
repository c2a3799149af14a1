package canonical

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gate451/rules"
)

func TestMalformedRequestsAreRefused(t *testing.T) {
	t.Parallel()
	const noTarget = `the target "cart" is neither a path nor an http or https URL`
	for _, test := range []struct {
		method, target, host string
		cause                string
		status               int
		detail               string
	}{
		{"", "/", "h", CauseMethod, 400, "the method is missing; expected one such as GET"},
		{"G@T", "/", "h", CauseMethod, 400, `the method "G@T" is no token (RFC 9110, section 5.6.2)`},
		{"get", "/", "h", CauseMethod, 400, `the method "get" is not in upper case; methods are case-sensitive, GET would be right`},
		{"gEt", "/", "h", CauseMethod, 400, `the method "gEt" is not in upper case; methods are case-sensitive, GET would be right`},
		{"TRACE", "/", "h", CauseMethod, 405, "the method TRACE is not forwarded"},
		{"Track", "/", "h", CauseMethod, 405, "the method TRACK is not forwarded"},
		{"CONNECT", "h:443", "h", CauseMethod, 405, "the method CONNECT is not forwarded"},
		{strings.Repeat("A", 33), "/", "h", CauseMethod, 501, `the method "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" is longer than 32 bytes`},

		{"GET", "", "h", CauseTarget, 400, "the target is missing; expected a path such as /"},
		{"GET", "*", "h", CauseTarget, 400, `the target * goes with the method OPTIONS only, not with "GET"`},
		{"GET", "cart", "h", CauseTarget, 400, noTarget},
		{"GET", "x:y/../cart", "h", CauseTarget, 400, `the target "x:y/../cart" is neither a path nor an http or https URL`},
		{"GET", "ftp://h/cart", "h", CauseTarget, 400, `the target "ftp://h/cart" is neither a path nor an http or https URL`},
		{"GET", "h:443", "h", CauseTarget, 400, `the target "h:443" is neither a path nor an http or https URL`},
		{"GET", "?/cart", "h", CauseTarget, 400, `the target "?/cart" is neither a path nor an http or https URL`},
		{"GET", "/a b", "h", CauseTarget, 400, "the target holds a blank; encoded as %20 it would be right"},
		{"GET", "/a?b c", "h", CauseTarget, 400, "the target holds a blank; encoded as %20 it would be right"},
		{"GET", "/a#b", "h", CauseTarget, 400, "the target holds a fragment; clients keep what follows # to themselves"},
		{"GET", "/a?b#c", "h", CauseTarget, 400, "the target holds a fragment; clients keep what follows # to themselves"},
		{"GET", "/a\tb", "h", CauseControl, 400, "the target holds a control character"},
		{"GET", "/a?\x7f", "h", CauseControl, 400, "the target holds a control character"},

		{"GET", "/" + strings.Repeat("a", 8192), "h", CauseLength, 414, "the path is 8193 bytes long; at most 8192 are read"},

		{"GET", "/%zz/x", "h", CauseEncoding, 400, `the path holds "%zz", which is no percent-encoding; a percent sign alone is %25`},
		{"GET", "/cart%2", "h", CauseEncoding, 400, `the path holds "%2", which is no percent-encoding; a percent sign alone is %25`},
		{"GET", "/cart%", "h", CauseEncoding, 400, `the path holds "%", which is no percent-encoding; a percent sign alone is %25`},
		{"GET", "/%u0063art", "h", CauseEncoding, 400, `the path holds "%u0", which is no percent-encoding; a percent sign alone is %25`},
		{"GET", "/%25u0063art", "h", CauseEncoding, 400, "the path holds a percent-encoding in the form %uXXXX; UTF-8 would be right"},
		{"GET", "/%2525252563", "h", CauseEncoding, 400, "the path is percent-encoded more than 4 times over"},
		{"GET", "/%c0%ae%c0%ae/x", "h", CauseEncoding, 400, "the path holds an overlong form of UTF-8 (RFC 3629, section 3)"},
		{"GET", "/x%c0%2fy", "h", CauseEncoding, 400, "the path holds an overlong form of UTF-8 (RFC 3629, section 3)"},
		{"GET", "/%25c1%259c", "h", CauseEncoding, 400, "the path holds an overlong form of UTF-8 (RFC 3629, section 3)"},
		{"GET", "/%e0%80%af", "h", CauseEncoding, 400, "the path holds an overlong form of UTF-8 (RFC 3629, section 3)"},
		{"GET", "/%f0%80%80%af", "h", CauseEncoding, 400, "the path holds an overlong form of UTF-8 (RFC 3629, section 3)"},
		{"GET", "/%fc%80%80%80%80%af", "h", CauseEncoding, 400, "the path holds an overlong form of UTF-8 (RFC 3629, section 3)"},
		{"GET", "/\xc0\xaf", "h", CauseEncoding, 400, "the path holds an overlong form of UTF-8 (RFC 3629, section 3)"},

		{"GET", "/cart%00", "h", CauseControl, 400, "the path holds an encoded control character"},
		{"GET", "/cart%0d%0aX:1", "h", CauseControl, 400, "the path holds an encoded control character"},
		{"GET", "/cart%2509", "h", CauseControl, 400, "the path holds an encoded control character"},

		{"GET", "/../cart", "h", CauseAboveRoot, 400, `the dot segments of the path "/../cart" climb above the root`},
		{"GET", `/..\cart`, "h", CauseAboveRoot, 400, `the dot segments of the path "/..\\cart" climb above the root`},
		{"GET", "//../x", "h", CauseAboveRoot, 400, `the dot segments of the path "//../x" climb above the root`},
		{"GET", "/x/..;/..;/cart", "h", CauseAboveRoot, 400, `the dot segments of the path "/x/..;/..;/cart" climb above the root`},
		{"GET", "/x//../../y", "h", CauseAboveRoot, 400, `the dot segments of the path "/x//../../y" climb above the root`},
		{"GET", "/x/%2e%2e/..%2fcart", "h", CauseAboveRoot, 400, `the dot segments of the path "/x/%2e%2e/..%2fcart" climb above the root`},

		{"GET", "/" + strings.Repeat("a.b/", 100), "h", CauseReadings, 400, "the path can be read in too many ways to judge them all"},
		{"GET", strings.Repeat("/a.b;c//%2561", 500), "h", CauseReadings, 400, "the path can be read in too many ways to judge them all"},

		{"GET", "/", "", CauseHost, 400, "the host is missing"},
		{"GET", "http:///cart", "h", CauseHost, 400, `the target "http:///cart" names no host`},
		{"GET", "http://other/cart", "h", CauseHost, 400, `the request names two hosts, "other" and "h"`},
		{"GET", "http://a@h/cart", "h", CauseHost, 400, `the host "a@h" holds "@"; letters, digits, hyphens and dots make a host, and any other script is written in Punycode`},
		{"GET", `http://h\cart`, "h", CauseHost, 400, `the host "h\\cart" holds "\\"; letters, digits, hyphens and dots make a host, and any other script is written in Punycode`},
		{"GET", `http://h/`, "h:x", CauseHost, 400, `the host "h:x" has no port behind its colon; expected a number from 1 to 65535`},
	} {
		out := rules.Request{Host: "before", Paths: []string{"/before"}}
		var refused *Malformed
		err := ReadTarget(test.method, test.target, test.host, &out)
		if !errors.As(err, &refused) {
			t.Errorf("%s %.60s on %q: %v, want a *Malformed", test.method, test.target, test.host, err)
			continue
		}
		if got := *refused; got != (Malformed{Cause: test.cause, Detail: test.detail, Status: test.status}) {
			t.Errorf("%s %.60s on %q:\n got %+v\nwant %s %d %s", test.method, test.target, test.host, got, test.cause, test.status, test.detail)
		}
		if err.Error() != "malformed request: "+test.detail {
			t.Errorf("the error says %q", err)
		}
		if !slices.Contains(Causes(), refused.Cause) {
			t.Errorf("%s is not among the causes", refused.Cause)
		}
		if out.Host != "" || len(out.Paths) != 0 {
			t.Errorf("%s %.60s: refused, yet read as %q %q", test.method, test.target, out.Host, out.Paths)
		}
	}
}

func TestMethodsThatServersKnowNothingOfAreRead(t *testing.T) {
	t.Parallel()
	for _, method := range []string{
		"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "VERSION-CONTROL", "UPDATEREDIRECTREF",
		"M-SEARCH", "PURGE", "purge", "X!#$%&'*+-.^_`|~9",
	} {
		var out rules.Request
		if err := ReadTarget(method, "/cart", "shop.example", &out); err != nil {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func TestAsteriskStandsForTheWholeServer(t *testing.T) {
	t.Parallel()
	var out rules.Request
	if err := ReadTarget("OPTIONS", "*", "shop.example", &out); err != nil || !slices.Equal(out.Paths, []string{"/"}) {
		t.Errorf("read as %q, %v", out.Paths, err)
	}
}

func TestReadUsesTheRequestAgain(t *testing.T) {
	t.Parallel()
	out := rules.Request{Undetermined: true}
	for _, target := range []string{"/a/b.c;d", "/x"} {
		r := &http.Request{Method: "GET", RequestURI: target, Host: "Shop.Example:80", ProtoMajor: 1}
		if err := Read(r, &out); err != nil {
			t.Fatal(err)
		}
	}
	if out.Host != "shop.example" || !slices.Equal(out.Paths, []string{"/x"}) || !out.Undetermined {
		t.Errorf("read as %+v", out)
	}
}

func TestReadRefusesAHostBesideTheAuthorityOfHTTP2(t *testing.T) {
	t.Parallel()
	r := &http.Request{Method: "GET", RequestURI: "/", Host: "shop.example", ProtoMajor: 2, Header: http.Header{"Host": {"SHOP.example"}}}
	out := rules.Request{Paths: []string{"/before"}}
	if err := Read(r, &out); err != nil {
		t.Errorf("the same host twice: %v", err)
	}
	r.Header.Add("Host", "other.example")
	const want = `malformed request: the request names two hosts, "other.example" and "shop.example"`
	if err := Read(r, &out); err == nil || err.Error() != want || len(out.Paths) != 0 {
		t.Errorf("two hosts: %v, %q", err, out.Paths)
	}
	r.Header.Set("Host", "-")
	if err := Read(r, &out); err == nil {
		t.Error("a bad host beside a good one is read")
	}
	r.Host = "-"
	r.Header.Set("Host", "shop.example")
	if err := Read(r, &out); err == nil {
		t.Error("a good host beside a bad one is read")
	}
}

func TestReadRefusesLengthsThatAreNoneInHTTP2(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lengths []string
		good    bool
	}{
		{nil, true},
		{[]string{"0"}, true},
		{[]string{"005"}, true},
		{[]string{"5", "5"}, true},
		{[]string{"5", "6"}, false},
		{[]string{"+5"}, false},
		{[]string{"-5"}, false},
		{[]string{"5, 5"}, false},
		{[]string{" 5"}, false},
		{[]string{"5\x00"}, false},
		{[]string{""}, false},
		{[]string{"0x5"}, false},
	} {
		r := &http.Request{Method: "POST", RequestURI: "/x", Host: "shop.example", ProtoMajor: 2, Header: http.Header{}}
		if c.lengths != nil {
			r.Header["Content-Length"] = c.lengths
		}
		out := rules.Request{Paths: []string{"/before"}}
		err := Read(r, &out)
		if (err == nil) != c.good {
			t.Errorf("%q: %v", c.lengths, err)
		}
		var m *Malformed
		if err != nil && (!errors.As(err, &m) || m.Cause != CauseBody || len(out.Paths) != 0) {
			t.Errorf("%q: %v, %q", c.lengths, err, out.Paths)
		}
	}
}
