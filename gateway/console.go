package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"gate451/gateway/console"
	"gate451/gateway/evidence"
	"gate451/rules"
)

func (g *Gateway) newConsole() *console.Console { return console.New(operated{g}, g.door, g.latest) }

// showLatest puts a governed decision among the latest, for the console. The error is why its record could not be
// written.
func (e *Enforcer) showLatest(r *http.Request, j *judgement, recorded bool, err error) {
	if e.latest == nil || !j.decision.Governed() {
		return
	}
	entry := console.Entry{
		Decision: &j.decision, Method: r.Method, Host: j.request.Host, Path: pathOf(r.RequestURI, j.request.Paths[0]), Unrecorded: err != nil,
	}
	if recorded || j.decision.Verdict == rules.Block {
		entry.Reference = j.reference
	}
	e.latest.Add(&entry)
}

// operated is the gateway as the console sees it.
type operated struct{ *Gateway }

// State implements console.Gateway.
func (g operated) State() console.State {
	p := g.policy.current.Load()
	s := console.State{
		Now: g.now().In(p.Zone()), Version: g.build.Version, Policy: p, Stopping: !g.ready.Load(),
		Private: g.private.done.Load(), Unusable: g.unusable.done.Load(),
	}
	s.Replica, _ = replicaName(g.cfg) // without one it has none to show
	if err := g.policy.tried.Load().err; err != nil {
		s.PolicyTrouble = err.Error()
	}
	for _, db := range g.places.Databases() {
		s.Databases = append(s.Databases, console.Database{Name: db.Name, Built: db.Built, Stale: db.Stale})
	}
	g.troubles.Range(func(_, trouble any) bool {
		s.DatabaseTrouble = append(s.DatabaseTrouble, fmt.Sprint(trouble))
		return true
	})
	slices.Sort(s.DatabaseTrouble)
	if g.certs != nil {
		expires, trouble := g.certs.state()
		s.Certificate = &console.Certificate{Expires: expires, Trouble: trouble}
	}
	if g.issued != nil {
		for _, cert := range g.issued.Certificates() {
			s.Issued = append(s.Issued, console.Issued{Host: cert.Host, Expires: cert.NotAfter})
		}
	}
	if g.recorder != nil {
		e, c := g.recorder.evidence.Stats(), &g.cfg.Evidence
		s.Evidence = &console.Evidence{
			Durability: c.Durability, Client: c.Client, Written: e.Written, Lost: e.Lost, Failed: e.Failed, Queued: e.Waiting,
			Lines: e.Lines, LastSync: e.LastSync, Trouble: e.Trouble,
		}
	}
	s.Fleet = g.fleetState(s.Now)
	return s
}

func (g operated) fleetState(now time.Time) *console.Fleet {
	if g.fleet == nil {
		return nil
	}
	f := &console.Fleet{Up: g.fleet.Up(), Refused: g.fleet.Refused(), Digests: g.fleet.Digests(), ClockOffset: g.fleet.ClockOffset()}
	_, f.Namesake = g.fleet.Namesake()
	for _, r := range g.fleet.Replicas() {
		f.Replicas = append(f.Replicas, console.Replica{
			Name: r.Name, Version: r.Version, Policy: r.Digest, Generation: r.Generation, Refused: r.Refused, Database: r.Database,
			ClockOffset: r.ClockOffset, Started: r.Started,
		})
	}
	if p := g.fleet.Current(); p != nil {
		f.Generation = p.Generation
		for _, pause := range p.Pauses {
			if now.Before(pause.Until) {
				f.Pauses = append(f.Pauses, console.Pause{Rule: pause.Rule, Note: pause.Note, By: pause.By, Until: pause.Until})
			}
		}
	}
	return f
}

// Text implements console.Gateway.
func (g operated) Text() console.Text {
	inForce, tried := g.policy.written.Load(), g.policy.tried.Load()
	t := console.Text{Source: inForce.source, InForce: inForce.text, Tried: tried.at.In(g.policy.current.Load().Zone()), File: tried.file}
	if tried.err != nil {
		t.Refused = tried.text
		t.Problems, t.Trouble = problemsOf(tried.err)
	}
	return t
}

// problemsOf returns what of an error has a place in a text, and what has none.
func problemsOf(err error) (placed rules.Problems, others []string) {
	if joined, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err); ok {
		for _, one := range joined.Unwrap() {
			problems, texts := problemsOf(one)
			placed, others = append(placed, problems...), append(others, texts...)
		}
		return placed, others
	}
	if problems, ok := errors.AsType[rules.Problems](err); ok {
		return problems, nil
	}
	return nil, []string{err.Error()}
}

// Calendar implements console.Gateway.
func (g operated) Calendar() []console.Change {
	var changes []console.Change
	for _, e := range Calendar(g.policy.current.Load(), g.now()) {
		changes = append(changes, console.Change{At: e.At, Past: e.Past, Rule: e.Rule, Mode: e.Mode, Kind: e.Kind, Note: e.Note})
	}
	return changes
}

// Totals implements console.Gateway.
func (g operated) Totals() []console.Total { return g.metrics.totals() }

// Explain implements console.Gateway. The steps are those that the command prints.
func (g operated) Explain(asked console.Question) ([]console.Step, error) {
	q := Question{URL: asked.URL, Method: asked.Method, At: g.now(), Header: http.Header{}, Body: []byte(asked.Body)}
	var err error
	if q.IP, err = netip.ParseAddr(asked.IP); err != nil {
		return nil, fmt.Errorf("%q is no address; expected one such as 50.114.0.1 or 2600:1f00::1", asked.IP)
	}
	for line := range strings.Lines(asked.Headers) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if key = strings.TrimSpace(key); !ok || key == "" {
			return nil, fmt.Errorf("%q is no header field; expected one such as Content-Type: application/json", line)
		}
		q.Header.Add(key, strings.TrimSpace(value))
	}
	if asked.At != "" {
		if q.At, err = g.ParseInstant(asked.At); err != nil {
			return nil, err
		}
	}
	account, err := g.Enforcer.Explain(q)
	if err != nil {
		return nil, err
	}
	var steps []console.Step
	for _, step := range account.Steps() {
		steps = append(steps, console.Step(step))
	}
	return steps, nil
}

// Find implements console.Gateway.
func (g operated) Find(reference string) ([]string, error) {
	dir, err := EvidenceDir(g.cfg)
	if err != nil {
		return nil, err
	}
	found, err := FindEvidence(dir, reference)
	var lines []string
	for _, f := range found {
		lines = append(lines, f.Text)
	}
	return lines, err
}

// Client implements console.Gateway: in the form of evidence.client. Without evidence there is no key for pseudonyms, and
// then nothing is told at all.
func (g operated) Client(addr netip.Addr, at time.Time) string {
	switch {
	case g.recorder != nil:
		return g.recorder.evidence.Client(addr, at)
	case !addr.IsValid() || g.cfg.Evidence.Client == string(evidence.ClientHMAC):
		return ""
	case g.cfg.Evidence.Client == string(evidence.ClientFull):
		return addr.WithZone("").String()
	}
	return truncated(addr)
}
