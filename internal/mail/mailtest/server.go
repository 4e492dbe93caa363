// Package mailtest is a mail server for tests: it speaks enough of SMTP
// (RFC 5321) over a socket, with STARTTLS and AUTH, and misbehaves when told to.
//
//	server := mailtest.Start(t, mailtest.Manner{STARTTLS: true})
//	… server.Address(), server.CAFile() …
//	server.Taken() // what it has taken
package mailtest

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Manner says how a server behaves. The zero Manner takes everything.
type Manner struct {
	STARTTLS, Implicit bool
	User, Password     string            // needed to send when set
	Say                map[string]string // an answer in the place of the usual: to "MAIL", "RCPT", "DATA", ".", "AUTH"
	Silent             string            // the command after which it says nothing any more
	Drop               string            // the command at which it hangs up; "body": in the middle of DATA
}

// Server is a mail server that runs.
type Server struct {
	Manner
	t        testing.TB
	listener net.Listener
	tls      *tls.Config
	caFile   string
	mu       sync.Mutex
	taken    []Message
	tries    int
	open     map[net.Conn]bool
}

// Message is what the server has taken.
type Message struct {
	From, To string
	Body     string // with its headers
	Secure   bool   // it came over TLS
	User     string // who signed in
}

// Start starts a server, and stops it at the end of the test.
func Start(t testing.TB, m Manner) *Server {
	t.Helper()
	server := &Server{Manner: m, t: t, open: map[net.Conn]bool{}}
	server.certify()
	var err error
	if server.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := server.listener.Accept()
			if err != nil {
				return
			}
			server.mu.Lock()
			server.open[conn] = true
			server.mu.Unlock()
			all.Go(func() { server.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = server.listener.Close()
		server.mu.Lock()
		for conn := range server.open {
			_ = conn.Close()
		}
		server.mu.Unlock()
		all.Wait()
	})
	return server
}

// Address is where it listens.
func (s *Server) Address() string { return s.listener.Addr().String() }

// CAFile is the file of the certificate that signs its own.
func (s *Server) CAFile() string { return s.caFile }

// Taken is what it has taken, in order.
func (s *Server) Taken() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.taken...)
}

// Tries is how many connections there were.
func (s *Server) Tries() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tries
}

func (s *Server) certify() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		s.t.Fatal(err)
	}
	s.caFile = filepath.Join(s.t.TempDir(), "ca.pem")
	if err := os.WriteFile(s.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.tls = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// dialogue is one connection.
type dialogue struct {
	s       *Server
	conn    net.Conn
	in      *bufio.Reader
	message Message
}

func (s *Server) serve(conn net.Conn) {
	defer func() {
		_ = conn.Close()
		s.mu.Lock()
		delete(s.open, conn)
		s.mu.Unlock()
	}()
	s.mu.Lock()
	s.tries++
	s.mu.Unlock()
	d := &dialogue{s: s, conn: conn, in: bufio.NewReader(conn)}
	if s.Implicit {
		d.secure()
	}
	d.say("220 mail.example.com ESMTP")
	for d.next() {
	}
}

func (d *dialogue) secure() {
	d.conn = tls.Server(d.conn, d.s.tls)
	d.in = bufio.NewReader(d.conn)
	d.message.Secure = true
}

func (d *dialogue) say(lines ...string) {
	_, _ = fmt.Fprint(d.conn, strings.Join(lines, "\r\n")+"\r\n")
}

// next answers one command; false ends the connection.
func (d *dialogue) next() bool {
	line, err := d.in.ReadString('\n')
	if err != nil {
		return false
	}
	line = strings.TrimRight(line, "\r\n")
	verb, rest, _ := strings.Cut(line, " ")
	verb = strings.ToUpper(verb)
	switch {
	case d.s.Drop == verb:
		return false
	case d.s.Silent == verb:
		_, _ = d.in.ReadString(0) // until the other side is gone
		return false
	}
	if said, ok := d.s.Say[verb]; ok {
		d.say(said)
		return verb != "QUIT"
	}
	switch verb {
	case "EHLO", "HELO":
		lines := []string{"250-mail.example.com", "250-8BITMIME", "250-ENHANCEDSTATUSCODES"}
		if d.s.STARTTLS && !d.message.Secure {
			lines = append(lines, "250-STARTTLS")
		}
		if d.s.User != "" {
			lines = append(lines, "250-AUTH PLAIN LOGIN")
		}
		d.say(append(lines, "250 SIZE 1000000")...)
	case "STARTTLS":
		d.say("220 go ahead")
		d.secure()
	case "AUTH":
		return d.authenticate(rest)
	case "MAIL":
		if d.s.User != "" && d.message.User == "" {
			d.say("530 5.7.0 Authentication required")
			return true
		}
		d.message.From = rest
		d.say("250 2.1.0 ok")
	case "RCPT":
		d.message.To = rest
		d.say("250 2.1.5 ok")
	case "DATA":
		return d.data()
	case "RSET", "NOOP":
		d.say("250 ok")
	case "QUIT":
		d.say("221 bye")
		return false
	default:
		d.say("502 5.5.1 what?")
	}
	return true
}

func (d *dialogue) authenticate(rest string) bool {
	mechanism, initial, _ := strings.Cut(rest, " ")
	if !strings.EqualFold(mechanism, "PLAIN") {
		d.say("504 5.7.4 only PLAIN")
		return true
	}
	if initial == "" {
		d.say("334 ")
		line, err := d.in.ReadString('\n')
		if err != nil {
			return false
		}
		initial = strings.TrimSpace(line)
	}
	text, _ := base64.StdEncoding.DecodeString(initial)
	if parts := strings.Split(string(text), "\x00"); len(parts) != 3 || parts[1] != d.s.User || parts[2] != d.s.Password {
		d.say("535 5.7.8 wrong")
		return true
	}
	d.message.User = d.s.User
	d.say("235 2.7.0 welcome")
	return true
}

func (d *dialogue) data() bool {
	d.say("354 go ahead")
	var body strings.Builder
	for {
		line, err := d.in.ReadString('\n')
		if err != nil {
			return false
		}
		if d.s.Drop == "body" && body.Len() > 0 {
			return false
		}
		if line == ".\r\n" {
			break
		}
		body.WriteString(strings.TrimPrefix(line, "."))
	}
	if d.s.Silent == "." {
		_, _ = d.in.ReadString(0)
		return false
	}
	if said, ok := d.s.Say["."]; ok {
		d.say(said)
		return true
	}
	d.message.Body = body.String()
	d.s.mu.Lock()
	d.s.taken = append(d.s.taken, d.message)
	d.s.mu.Unlock()
	d.say("250 2.0.0 taken")
	return true
}
