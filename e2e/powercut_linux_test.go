package e2e

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// powerCuts is how often power is cut: a few times in every run, 1,000 times in
// the proof.
func powerCuts() int {
	cuts, err := strconv.Atoi(os.Getenv("TOLLHOUSE_POWER_CUTS"))
	if err != nil || cuts < 1 {
		return 4
	}
	return cuts
}

// TestAPowerCutLosesNothingThatWasSyncedAlways runs the program on a disk of its
// own, an ext4 in a file, and cuts that disk off at random instants under load:
// from then on nothing is written any more, and what was not synced is gone, as
// when power fails. Journal, database and directories all stand on it.
func TestAPowerCutLosesNothingThatWasSyncedAlways(t *testing.T) {
	t.Parallel()
	if !inOwnMounts(t) {
		return
	}
	got := cutPower(t, "always", powerCuts())
	if got.failed() || got.mostExtra > killCallers {
		t.Errorf("%+v", got)
	}
}

// TestAPowerCutCanLoseWhatWasNotSynced is the control of the test before it: the
// same cuts do lose acknowledged requests when nobody asks for syncs, and what
// is left is counted once and balanced all the same.
func TestAPowerCutCanLoseWhatWasNotSynced(t *testing.T) {
	t.Parallel()
	if !inOwnMounts(t) {
		return
	}
	got := cutPower(t, "10s", min(powerCuts(), 40))
	if len(got.lost) == 0 {
		t.Errorf("nothing was lost: the cuts cut nothing (%+v)", got)
	}
	if got.doubled+got.strange > 0 || !got.balanced {
		t.Errorf("%+v", got)
	}
}

// cutPower cuts a number of times, and compares.
func cutPower(t *testing.T, sync string, cuts int) (got counted) {
	t.Helper()
	l := newLedger()
	l.slow.Store(true)
	service := l.service(t)
	dir := t.TempDir()
	d := newDisk(t, dir)
	d.mount(t)
	file := killConfig(t, dir, service.URL, sync)
	c := ask[customer](t, "customer", "create", "--config", file, "--name", "ACME", "--plan", "load")
	k := ask[key](t, "key", "create", "--config", file, "--customer", c.ID, "--name", "load")
	every := max(4, min(100, cuts/10))
	kills, enough := histogram{}, 0
	dice := rand.New(rand.NewPCG(uint64(cuts), uint64(time.Now().UnixNano())))
	began, oldest := time.Now(), time.Duration(0)
	for round := range cuts {
		l.next(round)
		crowded := l.crowded
		p := start(t, "serves at", "serve", "--config", file)
		g := l.load(t, p.address(), k.Key, killCallers, killFollowers, true)
		select {
		case <-crowded:
		case <-time.After(patience):
			t.Fatalf("only %d calls are open", l.open.Load())
		}
		<-time.After(time.Duration(dice.Int64N(int64(500 * time.Millisecond)))) // the instant is what is random here
		open := int(l.open.Load())
		if kills.add(open); open >= wantedOpen {
			enough++
		}
		d.cut(t)
		at := time.Now()
		p.kill()
		g.ended()
		d.unmount(t)
		d.mount(t)
		l.cut(at)
		if (round+1)%every > 0 && round+1 < cuts {
			continue
		}
		got = l.compare(t, file)
		for _, n := range got.lost {
			oldest = max(oldest, l.age(n))
		}
		t.Logf("sync: %s: after %d power cuts: %d whole answers, %d events, %d lost (the oldest %s before the cut), %d doubled, %d strange; %d extras (at most %d at one cut), %d not listed; %d of %d streams unknown, %d not listed; balanced: %v",
			sync, round+1, got.whole, got.events, len(got.lost), oldest.Round(time.Millisecond), got.doubled, got.strange, got.extras, got.mostExtra, got.unlisted, got.unknown, len(l.streams), got.unopened, got.balanced)
		if sync == "always" && got.failed() {
			return got
		}
	}
	t.Logf("%d power cuts in %s, %d of them with %d calls and more open; calls open at the cut:\n%s", cuts, time.Since(began).Round(time.Second), enough, wantedOpen, kills)
	if cuts >= 100 && enough < cuts*9/10 {
		t.Errorf("%d calls and more were open at %d of %d cuts, want nine of ten", wantedOpen, enough, cuts)
	}
	return got
}

// disk is an ext4 in a file.
type disk struct{ image, dir string }

func newDisk(t *testing.T, dir string) disk {
	t.Helper()
	d := disk{filepath.Join(dir, "disk"), filepath.Join(dir, "data")}
	f, err := os.Create(d.image)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(2 << 30); err != nil { // a file with holes
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", d.image).CombinedOutput(); err != nil {
		lacking(t, "mkfs.ext4: %v %s", err, out)
	}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(d.dir, unix.MNT_DETACH) })
	return d
}

// mount mounts the disk, which after a cut plays its own journal back. A
// container often has no loop devices: then there is no such test.
func (d disk) mount(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("mount", "-o", "loop", d.image, d.dir).CombinedOutput(); err != nil {
		t.Skipf("needs loop devices: %v %s", err, out)
	}
}

func (d disk) unmount(t *testing.T) {
	t.Helper()
	var err error
	if !eventually(func() bool { err = unix.Unmount(d.dir, 0); return err == nil }) {
		t.Fatalf("unmount: %v", err)
	}
}

// cut stops the disk at once, without writing anything more, not even its own
// journal (EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH).
func (d disk) cut(t *testing.T) {
	t.Helper()
	f, err := os.Open(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const shutdown, noLogFlush = 0x8004587d, 2
	if err := unix.IoctlSetPointerInt(int(f.Fd()), shutdown, noLogFlush); err != nil {
		t.Fatal(err)
	}
}
