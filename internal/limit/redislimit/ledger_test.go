package redislimit_test

import (
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/limit/limittest"
	"github.com/tollhouse/tollhouse/internal/limit/redislimit"
	"github.com/tollhouse/tollhouse/internal/limit/redislimit/redistest"
)

func open(t testing.TB, s *redistest.Server) *redislimit.Ledger {
	t.Helper()
	l, err := redislimit.Open(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestRedisIsALedger(t *testing.T) {
	t.Parallel()
	limittest.Run(t, func(t *testing.T) limittest.Subject {
		server := redistest.Start(t)
		l := open(t, server)
		return limittest.Subject{Ledger: l, Pass: func(d time.Duration) { l.Pass(d) }, Lose: server.Empty}
	})
}
