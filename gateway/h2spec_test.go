package gateway_test

import (
	"encoding/xml"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// unmet are the cases of h2spec that net/http itself does not meet, by section and title, each with what it does instead.
var unmet = map[string]string{
	// The case takes the initial 16 KiB for the limit, but net/http has announced 1 MiB, as RFC 9113 section 4.2 lets it.
	"http2/4.2: Sends a large size HEADERS frame that exceeds the SETTINGS_MAX_FRAME_SIZE": "accepts frames of up to 1 MiB",
	// RFC 9113 section 6.5.3 has the values processed in their order.
	"http2/6.5.3: Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE": "ends the connection over a setting that occurs twice",
	// RFC 9113 section 8.1.1 lets a server answer before it ends the stream; nothing is handed on.
	"http2/8.1.2.2: Sends a HEADERS frame that contains the connection-specific header field": "answers 400",
	// As above.
	`http2/8.1.2.2: Sends a HEADERS frame that contains the TE header field with any value other than "trailers"`: "answers 400",
}

// leastCases is how many cases h2spec has at the least, so that a run which tried nothing is no success.
const leastCases = 140

// h2spec finds the program: $H2SPEC, or one that is installed.
func h2spec(t *testing.T) string {
	t.Helper()
	name := os.Getenv("H2SPEC")
	if name == "" {
		name = "h2spec"
	}
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
	case os.Getenv("GATE451_REQUIRE_ALL") == "1":
		t.Fatalf("h2spec is not installed: %v; set H2SPEC to its path", err)
	default:
		t.Skipf("h2spec is not installed: %v; set H2SPEC to its path", err)
	}
	return path
}

// TestHTTP2Conformance has h2spec try the TLS listener by RFC 7540 and RFC 7541.
func TestHTTP2Conformance(t *testing.T) {
	t.Parallel()
	program, public := h2spec(t), track(t)
	cert, key := certificate(t, 1)
	g := start(t, setup{
		options: public.use, files: map[string][]byte{"tls.crt": cert, "tls.key": key},
		config: "tls: {cert_file: tls.crt, key_file: tls.key}\nclient_ip: {}\n" +
			`routes: [{name: shop, hosts: ["*"], upstreams: ["` + newShop(t, ok) + `"]}]` + "\n",
	})
	host, port, err := net.SplitHostPort(g.PublicAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "report.xml")
	said, err := exec.CommandContext(t.Context(), program, "-t", "-k", "-h", host, "-p", port, "-P", "/about", "-j", file).CombinedOutput()
	text, missing := os.ReadFile(file)
	if missing != nil {
		t.Fatalf("h2spec left no report: %v\n%s", err, said)
	}
	var report struct {
		Suites []struct {
			Cases []struct {
				Section string    `xml:"package,attr"`
				Title   string    `xml:"classname,attr"`
				Failure *struct{} `xml:"failure"`
				Error   *struct{} `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	cases, met := 0, map[string]bool{}
	for _, suite := range report.Suites {
		for _, c := range suite.Cases {
			name := c.Section + ": " + c.Title
			cases++
			met[name] = c.Failure == nil && c.Error == nil
			if _, known := unmet[name]; !met[name] && !known {
				t.Errorf("%s fails", name)
			}
		}
	}
	for name, instead := range unmet {
		if is, tried := met[name]; is || !tried {
			t.Errorf("%s: tried %v and met, though net/http %s; remove it from unmet", name, tried, instead)
		}
	}
	if cases < leastCases || t.Failed() {
		t.Errorf("%d cases, want at least %d:\n%s", cases, leastCases, said)
	}
	public.settled(t)
}
