package maxmind

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// ErrBusy says that another process keeps the databases of the folder current just now.
var ErrBusy = errors.New("another process updates the databases of this folder just now; wait until it is done")

// Result is what came of asking for an edition.
type Result string

// The results.
const (
	// Updated: a newer database is in place.
	Updated Result = "updated"
	// Unchanged: the database in place is the newest.
	Unchanged Result = "unchanged"
	// Failed: nothing is known, or what is newer is no good. The database is the one from before.
	Failed Result = "failed"
	// Waiting: the server was not asked, because it was not time to.
	Waiting Result = "waiting"
)

// Asking says how much patience whoever asks has.
type Asking int

// The kinds of asking.
const (
	// WhenDue asks for the editions whose time has come.
	WhenDue Asking = iota
	// Anyway asks for all editions but those whose last attempts failed, which have to wait.
	Anyway
	// AtOnce asks for all editions.
	AtOnce
)

// Report is what came of asking for one edition.
type Report struct {
	Edition string
	Path    string
	Result  Result
	// Built is when the new database was built, if there is one.
	Built time.Time
	// Next is when the server is asked again.
	Next time.Time
	// Err says why it Failed, or what it is that it is Waiting after.
	Err error
}

// Updater keeps the databases of a folder current. Run may not be called while an Update is under way, and each only once
// at a time; other processes may.
type Updater struct {
	cfg    Config
	opts   Options
	client *http.Client
	limits limits
}

// New returns an Updater. Its error says what is wrong with the configuration.
func New(cfg Config, opts Options) (*Updater, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	return &Updater{cfg: cfg, opts: opts.withDefaults(), client: newClient(), limits: defaultLimits}, nil
}

// Update asks for the editions, in their order, and says of each what came of it. The error is ErrBusy, or says that the
// folder cannot be used; then nothing was asked.
func (u *Updater) Update(ctx context.Context, asking Asking) ([]Report, error) {
	held, err := os.OpenFile(filepath.Join(u.cfg.Dir, lockName), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, u.unusable(err)
	}
	defer held.Close()
	if err := lock(held); err != nil {
		if errors.Is(err, ErrBusy) {
			return nil, err
		}
		return nil, u.unusable(err)
	}
	defer unlock(held)
	s, err := readState(u.cfg.Dir)
	if err != nil {
		u.opts.Logger.Warn("geoip update state is lost, every edition is asked for anew", slog.Any("error", err))
	}
	var reports []Report
	for _, edition := range u.cfg.Editions {
		r, err := u.one(ctx, s, edition, asking)
		if err != nil {
			return reports, u.unusable(err)
		}
		reports = append(reports, r)
	}
	return reports, nil
}

func (u *Updater) unusable(err error) error {
	return fmt.Errorf("databases cannot be kept in %s: %w; name a folder that the gateway may write to", u.cfg.Dir, err)
}

// one asks for one edition, if it is to be asked for. Its error says that the state could not be kept, without which nothing
// is downloaded.
func (u *Updater) one(ctx context.Context, s state, edition string, asking Asking) (Report, error) {
	now := u.opts.Now()
	e := s[edition]
	r := Report{Edition: edition, Path: u.cfg.Path(edition), Result: Waiting, Next: u.due(e, now)}
	sum, err := sumOf(r.Path)
	gone := errors.Is(err, os.ErrNotExist) && e.Failures == 0
	if r.Next.After(now) && !gone && (asking == WhenDue || asking == Anyway && e.Failures > 0) {
		if e.Failures > 0 {
			r.Err = errors.New(e.Error)
		}
		return r, nil
	}
	if sum != e.Database || sum == "" {
		e.Database, e.Modified, e.Archive = "", time.Time{}, "" // it is not the database that was put there
	}
	// Until it is known what came of it, this attempt has failed: a process that is killed here must not try at once again.
	e.Tried, e.Failures = now, e.Failures+1
	e.Error = "it was begun and not ended"
	e.NotBefore = now.Add(u.pause(e.Failures, 0))
	keep := func() error {
		s[edition] = e
		return s.save(u.cfg.Dir)
	}
	if err := keep(); err != nil {
		return r, err
	}
	r.Result, r.Built, r.Err = u.renew(ctx, edition, &e, keep)
	switch {
	case r.Err == nil:
		e.Checked, e.Failures, e.Error = now, 0, ""
		e.NotBefore = now.Add(u.spreadOut(u.cfg.Every))
	case ctx.Err() != nil: // the process ends, which is nobody's failure; what was begun counts as such
	default:
		var asked time.Duration
		if no, ok := errors.AsType[*refused](r.Err); ok {
			asked = no.after
		}
		e.Error, e.NotBefore = r.Err.Error(), now.Add(u.pause(e.Failures, asked))
	}
	r.Next = e.NotBefore
	if ctx.Err() == nil {
		u.tell(&r)
	}
	return r, keep()
}

// tell says what came of it, once for each attempt; these are few.
func (u *Updater) tell(r *Report) {
	u.opts.OnResult(r.Edition, r.Result)
	about := []any{slog.String("edition", r.Edition), slog.Time("next", r.Next.UTC())}
	switch r.Result {
	case Updated:
		u.opts.Logger.Info("geoip database updated", append(about, slog.Time("built", r.Built.UTC()))...)
	case Failed:
		u.opts.Logger.Error("geoip database not updated, the one in place stays", append(about, slog.Any("error", r.Err))...)
	default:
		u.opts.Logger.Debug("geoip database is the newest", about...)
	}
}

// renew asks whether there is a newer database, and puts it in place.
func (u *Updater) renew(ctx context.Context, edition string, e *entry, keep func() error) (Result, time.Time, error) {
	newest, at, err := u.newest(ctx, edition, e)
	if err != nil {
		return Failed, time.Time{}, err
	}
	if newest {
		return Unchanged, time.Time{}, nil
	}
	sum, err := u.checksumOf(ctx, edition)
	if err != nil {
		return Failed, time.Time{}, err
	}
	if sum == e.Archive {
		e.Modified = at
		return Unchanged, time.Time{}, nil // published anew, with nothing new in it
	}
	part := filepath.Join(u.cfg.Dir, partName+edition)
	defer os.Remove(part) // nothing is there once it has its own name
	f, err := u.fetch(ctx, edition, part)
	if err == nil && f.archive != sum {
		err = fmt.Errorf("the archive is not the one that its checksum is of: it has %s, and %s is said", f.archive, sum)
	}
	var built time.Time
	if err == nil {
		built, err = u.prove(edition, part)
	}
	if err != nil {
		return Failed, time.Time{}, err
	}
	// Before the database, so that one that is in place is known as what it is even if the process ends in between.
	e.Database, e.Modified, e.Archive = f.database, f.modified, f.archive
	if err := keep(); err != nil {
		return Failed, time.Time{}, err
	}
	if err := rename(part, u.cfg.Path(edition)); err != nil {
		return Failed, time.Time{}, err
	}
	return Updated, built, nil
}

// newest asks whether the database in place is the newest that there is, and otherwise when that was published. One of which
// it is not known when it was published is not.
func (u *Updater) newest(ctx context.Context, edition string, e *entry) (newest bool, at time.Time, err error) {
	answer, err := u.ask(ctx, http.MethodHead, u.permalink(edition, "tar.gz"), e.Modified)
	if err != nil {
		return false, at, err
	}
	_ = answer.Body.Close() // the answer to HEAD has none
	if answer.StatusCode == http.StatusNotModified {
		return true, at, nil
	}
	at = modified(answer)
	return !e.Modified.IsZero() && !at.IsZero() && !at.After(e.Modified), at, nil
}

// ahead is how far the clocks of MaxMind and of this machine may differ.
const ahead = 24 * time.Hour

// prove looks whether a file is the database that it should be, and no older than the one in place.
func (u *Updater) prove(edition, file string) (time.Time, error) {
	is, built, err := u.opts.Check(file)
	switch {
	case err != nil:
		return built, fmt.Errorf("the database is no good: %w", err)
	case is != edition:
		return built, fmt.Errorf("the database says that it is %q, and %s was asked for", is, edition)
	case built.After(u.opts.Now().Add(ahead)):
		return built, fmt.Errorf("the database says that it was built on %s, which is still to come", built.UTC().Format(time.DateOnly))
	}
	if was, before, err := u.opts.Check(u.cfg.Path(edition)); err == nil && was == edition && built.Before(before) {
		return built, fmt.Errorf("the database was built on %s, before the one in place, which is of %s", built.UTC().Format(time.DateOnly), before.UTC().Format(time.DateOnly))
	}
	return built, nil
}

// sumOf returns the SHA-256 of a file.
func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
