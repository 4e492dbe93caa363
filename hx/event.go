package hx

import (
	"errors"
	"strconv"
	"strings"
)

// StreamEvent is one server-sent event (HTML Living Standard, section 9.2).
type StreamEvent struct {
	// Name is what the page listens for; "" is "message". With htmx 4 an event
	// without a name is swapped into the page, and a named one is fired on the
	// element; with htmx 2, sse-swap names what is swapped. No line breaks.
	Name string
	// Data is the text, HTML for a swap. Line breaks of every kind arrive as \n.
	Data string
}

var errEventName = errors.New("hx: the name of a server-sent event holds a line break")

// frame writes the event as it goes over the wire.
func (e StreamEvent) frame(id string) ([]byte, error) {
	if strings.ContainsAny(e.Name, "\r\n") {
		return nil, errEventName
	}
	b := make([]byte, 0, len(e.Data)+len(e.Name)+len(id)+40)
	b = append(append(append(b, "id: "...), id...), '\n')
	if e.Name != "" {
		b = append(append(append(b, "event: "...), e.Name...), '\n')
	}
	rest := e.Data
	for {
		at := strings.IndexAny(rest, "\r\n")
		if at < 0 {
			break
		}
		b = append(append(append(b, "data: "...), rest[:at]...), '\n')
		if strings.HasPrefix(rest[at:], "\r\n") {
			at++
		}
		rest = rest[at+1:]
	}
	b = append(append(append(b, "data: "...), rest...), '\n', '\n')
	return b, nil
}

// position is a place in the events of a hub: which hub, and how many events
// it had published. A hub that was started anew has another epoch.
type position struct {
	epoch string
	seq   uint64
}

func (p position) String() string { return p.epoch + "-" + strconv.FormatUint(p.seq, 10) }

// parsePosition reads an ID that String wrote; ok is false for anything else.
func parsePosition(s string) (p position, ok bool) {
	epoch, seq, found := strings.Cut(s, "-")
	if !found || epoch == "" || len(s) > 64 || seq == "" || (seq[0] == '0' && seq != "0") || seq[0] == '+' {
		return position{}, false
	}
	for i := range len(epoch) {
		if c := epoch[i]; (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return position{}, false
		}
	}
	n, err := strconv.ParseUint(seq, 10, 64)
	if err != nil {
		return position{}, false
	}
	return position{epoch: epoch, seq: n}, true
}
