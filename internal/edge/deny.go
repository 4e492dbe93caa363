package edge

import (
	"bytes"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// denial says whether refusals come as 403, for proxies that pass nothing on
// but 2xx, 401 and 403 (nginx's auth_request). What would be lost stands in
// fields then: Tollhouse-Status has the status, Tollhouse-Problem the problem
// document in ASCII.
type denial bool

// denyOf reads the mode from the query of a question ("deny=403"). What else
// stands there is not looked at: some proxies leave the client's query on it.
func denyOf(query string) (denial, error) {
	if !strings.Contains(query, "deny") {
		return false, nil
	}
	values, _ := url.ParseQuery(query) // what can be read of it
	switch of := values["deny"]; {
	case len(of) == 0:
		return false, nil
	case len(of) == 1 && of[0] == "403":
		return true, nil
	}
	return false, toll.Errorf(toll.Invalid, "deny takes 403, and nothing else.")
}

// fold gives a refusal the form of the mode; what lets a request in, and 401,
// stay as they are.
func (d denial) fold(response *exchange.Response) *exchange.Response {
	if !d || response.Status/100 == 2 {
		return response
	}
	body, err := io.ReadAll(response.Body)
	if err != nil { // it is in memory
		body = nil
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	response.Header.Set(statusField, strconv.Itoa(response.Status))
	response.Header.Set(problemField, asciiJSON(bytes.TrimSpace(body)))
	if response.Status != 401 {
		response.Status = 403
	}
	return response
}

// asciiJSON writes a JSON text on one line of ASCII, so that it is a field's
// value. Outside of strings a JSON text is ASCII already, and inside of them
// each character may be written by its number (RFC 8259 §7).
func asciiJSON(text []byte) string {
	var out bytes.Buffer
	for _, r := range string(text) {
		switch {
		case r < ' ': // a line break between tokens
			out.WriteByte(' ')
		case r < 0x7f:
			out.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&out, "\\u%04x", r)
		default:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, "\\u%04x\\u%04x", high, low)
		}
	}
	return out.String()
}
