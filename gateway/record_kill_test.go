//go:build unix

package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestKilled kills a gateway again and again while buyers come. Whatever was answered has a record, the evidence is whole
// each time, and at most one torn line was set aside for each time.
func TestKilled(t *testing.T) {
	t.Parallel()
	kills := 100
	if testing.Short() {
		kills = 5
	}
	random := rand.New(rand.NewPCG(faultSeed(t), 451))
	dir := t.TempDir()
	s := setup{policy: recordedPolicy, upstream: newShop(t, ok), config: "replica: gate-1\nevidence: {dir: evidence, segment_size: 256KiB}\n"}
	s.write(t, dir)
	kept, b := filepath.Join(dir, "evidence"), &buyers{answered: map[string]int{}}
	var checkpoint []byte
	for range kills {
		p := spawn(t, dir)
		if checkpoint != nil {
			verified(t, kept, checkpoint)
		}
		ctx, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { b.come(ctx, p.public) })
		}
		time.Sleep(time.Duration(20+random.IntN(60)) * time.Millisecond)
		checkpoint = fetch(t, "http://"+p.admin+"/evidence/checkpoint")
		time.Sleep(time.Duration(random.IntN(5_000_000)))
		p.kill()
		leave()
		all.Wait()
	}
	p := spawn(t, dir)
	p.end(t)
	verified(t, kept, checkpoint)
	lines := linesOf(t, kept)
	recorded, torn, starts := map[string]int{}, 0, 0
	for _, l := range lines {
		switch l.Kind {
		case "":
			recorded[l.Path]++
		case "torn":
			torn++
		case "start":
			starts++
		}
	}
	for path, status := range b.answered {
		if recorded[path] != 1 {
			t.Errorf("%s was answered %d and has %d records", path, status, recorded[path])
		}
	}
	t.Logf("%d lines; %d requests were answered, %d recorded; %d torn lines", len(lines), len(b.answered), len(recorded), torn)
	if torn > kills || starts != kills+1 || len(b.answered) < 10*kills {
		t.Errorf("%d kills: %d torn lines, %d starts, %d answers", kills, torn, starts, len(b.answered))
	}
}

// buyers each ask for something of their own, one after the other.
type buyers struct {
	last     atomic.Int64
	mu       sync.Mutex
	answered map[string]int // the status of whole answers, by path
	visits   [][]string     // the paths of each who came, in the order in which they were answered
}

// come asks until the context ends or the connection does.
func (b *buyers) come(ctx context.Context, address string) {
	var visit []string
	defer func() {
		b.mu.Lock()
		b.visits = append(b.visits, visit)
		b.mu.Unlock()
	}()
	for ctx.Err() == nil {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return
		}
		buyer := []string{american, german}[b.last.Load()%2]
		reader := bufio.NewReader(conn)
		for text := "PROXY TCP4 " + buyer + " 127.0.0.1 40000 80\r\n"; ctx.Err() == nil; text = "" {
			path := fmt.Sprintf("/cart/%d", b.last.Add(1))
			if _, err = io.WriteString(conn, text+"GET "+path+" HTTP/1.1\r\nHost: shop.example\r\n\r\n"); err != nil {
				break
			}
			res, err := http.ReadResponse(reader, nil)
			if err != nil {
				break
			}
			_, err = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if err != nil {
				break
			}
			b.mu.Lock()
			b.answered[path] = res.StatusCode
			b.mu.Unlock()
			visit = append(visit, path)
			if res.Close {
				break
			}
		}
		conn.Close()
	}
}

func fetch(t testing.TB, url string) []byte {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	res, err := client.Get(url)
	must(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(t, err)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s", url, res.StatusCode, text)
	}
	return text
}
