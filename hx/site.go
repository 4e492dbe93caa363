package hx

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
)

// Options are what a Site is made of. Every field may be left out.
type Options struct {
	// Layout puts content into the whole document. The default is a bare
	// document without style, which is right for a start only.
	Layout func(r *http.Request, title string, content Renderer) Renderer

	// Fault makes the content of an error: what the page shows in the layout,
	// and what htmx gets alone. This is the one place where errors get their
	// looks. The fault is its own: it may put a heading and a message in the
	// person's language into it, and the heading becomes the document's title. The
	// default is a heading, a paragraph and the request ID.
	Fault func(r *http.Request, f *Fault) Renderer

	// Explain turns an application's error into a Fault, nil for what it does
	// not know, which is 500 then. A *Fault in the chain needs no explaining.
	Explain func(error) *Fault

	// FaultTarget is the CSS selector of the element that a fragment's error is
	// put into ("#problem"), instead of the place that the fragment was for,
	// which may be a table cell. "" puts it where the fragment was to go.
	// An Answer of status 422 is no error in this sense: it goes to its target.
	FaultTarget string

	// SignIn is the path of the sign-in page. With it, a Fault of status 401
	// leads there and back (see Site.SignIn). "" shows the error.
	SignIn string

	// Root tells under which path the browser knows this site, when a gateway
	// before it takes one off ("/daybook"; "" for none). All paths that a handler
	// gives or gets here are the site's own: the root is put before them when they
	// are sent (redirects, sign-in), and taken off what the browser says
	// (Request.CurrentPath, the way back). Path does it for links. Read it from a
	// header that only the gateway can set. nil is none.
	Root func(r *http.Request) string

	// BodyID is the id of the body element, when it has one: htmx 2 gives no
	// other sign that a boosted link replaces the whole body.
	BodyID string

	// Cache is the rule of answers that name none. The default is Revalidate:
	// private, and asked for again each time, for which an unchanged one costs a
	// 304.
	Cache CacheRule

	// RequestID gives the ID that an error shows and the log holds. The
	// default is the X-Request-ID of the answer, or else of the request.
	RequestID func(w http.ResponseWriter, r *http.Request) string

	// Logger gets an error of status 500 and above, and panics, once each. The default
	// is slog.Default().
	Logger *slog.Logger
}

// Site answers for one application. It is safe for concurrent use.
type Site struct{ o Options }

// New makes a Site. It fails for a SignIn that is no path of this site.
func New(o Options) (*Site, error) {
	if o.SignIn != "" {
		if _, err := LocalPath(o.SignIn); err != nil {
			return nil, errors.New("hx: SignIn must be a path of this site, such as /sign-in")
		}
	}
	if o.Layout == nil {
		o.Layout = bareLayout
	}
	if o.Fault == nil {
		o.Fault = bareFault
	}
	if o.Cache == (CacheRule{}) {
		o.Cache = Revalidate
	}
	if o.RequestID == nil {
		o.RequestID = requestID
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Site{o: o}, nil
}

// Handler makes an http.Handler of a function that gives an Answer or an error.
// The function may set headers on w, and must not write to it unless it
// returns Done. A panic in it is an error of status 500.
func (s *Site) Handler(f func(w http.ResponseWriter, r *http.Request) (Answer, error)) http.Handler {
	return s.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := f(w, r)
		switch {
		case errors.Is(err, Done):
		case err != nil:
			s.Fail(w, r, err)
		default:
			s.Send(w, r, a)
		}
	}))
}

// Done is what a function of Handler returns as its error when it has written
// the answer itself: a download, a stream.
var Done = errors.New("hx: the answer is written") //nolint:revive,staticcheck // reads like io.EOF: it is no failure

// Read reads the headers of htmx, and knows the body's id and the site's root.
func (s *Site) Read(r *http.Request) Request {
	q := Read(r)
	if s.o.Root != nil {
		q.CurrentPath = s.ownOf(r, q.CurrentPath)
	}
	if s.o.BodyID != "" && q.Target.ID == s.o.BodyID && q.Version != NoHTMX {
		q.Full = true
	}
	return q
}

// NotFound answers 404 in the right form: for the pattern "/" of a mux.
func (s *Site) NotFound() http.Handler {
	return s.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Fail(w, r, Errorf(http.StatusNotFound, "There is no such page."))
	}))
}

func requestID(w http.ResponseWriter, r *http.Request) string {
	if id := w.Header().Get("X-Request-ID"); id != "" {
		return id
	}
	if id := r.Header.Get("X-Request-ID"); len(id) <= longestID {
		return id
	}
	return ""
}

func bareLayout(_ *http.Request, title string, content Renderer) Renderer {
	return RenderFunc(func(ctx context.Context, w io.Writer) error {
		if _, err := io.WriteString(w, `<!doctype html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>`); err != nil {
			return err
		}
		if err := writeEscaped(w, title); err != nil {
			return err
		}
		if _, err := io.WriteString(w, `</title></head><body><main>`); err != nil {
			return err
		}
		if err := content.Render(ctx, w); err != nil {
			return err
		}
		_, err := io.WriteString(w, `</main></body></html>`)
		return err
	})
}
