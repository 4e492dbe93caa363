package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	killCallers   = 64
	killFollowers = 4
	wantedOpen    = 20 // calls open at nine of ten kills
)

// killRounds is how often the server is killed: ten times in every run, 1,000
// times in the proof (make proof-kill).
func killRounds(t *testing.T) int {
	t.Helper()
	rounds, err := strconv.Atoi(os.Getenv("TOLLHOUSE_KILLS"))
	if err != nil || rounds < 1 {
		return 10
	}
	return rounds
}

// TestKilledUnderLoadLosesNothingAndDoublesNothing kills the program with SIGKILL
// at random instants while 64 clients call through it and four follow event
// streams: mostly within half a second after twenty calls were open, so that the
// drain of the journal is met before, in and behind its transactions; now and
// then among the first calls, or while it starts and drains what the one before
// it left; in the long proof also after seconds as fast as it goes, when segments
// of the journal have been filled and deleted.
func TestKilledUnderLoadLosesNothingAndDoublesNothing(t *testing.T) {
	t.Parallel()
	l := newLedger()
	service := l.service(t)
	dir := t.TempDir()
	file := killConfig(t, dir, service.URL, "50ms")
	c := ask[customer](t, "customer", "create", "--config", file, "--name", "ACME", "--plan", "load")
	k := ask[key](t, "key", "create", "--config", file, "--customer", c.ID, "--name", "load")

	rounds := killRounds(t)
	every := max(5, min(100, rounds/10)) // rounds between two comparisons
	dice := rand.New(rand.NewPCG(uint64(rounds), uint64(time.Now().UnixNano())))
	kills := histogram{}
	starting, enough := 0, 0
	began := time.Now()
	for round := range rounds {
		l.next(round)
		if round%33 == 6 { // while it starts
			starting++
			kills.add(0)
			killStarting(t, file, dice)
		} else {
			when := inWork
			switch {
			case round%100 == 99:
				when = late
			case round%33 == 20:
				when = early
			}
			l.slow.Store(when != late)
			open := killWorking(t, l, file, k.Key, when, dice)
			kills.add(open)
			if open >= wantedOpen {
				enough++
			}
		}
		if (round+1)%every > 0 && round+1 < rounds {
			continue
		}
		got := l.compare(t, file)
		t.Logf("after %d kills: %d whole answers, %d events, %d lost, %d doubled, %d strange; %d extras (at most %d at one kill), %d not listed; %d of %d streams unknown, %d not listed; balanced: %v",
			round+1, got.whole, got.events, len(got.lost), got.doubled, got.strange, got.extras, got.mostExtra, got.unlisted, got.unknown, len(l.streams), got.unopened, got.balanced)
		if got.failed() || got.mostExtra > killCallers {
			t.Fatalf("kill %d: %+v", round+1, got)
		}
	}
	t.Logf("%d kills in %s, %d of them while it started; calls open at the kill:\n%s", rounds, time.Since(began).Round(time.Second), starting, kills)
	if rounds >= 100 && enough < rounds*9/10 {
		t.Errorf("%d calls and more were open at %d of %d kills, want nine of ten", wantedOpen, enough, rounds)
	}
}

// killConfig writes a configuration whose journal is synced as said.
func killConfig(t *testing.T, dir, service, sync string, units ...string) string {
	t.Helper()
	file := filepath.Join(dir, "tollhouse.yml")
	config := fmt.Sprintf(`
listen: { http: "127.0.0.1:0", admin: "127.0.0.1:0" }
data: %q
journal: { sync: %s }
access_log: off
services:
  api: { path: /api, upstreams: [%q], access: key, units: [%s] }
plans:
  load: { name: Load, includes: [api], limits: [ { name: second, rate: 1000000/second } ] }
`, filepath.Join(dir, "data"), sync, service, strings.Join(append(units, "words"), ", "))
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// address is where a server says that it serves.
func (p *process) address() string {
	return strings.Fields(strings.SplitAfter(p.stdout.String(), "serves at ")[1])[0]
}

// instant is when in its work the program is killed.
type instant int

const (
	inWork instant = iota
	early          // among the first calls
	late           // after seconds
)

// killWorking kills the program at a random instant of its work, and returns how
// many calls were open then.
func killWorking(t *testing.T, l *ledger, file, key string, when instant, dice *rand.Rand) (open int) {
	t.Helper()
	p := start(t, "serves at", "serve", "--config", file)
	crowded := l.crowded
	g := l.load(t, p.address(), key, killCallers, killFollowers, false)
	var after time.Duration
	switch when {
	case early:
		after = time.Duration(dice.Int64N(int64(40 * time.Millisecond)))
	case late:
		after = 3*time.Second + time.Duration(dice.Int64N(int64(4*time.Second)))
	default:
		select {
		case <-crowded:
		case <-time.After(patience):
			t.Fatalf("only %d calls are open", l.open.Load())
		}
		after = time.Duration(dice.Int64N(int64(500 * time.Millisecond)))
	}
	<-time.After(after) // the instant is what is random here
	open = int(l.open.Load())
	p.kill()
	g.ended()
	return open
}

// killStarting kills the program at a random instant of its start: while it
// drains what was left, or just before or after.
func killStarting(t *testing.T, file string, dice *rand.Rand) {
	t.Helper()
	cmd := exec.Command(binary, "serve", "--config", file)
	cmd.Dir = t.TempDir()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Duration(dice.Int64N(int64(120 * time.Millisecond))))
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
}

// histogram counts kills by how many calls were open.
type histogram map[int]int

func (h histogram) add(open int) { h[min(open/10, 7)]++ }

func (h histogram) String() string {
	var text strings.Builder
	for tens := range 8 {
		label := fmt.Sprintf("%d to %d", tens*10, tens*10+9)
		if tens == 7 {
			label = "70 and more"
		}
		fmt.Fprintf(&text, "| %s | %d |\n", label, h[tens])
	}
	return text.String()
}
