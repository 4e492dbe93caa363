package apikey

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// many is how many of something a proof takes: what the environment says, or few.
func many(t testing.TB, name string, few int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, want a number", name, text)
	}
	return n
}

// source is randomness that is the same in each run.
func source(seed uint64) *rand.ChaCha8 {
	var s [32]byte
	binary.LittleEndian.PutUint64(s[:], seed)
	return rand.NewChaCha8(s)
}

// withChecksum gives a text the checksum that belongs to it.
func withChecksum(b []byte) {
	sum := checksum(b[:textLen-checksumLen])
	copy(b[textLen-checksumLen:], sum[:])
}

// nearMiss makes of a valid key's text one that is not, in one of the ways in
// which people and attackers do.
func nearMiss(key string, way int, r *rand.Rand) string {
	b := []byte(key)
	at := prefixLen + r.IntN(randomLen)
	other := func(c byte) byte {
		for {
			if d := base62[r.IntN(62)]; d != c {
				return d
			}
		}
	}
	switch way {
	case 0: // one character off
		b[at] = other(b[at])
	case 1: // one letter in the other case
		for tries := 0; !isLetter(b[at]) && tries < randomLen; tries++ {
			at = prefixLen + (at-prefixLen+1)%randomLen
		}
		b[at] ^= 0x20
	case 2: // two neighbours swapped
		for tries := 0; b[at] == b[prefixLen+(at-prefixLen+1)%randomLen] && tries < randomLen; tries++ {
			at = prefixLen + (at-prefixLen+1)%randomLen
		}
		next := prefixLen + (at-prefixLen+1)%randomLen
		b[at], b[next] = b[next], b[at]
	case 3: // the other mode's prefix
		if strings.HasPrefix(key, livePrefix) {
			copy(b, testPrefix)
		} else {
			copy(b, livePrefix)
		}
	case 4: // random throughout
		for i := prefixLen; i < textLen; i++ {
			b[i] = base62[r.IntN(62)]
		}
	}
	return string(b)
}

func isLetter(c byte) bool { return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' }

// broken makes of a valid key's text one whose form is wrong too.
func broken(key string, way int, r *rand.Rand) string {
	switch way {
	case 0: // cut short
		return key[:1+r.IntN(textLen-1)]
	case 1: // one character longer
		return key + string(base62[r.IntN(62)])
	case 2: // another prefix that looks alike
		return []string{"th_1ive_", "th-live-", "TH_LIVE_", "tk_live_", "th_prod_"}[r.IntN(5)] + key[prefixLen:]
	case 3: // a character that no key has
		at := prefixLen + r.IntN(textLen-prefixLen)
		return key[:at] + string("-_ .+/=\x00"[r.IntN(8)]) + key[at+1:]
	default: // the checksum of another
		b := []byte(key)
		at := textLen - 1 - r.IntN(checksumLen)
		for c := b[at]; b[at] == c; {
			b[at] = base62[r.IntN(62)]
		}
		return string(b)
	}
}

// TestNoNearMissIsTakenForAKey decides about many valid keys and many more near
// misses, half of which have the right form and checksum. `make proof-keys` does it
// for 256,000 and 1,000,000.
func TestNoNearMissIsTakenForAKey(t *testing.T) {
	t.Parallel()
	keys, misses := many(t, "TOLLHOUSE_KEYS", 16_000), many(t, "TOLLHOUSE_NEAR_MISSES", 64_000)
	seed := uint64(many(t, "TOLLHOUSE_SEED", 1))
	random, ring := source(seed), NewRing[int]()
	texts, known := make([]string, keys), make(map[string]int, keys)
	began := time.Now()
	for i := range texts {
		mode := toll.Live
		if i%8 == 7 {
			mode = toll.Test
		}
		text, hash, _, err := New(mode, random)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = text.Reveal()
		known[texts[i]] = i
		ring.Put(toll.Key{ID: fmt.Sprintf("key_%d", i), Hash: hash, Mode: mode}, i)
	}
	made := time.Since(began)
	if len(known) != keys {
		t.Fatalf("%d texts of %d are different", len(known), keys)
	}
	wrong := 0
	decide := func(text string, want int) {
		// What the gate does: the form first, then the ring.
		_, found := Credential("Bearer "+text, "")
		_, byHeader := Credential("", text)
		e, ok := ring.Lookup(text)
		formed := Check(text) == nil
		switch {
		case want >= 0 && (found != nil || byHeader != nil || !ok || e.Owner != want || !formed),
			want < 0 && ok:
			if wrong++; wrong <= 5 {
				t.Errorf("%s: found %v, form %v, Bearer: %v, X-API-Key: %v; want key %d", text, ok, formed, found, byHeader, want)
			}
		}
	}
	began = time.Now()
	for range 2 { // by hash, and then by the mark that was learnt
		for i, text := range texts {
			decide(text, i)
		}
	}
	r := rand.New(rand.NewPCG(seed, 2))
	formed, refusedByForm := 0, 0
	for n := range misses {
		var text string
		if key := texts[r.IntN(keys)]; n%2 == 0 {
			b := []byte(nearMiss(key, n/2%5, r))
			withChecksum(b)
			text = string(b)
			formed++
		} else {
			text = broken(key, n/2%5, r)
			if Check(text) == nil {
				t.Fatalf("%q has the form of a key", text)
			}
			refusedByForm++
		}
		want := -1
		if i, is := known[text]; is { // a near miss may hit; it did not, with these seeds
			want = i
		}
		decide(text, want)
	}
	t.Logf("%d valid keys (made in %s), %d near misses, %d of them with a right checksum: %d wrong decisions, in %s", keys, made.Round(time.Millisecond), misses, formed, wrong, time.Since(began).Round(time.Millisecond))
}

// manyKeys fills a ring as the gate does at a start.
func manyKeys(n int) (*Ring[*int], []toll.Key) {
	ring, random := NewRing[*int](), source(3)
	owner := new(int)
	keys := make([]toll.Key, n)
	for i := range keys {
		k := toll.Key{ID: fmt.Sprintf("key_%026d", i), CustomerID: fmt.Sprintf("cus_%026d", i), Name: "production", Mode: toll.Live, Hint: "abcd", CreatedAt: time.Unix(1, 0), Version: 1}
		_, _ = random.Read(k.Hash[:])
		keys[i] = k
		ring.Put(k, owner)
	}
	return ring, keys
}

// BenchmarkSnapshotMillion is what a million keys take to put in place, and
// what they take there: with the keys themselves, and of the ring alone.
func BenchmarkSnapshotMillion(b *testing.B) {
	const n = 1_000_000
	var before, after runtime.MemStats
	for b.Loop() {
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		ring, _ := manyKeys(n)
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/key")
		runtime.KeepAlive(ring)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/key")
}

// BenchmarkRevokeAmongMillion is one revoke: the changed key takes the place of
// the valid one.
func BenchmarkRevokeAmongMillion(b *testing.B) {
	ring, keys := manyKeys(1_000_000)
	r := rand.New(rand.NewPCG(1, 2))
	owner := new(int)
	b.ReportAllocs()
	for b.Loop() {
		k := keys[r.IntN(len(keys))]
		k.RevokedAt, k.Version = time.Unix(2, 0), 2
		ring.Put(k, owner)
	}
}
