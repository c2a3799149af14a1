package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
)

// tunnel hands a 101 on and then bytes both ways, until both sides have ended, one fails, nothing passes
// for IdleStream, one does not take what the other sends for IdleBody, or the Proxy is closed.
func (x *exchange) tunnel() {
	back := x.res.l
	conn, buffered, err := x.rc.Hijack()
	if err != nil {
		x.p.report(x.u, CauseUnforwardable, err)
		x.refuse(http.StatusBadGateway)
		return
	}
	hangUp := sync.OnceFunc(func() {
		conn.Close()
		x.cut()
	})
	defer hangUp()
	defer context.AfterFunc(x.p.closing, hangUp)()

	// What the client sent ahead is in the server's buffer.
	ahead, _ := buffered.Reader.Peek(buffered.Reader.Buffered())
	client := io.MultiReader(bytes.NewReader(ahead), conn)
	if err := x.switchProtocols(conn); err != nil {
		x.p.report(x.u, CauseClientGone, err)
		return
	}
	var ways sync.WaitGroup
	way := func(dst io.Writer, src io.Reader, s slot) {
		ways.Go(func() {
			if x.pump(dst, src, s) != nil {
				hangUp()
			}
		})
	}
	way(back, client, request)
	way(conn, back, reading)
	ways.Wait()
}

func (x *exchange) switchProtocols(conn net.Conn) error {
	h := x.w.Header().Clone()
	copyHeader(h, x.res.header)
	x.notice(h)
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
	var head bytes.Buffer
	head.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	if err := h.Write(&head); err != nil {
		return err
	}
	head.WriteString("\r\n")
	x.watch.expect(reading, x.p.cfg.IdleBody)
	_, err := conn.Write(head.Bytes())
	x.watch.settle(reading)
	return err
}

// pump copies one way and passes the end on. Nil says that the other way may still be in use.
func (x *exchange) pump(dst io.Writer, src io.Reader, s slot) error {
	buf := x.p.buffers.Get().(*[bufferSize]byte)
	defer x.p.buffers.Put(buf)
	for {
		x.watch.expect(answer, x.p.cfg.IdleStream)
		n, rerr := src.Read(buf[:])
		if n > 0 {
			x.watch.expect(s, x.p.cfg.IdleBody)
			if _, err := dst.Write(buf[:n]); err != nil {
				return err
			}
			x.watch.settle(s)
		}
		switch {
		case errors.Is(rerr, io.EOF):
			// Nothing more is owed to a peer that has ended than a little time to end as well.
			x.watch.expect(s, x.p.cfg.IdleBody)
			return closeWrite(dst)
		case rerr != nil:
			return rerr
		}
	}
}
