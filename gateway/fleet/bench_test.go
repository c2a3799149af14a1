package fleet

import (
	"context"
	"fmt"
	"testing"
	"time"
)

func BenchmarkCount(b *testing.B) {
	f := nowhere(b).operator(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			f.Count("kaspersky-us-2024/sales", "US", "block", 1)
		}
	})
}

// BenchmarkPaused looks for the pause of a rule among three, as a request may.
func BenchmarkPaused(b *testing.B) {
	f := nowhere(b).operator(b)
	until := time.Now().Add(time.Hour)
	f.policy.pauses.Store(&[]Pause{{Rule: "a", Until: until}, {Rule: "b", Until: until}, {Rule: "c", Until: until}})
	b.ReportAllocs()
	for b.Loop() {
		f.Paused("c", time.Time{})
	}
}

// BenchmarkShipAndCollect takes lines of 400 bytes from a record through Redis into a copy.
func BenchmarkShipAndCollect(b *testing.B) {
	e := alone(b)
	r := newRecord()
	line := fmt.Sprintf("%0400d", 1)
	for range b.N {
		r.lines = append(r.lines, []byte(line))
	}
	b.SetBytes(int64(len(line)))
	b.ResetTimer()
	running(b, e.replica(b, "gate", Options{Source: r}))
	into := newCopies()
	stop := collecting(b, e.operator(b), into)
	eventually(b, 60*time.Second, "all to be collected", func() bool { return len(into.lines("gate")) == b.N })
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
	stop()
}

// BenchmarkPushToAll publishes a policy and waits until three replicas have it.
func BenchmarkPushToAll(b *testing.B) {
	e := alone(b)
	var fleet []*Fleet
	for i := range 3 {
		f := e.replica(b, fmt.Sprint("gate-", i), Options{})
		running(b, f)
		fleet = append(fleet, f)
	}
	op := e.operator(b)
	text := make([]byte, 20_000)
	eventually(b, 5*time.Second, "redis to be up", fleet[0].Up)
	for b.Loop() {
		generation, err := op.Push(context.Background(), text, "sha256:1", "ann", Latest)
		must(b, err)
		for _, f := range fleet {
			for f.Current() == nil || f.Current().Generation < generation {
				time.Sleep(100 * time.Microsecond)
			}
		}
	}
}
