package app

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// operations are what commands can ask for, by name.
var operations = map[string]operation{
	"customer.create":    typed(createCustomer),
	"customer.list":      typed(listCustomers),
	"customer.plan":      typed(planCustomer),
	"customer.show":      typed(showCustomerDetails),
	"customer.suspend":   typed(suspendCustomer),
	"customer.override":  typed(overrideCustomer),
	"customer.resume":    typed(resumeCustomer),
	"customer.export":    typed(exportCustomer),
	"customer.delete":    typed(deleteCustomer),
	"key.create":         typed(createKey),
	"key.list":           typed(listKeys),
	"key.roll":           typed(rollKey),
	"key.revoke":         typed(revokeKey),
	"mail.test":          typed(testMail),
	"operator.create":    typed(createOperator),
	"operator.invite":    typed(inviteOperator),
	"operator.list":      typed(listOperators),
	"operator.role":      typed(setOperatorRole),
	"operator.disable":   typed(disableOperator),
	"operator.enable":    typed(enableOperator),
	"session-key.rotate": typed(rotateSessionKey),
	"token.create":       typed(createToken),
	"token.list":         typed(listTokens),
	"token.revoke":       typed(revokeToken),
	"usage.show":         typed(showUsage),
	"usage.latency":      typed(showLatency),
	"usage.audit":        typed(auditUsage),
	"usage.doubts":       typed(listDoubts),
	"usage.unknown":      typed(listUnknown),
	"usage.settle":       typed(settleUsage),
	"usage.export":       typed(exportUsage),
	"billing.preview":    typed(previewBilling),
	"approval.list":      typed(listApprovals),
	"approval.approve":   typed(approve),
	"approval.reject":    typed(reject),
	"audit.list":         typed(listAudit),
	"audit.verify":       typed(verifyAudit),
	"billing.cut":        typed(cutInvoices),
	"billing.list":       typed(listInvoices),
	"billing.show":       typed(showInvoice),
	"billing.move":       typed(moveInvoice),
	"billing.credit":     typed(grantCredit),
	"billing.coupon":     typed(redeemCoupon),
	"billing.tax":        typed(setTax),
	"cache.purge":        typed(purgeCache),
	"import":             typed(importFile),
	"plan.rehearse":      typed(rehearse),
	"explain":            typed(explain),
	"reload":             typed(reloadOperation),
	"compare":            typed(compareOperation),
	"upgrade":            typed(upgradeOperation),
}

// CustomerCreate asks for a customer, and for its owner when Email is given.
type CustomerCreate struct {
	Name  string `json:"name"`
	Plan  string `json:"plan"`
	Email string `json:"email,omitempty"`
}

// CustomerShown is a customer as commands show it.
type CustomerShown struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Plan      string    `json:"plan"`
	Status    string    `json:"status"`
	CreatedAt time.Time `json:"created_at"`
}

// SignIn is a sign-in that was just made; its password is shown once.
type SignIn struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

// CustomerCreated is a new customer, with its owner's sign-in when one was made.
type CustomerCreated struct {
	CustomerShown
	Owner *SignIn `json:"owner,omitempty"`
}

func showCustomer(c toll.Customer) CustomerShown {
	return CustomerShown{ID: c.ID, Name: c.Name, Plan: c.Subscription.Plan, Status: string(c.Status), CreatedAt: c.CreatedAt}
}

func createCustomer(ctx context.Context, r *rooms, in CustomerCreate) (CustomerCreated, error) {
	if in.Email != "" { // before anything is made: a customer without its owner would be half done
		if err := emailFree(ctx, r, in.Email); err != nil {
			return CustomerCreated{}, err
		}
	}
	c, err := r.office.CreateCustomer(ctx, account.System, account.NewCustomer{Name: in.Name, Plan: in.Plan})
	if err != nil {
		return CustomerCreated{}, err
	}
	out := CustomerCreated{CustomerShown: showCustomer(c)}
	if in.Email != "" {
		password, err := account.NewPassword(nil)
		if err != nil {
			return out, err
		}
		m, err := r.office.CreateMember(ctx, account.System, account.NewMember{
			CustomerID: c.ID, Email: in.Email, Name: in.Name, Role: toll.MemberOwner, Password: password,
		})
		if err != nil {
			return out, fmt.Errorf("the customer %s was made, its owner was not: %w", c.ID, err)
		}
		out.Owner = &SignIn{Email: m.Email, Password: password.Reveal()}
	}
	return out, nil
}

// emailFree tells whether nobody signs in with an address yet.
func emailFree(ctx context.Context, r *rooms, email string) error {
	email, err := account.CleanEmail(email)
	if err != nil {
		return err
	}
	_, asMember := r.store.MemberByEmail(ctx, email)
	_, asOperator := r.store.OperatorByEmail(ctx, email)
	for _, err := range []error{asMember, asOperator} {
		switch {
		case err == nil:
			return &toll.Error{Code: toll.Conflict, Field: "email", Message: fmt.Sprintf("Somebody signs in with %s already. Use another address.", email)}
		case toll.CodeOf(err) != toll.NotFound:
			return err
		}
	}
	return nil
}

// CustomerList asks for customers; empty fields do not narrow.
type CustomerList struct {
	Search string `json:"search,omitempty"`
	Plan   string `json:"plan,omitempty"`
}

// CustomerListed are customers by name.
type CustomerListed struct {
	Customers []CustomerShown `json:"customers"`
}

func listCustomers(ctx context.Context, r *rooms, in CustomerList) (CustomerListed, error) {
	out := CustomerListed{Customers: []CustomerShown{}}
	q := toll.CustomerQuery{Search: in.Search, Plan: in.Plan, Limit: 500}
	for {
		page, err := r.office.Customers(ctx, account.System, q)
		if err != nil {
			return out, err
		}
		for _, c := range page.Customers {
			out.Customers = append(out.Customers, showCustomer(c))
		}
		if page.Next == "" {
			return out, nil
		}
		q.Cursor = page.Next
	}
}

// CustomerPlan asks to move a customer to another plan.
type CustomerPlan struct {
	ID   string `json:"id"`
	Plan string `json:"plan"`
}

func planCustomer(ctx context.Context, r *rooms, in CustomerPlan) (CustomerShown, error) {
	c, err := r.office.SetPlan(ctx, account.System, in.ID, in.Plan, 0)
	if err != nil {
		return CustomerShown{}, err
	}
	return showCustomer(c), nil
}

// KeyCreate asks for a key.
type KeyCreate struct {
	Customer    string   `json:"customer"`
	Name        string   `json:"name"`
	Test        bool     `json:"test,omitempty"`
	Services    []string `json:"services,omitempty"`
	Methods     []string `json:"methods,omitempty"`
	Origins     []string `json:"origins,omitempty"`
	Rate        string   `json:"rate,omitempty"`        // "5/second"; "": no faster than the plan lets it
	Concurrency int64    `json:"concurrency,omitempty"` // 0: as the plan lets it
	Quota       int64    `json:"quota,omitempty"`       // so much of Unit in each period; 0: as the plan lets it
	Unit        string   `json:"unit,omitempty"`        // "": requests
	Every       string   `json:"every,omitempty"`       // "day" or "month"; "": month
	Shadow      bool     `json:"shadow,omitempty"`      // its limits only report
	ExpiresIn   int64    `json:"expires_in,omitempty"`  // seconds; 0: never
}

// KeyShown is a key as commands show it, without its text.
type KeyShown struct {
	ID         string         `json:"id"`
	Customer   string         `json:"customer"`
	Name       string         `json:"name"`
	Mode       string         `json:"mode"`
	Hint       string         `json:"hint"`
	State      string         `json:"state"`
	Services   []string       `json:"services,omitempty"`
	Methods    []string       `json:"methods,omitempty"`
	Origins    []netip.Prefix `json:"origins,omitempty"`
	Limits     []PolicyShown  `json:"limits,omitempty"`
	CreatedAt  time.Time      `json:"created_at"`
	ExpiresAt  time.Time      `json:"expires_at,omitzero"`
	LastUsedAt time.Time      `json:"last_used_at,omitzero"`
	RevokedAt  time.Time      `json:"revoked_at,omitzero"`
}

// KeyRevoked is a key that is revoked now.
type KeyRevoked struct {
	KeyShown
	Already bool `json:"already"` // it was revoked before: nothing was changed
}

// KeyCreated is a new key; Key is its text, shown once.
type KeyCreated struct {
	KeyShown
	Key string `json:"key"`
}

func showKey(k toll.Key, now time.Time) KeyShown {
	return KeyShown{
		ID: k.ID, Customer: k.CustomerID, Name: k.Name, Mode: string(k.Mode), Hint: k.Hint,
		State: string(k.StateAt(now)), Services: k.Services, Methods: k.Methods, Origins: k.Origins, Limits: showPolicies("key", k.Limits),
		CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, LastUsedAt: k.LastUsedAt, RevokedAt: k.RevokedAt,
	}
}

func createKey(ctx context.Context, r *rooms, in KeyCreate) (KeyCreated, error) {
	ask := account.NewKey{CustomerID: in.Customer, Name: in.Name, Mode: toll.Live, Services: in.Services, Methods: in.Methods, Origins: in.Origins}
	if in.Test {
		ask.Mode = toll.Test
	}
	if in.ExpiresIn > 0 {
		ask.ExpiresAt = r.clock().Add(time.Duration(in.ExpiresIn) * time.Second)
	}
	if err := r.plans.haveServices(in.Services); err != nil {
		return KeyCreated{}, err
	}
	var err error
	if ask.Limits, err = limitsOfKey(ctx, r, &in); err != nil {
		return KeyCreated{}, err
	}
	made, err := r.office.CreateKey(ctx, account.System, ask)
	if err != nil {
		return KeyCreated{}, err
	}
	return KeyCreated{KeyShown: showKey(made.Key, r.clock()), Key: made.Text.Reveal()}, nil
}

// KeyList asks for a customer's keys.
type KeyList struct {
	Customer string `json:"customer"`
}

// KeyListed are a customer's keys, the newest first.
type KeyListed struct {
	Keys []KeyShown `json:"keys"`
}

func listKeys(ctx context.Context, r *rooms, in KeyList) (KeyListed, error) {
	if _, err := r.office.Customer(ctx, account.System, in.Customer); err != nil {
		return KeyListed{}, err
	}
	if err := r.drain(ctx, 0); err != nil && toll.CodeOf(err) != toll.Unavailable { // last use comes with the drain; without it the list is still one
		return KeyListed{}, err
	}
	keys, err := r.office.Keys(ctx, account.System, in.Customer)
	if err != nil {
		return KeyListed{}, err
	}
	out := KeyListed{Keys: make([]KeyShown, len(keys))}
	for i, k := range keys {
		out.Keys[i] = showKey(k, r.clock())
	}
	return out, nil
}

// KeyRoll asks for a key's replacement.
type KeyRoll struct {
	ID             string `json:"id"`
	OverlapSeconds int64  `json:"overlap_seconds"`
}

func rollKey(ctx context.Context, r *rooms, in KeyRoll) (KeyCreated, error) {
	made, _, err := r.office.RollKey(ctx, account.System, in.ID, time.Duration(in.OverlapSeconds)*time.Second)
	if err != nil {
		return KeyCreated{}, err
	}
	return KeyCreated{KeyShown: showKey(made.Key, r.clock()), Key: made.Text.Reveal()}, nil
}

// KeyRevoke asks for a key's end.
type KeyRevoke struct {
	ID string `json:"id"`
}

func revokeKey(ctx context.Context, r *rooms, in KeyRevoke) (KeyRevoked, error) {
	was, err := r.office.Key(ctx, account.System, in.ID)
	if err != nil {
		return KeyRevoked{}, err
	}
	k, err := r.office.RevokeKey(ctx, account.System, in.ID)
	if err != nil {
		return KeyRevoked{}, err
	}
	return KeyRevoked{KeyShown: showKey(k, r.clock()), Already: !was.RevokedAt.IsZero()}, nil
}

// OperatorCreate asks for an operator; an empty password asks for a random one.
type OperatorCreate struct {
	Email    string `json:"email"`
	Name     string `json:"name,omitempty"`
	Role     string `json:"role"`
	Password string `json:"password,omitempty"`
}

// OperatorCreated is a new operator. Password is there only when it was made
// up, and is shown once.
type OperatorCreated struct {
	ID       string `json:"id"`
	Email    string `json:"email"`
	Role     string `json:"role"`
	Password string `json:"password,omitempty"`
}

func createOperator(ctx context.Context, r *rooms, in OperatorCreate) (OperatorCreated, error) {
	ask := account.NewOperator{
		Email: in.Email, Name: in.Name, Role: toll.OperatorRole(in.Role), Password: toll.Secret(in.Password),
	}
	if ask.Name == "" {
		ask.Name = in.Email
	}
	made := toll.Secret("")
	if in.Password == "" {
		var err error
		if made, err = account.NewPassword(nil); err != nil {
			return OperatorCreated{}, err
		}
		ask.Password = made
	}
	o, err := r.office.CreateOperator(ctx, account.System, ask)
	if err != nil {
		return OperatorCreated{}, err
	}
	return OperatorCreated{ID: o.ID, Email: o.Email, Role: string(o.Role), Password: made.Reveal()}, nil
}
