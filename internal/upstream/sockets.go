package upstream

import (
	"context"
	"errors"
	"net"
	"sync"
)

// Sockets bounds the connections to upstreams, of all pools that share it: so
// that they leave descriptors for clients and for the house's own files. Health
// probes are not counted. It is safe for concurrent use.
type Sockets struct{ places chan struct{} }

// NewSockets makes room for n connections, at least one.
func NewSockets(n int) *Sockets { return &Sockets{make(chan struct{}, max(n, 1))} }

var errNoSocket = errors.New("there are as many connections to upstreams as this process may have files for")

// bounded makes a dial wait for a place until its context ends.
func (s *Sockets) bounded(dial dialFunc) dialFunc {
	if s == nil {
		return dial
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		select {
		case s.places <- struct{}{}:
		case <-ctx.Done():
			return nil, errNoSocket
		}
		conn, err := dial(ctx, network, address)
		if err != nil {
			<-s.places
			return nil, err
		}
		free := sync.OnceFunc(func() { <-s.places })
		if tcp, ok := conn.(*net.TCPConn); ok {
			return &tcpSocket{tcp, free}, nil
		}
		return &socket{conn, free}, nil
	}
}

// socket is a connection that gives its place back.
type socket struct {
	net.Conn
	free func()
}

func (s *socket) Close() error {
	defer s.free()
	return s.Conn.Close()
}

// tcpSocket is a socket that keeps what only TCP has, such as CloseWrite.
type tcpSocket struct {
	*net.TCPConn
	free func()
}

func (s *tcpSocket) Close() error {
	defer s.free()
	return s.TCPConn.Close()
}
