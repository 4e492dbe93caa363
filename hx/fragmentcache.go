package hx

import (
	"bytes"
	"container/list"
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// FragmentCache keeps rendered fragments in memory, within a number of bytes;
// those not used for the longest time go first. When many ask for a
// fragment that is not there, one renders it and the others wait. It is safe for concurrent use. Give what a
// fragment depends on in its key: the person, the language, the version of the data.
type FragmentCache struct {
	most int64
	now  func() time.Time

	mu      sync.Mutex
	bytes   int64
	entries map[string]*list.Element // of *fragment
	order   *list.List               // the last used first
	flights map[string]*flight
}

type fragment struct {
	key   string
	body  []byte
	until time.Time
}

// flight is a fragment that is being rendered.
type flight struct {
	done  chan struct{}
	body  []byte
	err   error
	stale bool // forgotten in the meantime
}

// overhead is what an entry costs besides its key and body, in bytes.
const overhead = 200

var errUnfinished = errors.New("hx: the fragment was not rendered to its end")

// NewFragmentCache makes a cache of at most so many bytes, keys and what an
// entry costs besides included. now is time.Now when nil.
func NewFragmentCache(mostBytes int64, now func() time.Time) *FragmentCache {
	if now == nil {
		now = time.Now
	}
	return &FragmentCache{most: mostBytes, now: now, entries: map[string]*list.Element{}, order: list.New(), flights: map[string]*flight{}}
}

// Fragment is a Renderer that writes what is kept under key, and renders and
// keeps it for at most ttl when it is not there. An error is given to those
// who waited for it and not kept. A fragment larger than an eighth of the cache is not kept.
func (c *FragmentCache) Fragment(key string, ttl time.Duration, content Renderer) Renderer {
	return RenderFunc(func(ctx context.Context, w io.Writer) error {
		body, err := c.get(ctx, key, ttl, content)
		if err != nil {
			return err
		}
		_, err = w.Write(body)
		return err
	})
}

func (c *FragmentCache) get(ctx context.Context, key string, ttl time.Duration, content Renderer) ([]byte, error) {
	c.mu.Lock()
	if e, ok := c.entries[key]; ok {
		f := e.Value.(*fragment)
		if c.now().Before(f.until) {
			c.order.MoveToFront(e)
			c.mu.Unlock()
			return f.body, nil
		}
		c.remove(e)
	}
	if f, ok := c.flights[key]; ok {
		c.mu.Unlock()
		select {
		case <-f.done:
			return f.body, f.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	f := &flight{done: make(chan struct{}), err: errUnfinished}
	c.flights[key] = f
	c.mu.Unlock()

	defer func() { // also when it panics
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.flights[key] == f {
			delete(c.flights, key)
		}
		if f.err == nil && !f.stale {
			c.keep(key, f.body, ttl)
		}
		close(f.done)
	}()
	// Others wait for this one: it goes on when its own caller has left.
	var b bytes.Buffer
	f.err = content.Render(context.WithoutCancel(ctx), &b)
	f.body = b.Bytes()
	if f.err != nil {
		f.body = nil
	}
	return f.body, f.err
}

// Forget drops what is kept under a key. What is being rendered for it at this
// moment is not kept.
func (c *FragmentCache) Forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[key]; f != nil {
		f.stale = true
		delete(c.flights, key) // those who wait get it; those who come now render anew
	}
	if e, ok := c.entries[key]; ok {
		c.remove(e)
	}
}

// Clear drops everything.
func (c *FragmentCache) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.flights {
		f.stale = true
	}
	clear(c.entries)
	clear(c.flights)
	c.order.Init()
	c.bytes = 0
}

// Bytes is what the cache holds at this moment.
func (c *FragmentCache) Bytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

func (c *FragmentCache) keep(key string, body []byte, ttl time.Duration) {
	size := int64(len(key)+cap(body)) + overhead
	if ttl <= 0 || size > c.most/8 {
		return
	}
	if e, ok := c.entries[key]; ok {
		c.remove(e)
	}
	c.entries[key] = c.order.PushFront(&fragment{key: key, body: body, until: c.now().Add(ttl)})
	c.bytes += size
	for c.bytes > c.most {
		c.remove(c.order.Back())
	}
}

func (c *FragmentCache) remove(e *list.Element) {
	f := c.order.Remove(e).(*fragment)
	delete(c.entries, f.key)
	c.bytes -= int64(len(f.key)+cap(f.body)) + overhead
}
