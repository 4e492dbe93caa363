package console

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// sentFiles is a form with files while it comes: its fields first, then one file
// after the other. Nothing of a file is kept in memory.
type sentFiles struct {
	fields url.Values
	reader *multipart.Reader
	first  *multipart.Part // the first file, nil when there is none
}

// What a form with files may have beside the files, and how long it may take.
const (
	mostFields     = 100
	uploadPatience = 15 * time.Minute
	mostDrained    = 32 << 20 // bytes that are read of a refused form, so that its sender hears why
)

// readFiles reads a form up to its first file. A form without files may come
// as an ordinary one too.
func (v *visit) readFiles(mostBody int64) (*sentFiles, error) {
	return v.readFilesWith(mostBody, mostForm)
}

// readFilesWith is readFiles with another bound of the fields' bytes.
func (v *visit) readFilesWith(mostBody, mostFieldBytes int64) (*sentFiles, error) {
	kind, params, err := mime.ParseMediaType(v.r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		if err := v.parseForm(); err != nil {
			return nil, err
		}
		return &sentFiles{fields: v.r.PostForm}, nil
	}
	_ = http.NewResponseController(v.w).SetReadDeadline(time.Now().Add(uploadPatience)) // where the connection can: the form's own bound holds anyway
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, mostBody)
	s := &sentFiles{fields: url.Values{}, reader: multipart.NewReader(v.r.Body, params["boundary"])}
	for left := mostFieldBytes; ; {
		part, err := s.reader.NextPart()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return nil, badForm(err)
		}
		if part.FileName() != "" || isFile(part) {
			s.first = part
			return s, nil
		}
		value, err := io.ReadAll(io.LimitReader(part, left+1))
		if err != nil {
			return nil, badForm(err)
		}
		if left -= int64(len(value)) + 100; left < 0 || len(s.fields) >= mostFields {
			return nil, toll.FieldError("text", "What was written is too long.")
		}
		s.fields.Add(part.FormName(), string(value))
	}
}

// isFile tells a file that has no name from a field.
func isFile(part *multipart.Part) bool {
	return strings.Contains(part.Header.Get("Content-Disposition"), "filename=")
}

// badForm says that a form could not be read to its end, or was too large.
func badForm(err error) error {
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		return toll.FieldError("file", "All together is larger than %d bytes, which is as large as it may be.", big.Limit)
	}
	return &toll.Error{Code: toll.Invalid, Field: "file", Message: "The form did not come whole, so nothing of it was kept. Send it again.", Cause: err}
}

// next gives one file after the other, and io.EOF after the last; a field that
// was left empty is none.
func (s *sentFiles) next() (name string, content io.Reader, err error) {
	for {
		part := s.first
		if s.first = nil; part == nil {
			if s.reader == nil {
				return "", nil, io.EOF
			}
			if part, err = s.reader.NextPart(); err != nil {
				if errors.Is(err, io.EOF) {
					return "", nil, io.EOF
				}
				return "", nil, badForm(err)
			}
		}
		if part.FileName() == "" {
			var one [1]byte
			if n, err := io.ReadFull(part, one[:]); n == 0 && errors.Is(err, io.EOF) {
				continue // no file was chosen
			}
			return "", nil, toll.FieldError("file", "A file has no name.")
		}
		return part.FileName(), wholePart{part}, nil
	}
}

// wholePart reads a file, and says what a form does that is too large.
type wholePart struct{ part *multipart.Part }

func (w wholePart) Read(p []byte) (int, error) {
	n, err := w.part.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = badForm(err)
	}
	return n, err
}

// only gives the one file of a form; its reader ends well only where the form
// ends there too.
func (s *sentFiles) only() (name string, content io.Reader, err error) {
	name, content, err = s.next()
	if errors.Is(err, io.EOF) {
		return "", nil, toll.FieldError("file", "Choose a file.")
	}
	return name, &lastOf{s, content}, err
}

type lastOf struct {
	form    *sentFiles
	content io.Reader
}

func (l *lastOf) Read(p []byte) (int, error) {
	n, err := l.content.Read(p)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	switch _, _, after := l.form.next(); {
	case errors.Is(after, io.EOF):
		return n, io.EOF
	case after != nil:
		return n, after
	}
	return n, toll.FieldError("file", "Send one file at a time.")
}

// drain reads the rest of a form that was refused, up to a bound: a browser
// that is still sending would not hear why.
func (v *visit) drain() {
	_, _ = io.CopyN(io.Discard, v.r.Body, mostDrained)
}

// giveFile sends what a customer uploaded, as nothing but a download: a browser
// neither shows nor runs it.
func (v *visit) giveFile(name, mediaType string, write func(io.Writer) error) error {
	h := v.w.Header()
	h.Set("Content-Type", mediaType)
	h.Set("Content-Disposition", disposition(name))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if v.r.Method == http.MethodHead {
		return nil
	}
	out := &begun{w: v.w}
	if err := write(out); err != nil {
		if !out.yes {
			for _, field := range []string{"Content-Type", "Content-Disposition", "Content-Security-Policy"} {
				h.Del(field)
			}
			return err
		}
		panic(http.ErrAbortHandler) // what was sent is not whole, and must not look so
	}
	return nil
}

type begun struct {
	w   io.Writer
	yes bool
}

func (b *begun) Write(p []byte) (int, error) {
	b.yes = true
	return b.w.Write(p)
}

// disposition is a Content-Disposition for a file (RFC 6266), with the name in
// ASCII for old programs and whole for others (RFC 8187).
func disposition(name string) string {
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\%;`, r) {
			return '_'
		}
		return r
	}, name)
	return `attachment; filename="` + plain + `"; filename*=UTF-8''` + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}
