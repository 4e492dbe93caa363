package journal_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	_ "github.com/tollhouse/tollhouse/internal/steadydraws" // the same draws at each run of CI
	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/meter/journal/journaltest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestWhatWasCommittedSurvivesALossOfPower(t *testing.T) {
	t.Parallel()
	files := journaltest.New(t)
	o := options(files, 1)
	o.Sync = journal.Sync{Always: true}
	lane := create(t, o)
	refs := write(t, lane, 0, 300)
	if err := lane.Commit(refs[249]); err != nil {
		t.Fatal(err)
	}
	write(t, lane, 300, 310)
	lane.Abandon()
	files.PowerLoss(nil)
	records, damages := read(t, claim(t, files, 1).Reader(journal.Position{}))
	wantPayloads(t, records, 0, 300) // one sync takes all that is there
	if len(damages) > 0 {
		t.Fatal(damages)
	}
}

func TestAnyPagesMaySurviveALossOfPower(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		files := journaltest.New(t)
		lane := create(t, options(files, 1))
		durable := rapid.IntRange(0, 150).Draw(rt, "durable")
		all := durable + rapid.IntRange(0, 150).Draw(rt, "not durable")
		write(t, lane, 0, durable)
		if _, err := lane.Sync(); err != nil {
			rt.Fatal(err)
		}
		write(t, lane, durable, all)
		lane.Abandon()
		luck := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "luck"), 0))
		files.PowerLoss(func(int64) bool { return luck.IntN(2) == 0 })
		records, _ := readAll(t, files)
		wantPayloads(t, records[:durable], 0, durable)
		next := durable
		for _, r := range records[durable:] { // of the rest some, in order
			for next < all && string(r.Payload) != string(payload(next)) {
				next++
			}
			if next == all {
				rt.Fatalf("%q was never written, or not there", r.Payload)
			}
			next++
		}
	})
}

func TestTheFirstFailedSyncStaysUntilTheEnd(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]journal.Sync{"always": {Always: true}, "in the background": {Every: time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				files := journaltest.New(t)
				opts := options(files, 1)
				opts.Sync = o
				lane, err := journal.Create(opts)
				if err != nil {
					t.Fatal(err)
				}
				defer lane.Abandon()
				write(t, lane, 0, 3)
				if _, err := lane.Sync(); err != nil {
					t.Fatal(err)
				}
				durable := lane.Durable()
				files.Fault(func(op, name string) error {
					if op == "sync" && strings.Contains(name, "00000001") {
						return syscall.EIO
					}
					return nil
				})
				ref, err := lane.Append(note, payload(3), true)
				if err != nil {
					t.Fatal(err)
				}
				if o.Always {
					err = lane.Commit(ref)
				} else {
					time.Sleep(10 * time.Millisecond) // in the bubble: lets the background sync
					synctest.Wait()
					_, err = lane.Append(note, payload(4), true)
				}
				if !errors.Is(err, syscall.EIO) || toll.CodeOf(err) != toll.Unavailable {
					t.Fatalf("got %v, want Unavailable because of EIO", err)
				}
				files.Fault(nil) // the disk is well again, but what it dropped is not known
				if _, again := lane.Append(note, payload(5), true); again == nil || again.Error() != err.Error() {
					t.Fatalf("Append after a failed sync: %v, want %v", again, err)
				}
				if at, err := lane.Sync(); err == nil || at != durable || lane.Err() == nil {
					t.Fatalf("Sync: %v, %v, Err %v; want %v and the error", at, err, lane.Err(), durable)
				}
			})
		})
	}
}

func TestManyWaitersShareASync(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		files := journaltest.New(t)
		o := options(files, 1)
		o.Sync, o.SegmentSize = journal.Sync{Always: true}, 64*little
		lane, err := journal.Create(o)
		if err != nil {
			t.Fatal(err)
		}
		defer lane.Abandon()
		synctest.Wait() // the second segment is ready
		var syncs atomic.Int64
		slow := make(chan struct{})
		files.Fault(func(op, _ string) error {
			if op == "sync" && syncs.Add(1) == 1 {
				<-slow
			}
			return nil
		})
		var wg sync.WaitGroup
		for n := range 50 {
			wg.Go(func() {
				ref, err := lane.Append(note, payload(n), true)
				if err == nil {
					err = lane.Commit(ref)
				}
				if err != nil {
					t.Error(err)
				}
			})
			synctest.Wait() // the first is in its sync, the others wait for the next
		}
		close(slow)
		wg.Wait()
		if n := syncs.Load(); n != 2 {
			t.Errorf("%d syncs for 50 waiters, want 2", n)
		}
		if at := lane.Durable(); at != lane.End() {
			t.Errorf("durable up to %v of %v", at, lane.End())
		}
		before := syncs.Load()
		ref, err := lane.Append(note, payload(1), true)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 { // once is enough
			if err := lane.Commit(ref); err != nil {
				t.Fatal(err)
			}
		}
		if n := syncs.Load() - before; n != 1 {
			t.Errorf("%d syncs for one record", n)
		}
	})
}

func TestTheBackgroundSyncsWithinItsTimeAndSleepsOtherwise(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		files := journaltest.New(t)
		o := options(files, 1)
		o.Sync = journal.Sync{} // 50 ms
		lane, err := journal.Create(o)
		if err != nil {
			t.Fatal(err)
		}
		defer lane.Abandon()
		time.Sleep(time.Second)
		var syncs atomic.Int64
		files.Fault(func(op, _ string) error {
			if op == "sync" {
				syncs.Add(1)
			}
			return nil
		})
		time.Sleep(time.Hour)
		if n := syncs.Load(); n != 0 {
			t.Fatalf("%d syncs while nothing was written", n)
		}
		write(t, lane, 0, 5)
		time.Sleep(51 * time.Millisecond)
		if n := syncs.Load(); n != 1 || lane.Durable() != lane.End() {
			t.Fatalf("%d syncs, durable up to %v of %v", n, lane.Durable(), lane.End())
		}
	})
}

func TestAFullDiskIsSeenAtAllocationAndLeftBehind(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault error
		want  error
	}{
		"no space":            {nil, journal.ErrFull},
		"quota":               {syscall.EDQUOT, journal.ErrFull},
		"another failure":     {syscall.EIO, syscall.EIO},
		"a short header":      {journaltest.ErrShortWrite, journaltest.ErrShortWrite},
		"a directory is gone": {syscall.ENOENT, syscall.ENOENT},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				files := journaltest.New(t)
				lane, err := journal.Create(options(files, 1))
				if err != nil {
					t.Fatal(err)
				}
				defer lane.Abandon()
				synctest.Wait() // two segments are there
				if c.fault == nil {
					files.Capacity(2 * little)
				} else {
					files.Fault(func(op, _ string) error {
						if op == "allocate" || op == "write" {
							return c.fault
						}
						return nil
					})
				}
				n := 0
				for ; ; n++ {
					if _, err = lane.Append(note, payload(n), true); err != nil {
						break
					}
				}
				if !errors.Is(err, c.want) || toll.CodeOf(err) != toll.Unavailable {
					t.Fatalf("after %d records: %v, want %v", n, err, c.want)
				}
				if at := lane.End(); at.Segment != 2 {
					t.Fatalf("full at %v, want the end of the second segment", at)
				}
				time.Sleep(time.Second)
				if _, err := lane.Append(note, payload(n), true); !errors.Is(err, c.want) || lane.Err() == nil {
					t.Fatalf("still full, but Append says %v and Err %v", err, lane.Err())
				}
				files.Capacity(0)
				files.Fault(nil)
				time.Sleep(time.Second)
				write(t, lane, n, n+100)
				if err := lane.Err(); err != nil {
					t.Fatal(err)
				}
				lane.Abandon()
				records, damages := read(t, claim(t, files, 1).Reader(journal.Position{}))
				wantPayloads(t, records, 0, n+100)
				if len(damages) > 0 {
					t.Fatal(damages)
				}
			})
		})
	}
}

func TestALaneOnAFullDiskIsNotMade(t *testing.T) {
	t.Parallel()
	files := journaltest.New(t)
	files.Capacity(100)
	if _, err := journal.Create(options(files, 1)); !errors.Is(err, journal.ErrFull) {
		t.Fatalf("got %v, want ErrFull", err)
	}
	files.Capacity(0)
	if err := journal.Sweep(files, root); err != nil {
		t.Fatal(err)
	}
	if names, err := files.List(root + "/n1"); err != nil || len(names) != 0 {
		t.Fatalf("left behind: %v, %v", names, err)
	}
	create(t, options(files, 1))
}
