package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gate451/config"
	"gate451/gateway/evidence"
	"gate451/gateway/geoip"
	"gate451/rules"
)

// recorder writes what is decided, and what decides, into the evidence.
type recorder struct {
	evidence *evidence.Log
	allows   string
	log      *slog.Logger
	shared   atomic.Pointer[func(checkpoint []byte)] // who else is told of checkpoints
	told     time.Time                               // when the log was last told of one
	builds   sync.Map                                // of the databases in force, by name
}

// keep opens the evidence, if the configuration has a place for it. Only one process may, so that whoever merely explains
// or checks leaves it alone.
func (e *Enforcer) keep(opts Options) error {
	c := &e.cfg.Evidence
	if c.Dir == "" {
		return nil
	}
	name, err := replicaName(e.cfg)
	if err != nil {
		return e.cfg.Problem(&e.cfg.Replica, err.Error())
	}
	r := &recorder{allows: c.Allows, log: e.log}
	r.evidence, err = evidence.Open(evidence.Config{
		Dir: c.Dir, Replica: name, Durability: evidence.Durability(c.Durability), Client: evidence.ClientForm(c.Client), ClientKeyFile: c.ClientKeyFile,
		SignKeyFile: c.SignKeyFile, SegmentBytes: c.SegmentSize, Retention: c.Retention, OnCheckpoint: r.checkpoint, Logger: e.log, Now: opts.Now, Random: opts.Random,
	})
	if err != nil {
		return e.cfg.Problem(&c.Dir, err.Error())
	}
	if evidence.Durability(c.Durability) == evidence.Strict {
		addDiskProcessor()
	}
	e.recorder = r
	e.registry.MustRegister(evidenceCollector{r.evidence})
	r.note(evidence.PolicyChanged{Digest: e.policy.current.Load().Digest(), Source: e.policy.source()})
	for _, file := range *e.policy.catalogues.Load() {
		r.note(catalogueEvent(file))
	}
	for _, db := range e.places.Databases() {
		r.noteDatabase(db)
	}
	return nil
}

// noteDatabase writes down that a database is in force, unless it was: a file that was replaced may be loaded twice, because
// of a signal and because it was watched.
func (r *recorder) noteDatabase(db geoip.Info) {
	if r == nil {
		return
	}
	build := fmt.Sprint(db.Build, " ", db.Built.UTC(), " ", db.Size, " ", db.NodeCount)
	if before, known := r.builds.Swap(db.Name, build); !known || before != build {
		r.note(evidence.DatabaseChanged{Name: db.Name, Build: db.Build, Built: db.Built})
	}
}

// replicaName is what this replica is called: what the configuration says, or else what the machine is.
func replicaName(cfg *config.Config) (string, error) {
	if cfg.Replica != "" {
		return cfg.Replica, nil
	}
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "", errors.New("the machine's name cannot be found out; name this replica under replica")
	}
	return name, nil
}

// wants reports whether a judgement belongs into the evidence.
func (r *recorder) wants(j *judgement) bool {
	d := &j.decision
	switch {
	case r == nil || !d.Governed():
		return false
	case r.allows == "all", d.Verdict == rules.Block, d.Reason == rules.ReasonExempt, d.Reason == rules.ReasonPaused:
		return true
	}
	for range d.Shadows {
		return true
	}
	return r.allows == "governed_country" && (j.policy.Lists(d.Activity, j.origin.Country) ||
		slices.ContainsFunc(j.origin.Others, func(other rules.Country) bool { return j.policy.Lists(d.Activity, other) }))
}

// record writes a judgement down, with what sources say. With strict durability it returns when the record is on disk, or an error.
func (r *recorder) record(request *http.Request, j *judgement, sources string) error {
	// Not the request's context: what was decided is written down, whether its buyer waits for that or not.
	return r.evidence.Record(context.Background(), &evidence.Entry{
		Decision: &j.decision, Reference: j.reference, Method: request.Method, Host: j.request.Host, Path: pathOf(request.RequestURI, j.request.Paths[0]),
		Database: j.origin.Database, Sources: sources,
	})
}

// pathOf is a target's path as it came, or else its plain reading.
func pathOf(target, plain string) string {
	if path, _, _ := strings.Cut(target, "?"); strings.HasPrefix(path, "/") {
		return path
	}
	return plain
}

// notePatience is how long an event may take to be written.
const notePatience = 10 * time.Second

// note writes an event into the evidence. A failure is told and changes nothing: every decision carries the digest of its
// policy and the build of its database.
func (r *recorder) note(event evidence.Event) {
	if r == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), notePatience)
	defer cancel()
	if err := r.evidence.Note(ctx, event); err != nil {
		r.log.Error("an event is not in the evidence", slog.Any("event", event), slog.Any("error", err))
	}
}

// checkpointsLogged is how often the log stream gets the newest checkpoint at most.
const checkpointsLogged = time.Minute

// checkpoint passes a checkpoint on to where whoever shortens the log has no hand in.
func (r *recorder) checkpoint(note []byte) {
	if share := r.shared.Load(); share != nil {
		(*share)(note)
	}
	if time.Since(r.told) >= checkpointsLogged {
		r.told = time.Now()
		r.tell(note)
	}
}

func (r *recorder) tell(note []byte) {
	r.log.Info("evidence checkpoint", slog.String("checkpoint", string(note)))
}

// reload reads the key again by which addresses are hidden.
func (r *recorder) reload() error {
	if r == nil {
		return nil
	}
	return r.evidence.Reload()
}

// close ends the evidence and tells its last checkpoint.
func (r *recorder) close() error {
	if r == nil {
		return nil
	}
	err := r.evidence.Close()
	if note := r.evidence.Checkpoint(); note != nil {
		r.tell(note)
	}
	return err
}

// showCheckpoint answers the operator with the newest checkpoint, to be kept elsewhere.
func (g *Gateway) showCheckpoint(w http.ResponseWriter, _ *http.Request) {
	var note []byte
	if g.recorder != nil {
		note = g.recorder.evidence.Checkpoint()
	}
	if note == nil {
		answer(w, http.StatusNotFound, "there is no checkpoint; evidence.dir in gateway.yaml names where evidence is kept")
		return
	}
	answer(w, http.StatusOK, strings.TrimSuffix(string(note), "\n"))
}
