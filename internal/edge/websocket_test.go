package edge

import (
	"bytes"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

type pipe struct{ bytes.Buffer }

func (*pipe) Close() error { return nil }

// However the bytes come, and whenever the end does: what passes is whole
// frames, each as it was, and then the close frame alone.
func TestTheCloseFrameStandsBetweenWholeFrames(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var all []byte
		ends := map[int]bool{0: true}
		for range rapid.IntRange(0, 6).Draw(t, "frames") {
			n := rapid.OneOf(rapid.IntRange(0, 130), rapid.IntRange(65_530, 65_540)).Draw(t, "length")
			mask := rapid.SampledFrom([]byte{0, 0x80}).Draw(t, "mask")
			all = append(all, 0x82)
			switch {
			case n < 126:
				all = append(all, mask|byte(n))
			case n < 1<<16:
				all = binary.BigEndian.AppendUint16(append(all, mask|126), uint16(n))
			default:
				all = binary.BigEndian.AppendUint64(append(all, mask|127), uint64(n))
			}
			if mask != 0 {
				all = append(all, 1, 2, 3, 4)
			}
			all = append(all, bytes.Repeat([]byte{0x88}, n)...)
			ends[len(all)] = true
		}
		s, client := new(socket), new(pipe)
		endAt := rapid.IntRange(0, len(all)).Draw(t, "end at")
		if err := s.attach(client); err != nil {
			t.Fatal(err)
		}
		ended := false
		for at := 0; at < len(all); {
			n := rapid.IntRange(1, len(all)-at).Draw(t, "part")
			if !ended && at+n > endAt {
				if n = endAt - at; n == 0 {
					s.end()
					ended = true
					continue
				}
			}
			if written, err := s.Write(all[at : at+n]); err != nil || written != n {
				t.Fatal(written, err)
			}
			at += n
		}
		if !ended {
			s.end()
		}
		want := endAt
		for !ends[want] {
			want++
		}
		s.mu.Lock() // whoever tells it has done so, or finds it done
		_ = s.tell()
		s.mu.Unlock()
		if got := client.Bytes(); !bytes.Equal(got, append(all[:want:want], closeRestart...)) {
			t.Fatalf("ended at %d of %d, and %d bytes passed, want %d and the close frame", endAt, len(all), len(got), want)
		}
	})
}

func FuzzFollowingFrames(f *testing.F) {
	f.Add([]byte{0x81, 5, 'h', 'e', 'l', 'l', 'o', 0x82, 126, 0, 1, 'x'}, 3)
	f.Add([]byte{0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0}, 1)
	f.Add([]byte{}, 0)
	f.Fuzz(func(t *testing.T, said []byte, cut int) {
		s, client := new(socket), new(pipe)
		_ = s.attach(client)
		cut = max(0, min(cut, len(said)))
		for _, part := range [][]byte{said[:cut], said[cut:]} {
			if n, err := s.Write(part); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
		}
		if !bytes.Equal(client.Bytes(), said) {
			t.Fatal("what passes is not what was said")
		}
	})
}
