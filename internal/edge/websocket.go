package edge

import (
	"encoding/binary"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// closeRestart is a server's close frame that says 1012, Service Restart: the
// client is to come again (RFC 6455 §5.5.1 and the registry of its §11.7).
var closeRestart = []byte{0x88, 0x02, 1012 >> 8, 1012 & 0xff}

// farewell is how long the two ends of a WebSocket have to close it between
// themselves after the client was told to.
const farewell = 2 * time.Second

// socket is the way from an upstream to a client that speak WebSocket with each
// other. It follows the frames that pass (RFC 6455 §5.2), so that one of our own
// can be put between two of them.
type socket struct {
	mu     sync.Mutex
	client io.WriteCloser // nil until the client is there
	frame  frameHead
	left   uint64      // bytes of the frame's payload that are still to come
	ending atomic.Bool // the close frame is to go out when this frame is done
	told   bool        // it went out, and what comes is dropped

	conn atomic.Pointer[io.WriteCloser] // client, for who must not wait for mu
}

// frameHead gathers the bytes of a frame's head.
type frameHead struct {
	bytes [14]byte
	have  int
}

// size is how long the head is, as far as that is known.
func (h *frameHead) size() int {
	if h.have < 2 {
		return 2
	}
	n := 2
	switch h.bytes[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if h.bytes[1]&0x80 != 0 { // masked; no server's frame is
		n += 4
	}
	return n
}

// payload is the length of the payload of a head that is whole.
func (h *frameHead) payload() uint64 {
	switch n := h.bytes[1] & 0x7f; n {
	case 126:
		return uint64(binary.BigEndian.Uint16(h.bytes[2:]))
	case 127:
		return binary.BigEndian.Uint64(h.bytes[2:])
	default:
		return uint64(n)
	}
}

// between tells whether no frame is under way.
func (s *socket) between() bool { return s.frame.have == 0 && s.left == 0 }

// follow reads along until the next end of a frame, and returns how far that is.
func (s *socket) follow(p []byte) int {
	at := 0
	for at < len(p) {
		if s.left > 0 {
			n := min(s.left, uint64(len(p)-at))
			s.left -= n
			at += int(n)
		} else {
			s.frame.bytes[s.frame.have] = p[at]
			s.frame.have++
			at++
			if s.frame.have < s.frame.size() {
				continue
			}
			s.left = s.frame.payload()
			s.frame.have = 0
		}
		if s.between() {
			return at
		}
	}
	return at
}

// Write passes on what the upstream says.
func (s *socket) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pass := 0
	for pass < len(p) && !s.told && (!s.ending.Load() || !s.between()) {
		pass += s.follow(p[pass:])
	}
	if pass > 0 {
		if _, err := s.client.Write(p[:pass]); err != nil {
			return 0, err
		}
	}
	if err := s.tell(); err != nil {
		return pass, err
	}
	return len(p), nil
}

// tell sends the close frame when it is time to.
func (s *socket) tell() error {
	if !s.ending.Load() || s.told || s.client == nil || !s.between() {
		return nil
	}
	s.told = true
	_, err := s.client.Write(closeRestart)
	return err
}

// attach says that the client is there.
func (s *socket) attach(client io.WriteCloser) error {
	s.conn.Store(&client)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.client = client
	return s.tell()
}

// end tells the client to come again, at the next end of a frame. It does not
// wait: a client that takes nothing must not hold the others up.
func (s *socket) end() {
	s.ending.Store(true)
	go func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = s.tell() // a client that is gone needs no telling
	}()
}

// last tells the client to come again when nothing more comes from the upstream.
// Where a frame is not whole, nothing of ours can follow.
func (s *socket) last() {
	s.ending.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.tell() // as in end
}

// cut ends the client's connection, also while it is written to.
func (s *socket) cut() {
	if client := s.conn.Load(); client != nil {
		_ = (*client).Close() // it is of no more use
	}
}
