package upstream

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// answer turns net/http's response into ours.
func (c *call) answer(resp *http.Response, method, upgrade string) (*exchange.Response, *failed) {
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return c.switched(resp, upgrade)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 599 {
		return nil, &failed{status: 502, kind: "http_protocol_error", cause: errStatus}
	}
	out := &exchange.Response{
		Status:   resp.StatusCode,
		Header:   answerFields(resp.Header, false),
		Length:   resp.ContentLength,
		Upstream: c.up.name,
	}
	var trailer exchange.Fields
	if len(resp.TransferEncoding) > 0 || resp.ProtoMajor == 2 { // only then can there be trailers
		trailer = exchange.Fields{}
		out.Trailer = trailer
		if len(resp.Trailer) > 0 {
			out.Header.Set("Trailer", announced(resp.Trailer))
		}
	}
	switch {
	case method == http.MethodHead || resp.StatusCode == http.StatusNotModified:
		out.Length = declared(resp.Header)
	case resp.StatusCode == http.StatusNoContent:
		out.Length = 0
		out.Header.Del("Content-Length") // RFC 9110 §8.6
	case resp.Body != http.NoBody:
		b := &answerBody{call: c, from: resp, trailer: trailer, idle: c.pool.service.Timeouts.Idle}
		if eventStream(out.Header.Get("Content-Type")) {
			b.idle = 0 // silence is how an event stream waits; Timeouts.Stream bounds it
		}
		out.Body = b
		return out, nil
	}
	out.Body = http.NoBody
	c.end()
	return out, nil
}

// declared is the Content-Length of an answer without a body, -1 without one.
func declared(h http.Header) int64 {
	n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

func announced(trailer http.Header) string {
	names := make([]string, 0, len(trailer))
	for name := range trailer {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func eventStream(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(media), "text/event-stream")
}

// answerBody is an answer's body on its way down. It belongs to one goroutine,
// but Close may come from another.
type answerBody struct {
	call    *call
	from    *http.Response
	trailer exchange.Fields
	idle    time.Duration // 0: no limit
	timer   *time.Timer
	err     error
}

// Read reads on. Its error is io.EOF, or an *exchange.Failure when the answer
// broke off.
func (b *answerBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	// The clock runs only while the upstream is waited for, not while the
	// client takes its time to read.
	if b.idle > 0 {
		if b.timer == nil {
			b.timer = time.AfterFunc(b.idle, func() { b.call.cancel(errUpstreamSlow) })
		} else {
			b.timer.Reset(b.idle)
		}
	}
	n, err := b.from.Body.Read(p)
	if b.timer != nil {
		b.timer.Stop()
	}
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		b.err = io.EOF
		b.readTrailer()
	default:
		b.err = b.call.broken(err, b.trailer != nil).public(b.call.up.name)
	}
	b.call.end()
	return n, b.err
}

func (b *answerBody) readTrailer() {
	for name, values := range b.from.Trailer {
		if b.trailer != nil && len(values) > 0 && !hopByHop(name) && name != "Content-Length" {
			b.trailer[name] = values
		}
	}
}

// Close ends the exchange, whether the body was read or not.
func (b *answerBody) Close() error {
	err := b.from.Body.Close()
	b.call.end()
	return err
}

// broken says why a body ended before its end.
func (c *call) broken(err error, chunked bool) *failed {
	f := c.ourside()
	switch {
	case f != nil:
	case broken(err) || !chunked:
		f = &failed{status: 502, kind: "http_response_incomplete", cause: err}
	default:
		f = &failed{status: 502, kind: "http_response_transfer_coding", cause: err}
	}
	if f.theirs() {
		c.up.failed.Add(1)
		if !errors.Is(f.cause, errTooLong) { // a stream that lives as long as it may is none the worse for it
			c.pool.bad(c.up, trouble{kind: f.kind})
		}
	}
	return f
}
