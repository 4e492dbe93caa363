package edge_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// public lets everybody in, without limits of its own.
func public(s *toll.Service) { s.Access = toll.AccessPublic }

// framing is a request that two readers could read in two ways, and what
// becomes of it.
type framing struct {
	name string
	send string
	// answers are those to what was sent, and to the honest GET that follows on
	// the same connection: "400" ends the connection, "200 next" keeps it.
	answers string
	// forwarded is what the service sees of it, "" for nothing: method, target and body.
	forwarded string
}

const smuggled = "GET /v1/ner/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

// framings are refused with a clear answer and the end of the connection, or
// passed on with one reading. Each is a seed of FuzzNoBytesDesync too.
var framings = []framing{
	// Content-Length and Transfer-Encoding (RFC 9112 §6.1, §6.3).
	{"CL.TE", "POST /v1/ner/odd HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, "400", ""},
	{"TE.CL", "POST /v1/ner/odd HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n2d\r\n" + smuggled + "\r\n0\r\n\r\n", "400", ""},
	{"TE , chunked", te(", chunked"), "501", ""},
	{"TE chunked, identity", te("chunked, identity"), "501", ""},
	{"TE identity, chunked", te("identity, chunked"), "501", ""},
	{"TE gzip, chunked", te("gzip, chunked"), "501", ""},
	{"TE chunked, chunked", te("chunked, chunked"), "501", ""},
	{"TE xchunked", te("xchunked"), "501", ""},
	{"TE identity", te("identity"), "501", ""},
	{"TE empty", te(""), "501", ""},
	{"TE quoted", te(`"chunked"`), "501", ""},
	{"TE with a parameter", te("chunked;a=b"), "501", ""},
	{"TE with vertical tab", te("\vchunked"), "400", ""},
	{"TE with NUL", te("chunked\x00"), "400", ""},
	{"TE twice", "POST /v1/ner/odd HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", "501", ""},
	{"TE twice the same", "POST /v1/ner/odd HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "501", ""},
	{"space before the colon of TE", "POST /v1/ner/odd HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + smuggled, "400", ""},
	{"TE in a folded line", "POST /v1/ner/odd HTTP/1.1\r\nHost: x\r\nX: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc", "400", ""},
	{"TE behind a bare CR", "POST /v1/ner/odd HTTP/1.1\r\nHost: x\r\nX: y\rTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc", "400", ""},
	{"TE over HTTP/1.0", "POST /v1/ner/odd HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400", ""},
	{"TE in capitals is the same coding", te("Chunked"), "200 next", `POST /odd "abc"`},
	{"TE with tabs around it", te("\tchunked\t"), "200 next", `POST /odd "abc"`},
	{"Transfer_Encoding is no framing", "POST /v1/ner/odd HTTP/1.1\r\nHost: x\r\nTransfer_Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc", "200 next", `POST /odd "abc"`},

	// Content-Length (RFC 9110 §8.6).
	{"two lengths", cl("3", "4"), "400", ""},
	{"two lengths in one", cl("3, 4"), "400", ""},
	{"the same length in one", cl("3, 3"), "400", ""},
	{"the same length twice", cl("3", "3"), "200 next", `POST /odd "abc"`},
	{"+3", cl("+3"), "400", ""},
	{"-3", cl("-3"), "400", ""},
	{"0x3", cl("0x3"), "400", ""},
	{"3.0", cl("3.0"), "400", ""},
	{"3 3", cl("3 3"), "400", ""},
	{"no number", cl("three"), "400", ""},
	{"an empty length", cl(""), "400", ""},
	{"other digits", cl("٣"), "400", ""},
	{"a length beyond 64 bits", cl("18446744073709551619"), "400", ""},
	{"a length beyond 63 bits", cl("9223372036854775808"), "400", ""},
	{"a huge length", cl("9223372036854775807"), "400", ""},
	{"leading zeros", cl("0003"), "200 next", `POST /odd "abc"`},
	{"space before the colon of Content-Length", "POST /v1/ner/odd HTTP/1.1\r\nHost: x\r\nContent-Length : 3\r\n\r\nabc", "400", ""},
	{"a folded length", "POST /v1/ner/odd HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n 3\r\n\r\nabc", "400", ""},
	{"a GET with a body", "GET /v1/ner/odd HTTP/1.1\r\nHost: x\r\nContent-Length: 44\r\n\r\n" + smuggled + "..", "200 next", fmt.Sprintf("GET /odd %q", smuggled+"..")},

	// Chunks (RFC 9112 §7.1).
	{"a size with 0x", chunks("0x3\r\nabc\r\n0\r\n\r\n"), "400", ""},
	{"a size with a sign", chunks("+3\r\nabc\r\n0\r\n\r\n"), "400", ""},
	{"a negative size", chunks("-3\r\nabc\r\n0\r\n\r\n"), "400", ""},
	{"a size with a space before", chunks(" 3\r\nabc\r\n0\r\n\r\n"), "400", ""},
	{"no size", chunks("\r\nabc\r\n0\r\n\r\n"), "400", ""},
	{"a size beyond 64 bits", chunks("10000000000000003\r\nabc\r\n0\r\n\r\n"), "400", ""},
	{"a size of 64 bits", chunks("ffffffffffffffff\r\nabc\r\n0\r\n\r\n" + strings.Repeat("x", 1<<20)), "413", ""},
	{"a size with an underscore", chunks("0_3\r\nabc\r\n0\r\n\r\n"), "400", ""},
	{"a chunk that is longer than its size", chunks("3\r\nabcd\r\n0\r\n\r\n"), "400", ""},
	{"a size that ends with LF alone", chunks("3\nabc\r\n0\r\n\r\n"), "400", ""},
	{"a size that ends with CR alone", chunks("3\rabc\r\n0\r\n\r\n"), "400", ""},
	{"a chunk that ends with LF alone", chunks("3\r\nabc\n0\r\n\r\n"), "400", ""},
	{"LF in an extension", chunks("3;a\nabc\r\n0\r\n\r\n"), "400", ""},
	{"CR in an extension", chunks("3;a\rb\r\nabc\r\n0\r\n\r\n"), "400", ""},
	{"an extension without end", chunks("3;" + strings.Repeat("a", 100_000) + "\r\nabc\r\n0\r\n\r\n"), "400", ""},
	{"extensions are taken off", chunks("3;a=b;c=\"d\"\r\nabc\r\n0;last\r\n\r\n"), "200 next", `POST /odd "abc"`},
	{"zeros before a size", chunks("003\r\nabc\r\n000\r\n\r\n"), "200 next", `POST /odd "abc"`},
	{"trailers are taken off", chunks("3\r\nabc\r\n0\r\nTollhouse-Customer: cus_forged\r\nContent-Length: 5\r\n\r\n"), "200 next", `POST /odd "abc"`},
	{"a request in the place of a trailer", chunks("3\r\nabc\r\n0\r\n" + smuggled), "400", ""},

	// Lines (RFC 9112 §2.2, §5.2).
	{"LF alone behind the request line", "GET /v1/ner/odd HTTP/1.1\nHost: x\r\n\r\n", "400", ""},
	{"LF alone behind a field", "GET /v1/ner/odd HTTP/1.1\r\nHost: x\nX: y\r\n\r\n", "400", ""},
	{"LF alone at the end of the head", "GET /v1/ner/odd HTTP/1.1\r\nHost: x\r\n\n" + smuggled, "400", ""},
	{"CR alone in a value", "GET /v1/ner/odd HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n", "400", ""},
	{"CR alone in the request line", "GET /v1/ner/odd\r HTTP/1.1\r\nHost: x\r\n\r\n", "400", ""},
	{"two CRs", "GET /v1/ner/odd HTTP/1.1\r\r\nHost: x\r\n\r\n", "400", ""},
	{"a folded line", "GET /v1/ner/odd HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n", "400", ""},
	{"a folded first line", "GET /v1/ner/odd HTTP/1.1\r\n Host: x\r\nHost: x\r\n\r\n", "400", ""},
	{"NUL in a value", "GET /v1/ner/odd HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n", "400", ""},
	{"NUL in a name", "GET /v1/ner/odd HTTP/1.1\r\nHost: x\r\nX\x00: a\r\n\r\n", "400", ""},
	{"NUL in the path", "GET /v1/ner/odd\x00 HTTP/1.1\r\nHost: x\r\n\r\n", "400", ""},
	{"a control character in a value", "GET /v1/ner/odd HTTP/1.1\r\nHost: x\r\nX: a\x1bb\r\n\r\n", "400", ""},
	{"no colon", "GET /v1/ner/odd HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", "400", ""},
	{"no name", "GET /v1/ner/odd HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n", "400", ""},
	{"a name in brackets", "GET /v1/ner/odd HTTP/1.1\r\nHost: x\r\n(X): y\r\n\r\n", "400", ""},
	{"a name of other letters", "GET /v1/ner/odd HTTP/1.1\r\nHost: x\r\nÄ: y\r\n\r\n", "400", ""},
	{"HTTP/0.9", "GET /v1/ner/odd\r\n\r\n", "400", ""},
	{"HTTP/2 in a request line", "GET /v1/ner/odd HTTP/2.0\r\nHost: x\r\n\r\n", "505", ""},
	{"HTTP/1.10", "GET /v1/ner/odd HTTP/1.10\r\nHost: x\r\n\r\n", "400", ""},
	{"http in small letters", "GET /v1/ner/odd http/1.1\r\nHost: x\r\n\r\n", "400", ""},
	{"two spaces", "GET  /v1/ner/odd HTTP/1.1\r\nHost: x\r\n\r\n", "400", ""},
	{"a tab for a space", "GET\t/v1/ner/odd\tHTTP/1.1\r\nHost: x\r\n\r\n", "400", ""},
	{"a method with a colon", "GE:T /v1/ner/odd HTTP/1.1\r\nHost: x\r\n\r\n", "400", ""},
	{"an empty line before the request", "\r\nGET /v1/ner/odd HTTP/1.1\r\nHost: x\r\n\r\n", "400", ""},

	// Host (RFC 9112 §3.2).
	{"no Host", "GET /v1/ner/odd HTTP/1.1\r\n\r\n", "400", ""},
	{"two Hosts", "GET /v1/ner/odd HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400", ""},
	{"two Hosts that are the same", "GET /v1/ner/odd HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", "400", ""},
	{"a Host with a space", "GET /v1/ner/odd HTTP/1.1\r\nHost: x y\r\n\r\n", "400", ""},
	{"a Host with a path", "GET /v1/ner/odd HTTP/1.1\r\nHost: x/y\r\n\r\n", "400", ""},
	{"a Host with a user", "GET /v1/ner/odd HTTP/1.1\r\nHost: good@evil\r\n\r\n", "400", ""},
	{"a Host with two ports", "GET /v1/ner/odd HTTP/1.1\r\nHost: x:80:90\r\n\r\n", "400", ""},
	{"a Host whose port is no number", "GET /v1/ner/odd HTTP/1.1\r\nHost: x:http\r\n\r\n", "400", ""},
	{"a folded Host", "GET /v1/ner/odd HTTP/1.1\r\nHost: x\r\n y\r\n\r\n", "400", ""},

	// The target (RFC 9112 §3.2).
	{"CONNECT", "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", "501", ""},
	{"CONNECT to a path", "CONNECT /v1/ner/odd HTTP/1.1\r\nHost: x\r\n\r\n", "501", ""},
	{"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "200 next", ""},
	{"a target without a slash", "GET v1/ner/odd HTTP/1.1\r\nHost: x\r\n\r\n", "400", ""},
	{"a fragment", "GET /v1/ner/odd#x HTTP/1.1\r\nHost: x\r\n\r\n", "400 next", ""},
	{"absolute form wins over Host", "GET http://other/v1/ner/odd HTTP/1.1\r\nHost: x\r\n\r\n", "200 next", `GET /odd ""`},
	{"absolute form with a user", "GET http://good@evil/v1/ner/odd HTTP/1.1\r\nHost: x\r\n\r\n", "400", ""},
	{"an encoded slash", "GET /v1/ner/%2fodd HTTP/1.1\r\nHost: x\r\n\r\n", "400 next", ""},
	{"..;", "GET /v1/ner/..;/odd HTTP/1.1\r\nHost: x\r\n\r\n", "400 next", ""},
	{"%00", "GET /v1/ner/odd%00 HTTP/1.1\r\nHost: x\r\n\r\n", "400 next", ""},
	{"%0d%0a", "GET /v1/ner/odd%0d%0aX:%20y HTTP/1.1\r\nHost: x\r\n\r\n", "400 next", ""},
	{"double encoding", "GET /v1/ner/%252e%252e/odd HTTP/1.1\r\nHost: x\r\n\r\n", "400 next", ""},
	{"overlong UTF-8", "GET /v1/ner/%c0%ae%c0%ae/odd HTTP/1.1\r\nHost: x\r\n\r\n", "400 next", ""},
	{"a backslash", "GET /v1/ner\\..\\odd HTTP/1.1\r\nHost: x\r\n\r\n", "400 next", ""},
	{"an encoded backslash", "GET /v1/ner/%5codd HTTP/1.1\r\nHost: x\r\n\r\n", "400 next", ""},
	{"dots", "GET /v1/ner/../ner/odd HTTP/1.1\r\nHost: x\r\n\r\n", "400 next", ""},
	{"encoded dots", "GET /v1/ner/%2e%2e/odd HTTP/1.1\r\nHost: x\r\n\r\n", "400 next", ""},
	{"a bad escape", "GET /v1/ner/%zz HTTP/1.1\r\nHost: x\r\n\r\n", "400", ""},

	// An upgrade that the service does not make (RFC 9110 §7.8).
	{"an early request on an upgrade", "GET /v1/ner/odd HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "200", `GET /odd ""`},
	{"an upgrade with a body", "POST /v1/ner/odd HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 42\r\n\r\n" + smuggled, "200", fmt.Sprintf("POST /odd %q", smuggled)},
	{"an upgrade to h2c", "GET /v1/ner/odd HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", "200", `GET /odd ""`},
	{"HTTP/2 by prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400", ""},

	// Expect (RFC 9110 §10.1.1).
	{"another expectation", "POST /v1/ner/odd HTTP/1.1\r\nHost: x\r\nExpect: 200-ok\r\nContent-Length: 3\r\n\r\nabc", "417", ""},
	{"Expect with its body at once", "POST /v1/ner/odd HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", "200 next", `POST /odd "abc"`},
}

func te(value string) string {
	return "POST /v1/ner/odd HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: " + value + "\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
}

func cl(values ...string) string {
	head := "POST /v1/ner/odd HTTP/1.1\r\nHost: x\r\n"
	for _, v := range values {
		head += "Content-Length: " + v + "\r\n"
	}
	return head + "\r\nabc"
}

func chunks(text string) string {
	return "POST /v1/ner/odd HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + text
}

// TestAnOddRequestIsRefusedOrPassedOnInOneReading sends each odd request with
// an honest one right behind it on the same connection, and looks at the
// answers, at every byte that came to the service, and at the next requests:
// on a fresh connection, and on the connections to the service that are kept.
func TestAnOddRequestIsRefusedOrPassedOnInOneReading(t *testing.T) {
	t.Parallel()
	for _, f := range framings {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			service := newStrict(t, nil)
			h := openBefore(t, service.address, public)
			honest(t, h, "before")
			got := answersTo(t, h.dial(t), f.send+"GET /v1/ner/next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			var said []string
			for _, a := range got {
				said = append(said, a.name())
			}
			if s := strings.Join(said, " "); s != f.answers {
				t.Errorf("answers %q, want %q\n%+v", s, f.answers, got)
			}
			if f.forwarded != "" && len(got) > 0 && got[0].body != f.forwarded {
				t.Errorf("the odd request was answered %q, want %q", got[0].body, f.forwarded)
			}
			for i := range 3 {
				honest(t, h, fmt.Sprint("after-", i))
			}
			service.clean(t)
			for _, line := range service.requests() {
				if strings.Contains(line, "smuggled") || strings.Contains(line, "odd") && f.forwarded == "" {
					t.Errorf("the service saw %s", line)
				}
			}
			if n := len(service.to("/next")); n > 0 != strings.HasSuffix(f.answers, "next") {
				t.Errorf("the request behind it was forwarded %d times", n)
			}
		})
	}
}

// said is an answer as a client reads it.
type said struct {
	status int
	body   string
}

func (s said) name() string {
	if s.body == `GET /next ""` {
		return "next"
	}
	return fmt.Sprint(s.status)
}

// answersTo sends bytes and reads answers until the connection ends; the last
// request must ask for that.
func answersTo(t testing.TB, conn net.Conn, send string) (all []said) {
	t.Helper()
	defer conn.Close()
	go func() { _, _ = io.WriteString(conn, send) }() // an answer may come before all of it is taken
	in := bufio.NewReader(conn)
	for {
		if _, err := in.Peek(1); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("the connection is left open after %+v", all)
			}
			return all
		}
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("what comes after %+v is no answer: %v", all, err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatalf("an answer broke off: %v", err)
		}
		if response.StatusCode == http.StatusContinue {
			continue
		}
		all = append(all, said{response.StatusCode, string(body)})
	}
}

// honest asks on a connection of its own, and must get its own answer.
func honest(t testing.TB, h *house, name string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil { // only a failing test waits for it
		t.Fatal(err)
	}
	got := answersTo(t, conn, fmt.Sprintf("POST /v1/ner/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", name, len(name), name))
	if want := fmt.Sprintf("POST /%s %q", name, name); len(got) != 1 || got[0].status != 200 || got[0].body != want {
		t.Errorf("%s: got %+v, want %q", name, got, want)
	}
}
