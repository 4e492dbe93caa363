package edge_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync"
	"testing"

	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/httpcache"
	"github.com/tollhouse/tollhouse/internal/toll"
)

const hint = "</style.css>; rel=preload; as=style"

// hinting is a service that sends n Early Hints before its answer.
func hinting(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		h := w.Header()
		h.Set("Link", hint)
		h.Set("Tollhouse-Usage", "words=9") // counts only on the answer itself
		for range n {
			w.WriteHeader(http.StatusEarlyHints)
		}
		h.Del("Link")
		h.Del("Tollhouse-Usage")
		h.Set("Content-Type", "text/plain")
		h.Set("Cache-Control", "max-age=60, public")
		fmt.Fprint(w, "the answer")
	}
}

// client speaks the protocol to the house.
func (s *secured) client(t *testing.T, protocol string) *http.Transport {
	t.Helper()
	c := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.address)
		},
		TLSClientConfig:    &tls.Config{RootCAs: s.roots, ServerName: secureHost, NextProtos: []string{protocol}},
		DisableCompression: true, Protocols: new(http.Protocols),
	}
	c.Protocols.SetHTTP1(protocol != "h2")
	c.Protocols.SetHTTP2(protocol == "h2")
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// told are the interim answers that a client of net/http saw.
type told struct {
	mu  sync.Mutex
	all []string
}

func (i *told) trace(r *http.Request) *http.Request {
	return r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
			i.mu.Lock()
			defer i.mu.Unlock()
			i.all = append(i.all, fmt.Sprint(status, " ", http.Header(h)))
			return nil
		},
	}))
}

func TestEarlyHintsReachTheClientOnceAndLeaveNothingInTheAnswer(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"http/1.1", "h2"} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(protocol+" "+method, func(t *testing.T) {
				t.Parallel()
				s := openSecure(t, hinting(1))
				client := s.client(t, protocol)
				for range 2 { // the second is on the same connection
					request, err := http.NewRequest(method, s.url+"/v1/ner/", strings.NewReader(map[string]string{"POST": "some body"}[method]))
					if err != nil {
						t.Fatal(err)
					}
					request.Header.Set("Authorization", "Bearer "+s.key)
					var seen told
					response, err := client.RoundTrip(seen.trace(request))
					if err != nil {
						t.Fatal(err)
					}
					body, err := io.ReadAll(response.Body)
					_ = response.Body.Close()
					if err != nil || string(body) != "the answer" || response.StatusCode != 200 || response.Header.Get("Link") != "" {
						t.Errorf("answer %s %q %v %v", response.Status, body, response.Header, err)
					}
					if want := "103 map[Link:[" + hint + "]]"; len(seen.all) != 1 || seen.all[0] != want {
						t.Errorf("interim answers %q, want %q", seen.all, want)
					}
					if event := s.recorder.Events()[0]; strings.Contains(fmt.Sprint(event), "words") {
						t.Errorf("an interim answer was billed: %+v", event)
					}
				}
			})
		}
	}
}

func TestNotMoreThanEightInterimAnswersArePassedOn(t *testing.T) {
	t.Parallel()
	h := open(t, hinting(50))
	raw := h.raw(t, "GET /v1/ner/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-API-Key: "+h.key+"\r\n\r\n")
	if n := strings.Count(raw, "HTTP/1.1 103 "); n != 8 || !strings.Contains(raw, "HTTP/1.1 200 OK") {
		t.Errorf("%d interim answers, want 8 and then the answer:\n%s", n, raw)
	}
}

func TestAnUpstreamThatOnlyHintsIsGivenUp(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		for range 10_000 {
			if _, err := fmt.Fprint(conn, "HTTP/1.1 103 Early Hints\r\nLink: "+hint+"\r\n\r\n"); err != nil {
				return
			}
		}
	})
	raw := h.raw(t, "GET /v1/ner/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-API-Key: "+h.key+"\r\n\r\n")
	if !strings.Contains(raw, "HTTP/1.1 502 ") || !strings.Contains(raw, "error=http_protocol_error") {
		t.Errorf("answer:\n%s", raw)
	}
}

func TestWhoCannotReadInterimAnswersGetsNone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, request string }{
		{"HTTP/1.0", "GET /v1/ner/ HTTP/1.0\r\nHost: x\r\nX-API-Key: %s\r\n\r\n"},
		{"one that waits for 100 Continue", "POST /v1/ner/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\nX-API-Key: %s\r\n\r\nhi"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := open(t, hinting(2))
			raw := h.raw(t, fmt.Sprintf(c.request, h.key))
			if strings.Contains(raw, " 103 ") || !strings.Contains(raw, " 200 OK") || !strings.HasSuffix(raw, "the answer") {
				t.Errorf("answer:\n%s", raw)
			}
		})
	}
}

func TestEarlyHintsPassTheCacheAndAreNotStored(t *testing.T) {
	t.Parallel()
	h := open(t, hinting(1), func(s *toll.Service) { s.Cache = toll.Cache{MaxSize: 1 << 20, MaxObject: 1 << 20} })
	cache, err := httpcache.New(httpcache.Options{Settings: httpcache.Settings{MaxSize: 1 << 20, MaxObject: 1 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cache.Close)
	h.chain.SwitchCaches(edge.Caches{"ner": cache})
	request := "GET /v1/ner/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-API-Key: " + h.key + "\r\n\r\n"
	if raw := h.raw(t, request); strings.Count(raw, "HTTP/1.1 103 ") != 1 || !strings.Contains(raw, "fwd=uri-miss") {
		t.Errorf("first answer:\n%s", raw)
	}
	if raw := h.raw(t, request); strings.Contains(raw, " 103 ") || !strings.Contains(raw, "tollhouse; hit") || strings.Contains(raw, "Link:") {
		t.Errorf("second answer:\n%s", raw)
	}
}

// raw sends bytes and returns all bytes that come back.
func (h *house) raw(t *testing.T, request string) string {
	t.Helper()
	conn := h.dial(t)
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}
