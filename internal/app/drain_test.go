package app

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// stuck is a drainer whose store takes nothing.
type stuck struct{ why string }

func (s stuck) Flush(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func (s stuck) DrainDead(ctx context.Context) error { return s.Flush(ctx) }

func (s stuck) Status() meter.Status {
	return meter.Status{Backlog: 4711, Lag: 90 * time.Second, Error: s.why}
}

func TestADrainThatCannotProceedIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for wait, want := range map[time.Duration]time.Duration{0: drainPatience, 20 * time.Second: 20 * time.Second, time.Hour: longestWait} {
			began := time.Now()
			err := drainWithin(t.Context(), stuck{"database or disk is full"}, wait)
			if took := time.Since(began); took != want {
				t.Errorf("with %s it took %s", wait, took)
			}
			began = time.Now() // slow, and nothing failed
			if _ = drainWithin(t.Context(), stuck{}, wait); time.Since(began) != max(want, slowPatience) {
				t.Errorf("with %s a slow one took %s", wait, time.Since(began))
			}
			if toll.CodeOf(err) != toll.Unavailable {
				t.Errorf("%v", err)
			}
			for _, said := range []string{"4711 bytes", "for 1m30s", "disk is full"} {
				if !strings.Contains(Say(err), said) {
					t.Errorf("%q lacks %q", Say(err), said)
				}
			}
		}
		ctx, leave := context.WithCancel(t.Context())
		leave()
		if err := drainWithin(ctx, stuck{}, 0); !errors.Is(err, context.Canceled) {
			t.Errorf("whoever asked has left: %v", err)
		}
	})
}

func TestACommandDoesNotWaitSilentlyForAStoreThatTakesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := drainDeadWithin(t.Context(), stuck{"database or disk is full"})
		if took := time.Since(began); took != drainPatience {
			t.Errorf("it took %s", took)
		}
		for _, said := range []string{"Nothing is lost", "disk is full"} {
			if toll.CodeOf(err) != toll.Unavailable || !strings.Contains(Say(err), said) {
				t.Errorf("%q lacks %q", Say(err), said)
			}
		}
		ctx, leave := context.WithTimeout(t.Context(), time.Hour)
		defer leave()
		began = time.Now() // slow, and nothing fails: it takes what it takes
		if _ = drainDeadWithin(ctx, stuck{}); time.Since(began) != time.Hour {
			t.Errorf("a slow one took %s", time.Since(began))
		}
	})
}

func TestAnAuditAnswersWithWhatIsKnown(t *testing.T) {
	t.Parallel()
	r, err := openRooms(t.Context(), Installation{Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	}()
	whole, err := auditUsage(t.Context(), r, UsageAudit{})
	if err != nil || whole.Undrained != "" || !whole.Balanced {
		t.Fatalf("%+v, %v", whole, err)
	}
	var waited time.Duration
	r.drain = func(_ context.Context, wait time.Duration) error {
		waited = wait
		return toll.Errorf(toll.Unavailable, "4711 bytes of the journal are not in the database yet")
	}
	some, err := auditUsage(t.Context(), r, UsageAudit{WaitSeconds: 7})
	if err != nil || !strings.Contains(some.Undrained, "4711 bytes") || waited != 7*time.Second {
		t.Errorf("%+v, %v after %s", some, err, waited)
	}
	if _, err := showUsage(t.Context(), r, UsagePeriod{}); toll.CodeOf(err) != toll.Unavailable {
		t.Errorf("usage show: %v", err)
	}
	r.drain = func(context.Context, time.Duration) error { return errors.New("of another kind") }
	if _, err := auditUsage(t.Context(), r, UsageAudit{}); err == nil {
		t.Error("an error that nothing is known by is not told")
	}
}
