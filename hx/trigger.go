package hx

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Event is one event that an answer fires in the page (HX-Trigger).
type Event struct {
	// Name is the event's name: not empty, without control characters.
	Name string
	// Detail is the event's detail, as encoding/json writes it. An object with a
	// field "target" is fired on the element of that CSS selector; anything else
	// but an object arrives as detail.value. nil is a detail without content.
	Detail any
}

// Trigger adds events to an answer. htmx 2 fires them before the content is
// swapped in, htmx 4 after. Events that other code added before are kept; an
// event of the same name is replaced. It fails for a detail that is no JSON, an
// empty name, or a list of more than 8 KB, which servers on the way refuse; the
// header is left as it was then.
func Trigger(w http.ResponseWriter, events ...Event) error {
	return addEvents(w.Header(), headerTrigger, events)
}

// TriggerAfterSwap adds events that fire when the new content is in the page,
// with both versions of htmx. It fails as Trigger does.
func TriggerAfterSwap(w http.ResponseWriter, r *http.Request, events ...Event) error {
	if Read(r).Version == HTMX2 {
		return addEvents(w.Header(), "HX-Trigger-After-Swap", events)
	}
	return addEvents(w.Header(), headerTrigger, events)
}

const longestTrigger = 8 << 10

func addEvents(h http.Header, name string, events []Event) error {
	all, err := ParseTrigger(h.Get(name))
	if err != nil {
		all = nil // somebody else's mistake; no browser could read it either
	}
	for _, e := range events {
		if e.Name == "" || strings.ContainsFunc(e.Name, func(c rune) bool { return c < ' ' || c == 0x7f }) {
			return fmt.Errorf("hx: %q cannot be the name of an event", e.Name)
		}
		raw := json.RawMessage("null")
		if e.Detail != nil {
			if raw, err = json.Marshal(e.Detail); err != nil {
				return fmt.Errorf("hx: the detail of event %s: %w", e.Name, err)
			}
		}
		e.Detail = raw
		replaced := false
		for i := range all {
			if all[i].Name == e.Name {
				all[i], replaced = e, true
			}
		}
		if !replaced {
			all = append(all, e)
		}
	}
	var b bytes.Buffer
	b.WriteByte('{')
	for i, e := range all {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(e.Name)
		if err != nil {
			return fmt.Errorf("hx: the name of event %q: %w", e.Name, err)
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(e.Detail.(json.RawMessage))
	}
	b.WriteByte('}')
	text := asciiJSON(b.Bytes())
	if len(text) > longestTrigger {
		return fmt.Errorf("hx: the events of an answer take %d bytes of a header; send names, and let the page ask for the rest", len(text))
	}
	h.Set(name, text)
	return nil
}

// ParseTrigger reads the value of an HX-Trigger header: a JSON object, or names
// with commas between them. Details are json.RawMessage. "" is no events.
func ParseTrigger(value string) ([]Event, error) {
	if value == "" {
		return nil, nil
	}
	var all []Event
	if value[0] != '{' {
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.TrimSpace(name); name != "" {
				all = append(all, Event{Name: name, Detail: json.RawMessage("null")})
			}
		}
		return all, nil
	}
	in := json.NewDecoder(strings.NewReader(value))
	if _, err := in.Token(); err != nil {
		return nil, fmt.Errorf("hx: reading events: %w", err)
	}
	for in.More() {
		name, err := in.Token()
		if err != nil {
			return nil, fmt.Errorf("hx: reading events: %w", err)
		}
		var detail json.RawMessage
		if err := in.Decode(&detail); err != nil {
			return nil, fmt.Errorf("hx: reading the event %v: %w", name, err)
		}
		all = append(all, Event{Name: name.(string), Detail: detail})
	}
	if _, err := in.Token(); err != nil {
		return nil, fmt.Errorf("hx: reading events: %w", err)
	}
	if in.InputOffset() != int64(len(strings.TrimRight(value, " \t"))) {
		return nil, fmt.Errorf("hx: reading events: more than one JSON value")
	}
	return all, nil
}

// asciiJSON escapes what is not ASCII: a browser reads header bytes as Latin-1.
func asciiJSON(b []byte) string {
	var out strings.Builder
	for len(b) > 0 {
		if b[0] < utf8.RuneSelf {
			out.WriteByte(b[0])
			b = b[1:]
			continue
		}
		c, n := utf8.DecodeRune(b)
		b = b[n:]
		if c > 0xffff {
			c -= 0x10000
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+(c>>10), 0xdc00+(c&0x3ff))
			continue
		}
		fmt.Fprintf(&out, `\u%04x`, c)
	}
	return out.String()
}
