package account

import (
	"bytes"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// textOnly checks that a file is text: UTF-8 without control characters but
// tab and line ends.
type textOnly struct {
	rest []byte // of a character that has not come whole
	line int    // lines that are complete
}

func (t *textOnly) Write(p []byte) (int, error) {
	whole := len(p)
	if len(t.rest) > 0 {
		p = append(t.rest, p...)
		t.rest = nil
	}
	for len(p) > 0 {
		r, n := utf8.DecodeRune(p)
		switch {
		case r == utf8.RuneError && n <= 1:
			if !utf8.FullRune(p) {
				t.rest = append([]byte(nil), p...)
				return whole, nil
			}
			return 0, t.wrong()
		case r < ' ' && r != '\t' && r != '\n' && r != '\r' && r != '\f', r == 0x7f:
			return 0, t.wrong()
		case r == '\n':
			t.line++
		}
		p = p[n:]
	}
	return whole, nil
}

func (t *textOnly) wrong() error {
	return toll.FieldError("file", "The file is no UTF-8 text: line %d holds something else.", t.line+1)
}

func (t *textOnly) End() error {
	if len(t.rest) > 0 {
		return t.wrong()
	}
	return nil
}

// kindOfFile is a kind of file that is taken as an attachment.
type kindOfFile struct {
	mediaType string
	says      string   // what people call it
	begins    string   // how its content begins; "": text
	endings   []string // that names of such files have
}

// attachable are the kinds of files that support takes. None of them does
// anything by itself when somebody opens it.
var attachable = []kindOfFile{
	{"image/png", "a PNG picture", "\x89PNG\r\n\x1a\n", []string{".png"}},
	{"image/jpeg", "a JPEG picture", "\xff\xd8\xff", []string{".jpg", ".jpeg"}},
	{"application/pdf", "a PDF", "%PDF-", []string{".pdf"}},
	{"text/plain; charset=utf-8", "text", "", []string{".txt", ".log", ".csv", ".json", ".yml", ".yaml", ".md", ".tsv"}},
}

// attachmentType finds out what a file is by its content. A name that says
// otherwise is a lie, and refused.
type attachmentType struct {
	name string
	head []byte
	kind *kindOfFile
	text textOnly
}

// sniffed is how many bytes it takes to know what a file is.
const sniffed = 8

func (a *attachmentType) Write(p []byte) (int, error) {
	if a.kind != nil {
		if a.kind.begins == "" {
			return a.text.Write(p)
		}
		return len(p), nil
	}
	// No more than that is looked at first, in however large parts it comes: else
	// what is said of a wrong file would hang on how it was sent.
	more := min(len(p), sniffed-len(a.head))
	if a.head = append(a.head, p[:more]...); len(a.head) < sniffed {
		return len(p), nil
	}
	if err := a.know(); err != nil {
		return 0, err
	}
	if _, err := a.Write(p[more:]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// know decides by the first bytes.
func (a *attachmentType) know() error {
	for i := range attachable {
		if k := &attachable[i]; bytes.HasPrefix(a.head, []byte(k.begins)) {
			a.kind = k
			break
		}
	}
	ending := strings.ToLower(path.Ext(a.name))
	for i := range attachable {
		k := &attachable[i]
		if k == a.kind {
			continue
		}
		for _, e := range k.endings {
			if e == ending {
				return toll.FieldError("file", "%s is called as %s is, and is none.", a.name, k.says)
			}
		}
	}
	if a.kind.begins != "" {
		return nil
	}
	if _, err := a.text.Write(a.head); err != nil {
		return a.none()
	}
	return nil
}

func (a *attachmentType) none() error {
	return toll.FieldError("file", "%s is neither text nor a PNG, JPEG or PDF. Other files are not taken.", a.name)
}

func (a *attachmentType) End() error {
	if a.kind == nil {
		if err := a.know(); err != nil {
			return err
		}
	}
	if a.kind.begins == "" && a.text.End() != nil {
		return a.none()
	}
	return nil
}
