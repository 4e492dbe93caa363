package nerapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// checkBody reads the whole body and refuses what is no JSON text, with the
// place of the fault, before huma reads it. huma would answer 400 without a
// place, and its JSON decoder would quietly change text that is not Unicode,
// after which no position could be right.
func checkBody(api huma.API) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		body, err := io.ReadAll(io.LimitReader(ctx.BodyReader(), maxBodyBytes+1))
		if err != nil {
			_ = huma.WriteErr(api, ctx, http.StatusBadRequest, "The body could not be read to its end. Send it again.")
			return
		}
		if len(body) > maxBodyBytes {
			_ = huma.WriteErr(api, ctx, http.StatusRequestEntityTooLarge, fmt.Sprintf("The body is longer than %d bytes. A text may have %d characters; send longer ones in parts.", maxBodyBytes, MaxCharacters))
			return
		}
		checked := &checkedContext{humaContext: ctx, body: bytes.NewReader(body)}
		if !isJSON(checked.Header("Content-Type")) {
			_ = huma.WriteErr(api, ctx, http.StatusUnsupportedMediaType, "Send the text as JSON, with Content-Type: application/json.")
			return
		}
		value, fault := wellFormed(body)
		if fault != nil {
			_ = huma.WriteErr(api, ctx, http.StatusUnprocessableEntity, "The body is not well-formed JSON: "+fault.Error()+".", &huma.ErrorDetail{Location: "body", Message: fault.Error()})
			return
		}
		if name, ok := otherCase(value); ok {
			_ = huma.WriteErr(api, ctx, http.StatusUnprocessableEntity, "validation failed", &huma.ErrorDetail{Location: "body." + name, Message: `unexpected property; the property is named "text", in small letters`})
			return
		}
		next(checked)
	}
}

// humaContext has a name of its own because huma.Context has a method Context.
type humaContext = huma.Context

// checkedContext is a huma context whose body was read already.
type checkedContext struct {
	humaContext
	body io.Reader
}

func (c *checkedContext) Unwrap() huma.Context  { return c.humaContext }
func (c *checkedContext) BodyReader() io.Reader { return c.body }

// Header takes what curl -d names when it is told nothing for the JSON that it is.
func (c *checkedContext) Header(name string) string {
	value := c.humaContext.Header(name)
	if http.CanonicalHeaderKey(name) == "Content-Type" {
		if kind, _, err := mime.ParseMediaType(value); err == nil && kind == "application/x-www-form-urlencoded" {
			return "application/json"
		}
	}
	return value
}

func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	kind, parameters, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "application/json" {
		return false
	}
	charset, named := parameters["charset"]
	return !named || charset == "utf-8" || charset == "UTF-8"
}

// otherCase finds a property that huma would take for "text" though it is
// written otherwise ("Text"); to huma's own setting for this, which is one for
// the whole process, other APIs in it may object.
func otherCase(value any) (string, bool) {
	object, _ := value.(map[string]any)
	for name := range object {
		if name != "text" && strings.EqualFold(name, "text") {
			return name, true
		}
	}
	return "", false
}

// A fault is a place in a body, and what is wrong there.
type fault struct {
	line, column int // from 1; the column counts code points
	offset       int // in bytes, from 0
	what         string
}

// Error says where and what, for the client.
func (f *fault) Error() string {
	return fmt.Sprintf("line %d, column %d (byte %d): %s", f.line, f.column, f.offset, f.what)
}

func faultAt(body []byte, offset int, what string) *fault {
	offset = min(offset, len(body))
	before := body[:offset]
	line := bytes.Count(before, []byte("\n"))
	return &fault{
		line:   line + 1,
		column: utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1,
		offset: offset,
		what:   what,
	}
}

// wellFormed checks that a body is one JSON value in UTF-8 (RFC 8259, sections
// 2 and 8.1) whose strings are Unicode (no lone surrogate, section 8.2). It
// returns the value, or the first fault.
func wellFormed(body []byte) (any, *fault) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, faultAt(body, len(body), `the body is empty; send {"text": "…"}`)
	}
	for i := 0; i < len(body); {
		r, size := utf8.DecodeRune(body[i:])
		if r == utf8.RuneError && size == 1 {
			return nil, faultAt(body, i, fmt.Sprintf("the byte 0x%02X is not UTF-8", body[i]))
		}
		i += size
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			offset := int(syntax.Offset)
			if offset < len(body) || err.Error() != "unexpected end of JSON input" {
				offset-- // Offset counts the byte at fault
			}
			return nil, faultAt(body, max(offset, 0), err.Error())
		}
		// A number that no float64 can hold, like 1e999.
		var number *json.UnmarshalTypeError
		if errors.As(err, &number) {
			digits := strings.TrimPrefix(number.Value, "number ")
			start := bytes.LastIndex(body[:min(int(number.Offset), len(body))], []byte(digits))
			return nil, faultAt(body, max(start, 0), "the number "+digits+" is out of range")
		}
		return nil, faultAt(body, 0, err.Error())
	}
	return value, loneSurrogate(body)
}

// loneSurrogate finds an escape like \ud83d that is not half of a pair, in a
// body that is valid JSON.
func loneSurrogate(body []byte) *fault {
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' {
			continue
		}
		if body[i+1] != 'u' {
			i++ // the escaped character, which may be a backslash itself
			continue
		}
		unit := hexUnit(body[i+2:])
		if unit < 0xD800 || unit > 0xDFFF {
			i += 5
			continue
		}
		following := body[i+6:]
		if unit > 0xDBFF || !bytes.HasPrefix(following, []byte(`\u`)) || hexUnit(following[2:]) < 0xDC00 || hexUnit(following[2:]) > 0xDFFF {
			return faultAt(body, i, fmt.Sprintf("the escape %s is half of a character: a surrogate without its pair", body[i:i+6]))
		}
		i += 11
	}
	return nil
}

// hexUnit reads the four hexadecimal digits of an escape; -1 when there are none.
func hexUnit(digits []byte) int64 {
	if len(digits) < 4 {
		return -1
	}
	unit, err := strconv.ParseInt(string(digits[:4]), 16, 32)
	if err != nil {
		return -1
	}
	return unit
}
