package journal_test

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/meter/journal/journaltest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// names lists a directory, without what has none of the suffix.
func names(t testing.TB, files journal.Files, dir, suffix string) (found []string) {
	t.Helper()
	all, err := files.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		if strings.HasSuffix(name, suffix) {
			found = append(found, strings.TrimSuffix(name, suffix))
		}
	}
	return found
}

// fiveSegments fills a lane up into its fifth segment, and tells for each
// record where it is.
func fiveSegments(t testing.TB, files journal.Files) (*journal.Lane, map[uint64][]journal.Ref) {
	t.Helper()
	lane := create(t, options(files, 1))
	refs := map[uint64][]journal.Ref{}
	for n := 0; lane.End().Segment < 5; n++ {
		ref := write(t, lane, n, n+1)[0]
		at := lane.End().Segment
		refs[at] = append(refs[at], ref)
	}
	if _, err := lane.Sync(); err != nil {
		t.Fatal(err)
	}
	return lane, refs
}

func finish(refs []journal.Ref) {
	for _, r := range refs {
		r.Finish(journal.Done)
	}
}

func TestTrimDeletesWhatIsDrainedAndDoneOnly(t *testing.T) {
	t.Parallel()
	files := journaltest.New(t)
	lane, refs := fiveSegments(t, files)
	want := func(segments ...string) {
		t.Helper()
		got := names(t, files, dir, ".thj")
		got = slices.DeleteFunc(got, func(s string) bool { return s > "00000005" }) // the one made ready
		if !slices.Equal(got, segments) {
			t.Fatalf("segments %v, want %v", got, segments)
		}
	}
	trim := func(drained journal.Position) {
		t.Helper()
		if err := lane.Trim(drained); err != nil {
			t.Fatal(err)
		}
	}
	trim(lane.End()) // nothing is done
	want("00000001", "00000002", "00000003", "00000004", "00000005")
	finish(refs[2])
	finish(refs[3])
	finish(refs[5])
	trim(journal.Position{Segment: 3, Offset: 64})
	want("00000001", "00000003", "00000004", "00000005")
	trim(lane.End())
	want("00000001", "00000004", "00000005") // the fifth is being written
	finish(refs[1][1:])
	finish(refs[4])
	trim(lane.End())
	want("00000001", "00000005")
	refs[1][0].Finish(journal.NotDelivered)
	trim(lane.End())
	want("00000005")
	finish(refs[1]) // its memory is gone by now
	write(t, lane, 0, 10)
}

func TestTrimKeepsDamagedSegmentsAside(t *testing.T) {
	t.Parallel()
	files := journaltest.New(t)
	lane, refs := fiveSegments(t, files)
	finish(refs[1])
	finish(refs[2])
	lane.MarkDamaged(2)
	if err := lane.Trim(lane.End()); err != nil {
		t.Fatal(err)
	}
	if got := names(t, files, dir+".damaged", ".thj"); !slices.Equal(got, []string{"00000002"}) {
		t.Fatalf("kept aside: %v", got)
	}
	if found, err := journal.Lanes(files, root); err != nil || len(found) != 1 {
		t.Fatalf("lanes %v, %v: what is kept aside is none", found, err)
	}
}

func TestTrimSyncsEarlierSegmentsBeforeItDeletesLaterOnes(t *testing.T) {
	t.Parallel()
	files := journaltest.New(t)
	lane, refs := fiveSegments(t, files)
	refs[1][0].Finish(journal.Done) // as an open is, by an event in the second segment
	finish(refs[2])
	files.Fault(func(op, name string) error {
		if op == "sync" && strings.Contains(name, "00000001") {
			return syscall.EIO
		}
		return nil
	})
	if err := lane.Trim(lane.End()); !errors.Is(err, syscall.EIO) {
		t.Fatalf("Trim: %v, want EIO", err)
	}
	if got := names(t, files, dir, "2.thj"); len(got) != 1 {
		t.Fatal("the second segment was deleted before the first was synced")
	}
	if _, err := lane.Append(note, nil, false); toll.CodeOf(err) != toll.Unavailable {
		t.Fatalf("Append after a failed sync: %v", err)
	}
}

func TestTrimSaysWhenAFileCannotBeDeleted(t *testing.T) {
	t.Parallel()
	files := journaltest.New(t)
	lane, refs := fiveSegments(t, files)
	finish(refs[1])
	files.Fault(func(op, _ string) error {
		if op == "remove" {
			return syscall.EACCES
		}
		return nil
	})
	if err := lane.Trim(lane.End()); !errors.Is(err, syscall.EACCES) {
		t.Fatalf("got %v, want EACCES", err)
	}
}

func TestAFinishedLaneIsDeletedOldestFirst(t *testing.T) {
	t.Parallel()
	files, _ := dead(t, 200)
	c := claim(t, files, 1)
	files.Put(dir+"/00000009.thj.new", nil) // half made when the process was killed
	var removed []string
	files.Fault(func(op, name string) error {
		if op == "remove" || op == "rename" {
			removed = append(removed, strings.TrimPrefix(name, root+"/n1/"+laneID(1).String()))
		}
		return nil
	})
	if err := c.Discard(map[uint64]bool{3: true}); err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(removed) || len(removed) < 4 {
		t.Fatalf("deleted in the order %v", removed)
	}
	if err := c.Discard(nil); err != nil { // a second time: nothing is left
		t.Fatal(err)
	}
	if err := c.Remove(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, files, root+"/n1", ""); !slices.Equal(got, []string{laneID(1).String() + ".damaged"}) {
		t.Fatalf("left: %v", got)
	}
}

func TestSweepRemovesWhatWasHalfMadeAndNobodyMakes(t *testing.T) {
	t.Parallel()
	files := journaltest.New(t)
	files.Fault(func(op, name string) error { // killed before the lane had its name
		if op == "rename" && !strings.HasSuffix(name, ".thj.new") {
			return syscall.EIO
		}
		return nil
	})
	if _, err := journal.Create(options(files, 1)); err == nil {
		t.Fatal("Create succeeded")
	}
	files.Fault(nil)
	half := root + "/n1/." + laneID(1).String() + ".new"
	lock, err := files.Lock(half + "/lock")
	if err != nil {
		t.Fatal(err)
	}
	sweep := func() {
		t.Helper()
		if err := journal.Sweep(files, root); err != nil {
			t.Fatal(err)
		}
	}
	sweep()
	if got := names(t, files, root+"/n1", ".new"); len(got) != 1 {
		t.Fatal("what a living process makes was removed")
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	sweep()
	if got := names(t, files, root+"/n1", ""); len(got) != 0 {
		t.Fatalf("left: %v", got)
	}
	if err := journal.Sweep(files, "/data/none"); err != nil {
		t.Fatalf("a journal that is not there: %v", err)
	}
}
