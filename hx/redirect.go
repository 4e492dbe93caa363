package hx

import (
	"net/http"
	"net/url"
)

// Redirect leads to another page of this site, in the way that each asker can
// follow: a browser, a restore and a boosted link with 303 (RFC 9110 section
// 15.4.4), which they follow to a whole page and its address; any other htmx
// request with HX-Redirect, because a 303 would be followed unseen, and the
// other page put into a place meant for a part of this one. A to that is no
// path of this site (see LocalPath) is an error of status 500: nobody is sent
// elsewhere by accident.
func (s *Site) Redirect(w http.ResponseWriter, r *http.Request, to string) {
	s.redirect(w, r, to, false)
}

// redirect is Redirect; plain is a 303 for all.
func (s *Site) redirect(w http.ResponseWriter, r *http.Request, to string, plain bool) {
	path, err := LocalPath(to)
	if err == nil {
		path, err = LocalPath(s.Path(r, path))
	}
	if err != nil {
		s.Fail(w, r, err)
		return
	}
	Vary(w.Header())
	w.Header().Set("Cache-Control", NoStore.String())
	q := s.Read(r)
	if plain || q.Form() == PageForm || q.Boosted {
		http.Redirect(w, r, path, http.StatusSeeOther)
		return
	}
	w.Header().Set("HX-Redirect", path)
	w.WriteHeader(http.StatusOK)
}

// visit leads to another page, htmx without a new document.
func (s *Site) visit(w http.ResponseWriter, r *http.Request, l Location) {
	if q := s.Read(r); q.Form() == PageForm || q.Boosted {
		s.Redirect(w, r, l.Path)
		return
	}
	l.Path = s.Path(r, l.Path)
	if err := SetLocation(w, l); err != nil {
		s.Fail(w, r, err)
		return
	}
	Vary(w.Header())
	w.Header().Set("Cache-Control", NoStore.String())
	w.WriteHeader(http.StatusOK)
}

// SignIn leads to Options.SignIn, with the way back in its query ("next", to be
// read with Next). A browser and a restore get a 303. htmx gets 401 with
// HX-Redirect, which loads the sign-in page as a whole instead of putting it
// into the place of a fragment. The way back is the page that the person is
// on: for htmx that of HX-Current-URL when it is of this host, else the
// request's own if it was a GET, else none.
func (s *Site) SignIn(w http.ResponseWriter, r *http.Request) {
	q := s.Read(r)
	next := ""
	switch {
	case q.Version != NoHTMX && !q.Restore:
		next = q.CurrentPath
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		next = r.URL.RequestURI()
	}
	to := s.o.SignIn
	if path, err := LocalPath(next); err == nil && path != "/" && !samePath(path, to) {
		to += "?next=" + url.QueryEscape(path)
	}
	to = s.Path(r, to)
	Vary(w.Header())
	w.Header().Set("Cache-Control", NoStore.String())
	if q.Version == NoHTMX || q.Restore {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return
	}
	w.Header().Set("HX-Redirect", to)
	w.WriteHeader(http.StatusUnauthorized)
}

// Next reads the way back that SignIn gave ("next" of the form or query), and
// is fallback for anything that is no path of this site.
func Next(r *http.Request, fallback string) string {
	if path, err := LocalPath(r.FormValue("next")); err == nil {
		return path
	}
	return fallback
}
