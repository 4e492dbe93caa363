package main

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// upstream answers 1 KiB to everything that has no body. It knows of HTTP just
// enough for that, so that the machine's cores are left to what is measured.
func upstream(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	answer := []byte(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n%s", strings.Repeat("x", 1024)))
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			in := bufio.NewReader(conn)
			for {
				line, err := in.ReadSlice('\n')
				if err != nil {
					return
				}
				if len(line) > 2 {
					continue
				}
				if _, err := conn.Write(answer); err != nil {
					return
				}
			}
		}()
	}
}

// reference is the proxy that Go's library has, with its connections kept and its
// buffers pooled.
// With a directory that has a certificate it speaks TLS.
func reference(address, back, certificate string) error {
	target := &url.URL{Scheme: "http", Host: back}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
		},
		Transport:  &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true},
		BufferPool: &pooled{},
		ErrorLog:   slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	server := &http.Server{Addr: address, ReadHeaderTimeout: time.Minute, Handler: proxy}
	if certificate != "" {
		return server.ListenAndServeTLS(filepath.Join(certificate, "cert.pem"), filepath.Join(certificate, "key.pem"))
	}
	return server.ListenAndServe()
}

type pooled struct{ pool sync.Pool }

func (p *pooled) Get() []byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, 32<<10)
}

func (p *pooled) Put(b []byte) { p.pool.Put(&b) }
