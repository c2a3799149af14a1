//go:build ignore

// The reverse proxy of Go's own library, asked for the same as the gateway: who is American is refused what is below /buy. It
// reads no body. Its transport is the default one, with as many spare connections as the load has, without which it would make
// one for nearly every request. It stands for what a program costs that is written in an afternoon.
//
//	reverseproxy LISTEN TLS UPSTREAM FOLDER
//
// FOLDER has the networks in country.map, the text of a refusal in body.txt, and tls.crt and tls.key.
package main

import (
	"bufio"
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gaissmai/bart"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 5 {
		log.Fatal("usage: reverseproxy LISTEN TLS UPSTREAM FOLDER")
	}
	s, err := newShop("http://"+os.Args[3], os.Args[4])
	if err != nil {
		log.Fatal(err)
	}
	plain := &http.Server{Addr: os.Args[1], Handler: s, ReadHeaderTimeout: 10 * time.Second}
	secret := &http.Server{Addr: os.Args[2], Handler: s, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 2)
	go func() { failed <- plain.ListenAndServe() }()
	go func() {
		failed <- secret.ListenAndServeTLS(filepath.Join(os.Args[4], "tls.crt"), filepath.Join(os.Args[4], "tls.key"))
	}()
	log.Fatal(<-failed)
}

// shop is what buyers reach.
type shop struct {
	countries *bart.Table[string]
	body      []byte
	proxy     *httputil.ReverseProxy
}

func newShop(upstream, folder string) (*shop, error) {
	to, err := url.Parse(upstream)
	if err != nil {
		return nil, err
	}
	countries, err := readCountries(filepath.Join(folder, "country.map"))
	if err != nil {
		return nil, err
	}
	body, err := os.ReadFile(filepath.Join(folder, "body.txt"))
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, 256
	s := &shop{countries: countries, body: body}
	s.proxy = &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
		r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
		r.SetXForwarded()
		r.Out.Header.Set("X-Country-Code", s.country(r.In))
	}}
	return s, nil
}

// readCountries reads lines of a network and its country.
func readCountries(file string) (*bart.Table[string], error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	countries := new(bart.Table[string])
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		network, country, _ := strings.Cut(lines.Text(), " ")
		prefix, err := netip.ParsePrefix(network)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		countries.Insert(prefix, country)
	}
	return countries, lines.Err()
}

// country returns where the last address is that the load names.
func (s *shop) country(r *http.Request) string {
	_, last, found := strings.Cut(r.Header.Get("X-Forwarded-For"), ",")
	if !found {
		last = r.Header.Get("X-Forwarded-For")
	}
	addr, err := netip.ParseAddr(strings.TrimSpace(last))
	if err != nil {
		return "ZZ"
	}
	country, ok := s.countries.Lookup(addr)
	if !ok {
		return "ZZ"
	}
	return country
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.URL.Path, "/buy/") || s.country(r) != "US" {
		s.proxy.ServeHTTP(w, r)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept, Accept-Language")
	h.Set("Link", `<http://shop.example/>; rel="blocked-by"`)
	h.Set("Gate451-Reference", "AAAA-AAAA")
	h.Set("Content-Language", "en")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(s.body)))
	w.WriteHeader(http.StatusUnavailableForLegalReasons)
	_, _ = w.Write(s.body) // a client that has gone has no use for it
}
