package meter

import (
	"context"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Step is the width of a point of a series.
type Step string

// The steps. Quarter exists only for billing; charts read hours and days.
const (
	Quarter Step = "15m"
	Hour    Step = "hour"
	Day     Step = "day" // UTC days
	Whole   Step = ""    // one point for all of the time asked for
)

// By is what a series is split by.
type By string

// The splits.
const (
	ByNothing  By = ""
	ByCustomer By = "customer"
	ByKey      By = "key"
	ByService  By = "service"
	ByEndpoint By = "endpoint" // "ner POST /extractions"
	ByStatus   By = "status"   // "2xx"
	ByClass    By = "class"    // toll.Class
	ByUnit     By = "unit"     // Question.Unit is then ignored
)

// Question asks how much of a unit was used. Empty fields do not narrow.
type Question struct {
	Unit        string    // "" is toll.UnitRequests
	From, To    time.Time // [From, To): From is taken down and To up to the step (Whole: to 15 minutes)
	Step        Step
	By          By
	Customer    string
	Key         string
	Service     string
	Endpoint    string       // as in the event, "POST /extractions"
	StatusClass int          // 2 for 2xx; 0 for all
	Classes     []toll.Class // of the events

	// With the step Whole: Top asks for so many groups only, the largest first
	// and those of one size by Group; 0: all of them, by Group.
	Top int
	// With the step Whole and a split by customer, key, service or unit, a page of
	// the groups: Limit of them at most (0: all), those after the group After
	// (its bytes). Not together with Top.
	After string
	Limit int
}

// Point is one answer: so much in the step that starts at Start, for Group.
type Point struct {
	Start time.Time // UTC; Question.From for Whole
	Group string    // the value of By, "" for ByNothing
	Count int64     // never 0: what adds up to nothing is left out
}

// LatencyQuestion asks how long requests took, of all customers. Empty fields
// do not narrow.
type LatencyQuestion struct {
	From, To time.Time // [From, To): From is taken down and To up to the step (Whole: to the hour)
	Step     Step      // Hour, Day or Whole
	By       By        // ByNothing, ByService or ByEndpoint
	Service  string
	Endpoint string // as in the event, "POST /extractions"
}

// LatencyPoint is one answer to a LatencyQuestion: of Count requests half took
// no longer than P50, and so on; each within sketch.RelativeError (1.6 %).
type LatencyPoint struct {
	Start         time.Time // UTC; LatencyQuestion.From for Whole
	Group         string    // the value of By, "" for ByNothing
	Count         int64     // requests whose outcome is known; never 0
	P50, P95, P99 time.Duration
}

// EventQuery asks for single events, the newest first.
type EventQuery struct {
	Customer    string
	Key         string
	Service     string
	StatusClass int
	RequestID   string
	Before      toll.ULID // only events with a smaller ID; zero: from the newest
	Limit       int       // 1 to 1,000
}

// RefusalQuery asks how often the gate refused.
type RefusalQuery struct {
	Customer string    // "" for all
	From, To time.Time // whole minutes: [From, To) as they are, not widened to Step
	Step     Step      // Hour, Day or Whole
}

// RefusalPoint is one answer to a RefusalQuery.
type RefusalPoint struct {
	Start  time.Time // the start of the step, UTC; RefusalQuery.From for Whole
	Reason toll.RefusalReason
	Policy string
	Count  int64
}

// Used is what a customer has used of a unit: chargeable amounts only, for
// this is what quotas count and bills bill.
type Used = toll.Used

// AuditRow is one cell of the conservation statement.
type AuditRow struct {
	Customer    string
	PlanVersion string
	Unit        string
	Class       toll.Class
	Count       int64
}

// Doubt is an event that a crash left in doubt.
type Doubt struct {
	Event toll.Event // its Class is Unknown when it was opened and never recorded
	Kind  string     // DoubtUnknown or DoubtUndelivered
}

// The kinds of doubt.
const (
	DoubtUnknown     = "unknown"      // opened, never recorded: not billed unless an operator settles it
	DoubtUndelivered = "undelivered?" // recorded and billed, but no Done followed
)

// UsedQuery asks what was used of what a quota counts. Empty fields do not narrow.
type UsedQuery struct {
	From, To          time.Time // [From, To), widened to whole quarters of an hour
	Customer, Key     string
	Unit              string
	Service, Endpoint string
	ByKey             bool // tell the keys of a customer apart (Used.Key)
	// ByAddress, Daily or Monthly, asks for what addresses used of a quota per IP
	// in the period that starts at From: Unit, Service and Endpoint are the
	// quota's own and narrow also where they are empty; Customer and Key do not.
	ByAddress toll.Every
}

// Questions is the store as pages, invoices and audits ask it. Every call is
// safe for concurrent use and reads rollups, except Events and Doubts.
type Questions interface {
	Series(ctx context.Context, q Question) ([]Point, error)                  // by Start, then Group (its bytes); steps without usage are left out
	Latencies(ctx context.Context, q LatencyQuestion) ([]LatencyPoint, error) // by Start, then Group; steps without requests are left out
	Refusals(ctx context.Context, q RefusalQuery) ([]RefusalPoint, error)     // by Start, Reason, Policy
	Events(ctx context.Context, q EventQuery) ([]toll.Event, error)           // by ID, descending
	// UsedBetween sums chargeable usage per customer and unit over [from, to),
	// whole quarters of an hour; by Customer, then Unit.
	UsedBetween(ctx context.Context, from, to time.Time) ([]Used, error)
	// UsedOf is UsedBetween for what a quota counts; by Customer, then Key, then Unit.
	UsedOf(ctx context.Context, q UsedQuery) ([]Used, error)
	// Audit adds up every event in [from, to), whole quarters of an hour; by
	// Customer, PlanVersion, Unit, Class; cells of nothing are left out.
	Audit(ctx context.Context, from, to time.Time) ([]AuditRow, error)
	// Doubts lists the events with a Time in [from, to) that a crash left in
	// doubt, by ID.
	Doubts(ctx context.Context, from, to time.Time) ([]Doubt, error)
}
