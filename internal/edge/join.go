package edge

import (
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// join copies both ways between a client and an upstream that switched
// protocols, until both have ended. It counts as one request, at its end.
func (k *walk) join(c *Chain, w exchange.Writer, body *Body, response *exchange.Response) {
	defer response.Upgraded.Close()
	var ws *socket
	if strings.EqualFold(response.Header.Get("Upgrade"), "websocket") {
		ws = new(socket)
	}
	over := make(chan struct{})
	defer close(over)
	c.streams.begin(k, func() { // before the client knows of it
		if ws == nil {
			_ = response.Upgraded.Close()
			return
		}
		ws.end()
		time.AfterFunc(farewell, func() {
			select {
			case <-over:
			default:
				_ = response.Upgraded.Close()
				ws.cut()
			}
		})
	})
	usage := takeUsage(response.Header)
	client, err := w.Upgrade(response.Header)
	if err != nil {
		k.left(c, response.Status, body, usage)
		return
	}
	defer client.Close()
	t := tunnel{client: client, down: client, upstream: response.Upgraded}
	if ws != nil {
		if err := ws.attach(client); err != nil { // it was told to come again, and is gone
			k.left(c, response.Status, body, usage)
			return
		}
		t.down = ws
		t.last = func(answered <-chan struct{}) {
			if !k.overLimit(c) {
				return
			}
			ws.last()
			select { // closed at once, the connection could take the word back
			case <-answered:
			case <-time.After(farewell):
			}
		}
	}
	k.seen.BytesOut, k.seen.BytesIn = t.run(k.pass.Service.Timeouts.Idle)
	if _, err := k.record(c, response.Status, true, usage); err != nil {
		k.seen.Err = err
	}
	k.seen.Delivered = true
}

// tunnel is two connections with bytes between them. When one side has said all
// it has to say, the other is told just that: what it still sends arrives. A
// connection that is simply closed instead is reset when something of the other
// side lies unread in it, and takes the last words along.
type tunnel struct {
	client, upstream io.ReadWriteCloser
	down             io.Writer   // to the client
	moved            atomic.Bool // since the watch last looked
	cut              sync.Once
	last             func(answered <-chan struct{}) // when nothing more comes from upstream; may wait for the client's end. nil: nothing
}

// run copies until both sides have ended, and returns how many bytes went out
// to the client and came in from it. A side that goes on alone may be silent for
// silence, 0 for no limit; a client that only has to hang up, for lingerTimeout.
func (t *tunnel) run(silence time.Duration) (out, in int64) {
	ends := make(chan struct{})
	var watches sync.WaitGroup
	var half sync.Once
	ended := func(to io.ReadWriteCloser, err error, silence time.Duration) {
		if err != nil || closeWrite(to) != nil {
			t.end()
			return
		}
		half.Do(func() { watches.Go(func() { t.watch(ends, silence) }) })
	}
	answered := make(chan struct{}) // the client says nothing more
	var copies sync.WaitGroup
	copies.Go(func() {
		var err error
		out, err = io.Copy(t.down, counted{t.upstream, &t.moved})
		if t.last != nil {
			t.last(answered)
		}
		ended(t.client, err, lingerTimeout)
	})
	copies.Go(func() {
		var err error
		in, err = io.Copy(t.upstream, counted{t.client, &t.moved})
		close(answered)
		ended(t.upstream, err, silence)
	})
	copies.Wait()
	close(ends)
	watches.Wait()
	return out, in
}

// watch ends the tunnel when the side that goes on alone is silent for too long.
func (t *tunnel) watch(ends <-chan struct{}, silence time.Duration) {
	if silence <= 0 {
		return
	}
	t.moved.Store(false)
	tick := time.NewTicker(silence)
	defer tick.Stop()
	for {
		select {
		case <-ends:
			return
		case <-tick.C:
			if !t.moved.Swap(false) {
				t.end()
				return
			}
		}
	}
}

func (t *tunnel) end() {
	t.cut.Do(func() {
		_, _ = t.client.Close(), t.upstream.Close() // there is nothing left to say about them
	})
}

var errNoHalves = errors.New("the connection cannot be closed in one direction")

func closeWrite(c io.ReadWriteCloser) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errNoHalves
}

// counted notes that something came.
type counted struct {
	io.Reader
	moved *atomic.Bool
}

// Read reads on.
func (r counted) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		r.moved.Store(true)
	}
	return n, err
}
