package journal_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/meter/journal/journaltest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// dir is where the lane with ID 1 lies.
var dir = root + "/n1/" + laneID(1).String()

// dead makes a dead lane of so many records, and reads it whole.
func dead(t testing.TB, records int) (*journaltest.Files, []journal.Record) {
	t.Helper()
	files := journaltest.New(t)
	lane := create(t, options(files, 1))
	write(t, lane, 0, records)
	lane.Abandon()
	whole, damages := readAll(t, files)
	wantPayloads(t, whole, 0, records)
	if len(damages) > 0 {
		t.Fatal(damages)
	}
	return files, whole
}

func readAll(t testing.TB, files journal.Files) ([]journal.Record, []*journal.Damage) {
	t.Helper()
	c, err := journal.Claim(files, root, journal.Found{Node: "n1", ID: laneID(1)})
	if err != nil {
		t.Fatal(err)
	}
	r := c.Reader(journal.Position{})
	records, damages := read(t, r)
	if err := errors.Join(r.Close(), c.Release()); err != nil {
		t.Fatal(err)
	}
	return records, damages
}

func segment(n uint64) string { return dir + "/0000000" + string(rune('0'+n)) + ".thj" }

func TestReportsDamageAndReadsOn(t *testing.T) {
	t.Parallel()
	const n = 200
	_, sample := dead(t, n)
	first := map[uint64]int{} // the first record of each segment
	for i, r := range sample {
		if _, seen := first[r.At.Segment]; !seen {
			first[r.At.Segment] = i
		}
	}
	last := sample[n-1]
	if last.At.Segment < 4 {
		t.Fatalf("the last record is at %v; the cases need four segments", last.At)
	}
	mid := first[2] + 5 // a record in the middle of the second segment
	at := sample[mid].At
	flip := func(p journal.Position, offset int64, bit byte) func(*journaltest.Files) {
		return func(f *journaltest.Files) { f.Bytes(segment(p.Segment))[p.Offset+offset] ^= bit }
	}
	size := func(r journal.Record) int64 { return r.Next.Offset - r.At.Offset }
	for name, c := range map[string]struct {
		damage  func(*journaltest.Files)
		lost    []int // records
		want    []journal.Damage
		someLen bool // do not compare Bytes
	}{
		"nothing": {damage: func(*journaltest.Files) {}},
		"a bit of a payload": {damage: flip(at, 20, 1), lost: []int{mid},
			want: []journal.Damage{{At: at, Bytes: size(sample[mid])}}},
		"a bit of a checksum": {damage: flip(at, 5, 0x80), lost: []int{mid},
			want: []journal.Damage{{At: at, Bytes: size(sample[mid])}}},
		"a bit of a length": {damage: flip(at, 0, 0x40), lost: []int{mid},
			want: []journal.Damage{{At: at, Bytes: size(sample[mid])}}},
		"the committed bit": {damage: flip(at, 3, 0x80), lost: []int{mid},
			want: []journal.Damage{{At: at, Bytes: size(sample[mid])}}},
		"a kind": {damage: flip(at, 8, 2), lost: []int{mid},
			want: []journal.Damage{{At: at, Bytes: size(sample[mid])}}},
		"a state (a doubt, no damage)": {damage: flip(at, 13, 1)},
		"two records side by side": {damage: func(f *journaltest.Files) {
			flip(at, 20, 1)(f)
			flip(sample[mid+1].At, 20, 1)(f)
		}, lost: []int{mid, mid + 1}, want: []journal.Damage{{At: at, Bytes: size(sample[mid]) + size(sample[mid+1])}}},
		"the last record": {damage: flip(last.At, 20, 1), lost: []int{n - 1},
			want: []journal.Damage{{At: last.At, Torn: true}}, someLen: true},
		"a header": {damage: flip(journal.Position{Segment: 2}, 50, 1),
			want: []journal.Damage{{At: journal.Position{Segment: 2}, Bytes: 64}}},
		"a magic": {damage: flip(journal.Position{Segment: 2}, 0, 1),
			want: []journal.Damage{{At: journal.Position{Segment: 2}, Bytes: 64}}},
		"an End": {damage: func(f *journaltest.Files) {
			end := sample[first[3]-1].Next
			flip(end, 4, 1)(f)
		}, want: []journal.Damage{{At: sample[first[3]-1].Next, Bytes: 9, Torn: true}}, someLen: true},
		"zeros over a record": {damage: func(f *journaltest.Files) {
			clear(f.Bytes(segment(2))[at.Offset : at.Offset+size(sample[mid])])
		}, lost: []int{mid}, want: []journal.Damage{{At: at, Bytes: size(sample[mid])}}},
		"an empty file": {damage: func(f *journaltest.Files) { f.Put(segment(2), nil) }, lost: span(first[2], first[3]),
			want: []journal.Damage{{At: journal.Position{Segment: 2}}}},
		"a file of zeros": {damage: func(f *journaltest.Files) { clear(f.Bytes(segment(2))) }, lost: span(first[2], first[3]),
			want: []journal.Damage{{At: journal.Position{Segment: 2}, Bytes: 64}, {At: journal.Position{Segment: 2, Offset: 64}, Bytes: little - 64, Torn: true}}},
		"cut within a record": {damage: func(f *journaltest.Files) {
			f.Put(segment(2), bytes.Clone(f.Bytes(segment(2))[:at.Offset+20]))
		}, lost: span(mid, first[3]), want: []journal.Damage{{At: at, Bytes: 20, Torn: true},
			{At: journal.Position{Segment: 2, Offset: at.Offset + 20}, Bytes: little - at.Offset - 20, Torn: true}}},
		"cut between records": {damage: func(f *journaltest.Files) {
			f.Put(segment(2), bytes.Clone(f.Bytes(segment(2))[:at.Offset]))
		}, lost: span(mid, first[3]), want: []journal.Damage{{At: at, Bytes: little - at.Offset, Torn: true}}},
		"cut within the header": {damage: func(f *journaltest.Files) {
			f.Put(segment(2), bytes.Clone(f.Bytes(segment(2))[:30]))
		}, lost: span(first[2], first[3]), want: []journal.Damage{{At: journal.Position{Segment: 2}, Bytes: 30}}},
		"two segments changed for one another": {damage: func(f *journaltest.Files) {
			two, three := bytes.Clone(f.Bytes(segment(2))), bytes.Clone(f.Bytes(segment(3)))
			f.Put(segment(2), three)
			f.Put(segment(3), two)
		}, lost: span(first[2], first[4]), want: []journal.Damage{
			{At: journal.Position{Segment: 2}, Bytes: little}, {At: journal.Position{Segment: 3}, Bytes: little}}},
		"a missing segment": {damage: func(f *journaltest.Files) {
			if err := f.Remove(segment(2)); err != nil {
				t.Error(err)
			}
		}, lost: span(first[2], first[3]), want: []journal.Damage{{At: journal.Position{Segment: 2}, Missing: 1}}},
		"a record repeated where another was": {damage: func(f *journaltest.Files) {
			b := f.Bytes(segment(2))
			to := sample[first[2]+12]
			copy(b[to.At.Offset:to.Next.Offset], b[at.Offset:at.Offset+size(sample[mid])])
		}, want: []journal.Damage{{At: sample[first[2]+12].At}}, lost: []int{first[2] + 12}, someLen: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files, _ := dead(t, n)
			c.damage(files)
			records, damages := readAll(t, files)
			lost := map[int]bool{}
			for _, i := range c.lost {
				lost[i] = true
			}
			var want []string
			for i := range n {
				if !lost[i] {
					want = append(want, string(payload(i)))
				}
			}
			var got []string
			for _, r := range records {
				got = append(got, string(r.Payload))
			}
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("read %d records, want %d", len(got), len(want))
			}
			if len(damages) != len(c.want) {
				t.Fatalf("damage %v, want %v", damages, c.want)
			}
			for i, d := range damages {
				if w := c.want[i]; d.At != w.At || d.Torn != w.Torn || d.Missing != w.Missing || !c.someLen && d.Bytes != w.Bytes {
					t.Errorf("damage %d: %+v, want %+v", i, *d, w)
				}
				if d.Error() == "" {
					t.Error("damage without a text")
				}
			}
		})
	}
}

// span returns first to last-1.
func span(first, last int) (all []int) {
	for i := first; i < last; i++ {
		all = append(all, i)
	}
	return all
}

func TestATornTailIsNoObstacle(t *testing.T) {
	t.Parallel()
	files, sample := dead(t, 20)
	end := sample[19].Next
	b := files.Bytes(segment(1))
	copy(b[end.Offset+16:], "a payload whose length was never stored")
	binary.LittleEndian.PutUint32(b[end.Offset+4:], 12345)
	records, damages := readAll(t, files) // killed in the middle of Append: not there, and no damage
	wantPayloads(t, records, 0, 20)
	if len(damages) > 0 {
		t.Fatal(damages)
	}
	binary.LittleEndian.PutUint32(b[end.Offset:], 1<<31|30) // the length reached the disk, other bytes did not
	records, damages = readAll(t, files)
	wantPayloads(t, records, 0, 20)
	if len(damages) != 1 || !damages[0].Torn || damages[0].At != end {
		t.Fatalf("damage %v, want a torn tail at %v", damages, end)
	}
}

func TestAClientCannotPlaceARecordInsideAnother(t *testing.T) {
	t.Parallel()
	files := journaltest.New(t)
	lane := create(t, options(files, 1))
	// A payload that holds what is a whole record in some other place.
	_, sample := dead(t, 1)
	inner := make([]byte, sample[0].Next.Offset)
	other, _ := dead(t, 1)
	copy(inner, other.Bytes(segment(1)))
	forged := append(make([]byte, 8), inner[64:]...)
	if _, err := lane.Append(note, forged, true); err != nil {
		t.Fatal(err)
	}
	lane.Abandon()
	files.Bytes(segment(1))[64+17] ^= 1 // the outer record is damaged
	records, damages := readAll(t, files)
	if len(records) != 0 || len(damages) != 1 {
		t.Fatalf("read %d records, damage %v", len(records), damages)
	}
}

func TestAJournalOfANewerFormatIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	files, _ := dead(t, 100)
	b := files.Bytes(segment(2))
	binary.LittleEndian.PutUint32(b[8:], journal.Version+1)
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], crc32.MakeTable(crc32.Castagnoli)))
	before := bytes.Clone(b)
	r := claim(t, files, 1).Reader(journal.Position{})
	n := 0
	var err error
	for ; err == nil; n++ {
		_, err = r.Next()
	}
	if !errors.Is(err, journal.ErrNewer) || toll.CodeOf(err) != toll.Conflict || n < 10 {
		t.Fatalf("after %d records: %v, want ErrNewer after the first segment", n, err)
	}
	if _, again := r.Next(); !errors.Is(again, journal.ErrNewer) {
		t.Fatalf("asked again: %v", again)
	}
	if !bytes.Equal(before, files.Bytes(segment(2))) {
		t.Fatal("the segment was changed")
	}
}

func TestAFailedReadIsNoDamage(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"open", "read", "list"} {
		files, _ := dead(t, 100)
		r := claim(t, files, 1).Reader(journal.Position{})
		for range 5 {
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
		}
		files.Fault(func(o, _ string) error {
			if o == op {
				return syscall.EIO
			}
			return nil
		})
		var err error
		n := 5
		for ; err == nil; n++ {
			_, err = r.Next()
		}
		var damage *journal.Damage
		if !errors.Is(err, syscall.EIO) || errors.As(err, &damage) {
			t.Fatalf("%s: got %v, want EIO", op, err)
		}
		files.Fault(nil)
		for n--; ; n++ { // the disk is well again: it goes on where it was
			record, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || !bytes.Equal(record.Payload, payload(n)) {
				t.Fatalf("%s: record %d: %q, %v", op, n, record.Payload, err)
			}
		}
		if n != 100 {
			t.Fatalf("%s: %d records, want 100", op, n)
		}
	}
}
