package files

import (
	"io/fs"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// variant is a file in one of the codings that it is there in.
type variant struct {
	name   string
	coding toll.Coding // "": the file itself
	varies bool        // there are others
}

// beside are the variants that are looked for beside a file, the smallest first
// among those that a client likes as much.
var beside = [...]struct {
	suffix string
	coding toll.Coding
}{{".br", toll.Brotli}, {".zst", toll.Zstd}, {".gz", toll.Gzip}}

// outdated is how much older a variant may be than its file: a checkout writes
// both in any order. One that is older was made of another file.
const outdated = time.Minute

// choose gives the variant of a file that the client likes most (RFC 9110
// §12.5.3).
func choose(root *root, r *exchange.Request, name, kind string, is fs.FileInfo) variant {
	v := variant{name: name}
	if packed(kind) {
		return v
	}
	var space [len(beside)]toll.Coding
	there := space[:0]
	for _, b := range beside {
		if at, err := root.Stat(name + b.suffix); err == nil && at.Mode().IsRegular() && is.ModTime().Sub(at.ModTime()) <= outdated {
			there = append(there, b.coding)
		}
	}
	if len(there) == 0 {
		return v
	}
	v.varies = true
	v.coding = exchange.Negotiate(r.Header.Values("Accept-Encoding"), there)
	for _, b := range beside {
		if b.coding == v.coding {
			v.name = name + b.suffix
		}
	}
	return v
}

// packed tells whether a media type is compressed in itself, so that nobody
// keeps variants of it.
func packed(kind string) bool {
	switch {
	case strings.HasPrefix(kind, "image/svg"):
		return false
	case strings.HasPrefix(kind, "image/"), strings.HasPrefix(kind, "video/"), strings.HasPrefix(kind, "audio/"), strings.HasPrefix(kind, "font/woff"):
		return kind != "image/x-icon" && kind != "image/bmp"
	}
	return kind == "application/zip" || kind == "application/gzip" || kind == "application/zstd"
}
