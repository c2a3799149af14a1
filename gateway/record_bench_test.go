package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"testing"

	"gate451/gateway"
)

// BenchmarkEvidence answers buyers on 64 connections at once, as fast as they ask: refused, or forwarded to a shop that answers at
// once. Strict durability keeps at least 70 % of what best effort forwards. Of refusals, which are the cheapest answers there
// are, it keeps 55 to 60 %, and would not keep more than 70 % with a disk that took no time at all.
func BenchmarkEvidence(b *testing.B) {
	upstream := newShop(b, ok)
	for _, kind := range []struct{ name, config string }{
		{"off", ""}, {"best_effort", "evidence: {dir: evidence, allows: all, durability: best_effort}\n"}, {"strict", "evidence: {dir: evidence, allows: all}\n"},
	} {
		for _, asked := range []struct {
			name, buyer string
			status      int
		}{{"refused", american, 451}, {"forwarded", german, 200}} {
			b.Run(asked.name+"/"+kind.name, func(b *testing.B) {
				g := start(b, setup{policy: recordedPolicy, config: kind.config, upstream: upstream, options: func(o *gateway.Options) {
					o.Logger = slog.New(slog.DiscardHandler)
				}})
				b.SetParallelism(max(1, 64/runtime.GOMAXPROCS(0))) // which counts connections for each processor
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					conn, err := g.dial(asked.buyer)
					if err != nil {
						b.Error(err)
						return
					}
					defer conn.Close()
					for reader := bufio.NewReader(conn); pb.Next(); {
						if err := ask(conn, reader, asked.status); err != nil {
							b.Error(err)
							return
						}
					}
				})
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "answers/s")
			})
		}
	}
}

// ask sends a request on a connection and reads its answer, which must have the status.
func ask(conn io.Writer, reader *bufio.Reader, status int) error {
	if _, err := io.WriteString(conn, "GET /cart HTTP/1.1\r\nHost: shop.example\r\n\r\n"); err != nil {
		return err
	}
	res, err := http.ReadResponse(reader, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != status {
		return fmt.Errorf("answered %d, not %d", res.StatusCode, status)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}
