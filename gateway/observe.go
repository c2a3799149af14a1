package gateway

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
)

// exchange is the server's ResponseWriter with a note of what was answered.
type exchange struct {
	http.ResponseWriter
	begun  time.Time
	route  *route
	status int
	traced *traced // nil if nothing is traced, and until it is judged
}

// WriteHeader notes the final status; informational ones pass by.
func (x *exchange) WriteHeader(status int) {
	if x.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		x.status = status
	}
	x.ResponseWriter.WriteHeader(status)
}

// Write answers 200 if nothing else was said.
func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
	}
	return x.ResponseWriter.Write(p)
}

// Hijack notes that the exchange leaves HTTP, if no answer has begun: an upgrade is answered on the connection itself.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(x.ResponseWriter).Hijack()
	if err == nil && x.status == 0 {
		x.status = http.StatusSwitchingProtocols
	}
	return conn, buffered, err
}

// Unwrap lets http.ResponseController reach what the server's writer can do besides.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// observe counts and times requests, and answers 500 to one whose handler panics: a fault in one request is no
// reason to fail the others, nor to let this one through.
func (g *Gateway) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		g.running.Add(1)
		x := &exchange{ResponseWriter: c.Response().Writer, begun: time.Now()}
		c.Response().Writer = x
		defer func() {
			method := c.Request().Method // of what was asked for, where a proxy in front describes it
			cut := g.contain(recover(), x, c.Request())
			name := "other"
			if x.route != nil {
				name = x.route.name
			}
			g.metrics.answered(name, method, x.status, time.Since(x.begun))
			x.traced.end(x)
			g.running.Add(-1)
			if cut {
				panic(http.ErrAbortHandler) // the server's own way to cut an answer off so that its client notices
			}
		}()
		return next(c)
	}
}

// contain ends an exchange whose handler has panicked with a fault, if there is one. It reports whether the answer has
// begun, so that only cutting it off is left.
func (g *Gateway) contain(fault any, x *exchange, r *http.Request) (cut bool) {
	if fault == nil {
		return false
	}
	if err, ok := fault.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		return true
	}
	g.log.Error("a request's handler panicked", slog.String("fault", fmt.Sprint(fault)), slog.String("stack", string(debug.Stack())))
	if x.status != 0 {
		return true
	}
	short(x, r, http.StatusInternalServerError)
	return false
}

// statusLabel is the status of an answer; 0 stands for an exchange that ended before there was one.
func statusLabel(status int) string {
	if status == http.StatusOK {
		return "200"
	}
	return strconv.Itoa(status)
}
