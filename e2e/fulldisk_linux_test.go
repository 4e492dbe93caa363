package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// padded are units with long names, so that few events fill a segment of the journal.
var padded = func() (names []string) {
	for i := range 40 {
		names = append(names, fmt.Sprintf("padding-%02d-%s", i, strings.Repeat("x", 50)))
	}
	return names
}()

// TestAFullDiskRefusesAndRecoversByItself fills the disk of journal and database
// under load: what cannot be counted is refused with 503, and when there is room
// again everything goes on without a hand.
func TestAFullDiskRefusesAndRecoversByItself(t *testing.T) {
	t.Parallel()
	if !inOwnMounts(t) {
		return
	}
	f := newFullDisk(t, "refuse")
	f.fill(t)
	g := f.calls.load(t, f.url, f.key, 16, 0, true)
	until(t, "requests are refused", func() bool { return f.calls.sum().refused > 200 })
	g.stop()
	f.wantRefused(t, "journal-full")
	f.wantState(t, http.StatusServiceUnavailable, "1")
	waitFor(t, f.process, "requests are refused, because they cannot be metered")
	answered := f.calls.sum().whole
	f.free(t)
	f.wantServed(t)
	g = f.calls.load(t, f.url, f.key, 16, 0, true)
	until(t, "requests are answered again", func() bool { return f.calls.sum().whole > answered+500 })
	g.stop()
	f.wantState(t, http.StatusOK, "0")
	f.end(t)
	got := f.calls.compare(t, f.file)
	t.Logf("%d answered (%d of them before the disk was full for the journal), %d refused, %d stored, %d lost, %d doubled, balanced: %v",
		got.whole, answered, f.calls.sum().refused, got.events, len(got.lost), got.doubled, got.balanced)
	if got.failed() || got.extras > 0 {
		t.Errorf("%+v", got)
	}
}

// TestAFullDiskServesUnmeteredWhereSaid does the same where the configuration
// would rather serve: nothing is refused, what is not counted is told of loudly,
// and counting goes on by itself.
func TestAFullDiskServesUnmeteredWhereSaid(t *testing.T) {
	t.Parallel()
	if !inOwnMounts(t) {
		return
	}
	f := newFullDisk(t, "serve-unmetered")
	g := f.calls.load(t, f.url, f.key, 16, 0, false)
	until(t, "requests are answered", func() bool { return f.calls.sum().whole > 200 })
	g.stop()
	f.fill(t)
	f.calls.next(1)
	g = f.calls.load(t, f.url, f.key, 16, 0, false)
	waitFor(t, f.process, "requests are served without being metered")
	g.stop()
	f.wantServed(t)                    // a client sees nothing of it
	f.wantState(t, http.StatusOK, "1") // and a balancer need not go elsewhere
	f.free(t)
	until(t, "the journal takes events again", func() bool { return strings.Contains(f.metrics(t), "tollhouse_journal_full 0") })
	f.calls.next(2)
	g = f.calls.load(t, f.url, f.key, 16, 0, false)
	before := f.calls.sum().whole
	until(t, "requests are answered", func() bool { return f.calls.sum().whole > before+500 })
	g.stop()
	f.end(t)
	got := f.calls.compare(t, f.file)
	unmetered := map[int]int{}
	for _, n := range got.lost {
		unmetered[f.calls.calls[n].round]++
	}
	t.Logf("%d answered, %d stored, not metered by round (before, full, after): %v, doubled %d, balanced: %v", got.whole, got.events, unmetered, got.doubled, got.balanced)
	if unmetered[0] > 0 || unmetered[1] == 0 || unmetered[2] > 0 {
		t.Errorf("not metered: %v, want some while the disk was full, and none before or after", unmetered)
	}
	if got.lost = nil; got.failed() || got.extras > 0 {
		t.Errorf("%+v", got)
	}
}

// fullDisk is a program whose data lies on a disk that can be filled.
type fullDisk struct {
	*process
	calls    *ledger
	data     string
	file     string
	url, key string
}

func newFullDisk(t *testing.T, whenFull string) *fullDisk {
	t.Helper()
	dir := t.TempDir()
	f := &fullDisk{calls: newLedger(), data: filepath.Join(dir, "data")}
	f.calls.padding = ", " + strings.Join(padded, "=1, ") + "=1"
	smallDisk(t, f.data, "160m")
	f.file = killConfig(t, dir, f.calls.service(t).URL, "50ms, when_full: "+whenFull, padded...)
	c := ask[customer](t, "customer", "create", "--config", f.file, "--name", "ACME", "--plan", "load")
	f.key = ask[key](t, "key", "create", "--config", f.file, "--customer", c.ID, "--name", "load").Key
	f.process = start(t, "serves at", "serve", "--config", f.file)
	f.url = f.process.address()
	return f
}

// fill takes all the room that is left.
func (f *fullDisk) fill(t *testing.T) {
	t.Helper()
	ballast, err := os.Create(filepath.Join(f.data, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 64<<10)
	for err == nil {
		_, err = ballast.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	_ = ballast.Close()
}

func (f *fullDisk) free(t *testing.T) {
	t.Helper()
	if err := os.Remove(filepath.Join(f.data, "ballast")); err != nil {
		t.Fatal(err)
	}
}

// one makes one call that the ledger does not know.
func (f *fullDisk) one(t *testing.T, path string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequest("GET", f.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-API-Key", f.key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(all)
}

// wantRefused wants an answer that says so.
func (f *fullDisk) wantRefused(t *testing.T, problem string) {
	t.Helper()
	if status, body := f.one(t, "/api/call?n="+fmt.Sprint(f.calls.begin())); status != http.StatusServiceUnavailable || !strings.Contains(body, problem) {
		t.Errorf("answer %d %s, want 503 %s", status, body, problem)
	}
}

// wantServed waits until a call is answered.
func (f *fullDisk) wantServed(t *testing.T) {
	t.Helper()
	until(t, "a call is answered", func() bool {
		n := f.calls.begin()
		status, _ := f.one(t, "/api/call?n="+fmt.Sprint(n))
		f.calls.finish(n, status)
		return status < http.StatusServiceUnavailable
	})
}

// wantState wants /readyz to answer so, and tollhouse_journal_full to be so.
func (f *fullDisk) wantState(t *testing.T, ready int, full string) {
	t.Helper()
	response, err := http.Get(f.admin() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	text := body(t, response)
	if response.StatusCode != ready {
		t.Errorf("/readyz: %s %s, want %d", response.Status, text, ready)
	}
	if text := f.metrics(t); !strings.Contains(text, "tollhouse_journal_full "+full) {
		t.Errorf("tollhouse_journal_full is not %s", full)
	}
}

func (f *fullDisk) metrics(t *testing.T) string {
	t.Helper()
	response, err := http.Get(f.admin() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	return body(t, response)
}

// admin is where health and metrics are.
func (f *fullDisk) admin() string {
	return strings.TrimRight(strings.Fields(strings.SplitAfter(f.stdout.String(), "admin: ")[1])[0], ")")
}

// end ends the program in order: there is room again, so nothing stays behind.
func (f *fullDisk) end(t *testing.T) {
	t.Helper()
	if status := f.interrupt(t); status != 0 {
		t.Errorf("exit %d", status)
	}
}
