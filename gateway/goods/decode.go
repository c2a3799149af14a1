package goods

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

const (
	// mostCodings is how many content codings a body may have on top of each other.
	mostCodings = 3
	// A body may decode to mostExpansion times its length, and to mostUnasked beyond that; so may what has been read of it
	// at any time, so that a zip bomb is told before all of it is inflated. Carts shrink to a tenth or a twentieth of their
	// length, zip bombs to a thousandth.
	mostExpansion = 32
	mostUnasked   = 32 << 10
	// mostOfTooLong is how much is looked at of what is longer. It is undetermined whatever is found, and reading it would
	// cost more than inflating it.
	mostOfTooLong = 4 << 10
)

var errUnknownCoding = errors.New("the content coding is not known")

// decodings returns what a body may contain: itself if it is not encoded, else what it is decoded to and, for shops
// that take no notice of Content-Encoding, itself as well. It reports whether all could be decoded.
func decodings(body []byte, header []string, most int64) (contents [][]byte, sound bool) {
	var codings []string
	for _, line := range header {
		for coding := range strings.SplitSeq(line, ",") {
			if coding = strings.ToLower(strings.TrimSpace(coding)); coding != "" && coding != "identity" {
				codings = append(codings, coding)
			}
		}
	}
	switch {
	case len(codings) == 0:
		return [][]byte{body}, true
	case len(codings) > mostCodings:
		return [][]byte{body}, false
	}
	most = min(most, mostUnasked+mostExpansion*int64(len(body)))
	content := body
	for i := len(codings) - 1; i >= 0; i-- {
		decoded, err := decode(content, codings[i], most)
		if errors.Is(err, errTooLong) {
			decoded = decoded[:min(len(decoded), mostOfTooLong)]
		}
		if err != nil {
			return [][]byte{body, decoded}, false
		}
		content = decoded
	}
	return [][]byte{content, body}, true
}

// decode decodes one coding. With an error comes what could be decoded before it.
func decode(content []byte, coding string, most int64) ([]byte, error) {
	from := bytes.NewReader(content)
	switch coding {
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(from)
		if err != nil {
			return nil, err
		}
		return drain(z, from, most)
	case "deflate":
		// The name means zlib (RFC 9110, section 8.4.1.2), but some send what is within it.
		if z, err := zlib.NewReader(from); err == nil {
			if decoded, err := drain(z, from, most); err == nil || errors.Is(err, errTooLong) {
				return decoded, err
			}
		}
		from.Reset(content)
		return drain(flate.NewReader(from), from, most)
	case "br":
		// The decoder hands out nothing before a whole window of it is there.
		if firstBrotliBlock(content) > most {
			return nil, errTooLong
		}
		return drain(brotli.NewReader(from), from, most)
	case "zstd":
		// Eight megabytes of window are what a decoder must support (RFC 9659, section 3). Read at once, it needs none.
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderMaxMemory(uint64(most)))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		return z.DecodeAll(content, nil)
	}
	return nil, errUnknownCoding
}

// drain reads all of a decoder, if that is not too much, nor too much for what it has read of its source.
func drain(decoder io.Reader, source *bytes.Reader, most int64) ([]byte, error) {
	decoded := make([]byte, 0, min(4<<10, most+1))
	for {
		if len(decoded) == cap(decoded) {
			grown := make([]byte, len(decoded), min(4*int64(cap(decoded)), most+1))
			copy(grown, decoded)
			decoded = grown
		}
		n, err := decoder.Read(decoded[len(decoded):cap(decoded)])
		decoded = decoded[:len(decoded)+n]
		used := source.Size() - int64(source.Len())
		switch length := int64(len(decoded)); {
		case length > most, length > mostUnasked+mostExpansion*used:
			return decoded, errTooLong
		case errors.Is(err, io.EOF):
			return decoded, nil
		case err != nil:
			return decoded, err
		}
	}
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
