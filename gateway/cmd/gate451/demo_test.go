package main

import (
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// sentence is what the vendor's own shop tells buyers from the United States.
const sentence = "For legal compliance purposes, Kaspersky products cannot be purchased from your country."

// demonstrations are the instants that the guide proposes, and whether Americans may buy and update then.
var demonstrations = []struct {
	at          string
	buy, update bool
}{
	{"2024-07-19T23:59:59-04:00", true, true},
	{"2024-07-20T00:00:00-04:00", false, true},
	{"2024-09-28", false, true},
	{"2024-09-29T00:00:00-04:00", false, false},
}

// shell carries out a command as whoever pastes it does.
func shell(t *testing.T, command string) string {
	t.Helper()
	output, err := exec.Command("sh", "-c", command).Output()
	if err != nil {
		t.Errorf("%s: %v", command, err)
	}
	return string(output)
}

// readGuide returns the lines of the guide that are commands, each with the comment before it.
func readGuide(t *testing.T, s *server) (commands []string, comments map[string]string) {
	t.Helper()
	comments = map[string]string{}
	comment := ""
	for line := range strings.Lines(s.stdout.waitFor(t, "Ctrl-C ends it.\n")) {
		line, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "  ")
		switch text, isComment := strings.CutPrefix(line, "# "); {
		case !ok || strings.HasPrefix(line, "Shop ") || strings.HasPrefix(line, "Console") || strings.HasPrefix(line, "Metrics") || strings.HasPrefix(line, "Judged"):
		case isComment:
			comment = text
		default:
			commands = append(commands, line)
			comments[line], comment = comment, ""
		}
	}
	return commands, comments
}

// tried says how often each kind of command was carried out.
type tried struct{ buys, updates, others, explains, demos int }

// TestGuideIsTrue carries out every command that the guide prints, also those of the demonstrations that it proposes.
func TestGuideIsTrue(t *testing.T) {
	t.Parallel()
	need(t, "curl")
	need(t, "sh")
	first := spawn(t, nil, quoted(program(t))+" demo --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0")
	follow(t, first, false, false)
	commands, _ := readGuide(t, first)
	first.end(t)
	var found []string
	for _, command := range commands {
		if strings.Contains(command, " demo --at ") {
			found = append(found, command)
		}
	}
	if len(found) != len(demonstrations) {
		t.Fatalf("the guide proposes %q", found)
	}
	for i, d := range demonstrations {
		if !strings.HasSuffix(found[i], " demo --at "+d.at) {
			t.Errorf("the guide proposes %s, want --at %s", found[i], d.at)
		}
		t.Run(d.at, func(t *testing.T) {
			t.Parallel() // so that the usual ports are taken, and others have to do
			s := spawn(t, nil, found[i])
			follow(t, s, d.buy, d.update)
			s.end(t)
		})
	}
}

// TestGuideIsTrueInProcess does so in this process, where the real clock is today's.
func TestGuideIsTrueInProcess(t *testing.T) {
	t.Parallel()
	need(t, "curl")
	need(t, "sh")
	s := start(t, nil, "demo", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0")
	follow(t, s, false, false)
	s.signal(syscall.SIGHUP) // reads the databases again, and ends nothing
	s.end(t)
}

// follow carries out the guide's commands and compares the answers with what the guide foresees, and that with what
// Americans may do.
func follow(t *testing.T, s *server, mayBuy, mayUpdate bool) {
	t.Helper()
	commands, comments := readGuide(t, s)
	var count tried
	for _, command := range commands {
		switch {
		case strings.Contains(command, "/buy/") && strings.HasPrefix(command, "curl"):
			count.buys++
			checkTry(t, shell(t, command), comments[command], mayBuy, sentence)
		case strings.Contains(command, "/updates/"):
			count.updates++
			checkTry(t, shell(t, command), comments[command], mayUpdate, "451")
		case strings.Contains(command, "/echo"):
			count.others++
			if body := shell(t, command); !strings.Contains(body, "\nX-Country-Code: DE\n") || !strings.Contains(body, "\nHost: shop.example\n") {
				t.Errorf("%s:\n%s", command, body)
			}
		case strings.Contains(command, "/metrics"):
			count.others++
			if text := shell(t, command); !strings.Contains(text, `country="DE"`) || !strings.Contains(text, `rule="kaspersky-us-2024/sales"`) {
				t.Errorf("%s:\n%s", command, text)
			}
		case strings.Contains(command, " explain "):
			count.explains++
			checkExplanation(t, command, mayBuy)
		case strings.Contains(command, " demo --at "):
			count.demos++
		default:
			t.Errorf("nobody has tried: %s", command)
		}
	}
	if want := (tried{buys: 3, updates: 3, others: 2, explains: 1, demos: 4}); count != want {
		t.Errorf("tried %+v, want %+v", count, want)
	}
}

// checkTry compares an answer that curl -i shows with what the guide says of it.
func checkTry(t *testing.T, answer, comment string, mayAmericans bool, refusal string) {
	t.Helper()
	who, foreseen, _ := strings.Cut(comment, ": ")
	may := mayAmericans || who == "a German"
	status := "200"
	if !may {
		status = "451"
	}
	if !strings.HasPrefix(foreseen, status+", ") {
		t.Errorf("the guide foresees %q for %s, want %s", foreseen, who, status)
	}
	if !strings.HasPrefix(answer, "HTTP/1.1 "+status+" ") || may == strings.Contains(answer, refusal) {
		t.Errorf("%s is answered, where %s is foreseen:\n%s", who, status, answer)
	}
}

// checkExplanation carries out the guide's explain command, which a demonstration in this process prints for a
// program by another name.
func checkExplanation(t *testing.T, command string, mayBuy bool) {
	t.Helper()
	verdict := "BLOCK, answered 451: listed_country"
	if mayBuy {
		verdict = "ALLOW: not_effective"
	}
	var output string
	if words := strings.Fields(command); words[0] == "gate451" {
		output = call(t, nil, words[1:]...).stdout
	} else {
		output = shell(t, command)
	}
	if !strings.Contains(output, "\nverdict  "+verdict+" ") {
		t.Errorf("%s:\n%s", command, output)
	}
}

// TestDemoTakesAnyPort leaves the usual ports to somebody else. It runs before the parallel tests, some of which take them.
func TestDemoTakesAnyPort(t *testing.T) {
	for _, usual := range []string{"127.0.0.1:8451", "127.0.0.1:9451"} {
		if ln, err := net.Listen("tcp", usual); err == nil { // or else it is taken already
			defer ln.Close()
		}
	}
	s := start(t, nil, "demo")
	guide := s.stdout.waitFor(t, "Ctrl-C ends it.\n")
	if strings.Contains(guide, "127.0.0.1:8451") || strings.Contains(guide, "127.0.0.1:9451") {
		t.Errorf("the ports are taken, and the guide names them:\n%s", guide)
	}
	s.end(t)
}

func TestDemoServesBrowsers(t *testing.T) {
	t.Parallel()
	s := start(t, nil, "demo", "--listen", "0.0.0.0:0", "--admin-listen", "127.0.0.1:0")
	_, rest, _ := strings.Cut(s.stdout.waitFor(t, "Ctrl-C ends it.\n"), "Shop in a browser:  ")
	shop, _, _ := strings.Cut(rest, "\n")
	if !strings.HasPrefix(shop, "http://127.0.0.1:") {
		t.Errorf("the guide sends browsers to %s", shop)
	}
	for path, want := range map[string]int{"": http.StatusOK, "products/kaspersky-standard": http.StatusOK, "cart": http.StatusUnavailableForLegalReasons} {
		if status, _ := get(t, shop+path); status != want {
			t.Errorf("/%s is answered %d, want %d", path, status, want)
		}
	}
	_, rest, _ = strings.Cut(rest, "Console:            ")
	console, _, _ := strings.Cut(rest, "\n")
	if status, page := get(t, console); status != http.StatusOK || !strings.Contains(page, "Decisions over time") {
		t.Errorf("the console is answered %d: %s", status, page)
	}
	s.end(t)
}

func TestDemoOnlyUpstreams(t *testing.T) {
	t.Parallel()
	s := start(t, nil, "demo", "--only-upstreams", "--listen", "127.0.0.1:0")
	_, rest, _ := strings.Cut(s.stderr.waitFor(t, "msg=serving url="), "msg=serving url=")
	url := strings.TrimSpace(rest)
	for path, want := range map[string]string{"/": "Example Security Store", "/updates/bases.dat.sha256": "bases.dat"} {
		if status, body := get(t, url+path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s is answered %d: %s", path, status, body)
		}
	}
	s.signal(syscall.SIGHUP)
	s.end(t)
}
