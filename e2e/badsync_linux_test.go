package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestTheFirstFailedSyncEndsCounting makes fdatasync of the running program fail
// from outside, as a dying disk would. From the first failure on nothing is
// acknowledged as counted, also when the disk seems to be well again: what the
// kernel could not write it may have dropped. After a restart everything that
// was acknowledged is there.
func TestTheFirstFailedSyncEndsCounting(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ fault, sync, whenFull string }{
		{"EIO", "always", "refuse"},
		{"ENOSPC", "always", "refuse"},
		{"EIO", "50ms", "serve-unmetered"},
	} {
		t.Run(c.fault+" with sync "+c.sync+" and "+c.whenFull, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			f := &fullDisk{calls: newLedger()}
			f.file = killConfig(t, dir, f.calls.service(t).URL, c.sync+", when_full: "+c.whenFull)
			cust := ask[customer](t, "customer", "create", "--config", f.file, "--name", "ACME", "--plan", "load")
			f.key = ask[key](t, "key", "create", "--config", f.file, "--customer", cust.ID, "--name", "load").Key
			f.process = start(t, "serves at", "serve", "--config", f.file)
			f.url = f.process.address()
			refuses := c.whenFull == "refuse"

			g := f.calls.load(t, f.url, f.key, 8, 0, refuses)
			until(t, "requests are answered", func() bool { return f.calls.sum().whole > 100 })
			heal := f.hurt(t, c.fault)
			if refuses {
				until(t, "requests are refused", func() bool { return f.calls.sum().refused > 50 })
			} else {
				waitFor(t, f.process, "served without being metered")
			}
			heal()
			g.stop()
			f.calls.next(1)
			if refuses {
				f.wantRefused(t, "journal-full")
				f.wantState(t, http.StatusServiceUnavailable, "1")
			} else {
				f.wantServed(t)
				f.wantState(t, http.StatusOK, "1")
			}
			waitFor(t, f.process, "then restart Tollhouse")
			_ = f.interrupt(t) // it may say that the journal failed

			f.process = start(t, "serves at", "serve", "--config", f.file)
			f.url = f.process.address()
			f.calls.next(2)
			f.wantServed(t)
			f.wantState(t, http.StatusOK, "0")
			f.end(t)
			got := f.calls.compare(t, f.file)
			t.Logf("%d answered, %d refused, %d stored, %d lost, %d doubled, %d extras, balanced: %v", got.whole, f.calls.sum().refused, got.events, len(got.lost), got.doubled, got.extras, got.balanced)
			if !refuses { // what was served without being metered
				for _, n := range got.lost {
					if f.calls.calls[n].round == 2 {
						t.Errorf("call %d is lost, after the restart", n)
					}
				}
				got.lost = nil
			}
			if got.failed() {
				t.Errorf("%+v", got)
			}
		})
	}
}

// hurt makes every fdatasync of the program fail until heal is called.
func (f *fullDisk) hurt(t *testing.T, fault string) (heal func()) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		lacking(t, "strace: %v", err)
	}
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command(strace, "-f", "-p", strconv.Itoa(f.cmd.Process.Pid), "-o", trace, "-e", "trace=fdatasync", "-e", "inject=fdatasync:error="+fault)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	until(t, "a sync fails", func() bool {
		select {
		case err := <-ended:
			lacking(t, "strace that may attach: %v", err)
		default:
		}
		text, err := os.ReadFile(trace)
		return err == nil && strings.Contains(string(text), fault)
	})
	return func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(fmt.Errorf("strace: %w", err))
		}
		select {
		case <-ended:
		case <-time.After(patience / 4): // it can hang while it lets go of many threads
			_ = cmd.Process.Kill()
			<-ended
		}
	}
}
