package hx

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// HubOptions bound a Hub. Zero fields have the defaults that are named.
type HubOptions struct {
	// Events and Bytes are what is kept of each topic for clients that come
	// back, at most: 256 events, 1 MiB.
	Events int
	Bytes  int
	// Topics is how many topics are kept at once, at most: 10,000. The one that
	// nobody listens to and that was quiet for the longest time goes first.
	Topics int
	// Clients is how many may listen at once: 10,000. More get 503.
	Clients int
	// Heartbeat is after how long without an event a comment is sent, which
	// keeps proxies from closing the stream and finds clients that are gone:
	// 15 seconds.
	Heartbeat time.Duration
	// WriteTimeout is how long a client may take to accept what is written
	// before it is cut off: 10 seconds. It comes back for what it missed.
	WriteTimeout time.Duration
	// Retry is after how long a client that lost its stream comes back: 2 seconds.
	Retry time.Duration
	// Lifetime is after how long a stream is ended, so that the client comes
	// back through the gates before it: an hour. Each stream gets up to a tenth
	// more, so that they do not end together.
	Lifetime time.Duration
}

func (o *HubOptions) fill() {
	for _, n := range []struct {
		field *int
		is    int
	}{{&o.Events, 256}, {&o.Bytes, 1 << 20}, {&o.Topics, 10_000}, {&o.Clients, 10_000}} {
		if *n.field <= 0 {
			*n.field = n.is
		}
	}
	for _, d := range []struct {
		field *time.Duration
		is    time.Duration
	}{{&o.Heartbeat, 15 * time.Second}, {&o.WriteTimeout, 10 * time.Second}, {&o.Retry, 2 * time.Second}, {&o.Lifetime, time.Hour}} {
		if *d.field <= 0 {
			*d.field = d.is
		}
	}
}

// Hub sends events to the pages that listen (server-sent events), each with an
// ID, and gives a client that comes back what it missed. All clients read the
// same bounded log of a topic, each at its own pace: one that does not read
// costs a goroutine and holds nobody up; when it has fallen behind what is kept
// it gets one event named "gap", on which the page fetches what it shows anew.
//
//	Publish ─► topic's log (bounded) ─┬─► Serve ─► a client
//	                                  └─► Serve ─► a client that is slow
//
// It is safe for concurrent use. It lives in one process: behind several
// replicas each must Publish what happens anywhere.
type Hub struct {
	o     HubOptions
	epoch string

	mu       sync.Mutex
	seq      uint64 // of the last event
	floor    uint64 // of the last event whose topic is forgotten
	topics   map[string]*topic
	clients  int
	draining bool
	drain    chan struct{} // closed when draining begins
	empty    chan struct{} // closed when draining and nobody is left
}

// topic is the log of one topic. Its fields belong to the hub's lock.
type topic struct {
	log     []entry
	bytes   int
	dropped uint64 // of the last event that the log has let go
	last    uint64
	clients map[*client]struct{}
}

type entry struct {
	seq   uint64
	frame []byte
}

// client is a stream that is being served.
type client struct {
	topics []string
	cursor uint64
	wake   chan struct{} // holds one when there may be something new
}

// GapEvent is the name of the event that tells a client that events are lost
// to it, and DrainEvent of the one that tells that the server is going away and
// when to come back.
const (
	GapEvent   = "gap"
	DrainEvent = "drain"
)

// ErrDraining is the error of a Hub that is being drained.
var ErrDraining = errors.New("hx: the hub is draining")

// NewHub opens a hub.
func NewHub(o HubOptions) *Hub {
	o.fill()
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails
	return &Hub{
		o:      o,
		epoch:  strings.ToLower(base32.StdEncoding.EncodeToString(b[:])),
		topics: map[string]*topic{},
		drain:  make(chan struct{}),
		empty:  make(chan struct{}),
	}
}

// Publish sends an event to all that listen to a topic, and keeps it for those
// who come back. It never waits for a client. It returns the event's ID, and
// fails for a name with line breaks, an event larger than HubOptions.Bytes, and while draining.
func (h *Hub) Publish(name string, e StreamEvent) (id string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return "", ErrDraining
	}
	id = position{h.epoch, h.seq + 1}.String()
	frame, err := e.frame(id)
	if err != nil {
		return "", err
	}
	if len(frame) > h.o.Bytes {
		return "", fmt.Errorf("hx: an event of %d bytes is larger than the %d that are kept of a topic", len(frame), h.o.Bytes)
	}
	h.seq++
	t := h.topic(name)
	t.log = append(t.log, entry{h.seq, frame})
	t.bytes += len(frame)
	t.last = h.seq
	for len(t.log) > h.o.Events || t.bytes > h.o.Bytes {
		t.bytes -= len(t.log[0].frame)
		t.dropped = t.log[0].seq
		t.log[0] = entry{}
		t.log = t.log[1:]
	}
	for c := range t.clients {
		select {
		case c.wake <- struct{}{}:
		default: // it has been told already
		}
	}
	return id, nil
}

// topic finds or makes a topic, forgetting another when there are too many.
func (h *Hub) topic(name string) *topic {
	if t := h.topics[name]; t != nil {
		return t
	}
	if len(h.topics) >= h.o.Topics {
		var quiet *topic
		forget := ""
		for n, t := range h.topics {
			if len(t.clients) == 0 && (quiet == nil || t.last < quiet.last) {
				quiet, forget = t, n
			}
		}
		if quiet != nil {
			h.floor = max(h.floor, quiet.last)
			delete(h.topics, forget)
		}
	}
	// Whoever was at an earlier place may have missed what is forgotten.
	t := &topic{dropped: h.floor, last: h.seq, clients: map[*client]struct{}{}}
	h.topics[name] = t
	return t
}

// LastID is the place of the newest event. A page that is rendered before its
// stream is opened carries it (see After), so that nothing is lost in between:
// take it before reading what the page shows.
func (h *Hub) LastID() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return position{h.epoch, h.seq}.String()
}

// Clients is how many streams are open.
func (h *Hub) Clients() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clients
}

// Drain ends all streams: each client is told to come back after Retry, spread
// over as long again, which is when the next server should be there. New
// clients get 503. It returns when all have left, or with ctx's error. Call it
// before http.Server.Shutdown, which does not end streams and waits for them.
func (h *Hub) Drain(ctx context.Context) error {
	h.mu.Lock()
	if !h.draining {
		h.draining = true
		close(h.drain)
		if h.clients == 0 {
			close(h.empty)
		}
	}
	h.mu.Unlock()
	select {
	case <-h.empty:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("hx: draining %d streams: %w", h.Clients(), ctx.Err())
	}
}

var errFull = errors.New("hx: too many streams")

// join opens a client's stream at the place it names, "" for now. gap tells
// that events since then are lost.
func (h *Hub) join(topics []string, after string) (c *client, gap bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.draining {
		return nil, false, ErrDraining
	}
	if h.clients >= h.o.Clients {
		return nil, false, errFull
	}
	h.clients++
	c = &client{topics: topics, cursor: h.seq, wake: make(chan struct{}, 1)}
	if after != "" {
		at, ok := parsePosition(after)
		gap = !ok || at.epoch != h.epoch || at.seq > h.seq
		if !gap {
			c.cursor = at.seq
		}
	}
	for _, name := range topics {
		h.topic(name).clients[c] = struct{}{}
	}
	return c, gap, nil
}

func (h *Hub) leave(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range c.topics {
		if t := h.topics[name]; t != nil {
			delete(t.clients, c)
		}
	}
	h.clients--
	if h.draining && h.clients == 0 {
		close(h.empty)
	}
}

// A batch is at most so much, so that the write timeout is about a fair piece.
const (
	batchEvents = 64
	batchBytes  = 64 << 10
)

// next gives the frames that follow the client's cursor, in the order of their
// publishing over all its topics, and moves the cursor. gap tells that some are
// lost: the cursor stands at the newest event then.
func (h *Hub) next(c *client, frames [][]byte) (_ [][]byte, gap bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	logs := make([][]entry, 0, 4)
	for _, name := range c.topics {
		t := h.topics[name]
		if t.dropped > c.cursor {
			c.cursor = h.seq
			return frames, true
		}
		from, _ := slices.BinarySearchFunc(t.log, c.cursor+1, func(e entry, seq uint64) int { return cmp.Compare(e.seq, seq) })
		logs = append(logs, t.log[from:])
	}
	for size := 0; len(frames) < batchEvents && size < batchBytes; {
		first := -1
		for i, log := range logs {
			if len(log) > 0 && (first < 0 || log[0].seq < logs[first][0].seq) {
				first = i
			}
		}
		if first < 0 {
			break
		}
		e := logs[first][0]
		logs[first] = logs[first][1:]
		frames = append(frames, e.frame)
		size += len(e.frame)
		c.cursor = e.seq
	}
	return frames, false
}
