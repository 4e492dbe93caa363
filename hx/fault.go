package hx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Fault is an error that can be shown: the status and a message that is safe
// for anybody to read.
type Fault struct {
	Status     int           // 400 to 599; anything else counts as 500
	Heading    string        // a few words above the message; "" is an English one for the status, see Title
	Message    string        // what happened and what to do, in a sentence or two
	RetryAfter time.Duration // when to try again, rounded up to seconds; 0: not said
	RequestID  string        // filled in by Fail
	Cause      error         // what is logged, and never shown; may be nil
}

// Errorf makes a Fault. The text is shown: it must be safe to read.
func Errorf(status int, format string, args ...any) *Fault {
	return &Fault{Status: status, Message: fmt.Sprintf(format, args...)}
}

// Error is the status and message, with the cause.
func (f *Fault) Error() string {
	if f.Cause != nil {
		return fmt.Sprintf("%d %s: %v", f.Status, f.Message, f.Cause)
	}
	return fmt.Sprintf("%d %s", f.Status, f.Message)
}

// Unwrap is the cause.
func (f *Fault) Unwrap() error { return f.Cause }

// Title is the heading, or a short one in English for the status.
func (f *Fault) Title() string {
	if f.Heading != "" {
		return f.Heading
	}
	switch f.Status {
	case http.StatusNotFound:
		return "Not found"
	case http.StatusConflict:
		return "That changed in the meantime"
	case http.StatusUnprocessableEntity:
		return "That cannot be taken as it is"
	case http.StatusTooManyRequests:
		return "Too many requests"
	case http.StatusUnauthorized:
		return "Sign in first"
	case http.StatusForbidden:
		return "Not allowed"
	}
	if f.Status >= 500 {
		return "Something went wrong here"
	}
	if text := http.StatusText(f.Status); text != "" {
		return text
	}
	return "That did not work"
}

// explain finds the Fault that an error is or stands for. The result is a copy.
func (s *Site) explain(err error) *Fault {
	var f *Fault
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &f):
	case errors.As(err, &big):
		f = &Fault{Status: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf("What was sent is larger than the %d bytes that are taken here.", big.Limit), Cause: err}
	case s.o.Explain != nil:
		f = s.o.Explain(err)
	}
	if f == nil {
		f = &Fault{Status: http.StatusInternalServerError, Cause: err}
	}
	is := *f
	if is.Status < 400 || is.Status > 599 {
		is.Status = http.StatusInternalServerError
	}
	if is.Message == "" {
		is.Message = "Please try again. If it happens again, tell us and name the request ID."
		if is.Status < 500 {
			is.Message = "This request could not be answered."
		}
	}
	if is.Cause == nil {
		is.Cause = err
	}
	return &is
}

// Fail answers with an error, as a page or as a fragment. A fragment's error
// goes to Options.FaultTarget when that is set, and leaves the address alone. A
// 401 leads to Options.SignIn when that is set. Statuses of 500 and above are
// logged. When the looks of errors (Options.Fault, Options.Layout) fail
// themselves, a plain one is sent.
//
// htmx 2 swaps no answer of status 400 and above unless it is told to: put
// Config into the page's head.
func (s *Site) Fail(w http.ResponseWriter, r *http.Request, err error) {
	f := s.explain(err)
	f.RequestID = s.o.RequestID(w, r)
	if f.Status == http.StatusUnauthorized && s.o.SignIn != "" {
		s.SignIn(w, r)
		return
	}
	if f.Status >= 500 {
		if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
			return // nobody is there to read it
		}
		s.o.Logger.ErrorContext(r.Context(), "a page failed", "request_id", f.RequestID, "status", f.Status, "route", r.Pattern, "error", err)
	}
	h := w.Header()
	for _, name := range []string{"ETag", "Last-Modified", "Content-Type", "Content-Length", "Content-Encoding", "Cache-Control", headerTrigger, "HX-Trigger-After-Swap", "HX-Trigger-After-Settle", "HX-Push-Url", "HX-Replace-Url", "HX-Retarget", "HX-Reswap", "HX-Reselect", "HX-Location", "HX-Redirect", "HX-Refresh"} {
		h.Del(name) // what was meant for the answer that is not given
	}
	if f.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(f.RetryAfter.Seconds())), 10))
	}
	q := s.Read(r)
	if q.Form() == FragmentForm && s.o.FaultTarget != "" {
		SetRetarget(w, s.o.FaultTarget)
		SetReswap(w, InnerHTML)
		if q.Version == HTMX2 {
			h.Set("HX-Reselect", "unset") // hx-select is for what did not come
		}
	}
	if err := s.looks(w, r, f); err != nil {
		s.o.Logger.ErrorContext(r.Context(), "an error page failed", "request_id", f.RequestID, "route", r.Pattern, "error", err)
		a := Answer{Status: f.Status, Fragment: bareFault(r, f), Page: bareLayout(r, f.Title(), bareFault(r, f))}
		if err := s.send(w, r, a); err != nil {
			http.Error(w, f.Title(), f.Status)
		}
	}
}

// looks sends the error as the application draws it. A panic in there is an
// error like any other.
func (s *Site) looks(w http.ResponseWriter, r *http.Request, f *Fault) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
	}()
	content := s.o.Fault(r, f) // may give it a heading
	return s.send(w, r, Answer{Status: f.Status, Title: f.Title(), Fragment: content})
}

func bareFault(_ *http.Request, f *Fault) Renderer {
	return RenderFunc(func(_ context.Context, w io.Writer) error {
		for _, piece := range []struct{ before, text string }{
			{`<div role="alert"><h1>`, f.Title()},
			{"</h1><p>", f.Message},
			{"</p>", ""},
		} {
			if _, err := io.WriteString(w, piece.before); err != nil {
				return err
			}
			if err := writeEscaped(w, piece.text); err != nil {
				return err
			}
		}
		if f.RequestID != "" {
			if _, err := io.WriteString(w, "<p>Request ID <code>"); err != nil {
				return err
			}
			if err := writeEscaped(w, f.RequestID); err != nil {
				return err
			}
			if _, err := io.WriteString(w, "</code></p>"); err != nil {
				return err
			}
		}
		_, err := io.WriteString(w, "</div>")
		return err
	})
}
