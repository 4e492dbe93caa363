package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Options say what a site is made of.
type Options struct {
	toll.Files
	// Private keeps answers out of shared caches: they are for who has a key.
	Private bool
}

// Site is the files of one service. It is safe for concurrent use.
type Site struct {
	options Options
	root    atomic.Pointer[root]
	checked atomic.Int64 // Unix time in ns when the root was last looked at
}

// root is the directory as it was opened, with what is known of its files.
type root struct {
	*os.Root
	is   fs.FileInfo
	tags tags
}

// lookEvery is how often it is looked whether the root is another directory now.
const lookEvery = time.Second

// Open opens the directory of a site. The error is a *toll.Error that says what
// is wrong with it.
func Open(o Options) (*Site, error) {
	r, err := openRoot(o.Root)
	if err != nil {
		cause := err
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			cause = p.Err
		}
		return nil, toll.FieldError("files.root", "the directory %s cannot be read (%w); make it, or name another one", o.Root, cause)
	}
	s := &Site{options: o}
	s.root.Store(r)
	return s, nil
}

func openRoot(name string) (*root, error) {
	r, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	is, err := r.Stat(".")
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return &root{Root: r, is: is}, nil
}

// current gives the root as it is now. A former one is not closed: requests may
// be reading in it, and the collector closes it when none does any more.
func (s *Site) current(now time.Time) *root {
	last, r := s.checked.Load(), s.root.Load()
	if now.UnixNano()-last < int64(lookEvery) || !s.checked.CompareAndSwap(last, now.UnixNano()) {
		return r
	}
	is, err := os.Stat(s.options.Root)
	if err != nil || os.SameFile(is, r.is) {
		return r // being replaced, or gone: what was there goes on being served
	}
	next, err := openRoot(s.options.Root)
	if err != nil {
		return r
	}
	s.root.Store(next)
	return next
}

// Refusal is why a request gets no file.
type Refusal struct {
	Status int    // 404, 405 or 412
	Allow  string // with 405: the methods that there are
}

// Error says so, for the log.
func (r *Refusal) Error() string { return fmt.Sprintf("no file is given for it: %d", r.Status) }

var (
	errNothing = &Refusal{Status: 404}
	errMethod  = &Refusal{Status: 405, Allow: "GET, HEAD"}
	errState   = &Refusal{Status: 412}
)

// Forward answers a request; it is called so because a service's upstreams
// would do the same. The caller closes the response's body.
func (s *Site) Forward(_ context.Context, r *exchange.Request) (*exchange.Response, error) {
	if r.Method != "GET" && r.Method != "HEAD" {
		return nil, errMethod
	}
	root := s.current(r.Arrived)
	name, ok := nameOf(r.Path)
	if !ok {
		return s.missing(root, r)
	}
	is, err := root.Stat(name)
	switch {
	case err != nil && !absent(err):
		return nil, fmt.Errorf("looking for the file of a service: %w", err)
	case err != nil:
		return s.missing(root, r)
	case is.IsDir():
		return s.directory(root, r, name)
	case !is.Mode().IsRegular() || strings.HasSuffix(r.Path, "/"):
		return s.missing(root, r)
	}
	return s.give(root, r, name, is)
}

// nameOf is the name below the root of what a path means; ok is false for what
// is hidden. The path is canonical already: this is the second look.
func nameOf(p string) (name string, ok bool) {
	name = strings.Trim(p, "/")
	if name == "" {
		return ".", true
	}
	if !fs.ValidPath(name) || strings.ContainsAny(name, "\x00\\") {
		return "", false
	}
	first := true
	for segment := range strings.SplitSeq(name, "/") {
		if segment[0] == '.' && (!first || segment != ".well-known") {
			return "", false
		}
		first = false
	}
	return name, true
}

// absent tells whether an error means that there is no such file, or none that
// anybody may have: a name that is too long, or that leads out of the root, or
// through a file.
func absent(err error) bool {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return true
	}
	for _, e := range [...]error{syscall.ENOTDIR, syscall.ENAMETOOLONG, syscall.ELOOP, syscall.EXDEV, syscall.EINVAL} {
		if errors.Is(err, e) {
			return true
		}
	}
	return strings.Contains(err.Error(), "path escapes from parent") // os.Root's own, which it does not export
}

// directory answers for a directory: with its index, where its path ends as a
// directory's does.
func (s *Site) directory(root *root, r *exchange.Request, name string) (*exchange.Response, error) {
	index := path.Join(name, s.options.Index)
	is, err := root.Stat(index)
	if err != nil || !is.Mode().IsRegular() {
		return s.missing(root, r)
	}
	if !strings.HasSuffix(r.Path, "/") && name != "." {
		return s.withSlash(r), nil
	}
	return s.give(root, r, index, is)
}

// withSlash leads to the directory's own path, so that relative links in its
// index are right.
func (s *Site) withSlash(r *exchange.Request) *exchange.Response {
	to := r.Header.Get("X-Forwarded-Prefix") + r.RawPath + "/" // the gateway's own word, and canonical
	if r.RawQuery != "" {
		to += "?" + r.RawQuery
	}
	return &exchange.Response{
		Status: 308, Body: nothing{},
		Header: exchange.Fields{"Location": {to}, "Cache-Control": {"no-cache"}},
	}
}

// missing answers for what is not there: with the fallback where a page of an
// application may be meant, else with the page that says so, else with none.
func (s *Site) missing(root *root, r *exchange.Request) (*exchange.Response, error) {
	if name := s.options.Fallback; name != "" && !strings.Contains(path.Base(r.Path), ".") {
		if is, err := root.Stat(name); err == nil && is.Mode().IsRegular() {
			return s.give(root, r, name, is)
		}
	}
	if name := s.options.NotFound; name != "" {
		if is, err := root.Stat(name); err == nil && is.Mode().IsRegular() {
			return s.notFound(root, r, name, is)
		}
	}
	return nil, errNothing
}
