package hx

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// listener is a client inside synctest: what it is sent arrives at once, unless
// it is stalled.
type listener struct {
	header http.Header
	mu     sync.Mutex
	text   strings.Builder
	stall  chan struct{} // writes wait for it when not nil
	limit  time.Time
}

func (l *listener) Header() http.Header { return l.header }
func (l *listener) WriteHeader(int)     {}
func (l *listener) Flush()              {}
func (l *listener) SetWriteDeadline(at time.Time) error {
	l.limit = at
	return nil
}

func (l *listener) Write(b []byte) (int, error) {
	if l.stall != nil {
		select {
		case <-l.stall:
		case <-time.After(time.Until(l.limit)):
			return 0, errors.New("deadline")
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *listener) got() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// data is what events the text holds, by name and data.
func (l *listener) data() string {
	var all []string
	for frame := range strings.SplitSeq(l.got(), "\n\n") {
		name, data, has := "", "", false
		for line := range strings.SplitSeq(frame, "\n") {
			if v, ok := strings.CutPrefix(line, "event: "); ok {
				name = v + ":"
			}
			if v, ok := strings.CutPrefix(line, "data: "); ok {
				data, has = data+v, true
			}
		}
		if has {
			all = append(all, name+data)
		}
	}
	return strings.Join(all, " ")
}

// lastID is where it would come back to.
func (l *listener) lastID() string {
	id := ""
	for line := range strings.SplitSeq(l.got(), "\n") {
		if v, ok := strings.CutPrefix(line, "id: "); ok {
			id = v
		}
	}
	return id
}

// listen opens a stream in the bubble; end closes it and waits.
func listen(t *testing.T, h *Hub, after string, topics ...string) (l *listener, end func() error) {
	t.Helper()
	l = &listener{header: http.Header{}}
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequestWithContext(ctx, "GET", "/events", nil)
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(l, r, topics...) }()
	synctest.Wait()
	return l, func() error { cancel(); return <-ended }
}

func publish(t testing.TB, h *Hub, topic string, data ...string) {
	t.Helper()
	for _, d := range data {
		if _, err := h.Publish(topic, StreamEvent{Data: d}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhoComesBackMissesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(HubOptions{})
		publish(t, h, "a", "before")
		l, end := listen(t, h, "", "a", "b", "a")
		publish(t, h, "a", "1")
		publish(t, h, "b", "2")
		publish(t, h, "c", "not for it")
		publish(t, h, "a", "3")
		synctest.Wait()
		if got := l.data(); got != "1 2 3" {
			t.Errorf("heard %q", got)
		}
		if !l.limit.IsZero() {
			t.Error("a deadline is left while nothing is written: HTTP/2 would end the stream")
		}
		must(t, end())
		publish(t, h, "b", "4", "5")
		publish(t, h, "a", "6")
		again, end := listen(t, h, l.lastID(), "a", "b")
		publish(t, h, "a", "7")
		synctest.Wait()
		if got := again.data(); got != "4 5 6 7" {
			t.Errorf("heard after coming back: %q", got)
		}
		must(t, end())
		// Somebody who has heard nothing yet has a place too.
		quiet, end := listen(t, h, "", "a")
		must(t, end())
		publish(t, h, "a", "8")
		again, end = listen(t, h, quiet.lastID(), "a")
		if got := again.data(); got != "8" {
			t.Errorf("heard by who had heard nothing: %q", got)
		}
		must(t, end())
		if n := h.Clients(); n != 0 {
			t.Errorf("%d clients are left", n)
		}
	})
}

func TestAPageTellsItsStreamWhereToBegin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(HubOptions{})
		at := h.LastID()
		publish(t, h, "a", "in between")
		l := &listener{header: http.Header{}}
		ctx, cancel := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, "GET", After("/events?x=1", at), nil)
		go func() { _ = h.Serve(l, r, "a") }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		if got := l.data(); got != "in between" {
			t.Errorf("heard %q", got)
		}
		if h := l.header; h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-store, no-transform" {
			t.Errorf("%v", h)
		}
	})
}

func TestWhatIsLostIsSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(HubOptions{Events: 3, Topics: 2})
		l, end := listen(t, h, "", "a")
		must(t, end())
		publish(t, h, "a", "1", "2", "3", "4")
		for name, after := range map[string]string{"too long ago": l.lastID(), "another hub": "abcdefgh-1", "no ID": "x", "from the future": position{h.epoch, 99}.String()} {
			again, end := listen(t, h, after, "a")
			publish(t, h, "a", "next")
			synctest.Wait()
			if got := again.data(); got != "gap:some events are lost next" {
				t.Errorf("%s: heard %q", name, got)
			}
			must(t, end())
		}
		// A topic that was forgotten for others may have had something.
		at := h.LastID()
		publish(t, h, "b", "lost")
		publish(t, h, "c", "x")
		publish(t, h, "d", "x")
		again, end := listen(t, h, at, "b")
		if got := again.data(); got != "gap:some events are lost" {
			t.Errorf("a forgotten topic: heard %q", got)
		}
		must(t, end())
		if len(h.topics) > 2 {
			t.Errorf("%d topics", len(h.topics))
		}
	})
}

func TestAStalledClientHoldsNobodyUpAndIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(HubOptions{Events: 10, WriteTimeout: 5 * time.Second})
		stalled := &listener{header: http.Header{}, stall: make(chan struct{})}
		ended := make(chan error, 1)
		go func() {
			ended <- h.Serve(stalled, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil), "a")
		}()
		l, end := listen(t, h, "", "a")
		var want []string
		for i := range 100 {
			publish(t, h, "a", fmt.Sprint(i))
			want = append(want, fmt.Sprint(i))
			synctest.Wait()
		}
		if got := l.data(); got != strings.Join(want, " ") {
			t.Errorf("beside a stalled client: heard %q", got)
		}
		begun := time.Now()
		if err := <-ended; err == nil {
			t.Error("the stalled client's stream ended as if nothing was")
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("the stalled client was cut off after %v", took)
		}
		must(t, end())
	})
}

func TestAClientThatFallsBehindGetsAGapAndGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(HubOptions{Events: 5, WriteTimeout: time.Minute})
		slow := &listener{header: http.Header{}, stall: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = h.Serve(slow, httptest.NewRequestWithContext(ctx, "GET", "/", nil), "a") }()
		synctest.Wait()
		for i := range 50 {
			publish(t, h, "a", fmt.Sprint(i))
		}
		close(slow.stall)
		synctest.Wait()
		publish(t, h, "a", "after")
		synctest.Wait()
		if got := slow.data(); got != "gap:some events are lost after" {
			t.Errorf("heard %q", got)
		}
		cancel()
		synctest.Wait()
	})
}

func TestKeepsQuietStreamsOpenAndEndsOldOnes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(HubOptions{Heartbeat: 10 * time.Second, Lifetime: time.Minute})
		l := &listener{header: http.Header{}}
		begun := time.Now()
		must(t, h.Serve(l, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil), "a"))
		if took := time.Since(begun); took < time.Minute || took > 67*time.Second {
			t.Errorf("ended after %v", took)
		}
		if n := strings.Count(l.got(), ": \n\n"); n < 5 || n > 6 {
			t.Errorf("%d heartbeats in a minute", n)
		}
	})
}

func TestDrainsSayingWhenToComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := NewHub(HubOptions{Retry: 3 * time.Second})
		var all []*listener
		for range 50 {
			l, _ := listen(t, h, "", "a")
			all = append(all, l)
		}
		publish(t, h, "a", "last")
		must(t, h.Drain(t.Context()))
		must(t, h.Drain(t.Context())) // a second time is no harm
		times := map[string]bool{}
		for _, l := range all {
			if got := l.data(); got != "last drain:come back soon" {
				t.Fatalf("heard %q", got)
			}
			_, rest, _ := strings.Cut(l.got(), "last\n\n")
			var ms int
			if _, err := fmt.Sscanf(rest, "retry: %d", &ms); err != nil || ms < 3000 || ms >= 6000 {
				t.Fatalf("%v in %q", err, rest)
			}
			times[fmt.Sprint(ms)] = true
		}
		if len(times) < 10 {
			t.Errorf("50 clients come back at %d times only", len(times))
		}
		if _, err := h.Publish("a", StreamEvent{Data: "x"}); !errors.Is(err, ErrDraining) {
			t.Errorf("publishing after it: %v", err)
		}
		w := httptest.NewRecorder()
		if err := h.Serve(w, httptest.NewRequest("GET", "/", nil), "a"); !errors.Is(err, ErrDraining) || w.Code != 503 || w.Header().Get("Retry-After") != "4" {
			t.Errorf("a new client: %v %d %v", err, w.Code, w.Header())
		}
	})
}

func TestRefusesWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	h := NewHub(HubOptions{Bytes: 100, Clients: 1})
	if _, err := h.Publish("a", StreamEvent{Name: "x\ny"}); err == nil {
		t.Error("a name of two lines")
	}
	if _, err := h.Publish("a", StreamEvent{Data: strings.Repeat("x", 200)}); err == nil {
		t.Error("an event larger than the log")
	}
	w := httptest.NewRecorder()
	must(t, h.Serve(w, httptest.NewRequest("POST", "/", nil), "a"))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

// TestAThousandClientsOneStalled is about real connections: one of them never
// reads, and neither the others nor memory are to notice.
func TestAThousandClientsOneStalled(t *testing.T) {
	const clients, rounds, each, size = 1000, 15, 20, 1 << 10
	h := NewHub(HubOptions{Events: 64, WriteTimeout: time.Hour})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = h.Serve(w, r, "a") }))
	server.Config.ConnState = func(c net.Conn, s http.ConnState) {
		if s == http.StateNew { // so that one who does not read is soon felt
			_ = c.(*net.TCPConn).SetWriteBuffer(4 << 10)
		}
	}
	server.Start()
	defer server.Close()
	defer server.CloseClientConnections()
	open := func() net.Conn {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		must(t, err)
		t.Cleanup(func() { _ = c.Close() })
		_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		must(t, err)
		return c
	}
	stalled := open()
	must(t, stalled.(*net.TCPConn).SetReadBuffer(1<<10))
	var heard atomic.Int64
	var wait sync.WaitGroup
	for range clients - 1 {
		c := open()
		wait.Go(func() {
			in := bufio.NewReader(c)
			for n := 0; n < rounds*each; {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if strings.HasPrefix(line, "data: x") {
					n++
					heard.Add(1)
				}
			}
		})
	}
	for h.Clients() < clients {
		runtime.Gosched()
	}
	before := heapInUse()
	text := strings.Repeat("x", size)
	for round := range rounds {
		for range each {
			publish(t, h, "a", text)
		}
		for want := int64((clients - 1) * each * (round + 1)); heard.Load() < want; { // the test's own time ends it
			runtime.Gosched()
		}
	}
	wait.Wait()
	grown := heapInUse() - before
	h.mu.Lock()
	behind := 0
	for c := range h.topics["a"].clients {
		if c.cursor+each < h.seq {
			behind++
		}
	}
	h.mu.Unlock()
	if behind != 1 {
		t.Errorf("%d clients are far behind, want the stalled one", behind)
	}
	t.Logf("%d clients, one of them stalled: %d events of %d bytes were heard by each of the others; memory grew by %d KiB", clients, rounds*each, size, grown>>10)
	if grown > 16<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func FuzzParsePosition(f *testing.F) {
	for _, s := range []string{"abc234-0", "abc-18446744073709551616", "-1", "a-", "a-01", "a-+1", "A-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, ok := parsePosition(s); ok && p.String() != s {
			t.Errorf("%q was read as %q", s, p)
		}
	})
}

// FuzzFrame reads an event back the way that a browser does.
func FuzzFrame(f *testing.F) {
	for _, s := range []string{"", "a", "a\nb", "a\r\nb\rc", "\n", "id: 7\n\ndata: x", ": x", "é"} {
		f.Add("name", s)
	}
	f.Fuzz(func(t *testing.T, name, data string) {
		b, err := StreamEvent{Name: name, Data: data}.frame("abc-7")
		if err != nil {
			return
		}
		lines := strings.Split(string(b), "\n")
		var got []string
		for i, line := range lines {
			switch {
			case line == "id: abc-7" && i == 0, line == "event: "+name && i == 1, line == "" && i >= len(lines)-2:
			case strings.HasPrefix(line, "data: "):
				got = append(got, line[6:])
			default:
				t.Fatalf("line %d of %q", i, b)
			}
		}
		if want := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(data); strings.Join(got, "\n") != want {
			t.Errorf("%q arrives as %q", data, got)
		}
	})
}

func BenchmarkPublishToAThousand(b *testing.B) {
	h := NewHub(HubOptions{})
	for range 1000 {
		if _, _, err := h.join([]string{"a"}, ""); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		publish(b, h, "a", "<p>a change of a hundred bytes or so, as a live part of a page has it, with its tags</p>")
	}
}

// TestATopicWithoutANameIsNotForgottenUnderItsListeners: the empty name is a
// name as any other.
func TestATopicWithoutANameIsNotForgottenUnderItsListeners(t *testing.T) {
	t.Parallel()
	h := NewHub(HubOptions{Topics: 1})
	c, _, err := h.join([]string{""}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer h.leave(c)
	for _, name := range []string{"other", ""} {
		if _, err := h.Publish(name, StreamEvent{Name: "note", Data: "text"}); err != nil {
			t.Fatal(err)
		}
	}
	if frames, gap := h.next(c, nil); gap || len(frames) != 1 {
		t.Errorf("%d events, gap %v; want the one of its topic", len(frames), gap)
	}
}
