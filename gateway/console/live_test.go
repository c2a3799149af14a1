package console

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gate451/rules"
)

// reading is a reader of the stream.
type reading struct {
	t       *testing.T
	res     *http.Response
	scanner *bufio.Scanner
}

func (v *served) follow(t *testing.T, path string, change ...func(*http.Request)) *reading {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range v.cookies {
		r.AddCookie(c)
	}
	for _, f := range change {
		f(r)
	}
	res, err := v.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	scanner := bufio.NewScanner(res.Body)
	scanner.Buffer(nil, 1<<20)
	return &reading{t, res, scanner}
}

// next returns the next event; ok is false if the stream has ended.
func (r *reading) next() (id string, n news, ok bool) {
	r.t.Helper()
	for r.scanner.Scan() {
		line := r.scanner.Text()
		if text, is := strings.CutPrefix(line, "id: "); is {
			id = text
		}
		if text, is := strings.CutPrefix(line, "data: "); is {
			if err := json.Unmarshal([]byte(text), &n); err != nil {
				r.t.Fatalf("%q: %v", text, err)
			}
			return id, n, true
		}
	}
	return "", n, false
}

// TestStream shows what a reader is told, and that it goes on where it was.
func TestStream(t *testing.T) {
	t.Parallel()
	v := serve(t, newStill(t), "")
	block, allow := decided(t, rules.Block), decided(t, rules.Allow)
	v.feed.Add(&Entry{Decision: block, Path: "/old"})
	all, blocks := v.follow(t, "/live/events?after=1"), v.follow(t, "/live/events?after=1&show=blocks")
	if got := all.res.Header.Get("Content-Type"); got != "text/event-stream" || all.res.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the stream is %s", got)
	}
	v.feed.Add(&Entry{Decision: allow, Path: "/pass"})
	v.feed.Add(&Entry{Decision: block, Path: "/<b>\u2028", Reference: "AAAA-0001"})
	var got []string
	var last string
	for len(got) < 2 {
		id, n, ok := all.next()
		if !ok || n.Missed > 0 {
			t.Fatalf("%v %+v", ok, n)
		}
		last = id
		for i := range n.Decisions {
			got = append(got, n.Decisions[len(n.Decisions)-1-i].Path)
		}
	}
	if fmt.Sprint(got) != `[/pass /<b>\u2028]` || last != "3" {
		t.Errorf("told %v, the last is %s", got, last)
	}
	if _, n, ok := blocks.next(); !ok || len(n.Decisions) != 1 || n.Decisions[0].Reference != "AAAA-0001" || n.Decisions[0].Client != "about 50.114.0.1" {
		t.Errorf("blocks alone: %v %+v", ok, n)
	}
	again := v.follow(t, "/live/events?after=1", func(r *http.Request) { r.Header.Set("Last-Event-ID", "2") })
	if _, n, ok := again.next(); !ok || len(n.Decisions) != 1 || n.Decisions[0].Number != 3 {
		t.Errorf("on after 2: %v %+v", ok, n)
	}
	restarted := v.follow(t, "/live/events?after=1000")
	if _, n, ok := restarted.next(); !ok || len(n.Decisions) != 3 {
		t.Errorf("after the number of another process: %v %+v", ok, n)
	}
}

// TestFloodOfNews shows that a reader gets no more than can be shown, and is told how many passed by.
func TestFloodOfNews(t *testing.T) {
	t.Parallel()
	v := serve(t, newStill(t), "")
	allow := decided(t, rules.Allow)
	for range 5000 {
		v.feed.Add(&Entry{Decision: allow, Path: "/cart"})
	}
	_, n, ok := v.follow(t, "/live/events?after=0").next()
	if !ok || len(n.Decisions) != mostShown || n.Missed != 5000-mostShown || n.Decisions[0].Number != 5000 {
		t.Errorf("%v, %d told, %d missed", ok, len(n.Decisions), n.Missed)
	}
}

// TestReaders shows that they are few, and that each gives its place back.
func TestReaders(t *testing.T) {
	t.Parallel()
	v := serve(t, newStill(t), "")
	var all []*reading
	for range mostReaders {
		all = append(all, v.follow(t, "/live/events"))
	}
	one := v.follow(t, "/live/events")
	if one.res.StatusCode != http.StatusServiceUnavailable || one.res.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %s", one.res.Status)
	}
	for _, r := range all {
		r.res.Body.Close()
	}
	for limit := time.Now().Add(patience); v.readers.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%d places are not given back", v.readers.Load())
		}
	}
}

// TestStreamEndsWithTheSession shows that who signs out, or stays for too long, is told nothing more.
func TestStreamEndsWithTheSession(t *testing.T) {
	t.Parallel()
	v := serve(t, newStill(t), testToken)
	v.signIn(testToken)
	r := v.follow(t, "/live/events")
	command := v.follow(t, "/live/events", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+testToken); r.Header.Del("Cookie") })
	v.feed.Add(&Entry{Decision: decided(t, rules.Block)})
	if _, _, ok := r.next(); !ok {
		t.Fatal("who is signed in is told nothing")
	}
	if a := v.ask(http.MethodPost, "/sign-out", nil); a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.Status)
	}
	v.feed.Add(&Entry{Decision: decided(t, rules.Block)})
	if _, _, ok := r.next(); ok {
		t.Error("who has signed out is told more")
	}
	if _, _, ok := command.next(); !ok {
		t.Error("a command with the token is told nothing")
	}
}
