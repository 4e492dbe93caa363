package console

import (
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
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

// compress sends pages compressed to clients that take gzip, but for those that
// hold a secret (hx.Secret). Assets bring their own forms.
func compress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			next.ServeHTTP(w, r)
			return
		}
		z := &gzipWriter{ResponseWriter: w, head: r.Method == http.MethodHead}
		defer z.end()
		next.ServeHTTP(z, r)
	})
}

type gzipWriter struct {
	http.ResponseWriter
	head bool
	out  *gzip.Writer // nil: as it is
}

func (w *gzipWriter) WriteHeader(status int) {
	h := w.Header()
	size, err := strconv.Atoi(h.Get("Content-Length"))
	if err == nil && size >= compressFrom && h.Get("Content-Encoding") == "" &&
		strings.HasPrefix(h.Get("Content-Type"), "text/html") && !strings.Contains(h.Get("Cache-Control"), "no-transform") {
		h.Del("Content-Length")
		h.Set("Content-Encoding", "gzip")
		if !w.head {
			w.out = gzips.Get().(*gzip.Writer)
			w.out.Reset(w.ResponseWriter)
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *gzipWriter) Write(b []byte) (int, error) {
	if w.out != nil {
		return w.out.Write(b)
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *gzipWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *gzipWriter) end() {
	if w.out != nil {
		_ = w.out.Close() // who has gone away cannot be told
		gzips.Put(w.out)
	}
}
