package console

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/internal/account"
)

// audience is who a page is for. The gate asks it before the action.
type audience string

const (
	public   audience = "public"    // everybody
	signedIn audience = "signed in" // members and operators
	member   audience = "member"    // of the customer that the page shows
	operator audience = "operator"
)

// route is one line of the table that the mux is built from and that the
// matrix of routes and roles is tested from.
type route struct {
	method   string
	pattern  string // of http.ServeMux
	audience audience
	action   account.Action // "" where the audience alone decides
	serve    func(*Console, *visit) (*answer, error)
	once     bool // its form has a token (hx.Once), and is done once
}

// routes is the console: there is no other way in, but for the files of
// /assets/ and /version.json, which are the same for everybody. A fragment
// has no route of its own: it is the same route asked for by htmx, so it has
// passed the same gates.
func (c *Console) routes() []route {
	table := []route{
		{"GET", "/{$}", public, "", (*Console).home, false},
		{"GET", "/sign-in", public, "", (*Console).signInForm, false},
		{"POST", "/sign-in", public, "", (*Console).signIn, false},
		{"POST", "/sign-out", signedIn, "", (*Console).signOut, false},
		{"GET", "/sign-in/code", public, "", (*Console).codeForm, false},
		{"POST", "/sign-in/code", public, "", (*Console).code, false},
		{"POST", "/sign-in/passkey", public, "", (*Console).askForPasskey, false},
		{"POST", "/sign-in/passkey/finish", public, "", (*Console).signInByPasskey, false},
		{"GET", "/sign-in/with/{provider}", public, "", (*Console).toProvider, false},
		{"GET", "/sign-in/with/{provider}/callback", public, "", (*Console).fromProvider, false},

		{"GET", "/account", signedIn, "", (*Console).account, false},
		{"POST", "/account/profile", signedIn, "", (*Console).changeProfile, false},
		{"POST", "/account/password", signedIn, "", (*Console).changePassword, false},
		{"POST", "/account/sessions/end", signedIn, "", (*Console).endSessions, false},
		{"POST", "/account/sessions/{session}/end", signedIn, "", (*Console).endSession, false},
		{"GET", "/account/new-passkey", signedIn, "", (*Console).newPasskey, false},
		{"POST", "/account/new-passkey", signedIn, "", (*Console).beginPasskey, false},
		{"POST", "/account/passkeys", signedIn, "", (*Console).finishPasskey, false},
		{"GET", "/account/passkeys/{passkey}", signedIn, "", (*Console).passkey, false},
		{"POST", "/account/passkeys/{passkey}", signedIn, "", (*Console).renamePasskey, false},
		{"GET", "/account/passkeys/{passkey}/remove", signedIn, "", (*Console).confirmRemovePasskey, false},
		{"POST", "/account/passkeys/{passkey}/remove", signedIn, "", (*Console).removePasskey, false},
		{"GET", "/account/app", signedIn, "", (*Console).newApp, false},
		{"POST", "/account/app", signedIn, "", (*Console).beginApp, false},
		{"POST", "/account/app/confirm", signedIn, "", (*Console).confirmApp, false},
		{"GET", "/account/app/remove", signedIn, "", (*Console).confirmRemoveApp, false},
		{"POST", "/account/app/remove", signedIn, "", (*Console).removeApp, false},
		{"GET", "/account/codes", signedIn, "", (*Console).newCodes, false},
		{"POST", "/account/codes", signedIn, "", (*Console).renewCodes, false},

		{"GET", "/sign-up", public, "", (*Console).signUpForm, false},
		{"POST", "/sign-up", public, "", (*Console).signUp, false},
		{"GET", "/reset", public, "", (*Console).resetForm, false},
		{"POST", "/reset", public, "", (*Console).reset, false},
		{"GET", "/sent", public, "", (*Console).sent, false},
		{"GET", "/link", public, "", (*Console).link, false},
		{"POST", "/link", public, "", (*Console).useLink, false},
		{"POST", "/password", public, "", (*Console).checkPassword, false},

		{"GET", "/overview", member, account.ReadUsage, (*Console).overview, false},
		{"GET", "/keys", member, account.ListKeys, (*Console).keys, false},
		{"POST", "/keys", member, account.CreateKey, (*Console).createKey, true},
		{"GET", "/keys/new", member, account.CreateKey, (*Console).newKey, false},
		{"GET", "/keys/{key}/roll", member, account.RollKey, (*Console).confirmRoll, false},
		{"POST", "/keys/{key}/roll", member, account.RollKey, (*Console).rollKey, true},
		{"GET", "/keys/{key}/revoke", member, account.RevokeKey, (*Console).confirmRevoke, false},
		{"POST", "/keys/{key}/revoke", member, account.RevokeKey, (*Console).revokeKey, false},
		{"GET", "/usage", member, account.ReadUsage, (*Console).usage, false},
		{"GET", "/usage.csv", member, account.ReadUsage, (*Console).usageCSV, false},
		{"GET", "/plan", member, account.ReadUsage, (*Console).ownPlan, false},

		{"GET", "/plan/change", member, account.AskPlan, (*Console).askPlan, false},
		{"POST", "/plan/change", member, account.AskPlan, (*Console).sendPlan, true},
		{"GET", "/plan/limit", member, account.AskLimit, (*Console).askLimit, false},
		{"POST", "/plan/limit", member, account.AskLimit, (*Console).sendLimit, true},
		{"POST", "/plan/approvals/{approval}/withdraw", member, account.WithdrawApproval, (*Console).withdraw, false},

		{"GET", "/requests", signedIn, account.ReadRequests, (*Console).requests, false},

		{"GET", "/approvals", operator, account.ReadAllApprovals, (*Console).approvals, false},
		{"POST", "/approvals/{approval}/approve", operator, account.DecideApproval, (*Console).approve, false},
		{"GET", "/approvals/{approval}/reject", operator, account.DecideApproval, (*Console).confirmReject, false},
		{"POST", "/approvals/{approval}/reject", operator, account.DecideApproval, (*Console).reject, false},
		{"GET", "/audit", operator, account.ReadAllAudit, (*Console).audit, false},
		{"GET", "/audit.csv", operator, account.ReadAllAudit, (*Console).auditCSV, false},

		{"GET", "/usage/customers", operator, account.ReadAllUsage, (*Console).ranking, false},
		{"GET", "/usage/customers.csv", operator, account.ReadAllUsage, (*Console).rankingCSV, false},
		{"GET", "/models", signedIn, account.ListModels, (*Console).models, false},
		{"POST", "/models", member, account.UploadModel, (*Console).uploadModel, false},
		{"GET", "/models/{model}/file", signedIn, account.ListModels, (*Console).modelFile, false},
		{"GET", "/models/{model}/delete", member, account.DeleteModel, (*Console).confirmDeleteModel, false},
		{"POST", "/models/{model}/delete", member, account.DeleteModel, (*Console).deleteModel, false},
		{"GET", "/models/{model}/approve", operator, account.DecideModel, (*Console).confirmApproveModel, false},
		{"POST", "/models/{model}/approve", operator, account.DecideModel, (*Console).approveModel, false},
		{"GET", "/models/{model}/reject", operator, account.DecideModel, (*Console).confirmRejectModel, false},
		{"POST", "/models/{model}/reject", operator, account.DecideModel, (*Console).rejectModel, false},

		{"GET", "/support", signedIn, account.ReadSupport, (*Console).threads, false},
		{"GET", "/support/new", member, account.WriteSupport, (*Console).newThread, false},
		{"POST", "/support", member, account.WriteSupport, (*Console).openThread, false},
		{"GET", "/support/threads/{thread}", signedIn, account.ReadSupport, (*Console).thread, false},
		{"POST", "/support/threads/{thread}/messages", signedIn, account.WriteSupport, (*Console).reply, false},
		{"GET", "/support/threads/{thread}/close", signedIn, account.WriteSupport, (*Console).confirmCloseThread, false},
		{"POST", "/support/threads/{thread}/close", signedIn, account.WriteSupport, (*Console).closeThread, false},
		{"GET", "/support/threads/{thread}/attachments/{attachment}", signedIn, account.ReadSupport, (*Console).attachment, false},

		{"GET", "/import", operator, account.Import, (*Console).importForm, false},
		{"POST", "/import", operator, account.Import, (*Console).importFile, false},

		{"GET", "/customers", operator, account.ListCustomers, (*Console).customers, false},
		{"GET", "/customers/{customer}", operator, account.ReadCustomer, (*Console).customer, false},
		{"GET", "/customers/{customer}/usage", operator, account.ReadUsage, (*Console).usage, false},
		{"GET", "/customers/{customer}/usage.csv", operator, account.ReadUsage, (*Console).usageCSV, false},
		{"GET", "/customers/{customer}/suspend", operator, account.SuspendCustomer, (*Console).confirmSuspend, false},
		{"POST", "/customers/{customer}/suspend", operator, account.SuspendCustomer, (*Console).suspend, false},
		{"GET", "/customers/{customer}/resume", operator, account.ResumeCustomer, (*Console).confirmResume, false},
		{"POST", "/customers/{customer}/resume", operator, account.ResumeCustomer, (*Console).resume, false},
		{"GET", "/mail", operator, account.ReadMail, (*Console).mails, false},
		{"GET", "/mail/{mail}", operator, account.ReadMail, (*Console).mail, false},
	}
	table = append(table, teamRoutes("/team", member, account.ListMembers, account.CreateMember, account.ChangeMember, account.RemoveMember)...)
	table = append(table, teamRoutes("/customers/{customer}/team", operator, account.ListMembers, account.CreateMember, account.ChangeMember, account.RemoveMember)...)
	table = append(table, teamRoutes("/operators", operator, account.ListOperators, account.CreateOperator, account.ChangeOperator, account.ChangeOperator)...)
	if c.o.Development {
		table = append(table, route{"GET", "/dev/pieces", public, "", (*Console).gallery, false})
	}
	return table
}

// takesLong tells the routes that a slow client may take its time for: downloads
// and uploads.
func (r *route) takesLong() bool {
	if strings.HasSuffix(r.pattern, ".csv") || strings.HasSuffix(r.pattern, "/file") || strings.HasSuffix(r.pattern, "/{attachment}") {
		return true
	}
	return r.method == http.MethodPost && slices.Contains([]string{"/models", "/support", "/support/threads/{thread}/messages", "/import"}, r.pattern)
}

// customerID is the customer that a visit is about: the member's own, whatever
// the path says, or the one that an operator names.
func (v *visit) customerID() string {
	if v.person.IsMember() {
		return v.person.CustomerID
	}
	return v.r.PathValue("customer")
}
