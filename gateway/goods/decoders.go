package goods

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// Decoders keep what decodes bodies to be used again: it costs more to make than to use. The zero value keeps none yet. They
// may be used by any number of goroutines.
type Decoders struct {
	gzip   sync.Pool // of *gzip.Reader
	zlib   sync.Pool // of zlib.Resetter
	flate  sync.Pool // of flate.Resetter
	brotli sync.Pool // of *brotli.Reader
	zstd   sync.Pool // of *zstd.Decoder
}

var errUnknownCoding = errors.New("the content coding is not known")

// decode decodes one coding. With an error comes what could be decoded before it.
func (d *Decoders) decode(content []byte, coding string, most int64) ([]byte, error) {
	from := bytes.NewReader(content)
	switch coding {
	case "gzip", "x-gzip":
		z, ok := d.gzip.Get().(*gzip.Reader)
		if !ok {
			z = new(gzip.Reader)
		}
		defer d.gzip.Put(z)
		if err := z.Reset(from); err != nil {
			return nil, err
		}
		return drain(z, from, most)
	case "deflate":
		// The name means zlib (RFC 9110, section 8.4.1.2), but some send what is within it.
		if decoded, err := d.inflate(from, most); err == nil || errors.Is(err, errTooLong) {
			return decoded, err
		}
		from.Reset(content)
		return d.inflateRaw(from, most)
	case "br":
		return d.unbrotli(content, from, most)
	case "zstd":
		return d.unzstd(content, most)
	}
	return nil, errUnknownCoding
}

func (d *Decoders) inflate(from *bytes.Reader, most int64) ([]byte, error) {
	z, ok := d.zlib.Get().(io.Reader)
	var err error
	if ok {
		err = z.(zlib.Resetter).Reset(from, nil)
	} else {
		z, err = zlib.NewReader(from)
	}
	if err != nil {
		return nil, err
	}
	defer d.zlib.Put(z)
	return drain(z, from, most)
}

func (d *Decoders) inflateRaw(from *bytes.Reader, most int64) ([]byte, error) {
	z, ok := d.flate.Get().(io.Reader)
	if !ok {
		z = flate.NewReader(from)
	} else if err := z.(flate.Resetter).Reset(from, nil); err != nil {
		return nil, err
	}
	defer d.flate.Put(z)
	return drain(z, from, most)
}

func (d *Decoders) unbrotli(content []byte, from *bytes.Reader, most int64) ([]byte, error) {
	if firstBrotliBlock(content) > most {
		return nil, errTooLong
	}
	z, ok := d.brotli.Get().(*brotli.Reader)
	if !ok {
		z = new(brotli.Reader)
	}
	defer d.brotli.Put(z)
	if err := z.Reset(&sips{from, most}); err != nil {
		return nil, err
	}
	return drain(z, from, most)
}

func (d *Decoders) unzstd(content []byte, most int64) ([]byte, error) {
	var head zstd.Header
	if head.Decode(content) == nil && head.HasFCS && head.FrameContentSize > uint64(most) {
		return nil, errTooLong
	}
	z, ok := d.zstd.Get().(*zstd.Decoder)
	if !ok {
		// Eight megabytes of window are what a decoder must support (RFC 9659, section 3). Read at once, it needs none.
		var err error
		if z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20),
			zstd.WithDecodeAllCapLimit(true)); err != nil {
			return nil, err
		}
	}
	defer d.zstd.Put(z)
	decoded, err := z.DecodeAll(content, make([]byte, 0, most))
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		err = errTooLong
	}
	return decoded, err
}
