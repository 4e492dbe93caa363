package upstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestNamesWhatAnUpstreamDidInsteadOfAnswering(t *testing.T) {
	t.Parallel()
	bomb := "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Bomb: "+strings.Repeat("b", 1000)+"\r\n", 400) + "\r\n"
	for name, test := range map[string]struct {
		says string
		kind string
	}{
		"closes without a word":          {"", "connection_terminated"},
		"closes within the status line":  {"HTTP/1.1 20", "http_protocol_error"},
		"closes within the fields":       {"HTTP/1.1 200 OK\r\nContent-Le", "http_protocol_error"},
		"speaks another protocol":        {"SSH-2.0-OpenSSH_9.2\r\n", "http_protocol_error"},
		"has no status":                  {"HTTP/1.1 OK\r\n\r\n", "http_protocol_error"},
		"has a status out of range":      {"HTTP/1.1 000 Nothing\r\nContent-Length: 0\r\n\r\n", "http_protocol_error"},
		"has a status beyond 599":        {"HTTP/1.1 999 Denied\r\nContent-Length: 0\r\n\r\n", "http_protocol_error"},
		"says two lengths":               {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "http_protocol_error"},
		"has a line that is no field":    {"HTTP/1.1 200 OK\r\nthis is no field\r\n\r\n", "http_protocol_error"},
		"sends fields without end":       {bomb, "http_response_header_section_size"},
		"sends fields without a newline": {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("b", 400<<10), "http_response_header_section_size"},
		"switches without being asked":   {"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "http_upgrade_failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := poolTo(t, toll.Service{}, Options{}, says(t, test.says))
			f := theFailure(t, p, request("POST", "/", "x"), 502, test.kind)
			if s := p.Status()[0]; s.Failed != 1 || s.Answered != 0 || f.Upstream != s.Upstream {
				t.Errorf("failure of %q leaves %+v", f.Upstream, s)
			}
			idleAgain(t, p)
		})
	}
}

func TestAnAnswerThatBreaksOffIsNoWholeAnswer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ says, kind string }{
		"half a body":              {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "http_response_incomplete"},
		"half of the chunks":       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", "http_response_incomplete"},
		"half of a chunk":          {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf", "http_response_incomplete"},
		"a chunk without a length": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nxyz\r\n", "http_response_transfer_coding"},
		"a chunk that is too long": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalfandmore\r\n", "http_response_transfer_coding"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := poolTo(t, toll.Service{}, Options{}, says(t, test.says))
			resp, err := p.Forward(t.Context(), request("GET", "/", ""))
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			expect(t, err, 502, test.kind)
			if !strings.HasPrefix(string(body), "half") {
				t.Errorf("read %q before it broke off", body)
			}
			if _, again := resp.Body.Read(make([]byte, 1)); !errors.Is(again, err) {
				t.Errorf("a second read says %v", again)
			}
			idleAgain(t, p)
			if err := resp.Body.Close(); err != nil {
				t.Error(err)
			}
			idleAgain(t, p)
		})
	}
}

func TestNamesWhyThereIsNoConnection(t *testing.T) {
	t.Parallel()
	timeout := &net.OpError{Op: "dial", Err: context.DeadlineExceeded}
	for name, test := range map[string]struct {
		err    error
		status int
		kind   string
	}{
		"nobody listens":  {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, 502, "connection_refused"},
		"no such name":    {&net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}, 502, "dns_error"},
		"a slow resolver": {&net.OpError{Op: "dial", Err: &net.DNSError{IsTimeout: true}}, 504, "dns_timeout"},
		"no answer":       {timeout, 504, "connection_timeout"},
		"no route":        {&net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}, 502, "destination_ip_unroutable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := Options{dial: func(context.Context, string, string) (net.Conn, error) { return nil, test.err }}
			p := poolTo(t, toll.Service{}, opts, "http://127.0.0.1:9001")
			f := theFailure(t, p, request("GET", "/", ""), test.status, test.kind)
			if !errors.Is(f, test.err) {
				t.Errorf("the cause is lost: %v", f.Cause)
			}
			if f.Upstream != "127.0.0.1:9001" {
				t.Errorf("upstream is %q", f.Upstream)
			}
		})
	}
}

func TestVerifiesAnUpstreamsCertificate(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Proto)
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // it will be told of a bad certificate
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())

	trusted := poolTo(t, toll.Service{}, Options{TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}, s.URL)
	if _, body := answer(t, trusted, request("GET", "/", "")); body != "HTTP/1.1" {
		t.Errorf("spoke %s", body)
	}
	stranger := poolTo(t, toll.Service{}, Options{TLS: &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}}, s.URL)
	failure(t, stranger, request("GET", "/", ""), 502, "tls_certificate_error")
	plain := raw(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		_, _ = in.ReadByte()
		_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
	})
	noTLS := poolTo(t, toll.Service{}, Options{}, strings.Replace(plain, "http:", "https:", 1))
	failure(t, noTLS, request("GET", "/", ""), 502, "tls_protocol_error")
}

func TestRefusesWhatCouldBeReadAsTwoRequests(t *testing.T) {
	t.Parallel()
	p := poolTo(t, toll.Service{}, Options{}, raw(t, func(int, net.Conn, *bufio.Reader) { t.Error("it was sent") }))
	for _, req := range []*exchange.Request{
		{Method: "GET", RawPath: "/a b", Header: exchange.Fields{}, Body: http.NoBody},
		{Method: "GET", RawPath: "/a\r\nX: y", Header: exchange.Fields{}, Body: http.NoBody},
		{Method: "GET", RawPath: "/", RawQuery: "a=b HTTP/1.1\r\n", Header: exchange.Fields{}, Body: http.NoBody},
		{Method: "GET", RawPath: "/#top", Header: exchange.Fields{}, Body: http.NoBody},
	} {
		failure(t, p, req, 400, "http_request_error")
	}
	failure(t, p, &exchange.Request{Method: "CONNECT", RawPath: "/", Header: exchange.Fields{}, Body: http.NoBody}, 501, "http_request_error")
}
