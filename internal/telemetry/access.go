package telemetry

import (
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"
)

// Access is one finished request, for the access log. Empty fields are left
// out of the line, but for those that every request has.
type Access struct {
	Arrived   time.Time
	Decided   time.Time // for which its limits were decided; written where it is not Arrived
	RequestID string
	Method    string
	Host      string
	Path      string // the decoded path; a query, should one be there, is cut off
	Status    int
	Client    netip.Addr
	BytesIn   int64 // of the request's body
	BytesOut  int64 // of the answer's body
	Latency   time.Duration
	// UpstreamTime is how long the upstream took to the head of its answer; 0
	// for the gateway's own answers.
	UpstreamTime time.Duration
	Upstream     string // address that answered, or was tried last
	Retries      int    // tries beyond the first
	Protocol     string // of the client's connection: "HTTP/1.1"
	TLS          string // its version: "TLS 1.3"; "" without
	Cache        string // how the service's cache answered: hit, miss, …; "" without one
	Service      string
	Endpoint     string
	Customer     string // id
	Key          string // id, never the key itself
	Refusal      string // why the gate refused: the problem type's last part
	KeptReserved bool   // reserved units count in place of those that the service would have said
	Failure      string // why there was no answer from the service: the RFC 9209 type
}

// AccessLog writes one line for each request, in the form of the logger's
// lines, with "request" as the message. It gathers lines and writes them when
// 64 KB are full, once a second, and on Flush and Close: a crash may lose the
// last second of it, which is why nothing is counted or billed by it. It is
// safe for concurrent use.
type AccessLog struct {
	settings atomic.Pointer[accessSettings]
	usual    *batch
	log      *slog.Logger
}

type accessSettings struct {
	AccessSettings
	out *batch
}

// AccessSettings say what becomes of the lines.
type AccessSettings struct {
	Off bool
	// Share is how many of a hundred requests have a line, 100 for all. What
	// failed (a status of 500 or more, or no answer of the service) always has one.
	Share int
	// To is where the lines go; nil: where the logger's go.
	To io.Writer
}

func newAccessLog(w io.Writer, log *slog.Logger) *AccessLog {
	l := &AccessLog{usual: newBatch(w, log), log: log}
	l.settings.Store(&accessSettings{AccessSettings{Share: 100}, l.usual})
	return l
}

// Switch makes other settings hold for the next line. Lines that were gathered
// before go where they would have gone; the error is why they could not.
func (l *AccessLog) Switch(to AccessSettings) error {
	next := &accessSettings{to, l.usual}
	was := l.settings.Load()
	switch {
	case to.To == nil:
	case to.To == was.To:
		next.out = was.out
	default:
		next.out = newBatch(to.To, l.log)
	}
	l.settings.Store(next)
	if was.out != next.out && was.out != l.usual {
		return was.out.close()
	}
	return nil
}

// Write adds a request's line. A line that cannot be written is dropped, for
// no request may suffer for its log; it is counted (Dropped), the logger is told
// when that begins and ends, and Flush and Close return the first such error.
func (l *AccessLog) Write(a Access) {
	s := l.settings.Load()
	if s.Off {
		return
	}
	share := 100
	if s.Share < 100 && a.Status < 500 && a.Failure == "" {
		if share = s.Share; rand.IntN(100) >= share {
			return
		}
	}
	s.out.add(a, share)
}

// Dropped is how many lines were left out because what they are written to
// took them too slowly, or not at all.
func (l *AccessLog) Dropped() uint64 {
	n := l.usual.dropped.Load()
	if out := l.settings.Load().out; out != l.usual {
		n += out.dropped.Load()
	}
	return n
}

// Flush writes what was gathered.
func (l *AccessLog) Flush() error { return l.settings.Load().out.flush() }

// Close flushes. Lines that come after it are written at once.
func (l *AccessLog) Close() error { return l.settings.Load().out.close() }
