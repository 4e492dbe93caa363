package toll

import (
	"slices"
	"time"
)

// CustomerStatus says whether a customer may call at all.
type CustomerStatus string

// The statuses of a customer.
const (
	CustomerActive    CustomerStatus = "active"
	CustomerSuspended CustomerStatus = "suspended" // every call is refused with 403
	CustomerClosed    CustomerStatus = "closed"    // it has left: nothing of it can be used or changed any more
)

// Customer is who pays: an organisation, with one subscription.
type Customer struct {
	ID           string // cus_…
	Name         string // 1 to 200 characters
	Status       CustomerStatus
	Subscription Subscription
	Demo         bool // made by `tollhouse demo` with generated usage
	CreatedAt    time.Time
	ClosedAt     time.Time // when it left and its personal data was deleted; zero unless Status is CustomerClosed
	Version      int64     // counts the changes of the row; an update names the one it saw
}

// CustomerRecord is all that is kept of one customer: the rows by what they are
// (customer, members, keys, invoices, …), and of each row its columns. Times are
// RFC 3339 in UTC. Hashes, sealed secrets and the contents of files are not in it.
type CustomerRecord map[string][]map[string]any

// Subscription is a plan version, its add-ons and the customer's overrides,
// with its own period.
type Subscription struct {
	Plan        string // the plan's name in the configuration
	PlanVersion string // the immutable version that is billed (PlanVersion.ID)
	Addons      []string
	Since       time.Time // the anchor of its months
	// Overrides are policies that hold for this customer in place of the plan's
	// policies of the same name, or beside them where the plan has none such.
	Overrides []Policy
}

// Policies are the policies of a plan as they hold for the subscription: in the
// plan's order, then the overrides that replace none.
func (s *Subscription) Policies(plan *Plan) []Policy {
	if len(s.Overrides) == 0 {
		return plan.Policies
	}
	all := slices.Clone(plan.Policies)
	for _, o := range s.Overrides {
		if i := slices.IndexFunc(all, func(p Policy) bool { return p.Name == o.Name }); i >= 0 {
			all[i] = o
		} else {
			all = append(all, o)
		}
	}
	return all
}

// CustomerSort is what a list of customers is ordered by. Equal ones follow
// their IDs, so that every order is total.
type CustomerSort string

// The orders of a list of customers.
const (
	CustomersByName    CustomerSort = "name" // without regard to case; the default
	CustomersByCreated CustomerSort = "created"
)

// CustomerQuery asks for a page of customers. Empty fields do not narrow.
type CustomerQuery struct {
	Search     string         // part of the name or of the ID, without regard to case; at most 200 characters
	Status     CustomerStatus // only customers of this status
	Plan       string         // only customers of this plan (its name)
	Sort       CustomerSort   // "" is CustomersByName
	Descending bool
	Cursor     string // CustomerPage.Next of the page before, for the same Sort and Descending; "" for the first
	Limit      int    // 1 to 500; 0 is 50
}

// CustomerPage is one page of a list of customers.
type CustomerPage struct {
	Customers []Customer
	Next      string // the Cursor of the page after, "" when this is the last
}

// MemberRole is what a member may do for a customer.
type MemberRole string

// The roles of a member, strongest first.
const (
	MemberOwner     MemberRole = "owner"
	MemberAdmin     MemberRole = "admin"
	MemberDeveloper MemberRole = "developer"
	MemberBilling   MemberRole = "billing"
	MemberViewer    MemberRole = "viewer"
)

// Member is a person of a customer.
type Member struct {
	ID           string // mem_…
	CustomerID   string
	Email        string // lower case, unique among members and operators
	Name         string
	Role         MemberRole
	PasswordHash Secret // argon2id in PHC form; "" when none is set
	Language     string // BCP 47, "" for the browser's
	TimeZone     string // IANA name, "" for the installation's
	CreatedAt    time.Time
	DisabledAt   time.Time // since when they may not sign in; zero: they may
}

// OperatorRole is what an operator may do in this installation.
type OperatorRole string

// The roles of an operator, strongest first.
const (
	OperatorAdmin   OperatorRole = "admin"
	OperatorSupport OperatorRole = "support"
	OperatorViewer  OperatorRole = "viewer"
)

// Operator is a person who runs this installation.
type Operator struct {
	ID           string // op_…
	Email        string // lower case, unique among members and operators
	Name         string
	Role         OperatorRole
	PasswordHash Secret
	Language     string
	TimeZone     string
	CreatedAt    time.Time
	DisabledAt   time.Time // since when they may not sign in; zero: they may
}

// PersonKind tells members from operators where either may stand.
type PersonKind string

// The kinds of person.
const (
	KindMember   PersonKind = "member"
	KindOperator PersonKind = "operator"
)

// Session is one signed-in browser. Role and revocation are read from its row
// and its person's, never from the cookie.
type Session struct {
	ID        string // ses_…
	Kind      PersonKind
	PersonID  string
	CreatedAt time.Time
	SeenAt    time.Time
	ExpiresAt time.Time // 30 days after CreatedAt at most
	RevokedAt time.Time // zero while valid
	UserAgent string    // at most 200 bytes, for the person's own list
	Network   string    // roughly where from: "192.0.2.0/24"; "" when it is not known
	Method    string    // how it began: "password", "passkey", or "oidc:NAME"
	Strong    bool      // two factors were proved: what is known or is, and what is had
}
