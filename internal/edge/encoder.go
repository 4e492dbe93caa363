package edge

import (
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// encoder compresses a body piece by piece. After Flush everything written so
// far can be decoded; Close writes what ends the body.
type encoder interface {
	io.WriteCloser
	Flush() error
	Reset(w io.Writer)
}

// The levels are the fast ones: answers are compressed while somebody waits.
// Brotli's quality is one at which it beats gzip in size for about twice its
// time; the ones that it is known for cost ten times.
const (
	gzipLevel     = 3
	brotliQuality = 2
	zstdLevel     = zstd.SpeedFastest
	zstdWindow    = 256 << 10 // bytes that an encoder and every client keep; at most 8 MiB (RFC 9659)
)

// encoders are kept for the next answer: their tables are large.
var encoders = map[toll.Coding]*sync.Pool{
	toll.Gzip: {New: func() any {
		e, err := gzip.NewWriterLevel(io.Discard, gzipLevel)
		return made(e, err)
	}},
	toll.Brotli: {New: func() any {
		return made(brotli.NewWriterLevel(io.Discard, brotliQuality), nil)
	}},
	toll.Zstd: {New: func() any {
		// One goroutine, the request's own: no other is left when a client leaves.
		e, err := zstd.NewWriter(io.Discard, zstd.WithEncoderLevel(zstdLevel), zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(zstdWindow), zstd.WithLowerEncoderMem(true))
		return made(e, err)
	}},
}

// made returns an encoder; its options are the constants above, so an error is
// a mistake of ours.
func made(e encoder, err error) encoder {
	if err != nil {
		panic("edge: an encoder cannot be made: " + err.Error())
	}
	return e
}
