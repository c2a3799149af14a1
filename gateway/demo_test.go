package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// startDemo runs a demonstration until the test ends.
func startDemo(t *testing.T, o DemoOptions) *Demo {
	t.Helper()
	d, err := NewDemo(o, Options{})
	if err != nil {
		t.Fatal(err)
	}
	stop, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(stop, context.Background()) }()
	t.Cleanup(func() {
		end()
		if err := <-ended; err != nil {
			t.Errorf("the demonstration ended: %v", err)
		}
	})
	return d
}

// anywhere is for demonstrations that leave the usual ports alone.
var anywhere = DemoOptions{Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0", Command: "gate451"}

// TestGuideForeseesWhatIsAnswered asks the gateway what the guide says that it will answer.
func TestGuideForeseesWhatIsAnswered(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]string{
		"2024-07-19T23:59:59-04:00": "200 200 200 200 200 200",
		"2024-07-20":                "451 451 200 200 200 200",
		"2024-09-28T23:59:59":       "451 451 200 200 200 200",
		"2024-09-29":                "451 451 200 451 451 200",
	} {
		o := anywhere
		var err error
		if o.At, err = DemoInstant(at); err != nil {
			t.Fatal(err)
		}
		d := startDemo(t, o)
		var guide bytes.Buffer
		if err := d.WriteGuide(&guide); err != nil {
			t.Fatal(err)
		}
		var foreseen, answered []string
		for line := range strings.Lines(guide.String()) {
			if _, says, ok := strings.Cut(line, ": "); ok && strings.HasPrefix(line, "  # ") {
				foreseen = append(foreseen, says[:3])
			}
		}
		for _, try := range demoTries() {
			for _, buyer := range demoBuyers() {
				answered = append(answered, statusText(statusOf(t, d, try.path, try.host, buyer.address)))
			}
		}
		if got := strings.Join(foreseen, " "); got != want {
			t.Errorf("at %s the guide foresees %s, want %s", at, got, want)
		}
		if got := strings.Join(answered, " "); got != want {
			t.Errorf("at %s the answers are %s, want %s", at, got, want)
		}
		if stands := "a clock that stands at " + d.instant() + "\n"; !strings.Contains(guide.String(), stands) || !strings.Contains(guide.String(), " explain --demo --at "+d.instant()+" ") {
			t.Errorf("the guide does not say when it is:\n%s", &guide)
		}
	}
}

func statusText(status int) string {
	return map[int]string{http.StatusOK: "200", http.StatusUnavailableForLegalReasons: "451"}[status]
}

func TestGuideByTheRealClock(t *testing.T) {
	t.Parallel()
	d := startDemo(t, anywhere)
	var guide bytes.Buffer
	if err := d.WriteGuide(&guide); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Judged by:          the real clock\n", "  gate451 explain --demo --ip ", "http://" + d.PublicAddr().String() + "/", "http://" + d.AdminAddr().String() + "/metrics"} {
		if !strings.Contains(guide.String(), want) {
			t.Errorf("the guide lacks %q:\n%s", want, &guide)
		}
	}
}

func TestGuideThatCannotBePrinted(t *testing.T) {
	t.Parallel()
	d, err := NewDemo(anywhere, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	read, write := io.Pipe()
	broken := errors.New("broken")
	_ = read.CloseWithError(broken)
	if err := d.WriteGuide(write); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestDemoGivesItsPortsBack(t *testing.T) {
	t.Parallel()
	d, err := NewDemo(anywhere, Options{})
	if err != nil {
		t.Fatal(err)
	}
	public, admin := d.PublicAddr().String(), d.AdminAddr().String()
	d.Close()
	again := anywhere
	again.Listen, again.AdminListen = public, admin
	if d, err = NewDemo(again, Options{}); err != nil {
		t.Fatal(err)
	}
	d.Close()
}

func TestDemoSaysWhichAddressIsTaken(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	want := "listen tcp " + address + ": bind: address already in use; name a free address of this machine, such as 127.0.0.1:0 for any port"
	for _, o := range []DemoOptions{{Listen: address, AdminListen: "127.0.0.1:0"}, {Listen: "127.0.0.1:0", AdminListen: address}} {
		if _, err := NewDemo(o, Options{}); err == nil || err.Error() != want {
			t.Errorf("%+v: error %v", o, err)
		}
	}
	if _, err := NewSamples(address); err == nil || err.Error() != want {
		t.Errorf("samples: error %v", err)
	}
}

func TestListenOrAny(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	other, err := listenOrAny("", taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	address := other.Addr().String()
	_ = other.Close()
	if address == taken.Addr().String() {
		t.Error("an address was given out twice")
	}
	preferred, err := listenOrAny("", address)
	if err != nil {
		t.Fatal(err)
	}
	defer preferred.Close()
	if got := preferred.Addr().String(); got != address {
		t.Errorf("%s is free, and %s was taken", address, got)
	}
}

func TestDemoInstant(t *testing.T) {
	t.Parallel()
	at, err := DemoInstant("2024-07-20")
	if want := time.Date(2024, 7, 20, 4, 0, 0, 0, time.UTC); err != nil || !at.Equal(want) {
		t.Errorf("%v, %v, want %v", at, err, want)
	}
	if _, err := DemoInstant("soon"); err == nil || !strings.HasPrefix(err.Error(), `"soon" is no instant; expected a date such as 2024-07-20`) {
		t.Errorf("error %v", err)
	}
}

func TestSamples(t *testing.T) {
	t.Parallel()
	s, err := NewSamples("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(stop, t.Context()) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, c := range []struct{ host, path, want string }{
		{"", "/", "Example Security Store"}, {"", "/updates/", "bases.dat"}, {"updates.example", "/status", `"status":"ok"`},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+c.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = c.host
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), c.want) {
			t.Errorf("%s%s: %v, %d\n%s", c.host, c.path, err, resp.StatusCode, body)
		}
	}
	if err := s.Reload(); err != nil {
		t.Error(err)
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestLocalAddress(t *testing.T) {
	t.Parallel()
	for listen, want := range map[string]string{
		":8080": "127.0.0.1:8080", "0.0.0.0:8080": "127.0.0.1:8080", "[::]:8080": "127.0.0.1:8080", "192.0.2.1:8080": "192.0.2.1:8080",
		"[::1]:8080": "[::1]:8080", "localhost:8080": "localhost:8080", "nonsense": "nonsense",
	} {
		if got := LocalAddress(listen); got != want {
			t.Errorf("%s is reached at %s, want %s", listen, got, want)
		}
	}
}
