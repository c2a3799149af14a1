package gateway

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"gate451/gateway/canonical"
)

// What a proxy in front says of a request. A buyer can write any of these fields too, and a proxy that does not replace them
// hands them on: what is there twice, in part, or in two ways at once is never guessed at.
const (
	forwardedMethod = "X-Forwarded-Method"
	forwardedProto  = "X-Forwarded-Proto"
	forwardedHost   = "X-Forwarded-Host"
	forwardedURI    = "X-Forwarded-Uri"
	originalMethod  = "X-Original-Method"
	originalURL     = "X-Original-Url"
)

// describedByHeader reads a request that Traefik, Caddy or HAProxy describes by X-Forwarded-Method, -Proto, -Host and -Uri, or
// another proxy as nginx does.
func describedByHeader(r *http.Request) (*http.Request, error) {
	if len(r.Header[originalMethod])+len(r.Header[originalURL]) > 0 {
		for _, name := range [...]string{forwardedMethod, forwardedURI} {
			if len(r.Header[name]) > 0 {
				return nil, unclear("the request is described by %s and by X-Original-Method or X-Original-URL, and one of them is the buyer's; remove what the buyer sends of these", name)
			}
		}
		return describedByOriginal(r)
	}
	var said [4]string
	for i, name := range [...]string{forwardedMethod, forwardedProto, forwardedHost, forwardedURI} {
		if err := only(r, name, &said[i]); err != nil {
			return nil, err
		}
	}
	return described(r, said[0], said[1], said[2], said[3])
}

// describedByOriginal reads a request that nginx describes by X-Original-Method and X-Original-URL, which is scheme, host and
// target in one.
func describedByOriginal(r *http.Request) (*http.Request, error) {
	var method, whole string
	if err := errors.Join(only(r, originalMethod, &method), only(r, originalURL, &whole)); err != nil {
		return nil, err
	}
	scheme, rest, _ := strings.Cut(whole, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 || rest[end] != '/' {
		// Behind a host that ends otherwise, what the host is and what the target would be the buyer's choice.
		return nil, unclear("X-Original-URL is no scheme, host and path; nginx writes it as $scheme://$http_host$request_uri")
	}
	return described(r, method, scheme, rest[:end], rest[end:])
}

// describedByEnvoy reads a request that Envoy sends as it came, but for a prefix of its path and perhaps its body.
func describedByEnvoy(r *http.Request) (*http.Request, error) {
	var proto string
	if err := only(r, forwardedProto, &proto); err != nil {
		return nil, err
	}
	return described(r, r.Method, proto, r.Host, strings.TrimPrefix(r.RequestURI, envoyPath))
}

// only returns what the one field of a name says.
func only(r *http.Request, name string, said *string) error {
	switch lines := r.Header[name]; {
	case len(lines) > 1:
		return unclear("%s is there %d times, and all but one are the buyer's; replace what the buyer sends of it", name, len(lines))
	case len(lines) == 0 || lines[0] == "":
		return unclear("%s is missing; deployments/NEIGHBOURS.md has configurations that send it", name)
	default:
		*said = lines[0]
	}
	return nil
}

// unclear is the error of a description that could be of more than one request, or of none.
func unclear(format string, args ...any) error {
	return &canonical.Malformed{Cause: "forward_request", Detail: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
}

// described returns the request as a server would have read it. Its remaining header, its peer and its context are those of the
// question. Targets and hosts that are none are left for the judge to refuse.
func described(r *http.Request, method, scheme, host, target string) (*http.Request, error) {
	if scheme != "http" && scheme != "https" {
		return nil, unclear("the scheme of the request is neither http nor https")
	}
	asked := r.WithContext(r.Context())
	asked.Method, asked.Host, asked.RequestURI, asked.URL = method, host, target, new(url.URL)
	asked.Proto, asked.ProtoMajor, asked.ProtoMinor, asked.TLS = "HTTP/1.1", 1, 1, nil
	asked.Header[forwardedProto] = []string{scheme}
	if partial := r.Header["X-Envoy-Auth-Partial-Body"]; r.ContentLength == 0 && mayHaveBody(asked) || len(partial) > 0 && (len(partial) > 1 || partial[0] != "false") {
		asked.Body, asked.ContentLength = unsent{}, -1
	}
	return asked, nil
}

// mayHaveBody reports whether a request of which no body was sent may have one: unless it is one of those that have none in
// practice, and nothing speaks for one. What a buyer adds to the header can only speak for one.
func mayHaveBody(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodDelete:
	default:
		return true
	}
	for _, length := range r.Header["X-Original-Content-Length"] {
		if length != "0" {
			return true
		}
	}
	return len(r.Header["X-Original-Transfer-Encoding"])+len(r.Header["Content-Type"]) > 0
}

// unsent is the body of a request whose proxy has kept it. What it holds cannot be known.
type unsent struct{}

var errUnsent = errors.New("the proxy in front has not sent the body")

func (unsent) Read([]byte) (int, error) { return 0, errUnsent }
func (unsent) Close() error             { return nil }

var _ io.ReadCloser = unsent{}
