package e2e

import (
	"bytes"
	bin "encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/meter"
)

// TestADamagedJournalSaysWhatAndWhereAndKeepsTheRest kills a server, damages what
// it left in the journal in every way that a disk or a person can, and looks at
// what the next start says, counts and keeps.
func TestADamagedJournalSaysWhatAndWhereAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	left := leaveJournal(t)
	records := left.records(t)
	if len(records) < 20 {
		t.Fatalf("the killed server left %d records", len(records))
	}
	at := records[len(records)/2]
	last := records[len(records)-1]
	for name, c := range map[string]struct {
		damage func(segment []byte) []byte
		lost   int // events
		all    bool
		says   []string
	}{
		"a flipped bit": {func(b []byte) []byte { b[at+40] ^= 4; return b }, 1, false,
			[]string{"cannot be read (a record does not fit its checksum)", "those around it are", "check the disk"}},
		"a torn tail": {func(b []byte) []byte { clear(b[last+40 : last+80]); return b }, 1, false,
			[]string{"the last record is not whole", "loss of power"}},
		"truncated": {func(b []byte) []byte { return b[:at] }, len(records) - len(records)/2, false,
			[]string{"the file is cut short", "The records before it are counted"}},
		"empty": {func([]byte) []byte { return nil }, len(records), false,
			[]string{"the file is empty", "check the disk"}},
		"zeros": {func(b []byte) []byte { clear(b); return b }, len(records), false, []string{"the header cannot be read"}},
		"of another place": {func(b []byte) []byte { // as when two segments were changed for one another
			bin.LittleEndian.PutUint64(b[16:], 7)
			bin.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], crc32.MakeTable(crc32.Castagnoli)))
			return b
		}, len(records), false, []string{"the file holds another segment"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here := left.copy(t)
			here.change(t, c.damage)
			p := start(t, "serves at", "serve", "--config", here.file)
			waitFor(t, p, `"level":"ERROR"`)
			for _, text := range append(c.says, here.segment(t, ".damaged"), `"offset":`, `"bytes":`) {
				if !strings.Contains(p.stderr.String(), strings.TrimSuffix(text, "/00000001.thj")) {
					t.Errorf("the log does not say %q:\n%s", text, p.stderr)
				}
			}
			audit := ask[map[string]meter.Conservation](t, "usage", "audit", "--config", here.file)
			if got, want := audit["requests"].Received, int64(left.events-c.lost); got != want || !audit["requests"].Holds() {
				t.Errorf("the audit has %+v, want %d received: all but the damaged", audit["requests"], want)
			}
			if _, err := os.Stat(here.segment(t, ".damaged")); err != nil {
				t.Errorf("the segment was not kept aside: %v", err)
			}
			f := &fullDisk{process: p}
			if text := f.metrics(t); !strings.Contains(text, "tollhouse_journal_damages_total 1\n") && !strings.Contains(text, "tollhouse_journal_damages_total 2\n") {
				t.Error("tollhouse_journal_damages_total is not told")
			}
			if status := p.interrupt(t); status != 0 {
				t.Errorf("exit %d", status)
			}
		})
	}
	t.Run("damaged, for a command", func(t *testing.T) {
		t.Parallel()
		here := left.copy(t)
		here.change(t, func(b []byte) []byte { b[at+40] ^= 4; return b })
		_, stderr, status := tollhouse(t, "customer", "create", "--config", here.file, "--name", "Other", "--plan", "load")
		if status != 0 || strings.Count(stderr, "ERROR") != 1 || !strings.Contains(stderr, "does not fit its checksum") {
			t.Errorf("exit %d: %s", status, stderr)
		}
	})
	t.Run("of a newer version", func(t *testing.T) {
		t.Parallel()
		here := left.copy(t)
		here.change(t, func(b []byte) []byte {
			bin.LittleEndian.PutUint32(b[8:], 9)
			bin.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], crc32.MakeTable(crc32.Castagnoli)))
			return b
		})
		before, err := os.ReadFile(here.segment(t, ""))
		if err != nil {
			t.Fatal(err)
		}
		line := refused(t, 1, "serve", "--config", here.file)
		for _, text := range []string{"newer Tollhouse", "Start that version again", filepath.Base(filepath.Dir(here.segment(t, "")))} {
			if !strings.Contains(line, text) {
				t.Errorf("it does not say %q: %s", text, line)
			}
		}
		if after, err := os.ReadFile(here.segment(t, "")); err != nil || !bytes.Equal(before, after) {
			t.Errorf("the segment was changed: %v", err)
		}
	})
}

// leftJournal is what a killed server left behind.
type leftJournal struct {
	dir, file string
	events    int // in database and journal
}

// leaveJournal kills a server with some hundred events in its journal that are not
// in its database.
func leaveJournal(t *testing.T) leftJournal {
	t.Helper()
	l := newLedger()
	left := leftJournal{dir: t.TempDir()}
	left.file = killConfig(t, left.dir, l.service(t).URL, "50ms")
	c := ask[customer](t, "customer", "create", "--config", left.file, "--name", "ACME", "--plan", "load")
	k := ask[key](t, "key", "create", "--config", left.file, "--customer", c.ID, "--name", "load")
	p := start(t, "serves at", "serve", "--config", left.file)
	g := l.load(t, p.address(), k.Key, 8, 0, false)
	until(t, "there are answers", func() bool { return l.sum().whole > 300 })
	g.stop()
	p.kill()
	// What is drained when it is killed differs from run to run: the database as it
	// was before is put back, so that all of it is still to come.
	left.events = len(left.records(t))
	if got, want := left.events, l.sum().whole; got != want {
		t.Fatalf("%d records for %d answers", got, want)
	}
	for _, name := range []string{"tollhouse.db", "tollhouse.db-wal", "tollhouse.db-shm", "control.sock", "session.secret"} {
		if err := os.Remove(filepath.Join(left.dir, "data", name)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	return left
}

// copy copies it all to where it may be damaged.
func (l leftJournal) copy(t *testing.T) leftJournal {
	t.Helper()
	to := leftJournal{dir: t.TempDir(), events: l.events}
	if err := os.CopyFS(to.dir, os.DirFS(l.dir)); err != nil {
		t.Fatal(err)
	}
	secrets, err := filepath.Glob(filepath.Join(to.dir, "data", "*.secret"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range secrets { // CopyFS lets others read what it copies
		if err := os.Chmod(file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config, err := os.ReadFile(l.file)
	if err != nil {
		t.Fatal(err)
	}
	to.file = filepath.Join(to.dir, "tollhouse.yml")
	if err := os.WriteFile(to.file, bytes.ReplaceAll(config, []byte(l.dir), []byte(to.dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

// segment is where the lane's first segment lies, or where it is kept aside.
func (l leftJournal) segment(t *testing.T, aside string) string {
	t.Helper()
	lanes, err := filepath.Glob(filepath.Join(l.dir, "data", "journal", "*", "[0-9A-Z]*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, lane := range lanes {
		name := filepath.Join(strings.TrimSuffix(lane, ".damaged")+aside, "00000001.thj")
		if _, err := os.Stat(filepath.Dir(name)); err == nil {
			return name
		}
	}
	t.Fatalf("no lane%s in %v", aside, lanes)
	return ""
}

func (l leftJournal) change(t *testing.T, how func([]byte) []byte) {
	t.Helper()
	name := l.segment(t, "")
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, how(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// records are the offsets of the first segment's records.
func (l leftJournal) records(t *testing.T) (offsets []int) {
	t.Helper()
	b, err := os.ReadFile(l.segment(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	for at := 64; ; {
		word := bin.LittleEndian.Uint32(b[at:])
		if word&(1<<31) == 0 {
			return offsets
		}
		offsets = append(offsets, at)
		at += (16 + int(word&^(1<<31)) + 7) &^ 7
	}
}
