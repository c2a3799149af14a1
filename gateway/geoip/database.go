package geoip

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"gate451/rules"

	"github.com/oschwald/maxminddb-golang/v2"
)

// database is one open database. It is read-only, except that it remembers what it has decoded.
type database struct {
	name    string
	path    string
	build   string // as records tell it
	size    int
	kind    kind
	choice  choice
	sources []string // by chosen field
	reader  *maxminddb.Reader
	staleAt time.Time
	answers *answers
	unknown *answer
	known   memo
	reach   func() reach
}

// find returns what the database says of an address, never nil.
func (d *database) find(addr netip.Addr) *answer {
	if !d.covers(addr) {
		return d.unknown
	}
	result := d.reader.Lookup(addr)
	if !result.Found() {
		return d.unknown
	}
	if known := d.known.get(uint64(result.Offset())); known != nil {
		return known
	}
	return d.learn(addr)
}

// covers reports whether the database has addresses of this version at all.
func (d *database) covers(addr netip.Addr) bool {
	return addr.Is4() || d.reader.Metadata.IPVersion == 6
}

// learn decodes a record that is looked up for the first time. A record that cannot be read names no country, and what is
// listed as anonymous without a word that can be read is anonymous; Lookup tells why. It looks the address up again, because
// a Result that find passed on would be copied on the way to every answer.
func (d *database) learn(addr netip.Addr) *answer {
	result := d.reader.Lookup(addr)
	content, _, _ := d.read(result)
	learned := d.answers.of(content)
	d.known.put(uint64(result.Offset()), learned)
	return learned
}

// read returns what counts of a record, and what it says in its own words.
func (d *database) read(result maxminddb.Result) (answer, spoken, error) {
	s, err := d.kind.decode(result)
	if err != nil {
		return answer{anonymized: d.kind == anonymousKind}, s, err
	}
	return d.choice.of(s), s, nil
}

// stale reports whether the database is older than the operator allows.
func (d *database) stale(now time.Time) bool { return !d.staleAt.IsZero() && now.After(d.staleAt) }

// terms are what a database is opened for.
type terms struct {
	kind   kind
	choice choice
	maxAge time.Duration // 0: none
	known  *answers
}

// openDatabase reads a file into memory, because a mapped file that is truncated in place would kill
// the process.
func openDatabase(path string, t terms) (*database, error) {
	data, err := readStable(path)
	if err != nil {
		return nil, &fileError{path: path, kind: t.kind, err: err}
	}
	d, err := soundDatabase(filepath.Base(path), data, t)
	if err != nil {
		return nil, &fileError{path: path, kind: t.kind, err: err}
	}
	d.path = path
	return d, nil
}

// soundDatabase accepts a database only if all of it is sound and it answers as its kind should.
func soundDatabase(name string, data []byte, t terms) (*database, error) {
	reader, err := maxminddb.OpenBytes(data, maxminddb.DisableStringCache())
	if err == nil {
		err = reader.Verify()
	}
	if err != nil {
		return nil, fmt.Errorf("not a sound MaxMind DB file (%w)", err)
	}
	d := newDatabase(name, reader, t)
	d.size = len(data)
	return d, d.probe()
}

func newDatabase(name string, reader *maxminddb.Reader, t terms) *database {
	d := &database{
		name: name, build: buildOf(name, reader.Metadata.BuildTime()), kind: t.kind, choice: t.choice, sources: []string{name},
		reader: reader, answers: t.known, unknown: t.known.of(answer{}),
	}
	if t.kind == countryKind {
		d.sources = t.choice.sources(name)
	}
	d.reach = sync.OnceValue(d.lookThrough)
	if t.maxAge > 0 {
		d.staleAt = reader.Metadata.BuildTime().Add(t.maxAge)
	}
	return d
}

// buildOf is how records tell one build of a database from another.
func buildOf(name string, built time.Time) string {
	return name + " " + built.UTC().Format(time.RFC3339)
}

// probes bounds how many networks of a database are tried until one answers, empty ones included: a
// damaged tree may have more of them than anybody can count.
const probes = 1 << 16

// probe looks for an address of which the database has something to say.
func (d *database) probe() error {
	tried := 0
	for network := range d.reader.Networks(maxminddb.IncludeNetworksWithoutData()) {
		_, said, err := d.read(network)
		if err != nil {
			return fmt.Errorf("a %q database whose record for %s cannot be read (%w)", d.reader.Metadata.DatabaseType, network.Prefix(), err)
		}
		if len(said.flags) > 0 || slices.ContainsFunc(said.codes[:], func(code string) bool { return rules.CountryOf(code) != 0 }) {
			return nil
		}
		if tried++; tried == probes {
			break
		}
	}
	if d.kind == anonymousKind && anonymousName(d.reader.Metadata.DatabaseType) {
		return nil // a list of anonymous networks may be empty
	}
	return fmt.Errorf("a %q database, in which no record %s", d.reader.Metadata.DatabaseType, d.kind.says())
}

var errChanging = errors.New("it changed while it was being read")

// readStable reads a regular file; it tries again if somebody writes to the file meanwhile.
func readStable(path string) ([]byte, error) {
	for range 3 {
		before, err := os.Stat(path)
		if err != nil {
			return nil, bare(err)
		}
		if !before.Mode().IsRegular() {
			return nil, errors.New("not a regular file")
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, bare(err)
		}
		if after, err := os.Stat(path); err == nil && sameState(before, after) {
			return data, nil
		}
	}
	return nil, errChanging
}

// sameState reports whether two looks at a path saw the same file, unchanged.
func sameState(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// bare takes operation and path off an error, because fileError names the path.
func bare(err error) error {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err
	}
	return err
}

// fileError says what is wrong with a database file and what would be right.
type fileError struct {
	path string
	kind kind
	err  error
}

func (e *fileError) Error() string {
	return fmt.Sprintf("geoip database %s: %v; %s", e.path, e.err, e.kind.remedy())
}

func (e *fileError) Unwrap() error { return e.err }

// File returns the path as the configuration has it.
func (e *fileError) File() string { return e.path }
