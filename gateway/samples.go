package gateway

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"gate451/gateway/sample"
)

// Samples are servers for a gateway to stand before.
type Samples struct {
	servers []*http.Server
	serving sync.WaitGroup
	url     string
}

// NewSamples serves the sample shop, and the update server below /updates and for the host updates.example, on one
// address: upstreams for a gateway that runs elsewhere.
func NewSamples(address string) (*Samples, error) {
	shop, updates := sample.Shop(), sample.Updates()
	s := new(Samples)
	var err error
	s.url, err = s.start(address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host, _, _ := strings.Cut(r.Host, ":"); host == "updates.example" || strings.HasPrefix(r.URL.Path, "/updates") {
			updates.ServeHTTP(w, r)
			return
		}
		shop.ServeHTTP(w, r)
	}))
	if err != nil {
		return nil, err
	}
	return s, nil
}

// URL returns where the samples are served.
func (s *Samples) URL() string { return s.url }

// Run serves until stop ends. What is under way then is cut off.
func (s *Samples) Run(stop, _ context.Context) error {
	<-stop.Done()
	s.close()
	return nil
}

// Reload has nothing to read again.
func (s *Samples) Reload() error { return nil }

// start serves a handler and returns the URL of its server.
func (s *Samples) start(address string, handler http.Handler) (string, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return "", cannotListen(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	s.servers = append(s.servers, server)
	s.serving.Go(func() { _ = server.Serve(ln) }) // it ends when it is closed
	return "http://" + ln.Addr().String(), nil
}

func (s *Samples) close() {
	for _, server := range s.servers {
		_ = server.Close() // whatever it served came through a gateway, which tells its buyers
	}
	s.serving.Wait()
}
