package hx

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// packed is a compressed form of a file.
type packed struct {
	encoding string // the name in Accept-Encoding
	body     []byte
}

// packers are the compressed forms that are known.
var packers = [...]struct {
	encoding, ext string
	pack          func(io.Writer) (io.WriteCloser, error)
	unpack        func(io.Reader) (io.Reader, error)
}{
	{"zstd", ".zst",
		// Browsers take a window of at most 8 MB (RFC 9659).
		func(w io.Writer) (io.WriteCloser, error) {
			return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithWindowSize(8<<20), zstd.WithEncoderConcurrency(1))
		},
		func(r io.Reader) (io.Reader, error) {
			return zstd.NewReader(r, zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderConcurrency(1))
		}},
	{"br", ".br",
		func(w io.Writer) (io.WriteCloser, error) { return brotli.NewWriterLevel(w, 9), nil },
		func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil }},
	{"gzip", ".gz",
		func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, gzip.BestCompression) },
		func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
}

// isPackedFormOf tells whether a file is the compressed form of another one
// that is given too.
func isPackedFormOf(name string, given map[string][]byte) bool {
	for _, p := range packers {
		if of, ok := strings.CutSuffix(name, p.ext); ok {
			if _, there := given[of]; there {
				return true
			}
		}
	}
	return false
}

// worthPacking is the size from which a file is compressed, in bytes.
const worthPacking = 512

// pack takes the compressed forms that are given and, if wanted, makes the others, as far
// as they are smaller.
func pack(name string, plain []byte, given map[string][]byte, others bool) ([]packed, error) {
	var all []packed
	for _, p := range packers {
		body, there := given[name+p.ext]
		if there {
			if err := holds(p.unpack, body, plain); err != nil {
				return nil, fmt.Errorf("hx: %s is not %s compressed: %w; build it again", name+p.ext, name, err)
			}
		} else if others && len(plain) >= worthPacking {
			var b bytes.Buffer
			w, err := p.pack(&b)
			if err == nil {
				_, err = w.Write(plain)
			}
			if err == nil {
				err = w.Close()
			}
			if err != nil {
				return nil, fmt.Errorf("hx: compressing %s for %s: %w", name, p.encoding, err)
			}
			body = b.Bytes()
		}
		if len(body) > 0 && len(body) < len(plain) {
			all = append(all, packed{p.encoding, body})
		}
	}
	slices.SortStableFunc(all, func(a, b packed) int { return cmp.Compare(len(a.body), len(b.body)) })
	return all, nil
}

func holds(unpack func(io.Reader) (io.Reader, error), body, plain []byte) error {
	r, err := unpack(bytes.NewReader(body))
	if err != nil {
		return err
	}
	if c, ok := r.(interface{ Close() }); ok {
		defer c.Close()
	}
	got, err := io.ReadAll(io.LimitReader(r, int64(len(plain))+1))
	if err != nil {
		return err
	}
	if !bytes.Equal(got, plain) {
		return errors.New("its content is another")
	}
	return nil
}

func compresses(contentType string) bool {
	for _, t := range []string{"text/", "image/svg+xml", "application/json", "application/manifest+json", "application/wasm", "application/xml", "font/ttf", "font/otf"} {
		if strings.HasPrefix(contentType, t) {
			return true
		}
	}
	return false
}

// choose finds the form that Accept-Encoding asks for most, and among equals
// the smallest; nil is the plain one (RFC 9110 section 12.5.3).
func choose(forms []packed, accept []string) *packed {
	var best *packed
	bestWeight := 0.0
	plain := -1.0 // not named: taken when nothing else is
	for i := range forms {
		if weight, named := weightOf(accept, forms[i].encoding); named && weight > bestWeight {
			best, bestWeight = &forms[i], weight
		}
	}
	if weight, named := weightOf(accept, "identity"); named {
		plain = weight
	}
	if plain > bestWeight {
		return nil
	}
	return best
}

// weightOf is what a list of codings says of one: its weight, or that of "*".
// What is no weight counts as 0.
func weightOf(accept []string, coding string) (weight float64, named bool) {
	for _, line := range accept {
		for item := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(item, ";")
			name = strings.TrimSpace(name)
			exact := strings.EqualFold(name, coding)
			if !exact && (name != "*" || coding == "identity") {
				continue
			}
			q := 1.0
			if params = strings.TrimSpace(params); params != "" {
				text, is := strings.CutPrefix(strings.ToLower(params), "q=")
				parsed, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
				if q = parsed; !is || err != nil || !(q >= 0 && q <= 1) {
					q = 0
				}
			}
			if exact {
				return q, true
			}
			weight, named = q, true
		}
	}
	return weight, named
}
