package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// aims are what buyers ask for. Each target ends with the id of its request.
var aims = []struct {
	method, place, activity string
	body, size              int
}{
	{"GET", "shop.example/cart/", "sale", 0, 900},
	{"POST", "shop.example/cart/", "sale", 3000, 40},
	{"POST", "shop.example//C%61rt/", "sale", 200, 40},
	{"GET", "shop.example/x/../cart/", "sale", 0, 40},
	{"GET", "updates.example/updates/bases/", "update", 0, 96 << 10},
	{"GET", "updates.example/updates/", "update", 0, 700},
	{"POST", "updates.example/updates/", "update", 70 << 10, 40},
	{"GET", "shop.example/about/", "", 0, 50 << 10},
	{"POST", "shop.example/about/", "", 3000, 900},
	{"GET", "shop.example/updates/", "", 0, 40},
	{"GET", "updates.example/cart/", "", 0, 40},
}

// traffic are buyers who ask and write down what they see.
type traffic struct {
	world  *world
	client func(peer string) *http.Client
	scheme string

	mu    sync.Mutex
	asked []*asked
	last  atomic.Int64
	done  atomic.Int64
}

// run asks until the context ends.
func (f *traffic) run(ctx context.Context, random *rand.Rand) {
	for ctx.Err() == nil {
		buyer, aim := faultBuyers[random.IntN(len(faultBuyers))], random.IntN(len(aims))
		if random.IntN(2) == 0 { // what the policy is about
			bans := f.world.policy.last()[0].bans
			b := bans[random.IntN(len(bans))]
			for !slices.Contains(strings.Fields(b.countries), gazettes["first"][buyer]) && buyer != nowhere {
				buyer = faultBuyers[random.IntN(len(faultBuyers))]
			}
			for aims[aim].activity != b.activity {
				aim = random.IntN(len(aims))
			}
		}
		f.ask(random, buyer, aim, random.IntN(12) == 0)
	}
}

// ask asks once, directly or through a trusted proxy, and perhaps goes away before the end.
func (f *traffic) ask(random *rand.Rand, buyer string, aim int, leaves bool) *asked {
	what := aims[aim]
	a := &asked{id: fmt.Sprintf("r%06d", f.last.Add(1)), buyer: buyer, method: what.method, activity: what.activity, size: what.size, leaves: leaves}
	body := content("body of "+a.id, what.body)
	a.sent = digest(body)
	ctx, leave := context.WithCancel(context.Background())
	defer leave()
	var sent io.Reader = http.NoBody
	if what.body > 0 {
		sent = bytes.NewReader(body)
		if leaves {
			sent = io.MultiReader(bytes.NewReader(body[:len(body)/2]), doing(leave), bytes.NewReader(body[len(body)/2:]))
		}
	}
	r, err := http.NewRequestWithContext(ctx, what.method, fmt.Sprintf("%s://%s%s?size=%d", f.scheme, what.place, a.id, what.size), sent)
	if err != nil {
		panic(err) // a table of this file is wrong
	}
	if what.body > 0 && random.IntN(2) == 0 {
		r.ContentLength = int64(len(body))
	}
	peer := buyer
	if random.IntN(3) == 0 {
		peer = "10.0.0.7"
		r.Header.Set("X-Forwarded-For", german+", "+buyer)
	}
	a.from = f.world.moment()
	f.exchange(a, f.client(peer), r, leave)
	a.to = f.world.moment()
	f.mu.Lock()
	f.asked = append(f.asked, a)
	f.mu.Unlock()
	f.done.Add(1)
	return a
}

func (f *traffic) exchange(a *asked, client *http.Client, r *http.Request, leave func()) {
	res, err := client.Do(r)
	if err != nil {
		a.err = err
		return
	}
	defer res.Body.Close()
	a.status, a.told, a.refs = res.StatusCode, res.Header.Get("X-Id"), res.Header.Get("Gate451-Reference")
	var got bytes.Buffer
	if a.leaves && r.ContentLength == 0 {
		_, _ = io.CopyN(&got, res.Body, 20)
		leave()
	}
	_, a.err = io.Copy(&got, res.Body)
	a.whole, a.got, a.length = a.err == nil, digest(got.Bytes()), got.Len()
}

// doing is a reader of nothing that does something on the way.
type doing func()

func (d doing) Read([]byte) (int, error) {
	d()
	return 0, io.EOF
}

// pass waits until so many requests have been answered that had not been asked before.
func (f *traffic) pass(t testing.TB, n int64) {
	t.Helper()
	want := f.last.Load() + n
	eventually(t, fmt.Sprintf("%d more requests are over", n), func() bool { return f.done.Load() >= want })
}

// refusals reads the gateway's own records.
func refusals(t testing.TB, lines []string) (all []refused) {
	t.Helper()
	for _, line := range lines {
		var l refused
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

// clockwork moves the clock through the boundaries of the policy in force until the context ends: a nanosecond before,
// at, after, and back.
func (w *world) clockwork(ctx context.Context, random *rand.Rand, set func(time.Time), pass func() bool) {
	for ctx.Err() == nil {
		all := w.policy.last()[0].boundaries()
		at := all[random.IntN(len(all))]
		for _, step := range []time.Duration{-1, 0, -1, 1, time.Hour, -time.Hour, time.Duration(random.IntN(200*24)-100*24) * time.Hour} {
			w.turn(set, at.Add(step))
			if !pass() {
				return
			}
		}
	}
}

// turn sets the clock.
func (w *world) turn(set func(time.Time), at time.Time) {
	w.clock.may(append(w.clock.last(), at)...)
	set(at)
	w.clock.may(at)
}

// sum adds a metric's values up, over all its labels that hold every part.
func sum(exposition, name string, parts ...string) (total int) {
next:
	for line := range strings.Lines(exposition) {
		labels, value, ok := strings.Cut(strings.TrimSpace(line), "} ")
		if !ok || !strings.HasPrefix(labels, name+"{") {
			continue
		}
		for _, part := range parts {
			if !strings.Contains(labels, part) {
				continue next
			}
		}
		var n float64
		if _, err := fmt.Sscan(value, &n); err == nil {
			total += int(n)
		}
	}
	return total
}
