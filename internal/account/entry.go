package account

import (
	"context"
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// What is written into the audit log and needs no rule: everybody does it to
// oneself, or the program does it, or the rule of another action lets it. Can
// says no to all of them.
const (
	SignedIn         Action = "session.begin"
	SignInFailed     Action = "session.refuse" // an e-mail address with a wrong password; counted, see Refusals
	EndedSession     Action = "session.end"
	ChangedPassword  Action = "person.password" // one's own
	RaisedHash       Action = "person.rehash"   // the same password, hashed at higher costs
	ApprovedApproval Action = "approval.approve"
	RejectedApproval Action = "approval.reject"
	SettledUsage     Action = "usage.settle" // what a crash left unknown
	KeptPlan         Action = "plan.keep"    // a plan version came with the configuration

	EndedSessions      Action = "session.end_all"     // one's own; of the key of sessions, everybody's
	ChangedProfile     Action = "person.profile"      // one's own name, language and time zone
	AddedPasskey       Action = "passkey.create"      // one's own, as all below
	RenamedPasskey     Action = "passkey.rename"      //
	RemovedPasskey     Action = "passkey.remove"      //
	SetTOTP            Action = "totp.set"            // an authenticator app, with new recovery codes
	RemovedTOTP        Action = "totp.remove"         //
	MadeRecoveryCodes  Action = "recovery_code.renew" //
	UsedRecoveryCode   Action = "recovery_code.use"   //
	JoinedIdentity     Action = "identity.create"     // a sign-in elsewhere
	SentInvitation     Action = "invitation.create"   // by who may create the member or operator
	RenewedInvitation  Action = "invitation.renew"    //
	WithdrewInvitation Action = "invitation.revoke"   //
	RemovedOperator    Action = "operator.remove"     // by who may change one

	OpenedThread   Action = "support.open"  // by who may write
	AnsweredThread Action = "support.reply" //
	ClosedThread   Action = "support.close" //

	CutInvoice     Action = "invoice.create" // by the program, or by a command of it
	MovedInvoice   Action = "invoice.move"   // paid, void, uncollectible
	GrantedCredit  Action = "credit.grant"   //
	RedeemedCoupon Action = "coupon.redeem"  //
	EndedCoupon    Action = "coupon.end"     //
	SetTax         Action = "tax.set"        // which country's, or none
)

// Origin is how a request came in, for the audit log. Surfaces put one into the
// context at their door.
type Origin struct {
	Way       toll.Way
	Through   string // the API token's ID; of a command the machine's user. A session's ID is the Person's.
	IP        netip.Addr
	RequestID string
}

type originKey struct{}

// WithOrigin returns a context whose changes are recorded with an origin.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// Facts are what an entry says about a thing before or after a change: names
// and values that encoding/json can write. Never put a secret, a hash of one, a
// person's name or an e-mail address into them.
type Facts map[string]any

// NewEntry makes the audit entry of what a person does, for a method of the
// store that changes something. customerID is whom it concerns ("" for the
// installation) and object the ID of what is changed. Of facts that are the same
// before and after nothing is kept.
//
//	e := account.NewEntry(ctx, p, account.RevokeKey, k.CustomerID, k.ID, now, keyFacts(&was), keyFacts(&k))
//	k, err = o.store.UpdateKey(ctx, k, e)
func NewEntry(ctx context.Context, p Person, action Action, customerID, object string, at time.Time, before, after Facts) toll.Entry {
	from, _ := ctx.Value(originKey{}).(Origin)
	e := toll.Entry{
		At: stored(at), Kind: p.Kind, Who: p.ID, Role: p.Role, Way: from.Way, Through: from.Through,
		Action: string(action), Customer: customerID, Object: object, RequestID: from.RequestID, Outcome: toll.Done,
	}
	if p.Operator != "" {
		e.Kind, e.Who, e.As = toll.KindOperator, p.Operator, p.ID
	}
	if p.SessionID != "" {
		e.Through = p.SessionID
	}
	if from.IP.IsValid() {
		e.IP = from.IP.Unmap().String()
	}
	switch {
	case e.Way != "":
	case p.SessionID != "":
		e.Way = toll.WayConsole
	default:
		e.Way = toll.WaySystem
	}
	if before != nil && after != nil {
		was, is := Facts{}, Facts{}
		for name := range both(before, after) {
			if !reflect.DeepEqual(before[name], after[name]) {
				was[name], is[name] = before[name], after[name]
			}
		}
		before, after = was, is
	}
	e.Before, e.After = before.text(), after.text()
	return e
}

func both(a, b Facts) map[string]bool {
	names := make(map[string]bool, len(a)+len(b))
	for name := range a {
		names[name] = true
	}
	for name := range b {
		names[name] = true
	}
	return names
}

// text writes facts as they are hashed: names in order, "" for none.
func (f Facts) text() string {
	if len(f) == 0 {
		return ""
	}
	text, err := json.Marshal(f)
	if err != nil {
		return "{" // no JSON: the store refuses the change (toll.Entry.Check)
	}
	return string(text)
}

// changes tells whether an action changes something, by its name.
func (a Action) changes() bool {
	_, verb, _ := strings.Cut(string(a), ".")
	return !strings.HasPrefix(verb, "read") && !strings.HasPrefix(verb, "list")
}

func customerFacts(c *toll.Customer) Facts {
	return Facts{
		"name": c.Name, "status": string(c.Status), "plan": c.Subscription.Plan, "plan_version": c.Subscription.PlanVersion,
		"addons": strings.Join(c.Subscription.Addons, " "), "since": momentFact(c.Subscription.Since), "overrides": policyFacts(c.Subscription.Overrides),
	}
}

func keyFacts(k *toll.Key) Facts {
	origins := make([]string, len(k.Origins))
	for i, o := range k.Origins {
		origins[i] = o.String()
	}
	return Facts{
		"name": k.Name, "mode": string(k.Mode), "hint": k.Hint, "services": strings.Join(k.Services, " "), "methods": strings.Join(k.Methods, " "),
		"origins": strings.Join(origins, " "), "limits": policyFacts(k.Limits), "expires_at": momentFact(k.ExpiresAt), "revoked_at": momentFact(k.RevokedAt),
		"replaced_by": k.ReplacedBy,
	}
}

func tokenFacts(t *toll.APIToken) Facts {
	return Facts{"owner": t.PersonID, "name": t.Name, "hint": t.Hint, "scopes": joinScopes(t.Scopes), "expires_at": momentFact(t.ExpiresAt)}
}

func ticketFacts(t *toll.Ticket) Facts {
	return Facts{"kind": string(t.Kind), "role": t.Role, "expires_at": momentFact(t.ExpiresAt)}
}

func memberFacts(m *toll.Member) Facts {
	return Facts{"role": string(m.Role), "disabled_at": momentFact(m.DisabledAt)}
}

func operatorFacts(o *toll.Operator) Facts {
	return Facts{"role": string(o.Role), "disabled_at": momentFact(o.DisabledAt)}
}

// modelFacts leave out the file's name, which says whose it is too often.
func modelFacts(m *toll.Model) Facts {
	return Facts{"service": m.Service, "type": string(m.Type), "size": m.Size, "state": string(m.State)}
}

// threadFacts are where a thread stands, after message m (nil: none). What
// was written is in the thread alone.
func threadFacts(t *toll.Thread, m *toll.Message) Facts {
	facts := Facts{"state": string(t.State), "messages": t.Messages}
	if m != nil {
		facts["message"], facts["files"] = m.ID, len(m.Attachments)
	}
	return facts
}

func policyFacts(policies []toll.Policy) string {
	if len(policies) == 0 {
		return ""
	}
	text, err := json.Marshal(policies)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func momentFact(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
