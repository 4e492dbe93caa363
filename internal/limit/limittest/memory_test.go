package limittest_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/limit/limittest"
)

func TestMemoryIsALedger(t *testing.T) {
	t.Parallel()
	limittest.Run(t, func(*testing.T) limittest.Subject {
		var clock atomic.Int64
		clock.Store(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC).UnixNano())
		m := limittest.NewMemory(func() time.Time { return time.Unix(0, clock.Load()) })
		return limittest.Subject{Ledger: m, Pass: func(d time.Duration) { clock.Add(int64(d)) }, Lose: m.Lose}
	})
}
