package goods

import (
	"bytes"
	"encoding/binary"
)

// sips hands out a Brotli stream a little at a time, with a window that is no wider than what may be decoded. The decoder
// hands out what it has when it wants more of the stream, or when its window is full: of a wide one it would fill, and make
// room for, sixteen megabytes before anyone could tell that it is too much.
type sips struct {
	from *bytes.Reader
	most int64
}

// Read implements io.Reader.
func (s *sips) Read(p []byte) (int, error) {
	const sip = 16
	begins, length := int64(s.from.Len()) == s.from.Size(), sip
	if s.from.Len() < 2*sip {
		length = s.from.Len() // The decoder (v1.3.0) may take an end that comes in a few bytes for more than the end.
	}
	n, err := s.from.Read(p[:min(len(p), length)])
	if begins && n > 0 {
		p[0] = narrowed(p[0], s.most)
	}
	return n, err
}

// narrowed returns the first byte of a Brotli stream with a window just wide enough to decode so much (RFC 7932, section
// 9.1). Up to there a stream means the same with any wider window. All windows of at least 256 KiB take the same four bits.
func narrowed(first byte, most int64) byte {
	width := first >> 1 & 7
	if first&1 == 0 || width == 0 {
		return first // It is narrower.
	}
	for narrow := byte(1); narrow < width; narrow++ {
		if most < 1<<(17+narrow)-16 {
			return first&^(7<<1) | narrow<<1
		}
	}
	return first
}

// firstBrotliBlock returns how long the first meta-block of a Brotli stream is, decoded, or 0 if it does not say (RFC
// 7932, sections 9.1 and 9.2).
func firstBrotliBlock(content []byte) int64 {
	var head [8]byte
	copy(head[:], content)
	bits := binary.LittleEndian.Uint64(head[:])
	take := func(n int) uint64 {
		v := bits & (1<<n - 1)
		bits >>= n
		return v
	}
	if take(1) == 1 && take(3) == 0 { // The size of the window, in one, four or seven bits.
		take(3)
	}
	if last := take(1); last == 1 && take(1) == 1 {
		return 0
	}
	nibbles := take(2)
	if nibbles == 3 {
		return 0
	}
	return int64(take(16+4*int(nibbles))) + 1
}
