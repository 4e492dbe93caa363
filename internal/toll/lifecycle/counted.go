package lifecycle

import "github.com/tollhouse/tollhouse/internal/toll"

// Outcome is how a request ended, as far as counting goes.
type Outcome string

// The outcomes.
const (
	Refused             Outcome = "refused by the gate"
	AnsweredSuccess     Outcome = "answered 2xx"
	AnsweredRedirect    Outcome = "answered 3xx"
	AnsweredClientError Outcome = "answered 4xx"
	AnsweredServerError Outcome = "answered 5xx"
	TimedOut            Outcome = "timed out"
	GatewayFailed       Outcome = "gateway's own 502 or 504"
	FromCache           Outcome = "served from the cache"
	ClientLeft          Outcome = "client left before the answer" // was whole, and it was recorded; UnitsOf says with what
	Streamed            Outcome = "stream"                        // WebSocket, SSE: a request at the start, reported units at the end
	TestCall            Outcome = "made with a test key"          // however it was answered
)

// Row says what an outcome counts for where a service says nothing else.
type Row struct {
	Outcome Outcome
	Rate    bool       // takes from rate limits (a test key has its own, small)
	Quota   bool       // takes from quotas and is billed; false: what was reserved is given back
	Class   toll.Class // of its event; "" when there is none
}

// rows is the table "What is counted".
var rows = []Row{
	{Refused, false, false, ""},
	{AnsweredSuccess, true, true, toll.Chargeable},
	{AnsweredRedirect, true, true, toll.Chargeable},
	{AnsweredClientError, true, true, toll.Chargeable},
	{AnsweredServerError, true, false, toll.NotBillable},
	{TimedOut, true, false, toll.NotBillable},
	{GatewayFailed, true, false, toll.NotBillable},
	{FromCache, true, true, toll.Chargeable},
	{ClientLeft, true, true, toll.Chargeable},
	{Streamed, true, true, toll.Chargeable},
	{TestCall, true, false, toll.TestUsage},
}

// Rows returns the table "What is counted", a copy.
func Rows() []Row { return append([]Row(nil), rows...) }

// Counts says whether an outcome takes from rate limits, and whether it takes
// from quotas and is billed, where a service says nothing else. An unknown
// outcome counts for nothing.
func Counts(o Outcome) (rate, quota bool) {
	for _, r := range rows {
		if r.Outcome == o {
			return r.Rate, r.Quota
		}
	}
	return false, false
}

// ClassOf returns the class of an outcome's event, "" when it has none.
func ClassOf(o Outcome) toll.Class {
	for _, r := range rows {
		if r.Outcome == o {
			return r.Class
		}
	}
	return ""
}

// Ending is how an answer of the service ended, for what is known of its units
// (ADR 0007).
type Ending string

// The endings.
const (
	Whole     Ending = "read to its end" // by its client, or for a client that had left
	Cut       Ending = "cut"             // its client left, or a stream had all its time, and its end is not known
	BrokenOff Ending = "broken off by the service"
)

// Unsaid stands for units that the service did not report.
const Unsaid int64 = -1

// UnitsOf says what a live call counts of a unit: what the service reported, or,
// where the end at which it would have is not known, what was reserved.
func UnitsOf(e Ending, reported, reserved int64) int64 {
	switch {
	case e == BrokenOff:
		return 0
	case reported != Unsaid:
		return reported
	case e == Cut:
		return reserved
	}
	return 0
}
