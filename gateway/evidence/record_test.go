package evidence

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"gate451/rules"
)

// wholeRecord is a record as a reader of JSON sees it.
type wholeRecord struct {
	rules.Record
	Time      string `json:"time"`
	Reference string `json:"reference"`
	Method    string `json:"method"`
	Host      string `json:"host"`
	Path      string `json:"path"`
	Database  string `json:"database"`
	Replica   string `json:"replica"`
	Sources   string `json:"sources"`
}

func TestRecord(t *testing.T) {
	t.Parallel()
	l := open(t, Config{Dir: t.TempDir(), Client: ClientFull})
	now := time.Date(2026, 3, 1, 12, 0, 0, 5000, time.FixedZone("", 3600))
	e := entry(1)
	line := l.appendRecord(nil, e, now)
	const want = `{"verdict":"block","reason":"listed_country","rule":"kaspersky-us-2024/sales","activity":"sale","product":"kaspersky",` +
		`"country":"US","client":"50.114.0.1","at":"2026-03-01T12:00:00Z","policy":"sha256:7c0a","shadow":[],` +
		`"time":"2026-03-01T11:00:00.000005000Z","reference":"0000-0001","method":"POST","host":"shop.example","path":"/cart/1","database":"2026-02-24","replica":"test-1"}`
	if string(line) != want {
		t.Errorf("the record is\n%s\nwant\n%s", line, want)
	}
	var got wholeRecord
	must(t, json.Unmarshal(line, &got))
	if d := cmp.Diff(e.Decision.Record(), got.Record); d != "" {
		t.Error("a decision's fields differ from rules.Record: ", d)
	}
	e.Sources = "a.mmdb DE, header US"
	more := strings.TrimSuffix(want, "}") + `,"sources":"a.mmdb DE, header US"}`
	if line := l.appendRecord(nil, e, now); string(line) != more {
		t.Errorf("the record is\n%s\nwant\n%s", line, more)
	}
	for _, bad := range []string{more[:len(more)-2], strings.Replace(more, `"sources"`, `"source"`, 1), more + "}"} {
		var f fields
		if err := f.split([]byte(bad)); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
}

// TestRecordShadows records a decision of a real policy with two shadow rules.
func TestRecordShadows(t *testing.T) {
	t.Parallel()
	text := `
version: 1
time_zone: UTC
activities: {sale: [{hosts: [shop.example], paths: [/cart]}]}
products: {goods: [{all: true}]}
rules:
  - {id: one, activity: sale, countries: [CU], from: 2024-01-01, mode: shadow}
  - {id: two, activity: sale, countries: [CU], from: 2024-01-01, mode: shadow}
`
	policy, err := rules.Parse("policy.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	d := policy.Decide(&rules.Request{Host: "shop.example", Paths: []string{"/cart"}}, &rules.Origin{Client: netip.MustParseAddr("192.0.2.1"), Country: rules.CountryOf("CU")}, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	l := open(t, Config{Dir: t.TempDir()})
	line := l.appendRecord(nil, &Entry{Decision: &d}, time.Now())
	var f fields
	must(t, f.split(line))
	var shadows []string
	items(f[fieldShadow], func(s []byte) { shadows = append(shadows, string(s)) })
	if diff := cmp.Diff([]string{"one", "two"}, shadows); diff != "" {
		t.Error(diff)
	}
}

// FuzzRecord writes records with any text and reads them with encoding/json and with the reader of reports.
func FuzzRecord(f *testing.F) {
	for _, text := range []string{"", "/cart", `","verdict":"allow`, "\n{\"kind\":\"stop\"}\n", "\x00\x1f\x7f\x80\u2028\u2029\u0085", "\xff\xfe", `\`, `"`, "é€𝄞", "\xed\xa0\x80", "]"} {
		f.Add(text, text, text)
	}
	l := open(f, Config{Dir: f.TempDir()})
	f.Fuzz(func(t *testing.T, path, host, rule string) {
		e := entry(1)
		e.Path, e.Host, e.Sources, e.Decision.Rule = path, host, host, &rules.Rule{ID: rule}
		line := l.appendRecord(nil, e, time.Now())
		if !utf8.Valid(line) || bytes.ContainsFunc(line, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' }) {
			t.Errorf("%q is not one line to everybody", line)
		}
		if kindOf(line) != kindDecision {
			t.Errorf("%q is taken for something else", line)
		}
		var got wholeRecord
		must(t, json.Unmarshal(line, &got))
		want := wholeRecord{Record: e.Decision.Record()}
		want.Rule, want.Path, want.Host, want.Sources = asJSON(rule), asJSON(path), asJSON(host), asJSON(host)
		got.Record.Client, got.Time = want.Record.Client, ""
		want.Reference, want.Method, want.Database, want.Replica = e.Reference, e.Method, e.Database, "test-1"
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		e.Preview = true
		shown := l.appendRecord(nil, e, time.Now())
		if record, ok := previewOf(shown); kindOf(shown) != kindEvent || !json.Valid(shown) || !ok || len(record) != len(line) {
			t.Errorf("%q does not hold %q", shown, line)
		}
		if _, ok := previewOf(line); ok {
			t.Errorf("%q is taken for a preview", line)
		}
		var fields fields
		must(t, fields.split(line))
		if plain(string(fields[fieldRule])) != asJSON(rule) || string(fields[fieldReference]) != e.Reference {
			t.Errorf("%q is read as rule %q, reference %q", line, fields[fieldRule], fields[fieldReference])
		}
	})
}

// asJSON returns a text as it comes out of encoding/json.
func asJSON(text string) (out string) {
	data, _ := json.Marshal(text)
	_ = json.Unmarshal(data, &out)
	return out
}

// FuzzSplit reads any line as a record.
func FuzzSplit(f *testing.F) {
	l := open(f, Config{Dir: f.TempDir()})
	f.Add(l.appendRecord(nil, entry(1), time.Now()))
	f.Add([]byte(`{"verdict":"`))
	f.Fuzz(func(t *testing.T, line []byte) {
		var got fields
		if got.split(line) != nil {
			return
		}
		var parts [][]byte
		for i, key := range recordKeys {
			value := got[i]
			if i != fieldShadow {
				value = append(append([]byte{'"'}, value...), '"')
			}
			parts = append(parts, []byte(key), value)
		}
		if joined := append(bytes.Join(parts, nil), '}'); !bytes.Equal(joined, line) {
			t.Errorf("%q is read as %q", line, joined)
		}
	})
}

func TestRecordAllocations(t *testing.T) {
	if racing {
		t.Skip("pools forget what they hold under the race detector, so that there is nothing to count")
	}
	for _, form := range []ClientForm{ClientTruncated, ClientHMAC, ClientFull} {
		l := open(t, Config{Dir: t.TempDir(), Client: form})
		e, now := entry(1), time.Now()
		line := make([]byte, 0, 1024)
		if n := testing.AllocsPerRun(1000, func() { line = l.appendRecord(line[:0], e, now) }); n > 0 {
			t.Errorf("%s: a record takes %v allocations", form, n)
		}
	}
	l := open(t, Config{Dir: t.TempDir(), Durability: BestEffort, QueueBytes: 64 << 20, FlushEvery: time.Hour})
	e := entry(1)
	if n := testing.AllocsPerRun(10000, func() { must(t, l.Record(t.Context(), e)) }); n > 1 {
		t.Errorf("a record takes %v allocations", n)
	}
}

func TestClientForms(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 3, 1, 23, 59, 59, 0, time.UTC)
	form := func(l *Log, addr string, at time.Time) string {
		var ip netip.Addr
		if addr != "" {
			ip = netip.MustParseAddr(addr)
		}
		return string(l.client.Load().append(nil, ip, at))
	}
	for _, test := range []struct {
		form       ClientForm
		addr, want string
	}{
		{ClientTruncated, "50.114.7.9", "50.114.7.0/24"},
		{ClientTruncated, "2001:db8:1:2::3", "2001:db8:1::/48"},
		{ClientTruncated, "fe80::1%eth0", "fe80::/48"},
		{ClientTruncated, "", ""},
		{ClientFull, "2001:db8:1:2::3", "2001:db8:1:2::3"},
		{ClientFull, "fe80::1%eth0", "fe80::1"},
		{ClientHMAC, "", ""},
	} {
		l := open(t, Config{Dir: t.TempDir(), Client: test.form})
		if got := form(l, test.addr, day); got != test.want {
			t.Errorf("%s %s: %s, want %s", test.form, test.addr, got, test.want)
		}
	}
	dir := t.TempDir()
	l := open(t, Config{Dir: dir, Client: ClientHMAC})
	one, again, other := form(l, "50.114.7.9", day), form(l, "50.114.7.9", day.Add(-time.Hour)), form(l, "50.114.7.10", day)
	tomorrow := form(l, "50.114.7.9", day.Add(time.Second))
	if one != again || one == other || !strings.HasPrefix(one, "hmac:2026-03-01:") || len(one) != len("hmac:2026-03-01:")+16 {
		t.Errorf("pseudonyms of one buyer %s, %s, of another %s", one, again, other)
	}
	if !strings.HasPrefix(tomorrow, "hmac:2026-03-02:") || tomorrow[len("hmac:2026-03-02:"):] == one[len("hmac:2026-03-01:"):] {
		t.Errorf("the pseudonym of the next day is %s after %s", tomorrow, one)
	}
	must(t, writeWhole(dir+"/"+clientKeyName, []byte(strings.Repeat("7c", 32)), 0o600))
	must(t, l.Reload())
	if replaced := form(l, "50.114.7.9", day); replaced == one {
		t.Error("another key makes the same pseudonym")
	}
	must(t, writeWhole(dir+"/"+clientKeyName, []byte("7c"), 0o600))
	if err := l.Reload(); err == nil || !strings.Contains(err.Error(), "expected at least") {
		t.Errorf("a short key: %v", err)
	}
}

// TestClientOfTheLog shows that others write an address as the log does.
func TestClientOfTheLog(t *testing.T) {
	t.Parallel()
	l := open(t, Config{Dir: t.TempDir(), Client: ClientHMAC})
	addr := netip.MustParseAddr("50.114.0.1")
	at := l.cfg.Now()
	if got, want := l.Client(addr, at), string(l.client.Load().append(nil, addr, at)); got != want || !strings.HasPrefix(got, "hmac:") {
		t.Errorf("%q, the log writes %q", got, want)
	}
	if got := l.Client(netip.Addr{}, at); got != "" {
		t.Errorf("no address is written %q", got)
	}
	must(t, l.Close())
}
