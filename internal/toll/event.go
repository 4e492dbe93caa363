package toll

import "time"

// Class says what an event is worth for quota and bill. Per unit and period,
// exactly: received = chargeable (billed + included) + not billable + test + unknown.
type Class string

// The classes of an event.
const (
	Chargeable  Class = "chargeable"   // rated: included in the plan or billed
	NotBillable Class = "not_billable" // 5xx, timeout, the gateway's own error, a public service
	TestUsage   Class = "test"         // made with a test key
	Unknown     Class = "unknown"      // opened, and a crash left no outcome
)

// Event is a usage event: one finished request, or one event sent in from
// outside, with its units. What is known when it is recorded is what is billed.
type Event struct {
	ID          ULID      // the identity: counted once for ever
	Time        time.Time // when the request arrived; microseconds are kept
	RequestID   string    // what the client saw as X-Request-ID
	Customer    string    // "" for a public service
	Key         string    // the key's ID, "" for a public service
	Plan        string    // the plan's name
	PlanVersion string    // the version that prices it
	Service     string
	Endpoint    string // "POST /extractions", or "other"
	Method      string
	Status      int // what the client was answered
	Class       Class
	Latency     time.Duration // arrival to the last byte of the upstream; microseconds are kept
	BytesIn     int64         // of the request's body
	BytesOut    int64         // of the answer's body as the service made it, before the gateway compressed it
	Units       []Amount      // reported units; UnitRequests is among them only where it is not one, see Requests

	// Address is whose PerAddress are: what the request counts of quotas per IP.
	// Both are only in the journal and in the sums of these quotas; a single event
	// that is stored has neither.
	Address    AddressHash
	PerAddress []AddressUse
}

// Requests is how many requests the event is: one, unless its Units say
// another number of UnitRequests, as those of events from outside do.
func (e *Event) Requests() int64 {
	for i := range e.Units {
		if e.Units[i].Unit == UnitRequests {
			return e.Units[i].Count
		}
	}
	return 1
}

// OutsideService stands as the service of usage events that were sent in from
// outside; no service of the configuration can be called so. Their endpoint is
// their type.
const OutsideService = "(outside)"

// Amount is so much of a unit.
type Amount struct {
	Unit  string
	Count int64 // 0 to MaxCount
}

// MaxCount is the most of a unit that one event reports. It is far above what
// a request can use, and so far below 64 bits that nine million such events
// still add up: a service that reports nonsense must not stop the books.
const MaxCount = 1_000_000_000_000

// RefusalReason says why the gate refused a request.
type RefusalReason string

// Refusal counts refused requests: they are not journalled one by one but
// added up per minute, key, policy and reason.
type Refusal struct {
	Minute   time.Time // the start of the minute, UTC
	Customer string    // "" when nobody was identified
	Key      string
	Service  string
	Policy   string // the policy that refused, "" for other reasons
	Reason   RefusalReason
	Count    int64
}

// The reasons for a refusal. They are the last part of the problem type too.
const (
	RefusedKeyMissing   RefusalReason = "key-missing"
	RefusedKeyMalformed RefusalReason = "key-malformed"
	RefusedKeyUnknown   RefusalReason = "key-unknown" // unknown or revoked: not told apart on purpose
	RefusedKeyExpired   RefusalReason = "key-expired"
	RefusedSuspended    RefusalReason = "customer-suspended"
	RefusedNotIncluded  RefusalReason = "not-included" // the plan does not include the service
	RefusedOutOfScope   RefusalReason = "out-of-scope" // the key may not call the service, or not with the method
	RefusedKeyOrigin    RefusalReason = "key-origin"   // the key may not be used from the client's address
	RefusedLimit        RefusalReason = "limit"        // a rate limit, quota or concurrency limit
	RefusedNoRoute      RefusalReason = "no-route"     // no service takes it
	RefusedBadPath      RefusalReason = "bad-path"     // an ambiguous path
	RefusedBadMethod    RefusalReason = "bad-method"   // longer than any method there is
	RefusedTooLarge     RefusalReason = "body-too-large"
	RefusedAddress      RefusalReason = "address-refused" // the client's address may not call the service
	RefusedURL          RefusalReason = "url-too-long"
	RefusedJournal      RefusalReason = "journal-full" // cannot be metered, so is not served
	RefusedUncounted    RefusalReason = "limits-away"  // the replicas' shared counters are away, and a policy is closed then
	RefusedOverloaded   RefusalReason = "overloaded"   // the service has no place left
)
