package apikey

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	_ "github.com/tollhouse/tollhouse/internal/steadydraws" // the same draws at each run of CI
	"github.com/tollhouse/tollhouse/internal/toll"
	"pgregory.net/rapid"
)

// keyOf makes the n-th of many keys, with a text that is quick to make.
func keyOf(n int) (text string, key toll.Key) {
	text = fmt.Sprintf("th_live_%030d%06d", n, n%1000000)
	return text, toll.Key{ID: fmt.Sprintf("key_%d", n), Hash: sha256.Sum256([]byte(text))}
}

// TestRingIsAMap compares the ring with a map over random changes.
func TestRingIsAMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type held struct {
			text  string
			owner int
		}
		ring, want := NewRing[int](), map[string]held{}
		for step := range rapid.IntRange(0, 200).Draw(t, "steps") {
			id := fmt.Sprintf("key_%d", rapid.IntRange(0, 20).Draw(t, "id"))
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				if got, _ := ring.Remove(id), want[id]; got != (want[id].text != "") {
					t.Fatalf("Remove(%s) is %v", id, got)
				}
				delete(want, id)
			case 1: // the same text, another owner; or a new one
				text := want[id].text
				if text == "" || rapid.IntRange(0, 4).Draw(t, "new text") == 0 {
					text = fmt.Sprintf("text %s %d", id, step)
				}
				ring.Put(toll.Key{ID: id, Name: fmt.Sprint(step), Hash: sha256.Sum256([]byte(text))}, step)
				want[id] = held{text, step}
			default:
				for id, h := range want {
					e, ok := ring.Lookup(h.text)
					if !ok || e.Key.ID != id || e.Owner != h.owner || e.Key.Name != fmt.Sprint(h.owner) {
						t.Fatalf("Lookup of %s is %+v, %v; want owner %d", id, e, ok, h.owner)
					}
				}
			}
			if ring.Len() != len(want) {
				t.Fatalf("Len is %d, want %d", ring.Len(), len(want))
			}
			if e, ok := ring.Lookup("nobody's"); ok {
				t.Fatalf("found %+v for nobody's text", e)
			}
		}
		for n := range 21 { // what was ever found before is not found when it has gone
			id := fmt.Sprintf("key_%d", n)
			for step := range 200 {
				text := fmt.Sprintf("text %s %d", id, step)
				if _, ok := ring.Lookup(text); ok != (want[id].text == text) {
					t.Fatalf("Lookup(%q) is %v", text, ok)
				}
			}
		}
	})
}

func TestRevokedKeyIsGoneAtOnceAlsoWhereItsMarkWasLearnt(t *testing.T) {
	t.Parallel()
	ring := NewRing[string]()
	text, key := keyOf(1)
	ring.Put(key, "first")
	for range 3 {
		if e, ok := ring.Lookup(text); !ok || e.Owner != "first" {
			t.Fatalf("got %+v, %v", e, ok)
		}
	}
	ring.Put(key, "second")
	for range 3 {
		if e, ok := ring.Lookup(text); !ok || e.Owner != "second" {
			t.Fatalf("after a change: %+v, %v", e, ok)
		}
	}
	if !ring.Remove(key.ID) || ring.Remove(key.ID) {
		t.Error("Remove should find it once")
	}
	if e, ok := ring.Lookup(text); ok {
		t.Errorf("after Remove: %+v", e)
	}
	ring.Put(key, "third")
	if e, ok := ring.Lookup(text); !ok || e.Owner != "third" {
		t.Errorf("put again: %+v, %v", e, ok)
	}
}

func TestKeyInTheRingIsACopy(t *testing.T) {
	t.Parallel()
	ring := NewRing[int]()
	text, key := keyOf(1)
	ring.Put(key, 0)
	key.Name = "changed outside"
	if e, _ := ring.Lookup(text); e.Key.Name != "" {
		t.Error("the ring holds the caller's key")
	}
}

func TestOverlongTextIsNotLookedUp(t *testing.T) {
	t.Parallel()
	ring := NewRing[int]()
	for _, n := range []int{maxText, maxText + 1} {
		text := strings.Repeat("k", n)
		ring.Put(toll.Key{ID: fmt.Sprint(n), Hash: Hash(text)}, n)
		if _, ok := ring.Lookup(text); ok != (n <= maxText) {
			t.Errorf("a text of %d bytes: %v", n, ok)
		}
	}
}

// TestReadersSeeEveryKeyThatStays lets keys come, change and go around keys
// that stay, while others look up all of them.
func TestReadersSeeEveryKeyThatStays(t *testing.T) {
	t.Parallel()
	const staying, passing, rounds = 500, 500, 20
	ring := NewRing[int]()
	var texts [staying + passing]string
	var keys [staying + passing]toll.Key
	for n := range texts {
		texts[n], keys[n] = keyOf(n)
		if n < staying {
			ring.Put(keys[n], n)
		}
	}
	var stop atomic.Bool
	var readers, writers sync.WaitGroup
	for g := range 4 {
		readers.Go(func() {
			for i := g; !stop.Load(); i++ {
				n := i * 7 % len(texts)
				e, ok := ring.Lookup(texts[n])
				if ok && (e.Key.ID != keys[n].ID || e.Owner%1000 != n) || !ok && n < staying {
					t.Errorf("Lookup of %d is %+v, %v", n, e, ok)
					return
				}
			}
		})
	}
	for g := range 4 {
		writers.Go(func() {
			for round := range rounds {
				for n := g; n < len(keys); n += 4 {
					ring.Put(keys[n], 1000*round+n)
				}
				for n := staying + g; n < len(keys); n += 4 {
					ring.Remove(keys[n].ID)
					if _, ok := ring.Lookup(texts[n]); ok {
						t.Errorf("%d is found after Remove", n)
					}
				}
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	if ring.Len() != staying {
		t.Errorf("Len is %d, want %d", ring.Len(), staying)
	}
}

func TestComingAndGoingDoesNotFillTheRing(t *testing.T) {
	t.Parallel()
	ring := NewRing[int]()
	for n := range 200_000 {
		text, key := keyOf(n)
		ring.Put(key, n)
		if n%3 == 0 {
			ring.Lookup(text)
		}
		ring.Remove(key.ID)
	}
	cells := 0
	for i := range shards {
		cells += len(ring.byHash[i].table.Load().cells) + len(ring.byMark[i].table.Load().cells)
	}
	if ring.Len() != 0 || cells > 2*shards*16 {
		t.Errorf("%d keys in %d cells are left of keys that all went", ring.Len(), cells)
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	ring := NewRing[int]()
	text, key := keyOf(1)
	ring.Put(key, 1)
	ring.Lookup(text)
	for name, text := range map[string]string{"known": text, "unknown": "th_live_unknown"} {
		if n := testing.AllocsPerRun(100, func() { ring.Lookup(text) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkLookupHot(b *testing.B) {
	ring := NewRing[int]()
	text, key := keyOf(1)
	ring.Put(key, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := ring.Lookup(text); !ok {
			b.Fatal()
		}
	}
}

// BenchmarkLookupByHash is what a key's first request costs, and each one of an unknown key.
func BenchmarkLookupByHash(b *testing.B) {
	ring := NewRing[int]()
	text, key := keyOf(1)
	ring.Put(key, 1)
	b.ReportAllocs()
	for b.Loop() {
		hash := Hash(text)
		if ring.hashed(&hash) == nil {
			b.Fatal()
		}
	}
}

func BenchmarkLookupUnknown(b *testing.B) {
	ring := NewRing[int]()
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := ring.Lookup("th_live_0123456789abcdef0123456789abcdef0123"); ok {
			b.Fatal()
		}
	}
}

func BenchmarkLookupMillion(b *testing.B) {
	const n = 1 << 20
	ring := NewRing[int]()
	// The texts in one block: reading one is part of no real request's cost.
	texts := make([]byte, n*textLen)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		text := texts[i*textLen : (i+1)*textLen]
		copy(text, "th_live_")
		for j, x := 8, uint64(i)*0x9e3779b97f4a7c15; j < textLen; j++ {
			text[j] = base62[x%62]
			x = x/62 + uint64(i)*0x9e3779b97f4a7c15>>uint(j%7)
		}
		binary.BigEndian.PutUint32(text[8:], uint32(i)|0x40404040)
		ring.Put(toll.Key{ID: fmt.Sprintf("key_%026d", i), Hash: sha256.Sum256(text)}, i)
	}
	all := string(texts)
	for i := range n {
		ring.Lookup(all[i*textLen : (i+1)*textLen])
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	random := rand.New(rand.NewPCG(1, 2))
	b.ReportAllocs()
	for b.Loop() {
		i := int(random.Uint32() % n)
		if _, ok := ring.Lookup(all[i*textLen : (i+1)*textLen]); !ok {
			b.Fatal()
		}
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(ring.Len()), "B/key")
}

func BenchmarkPut(b *testing.B) {
	ring := NewRing[int]()
	_, key := keyOf(1)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		binary.LittleEndian.PutUint64(key.Hash[:], uint64(n)*0x9e3779b97f4a7c15)
		key.ID = fmt.Sprint(n % 1_000_000)
		ring.Put(key, n)
	}
}
