package edge

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/net/http2"
)

// What an HTTP/2 connection may ask for. A stream is cheap and a handler is
// not, so the number of streams is what a client has at once, whatever it
// resets; the buffers bound what it can make us hold.
const (
	maxStreams      = 200
	maxReadFrame    = 64 << 10
	streamBuffer    = 256 << 10
	connBuffer      = 1 << 20
	pingAfter       = 45 * time.Second
	pingTimeout     = 15 * time.Second
	writeByteLimit  = time.Minute
	headerTableSize = 4096
)

// NewTLSServer makes the http.Server of an HTTPS listener: NewServer with TLS,
// HTTP/2, and the limits of both. Its listener is ListenTLS(Listen(l), config).
func NewTLSServer(handler http.Handler, config *tls.Config, log *slog.Logger, times ...Times) (*http.Server, error) {
	return newTLSServer(handler, config, log, new(Farewell), times...)
}

func newTLSServer(handler http.Handler, config *tls.Config, log *slog.Logger, farewell *Farewell, times ...Times) (*http.Server, error) {
	s := NewServer(overTLS(handler), log, times...)
	s.TLSConfig = config
	s.HTTP2 = &http.HTTP2Config{
		MaxConcurrentStreams: maxStreams, MaxReadFrameSize: maxReadFrame,
		MaxDecoderHeaderTableSize: headerTableSize, MaxEncoderHeaderTableSize: headerTableSize,
		MaxReceiveBufferPerStream: streamBuffer, MaxReceiveBufferPerConnection: connBuffer,
		SendPingTimeout: pingAfter, PingTimeout: pingTimeout, WriteByteTimeout: writeByteLimit,
	}
	h2 := new(http2.Server)                              //nolint:staticcheck // net/http's own HTTP/2 takes only a *tls.Conn, and frames is what stands before it
	if err := http2.ConfigureServer(s, h2); err != nil { //nolint:staticcheck // as above
		return nil, err
	}
	// What ConfigureServer sets there, but with frames in between. net/http hands
	// the connection's context down in a method of the handler, for this use.
	s.TLSNextProto[http2.NextProtoTLS] = func(s *http.Server, c *tls.Conn, h http.Handler) {
		ctx := context.Background()
		if base, ok := h.(interface{ BaseContext() context.Context }); ok {
			ctx = base.BaseContext()
		}
		watched := newFrames(c)
		defer farewell.enter(watched)()
		h2.ServeConn(watched, &http2.ServeConnOpts{ //nolint:staticcheck // as above
			Context: context.WithValue(ctx, framesKey{}, watched), BaseConfig: s, Handler: h,
		})
	}
	return s, nil
}
