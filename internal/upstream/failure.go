package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/exchange/framing"
)

// StatusClientGone is the Status of a Failure when the client left before the
// answer came. It is for logs and metrics (nginx's 499): nobody is there to
// read an answer. Its Type, "client_gone", is not in RFC 9209 for that reason.
const StatusClientGone = 499

// kindLost is the type of a connection that ended before an answer.
const kindLost = "connection_terminated"

// failed is a try that failed, before it becomes an exchange.Failure.
type failed struct {
	status int
	kind   string
	cause  error
	unsent bool // not one byte of the request left us
}

// public gives the failure the form that fronts know.
func (f *failed) public(upstream string) *exchange.Failure {
	return &exchange.Failure{Status: f.status, Type: f.kind, Upstream: upstream, Cause: f.cause}
}

// after is public for a request that was offered to these upstreams.
func (f *failed) after(tried []*upstream) *exchange.Failure {
	out := f.public(lastName(tried))
	out.Tries = len(tried)
	return out
}

// theirs says whether the upstream is to blame.
func (f *failed) theirs() bool { return f.status == 502 || f.status == 504 }

// Reasons that we have ourselves for ending a call. They are causes of the
// call's context, so that they are told apart from a client that left.
var (
	errNoneLeft      = errors.New("the service has no upstream that takes new requests")
	errQueueFull     = errors.New("every upstream has as many requests as it may have, and the queue is full")
	errQueueSlow     = errors.New("every upstream has as many requests as it may have, and none came free in time")
	errClientSlow    = errors.New("the client sent nothing of its body for the idle timeout, or all of it too slowly")
	errUpstreamStuck = errors.New("the upstream took nothing of the body for the idle timeout")
	errUpstreamSlow  = errors.New("the upstream sent nothing of its body for the idle timeout")
	errTooLong       = errors.New("the exchange was not done within the stream timeout")
	errDone          = errors.New("the exchange is over")
	errNotAsked      = errors.New("the upstream switched to a protocol that was not asked for")
	errStatus        = errors.New("the upstream's status is not within 200 to 599 (RFC 9110 §15)")
	errNoTunnel      = errors.New("CONNECT is not forwarded")
	errTarget        = errors.New("the request target holds a space or a control character")
)

// dialError marks an error that came before there was a connection, so that
// nothing of a request can have been sent on it.
type dialError struct {
	secured bool // the connection was there, TLS was not
	err     error
}

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// gone is the failure for a context that ended outside.
func gone(ctx context.Context) *failed {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &failed{status: 504, kind: "http_response_timeout", cause: context.Cause(ctx)}
	}
	return &failed{status: StatusClientGone, kind: "client_gone", cause: context.Cause(ctx)}
}

// ended is the failure for a call that we ended ourselves, nil when its
// context's cause is none of ours.
func ended(cause error) *failed {
	switch {
	case errors.Is(cause, errClientSlow):
		return &failed{status: 408, kind: "http_request_error", cause: cause}
	case errors.Is(cause, errUpstreamStuck):
		return &failed{status: 504, kind: "connection_write_timeout", cause: cause}
	case errors.Is(cause, errUpstreamSlow):
		return &failed{status: 504, kind: "connection_read_timeout", cause: cause}
	case errors.Is(cause, errTooLong):
		return &failed{status: 504, kind: "http_response_timeout", cause: cause}
	}
	return nil
}

// clientBody is the failure for an error that reading the request's body gave.
func clientBody(err error) *failed {
	switch {
	case errors.Is(err, exchange.ErrBodyTooLarge):
		return &failed{status: 413, kind: "http_request_error", cause: err}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &failed{status: 408, kind: "http_request_error", cause: err}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, context.Canceled):
		return &failed{status: StatusClientGone, kind: "client_gone", cause: err}
	}
	return &failed{status: 400, kind: "http_request_error", cause: err}
}

// classify names what the network, TLS or the upstream's HTTP did wrong before
// a head came.
func classify(err error) *failed {
	if d, ok := errors.AsType[*dialError](err); ok {
		return classifyDial(d)
	}
	if errors.Is(err, framing.ErrUnasked) { // it was said before the request was sent
		return &failed{status: 502, kind: kindLost, cause: err, unsent: true}
	}
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
		return &failed{status: 504, kind: "http_response_timeout", cause: err}
	}
	if broken(err) {
		return &failed{status: 502, kind: kindLost, cause: err}
	}
	// net/http has no name for this one but its text; should that change, the
	// answer is the more general type below.
	if strings.Contains(err.Error(), "response headers exceeded") {
		return &failed{status: 502, kind: "http_response_header_section_size", cause: err}
	}
	return &failed{status: 502, kind: "http_protocol_error", cause: err}
}

func classifyDial(d *dialError) *failed {
	f := &failed{status: 502, kind: "connection_refused", cause: d, unsent: true}
	var timeout bool
	if n, ok := errors.AsType[net.Error](d.err); ok {
		timeout = n.Timeout()
	}
	timeout = timeout || errors.Is(d.err, context.DeadlineExceeded)
	dns, isDNS := errors.AsType[*net.DNSError](d.err)
	_, isUnknownAuthority := errors.AsType[x509.UnknownAuthorityError](d.err)
	_, isVerification := errors.AsType[*tls.CertificateVerificationError](d.err)
	switch {
	case errors.Is(d.err, errNoSocket):
		f.status, f.kind = 503, "connection_limit_reached"
	case isDNS && dns.IsTimeout:
		f.status, f.kind = 504, "dns_timeout"
	case isDNS:
		f.kind = "dns_error"
	case timeout:
		f.status, f.kind = 504, "connection_timeout"
	case isVerification, isUnknownAuthority:
		f.kind = "tls_certificate_error"
	case d.secured:
		f.kind = "tls_protocol_error"
	case errors.Is(d.err, syscall.ENETUNREACH), errors.Is(d.err, syscall.EHOSTUNREACH):
		f.kind = "destination_ip_unroutable"
	}
	return f
}

// broken says whether err is a connection that ended too early.
func broken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.ErrClosedPipe) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		strings.Contains(err.Error(), "server closed idle connection") // net/http's unexported errServerClosedIdle
}
