package toll_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestIdentifiersCarryTheirTimeAndComeBackFromText(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 123e6, time.UTC)
	id := toll.NewIDs(nil).New(now)
	if !id.Time().Equal(now) {
		t.Errorf("Time() = %s, want %s", id.Time(), now)
	}
	for _, text := range []string{id.String(), strings.ToLower(id.String())} {
		if back, err := toll.ParseULID(text); err != nil || back != id {
			t.Errorf("ParseULID(%q) = %v, %v", text, back, err)
		}
	}
	later := toll.NewIDs(nil).New(now.Add(time.Millisecond))
	if id.Compare(later) >= 0 || id.String() >= later.String() || later.Compare(id) <= 0 || id.Compare(id) != 0 {
		t.Error("the order of identifiers is not that of their times")
	}
	// From the ULID specification's own example of the time part.
	if got := toll.NewIDs(bytes.NewReader(make([]byte, 10))).New(time.UnixMilli(1469918176385)).String(); got != "01ARYZ6S410000000000000000" {
		t.Errorf("got %s", got)
	}
}

func TestWhatIsNoIdentifierIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "01ARYZ6S41", "81ARYZ6S410000000000000000", "01ARYZ6S41000000000000000U", "01ARYZ6S41000000000000000!", "01ARYZ6S4100000000000000000"} {
		if id, err := toll.ParseULID(text); err == nil {
			t.Errorf("ParseULID(%q) = %v", text, id)
		}
	}
}

func TestIdentifiersOfOneMomentAreUniqueAcrossGoroutines(t *testing.T) {
	t.Parallel()
	ids, now := toll.NewIDs(nil), time.Now()
	var mu sync.Mutex
	seen := map[toll.ULID]bool{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 5000 {
				id := ids.New(now)
				mu.Lock()
				if seen[id] {
					t.Errorf("%s came twice", id)
				}
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	all.Wait()
}

func BenchmarkNewIdentifier(b *testing.B) {
	ids, now := toll.NewIDs(nil), time.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			ids.New(now)
		}
	})
}
