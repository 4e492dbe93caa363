package journal_test

import (
	"bytes"
	"testing"

	"github.com/tollhouse/tollhouse/internal/meter/journal"
)

// FuzzReader damages a lane of a hundred records in up to ten ways, and reads
// it: what it gives was written, in order and once; what was not touched is
// given; and what is missing is told, unless the end of what was written looks
// as if it had never been.
func FuzzReader(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 2, 10, 40, 1})                               // a flipped bit
	f.Add([]byte{1, 2, 4, 0, 0})                                 // cut
	f.Add([]byte{2, 2, 10, 0, 30})                               // zeros
	f.Add([]byte{3, 1, 2, 0, 0})                                 // two segments exchanged
	f.Add([]byte{4, 2, 0, 0, 0})                                 // a segment lost
	f.Add([]byte{1, 1, 0, 0, 0, 0, 2, 0, 8, 255, 4, 3, 0, 0, 0}) // several at once
	f.Add([]byte{5, 2, 10, 0, 80})                               // bytes moved
	f.Fuzz(func(t *testing.T, plan []byte) {
		if len(plan) > 50 {
			return
		}
		files, whole := dead(t, 100)
		segments := whole[99].At.Segment
		original := map[uint64][]byte{}
		for n := uint64(1); n <= segments; n++ {
			original[n] = bytes.Clone(files.Bytes(segment(n)))
		}
		for ; len(plan) >= 5; plan = plan[5:] {
			n := uint64(plan[1])%segments + 1
			at := int(plan[2])<<4 | int(plan[3])&15
			b := files.Bytes(segment(n))
			switch {
			case b == nil || at >= len(b):
			case plan[0]%6 == 0:
				b[at] ^= plan[4]
			case plan[0]%6 == 1:
				files.Put(segment(n), bytes.Clone(b[:at]))
			case plan[0]%6 == 2:
				clear(b[at:min(len(b), at+int(plan[4]))])
			case plan[0]%6 == 3:
				other := uint64(plan[2])%segments + 1
				c := bytes.Clone(files.Bytes(segment(other)))
				files.Put(segment(other), bytes.Clone(b))
				files.Put(segment(n), c)
			case plan[0]%6 == 4:
				_ = files.Remove(segment(n))
			case plan[0]%6 == 5:
				copy(b[at:], bytes.Clone(b[min(at+int(plan[4]), len(b)):]))
			}
		}
		records, damages := readAll(t, files)

		given := map[journal.Position]bool{}
		next := 0
		for _, r := range records {
			for next < len(whole) && whole[next].At != r.At {
				next++
			}
			if next == len(whole) {
				t.Fatalf("a record at %v is out of order, or was never written there", r.At)
			}
			if r.Kind != whole[next].Kind || !bytes.Equal(r.Payload, whole[next].Payload) {
				t.Fatalf("the record at %v is %q, was written as %q", r.At, r.Payload, whole[next].Payload)
			}
			given[r.At] = true
		}
		lost := false
		for _, r := range whole {
			if given[r.At] {
				lost = false
				continue
			}
			lost = true
			now := files.Bytes(segment(r.At.Segment))
			from, to := r.At.Offset, r.At.Offset+16+int64(len(r.Payload))
			if int64(len(now)) >= to && bytes.Equal(now[from:to], original[r.At.Segment][from:to]) && sameHeader(now, original[r.At.Segment]) {
				t.Fatalf("the record at %v was not touched, and is not given", r.At)
			}
		}
		if len(given) < len(whole) && len(damages) == 0 && !lost {
			t.Fatal("records are missing in the middle, and no damage is told")
		}
	})
}

// sameHeader tells whether the header still says which segment it is, or is so
// damaged that the file's name does.
func sameHeader(now, original []byte) bool {
	return bytes.Equal(now[:64], original[:64])
}
