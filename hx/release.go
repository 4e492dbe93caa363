package hx

import (
	"encoding/json"
	"errors"
	"net/http"
)

// Release lets an open page learn that a newer version of the program is
// running: by the next thing that it asks for, or from version.json. What the
// page does then is its own (a bar that offers to refresh, so that a form in
// progress is not lost). It is safe for concurrent use.
type Release struct{ version string }

const (
	headerRelease = "X-Release"
	// ReleaseEvent is the name of the event that an answer fires in a page of
	// another version. Its detail has the running version in "version".
	ReleaseEvent = "release"
)

// NewRelease names the running version: 1 to 64 printable ASCII characters
// without quotes, a commit's hash for example.
func NewRelease(version string) (*Release, error) {
	if version == "" || len(version) > 64 {
		return nil, errors.New("hx: a release is named by 1 to 64 characters")
	}
	for i := range len(version) {
		if c := version[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\'' || c == '\\' || c == '<' || c == '&' {
			return nil, errors.New("hx: a release is named by printable ASCII without quotes")
		}
	}
	return &Release{version: version}, nil
}

// Version is the name that was given.
func (v *Release) Version() string { return v.version }

// Attributes are for the page's body element: they make htmx say with each
// request of which version the page is. (In the form that templ spreads; both
// the spelling of htmx 2 and that of htmx 4 are there.)
func (v *Release) Attributes() map[string]any {
	say := `{"` + headerRelease + `":"` + v.version + `"}`
	return map[string]any{"hx-headers": say, "hx-headers:inherited": say}
}

// ServeHTTP answers {"version": "..."}, never kept: for the path /version.json.
func (v *Release) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", NoStore.String())
	_ = json.NewEncoder(w).Encode(map[string]string{"version": v.version})
}

// Handler puts the running version on every answer (X-Release), and on one to a
// page of another version the event ReleaseEvent. The answer itself is as it
// would be: whether an old page is still served is not decided here.
func (v *Release) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(headerRelease, v.version)
		addVary(w.Header(), headerRelease)
		had := r.Header.Get(headerRelease)
		if had == "" || had == v.version || Read(r).Version == NoHTMX {
			next.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(&lateWriter{ResponseWriter: w, late: func() {
			// It cannot fail: the detail is JSON, and a header that is full already
			// matters more.
			_ = Trigger(w, Event{Name: ReleaseEvent, Detail: map[string]string{"version": v.version}})
		}}, r)
	})
}

// lateWriter does something when the header is about to be sent.
type lateWriter struct {
	http.ResponseWriter
	late func()
}

func (w *lateWriter) WriteHeader(status int) {
	if status >= 200 && w.late != nil {
		w.late()
		w.late = nil
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *lateWriter) Write(b []byte) (int, error) {
	if w.late != nil {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

// FlushError sends the header, if that is not done, and what is written.
func (w *lateWriter) FlushError() error {
	if w.late != nil {
		w.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap lets http.ResponseController reach the writer below.
func (w *lateWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
