package e2e

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/meter"
)

// counted is how a ledger compares with what the program has stored.
type counted struct {
	events    int   // stored
	whole     int   // calls whose answer was read whole: acknowledged
	lost      []int // of them, those without an event
	doubled   int   // events of a call that has one, or with an identity that is taken
	strange   int   // events of calls that were never made, or had not reached the service
	extras    int   // events of calls whose answer was not read whole
	unlisted  int   // of them, those that the audit does not list as undelivered
	unknown   int   // streams that a kill left open
	unopened  int   // streams that a client saw open and that are not listed as unknown
	mostExtra int   // most extras of one round
	balanced  bool  // received = billed + included + not billable + test + unknown, and is what was stored
}

// failed tells whether anything is wrong.
func (c counted) failed() bool {
	return len(c.lost) > 0 || c.doubled+c.strange+c.unlisted+c.unopened > 0 || !c.balanced
}

// compare reads all events, the doubts and the audit, as an operator would, and
// holds them against the ledger.
func (l *ledger) compare(t *testing.T, config string) (c counted) {
	t.Helper()
	doubts := map[string]string{}
	for _, d := range ask[struct {
		Doubts []struct {
			Kind      string `json:"kind"`
			RequestID string `json:"request_id"`
		}
	}](t, "usage", "audit", "--doubts", "--config", config).Doubts {
		doubts[d.RequestID] = d.Kind
	}
	want := map[string]meter.Conservation{}
	add := func(unit string, count int64, class string) {
		sums := want[unit]
		sums.Received += count
		switch class {
		case "unknown":
			sums.Unknown += count
		case "not_billable":
			sums.NotBillable += count
		default:
			sums.Included += count
		}
		want[unit] = sums
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	stored, ids := make([]bool, len(l.calls)), map[string]bool{}
	extras := map[int]int{}
	for _, call := range l.calls {
		if call.whole {
			c.whole++
		}
	}
	export(t, config, func(id, request, class string, words int) {
		c.events++
		if ids[id] || ids[request] {
			c.doubled++
		}
		ids[id], ids[request] = true, true
		add("requests", 1, class)
		if class == "unknown" {
			c.unknown++
			if doubts[request] != meter.DoubtUnknown {
				c.unlisted++
			}
			return
		}
		add("words", int64(words), class)
		if words <= 0 || words >= len(l.calls) || !l.calls[words].arrived || (class == "not_billable") != failing(words) {
			c.strange++
			return
		}
		if stored[words] {
			c.doubled++
		}
		stored[words] = true
		if call := l.calls[words]; !call.whole {
			c.extras++
			extras[call.round]++
			c.mostExtra = max(c.mostExtra, extras[call.round])
			if doubts[request] != meter.DoubtUndelivered {
				c.unlisted++
			}
		}
	})
	for n, call := range l.calls {
		if call.whole && !stored[n] {
			c.lost = append(c.lost, n)
		}
	}
	for request := range l.streams {
		if doubts[request] != meter.DoubtUnknown || !ids[request] {
			c.unopened++
		}
	}
	audit := ask[map[string]meter.Conservation](t, "usage", "audit", "--config", config)
	c.balanced = c.unknown <= l.begun
	for unit, sums := range audit {
		c.balanced = c.balanced && sums.Holds() && (sums == want[unit] || strings.HasPrefix(unit, "padding-"))
		delete(want, unit)
	}
	c.balanced = c.balanced && len(want) == 0
	if !c.balanced {
		t.Errorf("the audit says %+v, want %+v, with %d streams begun", audit, want, l.begun)
	}
	return c
}

// export reads `tollhouse usage export`: the event's ID, its request's, its class
// and its words.
func export(t *testing.T, config string, each func(id, request, class string, words int)) {
	t.Helper()
	cmd := exec.Command(binary, "usage", "export", "--config", config)
	cmd.Dir = t.TempDir()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errs := newWatched()
	cmd.Stderr = errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	rows := csv.NewReader(out)
	rows.ReuseRecord = true
	column := map[string]int{}
	for first := true; ; first = false {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if first {
			for i, name := range row {
				column[name] = i
			}
			continue
		}
		var units struct{ Words int }
		if text := row[column["units"]]; text != "" {
			if err := json.Unmarshal([]byte(text), &units); err != nil {
				t.Fatalf("units %q: %v", text, err)
			}
		}
		each(row[column["id"]], row[column["request_id"]], row[column["class"]], units.Words)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("usage export: %v: %s", err, errs)
	}
}
