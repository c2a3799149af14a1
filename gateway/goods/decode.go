package goods

import (
	"bytes"
	"errors"
	"io"
	"strings"
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

// decodings returns what a body may contain: itself if it is not encoded, else what it is decoded to and, for shops
// that take no notice of Content-Encoding, itself as well. It reports whether all could be decoded.
func decodings(body []byte, header []string, opts Options) (contents [][]byte, sound bool) {
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
	decoders := opts.Decoders
	if decoders == nil {
		decoders = new(Decoders)
	}
	most := min(opts.MostBytes, mostUnasked+mostExpansion*int64(len(body)))
	content := body
	for i := len(codings) - 1; i >= 0; i-- {
		decoded, err := decoders.decode(content, codings[i], most)
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
