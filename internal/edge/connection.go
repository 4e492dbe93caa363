package edge

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
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
}

type connectionKey struct{}

// ownConnection finds what Listen made under c.
func ownConnection(c net.Conn) (*connection, bool) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	own, ok := c.(*connection)
	return own, ok
}

// connected puts the connection where its requests find it.
func connected(ctx context.Context, c net.Conn) context.Context {
	if own, ok := ownConnection(c); ok {
		return context.WithValue(ctx, connectionKey{}, own)
	}
	return ctx
}

// connectionOf returns the connection of a request, nil when Listen did not make it.
func connectionOf(hr *http.Request) *connection {
	c, _ := hr.Context().Value(connectionKey{}).(*connection)
	return c
}

// connectionState hears from net/http that a connection went idle or closed:
// by then the last chunk of its answer has been written.
func connectionState(c net.Conn, state http.ConnState) {
	if state != http.StateIdle && state != http.StateClosed {
		return
	}
	own, ok := ownConnection(c)
	if !ok {
		return
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
