package goods

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// mostCodings is how many content codings a body may have on top of each other.
const mostCodings = 3

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
	content := body
	for i := len(codings) - 1; i >= 0; i-- {
		decoded, err := decode(content, codings[i], most)
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
		return drain(z, most)
	case "deflate":
		// The name means zlib (RFC 9110, section 8.4.1.2), but some send what is within it.
		if z, err := zlib.NewReader(from); err == nil {
			if decoded, err := drain(z, most); err == nil || errors.Is(err, errTooLong) {
				return decoded, err
			}
		}
		return drain(flate.NewReader(bytes.NewReader(content)), most)
	case "br":
		return drain(brotli.NewReader(from), most)
	case "zstd":
		// Eight megabytes are what a decoder must support (RFC 9659, section 3).
		z, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		return drain(z, most)
	}
	return nil, errUnknownCoding
}

// drain reads all, if that is not too much.
func drain(from io.Reader, most int64) ([]byte, error) {
	decoded, err := io.ReadAll(io.LimitReader(from, most+1))
	if err == nil && int64(len(decoded)) > most {
		err = errTooLong
	}
	return decoded, err
}
