package account

import "github.com/tollhouse/tollhouse/internal/toll"

// KindSystem is the kind of System: the program itself, or whoever sits at the
// machine's own command line.
const KindSystem toll.PersonKind = "system"

// Person is who is asking: a member, an operator or the system. It is read
// from rows, never from a token. The zero Person is nobody and may do nothing.
type Person struct {
	Kind       toll.PersonKind
	ID         string // mem_… or op_…
	Role       string // a toll.MemberRole or toll.OperatorRole, as Kind says
	CustomerID string // of a member; "" for operators and the system
	Email      string
	Name       string
	Language   string // BCP 47, "" for the browser's
	TimeZone   string // IANA name, "" for the installation's
	SessionID  string // the session that proved it; "" for the system
	Strong     bool   // two factors were proved in that session
	Disabled   bool   // may not sign in: nobody who is asking ever is
}

// System is the program itself: the command line, the demo, the start of an
// installation. It may do everything.
var System = Person{Kind: KindSystem, ID: "system", Name: "System"}

// IsMember tells whether the person belongs to a customer.
func (p Person) IsMember() bool { return p.Kind == toll.KindMember }

// IsOperator tells whether the person runs this installation.
func (p Person) IsOperator() bool { return p.Kind == toll.KindOperator }

// Subject returns the person's column in Rules: "member/owner".
func (p Person) Subject() Subject { return Subject(string(p.Kind) + "/" + p.Role) }

func memberPerson(m toll.Member, sessionID string) Person {
	return Person{
		Kind: toll.KindMember, ID: m.ID, Role: string(m.Role), CustomerID: m.CustomerID,
		Email: m.Email, Name: m.Name, Language: m.Language, TimeZone: m.TimeZone, SessionID: sessionID, Disabled: !m.DisabledAt.IsZero(),
	}
}

func operatorPerson(o toll.Operator, sessionID string) Person {
	return Person{
		Kind: toll.KindOperator, ID: o.ID, Role: string(o.Role),
		Email: o.Email, Name: o.Name, Language: o.Language, TimeZone: o.TimeZone, SessionID: sessionID, Disabled: !o.DisabledAt.IsZero(),
	}
}
