package gateway

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"gate451/config"
	"gate451/gateway/evidence"
	"gate451/rules"
)

const replayPolicy = `version: 1
time_zone: America/New_York
packs: [kaspersky-us-2024]
activities:
  sale: [{hosts: [shop.example], paths: [/cart, /buy]}, {hosts: [shop.example], paths: [/api], fields: [{json: sku}], when: carried}]
  update: [{hosts: [updates.example], paths: [/updates]}]
products:
  kaspersky: [{paths: [/buy, /updates]}, {skus: ["KL*"]}]
rules:
  - {id: trial, activity: sale, countries: [DE], mode: shadow, from: 2024-07-10}
`

const replayConfig = `routes: [{hosts: [shop.example], upstreams: ["http://127.0.0.1:1"]}]
client_ip: {trusted_proxies: [10.0.0.0/8]}
policy: policy.yaml
`

func enforcerOf(tb testing.TB, policy string) *Enforcer {
	tb.Helper()
	cfg, err := config.Parse("gateway.yaml", []byte(replayConfig), nil)
	if err != nil {
		tb.Fatal(err)
	}
	e, err := NewEnforcer(cfg, Options{Policy: []byte(policy)})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// visit is a request as it came, which a test writes into logs.
type visit struct {
	question Question
	host     string
	target   string
	via      string // the client, if question.IP is a proxy
}

func visits(n int) []visit {
	random := rand.New(rand.NewPCG(20, 7))
	pick := func(words ...string) string { return words[random.IntN(len(words))] }
	all := make([]visit, n)
	for i := range all {
		v := &all[i]
		v.host = pick("shop.example", "shop.example", "updates.example")
		v.target = pick("/", "/cart", "/buy/kaspersky", "/x/..%2fcart", "/updates/1.zip", "/api?sku=KL1", "/../cart", "/cart?a=%zz", "/buy;a/b", `/a"b\c`)
		v.question = Question{
			IP:  netip.MustParseAddr(pick("50.114.0.1", "66.50.0.1", "85.214.132.117", "192.168.1.1", "2a01:4f8::1", "2a0e:ffff::1")),
			URL: "http://" + v.host + v.target, At: time.Date(2024, 7, 1, 0, 0, i*4000000/n, 0, time.UTC),
		}
		if random.IntN(8) == 0 {
			v.via, v.question.IP = v.question.IP.String(), netip.MustParseAddr("10.0.0.1")
			v.question.Header = map[string][]string{"X-Forwarded-For": {v.via}}
		}
	}
	return all
}

// line writes a visit as one of several servers would. Only JSON has the header of a proxy, and the host.
func (v *visit) line(kind int) string {
	target := strings.NewReplacer(`"`, `\x22`, `\`, `\x5C`).Replace(v.target)
	quote := func(text string) string {
		quoted, _ := json.Marshal(text)
		return string(quoted)
	}
	at := v.question.At
	switch {
	case kind == 0 && v.via == "" && v.host == "shop.example":
		return fmt.Sprintf(`%v - - [%s] "GET %s HTTP/1.1" 200 5`, v.question.IP, at.Format("02/Jan/2006:15:04:05 -0700"), target)
	case kind <= 1 && v.via == "":
		return fmt.Sprintf(`%s:443 %v - - [%s] "GET %s HTTP/1.1" 200 5 "-" "curl/8"`, v.host, v.question.IP, at.Format("02/Jan/2006:15:04:05 -0700"), target)
	case kind == 2:
		return fmt.Sprintf(`{"ts":%d,"request":{"remote_ip":%q,"method":"GET","host":%q,"uri":%s,"headers":{"X-Forwarded-For":[%q]}}}`, at.Unix(), v.question.IP, v.host, quote(v.target), v.via)
	case kind == 3:
		return fmt.Sprintf(`{"ClientHost":%q,"RequestHost":%q,"RequestMethod":"GET","RequestPath":%s,"StartUTC":%q,"request_X-Forwarded-For":%q}`, v.question.IP, v.host, quote(v.target), at.Format(time.RFC3339Nano), v.via)
	}
	return fmt.Sprintf(`{"time_iso8601":%q,"remote_addr":%q,"host":%q,"request":%s,"http_x_forwarded_for":%q}`, at.Format(time.RFC3339), v.question.IP, v.host, quote("GET "+v.target+" HTTP/1.1"), v.via)
}

// logs writes visits into three files, of which two are compressed, and each has lines that are none.
func logs(t *testing.T, all []visit) []string {
	t.Helper()
	dir := t.TempDir()
	var files []string
	for i := range 3 {
		var text bytes.Buffer
		for j := range all {
			if j%3 == i {
				fmt.Fprintln(&text, all[j].line(j%5))
			}
			if j == 100 {
				fmt.Fprint(&text, "this is no line\n\n")
			}
		}
		files = append(files, filepath.Join(dir, fmt.Sprintf("%d.log", i)))
		f, err := os.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		var w io.WriteCloser = f
		switch i {
		case 1:
			w = gzip.NewWriter(f)
		case 2:
			if w, err = zstd.NewWriter(f); err != nil {
				t.Fatal(err)
			}
		}
		_, err = w.Write(text.Bytes())
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			_ = f.Close() // what was written has been flushed into it
		}
	}
	return files
}

// TestReplayCountsAsANaiveProgram asks about each visit by itself, as explain does, and counts.
func TestReplayCountsAsANaiveProgram(t *testing.T) {
	t.Parallel()
	e := enforcerOf(t, replayPolicy)
	all := visits(1500)
	files := logs(t, all)
	for _, at := range []time.Time{{}, time.Date(2024, 7, 20, 4, 0, 0, 0, time.UTC)} {
		want := Replay{
			reading: reading{Lines: int64(len(all)) + 3, Unreadable: 3}, Policy: e.Policy().Digest(), Reasons: map[string]ReplayCount{}, Rules: map[string]ReplayCount{},
			Countries: map[string]ReplayCount{}, Days: map[string]ReplayCount{}, Shadows: map[string]int64{},
		}
		if !at.IsZero() {
			want.At = "2024-07-20T00:00:00-04:00"
		}
		for i, file := range files {
			line := int64(100/3) + 2
			if i > 100%3 {
				line--
			}
			want.Problems = append(want.Problems, LogProblem{File: file, Line: line, Problem: "no line of an access log; expected the common or the combined format, or JSON as nginx, Caddy and Traefik write it"})
		}
		for i := range all {
			q := all[i].question
			if !at.IsZero() {
				q.At = at
			}
			account, err := e.Explain(q)
			if err != nil {
				t.Fatal(err)
			}
			record, err := account.Record()
			if err != nil {
				want.Rejected++
				continue
			}
			c := ReplayCount{Allow: 1}
			if record.Verdict == "block" {
				c = ReplayCount{Block: 1}
			}
			plus := func(m map[string]ReplayCount, key string) {
				m[key] = ReplayCount{m[key].Allow + c.Allow, m[key].Block + c.Block}
			}
			want.Verdicts = ReplayCount{want.Verdicts.Allow + c.Allow, want.Verdicts.Block + c.Block}
			plus(want.Reasons, record.Reason)
			plus(want.Rules, record.Rule)
			plus(want.Countries, record.Country)
			plus(want.Days, all[i].question.At.In(e.Policy().Zone()).Format(time.DateOnly))
			for _, id := range record.Shadow {
				want.Shadows[id]++
			}
		}
		if want.Rejected == 0 || want.Verdicts.Block == 0 || len(want.Reasons) < 6 || len(want.Days) < 40 || want.Shadows["trial"] == 0 {
			t.Fatalf("the traffic is too plain: %+v", want)
		}
		for workers := range 3 {
			got, err := e.Replay(files, ReplayOptions{At: at, Workers: workers + 1})
			if err != nil {
				t.Fatal(err)
			}
			for i := range got.Problems {
				got.Problems[i].number = 0
			}
			if diff := cmp.Diff(&want, got, cmp.AllowUnexported(Replay{}, LogProblem{})); diff != "" {
				t.Error(diff)
			}
		}
	}
}

// TestReplayOfACutLog: a log that was cut anywhere loses its last line alone, and says which.
func TestReplayOfACutLog(t *testing.T) {
	t.Parallel()
	e := enforcerOf(t, replayPolicy)
	var text strings.Builder
	for i, v := range visits(20) {
		fmt.Fprintln(&text, v.line(i%5))
	}
	log := text.String()
	for end := 0; end < len(log); end += 7 {
		r, err := e.Replay([]string{"-"}, ReplayOptions{Input: strings.NewReader(log[:end])})
		if err != nil {
			t.Fatal(err)
		}
		whole := int64(strings.Count(log[:end], "\n"))
		if r.Lines < whole || r.Lines > whole+1 || r.Unreadable > 1 || r.Unreadable == 1 && r.Problems[0].Line != whole+1 {
			t.Fatalf("cut at %d, behind %d lines: %+v", end, whole, r.reading)
		}
		if sum := r.Verdicts.Allow + r.Verdicts.Block + r.Rejected + r.Unreadable; sum != r.Lines {
			t.Fatalf("cut at %d: %d lines, and %d that came to something", end, r.Lines, sum)
		}
	}
}

// TestReplayOfBodies: a body that no log has is not the same as none.
func TestReplayOfBodies(t *testing.T) {
	t.Parallel()
	e := enforcerOf(t, replayPolicy)
	const line = `{"ts":1735689600,"request":{"remote_ip":"50.114.0.1","method":%q,"host":"shop.example","uri":"/api"}%s}` + "\n"
	for _, test := range []struct {
		method, body, reason string
		bodies               int64
	}{
		{"POST", "", "undetermined_product", 1}, {"PUT", `,"bytes_read":12`, "undetermined_product", 1}, {"POST", `,"bytes_read":0`, "ungoverned", 0}, {"GET", "", "ungoverned", 0},
	} {
		r, err := e.Replay([]string{"-"}, ReplayOptions{Input: strings.NewReader(fmt.Sprintf(line, test.method, test.body))})
		if err != nil || len(r.Reasons) != 1 || r.Bodies != test.bodies {
			t.Errorf("%v: %+v, %v", test, r, err)
			continue
		}
		if _, ok := r.Reasons[test.reason]; !ok {
			t.Errorf("%v: %v", test, r.Reasons)
		}
	}
}

func TestReplayNeedsAHost(t *testing.T) {
	t.Parallel()
	e := enforcerOf(t, replayPolicy)
	line := visitsLine(t)
	other := *e.cfg
	other.Routes = append(other.Routes, other.Routes...)
	e.cfg = &other
	r, err := e.Replay([]string{"-"}, ReplayOptions{Input: strings.NewReader(line)})
	if err != nil || r.Unreadable != 1 || !strings.Contains(r.Problems[0].String(), "-:1: the line names no host; say with --host") {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = e.Replay([]string{"-"}, ReplayOptions{Input: strings.NewReader(line), Host: "shop.example"})
	if err != nil || r.Rules["kaspersky-us-2024/sales"].Block != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := e.Replay([]string{"absent.log"}, ReplayOptions{}); err == nil || !strings.Contains(err.Error(), "name a readable access log") {
		t.Errorf("error %v", err)
	}
}

func visitsLine(t testing.TB) string {
	t.Helper()
	return `50.114.0.1 - - [20/Jul/2024:00:00:00 -0400] "GET /buy/kaspersky-standard HTTP/1.1" 200 5120 "https://shop.example/" "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"` + "\n"
}

// TestReplayIsFlat replays far more than it may keep. It is not parallel: it looks at the heap of the whole process.
func TestReplayIsFlat(t *testing.T) {
	e := enforcerOf(t, replayPolicy)
	chunk := strings.Repeat(visitsLine(t), 1000)
	const chunks, most = 120, 8 << 20
	var parts []io.Reader
	for range chunks {
		parts = append(parts, strings.NewReader(chunk))
	}
	live := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, last, grown := live(), int64(0), uint64(0)
	r, err := e.Replay([]string{"-"}, ReplayOptions{Input: io.MultiReader(parts...), Progress: func(lines int64) {
		if lines-last > 30000 {
			last = lines
			if now := live(); now > before {
				grown = max(grown, now-before)
			}
		}
	}})
	if err != nil || r.Lines != chunks*1000 || r.Verdicts.Block != r.Lines {
		t.Fatalf("%+v, %v", r, err)
	}
	if last == 0 || grown > most || int64(chunks*len(chunk)) < 2*most {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
}

// TestReplayedLineAllocations: what one line costs bounds how fast logs are replayed, on whatever machine.
func TestReplayedLineAllocations(t *testing.T) {
	e := enforcerOf(t, replayPolicy)
	tally := newReplayTally(time.UTC)
	w := newReplayer(ReplayOptions{}, e).worker(&tally.reading, tally.count)
	line := strings.TrimSuffix(visitsLine(t), "\n")
	if n := testing.AllocsPerRun(100, func() {
		if err := w.line(line); err != nil {
			t.Fatal(err)
		}
	}); n > 4 {
		t.Errorf("%v allocations for a line", n)
	}
}

func BenchmarkReplay(b *testing.B) {
	e := enforcerOf(b, replayPolicy)
	var text strings.Builder
	for i, v := range visits(50000) {
		if v.via = ""; i%10 > 0 {
			v.target, v.question.IP = "/css/site.css?v=12", netip.AddrFrom4([4]byte{85, 214, byte(i >> 8), byte(i)})
		}
		fmt.Fprintln(&text, v.line(i%2))
	}
	lines := strings.Count(text.String(), "\n")
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		if _, err := e.Replay([]string{"-"}, ReplayOptions{Input: strings.NewReader(text.String()), Workers: 1}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(lines)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}

// someReplay is one of many days.
func someReplay(days int) *Replay {
	r := &Replay{
		reading: reading{Lines: 9, Unreadable: 1, Rejected: 1, Bodies: 2, Problems: []LogProblem{{File: "<a>.log", Line: 3, Problem: "no line"}}}, Policy: "sha256:0",
		Verdicts: ReplayCount{4, 3}, Reasons: map[string]ReplayCount{"listed_country": {0, 3}, "ungoverned": {4, 0}}, Rules: map[string]ReplayCount{"": {4, 0}, "=sales": {0, 3}},
		Countries: map[string]ReplayCount{"US": {1, 3}, "": {3, 0}}, Days: map[string]ReplayCount{}, Shadows: map[string]int64{"trial": 2},
	}
	for i := range days {
		r.Days[time.Date(2024, 1, 1+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)] = ReplayCount{int64(i), int64(i % 7)}
	}
	return r
}

func TestReplayIsPrinted(t *testing.T) {
	t.Parallel()
	var page bytes.Buffer
	if err := someReplay(3).HTML(&page); err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(bytes.NewReader(bytes.ReplaceAll(page.Bytes(), []byte("<!DOCTYPE html>"), nil))); ; {
		d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
	}
	for _, want := range []string{"&lt;a&gt;.log:3: no line", "<svg", "would have blocked", "9 lines: 4 requests would pass", "sha256:0"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page.String(), "http") {
		t.Error("the page refers to something outside of it")
	}
	var text, object bytes.Buffer
	if err := errors.Join(someReplay(3).Text(&text), someReplay(3).JSON(&object)); err != nil {
		t.Fatal(err)
	}
	if want := "Of 2 requests the gateway would have read the body"; !strings.Contains(text.String(), want) || !strings.Contains(text.String(), "<a>.log:3: no line") {
		t.Errorf("the text lacks something:\n%s", &text)
	}
	var read map[string]any
	if err := json.Unmarshal(object.Bytes(), &read); err != nil || read["lines"] != 9.0 || fmt.Sprint(read["verdicts"]) != "map[allow:4 block:3]" {
		t.Errorf("%v, %v", read, err)
	}
	var sheet bytes.Buffer
	if err := someReplay(3).CSV(&sheet); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&sheet).ReadAll()
	if err != nil || !strings.Contains(fmt.Sprint(rows), "[rule '=sales 0 3 3]") || !strings.Contains(fmt.Sprint(rows), "[log bodies   2]") {
		t.Errorf("%v, %v", rows, err)
	}
}

func TestManyDaysAreGathered(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		days   int
		title  string
		shown  int
		longer string
	}{{40, "Days", 40, "2024-01-07"}, {41, "Months", 2, "2024-01"}, {366 * 3, "Months", 36, "2024-01"}, {366 * 4, "Years", 5, "2024"}} {
		r := someReplay(c.days)
		title, counts := spans(r.DayCounts())
		var sum, want int64
		for _, d := range r.Days {
			want += d.Allow + d.Block
		}
		names := ""
		for _, d := range counts {
			sum += d.Total()
			names += d.Name + " "
		}
		if title != c.title || sum != want || len(counts) != c.shown && c.days != 366*3 && c.days != 366*4 || !strings.Contains(names, c.longer+" ") {
			t.Errorf("%d days: %s, %d of %d in %s", c.days, title, sum, want, names)
		}
	}
	bars := terminalBars([]evidence.Count{{Name: "a", Block: 1000}, {Name: "b", Block: 1}, {Name: "c"}})
	if diff := cmp.Diff([]string{"a\t" + strings.Repeat("█", 40) + "\t1000", "b\t▏\t1", "c\t\t0"}, bars); diff != "" {
		t.Error(diff)
	}
}

// TestTrafficDiff compares with what both policies say of each visit by themselves.
func TestTrafficDiff(t *testing.T) {
	t.Parallel()
	before := enforcerOf(t, replayPolicy)
	after := enforcerOf(t, strings.NewReplacer("mode: shadow, ", "", "packs: [kaspersky-us-2024]\n", "").Replace(replayPolicy))
	all := visits(600)
	files := logs(t, all)
	want := &TrafficDiff{reading: reading{Lines: 603, Unreadable: 3}, Rules: map[string]ReplayCount{}, Countries: map[string]ReplayCount{}}
	for i := range all {
		var records [2]rules.Record
		var rejected error
		for j, e := range []*Enforcer{before, after} {
			account, err := e.Explain(all[i].question)
			if err != nil {
				t.Fatal(err)
			}
			records[j], rejected = account.Record()
		}
		switch old, new := records[0], records[1]; {
		case rejected != nil:
			want.Rejected++
		case old.Verdict == new.Verdict:
			want.Same++
		case new.Verdict == "block":
			want.Changed.Block++
			want.Rules[new.Rule] = ReplayCount{0, want.Rules[new.Rule].Block + 1}
			want.Countries[new.Country] = ReplayCount{want.Countries[new.Country].Allow, want.Countries[new.Country].Block + 1}
		default:
			want.Changed.Allow++
			want.Rules[old.Rule] = ReplayCount{want.Rules[old.Rule].Allow + 1, 0}
			want.Countries[old.Country] = ReplayCount{want.Countries[old.Country].Allow + 1, want.Countries[old.Country].Block}
		}
	}
	if want.Changed.Allow == 0 || want.Changed.Block == 0 {
		t.Fatalf("%+v", want)
	}
	var examples []TrafficChange
	for workers := range 2 {
		got, err := DiffTraffic(before, after, files, ReplayOptions{Workers: workers + 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Examples) != shownExamples || got.Examples[0].File != files[0] || workers > 0 && !cmp.Equal(examples, got.Examples, cmp.AllowUnexported(TrafficChange{})) {
			t.Errorf("%+v", got.Examples)
		}
		examples, got.Examples, got.Problems = got.Examples, nil, nil
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(TrafficDiff{})); diff != "" {
			t.Error(diff)
		}
	}
	if _, err := DiffTraffic(before, after, []string{"absent.log"}, ReplayOptions{}); err == nil {
		t.Error("there is no such log")
	}
}
