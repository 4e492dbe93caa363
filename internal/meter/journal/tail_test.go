package journal_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/meter/journal/journaltest"
)

var foreign = journal.Found{Node: "n1", ID: laneID(1)}

func TestALivingLaneIsFollowedFromAnotherProcess(t *testing.T) {
	t.Parallel()
	files := journaltest.New(t)
	lane := create(t, options(files, 1))
	tail := journal.Follow(files, root, foreign, journal.Position{})
	at := 0
	for _, n := range []int{0, 1, 2, 90, 91, 300} { // within a segment, at its end, and over several
		write(t, lane, at, n)
		records, damages := read(t, tail)
		wantPayloads(t, records, at, n)
		if len(damages) > 0 {
			t.Fatalf("at %d: %v", n, damages)
		}
		at = n
	}
	if end := lane.End(); end.Segment < 4 || tail.Position() != end {
		t.Errorf("read up to %v, the lane ends at %v", tail.Position(), end)
	}
	lane.Abandon() // what stands there already is all there is
	if records, _ := read(t, tail); len(records) != 0 {
		t.Errorf("%d records more", len(records))
	}
	again := journal.Follow(files, root, foreign, tail.Position())
	if records, damages := read(t, again); len(records)+len(damages) != 0 {
		t.Errorf("from the end: %v %v", records, damages)
	}
}

func TestWhatIsFollowedSurvivesALossOfPower(t *testing.T) {
	t.Parallel()
	files := journaltest.New(t)
	lane := create(t, options(files, 1)) // which never syncs by itself
	write(t, lane, 0, 200)
	records, _ := read(t, journal.Follow(files, root, foreign, journal.Position{}))
	wantPayloads(t, records, 0, 200)
	files.PowerLoss(func(int64) bool { return false })
	lane.Abandon()
	kept, _ := readAll(t, files)
	wantPayloads(t, kept, 0, 200)
}

func TestARecordOnItsWayIsNoDamage(t *testing.T) {
	t.Parallel()
	files := journaltest.New(t)
	lane := create(t, options(files, 1))
	write(t, lane, 0, 3)
	end := lane.End()
	write(t, lane, 3, 6)
	bytes := files.Bytes(segment(end.Segment))
	bytes[end.Offset+17] ^= 1 // as another processor may see it for a moment
	tail := journal.Follow(files, root, foreign, journal.Position{})
	records, damages := read(t, tail)
	wantPayloads(t, records, 0, 3)
	if len(damages) > 0 {
		t.Fatal(damages)
	}
	bytes[end.Offset+17] ^= 1
	records, damages = read(t, tail)
	wantPayloads(t, records, 3, 6)
	if len(damages) > 0 {
		t.Fatal(damages)
	}
}

func TestATailTellsWhatItCannotReadOrSync(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"open", "read", "sync"} {
		files := journaltest.New(t)
		lane := create(t, options(files, 1))
		write(t, lane, 0, 3)
		broken := errors.New("broken")
		files.Fault(func(o, _ string) error {
			if o == op {
				return broken
			}
			return nil
		})
		tail := journal.Follow(files, root, foreign, journal.Position{})
		if _, err := tail.Next(); !errors.Is(err, broken) {
			t.Errorf("%s: %v", op, err)
		}
		files.Fault(nil)
		records, _ := read(t, tail)
		wantPayloads(t, records, 0, 3)
	}
}

func TestALaneIsFollowedWhileItIsWritten(t *testing.T) {
	t.Parallel()
	o := options(journal.OS, 1)
	o.Root = t.TempDir()
	lane := create(t, o)
	const n = 3000
	var writing sync.WaitGroup
	writing.Go(func() { write(t, lane, 0, n) })
	tail := journal.Follow(journal.OS, o.Root, foreign, journal.Position{})
	var records []journal.Record
	for len(records) < n {
		more, damages := read(t, tail)
		if len(damages) > 0 {
			t.Fatal(damages[0])
		}
		records = append(records, more...)
	}
	writing.Wait()
	wantPayloads(t, records, 0, n)
	if err := tail.Close(); err != nil {
		t.Error(err)
	}
}
