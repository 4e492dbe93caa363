package httpcache

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// fetch asks the upstream, once for many. stored is what is there and may not
// be used without asking, nil for nothing.
func (c *Cache) fetch(ctx context.Context, a *ask, stored *object, why string, next Forwarder) (*exchange.Response, Result, error) {
	asked := c.clock()
	joinable := !a.alone() && !c.hints.holds(a)
	k := key{uri: a.uri}
	for {
		f, leads := c.lead(ctx, k, a, stored, joinable, next)
		if !f.await(ctx, a.request, leads) {
			return nil, Result{Word: wordMiss, Asked: asked, Answered: c.clock()}, clientGone(ctx)
		}
		response, result, served, err := c.serveLanded(ctx, f, a, stored, why, leads)
		if served {
			result.Asked, result.Answered = asked, c.clock()
			return response, result, err
		}
		// What came was not for this request: it asks for itself, with others of
		// its caller where it has one.
		joinable = joinable && a.credential && k.owner == everybody
		k.owner = a.owner
	}
}

// await waits for the head, and leaves the flight when the client does.
func (f *flight) await(ctx context.Context, r *exchange.Request, leads bool) bool {
	var interims chan interim
	if leads {
		interims = f.interims
	}
	for {
		select {
		case i := <-interims:
			r.Interim(i.status, i.fields)
		case <-f.head:
			if leads {
				f.drainInterims(r)
			}
			return true
		case <-ctx.Done():
			if leads {
				f.desert()
			} else {
				f.exit()
			}
			return false
		}
	}
}

func clientGone(ctx context.Context) error {
	return &exchange.Failure{Status: 499, Type: "client_gone", Cause: context.Cause(ctx)}
}

// lead joins the flight for a key, or begins one.
func (c *Cache) lead(ctx context.Context, k key, a *ask, stored *object, joinable bool, next Forwarder) (f *flight, leads bool) {
	epoch := c.store.epochs.now(a.hash)
	flying, cancel := context.WithCancel(context.WithoutCancel(ctx))
	if joinable {
		k.uri = k.uri.clone()
		if f, leads = c.flights.join(k, a.hash, epoch, cancel); !leads {
			cancel()
			return f, false
		}
	} else {
		f = newFlight(k, epoch, cancel)
	}
	stop := context.AfterFunc(c.life, cancel)
	own := *a
	own.request = detached(a.request, stored)
	f.tellLeader(a.request, own.request)
	f.leader = &own
	c.begin(func() {
		defer stop()
		c.fly(flying, f, stored, next)
	})
	return f, true
}

// refresh fetches an answer anew while the old one is used.
func (c *Cache) refresh(a *ask, stored *object, at owner, next Forwarder) {
	epoch := c.store.epochs.now(a.hash)
	flying, cancel := context.WithCancel(c.life)
	k := key{uri: a.uri.clone(), owner: at}
	f, leads := c.flights.join(k, a.hash, epoch, cancel)
	if !leads {
		cancel()
		f.exit() // somebody is at it
		return
	}
	own := *a
	own.request = detached(a.request, stored)
	own.request.Interim = nil
	own.directives = parseDirectives(nil) // what this client wants is not what the others get
	f.leader, f.unattended = &own, true
	c.begin(func() {
		c.fly(flying, f, stored, next)
		f.desert()
	})
}

// fly asks the upstream, tells those who wait, and stores the answer. It ends
// when the body is there, or was handed over.
func (c *Cache) fly(ctx context.Context, f *flight, stored *object, next Forwarder) {
	a := f.leader
	settled := false
	settle := func() {
		if !settled {
			settled = true
			c.flights.leave(f, a.hash)
			close(f.done)
		}
	}
	defer settle()
	defer func() {
		if value := recover(); value != nil {
			f.crash(value)
		}
	}()
	sent := c.clock()
	response, err := next.Forward(ctx, a.request)
	received := c.clock()
	if err != nil {
		c.flights.leave(f, a.hash) // who comes now tries for itself
		f.land(landed{err: err})
		return
	}
	l := landed{status: response.Status, upstream: response.Upstream, tries: response.Tries}
	if stored != nil && response.Status == 304 {
		if c.freshen(f, &l, stored, response, sent, received) {
			_ = response.Body.Close() // a 304 has none
			c.flights.leave(f, a.hash)
			f.land(l)
			return
		}
		// It confirms something else than what is stored: ask without a condition.
		_ = response.Body.Close()
		c.store.remove(f.at(stored), stored)
		a.request.Header.Del("If-None-Match")
		a.request.Header.Del("If-Modified-Since")
		c.flyOnce(ctx, f, nil, next, settle)
		return
	}
	c.arrive(f, &l, stored, response, sent, received, settle)
}

// flyOnce is fly without what is stored, after a validation that went wrong.
func (c *Cache) flyOnce(ctx context.Context, f *flight, stored *object, next Forwarder, settle func()) {
	sent := c.clock()
	response, err := next.Forward(ctx, f.leader.request)
	received := c.clock()
	if err != nil {
		c.flights.leave(f, f.leader.hash)
		f.land(landed{err: err})
		return
	}
	l := landed{status: response.Status, upstream: response.Upstream, tries: response.Tries}
	c.arrive(f, &l, stored, response, sent, received, settle)
}

// arrive decides what becomes of a whole answer.
func (c *Cache) arrive(f *flight, l *landed, stored *object, response *exchange.Response, sent, received time.Time, settle func()) {
	a := f.leader
	d := answerDirectives(response.Header)
	v, t := c.judge(a, response.Status, response.Header, &d, sent, received)
	settings := c.settings.Load()
	if v != notKept && (response.Length > settings.MaxObject || response.Upgraded != nil || c.life.Err() != nil) {
		v = notKept
	}
	room := true
	if v != notKept && !c.admit(max(response.Length, 0), settings) {
		v, room = notKept, false
	}
	if v == notKept {
		if response.Status < 500 {
			if stored != nil { // what is stored was not confirmed
				c.store.remove(f.at(stored), stored)
			}
			// What one client wants kept out, or what there is no room for now, says
			// nothing about the others' answers.
			if room && !a.directives.has(noStore) {
				c.hints.mark(a)
			}
		}
		l.response = response
		c.flights.leave(f, a.hash)
		f.land(*l)
		return
	}
	l.verdict = v
	l.object = newObject(a, response.Status, keptFields(response.Header, received), &d, t)
	l.object.epoch, l.object.length, l.object.body = f.epoch, response.Length, newContent()
	l.object.owner = c.keyFor(f, v).owner
	l.object.body.left = f.unattended
	if stored != nil && stored.owner != l.object.owner { // it would be found first
		c.store.remove(f.at(stored), stored)
	}
	l.trailer = response.Trailer
	if !carriesBody(response.Status) {
		l.object.length = 0
	}
	f.land(*l)
	c.fill(f, l, response, settle)
}

// carriesBody tells whether an answer to a GET may have a body.
func carriesBody(status int) bool { return status != 204 && status != 304 }

// admit keeps the memory of what is coming within a quarter of the cache's own.
func (c *Cache) admit(n int64, s *Settings) bool {
	if c.coming.Add(n) <= max(s.MaxSize/4, s.MaxObject) {
		return true
	}
	c.coming.Add(-n)
	return false
}

// fill reads a body into its object, and stores the object before its last
// byte can be read.
func (c *Cache) fill(f *flight, l *landed, response *exchange.Response, settle func()) {
	o := l.object
	known, body := o.length, o.body
	settings := c.settings.Load()
	admitted := max(response.Length, 0)
	defer func() { c.coming.Add(-admitted) }()

	limit := settings.MaxObject
	if known >= 0 {
		limit = known
	}
	var data []byte
	for known < 0 || int64(len(data)) < known {
		if len(data) == cap(data) {
			room := min(max(int64(2*cap(data)), 4<<10), limit+1)
			if known >= 0 {
				room = min(max(int64(4*cap(data)), 32<<10), known)
			} else if more := room - int64(cap(data)); c.admit(more, settings) {
				admitted += more
			} else { // there is no memory for it now
				settle()
				body.handOver(data, response.Body)
				return
			}
			grown := make([]byte, len(data), int(room))
			copy(grown, data)
			data = grown
		}
		n, err := response.Body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if known < 0 && int64(len(data)) > limit {
			settle()
			body.handOver(data, response.Body)
			return
		}
		if errors.Is(err, io.EOF) && (known < 0 || int64(len(data)) == known) {
			break
		}
		if err != nil {
			settle()
			if errors.Is(err, io.EOF) {
				err = &exchange.Failure{Status: 502, Type: "http_response_incomplete", Upstream: response.Upstream, Cause: io.ErrUnexpectedEOF}
			}
			body.fail(data, err)
			_ = response.Body.Close() // it failed already
			return
		}
		if known < 0 || int64(len(data)) < known {
			body.grow(data)
		}
	}
	if cap(data)-len(data) > len(data)/8 {
		data = append(make([]byte, 0, len(data)), data...)
	}
	kept := *o
	kept.length = int64(len(data))
	kept.body = wholeContent(data)
	if usage := trailerOf(response, usageField); len(usage) > 0 {
		kept.header = o.freshened(exchange.Fields{usageField: usage})
	}
	f.kept = &kept
	c.store.put(c.keyFor(f, l.verdict), f.leader.hash, &kept)
	settle()
	body.finish(data)
	_ = response.Body.Close() // it was read to its end
}

// usageField is what a service reports for billing, as a field or as a trailer
// where it knows only at the end. A stored answer costs what it cost at first.
const usageField = "Tollhouse-Usage"

func trailerOf(response *exchange.Response, name string) []string {
	if response.Trailer == nil {
		return nil
	}
	return response.Trailer.Values(name)
}

// keyFor is where an answer for everybody, or for its caller, is kept.
func (c *Cache) keyFor(f *flight, v verdict) key {
	k := key{uri: f.leader.uri}
	if v == forCaller {
		k.owner = f.leader.owner
	}
	return k
}

// at is where a stored object is.
func (f *flight) at(o *object) key { return key{uri: f.leader.uri, owner: o.owner} }
