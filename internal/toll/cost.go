package toll

// Cost is what one request takes of the policies that hold for it. The zero
// value takes one of each rate limit, one request of each quota on requests,
// and nothing yet of quotas on other units: those learn theirs at the end.
// A Cost is not changed after it was made.
type Cost struct {
	// Rate is what it takes of each rate limit; 0 is 1. A rate limit that never
	// lets so many pass at once takes all that it lets pass.
	Rate int64
	// Uses is what it uses of units, whatever the service reports of them: it
	// stands in the request's event, and is counted and billed like a report.
	Uses []Amount
	// Reserve is what is taken of quotas on a unit before the request is
	// forwarded. When its outcome is known, what was reported takes the place of
	// what was reserved. A quota with less left than that refuses.
	Reserve []Amount
}

// IsZero tells whether it is what every request takes anyway.
func (c *Cost) IsZero() bool { return c.Rate <= 1 && len(c.Uses) == 0 && len(c.Reserve) == 0 }

// Of returns what is known before a request is forwarded that it takes of a
// quota on unit: 1 of requests, and what it uses or reserves of others. A nil
// Cost is the zero value.
func (c *Cost) Of(unit string) int64 {
	if unit == UnitRequests {
		return 1
	}
	if c == nil {
		return 0
	}
	for i := range c.Uses {
		if c.Uses[i].Unit == unit {
			return c.Uses[i].Count
		}
	}
	for i := range c.Reserve {
		if c.Reserve[i].Unit == unit {
			return c.Reserve[i].Count
		}
	}
	return 0
}

// Fixed tells what it uses of a unit whatever is reported; ok is false where
// the report counts.
func (c *Cost) Fixed(unit string) (count int64, ok bool) {
	if c == nil {
		return 0, false
	}
	for i := range c.Uses {
		if c.Uses[i].Unit == unit {
			return c.Uses[i].Count, true
		}
	}
	return 0, false
}
