package telemetry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Access is one finished request, for the access log. Empty fields are left
// out of the line, but for those that every request has.
type Access struct {
	Arrived   time.Time
	RequestID string
	Method    string
	Host      string
	Path      string // the decoded path; a query, should one be there, is cut off
	Status    int
	Client    string // address without port
	BytesIn   int64  // of the request's body
	BytesOut  int64  // of the answer's body
	Latency   time.Duration
	// UpstreamTime is how long the upstream took to the head of its answer; 0
	// for the gateway's own answers.
	UpstreamTime time.Duration
	Upstream     string // address that answered, or was tried last
	Service      string
	Endpoint     string
	Customer     string // id
	Key          string // id, never the key itself
	Refusal      string // why the gate refused: the problem type's last part
	Failure      string // why there was no answer from the service: the RFC 9209 type
}

// AccessLog writes one line for each request, in the form of the logger's
// lines, with "request" as the message. It gathers lines and writes them when
// 64 KB are full, once a second, and on Flush and Close: a crash may lose the
// last second of it, which is why nothing is counted or billed by it. It is
// safe for concurrent use.
type AccessLog struct {
	handler slog.Handler
	out     *batch
}

const (
	batchSize  = 64 << 10
	batchDelay = time.Second
)

func newAccessLog(w io.Writer) *AccessLog {
	out := &batch{w: w}
	return &AccessLog{handler: slog.NewJSONHandler(out, nil), out: out}
}

// Write adds a request's line. A line that cannot be written is dropped, for
// no request may suffer for its log; Flush and Close return the first such error.
func (l *AccessLog) Write(a Access) {
	path, _, _ := strings.Cut(a.Path, "?")
	r := slog.NewRecord(a.Arrived, slog.LevelInfo, "request", 0)
	var space [18]slog.Attr
	attrs := append(space[:0],
		slog.String("id", a.RequestID),
		slog.String("method", a.Method),
		slog.String("host", a.Host),
		slog.String("path", hideKeys(path)),
		slog.Int("status", a.Status),
		slog.Int64("in", a.BytesIn),
		slog.Int64("out", a.BytesOut),
		slog.Float64("ms", milliseconds(a.Latency)),
	)
	if a.UpstreamTime != 0 {
		attrs = append(attrs, slog.Float64("upstream_ms", milliseconds(a.UpstreamTime)))
	}
	for _, s := range [...]struct{ name, value string }{
		{"upstream", a.Upstream}, {"service", a.Service}, {"endpoint", a.Endpoint}, {"client", a.Client},
		{"customer", a.Customer}, {"key", a.Key}, {"refusal", a.Refusal}, {"failure", a.Failure},
	} {
		if s.value != "" {
			attrs = append(attrs, slog.String(s.name, s.value))
		}
	}
	r.AddAttrs(attrs...)
	_ = l.handler.Handle(context.Background(), r) // batch keeps the error for Flush
}

// Flush writes what was gathered.
func (l *AccessLog) Flush() error { return l.out.flush() }

// Close flushes. Lines that come after it are written at once.
func (l *AccessLog) Close() error { return l.out.close() }

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond)) / float64(time.Millisecond)
}

// batch gathers lines in memory.
type batch struct {
	w io.Writer

	mu     sync.Mutex
	buf    []byte
	timer  *time.Timer // runs while buf holds something
	closed bool
	err    error
}

func (b *batch) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.buf) > 0 && len(b.buf)+len(line) > batchSize {
		b.writeOut()
	}
	b.buf = append(b.buf, line...)
	switch {
	case b.closed:
		b.writeOut()
	case b.timer == nil:
		b.timer = time.AfterFunc(batchDelay, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.writeOut()
		})
	case len(b.buf) == len(line):
		b.timer.Reset(batchDelay)
	}
	return len(line), nil
}

func (b *batch) writeOut() {
	if len(b.buf) == 0 {
		return
	}
	if _, err := b.w.Write(b.buf); err != nil && b.err == nil {
		b.err = err
	}
	b.buf = b.buf[:0]
}

func (b *batch) flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writeOut()
	err := b.err
	b.err = nil
	return err
}

func (b *batch) close() error {
	b.mu.Lock()
	b.closed = true
	if b.timer != nil {
		b.timer.Stop()
	}
	b.mu.Unlock()
	if err := b.flush(); err != nil {
		return errors.Join(errors.New("some lines of the access log could not be written"), err)
	}
	return nil
}
