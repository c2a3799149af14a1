package evidence

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// A compressed segment is one frame of zstd, and behind it a frame that decoders skip (RFC 8878, section 3.1.2) with
// the SHA-256 of the first. A decoder overlooks some changes of a frame: they alter no line, but the file is not as it
// was written, and whoever verifies the log is to be told.
const (
	skippedMagic = 0x184D2A50
	sealBytes    = 8 + sha256.Size
)

func sealOf(sum []byte) []byte {
	seal := binary.LittleEndian.AppendUint32(nil, skippedMagic)
	seal = binary.LittleEndian.AppendUint32(seal, sha256.Size)
	return append(seal, sum...)
}

var errSeal = errors.New("the compressed file is not as it was written")

// pack compresses what src has into dst. It ends early when the context does.
func pack(ctx context.Context, dst io.Writer, src io.Reader) error {
	sum := sha256.New()
	z, err := zstd.NewWriter(io.MultiWriter(dst, sum), zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(true))
	if err != nil {
		return err
	}
	if _, err := io.Copy(z, untilDone{ctx, src}); err != nil {
		return errors.Join(err, z.Close())
	}
	if err := z.Close(); err != nil {
		return err
	}
	_, err = dst.Write(sealOf(sum.Sum(nil)))
	return err
}

// untilDone reads until the context ends.
type untilDone struct {
	ctx context.Context
	src io.Reader
}

func (r untilDone) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.src.Read(p)
}

// packedReader reads a compressed segment and compares the seal at its end.
type packedReader struct {
	file *os.File
	sum  hash.Hash
	z    *zstd.Decoder
}

func openPacked(path string) (*packedReader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	size, err := f.Seek(-sealBytes, io.SeekEnd)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	} else {
		err = errSeal // there is not even room for one
	}
	p := &packedReader{file: f, sum: sha256.New()}
	if err == nil {
		p.z, err = zstd.NewReader(io.TeeReader(io.LimitReader(f, size), p.sum), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	}
	if err != nil {
		_ = f.Close() // it was only read
		return nil, err
	}
	return p, nil
}

func (p *packedReader) Read(b []byte) (int, error) {
	n, err := p.z.Read(b)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	seal, failed := io.ReadAll(p.file)
	if failed != nil {
		return n, failed
	}
	if !bytes.Equal(seal, sealOf(p.sum.Sum(nil))) {
		return n, errSeal
	}
	return n, io.EOF
}

func (p *packedReader) Close() error {
	p.z.Close()
	return p.file.Close()
}
