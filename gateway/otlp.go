package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector is where traces are told: by OTLP over HTTP, as protobuf. It has a client of its own because the one that
// OpenTelemetry ships brings the whole of gRPC along, which is 5 MB more of program to carry and to watch.
type collector struct {
	url    string
	client *http.Client
	open   context.Context
	close  context.CancelFunc
}

// exportPatience is how long a collector may take to answer.
const exportPatience = 10 * time.Second

func newCollector(endpoint *url.URL) *collector {
	u := *endpoint
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces" // OTLP specification, section OTLP/HTTP Request
	}
	c := &collector{url: u.String()}
	c.client = &http.Client{
		Timeout:       exportPatience,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: 1, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	c.open, c.close = context.WithCancel(context.Background())
	return c
}

// Start has nothing to do: connections are opened when they are needed.
func (c *collector) Start(context.Context) error { return nil }

// Stop closes the connections that nobody uses.
func (c *collector) Stop(context.Context) error {
	c.client.CloseIdleConnections()
	return nil
}

// UploadTraces tells spans. What a collector does not take is not offered again: it would only be in the way of the next.
func (c *collector) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// This message has the one field that a request of the service has, and is the same on the wire.
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.open, cancel)()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	res, err := c.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()                      // nothing in it is needed
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be used again
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("the collector answers %s", res.Status)
	}
	return nil
}
