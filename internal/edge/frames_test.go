package edge

import (
	"bytes"
	"testing"

	_ "github.com/tollhouse/tollhouse/internal/steadydraws" // the same draws at each run of CI
	"golang.org/x/net/http2"
	"pgregory.net/rapid"
)

// seenFrame is what frameReader says of a frame.
type seenFrame struct {
	kind    http2.FrameType
	flags   http2.Flags
	stream  uint32
	payload string
}

// readAll reads frames that come in portions of the given sizes.
func readAll(r *frameReader, wire []byte, portion func() int) (whole []seenFrame, rest string) {
	var payload []byte
	for len(wire) > 0 {
		n := min(len(wire), max(1, portion()))
		r.read(wire[:n], func(h http2.FrameHeader, p []byte, last bool) {
			payload = append(payload, p...)
			if last {
				whole = append(whole, seenFrame{h.Type, h.Flags, h.StreamID, string(payload)})
				payload = nil
			}
		})
		wire = wire[n:]
	}
	return whole, string(payload)
}

func TestFramesAreCutWhateverThePortionsInWhichTheyCome(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var wire bytes.Buffer
		wire.WriteString(http2.ClientPreface)
		f := http2.NewFramer(&wire, nil)
		var want []seenFrame
		for range rapid.IntRange(0, 20).Draw(t, "frames") {
			payload := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "payload")
			s := seenFrame{
				kind: http2.FrameType(rapid.Byte().Draw(t, "type")), flags: http2.Flags(rapid.Byte().Draw(t, "flags")),
				stream: rapid.Uint32Range(0, 1<<31-1).Draw(t, "stream"), payload: string(payload),
			}
			if err := f.WriteRawFrame(s.kind, s.flags, s.stream, payload); err != nil {
				t.Fatal(err)
			}
			want = append(want, s)
		}
		portion := rapid.IntRange(1, 40)
		got, rest := readAll(&frameReader{skip: len(http2.ClientPreface)}, wire.Bytes(), func() int { return portion.Draw(t, "portion") })
		if len(got) != len(want) || rest != "" {
			t.Fatalf("%d frames and %d bytes, want %d", len(got), len(rest), len(want))
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("frame %d: %+v, want %+v", i, got[i], want[i])
			}
		}
	})
}

func FuzzFramesOfAnyBytes(f *testing.F) {
	f.Add([]byte(http2.ClientPreface+"\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x08"), 3)
	f.Add([]byte("\xff\xff\xff\x01\x05\xff\xff\xff\xff"), 1)
	f.Fuzz(func(t *testing.T, wire []byte, size int) {
		whole, _ := readAll(new(frameReader), wire, func() int { return len(wire) })
		cut, _ := readAll(new(frameReader), wire, func() int { return size % 64 })
		if len(whole) != len(cut) {
			t.Fatalf("%d frames at once, %d in portions of %d", len(whole), len(cut), size)
		}
		for i := range whole {
			if whole[i] != cut[i] {
				t.Fatalf("frame %d differs", i)
			}
		}
	})
}
