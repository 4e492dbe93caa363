package edge

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// frames is a client's HTTP/2 connection, between net/http and TLS. It reads
// along which frames leave (RFC 9113 §4.1), because nothing else says when the
// end of a stream has been handed over: net/http writes it after the handler
// has returned, and buffers it. An answer is told from the others of its
// connection by its request ID, which is the first thing that the frames show.
type frames struct {
	*tls.Conn

	writing sync.Mutex // one writes to Conn at a time; before mu

	mu       sync.Mutex
	expected map[string]*answer  // by request ID: no head seen yet
	streams  map[uint32]*answer  // by stream: the head is out, the end is not
	given    map[uint32]struct{} // streams that the client gave up before their head was out
	in, out  frameReader
	head     headReader
	closed   bool

	leaving bool // the client is to be told that it shall open no more streams
	told    bool // … or has been, or net/http has told it
}

// maxGiven bounds what a client can make us remember by giving up streams. One
// that gives up more may keep a lease until its connection ends.
const maxGiven = 1000

// answer is the end of one answer, from when its head is handed to net/http.
type answer struct {
	stream uint32           // 0: no head seen yet
	over   bool             // its stream has ended
	whole  bool             // … with the answer's own end
	handed func(whole bool) // nil: the chain has not come to the answer's end yet
}

type framesKey struct{}

func newFrames(c *tls.Conn) *frames {
	f := &frames{
		Conn: c, expected: map[string]*answer{}, streams: map[uint32]*answer{}, given: map[uint32]struct{}{},
		in: frameReader{skip: len(http2.ClientPreface)},
	}
	f.head.decoder = hpack.NewDecoder(4096, f.head.field)
	return f
}

// framesOf finds the HTTP/2 connection of a request.
func framesOf(ctx context.Context) (*frames, bool) {
	f, ok := ctx.Value(framesKey{}).(*frames)
	return f, ok
}

// expect announces an answer by its request ID; nil when another answer under
// way has the same one, as a trusted caller may bring about.
func (f *frames) expect(id string) *answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || id == "" || f.expected[id] != nil {
		return nil
	}
	a := new(answer)
	f.expected[id] = a
	return a
}

// forget gives up an answer whose head may never be written.
func (f *frames) forget(id string, a *answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.expected[id] == a {
		delete(f.expected, id)
	}
}

// await calls handed when the stream of a has ended: at once when it has.
func (f *frames) await(a *answer, handed func(whole bool)) {
	f.mu.Lock()
	if f.closed && !a.over {
		a.over = true
	}
	a.handed = handed
	over, whole := a.over, a.whole
	f.mu.Unlock()
	if over {
		handed(whole)
	}
}

// Write hands frames to TLS, and tells the answers that ended with them once
// they are there.
func (f *frames) Write(p []byte) (int, error) {
	f.writing.Lock()
	n, err := f.Conn.Write(p)
	var ended []*answer
	f.mu.Lock()
	f.out.read(p[:n], func(h http2.FrameHeader, payload []byte, last bool) {
		if a := f.wrote(h, payload, last); a != nil && a.handed != nil {
			ended = append(ended, a)
		}
	})
	f.mu.Unlock()
	f.tell()
	f.writing.Unlock()
	for _, a := range ended {
		a.handed(a.whole)
	}
	return n, err
}

// leave tells the client to open no more streams here.
func (f *frames) leave() {
	f.writing.Lock()
	defer f.writing.Unlock()
	f.mu.Lock()
	f.leaving = true
	f.mu.Unlock()
	f.tell()
}

// goAway says that every stream up to the highest number there can be is
// answered (RFC 9113 §6.8). The server's own, with the last one that it took,
// follows when the connection is closed.
var goAway = []byte{0, 0, 8, byte(http2.FrameGoAway), 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0}

// tell says it, as soon as no other frame is under way and the server's
// SETTINGS are out, which must be first. The caller holds writing. What cannot
// be written ends the connection at net/http's own next write.
func (f *frames) tell() {
	f.mu.Lock()
	now := f.leaving && !f.told && !f.closed && f.out.between() && f.head.stream == 0
	f.told = f.told || now
	f.mu.Unlock()
	if now {
		_, _ = f.Conn.Write(goAway)
	}
}

// wrote takes note of a part of an outgoing frame and returns the answer that
// ended with it.
func (f *frames) wrote(h http2.FrameHeader, payload []byte, last bool) *answer {
	switch h.Type {
	case http2.FrameHeaders, http2.FrameContinuation:
		if h.Type == http2.FrameHeaders && f.head.stream != h.StreamID {
			f.head.begin(h.StreamID, h.Flags.Has(http2.FlagHeadersEndStream))
		}
		f.head.block(payload)
		if !last || !h.Flags.Has(http2.FlagHeadersEndHeaders) { // the same bit in both
			return nil
		}
		id, end := f.head.finish()
		if a := f.expected[id]; a != nil && id != "" {
			delete(f.expected, id)
			a.stream = h.StreamID
			f.streams[h.StreamID] = a
			if _, up := f.given[h.StreamID]; up {
				delete(f.given, h.StreamID)
				return f.end(h.StreamID, false)
			}
		}
		if end {
			return f.end(h.StreamID, true)
		}
	case http2.FrameData:
		if last && h.Flags.Has(http2.FlagDataEndStream) {
			return f.end(h.StreamID, true)
		}
	case http2.FrameRSTStream:
		if last {
			return f.end(h.StreamID, false)
		}
	case http2.FrameGoAway:
		f.told = true // no later one may name a higher stream
	}
	return nil
}

// end ends a stream.
func (f *frames) end(stream uint32, whole bool) *answer {
	a := f.streams[stream]
	if a == nil {
		return nil
	}
	delete(f.streams, stream)
	a.over, a.whole = true, whole
	return a
}

// Read reads frames from TLS, and takes note of the streams that the client
// gives up: nothing has to leave for them any more.
func (f *frames) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	var ended []*answer
	f.mu.Lock()
	f.in.read(p[:n], func(h http2.FrameHeader, _ []byte, last bool) {
		if h.Type != http2.FrameRSTStream || !last {
			return
		}
		if f.streams[h.StreamID] == nil {
			if len(f.given) < maxGiven && len(f.expected) > 0 {
				f.given[h.StreamID] = struct{}{}
			}
			return
		}
		if a := f.end(h.StreamID, false); a.handed != nil {
			ended = append(ended, a)
		}
	})
	if len(f.expected) == 0 {
		clear(f.given)
	}
	f.mu.Unlock()
	for _, a := range ended {
		a.handed(a.whole)
	}
	return n, err
}

// Close ends every answer under way: what has not left will not.
func (f *frames) Close() error {
	err := f.Conn.Close()
	var ended []*answer
	f.mu.Lock()
	f.closed = true
	for _, a := range f.expected {
		ended = append(ended, a)
	}
	for _, a := range f.streams {
		ended = append(ended, a)
	}
	clear(f.expected)
	clear(f.streams)
	for _, a := range ended {
		a.over = true
	}
	f.mu.Unlock()
	for _, a := range ended {
		if a.handed != nil {
			a.handed(false)
		}
	}
	return err
}

// frameReader cuts a stream of bytes, which come in any portions, into frames.
type frameReader struct {
	skip   int // bytes of the preface that are still to come
	header [9]byte
	have   int // bytes of the header
	frame  http2.FrameHeader
	left   int // bytes of the payload that are still to come
	some   bool
}

// between tells whether a frame has passed and none is under way.
func (r *frameReader) between() bool { return r.some && r.have == 0 }

// read hands each portion of a frame's payload to each, in order; last is true
// with the one that completes the frame, which may be empty.
func (r *frameReader) read(p []byte, each func(h http2.FrameHeader, payload []byte, last bool)) {
	if skipped := min(r.skip, len(p)); skipped > 0 {
		r.skip -= skipped
		p = p[skipped:]
	}
	for len(p) > 0 {
		if r.have < len(r.header) {
			n := copy(r.header[r.have:], p)
			r.have += n
			p = p[n:]
			if r.have < len(r.header) {
				return
			}
			r.some = true
			r.left = int(r.header[0])<<16 | int(r.header[1])<<8 | int(r.header[2])
			r.frame = http2.FrameHeader{
				Type: http2.FrameType(r.header[3]), Flags: http2.Flags(r.header[4]),
				StreamID: binary.BigEndian.Uint32(r.header[5:]) &^ (1 << 31), Length: uint32(r.left),
			}
		}
		n := min(r.left, len(p))
		r.left -= n
		last := r.left == 0
		if last {
			r.have = 0
		}
		each(r.frame, p[:n], last)
		p = p[n:]
	}
}

// headReader finds the request ID in a header block (RFC 7541). It has to read
// every block of a connection, for each builds on those before it. The server
// neither pads its blocks nor gives them priorities.
type headReader struct {
	decoder *hpack.Decoder
	stream  uint32 // whose block is being read, 0 for none
	end     bool   // the stream ends with it
	id      string
	final   bool // the head of an answer, and no interim one
	broken  bool // never by our own server
}

func (r *headReader) begin(stream uint32, end bool) {
	r.stream, r.end, r.id, r.final = stream, end, "", false
}

func (r *headReader) block(p []byte) {
	if _, err := r.decoder.Write(p); err != nil {
		r.broken = true
	}
}

func (r *headReader) field(f hpack.HeaderField) {
	switch f.Name {
	case "x-request-id":
		r.id = f.Value
	case ":status": // trailers have none, and 1xx is not the answer yet
		r.final = f.Value != "" && f.Value[0] != '1'
	}
}

// finish ends a block. id is "" when the block is no answer's head.
func (r *headReader) finish() (id string, end bool) {
	if err := r.decoder.Close(); err != nil {
		r.broken = true
	}
	if r.final && !r.broken {
		id = r.id
	}
	end = r.end
	r.stream = 0
	return id, end
}
