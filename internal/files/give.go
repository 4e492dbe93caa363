package files

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"syscall"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// give answers with a file: in the coding that the client likes most, unless
// the client has it already, and in parts where it wants one (RFC 9110 §13.2.2
// says in which order).
func (s *Site) give(root *root, r *exchange.Request, name string, is fs.FileInfo) (*exchange.Response, error) {
	kind := mediaType(name)
	chosen := choose(root, r, name, kind, is)
	file, is, err := openFile(root, chosen.name)
	if err != nil {
		if absent(err) { // it went away in this moment
			return nil, errNothing
		}
		return nil, fmt.Errorf("opening the file of a service: %w", err)
	}
	response, err := s.answer(root, r, file, is, name, kind, chosen)
	if err != nil || response.Body == nil {
		_ = file.Close() // it was only read
	}
	if err == nil && response.Body == nil {
		response.Body = nothing{}
	}
	return response, err
}

// answer makes the answer of an open file. Its Body is nil where it has none.
func (s *Site) answer(root *root, r *exchange.Request, file *os.File, is fs.FileInfo, name, kind string, chosen variant) (*exchange.Response, error) {
	tag, err := root.tags.of(chosen, file, is)
	if err != nil {
		return nil, fmt.Errorf("reading the file of a service: %w", err)
	}
	h := exchange.Fields{
		"Content-Type":           {kind},
		"X-Content-Type-Options": {"nosniff"},
		"Accept-Ranges":          {"bytes"},
		"Cache-Control":          {s.lifetime(name, kind)},
		"Etag":                   {tag},
	}
	v := exchange.Validators{ETag: tag, Date: r.Arrived}
	modified := modifiedOf(is, r.Arrived)
	if !modified.IsZero() {
		v.LastModified = exchange.FormatDate(modified)
		h["Last-Modified"] = []string{v.LastModified}
	}
	if chosen.coding != "" {
		h["Content-Encoding"] = []string{string(chosen.coding)}
	}
	if chosen.varies {
		h["Vary"] = []string{"Accept-Encoding"}
	}
	response := &exchange.Response{Status: 200, Header: h, Length: is.Size()}
	if !exchange.Unchanged(r.Header, tag, modified) {
		return nil, errState
	}
	if exchange.NotModified(r.Header, tag, modified) {
		for _, field := range [...]string{"Content-Type", "Content-Encoding", "Accept-Ranges", "Last-Modified"} {
			delete(h, field)
		}
		response.Status, response.Length = 304, -1
		return response, nil
	}
	part := exchange.ByteRange{Length: is.Size()}
	if r.Method == "GET" {
		wanted, ok, err := exchange.Range(r.Header, v, is.Size())
		if err != nil {
			return nil, err
		}
		if ok {
			part = wanted
			h["Content-Range"] = []string{part.ContentRange(is.Size())}
			response.Status, response.Length = 206, part.Length
		}
	}
	if r.Method != "HEAD" && part.Length > 0 {
		response.Body = &body{SectionReader: io.NewSectionReader(file, part.Start, part.Length), file: file}
	}
	return response, nil
}

// notFound answers 404 with a page.
func (s *Site) notFound(root *root, r *exchange.Request, name string, is fs.FileInfo) (*exchange.Response, error) {
	plain := *r
	fields := exchange.Fields{}
	for _, v := range r.Header.Values("Accept-Encoding") {
		fields.Add("Accept-Encoding", v)
	}
	plain.Header = fields // it is no answer to their conditions and ranges
	response, err := s.give(root, &plain, name, is)
	if err != nil {
		return nil, err
	}
	for _, field := range [...]string{"Etag", "Last-Modified", "Accept-Ranges"} {
		response.Header.Del(field)
	}
	response.Header.Set("Cache-Control", "no-cache")
	response.Status = 404
	return response, nil
}

// openFile opens a regular file. It does not wait for the other end of a pipe
// that took the file's place.
func openFile(root *root, name string) (*os.File, fs.FileInfo, error) {
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	is, err := file.Stat()
	if err == nil && !is.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		_ = file.Close() // nothing was written
		return nil, nil, err
	}
	return file, is, nil
}

// modifiedOf is a file's time as an answer may say it; zero for a time that is
// none (archives and images are made with 0 or 1) or is yet to come (RFC 9110
// §8.8.2.1).
func modifiedOf(is fs.FileInfo, now time.Time) time.Time {
	t := is.ModTime()
	if t.Unix() <= 1 || t.After(now) {
		return time.Time{}
	}
	return t
}

// body is a part of a file.
type body struct {
	*io.SectionReader
	file *os.File
}

// Close closes the file.
func (b *body) Close() error { return b.file.Close() }

// nothing is the body of an answer without one.
type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, io.EOF }
func (nothing) Close() error             { return nil }

// lifetime is the Cache-Control of a file. A page is asked after each time,
// because it names the others.
func (s *Site) lifetime(name, kind string) string {
	who := "public"
	if s.options.Private {
		who = "private"
	}
	switch {
	case s.immutable(name):
		return who + ", max-age=31536000, immutable"
	case s.options.MaxAge > 0 && !isPage(kind):
		return who + ", max-age=" + strconv.FormatInt(int64(s.options.MaxAge/time.Second), 10)
	case s.options.Private:
		return "private, no-cache"
	}
	return "no-cache"
}

// immutable tells whether what a name means never changes: the configuration
// says so of its folder, or it holds a hash.
func (s *Site) immutable(name string) bool {
	for _, folder := range s.options.Immutable {
		if inFolder(name, folder) {
			return true
		}
	}
	return hashed(path.Base(name))
}
