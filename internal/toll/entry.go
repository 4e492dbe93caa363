package toll

import (
	"crypto/sha256"
	"encoding/json"
	"hash"
	"io"
	"strconv"
	"time"
)

// Entry is one line of the audit log: who did what to whom, when, and what came
// of it. It is written in the transaction of the change itself, and holds the
// hash of the entry before it, so that none can be edited or taken out of the
// middle unnoticed (Chain).
//
// People stand in it by their IDs, never by name or e-mail address, so that
// nothing personal but an address of the network outlives a person. Secrets and
// their hashes are never in it.
type Entry struct {
	Seq int64     // 1, 2, 3… without gaps; the store gives it
	At  time.Time // by the clock of who wrote it, to the microsecond; Seq is the order

	Kind    PersonKind // of who did it: member, operator or system; "" for nobody who is known
	Who     string     // the person's ID, "system"
	Role    string     // the person's role then
	As      string     // whom the person was signed in as (a member's ID), "" for oneself
	Way     Way
	Through string // the session (ses_…) or API token (tok_…) that proved it; of a command the machine's user who ran it
	IP      string // the client's address, "" where there is none

	Action   string // what was done: an action of the account rules, "customer.plan"
	Customer string // the customer that it concerns, "" for the installation
	Object   string // the ID of what was changed: key_…, mem_…, the customer's own
	// Before and After are JSON objects with what is otherwise now, "" for
	// nothing. They are hashed as they stand, so they are kept as text.
	Before, After string
	RequestID     string
	Outcome       Outcome

	Prev, Hash [32]byte // SHA-256 of the entry before (zero for the first), and of this one; the store gives them
}

// Way is how somebody came in.
type Way string

// The ways.
const (
	WayConsole Way = "console" // a signed-in browser
	WayAPI     Way = "api"     // an API token
	WayCommand Way = "command" // the machine's command line
	WaySystem  Way = "system"  // the program by itself
)

// Outcome is what came of an action.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"
	Refused Outcome = "refused" // nothing was changed
)

// Digest is the hash of the entry after one whose hash is prev: SHA-256 over
// prev (32 bytes), the line "tollhouse audit 1\n", and for each field its name,
// a space, its length in bytes, a space, its text and a line end, in the order
// below. The time is written as RFC 3339 in UTC with nine digits of fraction.
func (e *Entry) Digest(prev [32]byte) (sum [32]byte) {
	h := sha256.New()
	h.Write(prev[:])
	_, _ = io.WriteString(h, "tollhouse audit 1\n")
	for _, f := range [...][2]string{
		{"seq", strconv.FormatInt(e.Seq, 10)}, {"at", e.At.UTC().Format("2006-01-02T15:04:05.000000000Z07:00")},
		{"kind", string(e.Kind)}, {"who", e.Who}, {"role", e.Role}, {"as", e.As}, {"way", string(e.Way)}, {"through", e.Through}, {"ip", e.IP},
		{"action", e.Action}, {"customer", e.Customer}, {"object", e.Object}, {"before", e.Before}, {"after", e.After},
		{"request", e.RequestID}, {"outcome", string(e.Outcome)},
	} {
		writeField(h, f[0], f[1])
	}
	h.Sum(sum[:0])
	return sum
}

func writeField(h hash.Hash, name, value string) {
	_, _ = io.WriteString(h, name+" "+strconv.Itoa(len(value))+" "+value+"\n") // a hash takes everything
}

// Seal gives the entry its place in the chain: after head.
func (e *Entry) Seal(head AuditHead) AuditHead {
	e.Seq, e.Prev = head.Seq+1, head.Hash
	e.Hash = e.Digest(e.Prev)
	return AuditHead{Seq: e.Seq, Hash: e.Hash}
}

// Check refuses an entry that says too little, or something that is no JSON
// object: a mistake of the program, so the error is Internal.
func (e *Entry) Check() error {
	switch {
	case e.Action == "" || e.Outcome == "" || e.Way == "" || e.At.IsZero():
		return Errorf(Internal, "Nothing was changed: the change came without its audit entry.")
	case e.Before != "" && !json.Valid([]byte(e.Before)), e.After != "" && !json.Valid([]byte(e.After)):
		return Errorf(Internal, "Nothing was changed: the audit entry of %s cannot be written.", e.Action)
	}
	return nil
}

// EntryQuery asks for a page of the audit log, the newest first. Empty fields
// do not narrow.
type EntryQuery struct {
	Who      string // a person's ID
	Action   string // an action, or the start of one that ends with a point: "key."
	Customer string
	Object   string
	Outcome  Outcome
	Since    time.Time // At not before
	Until    time.Time // At before
	Before   int64     // only entries with a smaller Seq: EntryPage.Next of the page before; 0 for the first
	Limit    int       // 1 to 500; 0 is 50
}

// EntryPage is one page of the audit log.
type EntryPage struct {
	Entries []Entry
	Next    int64 // EntryQuery.Before of the page after, 0 when this is the last
}
