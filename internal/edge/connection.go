package edge

import (
	"context"
	"net"
	"net/http"
	"time"
)

// Listen wraps a TCP listener so that its connections know when an answer has
// left net/http, and how long a client is waited for.
func Listen(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		return &connection{TCPConn: tcp}, nil
	}
	return c, err
}

// connection is a client's connection. One request at a time is on it, and
// net/http changes its state in the goroutine that serves it: no lock is needed.
type connection struct {
	*net.TCPConn
	handed func(whole bool) // what waits for the end of the answer under way
	last   time.Time        // until when the rest of a body is waited for; zero: as net/http says
}

type connectionKey struct{}

// connected puts the connection where its requests find it.
func connected(ctx context.Context, c net.Conn) context.Context {
	if own, ok := c.(*connection); ok {
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
	own, ok := c.(*connection)
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
