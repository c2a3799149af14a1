package evidence

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// callers is how many goroutines, or connections, write at once.
const callers = 64

// each calls work n times, spread over the callers.
func each(n int, work func(i int)) {
	var next atomic.Int64
	var going sync.WaitGroup
	for range callers {
		going.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				work(i)
			}
		})
	}
	going.Wait()
}

// BenchmarkAppend records from 64 goroutines that do nothing else, so that it is the disk that is measured.
func BenchmarkAppend(b *testing.B) {
	for _, durability := range []Durability{Strict, BestEffort} {
		b.Run(string(durability), func(b *testing.B) {
			l := open(b, Config{Dir: b.TempDir(), Durability: durability, QueueBytes: 64 << 20})
			e := entry(1)
			b.ReportAllocs()
			b.ResetTimer()
			each(b.N, func(int) {
				if err := l.Record(context.Background(), e); err != nil {
					b.Error(err)
				}
			})
			must(b, l.Close())
			b.ReportMetric(float64(l.Stats().Written)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(l.Stats().Lost), "lost")
		})
	}
}

// BenchmarkServer answers requests of 64 connections, each with a record, as a gateway does.
func BenchmarkServer(b *testing.B) {
	for _, durability := range []Durability{Strict, BestEffort} {
		b.Run(string(durability), func(b *testing.B) {
			l := open(b, Config{Dir: b.TempDir(), Durability: durability})
			e := entry(1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if err := l.Record(r.Context(), e); err != nil {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
			}))
			defer server.Close()
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers, DialContext: (&net.Dialer{}).DialContext}}
			defer client.CloseIdleConnections()
			b.ResetTimer()
			each(b.N, func(int) {
				res, err := client.Get(server.URL)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if res.StatusCode != http.StatusOK {
					b.Error(res.Status)
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}

// BenchmarkRecord measures what a record costs its caller besides the disk.
func BenchmarkRecord(b *testing.B) {
	for _, form := range []ClientForm{ClientTruncated, ClientHMAC, ClientFull} {
		b.Run(string(form), func(b *testing.B) {
			l := open(b, Config{Dir: b.TempDir(), Client: form})
			e, now := entry(1), time.Now()
			var line []byte
			b.ReportAllocs()
			for b.Loop() {
				line = l.appendRecord(line[:0], e, now)
			}
			b.SetBytes(int64(len(line)))
		})
	}
}

// benchRecords is how many records the logs have that are read; GATE451_BENCH_RECORDS says otherwise.
func benchRecords(b *testing.B) int {
	b.Helper()
	if text := os.Getenv("GATE451_BENCH_RECORDS"); text != "" {
		n, err := strconv.Atoi(text)
		must(b, err)
		return n
	}
	return 300_000
}

// benchLog is a log of many records, for what reads logs. Its segments are plain.
func benchLog(b *testing.B, records int) string {
	b.Helper()
	dir := b.TempDir()
	l := open(b, Config{Dir: dir, Durability: BestEffort, QueueBytes: 64 << 20, SegmentBytes: 1 << 40})
	for n := range records {
		e := entry(n)
		e.Database = "2026-02-" + strconv.Itoa(10+n%10)
		must(b, l.Record(context.Background(), e))
		for n%1000 == 0 && l.Stats().Waiting > 50_000 {
			time.Sleep(time.Millisecond)
		}
	}
	must(b, l.Close())
	if lost := l.Stats().Lost; lost > 0 {
		b.Fatal(lost, " records are lost")
	}
	return dir
}

// peak watches how much memory is in use at most.
type peak struct{ bytes uint64 }

func (p *peak) look(int64) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	p.bytes = max(p.bytes, m.HeapInuse)
}

// BenchmarkVerify verifies a log; one operation is all of it.
func BenchmarkVerify(b *testing.B) {
	records := benchRecords(b)
	dir := benchLog(b, records)
	runtime.GC()
	var p peak
	for b.Loop() {
		verified(b, dir, VerifyOptions{Progress: p.look})
	}
	b.ReportMetric(float64(records)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(p.bytes>>20), "peak-MiB")
}

// BenchmarkReport reads and verifies a log and counts its records; one operation is all of it.
func BenchmarkReport(b *testing.B) {
	records := benchRecords(b)
	dir := benchLog(b, records)
	runtime.GC()
	var p peak
	for b.Loop() {
		r, err := NewReport([]string{dir}, ReportOptions{Verify: VerifyOptions{Progress: p.look}})
		must(b, err)
		if r.Records != int64(records) {
			b.Fatal(r.Records, " records")
		}
	}
	b.ReportMetric(float64(records)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(p.bytes>>20), "peak-MiB")
}
