package tolltest

import (
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Entry is an audit entry for tests that are about something else.
func Entry() toll.Entry {
	return toll.Entry{
		At: time.Date(2026, 11, 16, 12, 0, 0, 0, time.UTC), Kind: "system", Who: "system", Way: toll.WaySystem,
		Action: "test", Outcome: toll.Done,
	}
}
