package maxmind

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// maxRedirects is more than the one that MaxMind's permalinks make.
const maxRedirects = 5

// refused is an answer that is none. After says how long the server wants to be left alone.
type refused struct {
	text  string
	after time.Duration
}

func (r *refused) Error() string { return r.text }

func newClient() *http.Client {
	return &http.Client{
		CheckRedirect: follow,
		Transport: &http.Transport{
			Proxy:           http.ProxyFromEnvironment,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
			// Nothing is asked often enough for a connection to be worth keeping.
			DisableKeepAlives: true, DisableCompression: true, TLSHandshakeTimeout: 30 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		},
	}
}

// follow keeps the license key from every host but the one that it is for, and from being read on the way to that one. It
// also keeps one host's URL, which may be a key in itself, from the next.
func follow(r *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("it redirects more than %d times", maxRedirects)
	case !private(r.URL):
		return fmt.Errorf("it redirects to %s://%s, which is not encrypted", r.URL.Scheme, r.URL.Host)
	case r.URL.Scheme != via[0].URL.Scheme || r.URL.Host != via[0].URL.Host:
		r.Header.Del("Authorization")
	}
	r.Header.Del("Referer")
	return nil
}

// permalink is where an edition is had, in one of its forms.
func (u *Updater) permalink(edition, suffix string) string {
	at := u.cfg.URL.JoinPath("geoip", "databases", edition, "download")
	at.RawQuery = url.Values{"suffix": {suffix}}.Encode()
	return at.String()
}

// ask sends a request and returns the answer to it if it is 200 or 304, with a body that ends when the server takes too
// long. Whoever is given an answer closes its body.
func (u *Updater) ask(ctx context.Context, method, address string, since time.Time) (*http.Response, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, u.limits.altogether, fmt.Errorf("the server took longer than %s", u.limits.altogether))
	stalled := fmt.Errorf("the server sent nothing for %s", u.limits.patience)
	ctx, stall := context.WithCancelCause(ctx)
	watch := time.AfterFunc(u.limits.patience, func() { stall(stalled) })
	end := func() {
		watch.Stop()
		stall(nil)
		cancel()
	}
	r, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
	if err != nil {
		end()
		return nil, err
	}
	r.SetBasicAuth(u.cfg.AccountID, u.cfg.LicenseKey)
	r.Header.Set("User-Agent", u.opts.Agent)
	if !since.IsZero() {
		r.Header.Set("If-Modified-Since", since.UTC().Format(http.TimeFormat))
	}
	answer, err := u.client.Do(r)
	if err != nil {
		err = fmt.Errorf("%s cannot be asked: %w; see that it can be reached from here", u.cfg.URL.Host, u.bare(ctx, err))
		end()
		return nil, err
	}
	answer.Body = &body{ReadCloser: answer.Body, ctx: ctx, heard: func() { watch.Reset(u.limits.patience) }, end: end}
	if answer.StatusCode == http.StatusOK || answer.StatusCode == http.StatusNotModified && !since.IsZero() {
		return answer, nil
	}
	_ = answer.Body.Close() // what a refusal says is not for the log
	return nil, u.refusal(answer)
}

// bare takes the URL off an error, because that to which a server redirects may be a key in itself, and says why a context
// ended.
func (u *Updater) bare(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if at, ok := errors.AsType[*url.Error](err); ok {
		return at.Err
	}
	return err
}

// refusal says what an answer that is none means for the operator.
func (u *Updater) refusal(answer *http.Response) error {
	r := &refused{after: retryAfter(answer.Header, u.opts.Now())}
	host := answer.Request.URL.Host // of where the redirects led
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		r.after = max(r.after, u.cfg.Every)
		r.text = fmt.Sprintf("%s does not accept account and license key (%d); see that they belong together, and that the account may have this edition", host, answer.StatusCode)
	case http.StatusNotFound:
		r.after = max(r.after, u.cfg.Every)
		r.text = host + " has no such edition (404); see how the account's download page spells it"
	case http.StatusTooManyRequests:
		r.text = host + " has given the account all the downloads of the day (429); wait, and see what else uses this license key"
	default:
		r.text = fmt.Sprintf("%s answers %d; it is asked again later", host, answer.StatusCode)
	}
	return r
}

// body is the body of an answer that has to keep coming.
type body struct {
	io.ReadCloser
	ctx   context.Context
	heard func()
	end   func()
}

// Read says why the server was given up, if it was.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.heard()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		if cause := context.Cause(b.ctx); cause != nil {
			err = cause
		}
	}
	return n, err
}

// Close ends the exchange.
func (b *body) Close() error {
	b.end()
	return b.ReadCloser.Close()
}
