package console

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"sync"
)

var gzips = sync.Pool{New: func() any {
	z, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed+3)
	if err != nil {
		panic(err) // the level is a constant
	}
	return z
}}

// compressFrom is the size from which a page is worth compressing, in bytes.
const compressFrom = 1000

// write sends a body, compressed when the client takes gzip and the body holds
// no secret: together with what a caller can put into a page, the compressed
// length would tell of it (BREACH).
func (v *visit) write(status int, body []byte, secret bool) {
	h := v.w.Header()
	if secret || len(body) < compressFrom || !strings.Contains(v.r.Header.Get("Accept-Encoding"), "gzip") {
		if secret {
			h.Set("Cache-Control", "no-store, no-transform") // nobody after us may compress it either
		}
		v.w.WriteHeader(status)
		if v.r.Method != http.MethodHead {
			_, _ = v.w.Write(body)
		}
		return
	}
	h.Set("Content-Encoding", "gzip")
	v.w.WriteHeader(status)
	if v.r.Method == http.MethodHead {
		return
	}
	z := gzips.Get().(*gzip.Writer)
	defer gzips.Put(z)
	z.Reset(v.w)
	_, _ = z.Write(body)
	_ = z.Close()
}
