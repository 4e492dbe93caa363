package edge

import (
	"io"
	"strings"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// compressed returns a Writer that compresses what is answered to r where the
// service offers it, the client takes it and the answer gains by it; else w
// itself. The encoder holds the last part of the body back until End, which
// comes after the event was recorded.
func compressed(w exchange.Writer, r *exchange.Request, service *toll.Service) exchange.Writer {
	if len(service.Compress) == 0 {
		return w
	}
	return &compressor{Writer: w, request: r, offered: service.Compress}
}

// compressor is an exchange.Writer before a front's own. It decides at the head
// of the answer.
type compressor struct {
	exchange.Writer
	request *exchange.Request
	offered []toll.Coding

	coding  toll.Coding
	encoder encoder // nil: what is written passes through
	sent    int64   // bytes of the coded body
	failed  error   // the first error of the front's own Writer
}

var _ exchange.Writer = (*compressor)(nil)

// Head decides, and changes the fields so that they are those of the answer
// that the client gets. A HEAD is answered as a GET with the same head would be.
func (c *compressor) Head(status int, h exchange.Header, length int64) error {
	if status == 304 {
		c.notModified(h)
		return c.Writer.Head(status, h, length)
	}
	if !compressible(status, h, length) {
		return c.Writer.Head(status, h, length)
	}
	vary(h, "Accept-Encoding")                                               // the others too: a cache must not give this one to everybody
	if hasMember(c.request.Header.Values("Cache-Control"), "no-transform") { // RFC 9111 §5.2.1.6
		return c.Writer.Head(status, h, length)
	}
	c.coding = exchange.Negotiate(c.request.Header.Values("Accept-Encoding"), c.offered)
	if c.coding == "" {
		return c.Writer.Head(status, h, length)
	}
	h.Set("Content-Encoding", string(c.coding))
	h.Del("Content-Length")
	h.Del("Accept-Ranges") // a range of the service's bytes is none of these
	if tag := h.Get("Etag"); strings.HasPrefix(tag, `"`) {
		h.Set("Etag", "W/"+tag) // equal in meaning, not byte for byte (RFC 9110 §8.8.1)
	}
	if hasBody(c.request.Method, status) {
		c.encoder = encoders[c.coding].Get().(encoder)
		c.encoder.Reset(sink{c})
	}
	return c.Writer.Head(status, h, -1)
}

// notModified makes a 304 speak of what its client keeps: when the service's
// strong tag was asked for as the weak one that Head made of it, the answer
// says that too, or the client could not tell that it is the same (RFC 9111
// §4.3.4).
func (c *compressor) notModified(h exchange.Header) {
	tag := h.Get("Etag")
	if !strings.HasPrefix(tag, `"`) {
		return
	}
	for _, field := range c.request.Header.Values("If-None-Match") {
		if strings.Contains(field, "W/"+tag) {
			h.Set("Etag", "W/"+tag)
			vary(h, "Accept-Encoding")
			return
		}
	}
}

// Write compresses a part of the body.
func (c *compressor) Write(p []byte) (int, error) {
	if c.encoder == nil {
		return c.Writer.Write(p)
	}
	return c.encoder.Write(p)
}

// Flush makes everything written so far readable for the client.
func (c *compressor) Flush() error {
	if c.encoder != nil {
		if err := c.encoder.Flush(); err != nil {
			return err
		}
	}
	return c.Writer.Flush()
}

// End writes what the encoder still holds, and then ends the answer.
func (c *compressor) End(handed func(whole bool)) {
	if c.encoder != nil {
		err := c.encoder.Close()
		c.release()
		if err != nil || c.failed != nil {
			c.Writer.Abort()
			handed(false)
			return
		}
	}
	c.Writer.End(handed)
}

// Abort ends the connection; what the encoder holds is lost on purpose.
func (c *compressor) Abort() {
	c.release()
	c.Writer.Abort()
}

// release gives the encoder back to the others.
func (c *compressor) release() {
	if c.encoder == nil {
		return
	}
	c.encoder.Reset(io.Discard) // it must not keep the client's connection
	encoders[c.coding].Put(c.encoder)
	c.encoder = nil
}

// sink is where an encoder writes to. Brotli's forgets an error at its next
// Reset, so the first one is kept here.
type sink struct{ c *compressor }

func (s sink) Write(p []byte) (int, error) {
	n, err := s.c.Writer.Write(p)
	s.c.sent += int64(n)
	if err != nil && s.c.failed == nil {
		s.c.failed = err
	}
	return n, err
}

// vary adds a field's name to Vary, unless it stands there or everything does
// (RFC 9110 §12.5.5).
func vary(h exchange.Header, name string) {
	fields := h.Values("Vary")
	if hasMember(fields, name) || hasMember(fields, "*") {
		return
	}
	if len(fields) == 0 {
		h.Set("Vary", name)
		return
	}
	h.Set("Vary", strings.Join(fields, ", ")+", "+name)
}
