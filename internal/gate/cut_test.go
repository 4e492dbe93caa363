package gate_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/lifecycle"
)

// TestUnitsOfAnAnswerAreWhatTheModelSays lets calls that reserve 100 words end
// in every way, and compares event and quota with the model.
func TestUnitsOfAnAnswerAreWhatTheModelSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		h := costing(t)
		var used int64
		for range rapid.IntRange(1, 5).Draw(r, "calls") {
			ask := h.ask()
			if h.Admit(&ask, &h.pass) != gate.Admitted {
				if used+100 <= 1000 {
					r.Fatalf("refused with %d of 1,000 words used: %s", used, h.pass.Reason)
				}
				break
			}
			ending := rapid.SampledFrom([]lifecycle.Ending{lifecycle.Whole, lifecycle.Cut, lifecycle.BrokenOff}).Draw(r, "ending")
			reported := lifecycle.Unsaid
			out := gate.Outcome{Status: 200, Answered: ending != lifecycle.BrokenOff, Cut: ending == lifecycle.Cut}
			if rapid.Bool().Draw(r, "said") {
				reported = rapid.Int64Range(0, 200).Draw(r, "words")
				out.Usage = []string{fmt.Sprintf("words=%d", reported)}
			}
			if owes := h.pass.Owes(out.Usage); owes != (reported == lifecycle.Unsaid) {
				r.Fatalf("owes %v after %q", owes, out.Usage)
			}
			if _, err := h.pass.Record(&out); err != nil {
				r.Fatal(err)
			}
			h.pass.Done().Delivered(false)
			want := lifecycle.UnitsOf(ending, reported, 100)
			if used += want; h.used(t, "words") != used {
				r.Fatalf("%s with %d reported: %d words are used, the model says %d", ending, reported, h.used(t, "words"), used)
			}
			events := h.recorder.Events()
			event := events[len(events)-1]
			var billed int64
			for _, u := range event.Units {
				if u.Unit == "words" && event.Class == toll.Chargeable {
					billed += u.Count
				}
			}
			if billed != want {
				r.Fatalf("%s with %d reported: the event bills %d words, the model says %d", ending, reported, billed, want)
			}
		}
	})
}

func TestATestKeyKeepsNothingReservedHoweverItsAnswerEnds(t *testing.T) {
	t.Parallel()
	h := costing(t)
	key, text := newKey(t, "cus_1", toll.Test)
	h.PutKey(key)
	ask := h.ask()
	ask.Authorization = "Bearer " + text
	if h.Admit(&ask, &h.pass) != gate.Admitted || h.pass.Owes(nil) {
		t.Fatal("refused, or it reserves")
	}
	if _, err := h.pass.Record(&gate.Outcome{Status: 200, Answered: true, Cut: true}); err != nil {
		t.Fatal(err)
	}
	h.pass.Done().Delivered(false)
	if event := h.recorder.Events()[0]; len(event.Units) != 0 || event.Class != toll.TestUsage {
		t.Errorf("its event is %+v", event)
	}
}
