package upstream

import (
	"errors"
	"io"
	"net"
	"os"
)

const (
	// leastSpliced is how much of a body must be to come for the kernel to pass it on: less costs more than it saves.
	leastSpliced = 1 << 20
	// spliceStep is how much is passed on between two looks at whether anything moves.
	spliceStep = 256 << 10
)

// kernel returns a writer that has the kernel pass on what is still to come of the body (splice(2)), and nil where one of the two
// connections is not plain TCP, or the length is not known. Where the system cannot, the writer copies as ever.
func (x *exchange) kernel() io.ReaderFrom {
	l := x.res.l
	if x.r.ProtoMajor != 1 || x.r.TLS != nil || x.res.state != counting || x.res.left < leastSpliced || l.in.Buffered() > 0 {
		return nil
	}
	if _, ok := l.Conn.(*net.TCPConn); !ok {
		return nil
	}
	w, _ := serverWriter(x.w).(io.ReaderFrom)
	return w
}

// splice passes on most of what is to come, and says whose fault it is if it cannot. The rest is left to be copied.
func (x *exchange) splice(w io.ReaderFrom) (cause string, err error) {
	res := &x.res
	for res.left >= 2*spliceStep {
		x.watch.expect(moving, x.p.cfg.IdleBody)
		n, err := w.ReadFrom(&io.LimitedReader{R: res.l.Conn, N: spliceStep})
		x.watch.settle(moving)
		res.left -= n
		switch {
		case n == spliceStep && err == nil:
		case err == nil:
			return CauseBody, io.ErrUnexpectedEOF
		case errors.Is(err, os.ErrDeadlineExceeded): // stalled has set it
			return CauseClientGone, errSilent
		case x.overdue.Load() != 0:
			return CauseBody, errSilent
		case x.r.Context().Err() != nil, res.l.well():
			return CauseClientGone, err
		default:
			return CauseBody, err
		}
	}
	return "", nil
}
