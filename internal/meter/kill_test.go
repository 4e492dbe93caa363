//go:build unix

package meter_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/meter/metertest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// victimDir is the environment variable that makes this test program a process
// to be killed: it names the data directory.
const victimDir = "METER_TEST_VICTIM"

// callers is how many requests the victim has open at any time.
const callers = 25

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		victim(dir)
	}
	os.Exit(m.Run())
}

// victim records events without end, and tells of each on its standard output
// when it was recorded ("r ID") and when it was done ("d ID"), as a client that
// reads answers would see it.
func victim(dir string) {
	ids := toll.NewIDs(nil)
	lane, err := journal.Create(journal.Options{
		Root: filepath.Join(dir, "journal"), Node: "n1", ID: ids.New(toll.SystemClock()), SegmentSize: 64 << 10,
	})
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	rec := meter.NewRecorder(lane)
	var output sync.Mutex
	say := func(what string, id toll.ULID) {
		output.Lock()
		defer output.Unlock()
		if _, err := os.Stdout.WriteString(what + " " + id.String() + "\n"); err != nil {
			os.Exit(1)
		}
	}
	for caller := range callers {
		go func() {
			for n := 0; ; n++ {
				e := typical()
				e.Time = noon
				e.ID = ids.New(toll.SystemClock())
				e.RequestID = strconv.Itoa(n)
				var opened meter.Ticket
				if caller%5 == 0 {
					if opened, err = rec.Open(&e); err != nil {
						os.Exit(1)
					}
				}
				ticket, err := rec.Record(&e, opened)
				if err != nil {
					os.Exit(1)
				}
				say("r", e.ID)
				rec.Done(ticket, true)
				say("d", e.ID)
			}
		}()
	}
	select {}
}

func TestNothingRecordedIsLostOrDoubledByKill9(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := &metertest.Memory{}
	stored := map[toll.ULID]bool{}
	for kill := range 8 {
		recorded, done := killed(t, dir, 50+700*kill)
		before := len(store.All())
		drainer := meter.NewDrainer(meter.DrainerOptions{Root: filepath.Join(dir, "journal"), Sink: store, Log: quiet})
		if err := drainer.DrainDead(context.Background()); err != nil {
			t.Fatal(err)
		}
		if s := drainer.Status(); s.Damages != 0 {
			t.Errorf("kill %d: the journal is damaged: %+v", kill, s)
		}
		doubts, err := store.Doubts(context.Background(), noon, noon.AddDate(0, 0, 1))
		if err != nil {
			t.Fatal(err)
		}
		doubted := map[toll.ULID]string{}
		for _, d := range doubts {
			doubted[d.Event.ID] = d.Kind
		}
		extras, unknown := 0, 0
		for _, e := range store.All() {
			if stored[e.ID] {
				continue
			}
			stored[e.ID] = true
			switch {
			case e.Class == toll.Unknown:
				unknown++
			case !recorded[e.ID]:
				extras++ // recorded, and killed before it could say so
			}
			if !done[e.ID] && !recorded[e.ID] && doubted[e.ID] == "" {
				t.Errorf("kill %d: %s was stored and acknowledged by nobody, and is not in doubt", kill, e.ID)
			}
			if done[e.ID] && doubted[e.ID] != "" {
				t.Errorf("kill %d: %s was done, and is %q", kill, e.ID, doubted[e.ID])
			}
			delete(recorded, e.ID)
		}
		if len(recorded) > 0 {
			t.Errorf("kill %d: %d acknowledged events are lost", kill, len(recorded))
		}
		if extras+unknown > callers {
			t.Errorf("kill %d: %d extras and %d unknown, with %d calls open", kill, extras, unknown, callers)
		}
		t.Logf("kill %d: %d events stored, %d acknowledged as done, %d extras, %d unknown", kill, len(store.All())-before, len(done), extras, unknown)
	}
	if lanes, err := journal.Lanes(journal.OS, filepath.Join(dir, "journal")); err != nil || len(lanes) != 0 {
		t.Fatalf("left: %v, %v", lanes, err)
	}
}

// killed starts a victim, kills it after so many lines, and returns what it
// told of.
func killed(t *testing.T, dir string, after int) (recorded, done map[toll.ULID]bool) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), victimDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	recorded, done = map[toll.ULID]bool{}, map[toll.ULID]bool{}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if n == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
		}
		what, text, _ := strings.Cut(lines.Text(), " ")
		id, err := toll.ParseULID(text)
		if err != nil {
			continue // the last line may be cut
		}
		switch what {
		case "r":
			recorded[id] = true
		case "d":
			done[id] = true
		}
	}
	_ = cmd.Wait() // it was killed
	if len(recorded) == 0 {
		t.Fatal("the victim recorded nothing")
	}
	return recorded, done
}
