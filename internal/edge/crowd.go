package edge

import (
	"cmp"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Crowd holds the connections of clients, over all public listeners together,
// to a number, in all and for each address (IPv6 by /64). When there is no
// place left, the connection that has waited longest for a request's head makes
// room: an idle one, or one whose head does not come. When every connection has
// a request under way, the new one is refused. It is safe for concurrent use.
type Crowd struct {
	o CrowdOptions

	mu      sync.Mutex
	open    map[*connection]struct{}
	parts   map[netip.Addr]*part
	all     part
	unsaid  CrowdStatus // since the last line in the log
	saidAt  time.Time
	status  CrowdStatus
	answers chan struct{} // a place for each refusal that is being told
}

// CrowdOptions are what a Crowd holds clients to.
type CrowdOptions struct {
	Max        int // connections in all; 0: any number
	PerAddress int // connections of one address; 0: any number
	// Exempt tells whose number is not bounded; nil: nobody's.
	Exempt func(netip.Addr) bool
	Log    *slog.Logger // told at most once a minute; nil: nobody
}

// CrowdStatus is how full it is, and what that has led to.
type CrowdStatus struct {
	Open    int // now
	Max     int
	Closed  int64 // that waited for a head, and made room
	Refused int64 // that found no place in all
	Address int64 // that found no place for their address
}

const (
	// waitsAtLeast is how long a connection has for the first byte of sending
	// its head before it may have to make room: else a burst would throw out
	// clients that have just come.
	waitsAtLeast = 100 * time.Millisecond
	lookAgain    = 100 * time.Millisecond // after a look found nobody who waits
	sayEvery     = time.Minute

	refusalsAtOnce = 8 // that are told why; others are closed at once
	refusalTime    = 500 * time.Millisecond
)

// part is the connections of one address, or all.
type part struct {
	open    int
	waiting []waiting // as of the last look, the longest last
	looked  time.Time // when a look found nobody
}

// waiting is a connection that waited for a head when somebody looked.
type waiting struct {
	conn  *connection
	since int64
}

// NewCrowd makes one.
func NewCrowd(o CrowdOptions) *Crowd {
	return &Crowd{
		o: o, open: map[*connection]struct{}{}, parts: map[netip.Addr]*part{},
		status: CrowdStatus{Max: o.Max}, answers: make(chan struct{}, refusalsAtOnce),
	}
}

// Listen is the package's Listen with the crowd's bounds. plain says that its
// clients read HTTP, and not TLS: who is refused is then told why.
func (c *Crowd) Listen(l net.Listener, plain bool) net.Listener {
	return crowded{Listener: l, crowd: c, plain: plain}
}

// Status tells how things stand.
func (c *Crowd) Status() CrowdStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.status
	s.Open = len(c.open)
	return s
}

type crowded struct {
	net.Listener
	crowd *Crowd
	plain bool
}

// Accept gives the next connection that there is a place for.
func (l crowded) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			// The descriptors are at their end, whoever took them: one that waits for
			// nothing much makes room, where there is one.
			if (errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)) && l.crowd.shrink() {
				continue
			}
			return nil, err
		}
		tcp, ok := c.(*net.TCPConn)
		if !ok {
			return c, nil
		}
		own := &connection{TCPConn: tcp, from: crowdAddress(peerOf(tcp.RemoteAddr().String()))}
		if l.crowd.admit(own) {
			return own, nil
		}
		l.crowd.refuse(tcp, l.plain)
	}
}

// crowdAddress is what counts as one address: IPv6 by /64, as for limits.
func crowdAddress(a netip.Addr) netip.Addr {
	if a.Is6() {
		if prefix, err := a.Prefix(64); err == nil {
			return prefix.Addr()
		}
	}
	return a
}

// admit finds a place for a connection, if need be by closing another one. It
// waits for that, at most waitsAtLeast: whoever comes next waits in the kernel.
func (c *Crowd) admit(own *connection) bool {
	exempt := c.o.PerAddress <= 0 || c.o.Exempt != nil && c.o.Exempt(own.from)
	own.since.Store(time.Now().UnixNano())
	for range 3 {
		c.mu.Lock()
		mine := c.parts[own.from]
		var victim *connection
		var wait time.Duration
		switch {
		case !exempt && mine != nil && mine.open >= c.o.PerAddress:
			if victim, wait = c.longest(mine, own.from); victim == nil && wait == 0 {
				c.note(func(s *CrowdStatus) { s.Address++ })
				c.mu.Unlock()
				return false
			}
		case c.o.Max > 0 && len(c.open) >= c.o.Max:
			if victim, wait = c.longest(&c.all, netip.Addr{}); victim == nil && wait == 0 {
				c.note(func(s *CrowdStatus) { s.Refused++ })
				c.mu.Unlock()
				return false
			}
		default:
			c.enter(own, mine)
			c.mu.Unlock()
			return true
		}
		if victim != nil {
			c.leave(victim) // its place is free at once; closing it takes a moment
			c.note(func(s *CrowdStatus) { s.Closed++ })
		}
		c.mu.Unlock()
		if victim != nil {
			_ = victim.TCPConn.Close() // net/http, which waits for it, sees that it is gone
			continue
		}
		time.Sleep(wait)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note(func(s *CrowdStatus) { s.Refused++ })
	return false
}

// enter and leave need the lock.
func (c *Crowd) enter(own *connection, mine *part) {
	if mine == nil {
		mine = new(part)
		c.parts[own.from] = mine
	}
	mine.open++
	own.crowd = c
	c.open[own] = struct{}{}
}

func (c *Crowd) leave(own *connection) {
	if _, in := c.open[own]; !in {
		return
	}
	delete(c.open, own)
	mine := c.parts[own.from]
	if mine.open--; mine.open == 0 {
		delete(c.parts, own.from)
	}
}

// left is told when a connection is closed.
func (c *Crowd) left(own *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leave(own)
}

// longest finds the connection that has waited longest for a head, among all or
// those of one address. When the longest has not waited long enough yet, it
// says how much longer that takes; nil and 0 are that nobody waits. A look at
// all connections serves many calls, for it gives all that wait, in order.
func (c *Crowd) longest(s *part, only netip.Addr) (*connection, time.Duration) {
	now := time.Now()
	for fresh := false; ; {
		for len(s.waiting) > 0 {
			w := s.waiting[len(s.waiting)-1]
			if _, in := c.open[w.conn]; !in || w.conn.since.Load() != w.since {
				s.waiting = s.waiting[:len(s.waiting)-1]
				continue
			}
			if wait := waitsAtLeast - now.Sub(time.Unix(0, w.since)); wait > 0 {
				return nil, wait
			}
			s.waiting[len(s.waiting)-1].conn = nil
			s.waiting = s.waiting[:len(s.waiting)-1]
			return w.conn, 0
		}
		if fresh || now.Sub(s.looked) < lookAgain {
			return nil, 0
		}
		fresh = true
		for conn := range c.open {
			if since := conn.since.Load(); since != 0 && (!only.IsValid() || conn.from == only) {
				s.waiting = append(s.waiting, waiting{conn, since})
			}
		}
		if len(s.waiting) == 0 {
			s.looked = now
		}
		slices.SortFunc(s.waiting, func(a, b waiting) int { return cmp.Compare(b.since, a.since) })
	}
}

// shrink closes the connection that has waited longest, if one waits.
func (c *Crowd) shrink() bool {
	c.mu.Lock()
	victim, _ := c.longest(&c.all, netip.Addr{})
	if victim != nil {
		c.leave(victim)
		c.note(func(s *CrowdStatus) { s.Closed++ })
	}
	c.mu.Unlock()
	if victim == nil {
		return false
	}
	_ = victim.TCPConn.Close()
	return true
}

// note counts, and tells the log at most once a minute.
func (c *Crowd) note(count func(*CrowdStatus)) {
	count(&c.status)
	count(&c.unsaid)
	now := time.Now()
	if c.o.Log == nil || !c.saidAt.IsZero() && now.Sub(c.saidAt) < sayEvery {
		return
	}
	c.o.Log.Warn("there are as many connections as there may be (listen.max_connections, listen.max_connections_per_address)",
		"open", len(c.open), "max", c.o.Max, "per_address", c.o.PerAddress,
		"closed_to_make_room", c.unsaid.Closed, "refused", c.unsaid.Refused, "refused_for_their_address", c.unsaid.Address)
	c.saidAt, c.unsaid = now, CrowdStatus{}
}

const refusalBody = `{"type":"` + problemBase + `overloaded","title":"Overloaded","status":503,"detail":"There are too many connections. Try again in a moment."}` + "\n"

var refusalAnswer = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nCache-Control: no-store\r\n" +
	"Content-Type: application/problem+json\r\nContent-Length: " + strconv.Itoa(len(refusalBody)) + "\r\n\r\n" + refusalBody

// refuse closes a connection that there is no place for, and tells its client
// why where that takes nobody's time: the answer fits into the kernel's buffer.
func (c *Crowd) refuse(tcp *net.TCPConn, plain bool) {
	if plain {
		select {
		case c.answers <- struct{}{}:
			go func() {
				defer func() { <-c.answers }()
				defer tcp.Close()
				if tcp.SetDeadline(time.Now().Add(refusalTime)) != nil {
					return
				}
				if _, err := io.WriteString(tcp, refusalAnswer); err != nil || tcp.CloseWrite() != nil {
					return
				}
				_, _ = io.Copy(io.Discard, io.LimitReader(tcp, maxHeader)) // closing over unread bytes would take the answer away
			}()
			return
		default:
		}
	}
	_ = tcp.Close()
}
