package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// key has the form of SPEC §5; its checksum is nobody's.
const key = "th_live_0123456789ABCDEFGHIJabcdefghij012345"

func TestDurationsAreWrittenForPeople(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger, _ := NewLogs(&out, nil)
	logger.With("away_for", 90*time.Second).Info("back", "took", 250*time.Millisecond, slog.Group("snapshot", "age", 9*time.Second), "n", 5)
	for _, want := range []string{`"away_for":"1m30s"`, `"took":"250ms"`, `"snapshot":{"age":"9s"}`, `"n":5`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s lacks %s", out.String(), want)
		}
	}
}

func TestTheLogHidesWhatMustNotBeRead(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger, _ := NewLogs(&out, nil)
	hidden := []string{"hunter2", key[len("th_live_"):], "c2Vzc2lvbg"}
	fields := http.Header{"Authorization": {"Bearer hunter2"}, "X-Api-Key": {"hunter2"}, "Cookie": {"session=c2Vzc2lvbg"},
		"Set-Cookie": {"session=c2Vzc2lvbg"}, "Accept": {"text/html"}, "Referer": {"https://x/?key=" + key}}
	logger.With("token", "hunter2").Info("a request with "+key, // the message too
		"secret", "hunter2",
		"plain", toll.Secret("hunter2"),
		"nested", struct{ S toll.Secret }{"hunter2"},
		slog.Group("http", "authorization", "Bearer hunter2", "X-API-Key", "hunter2"),
		"header", fields,
		"fields", exchange.Fields(fields),
		"map", map[string][]string(fields),
		"error", fmt.Errorf("looking up %s: %w", key, errors.New("no")),
		"url", "https://api.example.com/?api_key="+key+"&x=1",
		"password", "", // an empty one is worth knowing
	)
	for _, text := range hidden {
		if strings.Contains(out.String(), text) {
			t.Errorf("%s is in the log:\n%s", text, out.String())
		}
	}
	for _, text := range []string{"text/html", "th_live_[redacted]&x=1", `"password":""`, "looking up th_live_[redacted]: no"} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("%s is missing:\n%s", text, out.String())
		}
	}
	if !json.Valid(out.Bytes()) {
		t.Errorf("no JSON: %s", out.String())
	}
}

func TestHidesKeysAndNothingElse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                 "",
		"th_":                              "th_",
		"th_live_":                         "th_live_",
		"th_live_short":                    "th_live_short",
		"path th_at is none":               "path th_at is none",
		key:                                "th_live_[redacted]",
		"a " + key + ", b " + key + ".":    "a th_live_[redacted], b th_live_[redacted].",
		"th_th_test_" + key[8:]:            "th_th_test_[redacted]",
		"th_" + key:                        "th_th_live_[redacted]",
		key + "andmore":                    "th_live_[redacted]",
		strings.Repeat("th_live_", 3):      strings.Repeat("th_live_", 3),
		"th_prod_" + key[len("th_live_"):]: "th_prod_" + key[len("th_live_"):],
	} {
		if got := hideKeys(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func FuzzHidesKeys(f *testing.F) {
	f.Add("x "+key+" y", 3)
	f.Add("th_test_th_live_", 0)
	f.Fuzz(func(t *testing.T, around string, at int) {
		at = min(max(at, 0), len(around))
		if got := hideKeys(around[:at] + key + around[at:]); strings.Contains(got, key) {
			t.Errorf("the key is still in %q", got)
		}
	})
}

func TestReadsALevel(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]slog.Level{"": slog.LevelInfo, "DEBUG": slog.LevelDebug, "warn": slog.LevelWarn, "error": slog.LevelError} {
		if got, err := ParseLevel(name); err != nil || got != want {
			t.Errorf("%q is %v, %v", name, got, err)
		}
	}
	if _, err := ParseLevel("loud"); err == nil || !strings.Contains(err.Error(), "debug, info, warn and error") {
		t.Errorf("loud: %v", err)
	}
	var out bytes.Buffer
	logger, _ := NewLogs(&out, slog.LevelWarn)
	if logger.Info("no"); out.Len() != 0 {
		t.Error("below its level it speaks")
	}
}

var finished = Access{
	Arrived: time.Date(2026, 11, 20, 12, 0, 0, 123_000_000, time.UTC), RequestID: "01JD", Method: "POST", Host: "api.example.com",
	Path: "/v1/ner/extractions?api_key=" + key, Status: 200, Client: netip.MustParseAddr("192.0.2.1"), Protocol: "HTTP/2.0", TLS: "TLS 1.3", Retries: 1, BytesIn: 57, BytesOut: 120,
	Latency: 12345678 * time.Nanosecond, UpstreamTime: 11 * time.Millisecond, Upstream: "127.0.0.1:9001",
	Service: "ner", Endpoint: "POST /extractions", Customer: "cus_1", Key: "key_1",
}

func TestOneLineForEachRequest(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	_, access := NewLogs(&out, slog.LevelError)
	access.Write(finished)
	access.Write(Access{RequestID: "01JE", Method: "GET", Path: "/" + key, Status: 429, Refusal: "quota-exceeded"})
	atOnce := Access{Arrived: finished.Arrived, Decided: finished.Arrived, RequestID: "01JF"}
	access.Write(atOnce)
	atOnce.Decided = finished.Arrived.Add(1)
	access.Write(atOnce)
	if out.Len() != 0 {
		t.Error("a line is written by itself")
	}
	if err := access.Close(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	want := []string{
		`{"time":"2026-11-20T12:00:00.123Z","level":"INFO","msg":"request","id":"01JD","method":"POST","host":"api.example.com",` +
			`"path":"/v1/ner/extractions","proto":"HTTP/2.0","tls":"TLS 1.3","status":200,"in":57,"out":120,"ms":12.346,"upstream_ms":11,` +
			`"retries":1,"client":"192.0.2.1","upstream":"127.0.0.1:9001","service":"ner","endpoint":"POST /extractions","customer":"cus_1","key":"key_1"}`,
		`{"level":"INFO","msg":"request","id":"01JE","method":"GET","host":"","path":"/th_live_[redacted]","status":429,"in":0,"out":0,"ms":0,` +
			`"refusal":"quota-exceeded"}`,
		`{"time":"2026-11-20T12:00:00.123Z","level":"INFO","msg":"request","id":"01JF","method":"","host":"","path":"","status":0,"in":0,"out":0,"ms":0}`,
		`{"time":"2026-11-20T12:00:00.123Z","level":"INFO","msg":"request","decided":"2026-11-20T12:00:00.123000001Z",` +
			`"id":"01JF","method":"","host":"","path":"","status":0,"in":0,"out":0,"ms":0}`,
	}
	if len(lines) != len(want) {
		t.Fatalf("%d lines:\n%s", len(lines), out.String())
	}
	for i := range want {
		if lines[i] != want[i] {
			t.Errorf("line %d is\n%s, want\n%s", i, lines[i], want[i])
		}
	}
	access.Write(finished)
	if strings.Count(out.String(), "\n") != 5 {
		t.Error("a line after Close is lost")
	}
}

func FuzzALineIsJSON(f *testing.F) {
	f.Add("/a\"b\\c", "\x00\x1f\x7f\n\u2028", "Änne 😀 \xff")
	f.Fuzz(func(t *testing.T, path, host, service string) {
		line := appendAccess(nil, Access{Path: path, Host: host, Service: service}, 100)
		var got struct{ Path, Host, Service string }
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		path, _, _ = strings.Cut(path, "?")
		for _, p := range [][2]string{{got.Path, hideKeys(path)}, {got.Host, host}, {got.Service, service}} {
			if want := strings.ToValidUTF8(p[1], ""); strings.ReplaceAll(p[0], "\ufffd", "") != strings.ReplaceAll(want, "\ufffd", "") {
				t.Errorf("%q became %q", p[1], p[0])
			}
		}
		if n := bytes.IndexFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }); n != len(line)-1 {
			t.Errorf("a control character at %d in %s", n, line)
		}
	})
}

func TestALineAllocatesNothing(t *testing.T) {
	_, access := NewLogs(discard{}, nil)
	if n := testing.AllocsPerRun(1000, func() { access.Write(finished) }); n > 0 {
		t.Errorf("it allocates %v times", n)
	}
	if err := access.Close(); err != nil {
		t.Error(err)
	}
}

func TestLinesAreWrittenWithinASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := &lines{w: &bytes.Buffer{}}
		written := func() int { out.mu.Lock(); defer out.mu.Unlock(); return out.w.(*bytes.Buffer).Len() }
		_, access := NewLogs(out, nil)
		for round := range 3 {
			before := written()
			access.Write(finished)
			time.Sleep(batchDelay - time.Nanosecond)
			access.Write(finished)
			if written() != before {
				t.Errorf("round %d: written too early", round)
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			if written() == before {
				t.Errorf("round %d: not written within a second", round)
			}
		}
		if err := access.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestAFullBatchIsWrittenWhole(t *testing.T) {
	t.Parallel()
	var out chunks
	_, access := NewLogs(&out, nil)
	for range 1000 {
		access.Write(finished)
	}
	if err := access.Flush(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, chunk := range out {
		if !strings.HasPrefix(chunk, "{") || !strings.HasSuffix(chunk, "}\n") {
			t.Errorf("a chunk of %d bytes ends with %q", len(chunk), chunk[len(chunk)-10:])
		}
		n += strings.Count(chunk, "\n")
	}
	if n != 1000 || len(out) > 10 {
		t.Errorf("%d lines in %d writes", n, len(out))
	}
	if err := access.Close(); err != nil {
		t.Error(err)
	}
}

type chunks []string

func (c *chunks) Write(p []byte) (int, error) { *c = append(*c, string(p)); return len(p), nil }

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestAFullDiskIsToldAtTheEnd(t *testing.T) {
	t.Parallel()
	_, access := NewLogs(full{}, nil)
	access.Write(finished)
	if err := access.Close(); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("Close says %v", err)
	}
}

// filling is a disk that is full for a while.
type filling struct {
	full bool
	took int
}

func (f *filling) Write(p []byte) (int, error) {
	if f.full {
		return 0, errors.New("no space left on device")
	}
	f.took += bytes.Count(p, []byte("\n"))
	return len(p), nil
}

func TestAFullDiskIsToldWhenItBeginsAndWhenItIsOver(t *testing.T) {
	t.Parallel()
	var program bytes.Buffer
	disk := &filling{full: true}
	_, access := NewLogs(&program, nil)
	if err := access.Switch(AccessSettings{Share: 100, To: disk}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		access.Write(finished)
		if err := access.Flush(); err == nil {
			t.Error("Flush did not say that the disk is full")
		}
	}
	if n := strings.Count(program.String(), "\n"); n != 1 || !strings.Contains(program.String(), "no space left") {
		t.Errorf("the program's log has %d lines:\n%s", n, &program)
	}
	disk.full = false
	for range 3 {
		access.Write(finished)
		if err := access.Flush(); err != nil {
			t.Error(err)
		}
	}
	if n := strings.Count(program.String(), "\n"); n != 2 || !strings.Contains(program.String(), "written again") {
		t.Errorf("the program's log has %d lines:\n%s", n, &program)
	}
	if access.Dropped() != 3 || disk.took != 3 {
		t.Errorf("%d lines are counted as lost and %d were written, want 3 each", access.Dropped(), disk.took)
	}
}

// stuck is a writer whose other end reads nothing until it is let go.
type stuck struct {
	entered, release chan struct{}
	once             sync.Once
	lines            int
}

func (s *stuck) Write(p []byte) (int, error) {
	s.once.Do(func() { close(s.entered); <-s.release })
	s.lines += bytes.Count(p, []byte("\n"))
	return len(p), nil
}

func TestNobodyWaitsForAWriterThatIsStuck(t *testing.T) {
	t.Parallel()
	w := &stuck{entered: make(chan struct{}), release: make(chan struct{})}
	_, access := NewLogs(w, nil)
	n := 0
	for ; access.Dropped() < 10; n++ { // the writer is stuck all the while: every Write returns
		access.Write(finished)
	}
	<-w.entered
	close(w.release)
	if err := access.Close(); err != nil {
		t.Fatal(err)
	}
	if w.lines != n-10 || n < maxWaiting/1000 {
		t.Errorf("%d of %d lines were written, and 10 were dropped", w.lines, n)
	}
}

func TestWhatHasALineIsSaidBySettings(t *testing.T) {
	t.Parallel()
	var usual, file bytes.Buffer
	_, access := NewLogs(&usual, nil)
	count := func(b *bytes.Buffer) int { return strings.Count(b.String(), "\n") }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(access.Switch(AccessSettings{Off: true}))
	access.Write(finished)
	must(access.Switch(AccessSettings{Share: 20, To: &file}))
	failed, unanswered := finished, finished
	failed.Status, unanswered.Status, unanswered.Failure = 502, 499, "client_gone"
	for range 5000 {
		access.Write(finished)
	}
	access.Write(failed)
	access.Write(unanswered)
	must(access.Switch(AccessSettings{Share: 100})) // and what was gathered is written
	all := file.String()
	if n := count(&file); n < 700 || n > 1300 {
		t.Errorf("%d of 5000 lines at 20 percent", n)
	}
	if strings.Count(all, `"share":20`) != count(&file)-2 || !strings.Contains(all, `"status":502`) || !strings.Contains(all, `"failure":"client_gone"`) {
		t.Errorf("the lines do not say their share, or what failed is missing:\n%.2000s", all)
	}
	access.Write(finished)
	must(access.Close())
	if count(&usual) != 1 {
		t.Errorf("where the logger writes there is\n%s", usual.String())
	}
}

func BenchmarkAccess(b *testing.B) {
	_, access := NewLogs(discard{}, nil)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		access.Write(finished)
		if n%100 == 0 {
			runtime.Gosched() // as between requests
		}
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
