package httpcache

import (
	"context"
	"maps"
	"strconv"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// note is what the Cache-Status field says of one answer (RFC 9211 §2).
type note struct {
	fwd       string // why it was forwarded, "" for a hit
	fwdStatus int    // what the upstream answered, 0 when the client got the same
	collapsed bool
	stored    bool
	hasTTL    bool
	ttl       int64 // seconds of freshness left, negative when it is stale
	detail    string
}

// cacheName is this cache's name in Cache-Status.
const cacheName = "tollhouse"

// text writes the note; b is space for it.
func (n *note) text(b []byte) string {
	b = append(b, cacheName...)
	if n.fwd == "" {
		b = append(b, "; hit"...)
	} else {
		b = append(append(b, "; fwd="...), n.fwd...)
	}
	if n.fwdStatus != 0 {
		b = strconv.AppendInt(append(b, "; fwd-status="...), int64(n.fwdStatus), 10)
	}
	if n.hasTTL {
		b = strconv.AppendInt(append(b, "; ttl="...), n.ttl, 10)
	}
	if n.stored {
		b = append(b, "; stored"...)
	}
	if n.collapsed {
		b = append(b, "; collapsed"...)
	}
	if n.detail != "" {
		b = append(append(b, "; detail="...), n.detail...)
	}
	return string(b)
}

// outward makes an answer's fields ready for the client: Surrogate-Key is
// between the service and its caches, and Cache-Status says what happened, after
// what caches further in said.
func (c *Cache) outward(h exchange.Header, n note) {
	if !c.settings.Load().PassTags {
		h.Del("Surrogate-Key")
	}
	h.Add("Cache-Status", n.text(make([]byte, 0, 96)))
}

// served is an answer from a stored object, made in one piece.
type served struct {
	response exchange.Response
	reader   reader
	values   [2]string
}

// respond answers from an object whose body is whole, or coming with a known length.
func (c *Cache) respond(a *ask, o *object, now time.Time, n note) *exchange.Response {
	s := new(served)
	s.reader.of = o.body
	s.response = exchange.Response{Status: o.status, Header: c.headOf(a, o, now, n, &s.values), Length: o.length, Body: &s.reader}
	switch {
	case o.status == 200 && a.conditional() && exchange.NotModified(a.request.Header, o.etag, o.modified):
		notModifiedHead(&s.response)
		if n.fwd == "" { // nobody did the work, and nobody gets it
			s.response.Header.Del(usageField)
		}
	case a.ranged:
		if part, ok, _ := partOf(a, o); ok {
			s.reader.of = wholeContent(o.body.data[part.Start : part.Start+part.Length])
			s.response.Status, s.response.Length = 206, part.Length
			s.response.Header.Set("Content-Range", part.ContentRange(o.length))
		}
	case a.request.Method == "HEAD":
		s.response.Body = nothing{}
	}
	return &s.response
}

// headOf copies a stored head for one client. values is where the texts live
// that are this answer's own.
func (c *Cache) headOf(a *ask, o *object, now time.Time, n note, values *[2]string) exchange.Fields {
	h := maps.Clone(o.header)
	if !c.settings.Load().PassTags {
		delete(h, "Surrogate-Key")
	}
	var space [96]byte
	n.hasTTL, n.ttl = true, floorSeconds(o.left(now))
	values[0] = strconv.FormatInt(max(0, int64(o.age(now)/time.Second)), 10)
	values[1] = n.text(space[:0])
	h["Age"] = values[0:1:1]
	if inner := h["Cache-Status"]; len(inner) > 0 {
		h["Cache-Status"] = append(inner[:len(inner):len(inner)], values[1])
	} else {
		h["Cache-Status"] = values[1:2:2]
	}
	return h
}

func floorSeconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d < 0 && d%time.Second != 0 {
		s--
	}
	return s
}

// notModifiedHead turns an answer into a 304 without what describes a body
// (RFC 9110 §15.4.5).
func notModifiedHead(r *exchange.Response) {
	for _, name := range [...]string{"Content-Length", "Content-Type", "Content-Encoding", "Content-Language", "Content-Range"} {
		r.Header.Del(name)
	}
	if r.Header.Get("ETag") != "" {
		r.Header.Del("Last-Modified")
	}
	r.Status, r.Length, r.Body = 304, -1, nothing{}
}

// serveLanded answers with what came of a flight. served is false when it was
// not for this request; the flight is then left.
func (c *Cache) serveLanded(ctx context.Context, f *flight, a *ask, stored *object, why string, leads bool) (_ *exchange.Response, result Result, served bool, _ error) {
	l := &f.landed
	now := c.clock()
	leave := f.exit
	if leads {
		leave = f.desert
	}
	if leads && l.panicked != "" {
		leave()
		panic(l.panicked) // here whoever serves the request sees it
	}
	if (l.err != nil || failedStatus(l.status)) && a.useOnError(stored, now) {
		leave()
		n := note{fwd: why, fwdStatus: l.status, detail: "stale-if-error"}
		return c.respond(a, stored, now, n), Result{Cached: true, Word: wordStale}, true, nil
	}
	if l.err != nil {
		leave()
		return nil, Result{Word: wordMiss}, true, l.err
	}
	if leads {
		result.Word = wordMiss
		if l.response != nil {
			return c.own(ctx, f, a, why), result, true, nil
		}
		if l.fresh304 {
			result.Word = wordValidated
		}
		return c.lay(ctx, f, a, now, why), result, true, nil
	}
	if !a.fits(l, f.leader) {
		leave()
		return nil, result, false, nil
	}
	o := l.object
	if o.length < 0 {
		select {
		case <-f.done:
		case <-ctx.Done():
			leave()
			return nil, Result{Word: wordMiss}, true, clientGone(ctx)
		}
		if o = f.kept; o == nil {
			leave()
			return nil, result, false, nil
		}
	}
	response := c.respond(a, o, now, note{fwd: why, collapsed: true})
	attend(ctx, response, leave)
	return response, Result{Cached: true, Word: wordShared}, true, nil
}

// attend keeps a flight for as long as an answer is read.
func attend(ctx context.Context, response *exchange.Response, leave func()) {
	r, ok := response.Body.(*reader)
	if !ok {
		leave()
		return
	}
	r.after = leave
	if !r.of.whole.Load() {
		r.watch(ctx)
	}
}

// own gives the leader an answer that is not kept.
func (c *Cache) own(ctx context.Context, f *flight, a *ask, why string) *exchange.Response {
	response := f.landed.response
	c.outward(response.Header, note{fwd: why})
	stop := context.AfterFunc(ctx, f.cancel)
	response.Body = &ending{ReadCloser: response.Body, after: func() {
		stop()
		f.exit()
	}}
	h := response.Header
	modified, _ := exchange.ParseDate(lastModified(h))
	// The client's condition was not sent, so that the answer could be kept;
	// it still is the client's.
	if response.Status == 200 && a.conditional() && exchange.NotModified(a.request.Header, etagOf(h), modified) {
		_ = response.Body.Close() // the client has it already
		notModifiedHead(response)
		h.Set("Cache-Status", (&note{fwd: why, fwdStatus: 200}).text(nil))
	}
	return response
}

// lay gives the leader an answer that is stored, or is being stored as it comes.
func (c *Cache) lay(ctx context.Context, f *flight, a *ask, now time.Time, why string) *exchange.Response {
	l := &f.landed
	n := note{fwd: why, stored: l.verdict != notKept}
	if l.fresh304 {
		n.fwdStatus = 304
	}
	response := c.respond(a, l.object, now, n)
	if !l.fresh304 && l.object.initialAge < time.Second {
		response.Header.Del("Age") // it comes from the service itself
	}
	for name, values := range l.fields {
		for _, v := range values {
			response.Header.Add(name, v)
		}
	}
	response.Upstream, response.Tries = l.upstream, l.tries
	if r, ok := response.Body.(*reader); ok {
		r.leader = true
		response.Trailer = l.trailer
		attend(ctx, response, f.exit)
		return response
	}
	// A 304 for the client, while what came is stored.
	c.begin(func() {
		<-f.done
		f.desert()
	})
	return response
}
