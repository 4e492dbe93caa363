package upstream

import (
	"context"
	"net"

	"github.com/tollhouse/tollhouse/internal/exchange/framing"
)

// along reads along what is said on an HTTP/1.1 connection to an upstream.
// net/http gives a connection to the next request before it looks whether bytes
// are left on it: what an upstream sent behind its answer would then be taken for
// the answer to somebody else's request. Such bytes are never handed to it.
type along struct {
	net.Conn
	said framing.Responses
}

func readAlong(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &along{Conn: conn}, nil
	}
}

// Read gives what belongs to answers. Behind that it fails.
func (a *along) Read(p []byte) (int, error) {
	if err := a.said.Err(); err != nil {
		return 0, err
	}
	n, err := a.Conn.Read(p)
	if n > 0 {
		whole, refused := a.said.Walk(p[:n])
		if whole < n {
			return whole, refused
		}
	}
	return n, err
}

// Write sends, unless the connection is of no more use: then nothing was sent,
// and net/http takes another one where it can.
func (a *along) Write(p []byte) (int, error) {
	if err := a.said.Asked(p); err != nil {
		return 0, err
	}
	return a.Conn.Write(p)
}

// CloseWrite tells an upstream that nothing more comes, where the connection can.
func (a *along) CloseWrite() error {
	if half, ok := a.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
