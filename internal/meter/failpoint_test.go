package meter_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// failpoints are all that the history visits. A new call to files or store makes
// TestEveryFailpointIsVisited fail until it stands here.
var failpoints = []failpoint{
	"append: sync segment",
	"append: syncdir lane",
	"close: remove segment",
	"drain: commit, after",
	"drain: commit, before",
	"drain: list lane",
	"drain: open segment",
	"drain: read cursor",
	"drain: read segment",
	"drain: remove segment",
	"drain: sync segment",
	"drain: syncdir lane",
	"finish: commit, after",
	"finish: commit, before",
	"finish: forget cursor, after",
	"finish: forget cursor, before",
	"finish: list journal",
	"finish: list lane",
	"finish: list node",
	"finish: lock lock",
	"finish: mkdir damaged lane",
	"finish: open segment",
	"finish: read cursor",
	"finish: read segment",
	"finish: remove lane",
	"finish: remove lock",
	"finish: remove segment",
	"finish: rename segment",
	"finish: syncdir damaged lane",
	"finish: syncdir lane",
	"finish: syncdir node",
	"follow: commit, after",
	"follow: commit, before",
	"follow: list journal",
	"follow: list lane",
	"follow: list node",
	"follow: lock lock",
	"follow: open segment",
	"follow: read cursor",
	"follow: read segment",
	"follow: sync segment",
	"make: allocate new segment",
	"make: create new segment",
	"make: lock lock",
	"make: map new segment",
	"make: mkdir new lane",
	"make: remove new segment",
	"make: rename new lane",
	"make: rename new segment",
	"make: sync new segment",
	"make: syncdir data",
	"make: syncdir journal",
	"make: syncdir lane",
	"make: syncdir new lane",
	"make: syncdir node",
	"make: write new segment",
	"rotate: allocate new segment",
	"rotate: create new segment",
	"rotate: map new segment",
	"rotate: remove new segment",
	"rotate: rename new segment",
	"rotate: sync new segment",
	"rotate: write new segment",
}

// everyday are the sizes of the history in which the failpoints are listed.
var everyday = [4]int{60, 60, 30, 50}

// play plays one history in a bubble of its own.
func playFaulted(t *testing.T, sizes [4]int, luck uint64, faults ...fault) (visited map[failpoint]int, wrong string, acknowledged int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFaulted(t, faults...)
		wrong = f.play(rand.New(rand.NewPCG(luck, 0)), sizes)
		visited, acknowledged = f.visited, len(f.acknowledged)
	})
	return visited, wrong, acknowledged
}

func TestEveryFailpointIsVisited(t *testing.T) {
	t.Parallel()
	visited, wrong, acknowledged := playFaulted(t, everyday, 0)
	if wrong != "" {
		t.Fatal(wrong)
	}
	got := slices.Sorted(maps.Keys(visited))
	if !slices.Equal(got, slices.Sorted(slices.Values(failpoints))) {
		var lines strings.Builder
		for _, p := range got {
			fmt.Fprintf(&lines, "\t%q,\n", p)
		}
		t.Fatalf("the history visits\n%s", &lines)
	}
	t.Logf("%d failpoints, %d acknowledged events", len(got), acknowledged)
}

// modesAt are what can happen at a failpoint.
func modesAt(p failpoint) []mode {
	modes := []mode{failsOnce, failsOn, isKilled, losesPower}
	for _, op := range []string{"allocate", "create", "mkdir", "sync ", "write", "commit"} {
		if strings.Contains(string(p), ": "+op) {
			modes = append(modes, isFull)
		}
	}
	if strings.Contains(string(p), ": write") {
		modes = append(modes, writesShort)
	}
	return modes
}

// TestNothingAcknowledgedIsLostOrDoubledAtAnyFailpoint lets each thing that can
// happen happen at each failpoint, the first and the last time that the history
// comes there, and in the proof (make proof-kill) a time between.
func TestNothingAcknowledgedIsLostOrDoubledAtAnyFailpoint(t *testing.T) {
	t.Parallel()
	visited, _, _ := playFaulted(t, everyday, 0)
	histories, acknowledged := 0, 0
	for _, p := range failpoints {
		for _, m := range modesAt(p) {
			times := []int{1, visited[p]}
			if os.Getenv("TOLLHOUSE_KILLS") != "" {
				times = []int{1, (visited[p] + 1) / 2, visited[p]}
			}
			for _, nth := range slices.Compact(times) {
				again, wrong, n := playFaulted(t, everyday, uint64(nth), fault{p, nth, m})
				histories++
				acknowledged += n
				if wrong != "" {
					t.Errorf("%s (%d of %d) %s: %s", p, nth, visited[p], m, wrong)
				}
				if again[p] < nth {
					t.Errorf("%s was not visited %d times when it %s", p, nth, m)
				}
			}
		}
	}
	t.Logf("%d failpoints, %d histories, %d acknowledged events: 0 lost, 0 doubled", len(failpoints), histories, acknowledged)
}

// TestNothingAcknowledgedIsLostOrDoubledInAnyHistoryOfFaults draws histories of
// other sizes with several faults each.
func TestNothingAcknowledgedIsLostOrDoubledInAnyHistoryOfFaults(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var sizes [4]int
		for i := range sizes {
			sizes[i] = rapid.IntRange(0, 80).Draw(rt, "size")
		}
		faults := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) fault {
			p := rapid.SampledFrom(failpoints).Draw(rt, "at")
			return fault{p, rapid.IntRange(1, 12).Draw(rt, "nth"), rapid.SampledFrom(modesAt(p)).Draw(rt, "mode")}
		}), 1, 6).Draw(rt, "faults")
		if _, wrong, _ := playFaulted(t, sizes, rapid.Uint64().Draw(rt, "luck"), faults...); wrong != "" {
			rt.Fatalf("%s", wrong)
		}
	})
}
