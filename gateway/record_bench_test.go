package gateway_test

import (
	"bufio"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"gate451/gateway"
)

// BenchmarkEvidence refuses buyers on 64 connections at once, as fast as they ask. Strict durability should keep at least
// 70 % of what best effort does.
func BenchmarkEvidence(b *testing.B) {
	for _, kind := range []struct{ name, config string }{
		{"off", ""}, {"best_effort", "evidence: {dir: evidence, durability: best_effort}\n"}, {"strict", "evidence: {dir: evidence}\n"},
	} {
		b.Run(kind.name, func(b *testing.B) {
			g := start(b, setup{policy: recordedPolicy, config: kind.config, options: func(o *gateway.Options) {
				o.Logger = slog.New(slog.DiscardHandler)
			}})
			b.SetParallelism(32) // times the two processors of the usual machine
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				conn, err := g.dial(american)
				if err != nil {
					b.Error(err)
					return
				}
				defer conn.Close()
				for reader := bufio.NewReader(conn); pb.Next(); {
					_, err := io.WriteString(conn, "GET /cart HTTP/1.1\r\nHost: shop.example\r\n\r\n")
					if err == nil {
						var res *http.Response
						if res, err = http.ReadResponse(reader, nil); err == nil {
							_, err = io.Copy(io.Discard, res.Body)
							res.Body.Close()
							if res.StatusCode != 451 {
								b.Errorf("%d", res.StatusCode)
							}
						}
					}
					if err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "answers/s")
		})
	}
}
