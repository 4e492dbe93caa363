package app

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestTroubleOfEveryRequestIsToldOnceAMinute(t *testing.T) {
	t.Parallel()
	var r repeated
	start := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	told := 0
	for i := range 10_000 { // over 100 seconds
		if untold, ok := r.tell(start.Add(time.Duration(i) * 10 * time.Millisecond)); ok {
			if told++; told == 1 && untold != 0 || told == 2 && untold != 5999 {
				t.Errorf("the line %d says that %d were not told", told, untold)
			}
		}
	}
	if told != 2 {
		t.Errorf("told %d times", told)
	}
	if _, ok := r.tell(start.Add(-time.Hour)); !ok {
		t.Error("a clock that was stepped back silences it")
	}
}

func TestAStartSaysWhatIsToBeKnownOfIt(t *testing.T) {
	t.Parallel()
	a := &App{cfg: &config.Config{Notices: []string{"tollhouse.yml:9: something"}}}
	var out bytes.Buffer
	ShowWarnings(&out, a)
	if text := out.String(); !strings.HasPrefix(text, "Note: the console is served over plain HTTP") || !strings.HasSuffix(text, "Note: tollhouse.yml:9: something.\n") {
		t.Errorf("it says %q", text)
	}
	if a.demo = true; len(a.Warnings()) != 1 {
		t.Errorf("the demo tells of its own file: %q", a.Warnings())
	}
}

func TestAFullDiskIsALineAMinuteAndNotOneForEachRequest(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &App{log: slog.New(slog.NewJSONHandler(&out, nil))}
	a.live.Store(&current{cfg: &config.Config{Journal: config.Journal{WhenFull: config.ServeUnmetered}}})
	full := errors.Join(errors.New("no space left on device"), toll.Errorf(toll.Unavailable, "The journal is full."))
	start := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for i := range 1000 {
		a.requestFailed(&exchange.Request{ID: "r", Arrived: start.Add(time.Duration(i) * time.Millisecond)}, full)
	}
	a.requestFailed(&exchange.Request{ID: "s", Arrived: start.Add(time.Minute)}, full)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "without being metered") || !strings.Contains(lines[0], `"requests_before":0`) || !strings.Contains(lines[1], `"requests_before":999`) {
		t.Errorf("the log says %s", out.String())
	}
	a.requestFailed(&exchange.Request{ID: "t", Arrived: start.Add(time.Minute)}, errors.New("of another kind"))
	if !strings.Contains(out.String(), "of another kind") {
		t.Error("one kind of trouble hides another")
	}
}
