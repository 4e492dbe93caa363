package journal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/meter/journal/journaltest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

const (
	note   journal.Kind = 1
	root                = "/data/journal"
	little              = 4096 // the smallest segment
)

func laneID(n byte) toll.ULID { return toll.ULID{1, 2, 3, 4, 5, 6, 15: n} }

func options(files journal.Files, n byte) journal.Options {
	return journal.Options{
		Root: root, Node: "n1", ID: laneID(n), Files: files, SegmentSize: little,
		Sync:  journal.Sync{Every: time.Hour}, // unless a test says otherwise nothing syncs by itself
		Clock: func() time.Time { return time.Unix(1_800_000_000, 0) },
	}
}

func create(t testing.TB, o journal.Options) *journal.Lane {
	t.Helper()
	lane, err := journal.Create(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lane.Abandon)
	return lane
}

// payload is the nth payload of the tests: its length varies.
func payload(n int) []byte {
	return append(fmt.Appendf(nil, "payload %d ", n), bytes.Repeat([]byte{'.'}, n*7%90)...)
}

// write appends payloads first to last-1.
func write(t testing.TB, lane *journal.Lane, first, last int) []journal.Ref {
	t.Helper()
	var refs []journal.Ref
	for n := first; n < last; n++ {
		ref, err := lane.Append(note, payload(n), true)
		if err != nil {
			t.Fatalf("Append %d: %v", n, err)
		}
		refs = append(refs, ref)
	}
	return refs
}

func claim(t testing.TB, files journal.Files, n byte) *journal.Claimed {
	t.Helper()
	c, err := journal.Claim(files, root, journal.Found{Node: "n1", ID: laneID(n)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Release(); err != nil {
			t.Error(err)
		}
	})
	return c
}

type nexter interface {
	Next() (journal.Record, error)
}

// read reads to the end: copies of the records, and the damage.
func read(t testing.TB, r nexter) (records []journal.Record, damages []*journal.Damage) {
	t.Helper()
	for {
		record, err := r.Next()
		var damage *journal.Damage
		switch {
		case errors.Is(err, io.EOF):
			return records, damages
		case errors.As(err, &damage):
			damages = append(damages, damage)
			if len(damages) > 10_000 {
				t.Fatal("the reader does not come to an end")
			}
		case err != nil:
			t.Fatal(err)
		default:
			record.Payload = bytes.Clone(record.Payload)
			records = append(records, record)
		}
	}
}

// wantPayloads checks that the records are payloads first to last-1, and that
// each begins where the one before ended or in a later segment.
func wantPayloads(t testing.TB, records []journal.Record, first, last int) {
	t.Helper()
	if len(records) != last-first {
		t.Fatalf("%d records, want %d", len(records), last-first)
	}
	for i, r := range records {
		if !bytes.Equal(r.Payload, payload(first+i)) || r.Kind != note {
			t.Fatalf("record %d: kind %d, %q; want %q", i, r.Kind, r.Payload, payload(first+i))
		}
		if i > 0 && r.At != records[i-1].Next && r.At.Segment == records[i-1].At.Segment {
			t.Fatalf("record %d is at %v, the one before ends at %v", i, r.At, records[i-1].Next)
		}
	}
}

func TestAKilledLaneGivesBackEveryRecordInOrder(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]journal.Options{
		"in memory": options(journaltest.New(t), 1),
		"on disk":   {Root: t.TempDir(), Node: "n1", ID: laneID(1), SegmentSize: little},
	} {
		t.Run(name, func(t *testing.T) {
			lane := create(t, o)
			write(t, lane, 0, 500)
			if lane.End().Segment < 5 {
				t.Fatalf("500 records end at %v: they were to fill several segments", lane.End())
			}
			lane.Abandon()
			files := o.Files
			if files == nil {
				files = journal.OS
			}
			c, err := journal.Claim(files, o.Root, journal.Found{Node: "n1", ID: laneID(1)})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := c.Release(); err != nil {
					t.Error(err)
				}
			}()
			r := c.Reader(journal.Position{})
			defer r.Close()
			records, damages := read(t, r)
			wantPayloads(t, records, 0, 500)
			if len(damages) > 0 {
				t.Fatal(damages)
			}
			again := c.Reader(records[250].At)
			defer again.Close()
			records, _ = read(t, again)
			wantPayloads(t, records, 250, 500)
		})
	}
}

func TestFinishedRecordsAreToldFromThoseInDoubt(t *testing.T) {
	t.Parallel()
	files := journaltest.New(t)
	lane := create(t, options(files, 1))
	refs := write(t, lane, 0, 200)
	want := map[int]journal.State{}
	for i := range refs {
		switch i % 3 {
		case 1:
			refs[i].Finish(journal.Done)
			refs[i].Finish(journal.NotDelivered) // too late
			want[i] = journal.Done
		case 2:
			refs[i].Finish(journal.NotDelivered)
			want[i] = journal.NotDelivered
		}
	}
	if _, err := lane.Append(note, payload(200), false); err != nil {
		t.Fatal(err)
	}
	want[200] = journal.Done // nobody follows it
	journal.Ref{}.Finish(journal.Done)
	lane.Abandon()
	refs[0].Finish(journal.Done) // after the kill: nothing

	records, _ := read(t, claim(t, files, 1).Reader(journal.Position{}))
	wantPayloads(t, records, 0, 201)
	for i, r := range records {
		if r.State != want[i] {
			t.Errorf("record %d is %d, want %d", i, r.State, want[i])
		}
	}
}

func TestConcurrentAppendsAllArrive(t *testing.T) {
	t.Parallel()
	o := options(nil, 1)
	o.Root, o.Sync = t.TempDir(), journal.Sync{Every: time.Millisecond}
	lane := create(t, o)
	const writers, each = 8, 400
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				ref, err := lane.Append(note, fmt.Appendf(nil, "%d/%d", w, n), true)
				if err != nil {
					t.Error(err)
					return
				}
				if n%2 == 0 {
					ref.Finish(journal.Done)
				}
			}
		})
	}
	wg.Wait()
	if _, err := lane.Sync(); err != nil {
		t.Fatal(err)
	}
	r := lane.Reader(journal.Position{})
	defer r.Close()
	records, damages := read(t, r)
	next := map[int]int{}
	for _, record := range records {
		var w, n int
		if _, err := fmt.Sscanf(string(record.Payload), "%d/%d", &w, &n); err != nil || next[w] != n {
			t.Fatalf("%q: want writer %d's %d next (%v)", record.Payload, w, next[w], err)
		}
		next[w]++
	}
	if len(records) != writers*each || len(damages) > 0 {
		t.Fatalf("%d records, want %d; damage %v", len(records), writers*each, damages)
	}
}

func TestAppendAllocatesNothing(t *testing.T) {
	o := options(nil, 1)
	o.Root, o.SegmentSize = t.TempDir(), 0
	lane := create(t, o)
	body := payload(20)
	if n := testing.AllocsPerRun(1000, func() {
		ref, err := lane.Append(note, body, true)
		if err != nil {
			t.Fatal(err)
		}
		ref.Finish(journal.Done)
	}); n != 0 {
		t.Errorf("Append and Finish allocate %v times", n)
	}
}

func TestALiveLaneIsReadUpToWhatIsDurable(t *testing.T) {
	t.Parallel()
	lane := create(t, options(journaltest.New(t), 1))
	write(t, lane, 0, 10)
	r := lane.Reader(journal.Position{})
	if records, _ := read(t, r); len(records) != 0 {
		t.Fatalf("%d records before any sync", len(records))
	}
	for _, n := range []int{10, 11, 90, 300} { // within a segment, and over several
		write(t, lane, n, n+1)
		if n == 11 {
			write(t, lane, 12, 90)
		}
		if n == 90 {
			write(t, lane, 91, 300)
		}
		before := lane.End()
		if at, err := lane.Sync(); err != nil || at != before || lane.Durable() != before {
			t.Fatalf("Sync: %v, %v; want %v", at, err, before)
		}
		write(t, lane, 1000, 1001) // not durable yet
		for {
			record, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if !record.Next.Before(before) && record.Next != before {
				t.Fatalf("read up to %v, durable is %v", record.Next, before)
			}
		}
		if r.Position() != before {
			t.Fatalf("read up to %v, want %v", r.Position(), before)
		}
	}
}

func TestWaitReturnsWhenThereIsSomethingToRead(t *testing.T) {
	t.Parallel()
	lane := create(t, options(journaltest.New(t), 1))
	ctx, cancel := context.WithCancel(context.Background())
	start := lane.End()
	woken := make(chan error)
	go func() { woken <- lane.Wait(ctx, start) }()
	write(t, lane, 0, 1)
	if err := <-woken; err != nil {
		t.Fatal(err)
	}
	go func() { woken <- lane.Wait(ctx, lane.End()) }()
	cancel()
	if err := <-woken; !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	go func() { woken <- lane.Wait(context.Background(), lane.End()) }()
	if err := lane.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-woken; !errors.Is(err, journal.ErrClosed) {
		t.Fatalf("got %v, want ErrClosed", err)
	}
}

func TestBeyondCountsWhatIsNotReadYet(t *testing.T) {
	t.Parallel()
	lane := create(t, options(journaltest.New(t), 1))
	if n := lane.Beyond(journal.Position{}); n != 0 {
		t.Fatalf("an empty lane has %d bytes to read", n)
	}
	write(t, lane, 0, 100)
	if n, want := lane.Beyond(journal.Position{}), int64(lane.End().Segment-1)*little; n < want || n > want+little {
		t.Fatalf("%d bytes to read, want about %d", n, want)
	}
	if n := lane.Beyond(lane.End()); n != 0 {
		t.Fatalf("%d bytes beyond the end", n)
	}
}

func TestAClosedLaneTakesNothingAndKeepsItsFiles(t *testing.T) {
	t.Parallel()
	files := journaltest.New(t)
	lane := create(t, options(files, 1))
	write(t, lane, 0, 100)
	if err := lane.Close(); err != nil {
		t.Fatal(err)
	}
	if err := lane.Close(); err != nil {
		t.Fatalf("a second Close: %v", err)
	}
	if _, err := lane.Append(note, payload(1), true); !errors.Is(err, journal.ErrClosed) || !errors.Is(lane.Err(), journal.ErrClosed) {
		t.Fatalf("Append: %v, Err: %v; want ErrClosed", err, lane.Err())
	}
	files.PowerLoss(nil) // it was synced
	records, damages := read(t, claim(t, files, 1).Reader(journal.Position{}))
	wantPayloads(t, records, 0, 100)
	if len(damages) > 0 {
		t.Fatal(damages)
	}
}

func TestALivingLaneCannotBeClaimed(t *testing.T) {
	t.Parallel()
	files := journaltest.New(t)
	lane := create(t, options(files, 1))
	found, err := journal.Lanes(files, root)
	if err != nil || len(found) != 1 || found[0].Name() != lane.Name() {
		t.Fatalf("lanes %v, %v; want %s", found, err, lane.Name())
	}
	if _, err := journal.Claim(files, root, found[0]); !errors.Is(err, journal.ErrLocked) {
		t.Fatalf("got %v, want ErrLocked", err)
	}
	if err := lane.Close(); err != nil {
		t.Fatal(err)
	}
	claim(t, files, 1)
	if _, err := journal.Claim(files, root, journal.Found{Node: "n1", ID: laneID(9)}); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a lane that is not there: %v", err)
	}
}

func TestRefusesWhatCannotBeALane(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*journal.Options){
		"no node":           func(o *journal.Options) { o.Node = "" },
		"a path as node":    func(o *journal.Options) { o.Node = "a/b" },
		"a hidden node":     func(o *journal.Options) { o.Node = ".." },
		"no identifier":     func(o *journal.Options) { o.ID = toll.ULID{} },
		"an odd segment":    func(o *journal.Options) { o.SegmentSize = 5000 },
		"too big a segment": func(o *journal.Options) { o.SegmentSize = 128 << 20 },
		"a negative one":    func(o *journal.Options) { o.SegmentSize = -4096 },
	} {
		o := options(journaltest.New(t), 1)
		change(&o)
		if _, err := journal.Create(o); toll.CodeOf(err) != toll.Invalid {
			t.Errorf("%s: got %v, want an Invalid error", name, err)
		}
	}
}

func TestRefusesWhatCannotBeARecord(t *testing.T) {
	t.Parallel()
	lane := create(t, options(journaltest.New(t), 1))
	if _, err := lane.Append(note, make([]byte, little), true); !errors.Is(err, journal.ErrTooLong) {
		t.Errorf("a payload longer than a segment: %v, want ErrTooLong", err)
	}
	for _, kind := range []journal.Kind{0, journal.End} {
		if _, err := lane.Append(kind, payload(1), true); err == nil {
			t.Errorf("kind %d was taken", kind)
		}
	}
	longest := make([]byte, little-64-16-16) // header, the record's head, the End record
	if _, err := lane.Append(note, longest, true); err != nil {
		t.Errorf("the longest payload: %v", err)
	}
	if _, err := lane.Append(note, nil, true); err != nil {
		t.Errorf("an empty payload: %v", err)
	}
}

// perLane is how many records a benchmark writes to one lane: what fits into
// its first segment, so that the figure is the cost of writing and not the
// disk's pace of making segments, which a gateway is far from.
const perLane = 100_000

// benchmarkLane closes the lane that was, and returns a fresh one on disk.
func benchmarkLane(b *testing.B, was *journal.Lane) *journal.Lane {
	b.StopTimer()
	defer b.StartTimer()
	if was != nil {
		was.Abandon()
	}
	return create(b, journal.Options{Root: b.TempDir(), Node: "n1", ID: laneID(1), SegmentSize: 64 << 20})
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{40, 150, 400} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			lane := benchmarkLane(b, nil)
			body := make([]byte, size)
			b.ReportAllocs()
			for i := range b.N {
				if i%perLane == perLane-1 {
					lane = benchmarkLane(b, lane)
				}
				ref, err := lane.Append(note, body, true)
				if err != nil {
					b.Fatal(err)
				}
				ref.Finish(journal.Done)
			}
		})
	}
}

func BenchmarkAppendParallel(b *testing.B) {
	lane := benchmarkLane(b, nil)
	body := make([]byte, 150)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			ref, err := lane.Append(note, body, true)
			if err != nil {
				b.Error(err)
				return
			}
			ref.Finish(journal.Done)
		}
	})
}

// BenchmarkCommitAlways shares each sync among 64 waiters.
func BenchmarkCommitAlways(b *testing.B) {
	lane := create(b, journal.Options{Root: b.TempDir(), Node: "n1", ID: laneID(1), Sync: journal.Sync{Always: true}})
	body := make([]byte, 150)
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			ref, err := lane.Append(note, body, false)
			if err == nil {
				err = lane.Commit(ref)
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
}
