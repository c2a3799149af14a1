package gateway_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"
)

// shop is a host of a real server that has the page at the governed path.
type shop struct {
	host, address string
	// direct leads to it, gated through the gateway as from the United States, open likewise as from elsewhere.
	direct, gated, open *wire
	// style says that another shop of the same server finds the page in this one's way, too.
	style bool
}

// fleet is all real servers.
type fleet struct {
	// page holds the secret.
	page, secret string
	shops        []*shop
}

// fleetFiles are what the configurations of the servers may refer to.
type fleetFiles struct {
	Dir          string
	Page, Hidden string
	Ports        map[string]int
	Root         bool
	Modules      []string
	Name         string // of a lighttpd
	Port         int    // likewise
	Options      string // likewise
}

// program is a server and the shops that it has.
type program struct {
	command []string // none if another program has these shops, too
	needs   string   // a file that has to be there
	port    string
	// hosts are its shops. Where several ways to find the page cost one request, the host any has all of styles.
	hosts, styles []string
}

const tomcatHome = "/usr/share/tomcat10"

var lighttpdOptions = map[string]string{
	"lighttpd": "", // as it comes
	"lenient": `server.http-parseopts = ("header-strict" => "disable", "host-strict" => "disable", "host-normalize" => "disable",
		"url-normalize" => "disable", "url-normalize-unreserved" => "disable", "url-normalize-required" => "disable", "url-ctrls-reject" => "disable",
		"url-path-2f-decode" => "disable", "url-path-dotseg-remove" => "disable")`,
}

func programs(f *fleetFiles) []program {
	address := func(name string) string { return "127.0.0.1:" + strconv.Itoa(f.Ports[name]) }
	script := func(name, port string) []string {
		return []string{filepath.Join("testdata", "realservers", name), strconv.Itoa(f.Ports[port]), f.Dir + "/folder"}
	}
	front := []string{"info", "self", "url", "query", "blog", "symfony"}
	tomcat := []string{"context", "folder", "rewrite"}
	return []program{
		{
			command: []string{"php-cgi", "-b", address("fcgi")},
			needs:   "/usr/share/php/Symfony/Component/HttpFoundation/autoload.php",
		}, {
			command: []string{"nginx", "-e", "stderr", "-p", f.Dir, "-c", f.Dir + "/nginx.conf"},
			port:    "nginx",
			hosts:   below("nginx.example", "folder", "file", "location", "pattern", "rewrite", "raw", "cleaned", "node", "any"),
			styles:  below("nginx.example", front...),
		}, {
			command: []string{"apache2", "-X", "-f", f.Dir + "/apache2.conf"},
			port:    "apache",
			hosts:   below("apache.example", "folder", "views", "encoded", "alias", "rewrite", "spelling", "canonical", "raw", "mapped", "any"),
			styles:  below("apache.example", append(front, "rewritten")...),
		}, {
			command: []string{"lighttpd", "-D", "-f", f.Dir + "/lighttpd.conf"},
			port:    "lighttpd",
			hosts:   below("lighttpd.example", "folder", "lower", "alias", "any"),
			styles:  below("lighttpd.example", front...),
		}, {
			command: []string{"lighttpd", "-D", "-f", f.Dir + "/lenient.conf"},
			port:    "lenient",
			hosts:   below("lenient.example", "folder", "lower", "alias", "any"),
			styles:  below("lenient.example", front...),
		}, {
			command: []string{"php", "-q", "-S", address("php"), "-t", f.Dir + "/folder"},
			port:    "php",
			hosts:   below("php.example", "folder"),
		}, {
			command: []string{"php", "-q", "-S", address("front"), "-t", f.Dir + "/front"},
			port:    "front",
			hosts:   below("front.example", "any"),
			styles:  below("front.example", front...),
		}, {
			command: append([]string{"node"}, script("shop.js", "node")...),
			port:    "node",
			hosts:   below("node.example", "files", "any"),
			styles:  below("node.example", "tree", "browser", "joined", "legacy", "segments", "thorough", "windows"),
		}, {
			command: append([]string{"python3", "-B"}, script("shop.py", "python")...),
			needs:   "/usr/lib/python3/dist-packages/django",
			port:    "python",
			hosts:   below("python.example", "files", "any"),
			styles:  below("python.example", "django", "werkzeug", "plain", "split"),
		}, {
			command: []string{"java", "-XX:TieredStopAtLevel=1", "-Xmx128m", "-cp", tomcatHome + "/bin/bootstrap.jar:" + tomcatHome + "/bin/tomcat-juli.jar",
				"-Dcatalina.home=" + tomcatHome, "-Dcatalina.base=" + f.Dir, "-Djava.io.tmpdir=" + f.Dir, "org.apache.catalina.startup.Bootstrap", "start"},
			needs: tomcatHome + "/bin/bootstrap.jar",
			port:  "tomcat",
			hosts: below("tomcat.example", tomcat...),
		},
		{port: "decode", hosts: below("decode.example", tomcat...)},
		{port: "pass", hosts: below("pass.example", tomcat...)},
	}
}

func below(domain string, labels ...string) (hosts []string) {
	for _, label := range labels {
		hosts = append(hosts, label+"."+domain)
	}
	return hosts
}

// newFleet starts all servers and waits until each has the page. They end with the test.
func newFleet(t testing.TB) *fleet {
	t.Helper()
	dir, err := os.MkdirTemp("", "realservers")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil { // Apache gives up the rights of root and must get in
		t.Fatal(err)
	}
	secret := rand.Text()
	page := "<!doctype html><title>Cart</title>" + strings.Repeat(" ", 1451) + secret
	f := &fleetFiles{Dir: dir, Page: page, Hidden: rand.Text(), Root: os.Geteuid() == 0, Ports: freePorts(t,
		"fcgi", "nginx", "apache", "lighttpd", "lenient", "php", "front", "node", "python", "tomcat", "decode", "pass")}
	f.Modules = strings.Fields("mpm_event authz_core mime dir alias negotiation rewrite speling headers proxy proxy_http proxy_fcgi")
	f.write(t)
	s := &fleet{page: page, secret: secret}
	for _, p := range programs(f) {
		if p.command != nil {
			run(t, p)
		}
		for i, host := range slices.Concat(p.hosts, p.styles) {
			s.shops = append(s.shops, &shop{host: host, address: "127.0.0.1:" + strconv.Itoa(f.Ports[p.port]), style: i >= len(p.hosts)})
		}
	}
	for _, shop := range s.shops {
		s.await(t, shop)
	}
	return s
}

// write writes what the servers serve, and their configurations.
func (f *fleetFiles) write(t testing.TB) {
	t.Helper()
	fixture := func(name string) string {
		text, err := os.ReadFile(filepath.Join("testdata", "realservers", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	fill := func(name string) string {
		var b bytes.Buffer
		if err := template.Must(template.New(name).Parse(fixture(name))).Execute(&b, f); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	files := map[string]string{
		"folder/index.html": "front", "folder/about.html": "about us", "folder/static/style.css": "", "folder/cart/index.html": f.Page,
		"file/index.html": "front", "file/x/index.html": "x", "file/cart.html": f.Page,
		"views/index.html": "front", "views/x/index.html": "x", "views/cart.html.en": f.Page, "views/cart.html.de": f.Page,
		"views/cart.var":   "URI: cart\n\nURI: cart.html.en\nContent-type: text/html\nContent-language: en\n",
		"empty/index.html": "front", "empty/x/index.html": "x",
		"front/index.php": fixture("front.php"), "front/page.txt": f.Page, "front/x/style.css": "",
		"context/ROOT/index.html": "front", "context/ROOT/x/index.html": "x", "context/cart/index.html": f.Page,
		"hidden/index.html": "front", "hidden/" + f.Hidden + ".html": f.Page, "none/x": "",
		"nginx.conf": fill("nginx.conf"), "apache2.conf": fill("apache2.conf"), "conf/server.xml": fill("server.xml"), "conf/web.xml": fixture("web.xml"),
		"conf/catalina.properties": fixture("catalina.properties"), "conf/Catalina/rewrite.tomcat.example/rewrite.config": fill("rewrite.config"),
	}
	for name, options := range lighttpdOptions {
		f.Name, f.Port, f.Options = name, f.Ports[name], options
		files[name+".conf"] = fill("lighttpd.conf")
	}
	for name, text := range files {
		path := filepath.Join(f.Dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// freePorts finds a free port for each name.
func freePorts(t testing.TB, names ...string) map[string]int {
	t.Helper()
	ports := make(map[string]int)
	for _, name := range names {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		ports[name] = ln.Addr().(*net.TCPAddr).Port
	}
	return ports
}

// run runs a program until the test ends.
func run(t testing.TB, p program) {
	t.Helper()
	name := p.command[0]
	path, err := find(name)
	if err == nil && p.needs != "" {
		_, err = os.Stat(p.needs)
	}
	switch {
	case err == nil:
	case os.Getenv("GATE451_REQUIRE_ALL") == "1":
		t.Fatalf("%s is not installed: %v", name, err)
	default:
		t.Skipf("%s is not installed: %v", name, err)
	}
	cmd := exec.Command(path, p.command[1:]...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Env = append(os.Environ(), "PHP_FCGI_CHILDREN=2", "PHP_FCGI_MAX_REQUESTS=0")
	cmd.WaitDelay = patience
	cmd.SysProcAttr = childProcess()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // one that has ended by itself is reported below
		err := cmd.Wait()
		if e, ok := errors.AsType[*exec.ExitError](err); !ok || e.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Errorf("%s ended before the test: %v", name, err)
		}
		if t.Failed() {
			t.Logf("%s said: %.2000s", name, said.String())
		}
	})
}

// find looks for a program where Debian has it first, because its modules go with that one.
func find(name string) (string, error) {
	for _, dir := range []string{"/usr/bin/", "/usr/sbin/"} {
		if _, err := os.Stat(dir + name); err == nil {
			return dir + name, nil
		}
	}
	return exec.LookPath(name)
}

// await waits until a shop has the page.
func (f *fleet) await(t testing.TB, s *shop) {
	t.Helper()
	w := &wire{dial: func() (net.Conn, error) { return net.Dial("tcp", s.address) }}
	defer w.close()
	var last string
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		for _, target := range honest {
			got, err := w.ask(attempt{http.MethodGet, target}, s.host)
			if err == nil && bytes.Contains(got.text, []byte(f.secret)) {
				return
			}
			last = fmt.Sprintf("%+v, %v", got, err)
		}
	}
	t.Fatalf("%s does not come up; at last %s", s.host, last)
}
