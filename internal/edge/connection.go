package edge

import (
	"context"
	"net"
	"net/http"
)

// Listen wraps a TCP listener so that its connections know when an answer has
// left net/http.
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
}

type connectionKey struct{}

// connected puts the connection where its requests find it.
func connected(ctx context.Context, c net.Conn) context.Context {
	if own, ok := c.(*connection); ok {
		return context.WithValue(ctx, connectionKey{}, own)
	}
	return ctx
}

// connectionState hears from net/http that a connection went idle or closed:
// by then the last chunk of its answer has been written.
func connectionState(c net.Conn, state http.ConnState) {
	if state != http.StateIdle && state != http.StateClosed {
		return
	}
	if own, ok := c.(*connection); ok && own.handed != nil {
		handed := own.handed
		own.handed = nil
		handed(true)
	}
}
