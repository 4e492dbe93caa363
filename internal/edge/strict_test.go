package edge_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http/httpguts"
)

// strict is a service that reads requests by the one strictest reading of RFC
// 9112, byte by byte and with no HTTP library, and notes whatever another
// reader could take for something else. Its answers say what was asked, so that
// each shows whose it is.
type strict struct {
	address string

	mu    sync.Mutex
	asked []asked
	wrong []string // what it was sent and no strict reader takes
	conns int
	raw   []*recorded // the bytes of each connection
}

// asked is one request as the service read it.
type asked struct {
	conn   int
	method string
	target string
	fields textproto.MIMEHeader // by the names as they came, which the gateway has made canonical
	body   string
}

// says is what the service answers it.
func (a asked) says() string { return fmt.Sprintf("%s %s %q", a.method, a.target, a.body) }

// recorded keeps what is read through it.
type recorded struct {
	net.Conn
	mu   sync.Mutex
	text strings.Builder
}

func (r *recorded) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text.Write(p[:n])
	return n, err
}

func (r *recorded) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// newStrict starts one. answer says the whole answer to a request as it goes
// over the wire; nil is 200 with asked.says.
func newStrict(t testing.TB, answer func(asked) string) *strict {
	t.Helper()
	if answer == nil {
		answer = echoed
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &strict{address: "http://" + listener.Addr().String()}
	var all sync.WaitGroup
	all.Go(func() {
		for n := 0; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			kept := &recorded{Conn: conn}
			s.mu.Lock()
			s.conns++
			s.raw = append(s.raw, kept)
			s.mu.Unlock()
			all.Go(func() { s.serve(n, kept, answer) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		s.mu.Lock()
		for _, c := range s.raw {
			_ = c.Close()
		}
		s.mu.Unlock()
		all.Wait()
	})
	return s
}

func echoed(a asked) string {
	text := a.says()
	if a.method == "HEAD" {
		text = ""
	}
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(text), text)
}

func (s *strict) serve(n int, conn net.Conn, answer func(asked) string) {
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 256<<10)
	for {
		a, err := readStrictly(in, conn)
		a.conn = n
		s.mu.Lock()
		if err == nil {
			s.asked = append(s.asked, a)
		} else if errors.As(err, new(offence)) {
			s.wrong = append(s.wrong, err.Error())
		}
		s.mu.Unlock()
		if err != nil {
			return
		}
		text := answer(a)
		if _, err := io.WriteString(conn, text); err != nil || text == "" {
			return
		}
	}
}

// offence is what no strict reader takes.
type offence string

func (o offence) Error() string { return string(o) }

func offends(format string, args ...any) error { return offence(fmt.Sprintf(format, args...)) }

func strictLine(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	text, ok := strings.CutSuffix(line, "\r\n")
	if !ok || strings.ContainsAny(text, "\r\x00") {
		return "", offends("the line %q does not end with CRLF alone, or holds CR or NUL", line)
	}
	return text, nil
}

// readStrictly reads a request; its error is an offence, or the connection's.
func readStrictly(in *bufio.Reader, out io.Writer) (a asked, err error) {
	line, err := strictLine(in)
	if err != nil {
		return a, err
	}
	parts := strings.Split(line, " ")
	if len(parts) != 3 || !httpguts.ValidHeaderFieldName(parts[0]) || parts[1] == "" || parts[2] != "HTTP/1.1" {
		return a, offends("%q is no request line", line)
	}
	a = asked{method: parts[0], target: parts[1], fields: textproto.MIMEHeader{}}
	for _, c := range []byte(a.target) {
		if c <= ' ' || c >= 0x7f {
			return a, offends("%q is in the target %q", c, a.target)
		}
	}
	for {
		line, err := strictLine(in)
		if err != nil {
			return a, err
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return a, offends("%q is no field", line)
		}
		a.fields[name] = append(a.fields[name], strings.Trim(value, " \t"))
		switch strings.ToLower(name) {
		case "host", "content-length", "transfer-encoding":
			if canonical := textproto.CanonicalMIMEHeaderKey(name); canonical != name || len(a.fields[name]) > 1 {
				return a, offends("%s came twice, or spelled oddly", name)
			}
		}
	}
	if len(a.fields["Host"]) != 1 {
		return a, offends("there is no Host")
	}
	a.body, err = strictBody(in, out, a.fields)
	return a, err
}

func strictBody(in *bufio.Reader, out io.Writer, fields textproto.MIMEHeader) (string, error) {
	length, counted := fields["Content-Length"]
	coding, coded := fields["Transfer-Encoding"]
	if counted && coded {
		return "", offends("Content-Length and Transfer-Encoding came together")
	}
	if fields.Get("Expect") == "100-continue" {
		if _, err := io.WriteString(out, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return "", err
		}
	}
	switch {
	case counted:
		n, err := strconv.ParseUint(length[0], 10, 40)
		if err != nil || strconv.FormatUint(n, 10) != length[0] {
			return "", offends("Content-Length: %q", length[0])
		}
		body := make([]byte, n)
		_, err = io.ReadFull(in, body)
		return string(body), err
	case coded && coding[0] != "chunked":
		return "", offends("Transfer-Encoding: %q", coding[0])
	case coded:
		return strictChunks(in)
	}
	return "", nil
}

func strictChunks(in *bufio.Reader) (string, error) {
	var body strings.Builder
	for {
		line, err := strictLine(in)
		if err != nil {
			return "", err
		}
		n, err := strconv.ParseUint(line, 16, 40)
		if err != nil {
			return "", offends("the chunk size %q", line)
		}
		if n > 0 {
			if _, err := io.CopyN(&body, in, int64(n)); err != nil {
				return "", err
			}
		}
		end, err := strictLine(in)
		if err != nil {
			return "", err
		}
		if end != "" {
			return "", offends("%q behind a chunk", end)
		}
		if n == 0 {
			return body.String(), nil
		}
	}
}

// requests are the request lines that the service saw, without their version.
func (s *strict) requests() (lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.asked {
		lines = append(lines, a.method+" "+a.target)
	}
	return lines
}

// to gives the requests with a target.
func (s *strict) to(target string) (found []asked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.asked {
		if a.target == target {
			found = append(found, a)
		}
	}
	return found
}

// clean fails the test when the service was sent anything that can be read in
// two ways, and shows every byte that it got.
func (s *strict) clean(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wrong) == 0 {
		return
	}
	t.Errorf("the service was sent what no strict reader takes: %q", s.wrong)
	for i, c := range s.raw {
		t.Logf("connection %d: %q", i, c.String())
	}
}
