package framing

import (
	"bytes"
	"errors"
)

// Why a message is refused. Reads of the connection fail with these.
var (
	ErrLine     = errors.New("a line does not end with CRLF (RFC 9112 §2.2)")
	ErrFold     = errors.New("a field is folded over lines (RFC 9112 §5.2)")
	ErrLengths  = errors.New("the message has two lengths (RFC 9112 §6.3)")
	ErrLength   = errors.New("Content-Length is no number (RFC 9110 §8.6)")
	ErrVersion  = errors.New("Transfer-Encoding in a message of HTTP/1.0 (RFC 9112 §6.1)")
	ErrChunk    = errors.New("a chunk is malformed (RFC 9112 §7.1)")
	ErrStatus   = errors.New("what came is no status line of HTTP/1 (RFC 9112 §4)")
	ErrUnasked  = errors.New("there are bytes that belong to no request")
	errNotKnown = errors.New("the message has a framing that is not known here")
)

// state is what the next byte belongs to.
type state uint8

const (
	atStart  state = iota // the first line
	atFields              // a field, or the end of the head
	atBody                // a counted body, left bytes of it
	atSize                // a chunk's size
	atChunk               // a chunk's data, left bytes of it, its CRLF among them
	atTrailer
	atClose // a body that only the connection's end ends
	atEnd   // nothing: the message is complete
)

// endless is longer than any connection lasts, in bytes.
const endless = 1 << 62

// maxLine is how much of a line is looked at. Longer ones are let through,
// where they are no framing.
const maxLine = 256

// walker walks over one message after another.
type walker struct {
	state state
	left  int64

	line []byte // the beginning of a line that came in portions
	last byte   // the byte before the next one, within a line
	long bool   // the line is longer than maxLine

	lenient bool // LF ends a line too, and folded lines are nothing

	old        bool // before HTTP/1.1
	length     int64
	hasLength  bool
	hasCoding  bool
	chunked    bool
	hasUpgrade bool
}

// begin is for the next message.
func (w *walker) begin() { *w = walker{line: w.line[:0], lenient: w.lenient} }

// walk goes over p up to the end of a message or of a head, whichever comes
// first, or to the end of p. It returns how many bytes it took. first is given
// the first line, head is called at a head's end and sets what follows.
func (w *walker) walk(p []byte, first func(line []byte) error, head func() error) (n int, err error) {
	for n < len(p) {
		switch w.state {
		case atEnd:
			return n, nil
		case atClose:
			return len(p), nil
		case atBody, atChunk:
			step := min(w.left, int64(len(p)-n))
			if w.state == atChunk && w.left-step < 2 { // the CRLF behind the data
				if err := w.closing(p[n : n+int(step)]); err != nil {
					return n + int(max(w.left-2, 0)), err // the data themselves are good
				}
			}
			n += int(step)
			if w.left -= step; w.left > 0 {
				continue
			}
			if w.state == atBody {
				w.state = atEnd
			} else {
				w.state = atSize
			}
			continue
		}
		line, took, whole, err := w.take(p[n:])
		if err != nil {
			return n + took, err
		}
		n += took
		if !whole {
			return n, nil
		}
		if err := w.read(line, first, head); err != nil {
			return n - 1, err // without the end of its line, whoever reads sees it unfinished
		}
		w.line, w.long, w.last = w.line[:0], false, 0
	}
	return n, nil
}

// closing looks at the part of a chunk that has bytes of its CRLF: left counts
// both data and CRLF before the part.
func (w *walker) closing(part []byte) error {
	after := w.left - int64(len(part))
	if after == 0 && part[len(part)-1] != '\n' {
		return ErrChunk
	}
	// The CR is the last byte but one.
	if at := int(w.left - 2); at >= 0 && at < len(part) && part[at] != '\r' {
		return ErrChunk
	}
	return nil
}

// take gives a whole line without its CRLF, out of p and what came before.
func (w *walker) take(p []byte) (line []byte, took int, whole bool, err error) {
	end := bytes.IndexByte(p, '\n')
	if end < 0 {
		w.keep(p)
		return nil, len(p), false, nil
	}
	before := w.last
	if end > 0 {
		before = p[end-1]
	}
	if before != '\r' && !w.lenient {
		return nil, end, false, ErrLine
	}
	if len(w.line) == 0 && !w.long && end <= maxLine {
		return bytes.TrimSuffix(p[:end], []byte{'\r'}), end + 1, true, nil
	}
	w.keep(p[:end])
	return bytes.TrimSuffix(w.line, []byte{'\r'}), end + 1, true, nil
}

func (w *walker) keep(p []byte) {
	if len(p) == 0 {
		return
	}
	w.last = p[len(p)-1]
	if room := maxLine - len(w.line); len(p) > room {
		p, w.long = p[:room], true
	}
	w.line = append(w.line, p...)
}

// read takes a whole line.
func (w *walker) read(line []byte, first func([]byte) error, head func() error) error {
	switch w.state {
	case atStart:
		w.state = atFields
		return first(line)
	case atFields:
		if len(line) > 0 {
			return w.field(line)
		}
		w.state = atEnd
		return head()
	case atSize:
		return w.size(line)
	case atTrailer:
		switch {
		case len(line) == 0:
			w.state = atEnd
		case (line[0] == ' ' || line[0] == '\t') && !w.lenient:
			return ErrFold
		}
	}
	return nil
}

// field looks for what says how long a message is.
func (w *walker) field(line []byte) error {
	if line[0] == ' ' || line[0] == '\t' {
		if w.lenient {
			return nil
		}
		return ErrFold
	}
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return nil // it is no field, and net/http says so
	}
	value := bytes.Trim(line[colon+1:], " \t")
	switch name := line[:colon]; {
	case is(name, "content-length"):
		length, ok := decimal(value)
		switch {
		case !ok || w.long:
			return ErrLength
		case w.hasCoding || w.hasLength && length != w.length:
			return ErrLengths
		}
		w.hasLength, w.length = true, length
	case is(name, "transfer-encoding"):
		if w.old {
			return ErrVersion
		}
		if w.hasLength {
			return ErrLengths
		}
		w.chunked = !w.hasCoding && !w.long && is(value, "chunked")
		w.hasCoding = true
	case is(name, "upgrade"):
		w.hasUpgrade = true
	}
	return nil
}

// body sets what follows a head by its fields; what says nothing has none.
func (w *walker) body() error {
	switch {
	case w.chunked:
		w.state = atSize
	case w.hasCoding:
		return errNotKnown
	case w.hasLength && w.length > 0:
		w.state, w.left = atBody, w.length
	}
	return nil
}

// size reads a chunk's size.
func (w *walker) size(line []byte) error {
	var size int64
	digits := 0
	for digits < len(line) {
		d := hexDigit(line[digits])
		if d < 0 {
			break
		}
		if digits++; digits > 16 {
			return ErrChunk
		}
		size = min(size, endless>>5)<<4 | int64(d)
	}
	rest := bytes.TrimLeft(line[digits:], " \t")
	if digits == 0 || len(rest) > 0 && rest[0] != ';' || w.long && len(rest) == 0 {
		return ErrChunk
	}
	if size == 0 {
		w.state = atTrailer
		return nil
	}
	w.state, w.left = atChunk, size+2
	return nil
}

// is compares without regard to case; want is in small letters.
func is(name []byte, want string) bool {
	if len(name) != len(want) {
		return false
	}
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != want[i] {
			return false
		}
	}
	return true
}

func decimal(value []byte) (n int64, ok bool) {
	if len(value) == 0 || len(value) > 19 {
		return 0, false
	}
	for _, c := range value {
		if c < '0' || c > '9' || n > (1<<63-1-9)/10 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
