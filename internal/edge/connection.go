package edge

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange/framing"
)

// Listen wraps a TCP listener so that its connections know when an answer has
// left net/http, and how long a client is waited for. TLS goes on top of it.
func Listen(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		return &connection{TCPConn: tcp}, nil
	}
	return c, err
}

// connection is a client's connection. Over HTTP/1.1 one request at a time is
// on it, and net/http changes its state in the goroutine that serves it: no
// lock is needed. HTTP/2 has frames in its place.
type connection struct {
	*net.TCPConn
	handed func(whole bool) // what waits for the end of the answer under way
	// How long a write may wait for the client, in ns, and when it was last said
	// to the kernel's side, in Unix ns; 0: not for this request. Atomic, for
	// "100 Continue" is written by whoever reads the body.
	patience, told atomic.Int64

	last time.Time // until when the rest of a body is waited for; zero: as net/http says

	reads *framing.Requests // nil below TLS

	crowd *Crowd       // nil: nobody counts it
	from  netip.Addr   // as the crowd counts addresses
	since atomic.Int64 // since when it waits for a request's head, in Unix ns; 0: a request is under way
}

type connectionKey struct{}

// ownConnection finds what Listen made under c.
func ownConnection(c net.Conn) (*connection, bool) {
	switch outer := c.(type) {
	case *frames:
		c = outer.NetConn()
	case *plaintext:
		c = outer.NetConn()
	case *tls.Conn:
		c = outer.NetConn()
	}
	own, ok := c.(*connection)
	return own, ok
}

// connected puts the connection where its requests find it. One that is not
// below TLS speaks HTTP/1.1, and is read along.
func connected(ctx context.Context, c net.Conn) context.Context {
	if p, ok := c.(*plaintext); ok {
		ctx = context.WithValue(ctx, stateKey{}, p.state)
	}
	if own, ok := ownConnection(c); ok {
		if own == c {
			own.reads = new(framing.Requests)
		}
		return context.WithValue(ctx, connectionKey{}, own)
	}
	return ctx
}

// connectionOf returns the connection of a request, nil when Listen did not make it.
func connectionOf(hr *http.Request) *connection {
	c, _ := hr.Context().Value(connectionKey{}).(*connection)
	return c
}

// connectionState hears from net/http that a request's head is whole, and that
// a connection went idle or closed: by then the last chunk of its answer has
// been written.
func connectionState(c net.Conn, state http.ConnState) {
	own, ok := ownConnection(c)
	if !ok {
		return
	}
	switch state {
	case http.StateNew:
		return // it waits since it was accepted
	case http.StateActive, http.StateHijacked:
		own.since.Store(0)
		return
	case http.StateIdle:
		own.since.Store(time.Now().UnixNano())
	}
	own.last = time.Time{}
	if own.handed != nil {
		handed := own.handed
		own.handed = nil
		handed(true)
	}
}

// Write fails when the client takes nothing for as long as its patience: who
// asks and does not read must not hold a service's places, nor its customer's.
func (c *connection) Write(p []byte) (int, error) {
	now, patience := time.Now(), c.patience.Load()
	if patience <= 0 {
		patience = int64(clientPatience)
	}
	if now.UnixNano()-c.told.Load() > patience/8 { // saves most answers all but one of them
		c.told.Store(now.UnixNano())
		if err := c.TCPConn.SetWriteDeadline(now.Add(time.Duration(patience))); err != nil {
			return 0, err
		}
	}
	return c.TCPConn.Write(p)
}

// Read reads on, as far as what comes is HTTP/1.1 that can be read in one way.
func (c *connection) Read(p []byte) (int, error) { return readAlong(c.TCPConn, c.reads, p) }

func readAlong(c net.Conn, reads *framing.Requests, p []byte) (int, error) {
	if reads == nil {
		return c.Read(p)
	}
	if err := reads.Err(); err != nil {
		return 0, err
	}
	n, err := c.Read(p)
	if n > 0 {
		whole, refused := reads.Walk(p[:n])
		if whole < n { // the rest is never seen by anybody
			return whole, refused
		}
	}
	return n, err
}

// Close gives its place in the crowd back.
func (c *connection) Close() error {
	if c.crowd != nil {
		c.crowd.left(c)
	}
	return c.TCPConn.Close()
}

// ReadFrom goes by Write: the kernel's own copying would know no deadline.
func (c *connection) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{c}, r)
}

// wait sets the patience for the request at hand; 0 is the front's own.
func (c *connection) wait(patience time.Duration) {
	c.patience.Store(int64(patience))
	c.told.Store(0)
}

// SetWriteDeadline is net/http's, which takes the deadline away after each request.
func (c *connection) SetWriteDeadline(t time.Time) error {
	c.told.Store(0)
	return c.TCPConn.SetWriteDeadline(t)
}

// SetDeadline is net/http's, which takes both away when a connection is hijacked.
func (c *connection) SetDeadline(t time.Time) error {
	c.told.Store(0)
	return c.TCPConn.SetDeadline(t)
}

// linger bounds how long the rest of the request's body is waited for.
func (c *connection) linger(until time.Time) error {
	c.last = until
	return c.TCPConn.SetReadDeadline(until)
}

// SetReadDeadline is net/http's. It takes every deadline away when it ends a
// read that somebody else is in, and then reads the rest of the body itself.
func (c *connection) SetReadDeadline(t time.Time) error {
	if t.IsZero() {
		t = c.last
	}
	return c.TCPConn.SetReadDeadline(t)
}
