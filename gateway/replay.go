package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"gate451/config"
	"gate451/gateway/accesslog"
)

// ReplayOptions say how recorded traffic is judged. The zero ReplayOptions are usable.
type ReplayOptions struct {
	// At is the instant at which every request is judged; zero: each at the time that its line has.
	At time.Time
	// Host is the host of requests whose line names none; empty: the only one that the routes name, if they name only one.
	Host string
	// Input is read for the file "-".
	Input io.Reader
	// Progress is told, between blocks, how many lines have been read; nil means nobody is.
	Progress func(lines int64)
	// Workers is how many lines are judged at a time; 0 means as many as there are processors.
	Workers int
}

// LogProblem is a line of a log that no request could be read out of.
type LogProblem struct {
	File    string `json:"file"`
	Line    int64  `json:"line"`
	Problem string `json:"problem"`
	number  int    // of the file
}

// String returns "file:line: what is wrong; what would be right".
func (p LogProblem) String() string { return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Problem) }

// shownProblems is how many unreadable lines are told of.
const shownProblems = 5

// recorded is a request of a log that has been judged, once for each policy.
type recorded struct {
	file       string
	number     int // of the file
	line       int64
	entry      accesslog.Entry
	judgements []judgement
	rejected   error
	unread     bool // its body would have been looked into, and no log has it
}

// reading is what all replays count. Each worker has one.
type reading struct {
	Lines      int64        `json:"lines"`
	Unreadable int64        `json:"unreadable"`
	Rejected   int64        `json:"rejected"`
	Bodies     int64        `json:"bodies"`
	Problems   []LogProblem `json:"problems"`
}

// add adds what another worker has counted. Of the problems the first stay, whoever has found them.
func (r *reading) add(other *reading) {
	r.Lines, r.Unreadable, r.Rejected, r.Bodies = r.Lines+other.Lines, r.Unreadable+other.Unreadable, r.Rejected+other.Rejected, r.Bodies+other.Bodies
	r.Problems = append(r.Problems, other.Problems...)
	slices.SortFunc(r.Problems, func(a, b LogProblem) int { return cmp.Or(a.number-b.number, cmp.Compare(a.Line, b.Line)) })
	r.Problems = r.Problems[:min(len(r.Problems), shownProblems)]
}

// replayer judges what logs hold.
type replayer struct {
	judges  []judge
	headers []string // in which trusted proxies name the client and its country; none if nobody is trusted
	host    string
	at      time.Time
}

func newReplayer(opts ReplayOptions, enforcers ...*Enforcer) *replayer {
	cfg := enforcers[0].cfg
	r := &replayer{at: opts.At, host: cmp.Or(opts.Host, onlyHost(cfg))}
	if len(cfg.ClientIP.TrustedProxies) > 0 {
		r.headers = append(r.headers, http.CanonicalHeaderKey(cfg.ClientIP.Header))
	}
	if cfg.GeoIP.Header != "" {
		r.headers = append(r.headers, cfg.GeoIP.Header)
	}
	for _, e := range enforcers {
		r.judges = append(r.judges, e.judge)
	}
	return r
}

// onlyHost returns the host that the routes name, if there is one and no other.
func onlyHost(cfg *config.Config) string {
	if len(cfg.Routes) == 1 && len(cfg.Routes[0].Hosts) == 1 && !strings.HasPrefix(cfg.Routes[0].Hosts[0], "*") {
		return cfg.Routes[0].Hosts[0]
	}
	return ""
}

// piece is a block of a file.
type piece struct {
	file   string
	number int
	block  accesslog.Block
}

// run reads the files, and has each worker count what newCounter returns for it. All workers are done when it returns.
func (r *replayer) run(files []string, opts ReplayOptions, newCounter func() (*reading, func(*recorded))) error {
	pieces := make(chan piece)
	var workers sync.WaitGroup
	for range cmp.Or(opts.Workers, runtime.GOMAXPROCS(0)) {
		count, each := newCounter()
		workers.Go(func() {
			w := r.worker(count, each)
			for p := range pieces {
				w.take(p)
			}
		})
	}
	var err error
	for number, file := range files {
		if err = readLog(file, opts, func(block accesslog.Block) error {
			pieces <- piece{file, number, block}
			if opts.Progress != nil {
				opts.Progress(block.First)
			}
			return nil
		}); err != nil {
			break
		}
	}
	close(pieces)
	workers.Wait()
	return err
}

func readLog(file string, opts ReplayOptions, each func(accesslog.Block) error) error {
	if file == "-" {
		return accesslog.Read(opts.Input, each)
	}
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("%w; name a readable access log, or - for standard input", err)
	}
	defer f.Close()
	return accesslog.Read(f, each)
}

// replayWorker judges the lines of blocks, one after another.
type replayWorker struct {
	*replayer
	judges  []judge
	parser  accesslog.Parser
	request *http.Request
	seen    recorded
	now     time.Time
	count   *reading
	each    func(*recorded)
}

func (r *replayer) worker(count *reading, each func(*recorded)) *replayWorker {
	w := &replayWorker{
		replayer: r, judges: slices.Clone(r.judges), count: count, each: each,
		request: &http.Request{URL: new(url.URL), Header: http.Header{}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1},
		seen:    recorded{judgements: make([]judgement, len(r.judges))},
	}
	for i := range w.judges {
		w.judges[i].now, w.judges[i].carts = func() time.Time { return w.now }, nil
	}
	return w
}

func (w *replayWorker) take(p piece) {
	w.seen.file, w.seen.number, w.seen.line = p.file, p.number, p.block.First
	if p.block.Bad != nil {
		w.count.Lines++
		w.complain(p.block.Bad)
		return
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(p.block.Lines, "\n"), "\n") {
		if line = strings.TrimSuffix(line, "\r"); line != "" {
			w.count.Lines++
			if err := w.line(line); err != nil {
				w.complain(err)
			}
		}
		w.seen.line++
	}
}

func (w *replayWorker) complain(err error) {
	w.count.Unreadable++
	if len(w.count.Problems) < shownProblems {
		w.count.Problems = append(w.count.Problems, LogProblem{w.seen.file, w.seen.line, err.Error(), w.seen.number})
	}
}

// line judges one line as the requests are judged that are served.
func (w *replayWorker) line(line string) error {
	e := &w.seen.entry
	if err := w.parser.Parse(line, e); err != nil {
		return err
	}
	if e.Host == "" {
		e.Host = w.host
	}
	if e.Host == "" {
		return errors.New("the line names no host; say with --host which one was asked for, or have the server log it")
	}
	if w.now = w.at; w.at.IsZero() {
		w.now = e.At
	}
	r := w.request
	r.Method, r.RequestURI, r.Host, r.RemoteAddr = e.Method, e.Target, e.Host, netip.AddrPortFrom(e.Client, 0).String()
	for _, header := range w.headers {
		delete(r.Header, header)
		if lines := e.Header(header); len(lines) > 0 {
			r.Header[header] = lines
		}
	}
	w.seen.rejected, w.seen.unread = nil, false
	for i := range w.judges {
		w.forgetBody(e)
		body := r.ContentLength != 0
		if w.seen.rejected = w.judges[i].judge(nil, r, &w.seen.judgements[i]); w.seen.rejected != nil {
			w.count.Rejected++
			break // it is the same to every policy
		}
		w.seen.unread = w.seen.unread || body && len(w.seen.judgements[i].carriers) > 0
	}
	if w.seen.unread {
		w.count.Bodies++
	}
	w.each(&w.seen)
	return nil
}

// forgetBody gives the request a body that cannot be read where it may have had one: no log says what was in it, and that is not
// the same as nothing.
func (w *replayWorker) forgetBody(e *accesslog.Entry) {
	r := w.request
	r.Body, r.ContentLength = http.NoBody, 0
	switch e.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		if !e.Bodiless {
			r.Body, r.ContentLength = unrecorded{}, -1
		}
	}
}

// unrecorded is a body of which the log knows nothing.
type unrecorded struct{}

var errUnrecorded = errors.New("a log has no bodies")

func (unrecorded) Read([]byte) (int, error) { return 0, errUnrecorded }
func (unrecorded) Close() error             { return nil }
