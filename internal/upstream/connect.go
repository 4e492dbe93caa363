package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// connector makes connections to upstreams, within Timeouts.Connect each, TLS
// included. Its errors are *dialError: nothing of a request was sent.
type connector struct {
	dial    dialFunc
	within  time.Duration // 0: no limit of ours
	secured *tls.Config
}

func (c *connector) plain(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	conn, err := c.dial(ctx, network, address)
	if err != nil {
		return nil, &dialError{err: err}
	}
	return conn, nil
}

func (c *connector) tls(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	conn, err := c.dial(ctx, network, address)
	if err != nil {
		return nil, &dialError{err: err}
	}
	config := c.secured.Clone()
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // the handshake's error is the one to tell
		return nil, &dialError{secured: true, err: err}
	}
	return secure, nil
}

func (c *connector) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.within <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.within)
}

// transport is net/http's client without what a gateway must not do: no
// decompression, no proxy from the environment, no HTTP/2, no redirects (those
// are http.Client's).
func (c *connector) transport(response time.Duration) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Transport{
		DialContext:            readAlong(c.plain),
		DialTLSContext:         readAlong(c.tls),
		DisableCompression:     true,
		Protocols:              protocols,
		MaxIdleConnsPerHost:    idlePerUpstream,
		IdleConnTimeout:        idleConnection,
		ResponseHeaderTimeout:  response,
		ExpectContinueTimeout:  continueWait,
		MaxResponseHeaderBytes: maxHead,
		ReadBufferSize:         connectionBuffer,
		WriteBufferSize:        connectionBuffer,
	}
}

// transport2 is transport for upstreams that speak HTTP/2 without TLS. A
// connection on which nothing comes for a while is pinged, so that a dead one
// does not take its requests along for long.
func (c *connector) transport2(response time.Duration) *http.Transport {
	t := c.transport(response)
	t.DialContext, t.DialTLSContext = c.plain, c.tls // its frames say what belongs to what
	t.Protocols = new(http.Protocols)
	t.Protocols.SetUnencryptedHTTP2(true)
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingWait}
	return t
}
