package edge

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

const relayBuffer = 32 << 10

var buffers = sync.Pool{New: func() any {
	b := make([]byte, relayBuffer)
	return &b
}}

var errShortBody = errors.New("the upstream's answer ended before its length")

// relay hands a service's answer to the client. Its event is in the journal
// before the last byte: before the part that completes a body of known length,
// before the end of one of unknown length, before the head of one without.
func (k *walk) relay(ctx context.Context, c *Chain, w exchange.Writer, r *exchange.Request, body *Body, response *exchange.Response) {
	usage := takeUsage(response.Header)
	if !hasBody(r.Method, response.Status) || response.Length == 0 {
		k.seen.BytesIn = body.Count()
		if !k.recordOrRefuse(c, w, r, response, usage) {
			return
		}
		length := response.Length
		k.seen.Delivered = w.Head(response.Status, response.Header, length) == nil
		return
	}
	pooled := buffers.Get().(*[]byte)
	defer buffers.Put(pooled)
	buf := *pooled

	stream, headSent, last := response.Length < 0, false, byte('\n')
	var ended atomic.Bool
	if stream && isEventStream(response.Header) {
		if err := k.pass.Open(); err != nil && !c.Unmetered() {
			k.fail(c, w, r, &exchange.Failure{Status: 503, Type: "proxy_internal_error", Cause: err})
			return
		}
		c.streams.begin(k, func() { ended.Store(true); _ = response.Body.Close() })
		headSent = true // its first event may be long in coming
		if w.Head(response.Status, response.Header, response.Length) != nil || w.Flush() != nil {
			k.leave(c, response, body, usage, buf, nil, ended.Load)
			return
		}
	}
	for {
		if k.stay != nil && ctx.Err() != nil {
			w.Abort() // what was sent is not whole
			k.leave(c, response, body, usage, buf, nil, ended.Load)
			return
		}
		n, err := response.Body.Read(buf)
		k.seen.BytesOut += int64(n)
		whole := response.Length >= 0 && k.seen.BytesOut == response.Length
		if errors.Is(err, io.EOF) && !whole && response.Length >= 0 {
			err = errShortBody
		}
		if err != nil && !errors.Is(err, io.EOF) {
			if k.stay != nil && ctx.Err() != nil {
				w.Abort()
				k.leave(c, response, body, usage, buf, err, ended.Load)
				return
			}
			if headSent && (ctx.Err() != nil || ended.Load() || isEventStream(response.Header) && k.overLimit(c)) {
				k.cut = !ended.Load() && ctx.Err() == nil // a stream that had all its time
				k.left(c, response.Status, body, usage)
				if ctx.Err() == nil && mayAdd(response.Header) && k.seen.Err == nil {
					if _, err := w.Write(comeAgain(last)); err == nil {
						k.seen.Delivered = true
						return
					}
				}
				w.Abort()
				return
			}
			k.broken(c, w, r, response, headSent, err)
			return
		}
		end := whole || errors.Is(err, io.EOF)
		if end {
			usage = append(usage, takeUsage(response.Trailer)...)
			k.seen.BytesIn = body.Count()
			if !headSent {
				if !k.recordOrRefuse(c, w, r, response, usage) {
					return
				}
			} else if ok, err := k.record(c, response.Status, true, usage); !ok && !c.Unmetered() {
				k.seen.Err = err
				w.Abort() // what was sent is not whole, and must not look so
				return
			}
		}
		if !headSent {
			headSent = true
			if err := w.Head(response.Status, response.Header, response.Length); err != nil {
				k.leave(c, response, body, usage, buf, nil, ended.Load)
				return
			}
		}
		if n > 0 {
			last = buf[n-1]
			if _, err := w.Write(buf[:n]); err != nil {
				k.leave(c, response, body, usage, buf, nil, ended.Load)
				return
			}
			if stream && !end {
				if err := w.Flush(); err != nil {
					k.leave(c, response, body, usage, buf, nil, ended.Load)
					return
				}
			}
		}
		if end {
			if response.Trailer != nil {
				for name, value := range response.Trailer.All() {
					w.Trailer(name, value)
				}
			}
			k.seen.Delivered = true
			return
		}
	}
}

// recordOrRefuse records before anything was sent, and answers 503 itself when
// that fails and the configuration does not want to serve without metering.
func (k *walk) recordOrRefuse(c *Chain, w exchange.Writer, r *exchange.Request, response *exchange.Response, usage []string) bool {
	if _, err := k.record(c, response.Status, true, usage); err != nil {
		k.seen.Err = err
		if !c.Unmetered() {
			k.send(c, w, c.Answers.Unmetered(r))
			return false
		}
	}
	return true
}

// broken ends an answer that the upstream did not finish: it is not whole, so
// it is not billed. Before its head the client gets a 502, after it a
// connection that ends.
func (k *walk) broken(c *Chain, w exchange.Writer, r *exchange.Request, response *exchange.Response, headSent bool, err error) {
	if !headSent {
		var failure *exchange.Failure
		if !errors.As(err, &failure) {
			err = &exchange.Failure{Status: 502, Type: "http_response_incomplete", Upstream: response.Upstream, Cause: err}
		}
		k.seen.BytesOut = 0
		k.fail(c, w, r, err)
		return
	}
	k.seen.Err = err
	if _, err := k.record(c, response.Status, false, nil); err != nil {
		k.seen.Err = errors.Join(k.seen.Err, err)
	}
	w.Abort()
}

// left records an answer of the service that the client did not stay for: it
// was made, so it counts (LIFECYCLE.md, What is counted).
func (k *walk) left(c *Chain, status int, body *Body, usage []string) {
	k.seen.BytesIn = body.Count()
	if _, err := k.record(c, status, true, usage); err != nil {
		k.seen.Err = err
	}
}

// overLimit tells whether a stream has had all of its time.
func (k *walk) overLimit(c *Chain) bool {
	limit := k.pass.Service.Timeouts.Stream
	return limit > 0 && c.Clock().Sub(k.seen.Request.Arrived) >= limit
}

// takeUsage removes the Tollhouse-Usage fields and returns their values: they
// are between the service and us.
func takeUsage(h exchange.Header) []string {
	if h == nil {
		return nil
	}
	values := h.Values(usageField)
	if len(values) > 0 {
		h.Del(usageField)
	}
	return values
}

// hasBody tells whether an answer to method with status may have a body (RFC 9110 §6.4.1).
func hasBody(method string, status int) bool {
	return method != "HEAD" && status >= 200 && status != 204 && status != 304
}

func isEventStream(h exchange.Header) bool {
	return strings.HasPrefix(h.Get("Content-Type"), "text/event-stream")
}

// writeWhole sends an answer that is in memory.
func writeWhole(w exchange.Writer, method string, response *exchange.Response) error {
	if err := w.Head(response.Status, response.Header, response.Length); err != nil {
		return err
	}
	if !hasBody(method, response.Status) {
		return nil
	}
	all, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	_, err = w.Write(all)
	return err
}
