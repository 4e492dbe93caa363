package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/edge/edgetest"
)

// lossRounds is how often an upstream is lost: once in each way in every run,
// twenty times and more in the proof (make proof-balance).
func lossRounds(t *testing.T) (rounds int, proof bool) {
	t.Helper()
	rounds, err := strconv.Atoi(os.Getenv("TOLLHOUSE_LOSSES"))
	if err != nil || rounds < 1 {
		return len(losses), false
	}
	return rounds, true
}

// losses are the ways in which an upstream goes away.
var losses = []string{"kill -9", "SIGSTOP", "SIGSTOP, then kill -9"}

// TestLosingOneOfThreeUpstreamsFailsNoIdempotentRequest serves the contract file
// with three upstreams for its ner service, takes them away one after the other
// under load over HTTP/1.1 and HTTP/2, and brings them back.
func TestLosingOneOfThreeUpstreamsFailsNoIdempotentRequest(t *testing.T) {
	t.Parallel()
	rounds, proof := lossRounds(t)
	dir := t.TempDir()
	notes := filepath.Join(dir, "notes")
	var origins []*origin
	for _, name := range []string{"one", "two", "three"} {
		origins = append(origins, newOrigin(t, name, notes))
	}
	plain, secure, ca := freePort(t), freePort(t), edgetest.NewAuthority(t)
	file := contractFile(t, dir, plain, secure, ca.Files(t, dir, "console.localhost", "daybook.localhost"), origins, proof)
	c := ask[customer](t, "customer", "create", "--config", file, "--name", "ACME", "--plan", "payg")
	k := ask[key](t, "key", "create", "--config", file, "--customer", c.ID, "--name", "load")
	p := startKeeping(t, `"upstream changed"`, "serves at", "serve", "--config", file)

	e := &errands{key: k.Key, moved: make(chan struct{}, 1), by: map[string]int{}, posted: map[string]bool{}}
	defer e.halt()
	workers := 8
	transport := &http.Transport{MaxConnsPerHost: workers, MaxIdleConnsPerHost: workers}
	defer transport.CloseIdleConnections()
	e.run(t, &http.Client{Transport: transport, Timeout: 2 * patience}, fmt.Sprintf("http://127.0.0.1:%d/v1/ner", plain), workers)
	over2 := caller(t, ca.Roots())
	over2.Transport.(*http.Transport).TLSClientConfig.ServerName = "daybook.localhost" // an address has no certificate
	over2.Timeout = 2 * patience
	if response, _ := get(t, over2, fmt.Sprintf("https://127.0.0.1:%d/", secure)); response.ProtoMajor != 2 {
		t.Fatalf("it speaks %s", response.Proto)
	}
	e.run(t, over2, fmt.Sprintf("https://127.0.0.1:%d/v1/ner", secure), workers)

	e.more(t, 300)
	e.turn()
	began := time.Now()
	var sum account
	for round := range rounds {
		o, loss := origins[round%len(origins)], losses[round%len(losses)]
		lose(t, p, e, o, loss)
		got, reasons := e.turn()
		t.Logf("| %d | %s | %d | %d | %d of %d | %d of %d | %d |", round+1, loss, got.idempotent, got.failed,
			got.lost, got.posts, got.cut, got.long, got.slowest.Milliseconds())
		if got.failed > 0 || got.hidden > 0 {
			t.Errorf("round %d (%s): %d failed, %d sent again by the client: %s", round+1, loss, got.failed, got.hidden, strings.Join(reasons, "\n"))
		}
		if got.lost > 2*workers || got.cut > 2*workers {
			t.Errorf("round %d (%s): %d POSTs lost and %d answers cut, with %d requests under way at a time", round+1, loss, got.lost, got.cut, 2*workers)
		}
		sum.idempotent, sum.failed, sum.posts, sum.lost = sum.idempotent+got.idempotent, sum.failed+got.failed, sum.posts+got.posts, sum.lost+got.lost
		sum.long, sum.cut, sum.slowest = sum.long+got.long, sum.cut+got.cut, max(sum.slowest, got.slowest)
	}
	e.halt()
	if got, reasons := e.turn(); got.failed > 0 {
		t.Errorf("after the last round: %s", strings.Join(reasons, "\n"))
	}
	posts := e.checkNotes(t, notes)
	t.Logf("%d rounds in %s: of %d idempotent requests %d failed; of %d POSTs %d were answered 502 and none was done twice (%d done in all); of %d long answers %d were seen to break off; the slowest request took %s",
		rounds, time.Since(began).Round(time.Second), sum.idempotent, sum.failed, sum.posts, sum.lost, posts, sum.long, sum.cut, sum.slowest.Round(time.Millisecond))
	if status := p.interrupt(t); status != 0 {
		t.Errorf("exit %d", status)
	}
	audit := ask[map[string]struct{ Received int64 }](t, "usage", "audit", "--config", file)
	if got, want := audit["requests"].Received, e.done.Load(); got != want {
		t.Errorf("the audit has %d requests, %d were sent", got, want)
	}
}

// lose takes an upstream away under load in the way that is said, sees that the
// gateway notices, and brings it back.
func lose(t *testing.T, p *process, e *errands, o *origin, loss string) {
	t.Helper()
	signal := func(s syscall.Signal) {
		t.Helper()
		if err := o.send(s); err != nil {
			t.Fatal(err)
		}
	}
	e.served(t, o.name, 20)
	from := len(p.stderr.String())
	switch loss {
	case "kill -9":
		if err := o.end(); err != nil {
			t.Fatal(err)
		}
		waitChange(t, p, from, o, `"circuit":"open"`)
		e.more(t, 500)
		from = len(p.stderr.String())
		o.start(t)
		waitChange(t, p, from, o, `"circuit":"closed"`)
	case "SIGSTOP":
		signal(syscall.SIGSTOP)
		waitChange(t, p, from, o, `"health":"unhealthy"`)
		e.more(t, 500)
		from = len(p.stderr.String())
		signal(syscall.SIGCONT)
		waitChange(t, p, from, o, `"health":"healthy"`)
	default:
		signal(syscall.SIGSTOP)
		waitChange(t, p, from, o, `"health":"unhealthy"`)
		if err := o.end(); err != nil {
			t.Fatal(err)
		}
		e.more(t, 500)
		from = len(p.stderr.String())
		o.start(t)
		waitChange(t, p, from, o, `"health":"healthy"`)
	}
	e.served(t, o.name, 20)
}

// waitChange waits until the log says, after its first from bytes, that an
// upstream's state is now as said.
func waitChange(t *testing.T, p *process, from int, o *origin, state string) {
	t.Helper()
	limit := time.After(patience)
	for {
		for line := range strings.Lines(p.stderr.String()[from:]) {
			if strings.Contains(line, `"`+o.address+`"`) && strings.Contains(line, state) {
				return
			}
		}
		select {
		case <-p.stderr.more:
		case <-p.ended:
			t.Fatalf("it ended: %v", p.err)
		case <-limit:
			t.Fatalf("%s (%s) was never logged as %s:\n%s", o.name, o.address, state, p.stderr.String()[from:])
		}
	}
}

// contractFile is the contract file with other addresses, with an upstream more,
// with HTTPS, and with limits that a load stays within. Only the proof keeps its
// patience with an upstream that does not answer its probes.
func contractFile(t *testing.T, dir string, plain, secure int, pair edge.CertificateFile, origins []*origin, proof bool) string {
	t.Helper()
	content, err := os.ReadFile("../internal/config/testdata/contract.yml")
	if err != nil {
		t.Fatal(err)
	}
	var urls []string
	for _, o := range origins {
		urls = append(urls, strconv.Quote("http://"+o.address))
	}
	changes := [][2]string{
		{`http: "127.0.0.1:8080"`, fmt.Sprintf("http: \"127.0.0.1:%d\"\n  https: \"127.0.0.1:%d\"", plain, secure)},
		{`admin: "127.0.0.1:9900"`, `admin: "127.0.0.1:0"`},
		{`authorize: "127.0.0.1:9901"`, `authorize: "127.0.0.1:0"`},
		{"data: ./tollhouse-data", fmt.Sprintf("certificates: [ { cert: %q, key: %q } ]\ndata: %q", pair.Cert, pair.Key, filepath.Join(dir, "data"))},
		{`"http://127.0.0.1:9001", "http://127.0.0.1:9002"`, strings.Join(urls, ", ")},
		{"rate: 50/second, per: ip", "rate: 1000000/second, per: ip"},
		{"rate: 600/minute", "rate: 1000000/second"},
	}
	if !proof {
		changes = append(changes, [2]string{"every: 2s, timeout: 1s", "every: 200ms, timeout: 1s"})
	}
	text := string(content)
	for _, c := range changes {
		if strings.Count(text, c[0]) != 1 {
			t.Fatalf("the contract file does not have %q once", c[0])
		}
		text = strings.Replace(text, c[0], c[1], 1)
	}
	file := filepath.Join(dir, "tollhouse.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
