package account

import (
	"slices"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Action is something that a person may be allowed to do.
type Action string

// The actions. Each route of a surface names one of them.
const (
	ListCustomers   Action = "customer.list" // all customers of the installation
	ReadCustomer    Action = "customer.read"
	CreateCustomer  Action = "customer.create"
	RenameCustomer  Action = "customer.rename"
	SetPlan         Action = "customer.plan"
	SetOverride     Action = "customer.override" // limits that hold for one customer alone
	SuspendCustomer Action = "customer.suspend"
	ResumeCustomer  Action = "customer.resume"
	ExportCustomer  Action = "customer.read_export" // all that is kept of one
	DeleteCustomer  Action = "customer.delete"      // for ever: its personal data is gone

	ListKeys  Action = "key.list"
	CreateKey Action = "key.create"
	RollKey   Action = "key.roll"
	RevokeKey Action = "key.revoke"

	ReadUsage    Action = "usage.read"     // of one customer: figures, charts, limits left
	ReadRequests Action = "request.read"   // of one customer: single requests, explain
	ReadBilling  Action = "billing.read"   // of one customer: cost so far, invoices
	ReadAllUsage Action = "usage.read_all" // across customers

	ListMembers       Action = "member.list"
	CreateMember      Action = "member.create"       // with any role but owner
	CreateOwner       Action = "member.create_owner" // nobody may give more than they have
	SetMemberPassword Action = "member.password"     // of another person
	ChangeMember      Action = "member.change"       // role, and whether they may sign in
	RemoveMember      Action = "member.remove"

	ListOperators       Action = "operator.list"
	CreateOperator      Action = "operator.create"
	SetOperatorPassword Action = "operator.password" // of another person
	ChangeOperator      Action = "operator.change"   // role, whether they may sign in, and the end

	ReadMail Action = "mail.read" // what was sent, and what is kept because nothing sends it

	AskPlan          Action = "approval.ask_plan"  // another plan, for one's own customer
	AskLimit         Action = "approval.ask_limit" // more of a limit
	WithdrawApproval Action = "approval.withdraw"  // that somebody else of the customer asked for
	DecideApproval   Action = "approval.decide"    // approve or reject
	ReadApprovals    Action = "approval.list"      // of one customer
	ReadAllApprovals Action = "approval.list_all"

	ReadAudit    Action = "audit.read"     // entries that concern one customer
	ReadAllAudit Action = "audit.read_all" // all of them

	WriteEvents   Action = "event.write"  // send usage in from outside: what customers pay for
	ListModels    Action = "model.list"   // of one customer: names, states and contents
	UploadModel   Action = "model.upload" // for a service to use, once it is approved
	DeleteModel   Action = "model.delete"
	DecideModel   Action = "model.decide"   // approve or reject
	ListAllModels Action = "model.list_all" // across customers

	ReadSupport    Action = "support.read"     // threads of one customer, with their files
	WriteSupport   Action = "support.write"    // open, answer and close them
	ReadAllSupport Action = "support.read_all" // the inbox: threads across customers

	Import Action = "import" // customers and keys of another system

	ListTokens  Action = "token.list"   // API tokens of other people
	CreateToken Action = "token.create" // in another person's name
	RevokeToken Action = "token.revoke" // another person's
)

// Scope says what an action is done to.
type Scope string

// The scopes.
const (
	OnCustomer     Scope = "customer"     // one customer: a member reaches only its own
	OnInstallation Scope = "installation" // all of it: for operators
)

// Subject is a kind of person and its role: a column of the rules.
type Subject string

// The subjects. The system is not among them: it may do everything.
const (
	memberOwner     = Subject("member/" + toll.MemberOwner)
	memberAdmin     = Subject("member/" + toll.MemberAdmin)
	memberDeveloper = Subject("member/" + toll.MemberDeveloper)
	memberBilling   = Subject("member/" + toll.MemberBilling)
	memberViewer    = Subject("member/" + toll.MemberViewer)
	operatorAdmin   = Subject("operator/" + toll.OperatorAdmin)
	operatorSupport = Subject("operator/" + toll.OperatorSupport)
	operatorViewer  = Subject("operator/" + toll.OperatorViewer)
)

// Rule says who may do an action.
type Rule struct {
	Action  Action
	Scope   Scope
	Allowed []Subject
}

// allowed puts groups of subjects together.
func allowed(groups ...[]Subject) []Subject { return slices.Concat(groups...) }

var (
	members   = []Subject{memberOwner, memberAdmin, memberDeveloper, memberBilling, memberViewer}
	operators = []Subject{operatorAdmin, operatorSupport, operatorViewer}
	leaders   = []Subject{memberOwner, memberAdmin}
	coders    = []Subject{memberOwner, memberAdmin, memberDeveloper}
	desk      = []Subject{operatorAdmin, operatorSupport}
	chief     = []Subject{operatorAdmin}
)

// rules is the whole law. Three thoughts are behind it: viewers look at
// everything and change nothing; nobody can give a right, or take over a person
// with a right, that they do not have; and whoever answers the telephone can
// stop a leaked key or an abusive customer, but cannot make keys.
var rules = []Rule{
	{ListCustomers, OnInstallation, operators},
	{ReadCustomer, OnCustomer, allowed(members, operators)},
	{CreateCustomer, OnInstallation, desk},
	{RenameCustomer, OnCustomer, allowed(leaders, desk)},
	{SetPlan, OnCustomer, desk}, // a member asks for it: AskPlan
	{SetOverride, OnCustomer, desk},
	{SuspendCustomer, OnCustomer, desk},
	{ResumeCustomer, OnCustomer, desk},
	{ExportCustomer, OnCustomer, allowed(leaders, desk)}, // who may see members, bills and the audit log
	{DeleteCustomer, OnCustomer, chief},

	{ListKeys, OnCustomer, allowed(coders, []Subject{memberViewer}, operators)},
	{CreateKey, OnCustomer, allowed(coders, chief)},
	{RollKey, OnCustomer, allowed(coders, chief)},
	{RevokeKey, OnCustomer, allowed(coders, desk)},

	{ReadUsage, OnCustomer, allowed(members, operators)},
	{ReadRequests, OnCustomer, allowed(coders, []Subject{memberViewer}, operators)},
	{ReadBilling, OnCustomer, allowed(leaders, []Subject{memberBilling, memberViewer}, operators)},
	{ReadAllUsage, OnInstallation, operators},

	{ListMembers, OnCustomer, allowed(members, operators)},
	{CreateMember, OnCustomer, allowed(leaders, chief)},
	{CreateOwner, OnCustomer, allowed([]Subject{memberOwner}, chief)},
	{SetMemberPassword, OnCustomer, allowed([]Subject{memberOwner}, chief)},
	{ChangeMember, OnCustomer, allowed(leaders, chief)}, // of an owner: who may make one
	{RemoveMember, OnCustomer, allowed(leaders, chief)},

	{ListOperators, OnInstallation, operators},
	{CreateOperator, OnInstallation, chief},
	{SetOperatorPassword, OnInstallation, chief},
	{ChangeOperator, OnInstallation, chief},
	{ReadMail, OnInstallation, chief}, // kept mail holds links that open doors

	{AskPlan, OnCustomer, allowed(leaders, []Subject{memberBilling}, chief)},
	{AskLimit, OnCustomer, allowed(coders, chief)},
	{WithdrawApproval, OnCustomer, allowed(leaders, chief)},
	{DecideApproval, OnCustomer, desk},
	{ReadApprovals, OnCustomer, allowed(members, operators)},
	{ReadAllApprovals, OnInstallation, operators},

	{ReadAudit, OnCustomer, allowed(leaders, operators)},
	{ReadAllAudit, OnInstallation, operators},

	{ListModels, OnCustomer, allowed(coders, []Subject{memberViewer}, operators)},
	{UploadModel, OnCustomer, allowed(coders, chief)},
	{DeleteModel, OnCustomer, allowed(coders, chief)},
	{DecideModel, OnCustomer, desk},
	{ListAllModels, OnInstallation, operators},

	{ReadSupport, OnCustomer, allowed(members, operators)},
	{WriteSupport, OnCustomer, allowed(coders, []Subject{memberBilling}, desk)},
	{ReadAllSupport, OnInstallation, operators},

	{Import, OnInstallation, chief}, // it makes keys

	{WriteEvents, OnInstallation, chief},
	{ListTokens, OnInstallation, operators},
	{CreateToken, OnInstallation, chief}, // as taking a person over by a new password
	{RevokeToken, OnInstallation, desk},
}

// Rules returns the table of action x role as data, for the matrix that checks
// each route with each role. It is a copy.
func Rules() []Rule {
	out := slices.Clone(rules)
	for i := range out {
		out[i].Allowed = slices.Clone(out[i].Allowed)
	}
	return out
}

// Subjects returns every kind of person and role, members first, the strongest
// role first.
func Subjects() []Subject { return allowed(members, operators) }
