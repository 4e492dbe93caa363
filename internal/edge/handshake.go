package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange/framing"
)

// ListenTLS puts TLS on top of a listener that Listen or a Crowd made. It shakes
// hands itself, each client within times.Head, because a client that speaks
// HTTP/1.1 is then given to net/http as a connection that is read along
// (exchange/framing), and net/http would not let anybody in between.
func ListenTLS(l net.Listener, config *tls.Config, times ...Times) net.Listener {
	var waits Times
	if len(times) > 0 {
		waits = times[0]
	}
	s := &handshakes{
		Listener: l, config: config, within: waits.withDefaults().Head,
		shaken: make(chan net.Conn), failed: make(chan error), closed: make(chan struct{}),
	}
	s.under, s.end = context.WithCancel(context.Background())
	go s.run()
	return s
}

// handshakes is a listener of connections that have shaken hands.
type handshakes struct {
	net.Listener
	config *tls.Config
	within time.Duration

	shaken chan net.Conn
	failed chan error // of Accept, which net/http judges
	closed chan struct{}
	once   sync.Once
	under  context.Context // ends with the listener
	end    context.CancelFunc
}

func (s *handshakes) run() {
	for {
		c, err := s.Listener.Accept()
		if err != nil {
			select {
			case s.failed <- err:
				continue // net/http waits a while before it asks again, or not at all
			case <-s.closed:
				return
			}
		}
		go s.shake(c)
	}
}

// shake brings one connection to the state in which requests come.
func (s *handshakes) shake(c net.Conn) {
	secure := tls.Server(c, s.config)
	within, cancel := context.WithTimeout(s.under, s.within)
	err := secure.HandshakeContext(within)
	cancel()
	if err != nil {
		_ = c.Close() // crypto/tls has told the client why
		return
	}
	var ready net.Conn = secure
	if state := secure.ConnectionState(); state.NegotiatedProtocol != "h2" {
		ready = &plaintext{Conn: secure, state: &state, reads: new(framing.Requests)}
	}
	select {
	case s.shaken <- ready:
	case <-s.closed:
		_ = c.Close()
	}
}

// Accept gives the next connection that has shaken hands.
func (s *handshakes) Accept() (net.Conn, error) {
	select {
	case <-s.closed:
		return nil, net.ErrClosed
	default:
	}
	select {
	case c := <-s.shaken:
		return c, nil
	case err := <-s.failed:
		return nil, err
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Close ends the listener, and the handshakes that are under way.
func (s *handshakes) Close() error {
	err := net.ErrClosed
	s.once.Do(func() {
		close(s.closed)
		s.end()
		err = s.Listener.Close()
	})
	return errors.Join(err)
}

// plaintext is HTTP/1.1 on top of TLS.
type plaintext struct {
	*tls.Conn
	state *tls.ConnectionState
	reads *framing.Requests
}

// Read reads on, as far as what comes can be read in one way.
func (p *plaintext) Read(b []byte) (int, error) { return readAlong(p.Conn, p.reads, b) }

type stateKey struct{}

// overTLS tells handlers of the TLS that net/http does not see.
func overTLS(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if state, ok := r.Context().Value(stateKey{}).(*tls.ConnectionState); ok && r.TLS == nil {
			r.TLS = state
		}
		next.ServeHTTP(w, r)
	})
}
