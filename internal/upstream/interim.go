package upstream

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

const (
	// passedInterims is how many interim answers of one try are passed on.
	passedInterims = 8
	// maxInterims is how many an upstream may send before it is held to be broken.
	maxInterims = 100
)

var errInterims = errors.New("the upstream sent one interim answer after the other and no final one")

// interims passes an upstream's interim answers on (RFC 9110 §15.2), while its
// final one is waited for. They come in a goroutine of net/http's client that
// may serve others too, so the client is written to in one of our own, which
// only an upstream that sends some costs.
type interims struct {
	to    func(status int, h exchange.Header)
	trace httptrace.ClientTrace

	mu      sync.Mutex
	seen    int
	over    bool
	queue   chan interim
	written chan struct{} // closed when the queue was passed on to its end
}

type interim struct {
	status int
	fields exchange.Fields
}

// within makes net/http's client tell of the interim answers to a request that
// is sent with the context that it gives.
func (i *interims) within(ctx context.Context) context.Context {
	i.trace.Got1xxResponse = i.got
	return httptrace.WithClientTrace(ctx, &i.trace)
}

// got takes one from net/http's client. 100 and 101 are between the upstream
// and us; what is one too many is dropped.
func (i *interims) got(status int, h textproto.MIMEHeader) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.seen++; i.seen > maxInterims {
		return errInterims
	}
	if i.over || status <= http.StatusSwitchingProtocols {
		return nil
	}
	if i.queue == nil {
		i.queue, i.written = make(chan interim, passedInterims), make(chan struct{})
		go func() {
			defer close(i.written)
			for one := range i.queue {
				i.to(one.status, one.fields)
			}
		}()
	}
	if i.seen <= passedInterims {
		fields := answerFields(http.Header(h), false)
		fields.Del("Content-Length")
		i.queue <- interim{status, fields} // there is room for each
	}
	return nil
}

// end returns when the client was told of all that came; what comes later is dropped.
func (i *interims) end() {
	i.mu.Lock()
	first := !i.over
	i.over = true
	i.mu.Unlock()
	if i.queue == nil {
		return
	}
	if first {
		close(i.queue)
	}
	<-i.written
}
