package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// What holds for an outside address that the configuration says nothing about.
const (
	defaultAskTimeout = 5 * time.Second
	defaultAskBody    = 64 << 10
)

var errVerdictTooLarge = errors.New("the answer is larger than forward_auth.max_body")

// Asker asks an outside address whether a request may come in: forward-auth. It
// keeps its connections, and is safe for concurrent use.
type Asker struct {
	url       *url.URL
	timeout   time.Duration
	maxBody   int64
	transport *http.Transport
}

// NewAsker makes an Asker; it connects to nothing by itself. It returns a
// *toll.Error (Invalid) for an address that is none. Of the options, TLS and
// the dialer are used.
func NewAsker(f toll.ForwardAuth, opts Options) (*Asker, error) {
	at, err := url.Parse(f.URL)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Host == "" {
		return nil, toll.FieldError("forward_auth.url", "%q is no address to ask: write http:// or https://, host and path", f.URL)
	}
	a := &Asker{url: at, timeout: f.Timeout, maxBody: f.MaxBody}
	if a.timeout <= 0 {
		a.timeout = defaultAskTimeout
	}
	if a.maxBody <= 0 {
		a.maxBody = defaultAskBody
	}
	conn := &connector{dial: opts.dial, within: a.timeout, secured: opts.TLS.Clone()}
	if conn.dial == nil {
		conn.dial = (&net.Dialer{KeepAlive: tcpKeepAlivePeriod}).DialContext
	}
	if conn.secured == nil {
		conn.secured = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	a.transport = conn.transport(a.timeout)
	return a, nil
}

// notAsked are fields that are about the request's body, its own answer or
// representations of it: the question has no body, and another answer.
var notAsked = [...]string{
	"Accept-Encoding", "Content-Encoding", "Content-Length", "Content-Type", "Expect",
	"If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Range",
}

// Ask sends the question about a request: a GET with its fields, and what it is
// in X-Forwarded-Method and X-Forwarded-Uri (Host, Proto and For are among the
// fields already). uri is the path and the query as the decision is to see
// them. The answer is read whole, redirects are not followed, and the time that
// it may take is bounded; the request itself is not changed.
func (a *Asker) Ask(ctx context.Context, req *exchange.Request, uri string) (*exchange.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	fields := requestFields(req.Header, "")
	for _, name := range notAsked {
		delete(fields, name)
	}
	delete(fields, "Te")
	delete(fields, "Connection")
	fields["X-Forwarded-Method"] = []string{req.Method}
	fields["X-Forwarded-Uri"] = []string{uri}
	question := &http.Request{
		Method: http.MethodGet, URL: a.url, Host: a.url.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: fields,
	}
	answer, err := a.transport.RoundTrip(question.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", a.url.Redacted(), err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, a.maxBody+1))
	if err == nil && int64(len(body)) > a.maxBody {
		err = errVerdictTooLarge
	}
	if err != nil {
		return nil, fmt.Errorf("reading what %s says: %w", a.url.Redacted(), err)
	}
	return &exchange.Response{
		Status: answer.StatusCode, Header: answerFields(answer.Header, false), Upstream: a.url.Host,
		Body: io.NopCloser(bytes.NewReader(body)), Length: int64(len(body)),
	}, nil
}

// Close closes the connections that nobody uses; questions under way go on.
func (a *Asker) Close() { a.transport.CloseIdleConnections() }
