package httpcache_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/httpcache"
)

// origin is a service whose answers a test writes. It remembers what it was asked.
type origin struct {
	mu     sync.Mutex
	asked  []*exchange.Request
	open   int // bodies that nobody has closed
	answer func(r *exchange.Request) *reply
}

// reply is what an origin answers.
type reply struct {
	status  int // 0: 200
	fields  []string
	body    string
	chunked bool          // its length is not told
	after   time.Duration // before the head
	slow    time.Duration // before each byte of the body
	late    time.Duration // before its last part
	err     error
	trailer exchange.Fields
	cut     bool // the body ends one byte too early
	panics  bool
	deaf    bool // it does not notice that nobody waits any more until it answers
}

func (o *origin) Forward(ctx context.Context, r *exchange.Request) (*exchange.Response, error) {
	o.mu.Lock()
	o.asked = append(o.asked, r)
	a := o.answer(r)
	o.mu.Unlock()
	if a.after > 0 {
		select {
		case <-time.After(a.after):
		case <-ctx.Done():
			if a.deaf {
				time.Sleep(a.after)
			}
			return nil, &exchange.Failure{Status: 499, Type: "client_gone", Cause: ctx.Err()}
		}
	}
	if a.panics {
		panic("the origin's mistake")
	}
	if a.err != nil {
		return nil, a.err
	}
	h := exchange.Fields{}
	for i := 0; i < len(a.fields); i += 2 {
		h.Add(a.fields[i], a.fields[i+1])
	}
	if h.Get("Date") == "" {
		h.Set("Date", httpTime(time.Now()))
	}
	if h.Get("Date") == "-" {
		h.Del("Date")
	}
	status := a.status
	if status == 0 {
		status = 200
	}
	response := &exchange.Response{Status: status, Header: h, Upstream: "origin:1", Length: int64(len(a.body)), Trailer: nil}
	if a.chunked {
		response.Length = -1
	}
	if r.Method == "HEAD" || status == 304 {
		response.Body = io.NopCloser(strings.NewReader(""))
		return response, nil
	}
	if a.trailer != nil {
		response.Trailer = exchange.Fields{}
	}
	o.mu.Lock()
	o.open++
	o.mu.Unlock()
	response.Body = &dripping{ctx: ctx, origin: o, reply: a, response: response, left: a.body}
	return response, nil
}

// dripping is a body that comes as its reply says.
type dripping struct {
	ctx      context.Context
	origin   *origin
	once     sync.Once
	reply    *reply
	response *exchange.Response
	left     string
}

func (d *dripping) Read(p []byte) (int, error) {
	if d.ctx.Err() != nil {
		return 0, &exchange.Failure{Status: 499, Type: "client_gone", Cause: d.ctx.Err()}
	}
	if d.left == "" || d.reply.cut && len(d.left) == 1 {
		for name, values := range d.reply.trailer {
			d.response.Trailer.Set(name, values[0])
		}
		return 0, io.EOF
	}
	if d.reply.slow > 0 {
		select {
		case <-time.After(d.reply.slow):
		case <-d.ctx.Done():
			return 0, &exchange.Failure{Status: 499, Type: "client_gone", Cause: d.ctx.Err()}
		}
		p = p[:1]
	}
	if d.reply.late > 0 && len(d.left) <= len(p) {
		time.Sleep(d.reply.late)
	}
	n := copy(p, d.left)
	if d.reply.cut && n == len(d.left) {
		n--
	}
	d.left = d.left[n:]
	return n, nil
}

func (d *dripping) Close() error {
	d.once.Do(func() {
		d.origin.mu.Lock()
		defer d.origin.mu.Unlock()
		d.origin.open--
	})
	return nil
}

func (o *origin) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.asked)
}

func (o *origin) last() *exchange.Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.asked[len(o.asked)-1]
}

// always answers every request the same, with a body that numbers it.
func (o *origin) always(fields ...string) { o.next(&reply{fields: fields}) }

func (o *origin) next(a *reply) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answer = func(*exchange.Request) *reply {
		copied := *a
		if copied.body == "" && copied.status != 204 {
			copied.body = "answer " + strconv.Itoa(len(o.asked))
		}
		return &copied
	}
}

// house is a cache before an origin.
type house struct {
	*httpcache.Cache
	origin *origin
}

func newHouse(t testing.TB, change ...func(*httpcache.Options)) *house {
	t.Helper()
	o := httpcache.Options{Settings: httpcache.Settings{MaxSize: 1 << 20, MaxObject: 64 << 10}}
	for _, f := range change {
		f(&o)
	}
	c, err := httpcache.New(o)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{Cache: c, origin: new(origin)}
	t.Cleanup(func() {
		c.Close()
		if h.origin.open != 0 {
			t.Errorf("%d bodies of the service were never closed", h.origin.open)
		}
	})
	h.origin.always("Cache-Control", "max-age=60")
	return h
}

// call is one request of a test.
type call struct {
	method   string // "": GET
	target   string // "": /a
	customer string
	fields   []string
	host     string
}

func (c call) request() *exchange.Request {
	method, target, host := c.method, c.target, c.host
	if method == "" {
		method = "GET"
	}
	if target == "" {
		target = "/a"
	}
	if host == "" {
		host = "shop.example"
	}
	path, query, _ := strings.Cut(target, "?")
	h := exchange.Fields{}
	for i := 0; i+1 < len(c.fields); i += 2 {
		h.Add(c.fields[i], c.fields[i+1])
	}
	return &exchange.Request{
		ID: "request", Arrived: time.Now(), Method: method, Scheme: "https", Host: host, HostPort: host,
		Path: path, RawPath: path, RawQuery: query, Header: h, Body: io.NopCloser(strings.NewReader("")),
	}
}

// got is what a client got.
type got struct {
	status int
	header exchange.Header
	body   string
	result httpcache.Result
	err    error
}

func (g got) cacheStatus() string {
	if g.header == nil {
		return ""
	}
	values := g.header.Values("Cache-Status")
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

func (h *house) do(c call) got { return h.doWith(context.Background(), c) }

func (h *house) doWith(ctx context.Context, c call) got {
	response, result, err := h.Serve(ctx, c.request(), c.customer, h.origin)
	if err != nil {
		return got{result: result, err: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return got{status: response.Status, header: response.Header, body: string(body), result: result, err: err}
}

func (h *house) get(target string, fields ...string) got {
	return h.do(call{target: target, fields: fields})
}

func httpTime(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") }

func failure(status int) error {
	return &exchange.Failure{Status: status, Type: "connection_refused", Cause: errors.New("refused")}
}

func (g got) String() string {
	return fmt.Sprintf("%d %q (%s; %s) %v", g.status, g.body, g.result.Word, g.cacheStatus(), g.err)
}
