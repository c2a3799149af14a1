package evidence

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// Durability says what Record waits for.
type Durability string

// The durabilities.
const (
	// Strict has Record return nil only once the record is on disk.
	Strict Durability = "strict"
	// BestEffort has Record return at once and never fail. What could not be written is counted, and the log says so.
	BestEffort Durability = "best_effort"
)

// Config says how a log is kept. Dir and Replica are needed; what else is left out has a usable value.
type Config struct {
	// Dir is the log's folder. It is made if it is not there.
	Dir string
	// Replica is the name of this replica, which the log and its key are named after.
	Replica string
	// Durability says what Record waits for; empty means Strict.
	Durability Durability
	// Client is how addresses are written; empty means ClientTruncated.
	Client ClientForm
	// ClientKeyFile is the key of ClientHMAC; empty means client.key in Dir. It is made where there is none.
	ClientKeyFile string
	// SignKeyFile is the key that signs checkpoints; empty means sign.key in Dir. It is made for a log without lines.
	SignKeyFile string
	// SegmentBytes is the size at which a segment is full; 0 means 64 MiB. A segment also ends with its day (UTC).
	SegmentBytes int64
	// Retention is how long lines are kept at least; 0 keeps all. Whole segments are dropped.
	Retention time.Duration
	// QueueBytes is how many bytes of lines may wait to be written, while as many are being written; 0 means 8 MiB.
	QueueBytes int
	// Patience is how long a record of Strict waits for a disk that stands still; 0 means 10 s. One timer does for all that are
	// written together.
	Patience time.Duration
	// FlushEvery is how long BestEffort lets a record wait before it is written and made durable; 0 means a second.
	FlushEvery time.Duration
	// OnCheckpoint, if not nil, is told of new checkpoints by one goroutine. While it runs, only the newest waits for it.
	OnCheckpoint func(note []byte)
	// Logger is told what went wrong and is well again; nil means nobody is.
	Logger *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Random is where keys come from; nil means crypto/rand.
	Random io.Reader

	// create makes the file of a new segment; tests have files that fail.
	create func(path string) (segmentFile, error)
}

// segmentFile is what the log asks of the file of a segment that is being written.
type segmentFile interface {
	io.WriteCloser
	// Reserve has room on the disk ready for so many bytes from an offset. The file is no longer for that; that there is none,
	// writing will tell.
	Reserve(from, n int64)
	// Datasync makes what was written durable.
	Datasync() error
	// Truncate cuts the file back to a size in bytes; what is written next goes there.
	Truncate(size int64) error
}

// diskFile is a segmentFile of the operating system.
type diskFile struct{ *os.File }

func (f diskFile) Datasync() error { return datasync(f.File) }

func (f diskFile) Reserve(from, n int64) { reserve(f.File, from, n) }

// createSegment makes a segment's file, which must not be there yet. It appends, so that what follows a cut has no hole
// before it.
func createSegment(path string) (segmentFile, error) {
	return openSegmentFile(path, os.O_CREATE|os.O_EXCL)
}

func openSegmentFile(path string, flags int) (segmentFile, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|flags, 0o600)
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

func (c Config) withDefaults() Config {
	orDefault(&c.Durability, Strict)
	orDefault(&c.Client, ClientTruncated)
	orDefault(&c.ClientKeyFile, filepath.Join(c.Dir, clientKeyName))
	orDefault(&c.SignKeyFile, filepath.Join(c.Dir, signKeyName))
	orDefault(&c.SegmentBytes, 64<<20)
	orDefault(&c.QueueBytes, 8<<20)
	orDefault(&c.Patience, 10*time.Second)
	orDefault(&c.FlushEvery, time.Second)
	orDefault(&c.Logger, slog.New(slog.DiscardHandler))
	orDefault(&c.Random, rand.Reader)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.create == nil {
		c.create = createSegment
	}
	return c
}

func orDefault[T comparable](value *T, otherwise T) {
	var zero T
	if *value == zero {
		*value = otherwise
	}
}

// check says everything that is wrong with the configuration.
func (c *Config) check() error {
	var errs []error
	if c.Dir == "" {
		errs = append(errs, errors.New("the log has no folder; name one"))
	}
	errs = append(errs, checkReplica(c.Replica))
	if c.Durability != Strict && c.Durability != BestEffort {
		errs = append(errs, fmt.Errorf("unknown durability %q; expected strict or best_effort", c.Durability))
	}
	if c.SegmentBytes < 0 || c.QueueBytes < 0 || c.Retention < 0 || c.Patience < 0 || c.FlushEvery < 0 {
		errs = append(errs, errors.New("a size or time of the log is below zero; expected 0 for the usual, or more"))
	}
	return errors.Join(errs...)
}
