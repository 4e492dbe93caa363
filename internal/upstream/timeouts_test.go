package upstream

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// limits are those of the contract file.
var limits = toll.Timeouts{Connect: 2 * time.Second, Response: time.Minute, Idle: 2 * time.Minute, Stream: time.Hour}

// bubble runs a test in a synctest bubble, with an upstream in memory.
func bubble(t *testing.T, h http.HandlerFunc, test func(t *testing.T, p *Pool)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		net := newMemory()
		net.serve(t, h)
		test(t, poolTo(t, toll.Service{Timeouts: limits}, Options{dial: net.dial}, "http://127.0.0.1:9001"))
	})
}

// after checks, in the bubble's time, how long something took.
func after(t *testing.T, began time.Time, want time.Duration) {
	t.Helper()
	if got := time.Since(began); got != want {
		t.Errorf("it took %v, want %v", got, want)
	}
}

func TestWaitsForAHeadAsLongAsItIsSaid(t *testing.T) {
	t.Parallel()
	bubble(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			time.Sleep(59 * time.Second)
			return
		}
		<-r.Context().Done()
	}, func(t *testing.T, p *Pool) {
		answer(t, p, request("GET", "/slow", ""))
		began := time.Now()
		failure(t, p, request("GET", "/never", ""), 504, "http_response_timeout")
		after(t, began, time.Minute)
		idleAgain(t, p)
	})
}

func TestWaitsForTheHeadFromTheEndOfTheBody(t *testing.T) {
	t.Parallel()
	bubble(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}, func(t *testing.T, p *Pool) {
		began := time.Now()
		req := request("POST", "/", "")
		req.Body, req.Length = io.NopCloser(&drip{times: 5, every: 100 * time.Second}), -1
		failure(t, p, req, 504, "http_response_timeout")
		after(t, began, 500*time.Second+time.Minute)
	})
}

// drip is a body that comes a byte at a time.
type drip struct {
	times int
	every time.Duration
}

func (d *drip) Read(p []byte) (int, error) {
	if d.times == 0 {
		return 0, io.EOF
	}
	d.times--
	time.Sleep(d.every)
	p[0] = 'x'
	return 1, nil
}

func TestEndsABodyThatStopsComing(t *testing.T) {
	t.Parallel()
	bubble(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}, func(t *testing.T, p *Pool) {
		began := time.Now()
		resp, err := p.Forward(t.Context(), request("GET", "/", ""))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		expect(t, err, 504, "connection_read_timeout")
		if string(body) != "half" {
			t.Errorf("read %q", body)
		}
		after(t, began, limits.Idle)
		idleAgain(t, p)
	})
}

func TestASlowReaderIsNotTheUpstreamsFault(t *testing.T) {
	t.Parallel()
	bubble(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, 100_000))
	}, func(t *testing.T, p *Pool) {
		resp, err := p.Forward(t.Context(), request("GET", "/", ""))
		if err != nil {
			t.Fatal(err)
		}
		var n int64
		for {
			time.Sleep(limits.Idle + time.Second)
			m, err := io.CopyN(io.Discard, resp.Body, 20_000)
			n += m
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if n != 100_000 {
			t.Errorf("read %d bytes", n)
		}
		_ = resp.Body.Close()
	})
}

func TestASilentEventStreamLivesAsLongAsAStreamMay(t *testing.T) {
	t.Parallel()
	bubble(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "Text/Event-Stream; charset=utf-8")
		_, _ = io.WriteString(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}, func(t *testing.T, p *Pool) {
		began := time.Now()
		resp, err := p.Forward(t.Context(), request("GET", "/", ""))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		expect(t, err, 504, "http_response_timeout")
		after(t, began, limits.Stream)
		if string(body) != "data: 1\n\n" {
			t.Errorf("read %q", body)
		}
	})
}

func TestAClientThatStopsSendingIsToldSo(t *testing.T) {
	t.Parallel()
	bubble(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }, func(t *testing.T, p *Pool) {
		body, client := io.Pipe()
		req := request("POST", "/", "")
		req.Body, req.Length = body, 100
		go func() { _, _ = client.Write([]byte("half")) }()
		began := time.Now()
		failure(t, p, req, 408, "http_request_error")
		after(t, began, limits.Idle)
		if p.Status()[0].Failed != 0 {
			t.Error("the upstream is blamed")
		}
		idleAgain(t, p)
		_ = client.Close() // as the front does: the Read that was left behind ends
	})
}

// deaf is an upstream in memory that reads the head and n bytes of the body of
// each connection's first request, and then no more.
func deaf(t *testing.T, n int64) *memory {
	m := newMemory()
	go func() {
		for {
			conn, err := m.Accept()
			if err != nil {
				return
			}
			go func() {
				in := bufio.NewReaderSize(conn, 16) // it must not hear more than it says
				readHead(in)
				_, _ = io.CopyN(io.Discard, in, n)
				<-m.done
				_ = conn.Close()
			}()
		}
	}()
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func TestAnUpstreamThatTakesNoBodyIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := deaf(t, 50_000)
		p := poolTo(t, toll.Service{Timeouts: limits}, Options{dial: m.dial}, "http://127.0.0.1:9001")
		began := time.Now()
		failure(t, p, request("POST", "/", strings.Repeat("x", 100_000)), 504, "connection_write_timeout")
		after(t, began, limits.Idle)
		idleAgain(t, p)
	})
}

func TestAnUpstreamThatLeavesTheLastBytesIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Only the last chunk is not taken: the client's part is over by then.
		m := deaf(t, int64(len("5\r\nsmall\r\n")))
		p := poolTo(t, toll.Service{Timeouts: limits}, Options{dial: m.dial}, "http://127.0.0.1:9001")
		began := time.Now()
		req := request("POST", "/", "small")
		req.Length = -1
		failure(t, p, req, 504, "connection_write_timeout")
		after(t, began, limits.Idle+limits.Response)
	})
}

func TestWaitsForAConnectionAsLongAsItIsSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		never := func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
		p := poolTo(t, toll.Service{Timeouts: limits}, Options{dial: never}, "http://127.0.0.1:9001")
		began := time.Now()
		failure(t, p, request("GET", "/", ""), 504, "connection_timeout")
		after(t, began, limits.Connect)
	})
}

func TestATLSHandshakeIsPartOfTheConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := deaf(t, 0)
		p := poolTo(t, toll.Service{Timeouts: limits}, Options{dial: m.dial}, "https://127.0.0.1:9001")
		began := time.Now()
		failure(t, p, request("GET", "/", ""), 504, "connection_timeout")
		after(t, began, limits.Connect)
	})
}

func TestAClientThatLeavesIsNoFailureOfTheUpstream(t *testing.T) {
	t.Parallel()
	silent := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/half" {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	t.Run("before the head", func(t *testing.T) {
		t.Parallel()
		bubble(t, silent, func(t *testing.T, p *Pool) {
			left := errors.New("the client closed its connection")
			ctx, leave := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { leave(left) })
			_, err := p.Forward(ctx, request("GET", "/", ""))
			if f := asFailure(t, err, StatusClientGone, "client_gone"); !errors.Is(f, left) {
				t.Errorf("the cause is %v", f.Cause)
			}
			if p.Status()[0].Failed != 0 {
				t.Error("the upstream is blamed")
			}
			idleAgain(t, p)
		})
	})
	t.Run("within its own body", func(t *testing.T) {
		t.Parallel()
		bubble(t, silent, func(t *testing.T, p *Pool) {
			ctx, leave := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, leave)
			body, client := io.Pipe()
			req := request("POST", "/", "")
			req.Body, req.Length = body, -1
			_, err := p.Forward(ctx, req)
			expect(t, err, StatusClientGone, "client_gone")
			idleAgain(t, p)
			_ = client.Close()
		})
	})
	t.Run("within the answer", func(t *testing.T) {
		t.Parallel()
		bubble(t, silent, func(t *testing.T, p *Pool) {
			ctx, leave := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, leave)
			resp, err := p.Forward(ctx, request("GET", "/half", ""))
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.ReadAll(resp.Body)
			expect(t, err, StatusClientGone, "client_gone")
			idleAgain(t, p)
		})
	})
	t.Run("by the caller's deadline", func(t *testing.T) {
		t.Parallel()
		bubble(t, silent, func(t *testing.T, p *Pool) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := p.Forward(ctx, request("GET", "/", ""))
			expect(t, err, 504, "http_response_timeout")
		})
	})
}

func TestAClosedAnswerIsOverAtOnce(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	p := poolTo(t, toll.Service{}, Options{}, server(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(gone)
	}))
	resp, err := p.Forward(t.Context(), request("GET", "/", ""))
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	<-gone // the upstream learns of it
	idleAgain(t, p)
}

func TestAnAnswerBeforeTheBodyIsAnAnswer(t *testing.T) {
	t.Parallel()
	p := poolTo(t, toll.Service{}, Options{}, raw(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		readHead(in)
		_, _ = io.WriteString(conn, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
		_, _ = io.Copy(io.Discard, in)
	}))
	body, client := io.Pipe()
	defer func() { _ = client.Close() }()
	req := request("POST", "/", "")
	req.Body, req.Length = body, 1<<20
	if resp, text := answer(t, p, req); resp.Status != 401 || text != "no" {
		t.Errorf("%d %q", resp.Status, text)
	}
	idleAgain(t, p)
}
