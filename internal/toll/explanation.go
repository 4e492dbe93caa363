package toll

import "time"

// Explanation is what became of one request, and why: for the customer whose it
// was, and for operators.
type Explanation struct {
	RequestID string
	At        time.Time // when it arrived
	Refused   bool      // by the gate; otherwise it was let in
	Customer  string    // "" when nobody was identified, or the service is public
	Key       string
	Plan      string // the plan's name
	Service   string
	Endpoint  string
	Method    string

	Reason RefusalReason // of a refused one

	Status  int // of one that was let in: what the client was answered; 0 when nobody told
	Class   Class
	Counted []Amount // requests and what the service reported; none unless Class is Chargeable

	// Findings are what the policies said that the request was held against, in
	// the order in which they were looked at; none when it did not come to them.
	Findings []Finding
}

// Said is what a policy said to a request.
type Said string

// What policies say.
const (
	SaidPassed      Said = "passed"
	SaidRefused     Said = "refused"
	SaidWouldRefuse Said = "would refuse" // a shadow: it only reports
	SaidUndecided   Said = "undecided"    // the counters that replicas share were away, and it is closed then
)

// Finding is what one policy said to a request.
type Finding struct {
	Policy   Policy
	Of       string // "plan pro", "service ner"; "" where it was not noted
	Said     Said
	Noted    bool      // Left is known
	Left     int64     // what was left of it then
	Needs    int64     // what the request takes of it before it is forwarded; 0: nothing was known of it then
	PassesAt time.Time // when this policy, left alone, admits one; zero when it passed, or never will
	Never    bool      // it said no and always will: the request needs more than the whole quota
}
