package metertest_test

import (
	"testing"

	"github.com/tollhouse/tollhouse/internal/meter/metertest"
)

func TestMemoryPassesTheSuite(t *testing.T) {
	t.Parallel()
	metertest.TestSink(t, func(*testing.T) metertest.Store { return &metertest.Memory{} })
}
