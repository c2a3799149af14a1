package goods

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"gate451/rules"
)

// TestBrotliWindows decodes streams of every window up to just what they hold, and to one byte less. The decoder works with
// a narrower window than the stream's, and must not notice.
func TestBrotliWindows(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(45, 1))
	words := strings.Fields(`{"id": "sku" , : [ ] the time down life left back code data show only site city open just like 4711 0x2b`)
	decoders := new(Decoders)
	for window := 10; window <= 24; window++ {
		for _, length := range []int{1, 100, 5000, 70_000, 262_000, 262_128, 262_129, 262_144, 600_000} {
			var plain []byte
			for len(plain) < length {
				if n := len(plain); n > 0 && random.IntN(3) == 0 { // Far back, where windows differ.
					from := random.IntN(n)
					plain = append(plain, plain[from:from+min(n-from, random.IntN(400))]...)
				}
				plain = append(plain, words[random.IntN(len(words))]...)
			}
			plain = plain[:length]
			var b bytes.Buffer
			w := brotli.NewWriterOptions(&b, brotli.WriterOptions{Quality: 5, LGWin: window})
			_, _ = w.Write(plain) // a buffer takes everything
			_ = w.Close()
			if got, err := decoders.decode(b.Bytes(), "br", int64(length)); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("window %d: of %d bytes %d are the same, %v", window, length, common(got, plain), err)
			}
			if _, err := decoders.decode(b.Bytes(), "br", int64(length-1)); err == nil {
				t.Errorf("window %d: %d bytes are not too many for one less", window, length)
			}
		}
	}
}

// TestBrotliEnds decodes short streams, which end anywhere in what the decoder takes in at a time.
func TestBrotliEnds(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(45, 3))
	decoders := new(Decoders)
	for range 400 {
		plain := make([]byte, 1+random.IntN(600))
		for i := range plain {
			plain[i] = `{"id":0123, }`[random.IntN(13)]
		}
		var b bytes.Buffer
		w := brotli.NewWriterOptions(&b, brotli.WriterOptions{Quality: random.IntN(8), LGWin: 10 + random.IntN(15)})
		_, _ = w.Write(plain) // a buffer takes everything
		_ = w.Close()
		if got, err := decoders.decode(b.Bytes(), "br", int64(len(plain))); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%x becomes %q, %v; want %q", b.Bytes(), got, err, plain)
		}
		b.WriteByte('x')
		if _, err := decoders.decode(b.Bytes(), "br", int64(len(plain))); err == nil {
			t.Fatalf("%x is decoded, with a byte too many", b.Bytes())
		}
	}
}

// common returns how long the common beginning is.
func common(a, b []byte) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// TestZstandardWithoutALength decodes what was written piece by piece, which does not say how long it is.
func TestZstandardWithoutALength(t *testing.T) {
	t.Parallel()
	plain := []byte(cartJSON(20_000))
	for window := 1 << 10; window <= 8<<20; window <<= 1 {
		var b bytes.Buffer
		w, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window))
		if err != nil {
			t.Fatal(err)
		}
		for piece := range slices.Chunk(plain, 7000) {
			_, _ = w.Write(piece) // a buffer takes everything
			_ = w.Flush()
		}
		_ = w.Close()
		decoders := new(Decoders)
		if got, err := decoders.decode(b.Bytes(), "zstd", int64(len(plain))); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("window %d: %d of %d bytes, %v", window, len(got), len(plain), err)
		}
		if _, err := decoders.decode(b.Bytes(), "zstd", int64(len(plain)-1)); !errors.Is(err, errTooLong) {
			t.Errorf("window %d: %v for a byte too many", window, err)
		}
	}
}

// TestDecodersForget uses the same decoders for good and broken bodies in turn, and new ones to compare.
func TestDecodersForget(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(45, 2))
	kept := new(Decoders)
	good := 0
	for range 800 {
		coding := []string{"gzip", "deflate", "raw", "br", "zstd"}[random.IntN(5)]
		body := encode(coding, bytes.Repeat([]byte(`{"id":"4711"},`), 1+random.IntN(40)))
		switch random.IntN(4) {
		case 0:
			body = body[:random.IntN(len(body))]
		case 1:
			body[random.IntN(len(body))] ^= 1 << random.IntN(8)
		}
		if coding == "raw" {
			coding = "deflate"
		}
		most := int64(random.IntN(600))
		got, gotErr := kept.decode(body, coding, most)
		want, wantErr := new(Decoders).decode(body, coding, most)
		if !bytes.Equal(got, want) || (gotErr == nil) != (wantErr == nil) {
			t.Fatalf("%s %x: %q, %v with used decoders, and %q, %v with new ones", coding, body, got, gotErr, want, wantErr)
		}
		if gotErr == nil {
			good++
		}
	}
	if good < 200 {
		t.Errorf("only %d bodies were good", good)
	}
}

// TestHostileBodiesAreBounded compares what hostile bodies of two KiB cost with an honest one of that size. Times are the
// least of several and the bounds are far away, so that a busy machine does not matter: before there were any, single ones
// cost three thousand times as much, and 32 MiB.
func TestHostileBodiesAreBounded(t *testing.T) {
	c := []*rules.Carrier{carrier("node", "json items.#.id", "form quantity[*] key", addLines)}
	opts := Options{Documents: NewDocuments(), Decoders: new(Decoders)}
	cost := func(next func() (read func())) (took time.Duration, allocated uint64) {
		took = time.Hour
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		const runs = 8
		for range runs {
			read := next()
			start := time.Now()
			read()
			took = min(took, time.Since(start))
		}
		runtime.ReadMemStats(&after)
		return took, (after.TotalAlloc - before.TotalAlloc) / runs
	}
	honest := again("application/json", "", cartJSON(2000))
	reads := func(n int) func() func() {
		return func() func() {
			return func() {
				for range n {
					Read(nil, honest(), nil, c, opts)
				}
			}
		}
	}
	cost(reads(1))
	hundred, _ := cost(reads(100))
	for name, request := range hostile() {
		took, allocated := cost(func() func() {
			r := request()
			return func() { Read(nil, r, nil, c, opts) }
		})
		if took > hundred || allocated > 512<<10 {
			t.Errorf("%s: %v, where 100 honest carts take %v, and %d KiB", name, took, hundred, allocated>>10)
		}
	}
}
