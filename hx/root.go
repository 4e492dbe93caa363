package hx

import (
	"net/http"
	"strings"
)

// root is the path that Options.Root names, "" for none: a value that is no
// plain path counts as none, so that nobody can lead elsewhere by it.
func (s *Site) root(r *http.Request) string {
	if s.o.Root == nil {
		return ""
	}
	root := s.o.Root(r)
	if _, err := LocalPath(root); err != nil || strings.HasSuffix(root, "/") || strings.ContainsAny(root, "?#") {
		return ""
	}
	return root
}

// Path is a path of this site as the browser knows it: with Options.Root before
// it. For links, and for SetPush and SetReplace, which are given what the
// browser shows.
func (s *Site) Path(r *http.Request, path string) string { return s.root(r) + path }

// ownOf takes the root off a path that the browser gave. What is not below it
// is not this site's: "".
func (s *Site) ownOf(r *http.Request, path string) string {
	root := s.root(r)
	rest, below := strings.CutPrefix(path, root)
	switch {
	case !below || path == "":
		return ""
	case rest == "" || rest[0] == '?' || rest[0] == '#':
		rest = "/" + rest
	case rest[0] != '/':
		return ""
	}
	if own, err := LocalPath(rest); err == nil {
		return own
	}
	return ""
}
