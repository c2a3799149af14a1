package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// waiting serves requests that end when their context does, which it tells.
func waiting(t testing.TB, change func(*Config), wait func(*http.Request)) (s *serving, begun chan struct{}, ended chan error) {
	t.Helper()
	begun, ended = make(chan struct{}, 10), make(chan error, 10)
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		wait(r)
		ended <- r.Context().Err()
	}, change), begun, ended
}

// TestGone shows that a request's context ends when its client is gone, however one asks for it, and whatever came before.
func TestGone(t *testing.T) {
	t.Parallel()
	ways := map[string]func(*http.Request){
		"done": func(r *http.Request) { <-r.Context().Done() },
		"after": func(r *http.Request) {
			called := make(chan struct{})
			context.AfterFunc(r.Context(), func() { close(called) })
			<-called
		},
		"child": func(r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), patience)
			defer cancel()
			<-ctx.Done()
		},
		"late": func(r *http.Request) {
			time.Sleep(3 * watchDelay)
			<-r.Context().Done()
		},
		"body": func(r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		},
		"slow body": func(r *http.Request) {
			done := r.Context().Done()
			time.Sleep(3 * watchDelay)
			_, _ = io.Copy(io.Discard, r.Body)
			<-done
		},
		"deadline": func(r *http.Request) {
			if at, ok := r.Context().Deadline(); ok || !at.IsZero() || r.Context().Value("nothing") != nil {
				panic("it has what it has not")
			}
			<-r.Context().Done()
			<-r.Context().Done()
		},
	}
	change, cfg := secured(t)
	for name, wait := range ways {
		for _, secure := range []bool{false, true} {
			var also func(*Config)
			if secure {
				also = change
			}
			s, begun, ended := waiting(t, also, wait)
			var nc net.Conn = s.dial(t)
			if secure {
				nc = tls.Client(nc, cfg)
			}
			text := plainRequest
			if strings.Contains(name, "body") { // What has an unread body is not seen to go.
				text = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
			}
			tell(t, nc, text)
			<-begun
			nc.Close()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("%s, secure %v: %v", name, secure, err)
			}
		}
	}
}

// TestGoneHalfway shows that a client which only ends its own sending is taken for gone, as net/http takes it, and so is one whose body
// breaks off.
func TestGoneHalfway(t *testing.T) {
	t.Parallel()
	s, begun, ended := waiting(t, nil, func(r *http.Request) {
		if r.ContentLength > 0 {
			if _, err := io.ReadAll(r.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("a body that breaks off: %v", err)
			}
		}
		<-r.Context().Done()
	})
	for _, text := range []string{plainRequest, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na"} {
		nc, in := s.say(t, text)
		<-begun
		_ = nc.CloseWrite()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		_, _ = io.ReadAll(in) // it has an answer all the same
	}
}

// TestStays shows that no context ends for a client that stays, that what it sends ahead is kept, and what is left of a request that
// has been answered.
func TestStays(t *testing.T) {
	t.Parallel()
	contexts := make(chan context.Context, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		stop := context.AfterFunc(ctx, func() { t.Error("it is called for a client that stays") })
		done := ctx.Done()
		if r.URL.Path == "/slow" {
			time.Sleep(4 * watchDelay)
		}
		select {
		case <-done:
			t.Error("it ends for a client that stays")
		default:
		}
		if !stop() || stop() {
			t.Error("it was called, or can be stopped twice")
		}
		if r.URL.Path == "/last" {
			contexts <- ctx
		}
		ok(w, r)
	}, nil)
	slow, last := "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n", "GET /last HTTP/1.1\r\nHost: a\r\n\r\n"
	nc, in := s.say(t, slow+slow)
	for range 2 {
		hear(t, in, "GET")
	}
	for range 3 {
		tell(t, nc, slow)
		time.Sleep(3 * watchDelay)
		tell(t, nc, plainRequest+last)
		for range 3 {
			if _, text := hear(t, in, "GET"); text != "ok" {
				t.Errorf("%q", text)
			}
		}
		ctx := <-contexts
		<-ctx.Done()
		called := make(chan struct{})
		if stop := context.AfterFunc(ctx, func() { close(called) }); stop() {
			t.Error("what has ended calls nobody")
		}
		<-called
		if !errors.Is(ctx.Err(), context.Canceled) {
			t.Error(ctx.Err())
		}
	}
}

// TestEndedBeforeItIsAsked shows a context that ends before somebody asks for its end.
func TestEndedBeforeItIsAsked(t *testing.T) {
	t.Parallel()
	enter, leave := make(chan struct{}), make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		enter <- struct{}{}
		<-leave
		<-r.Context().Done()
	}, nil)
	s.say(t, plainRequest)
	<-enter
	s.cancel()
	close(leave)
	eventually(t, "it is forgotten", func() bool { return len(s.all()) == 0 || s.closeUnused() == 0 })
}

// TestUse shows that a writer is nobody's when the handler has returned.
func TestUse(t *testing.T) {
	t.Parallel()
	writers := make(chan http.ResponseWriter, 1)
	bodies := make(chan io.ReadCloser, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		writers <- w
		bodies <- r.Body
	}, nil)
	_, in := s.say(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
	hear(t, in, "POST")
	rc := http.NewResponseController(<-writers)
	eventually(t, "it is over", func() bool { return errors.Is(rc.SetReadDeadline(time.Time{}), net.ErrClosed) })
	if err := rc.SetWriteDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	body := <-bodies
	if _, err := body.Read(make([]byte, 1)); err == nil || body.Close() != nil {
		t.Error("a body can be read when its request is over")
	}
}

// TestBodyOfAnotherGoroutine shows that a body which another goroutine still waits for does not outlive its request, if somebody lets
// go of it when the request ends.
func TestBodyOfAnotherGoroutine(t *testing.T) {
	t.Parallel()
	read := make(chan error, 1)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		reading := make(chan struct{})
		go func() {
			close(reading)
			_, err := io.ReadAll(r.Body)
			read <- err
		}()
		<-reading
		context.AfterFunc(r.Context(), func() { _ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) })
		w.Header()["Connection"] = []string{"close"}
		ok(w, r)
	}, nil)
	_, in := s.say(t, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na")
	if _, text := hear(t, in, "POST"); text != "ok" {
		t.Errorf("%q", text)
	}
	if err := <-read; err == nil {
		t.Error("it has read a body that did not come")
	}
	if _, err := bufio.NewReader(in).ReadByte(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}
