package accesslog

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	blockBytes = 256 << 10
	// LongestLine is how long a line may be, in bytes; no server writes longer ones.
	LongestLine = 1 << 20
)

// Block is a piece of a log, of whole lines.
type Block struct {
	// Lines are the lines, each with its end, but for the last one of the log, which may have none.
	Lines string
	// First is the number of the first of them in the log, from 1.
	First int64
	// Bad says why a line cannot be read that Lines does not hold; nil if it holds all.
	Bad error
}

// Read reads a log, which may be compressed with gzip or Zstandard, and calls each with one block after another. What breaks
// off, or cannot be decompressed any further, ends with a block whose Bad says so: all that came before is told. The error is
// one of each, which ends the reading.
func Read(from io.Reader, each func(Block) error) error {
	buffered := bufio.NewReaderSize(from, blockBytes)
	plain, done, err := decompressed(buffered)
	if err != nil {
		return each(Block{First: 1, Bad: err})
	}
	defer done()
	return (&splitter{from: plain, each: each, line: 1, buffer: make([]byte, 0, 2*blockBytes)}).run()
}

// decompressed tells by the first bytes how a log is compressed.
func decompressed(from *bufio.Reader) (plain io.Reader, done func(), err error) {
	begin, _ := from.Peek(4) // what is shorter is not compressed
	switch {
	case bytes.HasPrefix(begin, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(from)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot be decompressed: %w; expected a whole file of gzip", err)
		}
		return z, func() { _ = z.Close() }, nil // it has said what is wrong when it was read
	case bytes.Equal(begin, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, nil, fmt.Errorf("cannot be decompressed: %w; expected a whole file of Zstandard", err)
		}
		return z, z.Close, nil
	}
	return from, func() {}, nil
}

// splitter cuts what it reads at the ends of lines.
type splitter struct {
	from   io.Reader
	each   func(Block) error
	buffer []byte
	line   int64 // the number of the first line in buffer
	long   bool  // what comes is still of a line that is too long
}

func (s *splitter) run() error {
	for {
		n, err := s.from.Read(s.buffer[len(s.buffer):cap(s.buffer)])
		s.buffer = s.buffer[:len(s.buffer)+n]
		if err != nil {
			return s.end(err)
		}
		if len(s.buffer) < cap(s.buffer)/2 {
			continue
		}
		if err := s.hand(bytes.LastIndexByte(s.buffer, '\n') + 1); err != nil {
			return err
		}
	}
}

// hand tells of all lines that end before an index, and makes room for more.
func (s *splitter) hand(end int) error {
	if end > 0 {
		whole := s.buffer[:end]
		if s.long {
			_, whole, _ = bytes.Cut(whole, []byte("\n"))
			s.line, s.long = s.line+1, false
		}
		if len(whole) > 0 {
			if err := s.each(Block{Lines: string(whole), First: s.line}); err != nil {
				return err
			}
		}
		s.line += int64(bytes.Count(whole, []byte("\n")))
		s.buffer = s.buffer[:copy(s.buffer, s.buffer[end:])]
	}
	switch {
	case s.long:
		s.buffer = s.buffer[:0]
	case len(s.buffer) >= LongestLine:
		s.long, s.buffer = true, s.buffer[:0]
		return s.each(Block{First: s.line, Bad: fmt.Errorf("the line is longer than %d bytes; no server writes such", LongestLine)})
	case len(s.buffer) == cap(s.buffer):
		s.buffer = append(make([]byte, 0, 2*cap(s.buffer)), s.buffer...)
	}
	return nil
}

// end tells of the rest. Where reading has failed, the last line has been cut off.
func (s *splitter) end(err error) error {
	end := len(s.buffer)
	if err != io.EOF {
		end = bytes.LastIndexByte(s.buffer, '\n') + 1
	}
	if s.long && bytes.IndexByte(s.buffer, '\n') < 0 {
		s.line++
	} else if failure := s.hand(end); failure != nil {
		return failure
	}
	if err == io.EOF {
		return nil
	}
	return s.each(Block{First: s.line, Bad: fmt.Errorf("the file ends within: %w; what stands before is counted", err)})
}
