package edge

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Front is the net/http front: it parses, fills an exchange.Request, walks the
// chain, and gives what no service takes to the console.
type Front struct {
	Chain   *Chain
	Console Console // nil: no console
	IDs     *toll.IDs

	settings atomic.Pointer[Settings]
}

// Console is the pages, as a front sees them.
type Console interface {
	http.Handler
	// Has tells whether there is anything at a request's path, whoever asks.
	Has(r *http.Request) bool
}

// Settings are what the configuration says about the front itself.
type Settings struct {
	Proxies Proxies
	// ConsoleHost is the console's host; "" gives it every host that no service takes.
	ConsoleHost string
}

// Switch makes other settings hold for the next request. It must be called
// before the first one.
func (f *Front) Switch(s Settings) { f.settings.Store(&s) }

var _ http.Handler = (*Front)(nil)

// ServeHTTP takes one request through the house.
func (f *Front) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	now := f.Chain.Clock()
	peer := peerOf(hr.RemoteAddr)
	settings := f.settings.Load()
	trusted := settings.Proxies.Trusts(peer)
	r := &exchange.Request{
		Arrived:  now,
		Method:   hr.Method,
		Scheme:   "http",
		Host:     hostOf(hr.Host),
		HostPort: hr.Host,
		Peer:     peer,
		Client:   settings.Proxies.Client(peer, hr.Header["X-Forwarded-For"]),
		Header:   exchange.Fields(hr.Header),
		Length:   hr.ContentLength,
		Upgrade:  upgradeOf(hr),
		Protocol: hr.Proto,
	}
	r.RawPath, r.RawQuery = splitTarget(hr)
	if hr.TLS != nil {
		r.TLS = tls.VersionName(hr.TLS.Version)
	}
	if hr.TLS != nil || trusted && strings.EqualFold(hr.Header.Get("X-Forwarded-Proto"), "https") {
		r.Scheme, r.Secure = "https", true
	}
	if id := hr.Header.Get(idField); trusted && goodRequestID(id) {
		r.ID = id
	} else {
		r.ID = f.IDs.New(now).String()
	}
	body := NewBody(hr.Body, hr.ContentLength)
	r.Body = body

	out := &responseWriter{w: w, r: hr, body: body}
	if out.frames, _ = framesOf(hr.Context()); out.frames == nil {
		out.conn = connectionOf(hr) // over HTTP/2 it is not one request's
	}
	out.Patience(0)
	if takesInterims(hr) {
		r.Interim = out.interim
	}
	if hr.ProtoMajor == 1 && len(hr.Header["Upgrade"]) > 0 {
		w.Header().Set("Connection", "close") // what comes behind an upgrade that is not made, nobody reads along
	}
	if odd := f.odd(hr, r); odd != nil {
		odd.Header.Set("Connection", "close")
		_ = writeWhole(out, hr.Method, odd)
	} else if !f.Chain.Serve(hr.Context(), r, body, trusted, out) {
		f.elsewhere(settings, out, hr, r)
	}
	out.close()
	if out.aborted {
		panic(http.ErrAbortHandler)
	}
	out.await(lingerTimeout)
}

// odd answers requests that net/http lets through and that mean nothing here, or
// more than one thing; nil for all others.
func (f *Front) odd(hr *http.Request, r *exchange.Request) *exchange.Response {
	switch {
	case hr.Method == http.MethodConnect:
		return f.Chain.Answers.NoTunnel(r)
	case !goodHost(hr.Host) || hr.URL.User != nil:
		return f.Chain.Answers.BadHost(r)
	case !goodLength(hr.Header["Content-Length"]): // over HTTP/2, where net/http takes the first, and nonsense for 0
		return f.Chain.Answers.problem(r, refused(bodyMalformed))
	}
	return nil
}

// goodLength tells whether a request says at most once how long it is, and in
// digits alone (RFC 9110 §8.6).
func goodLength(fields []string) bool {
	return len(fields) == 0 || len(fields) == 1 && fields[0] != "" && strings.Trim(fields[0], "0123456789") == ""
}

// elsewhere serves what no service takes. A program that calls an address that
// nothing takes is told so in its own form, and gets no page of the console.
func (f *Front) elsewhere(settings *Settings, out *responseWriter, hr *http.Request, r *exchange.Request) {
	if f.Console == nil || settings.ConsoleHost != "" && !strings.EqualFold(r.Host, settings.ConsoleHost) ||
		formFor(r) == asProblem && !f.Console.Has(hr) {
		_ = writeWhole(out, hr.Method, f.Chain.Answers.NoRoute(r))
		return
	}
	out.await(formTimeout)
	hr.Header.Set(idField, r.ID)
	out.w.Header().Set(idField, r.ID)
	hr.RemoteAddr = netip.AddrPortFrom(r.Client, 0).String()
	f.Console.ServeHTTP(out.w, hr)
}

// splitTarget takes the path and the query from the request line as the client
// sent them, whatever form it used (RFC 9112 §3.2).
func splitTarget(hr *http.Request) (path, query string) {
	target := hr.RequestURI
	if target == "" {
		target = hr.URL.RequestURI()
	}
	if i := strings.Index(target, "://"); i > 0 && !strings.HasPrefix(target, "/") {
		target = target[i+3:]
		if slash := strings.IndexAny(target, "/?"); slash >= 0 {
			target = target[slash:]
		} else {
			target = "/"
		}
		if strings.HasPrefix(target, "?") {
			target = "/" + target
		}
	}
	path, query, _ = strings.Cut(target, "?")
	return path, query
}

func peerOf(remote string) netip.Addr {
	if ap, err := netip.ParseAddrPort(remote); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	return netip.Addr{} // a unix socket: no address
}

// upgradeOf returns the protocol that the request wants to switch to (RFC 9110
// §7.8). Over HTTP/1.0 there is none, and behind a body none is taken up: what
// belongs to the body and what to the new protocol would be a matter of opinion.
func upgradeOf(hr *http.Request) string {
	if hr.ProtoMajor != 1 || hr.ProtoMinor < 1 || hr.ContentLength != 0 || hr.Header.Get("Upgrade") == "" {
		return ""
	}
	for _, field := range hr.Header["Connection"] {
		for token := range strings.SplitSeq(field, ",") {
			if strings.EqualFold(strings.TrimSpace(token), "upgrade") {
				return strings.ToLower(hr.Header.Get("Upgrade"))
			}
		}
	}
	return ""
}

// goodRequestID tells whether a trusted caller's request ID can be taken over:
// 8 to 128 visible characters that need no quoting anywhere.
func goodRequestID(id string) bool {
	if len(id) < 8 || len(id) > 128 {
		return false
	}
	for i := 0; i < len(id); i++ {
		c := id[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

// responseWriter is an exchange.Writer over net/http's.
type responseWriter struct {
	w       http.ResponseWriter
	r       *http.Request
	body    *Body
	conn    *connection // nil when it is none of Listen's, and over HTTP/2
	counted bool        // the body's length is known, so its last byte goes out with Flush
	taken   bool        // the connection is the upgrade's: net/http holds nothing back and tells nothing more
	aborted bool

	frames *frames // of an HTTP/2 connection, nil for others
	answer *answer // what frames knows of this answer, nil for nothing
	id     string  // the answer's request ID
	ended  bool    // the answer is complete, and its end on its way
	stall  stall
}

var _ exchange.Writer = (*responseWriter)(nil)

func (o *responseWriter) Head(status int, h exchange.Header, length int64) error {
	target := o.w.Header()
	if fields, ok := h.(exchange.Fields); ok {
		for name, values := range fields {
			target[name] = values
		}
	} else {
		for name, value := range h.All() {
			target.Add(name, value)
		}
	}
	if target["Content-Type"] == nil {
		target["Content-Type"] = nil // what the service did not say, we do not guess
	}
	if length >= 0 && status != http.StatusNoContent {
		target.Set("Content-Length", strconv.FormatInt(length, 10))
	}
	o.counted = length >= 0 || !hasBody(o.r.Method, status)
	o.overtake(target)
	if o.frames != nil {
		o.id = h.Get(idField)
		o.answer = o.frames.expect(o.id)
	}
	o.w.WriteHeader(status)
	return nil
}

func (o *responseWriter) Patience(d time.Duration) {
	o.stall.patience = d
	if o.conn != nil {
		o.conn.wait(d)
	}
}

// overtake lets an answer go out while its request's body is still on the way.
// Left to itself, net/http sends no head before it has read the body, however
// long the client takes, and takes it away from whoever is reading it.
func (o *responseWriter) overtake(h http.Header) {
	switch {
	case o.body.ended.Load() || o.r.ProtoMajor != 1:
	case o.body.begun.Load():
		// It goes on being read for the service; what is left of it after the
		// answer must not be taken for the next request.
		_ = http.NewResponseController(o.w).EnableFullDuplex()
		h.Set("Connection", "close")
	default:
		// Nobody wants it. net/http throws a short rest away and keeps the
		// connection, if the rest is there in time.
		o.await(lingerTimeout)
	}
}

// await bounds how long the rest of the request's body is waited for from now
// on, where no service's own limits do.
func (o *responseWriter) await(rest time.Duration) {
	if o.body.ended.Load() || o.taken {
		return
	}
	// What is gone is not waited for either: the errors say no more than that.
	until := time.Now().Add(rest)
	if o.conn != nil {
		_ = o.conn.linger(until)
		return
	}
	_ = http.NewResponseController(o.w).SetReadDeadline(until) // of an HTTP/2 stream
}

func (o *responseWriter) Write(p []byte) (int, error) {
	if o.frames != nil {
		defer o.stall.begin(o.w)()
	}
	return o.w.Write(p)
}

func (o *responseWriter) Flush() error {
	if o.frames != nil {
		defer o.stall.begin(o.w)()
	}
	return http.NewResponseController(o.w).Flush()
}

func (o *responseWriter) Trailer(name, value string) {
	o.w.Header().Add(http.TrailerPrefix+name, value)
}

func (o *responseWriter) Upgrade(h exchange.Header) (io.ReadWriteCloser, error) {
	conn, buffered, err := http.NewResponseController(o.w).Hijack()
	if err != nil {
		return nil, err
	}
	o.taken = true
	head := strings.Builder{}
	head.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	for name, value := range h.All() {
		head.WriteString(name + ": " + value + "\r\n")
	}
	head.WriteString("\r\n")
	if _, err := conn.Write([]byte(head.String())); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &hijacked{Conn: conn, before: buffered.Reader}, nil
}

// End hands over what net/http still holds. An answer without a length ends
// with a chunk that net/http writes only after the handler, and one over HTTP/2
// always ends so (RFC 9113 §8.1); its connection tells when that has happened.
func (o *responseWriter) End(handed func(whole bool)) {
	switch {
	case o.taken:
		handed(true)
		return
	case o.answer != nil:
		if o.Flush() != nil {
			handed(false)
			return
		}
		o.ended = true
		o.frames.await(o.answer, handed)
		return
	case o.counted:
		handed(o.Flush() == nil)
		return
	}
	if o.conn != nil && o.r.ProtoMajor == 1 {
		o.conn.handed = handed
		return
	}
	handed(o.Flush() == nil)
}

func (o *responseWriter) Abort() { o.aborted = true }

// close forgets an answer whose head never came to the connection. One whose
// head is there already ends with its stream.
func (o *responseWriter) close() {
	if o.answer != nil && (o.aborted || !o.ended) {
		o.frames.forget(o.id, o.answer)
	}
}

// hijacked is a client's connection with what net/http had already read of it.
type hijacked struct {
	net.Conn
	before *bufio.Reader // nil when all of it was given out
}

// Read gives out what net/http had read. What comes after that it must not
// read: when the client has said all, net/http would take it for gone and end
// the request, though it waits for the answer.
func (h *hijacked) Read(p []byte) (int, error) {
	if h.before != nil {
		if n := h.before.Buffered(); n > 0 {
			return h.before.Read(p[:min(n, len(p))])
		}
		h.before = nil
	}
	return h.Conn.Read(p)
}

// CloseWrite tells the client that nothing more comes; reading goes on.
func (h *hijacked) CloseWrite() error {
	if half, ok := h.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errNoHalves
}

// NewServer makes the http.Server of a listener, which Listen must have
// wrapped. times, at most one, bound the wait for heads; bodies and answers
// have their service's limits.
func NewServer(handler http.Handler, log *slog.Logger, times ...Times) *http.Server {
	var waits Times
	if len(times) > 0 {
		waits = times[0]
	}
	waits = waits.withDefaults()
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: waits.Head,
		IdleTimeout:       waits.Idle,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnContext:       connected,
		ConnState:         connectionState,
	}
}
