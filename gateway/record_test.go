package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"gate451/config"
	"gate451/gateway"
)

const recordedPolicy = `version: 1
activities:
  sale: [{hosts: [shop.example], paths: [/cart, /licensed]}]
products:
  licensed: [{paths: [/licensed]}]
rules:
  - {id: sales, activity: sale, countries: [US], except: [{products: [licensed], note: licence 1}]}
  - {id: coming, activity: sale, countries: [FR], from: 2030-01-01T00:00:00Z}
  - {id: watched, activity: sale, countries: [DE], mode: shadow, from: 2024-01-01T00:00:00Z, until: 2024-06-01T00:00:00Z}
`

// line is one of the evidence, with what tests look at.
type line struct {
	Kind, Verdict, Reason, Rule, Country, Client, Policy, Time, Reference, Method, Host, Path, Database, Replica, Sources string

	Shadow       []string
	Event        string
	Digest       string
	Lost, Failed int64
	At           string
	Bytes        int64
	By, Note     string
	text         string
}

// linesOf reads all lines in a folder of evidence, and not how it is kept.
func linesOf(t testing.TB, dir string) (all []line) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl*"))
	must(t, err)
	slices.Sort(files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		if strings.HasSuffix(file, ".zst") {
			d, err := zstd.NewReader(nil)
			must(t, err)
			text, err = d.DecodeAll(text, nil)
			must(t, err)
			d.Close()
		}
		for one := range strings.Lines(string(text)) {
			l := line{text: strings.TrimSuffix(one, "\n")}
			if err := json.Unmarshal([]byte(one), &l); err != nil {
				t.Fatalf("%s: %q: %v", file, one, err)
			}
			all = append(all, l)
		}
	}
	return all
}

// decisionsOf are those of the lines that are about a request.
func decisionsOf(lines []line) []line {
	return slices.DeleteFunc(slices.Clone(lines), func(l line) bool { return l.Kind != "" })
}

// verified is what comes of verifying a folder in which nothing may be wrong.
func verified(t testing.TB, dir string, checkpoints ...[]byte) *gateway.Verification {
	t.Helper()
	v, err := gateway.VerifyEvidence(dir, gateway.VerifyOptions{Checkpoints: checkpoints, EverySignature: true})
	must(t, err)
	if !v.OK() {
		t.Fatalf("the evidence is found to be changed: %v", v.Findings)
	}
	return v
}

// TestWhatIsRecorded shows which decisions are recorded, with what, and that a refusal's reference finds its record.
func TestWhatIsRecorded(t *testing.T) {
	t.Parallel()
	visits := []struct{ buyer, target, reason string }{
		{american, "/cart?secret=1", "listed_country"},
		{american, "/licensed/x", "exempt"},
		{german, "/cart/%2e/x", "country_not_listed"},
		{"88.120.0.1", "/cart", "not_effective"}, // a Frenchman
		{nowhere, "/cart", "unknown_country"},
		{german, "/about", ""},
	}
	for allows, want := range map[string]string{
		"all":              "listed_country exempt country_not_listed not_effective unknown_country",
		"governed_country": "listed_country exempt country_not_listed not_effective unknown_country",
		"none":             "listed_country exempt unknown_country",
	} {
		t.Run(allows, func(t *testing.T) {
			t.Parallel()
			g := start(t, setup{
				policy: recordedPolicy, upstream: newShop(t, ok), config: "replica: gate-1\nevidence: {dir: evidence, allows: " + allows + "}\n",
			})
			references := map[string]string{}
			for _, v := range visits {
				a := g.get(t, v.buyer, "http://shop.example"+v.target)
				references[v.reason] = a.Header.Get("Gate451-Reference")
			}
			if got := g.metric(t, `gate451_evidence_records_total{result="written"}`); got != fmt.Sprint(len(strings.Fields(want))) {
				t.Errorf("%s records are counted", got)
			}
			g.stop()
			must(t, g.end())
			var reasons []string
			for _, l := range decisionsOf(linesOf(t, g.file("evidence"))) {
				reasons = append(reasons, l.Reason)
				if l.Verdict == "block" && (l.Reference == "" || l.Reference != references[l.Reason]) {
					t.Errorf("%s: the reference is %q, the buyer was told %q", l.Reason, l.Reference, references[l.Reason])
				}
				if l.Replica != "gate-1" || l.Host != "shop.example" || l.Method != "GET" || !strings.HasPrefix(l.Policy, "sha256:") || !strings.HasPrefix(l.Database, "embedded 20") {
					t.Errorf("%+v", l)
				}
			}
			if got := strings.Join(reasons, " "); got != want {
				t.Errorf("recorded %s, want %s", got, want)
			}
			verified(t, g.file("evidence"))
			found, err := gateway.FindEvidence(g.file("evidence"), strings.ToLower(references["listed_country"]))
			if err != nil || len(found) != 1 || !strings.Contains(found[0].Text, `"path":"/cart","`) || !strings.Contains(found[0].Text, `"client":"50.114.0.0/24"`) {
				t.Errorf("%+v, %v", found, err)
			}
		})
	}
}

// TestAllowsOfListedCountries shows which allowed requests governed_country records: those from countries that some rule of
// the activity lists.
func TestAllowsOfListedCountries(t *testing.T) {
	t.Parallel()
	const policy = "version: 1\nactivities: {sale: [{paths: [/cart]}], update: [{paths: [/updates]}]}\nrules:\n" +
		"  - {id: a, activity: sale, countries: [FR], from: 2030-01-01T00:00:00Z}\n  - {id: b, activity: update, countries: [DE], mode: shadow}\n"
	g := start(t, setup{policy: policy, upstream: newShop(t, ok), config: "evidence: {dir: evidence, allows: governed_country, client: full}\n"})
	for _, target := range []string{"/cart/1", "/updates/2"} {
		for _, buyer := range []string{"88.120.0.1", german, american} {
			g.get(t, buyer, "http://shop.example"+target)
		}
	}
	g.stop()
	must(t, g.end())
	var got []string
	for _, l := range decisionsOf(linesOf(t, g.file("evidence"))) {
		got = append(got, l.Country+l.Path+strings.Join(l.Shadow, ""))
	}
	if want := "FR/cart/1 DE/updates/2b"; strings.Join(got, " ") != want {
		t.Errorf("recorded %s, want %s", got, want)
	}
}

// TestWhatDecidedIsRecorded shows that the evidence says which policy and database decided from when.
func TestWhatDecidedIsRecorded(t *testing.T) {
	t.Parallel()
	g := start(t, setup{
		upstream: newShop(t, ok), files: map[string][]byte{"geo.mmdb": gazetteFile(t, "first")},
		config: "geoip: {databases: [geo.mmdb]}\nevidence: {dir: evidence}\n",
	})
	first := g.admin(t, http.MethodGet, "/metrics").text
	g.replace(t, "policy.yaml", []byte(recordedPolicy))
	g.replace(t, "geo.mmdb", database(t, built.Add(time.Hour), map[string]string{"88.64.0.0/16": "DE"}))
	must(t, g.Reload())
	must(t, g.Reload()) // as the watch may as well
	g.stop()
	must(t, g.end())
	var events []string
	var digests []string
	for _, l := range linesOf(t, g.file("evidence")) {
		if l.Kind == "event" {
			events = append(events, l.Event)
		}
		if l.Event == "policy" {
			digests = append(digests, l.Digest)
		}
	}
	if got := strings.Join(events, " "); got != "policy database policy database" {
		t.Errorf("events: %s", got)
	}
	if len(digests) != 2 || digests[0] == digests[1] || !strings.Contains(first, `gate451_policy_info{digest="`+digests[0]+`"}`) {
		t.Errorf("policies %q", digests)
	}
}

// TestCheckpointIsShown shows the newest checkpoint to whoever keeps one, and that a log which was cut back together with
// its own checkpoints is found out by it.
func TestCheckpointIsShown(t *testing.T) {
	t.Parallel()
	g := start(t, setup{upstream: newShop(t, ok), config: "evidence: {dir: evidence}\n"})
	early := g.admin(t, http.MethodGet, "/evidence/checkpoint")
	for range 3 {
		g.get(t, american, "http://shop.example/cart")
	}
	kept := g.admin(t, http.MethodGet, "/evidence/checkpoint")
	if kept.StatusCode != 200 || !strings.HasPrefix(kept.text, "gate451/") || kept.text == early.text {
		t.Fatalf("%d %q, before that %q", kept.StatusCode, kept.text, early.text)
	}
	g.stop()
	must(t, g.end())
	if logged := g.log.lines(t, "evidence checkpoint"); len(logged) == 0 {
		t.Error("the log stream has no checkpoint")
	}
	dir := g.file("evidence")
	verified(t, dir, []byte(early.text), []byte(kept.text))
	// Cut back to an early checkpoint, the log by itself looks whole.
	lines := linesOf(t, dir)
	cut := slices.IndexFunc(lines, func(l line) bool {
		return l.Kind == "checkpoint" && strings.Contains(l.text, strings.Split(early.text, "\n")[2])
	})
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	must(t, err)
	var rest strings.Builder
	for _, l := range lines[:cut+1] {
		rest.WriteString(l.text + "\n")
	}
	writeFile(t, files[0], []byte(rest.String()))
	leaves := strings.TrimSuffix(files[0], ".jsonl") + ".leaves"
	must(t, os.Truncate(leaves, int64(32*(cut+1))))
	verified(t, dir, []byte(early.text))
	v, err := gateway.VerifyEvidence(dir, gateway.VerifyOptions{Checkpoints: [][]byte{[]byte(kept.text)}})
	must(t, err)
	if v.OK() {
		t.Error("a log that was cut back is not found out with a checkpoint that was kept")
	}

	without := start(t, setup{})
	if a := without.admin(t, http.MethodGet, "/evidence/checkpoint"); a.StatusCode != http.StatusNotFound || !strings.Contains(a.text, "evidence.dir") {
		t.Errorf("without evidence: %d %q", a.StatusCode, a.text)
	}
}

// TestOneFolderOneProcess shows that a second gateway does not write into the evidence of the first.
func TestOneFolderOneProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := setup{config: "evidence: {dir: \"" + dir + "\"}\n"}
	start(t, s)
	cfg, err := config.Load(s.write(t, t.TempDir()), nil)
	must(t, err)
	_, err = gateway.New(cfg, gateway.Options{})
	if err == nil || !strings.Contains(err.Error(), "gateway.yaml:1:17: evidence: ") || !strings.Contains(err.Error(), dir) {
		t.Errorf("%v", err)
	}
}

// smallDisk is a file system of its own, on which little room is.
func smallDisk(t testing.TB, size string) string {
	t.Helper()
	dir := t.TempDir()
	err := mountDisk(dir, size)
	switch {
	case err == nil:
	case os.Getenv("GATE451_REQUIRE_ALL") == "1":
		t.Fatalf("no file system of its own: %v", err)
	default:
		t.Skipf("no file system of its own: %v", err)
	}
	t.Cleanup(func() { must(t, unmountDisk(dir)) })
	return dir
}

// TestFullDisk shows what happens when the disk is full, and when it no longer is: strict answers 503 where it cannot record,
// best effort goes on and counts, and ungoverned requests notice nothing.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, durability := range []string{"strict", "best_effort"} {
		t.Run(durability, func(t *testing.T) {
			t.Parallel()
			disk := smallDisk(t, "256k")
			g := start(t, setup{
				policy: recordedPolicy, upstream: newShop(t, ok),
				config: "evidence: {dir: \"" + filepath.Join(disk, "evidence") + "\", durability: " + durability + "}\n",
			})
			answers := map[int]int{}
			visit := func(n int) {
				for range n {
					answers[g.get(t, american, "http://shop.example/cart").StatusCode]++
					answers[g.get(t, german, "http://shop.example/cart").StatusCode]++
					if a := g.get(t, german, "http://shop.example/about"); a.StatusCode != 200 {
						t.Errorf("ungoverned: %d", a.StatusCode)
					}
				}
			}
			visit(20)
			filler := filepath.Join(disk, "filler")
			fill(t, filler)
			visit(50)
			during := answers[http.StatusServiceUnavailable]
			eventually(t, "the console tells of the full disk", func() bool { return strings.Contains(g.console(t, "/"), "The evidence cannot be written") })
			if shown := strings.Contains(g.console(t, "/live"), "answered 503"); shown != (durability == "strict") {
				t.Errorf("answers 503 among the latest: %v", shown)
			}
			must(t, os.Remove(filler))
			if durability == "strict" {
				eventually(t, "the disk is used again", func() bool {
					a := g.get(t, american, "http://shop.example/cart")
					answers[a.StatusCode]++
					return a.StatusCode == 451
				})
			}
			visit(20)
			eventually(t, "the console tells of nothing any more", func() bool { return !strings.Contains(g.console(t, "/"), "The evidence cannot be written") })
			g.stop()
			must(t, g.end())
			dir := filepath.Join(disk, "evidence")
			verified(t, dir)
			var lost, failed int64
			lines := linesOf(t, dir)
			for _, l := range lines {
				lost, failed = lost+l.Lost, failed+l.Failed
			}
			all := answers[200] + answers[451] + answers[503]
			recorded := len(decisionsOf(lines))
			t.Logf("%v: %d recorded, %d lost, %d failed", answers, recorded, lost, failed)
			if int64(recorded)+lost+failed != int64(all) {
				t.Errorf("%d recorded, %d lost and %d failed are not %d", recorded, lost, failed, all)
			}
			switch durability {
			case "strict":
				if during == 0 || recorded != answers[200]+answers[451] || failed != int64(answers[503]) {
					t.Errorf("%v, %d of them on a full disk; %d recorded, %d failed", answers, during, recorded, failed)
				}
			default:
				if answers[503] > 0 || lost > 0 { // there is room to wait for the disk
					t.Errorf("%v, %d lost", answers, lost)
				}
			}
		})
	}
}

// fill writes a file until nothing more fits.
func fill(t testing.TB, path string) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	for size := 64 << 10; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}

// TestEvidenceOff shows that nothing is kept where nothing is to be.
func TestEvidenceOff(t *testing.T) {
	t.Parallel()
	g := start(t, setup{upstream: newShop(t, ok)})
	g.get(t, american, "http://shop.example/cart")
	entries, err := os.ReadDir(g.dir)
	must(t, err)
	for _, e := range entries {
		if e.Name() != "gateway.yaml" && e.Name() != "policy.yaml" {
			t.Errorf("there is %s", e.Name())
		}
	}
	if text := g.admin(t, http.MethodGet, "/metrics").text; strings.Contains(text, "gate451_evidence") {
		t.Error("there are metrics of evidence")
	}
}
