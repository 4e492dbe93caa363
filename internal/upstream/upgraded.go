package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// switched turns a 101 into a response that holds the connection.
func (c *call) switched(resp *http.Response, upgrade string) (*exchange.Response, *failed) {
	conn, ok := resp.Body.(io.ReadWriteCloser)
	if !ok || upgrade == "" || !strings.EqualFold(resp.Header.Get("Upgrade"), upgrade) {
		return nil, &failed{status: 502, kind: "http_upgrade_failed", cause: errNotAsked}
	}
	u := &upgraded{ReadWriteCloser: conn, call: c}
	// Without a request there is nothing else that would end a silent connection.
	u.unwatch = context.AfterFunc(c.ctx, func() { _ = conn.Close() })
	return &exchange.Response{
		Status:   resp.StatusCode,
		Header:   answerFields(resp.Header, true),
		Body:     http.NoBody,
		Upgraded: u,
		Upstream: c.up.name,
	}, nil
}

// upgraded is the connection to an upstream after a 101. It is closed when the
// context of Forward ends and when Timeouts.Stream is over; Timeouts.Idle does
// not bound it. Reads and writes may go on at the same time.
type upgraded struct {
	io.ReadWriteCloser
	call    *call
	unwatch func() bool
}

// CloseWrite tells the upstream that nothing more comes, where the connection
// can say so; reading goes on.
func (u *upgraded) CloseWrite() error {
	if half, ok := u.ReadWriteCloser.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Close ends the connection and gives the place in flight back.
func (u *upgraded) Close() error {
	u.unwatch()
	err := u.ReadWriteCloser.Close()
	u.call.end()
	return err
}
