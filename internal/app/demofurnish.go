package app

import (
	"context"
	"fmt"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/apikey"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// demoCustomer is one of the customers that the demo makes, one for each plan.
type demoCustomer struct {
	name, plan, email string
	weight            int // of the generated usage, in requests a day
}

var demoCustomers = []demoCustomer{
	{"Lighthouse Labs", "free", "ada@lighthouse.example", 3},
	{"Meridian Analytics", "pro", "grace@meridian.example", 420},
	{"Harbour & Sons", "payg", "linus@harbour.example", 180},
}

const demoOperator = "operator@tollhouse.example"

// furnish makes what a first start needs, and on every later start mends what
// is missing: it can be interrupted anywhere and run again.
func furnish(ctx context.Context, r *rooms, empty bool) (DemoFacts, error) {
	facts, err := loadFacts(r.at.Data)
	if err != nil {
		return facts, err
	}
	if facts.APIKeys == nil {
		facts.APIKeys = map[string]string{}
	}
	if facts.Operator, err = furnishOperator(ctx, r, facts.Operator); err != nil {
		return facts, fmt.Errorf("making the demo's operator: %w", err)
	}
	var made []furnished
	for _, dc := range demoCustomers {
		f, err := furnishCustomer(ctx, r, dc, &facts)
		if err != nil {
			return facts, fmt.Errorf("making the demo customer %s: %w", dc.name, err)
		}
		made = append(made, f)
	}
	facts.APIKey = facts.APIKeys["free"]
	if err := facts.save(r.at.Data); err != nil { // passwords and keys are nowhere else
		return facts, fmt.Errorf("writing %s: %w", factsName, err)
	}
	if empty {
		return facts, nil
	}
	return facts, writeHistory(ctx, r, made)
}

// furnished is a demo customer as it stands in the store.
type furnished struct {
	demoCustomer
	customer toll.Customer
	key      toll.Key
}

func furnishOperator(ctx context.Context, r *rooms, known SignIn) (SignIn, error) {
	operators, err := r.office.Operators(ctx, account.System)
	if err != nil {
		return known, err
	}
	password, err := account.NewPassword(nil)
	if err != nil {
		return known, err
	}
	for _, o := range operators {
		if o.Email != demoOperator {
			continue
		}
		if known.Password != "" {
			return known, nil
		}
		err := r.office.SetPassword(ctx, account.System, toll.KindOperator, o.ID, password)
		return SignIn{Email: demoOperator, Password: password.Reveal()}, err
	}
	_, err = r.office.CreateOperator(ctx, account.System, account.NewOperator{
		Email: demoOperator, Name: "Demo operator", Role: toll.OperatorAdmin, Password: password,
	})
	return SignIn{Email: demoOperator, Password: password.Reveal()}, err
}

func furnishCustomer(ctx context.Context, r *rooms, dc demoCustomer, facts *DemoFacts) (furnished, error) {
	f := furnished{demoCustomer: dc}
	page, err := r.office.Customers(ctx, account.System, toll.CustomerQuery{Search: dc.name, Limit: 100})
	if err != nil {
		return f, err
	}
	for _, c := range page.Customers {
		if c.Demo && c.Name == dc.name {
			f.customer = c
		}
	}
	if f.customer.ID == "" {
		f.customer, err = r.office.CreateCustomer(ctx, account.System, account.NewCustomer{
			Name: dc.name, Plan: dc.plan, Since: r.clock().AddDate(0, 0, -demoDays), Demo: true,
		})
		if err != nil {
			return f, err
		}
	}
	if err := furnishOwner(ctx, r, f, facts); err != nil {
		return f, err
	}
	return f, furnishKey(ctx, r, &f, facts)
}

// furnishOwner gives a demo customer its owner. Only the free one's password is
// printed, so only that one has a password at all: to hash one that nobody
// knows would only make the start slower.
func furnishOwner(ctx context.Context, r *rooms, f furnished, facts *DemoFacts) error {
	members, err := r.office.Members(ctx, account.System, f.customer.ID)
	if err != nil {
		return err
	}
	printed := f.plan == "free"
	password := toll.Secret("")
	if printed {
		if password, err = account.NewPassword(nil); err != nil {
			return err
		}
	}
	for _, m := range members {
		if m.Email != f.email {
			continue
		}
		if !printed || facts.Customer.Password != "" {
			return nil
		}
		facts.Customer = SignIn{Email: f.email, Password: password.Reveal()}
		return r.office.SetPassword(ctx, account.System, toll.KindMember, m.ID, password)
	}
	if printed {
		facts.Customer = SignIn{Email: f.email, Password: password.Reveal()}
	}
	_, err = r.office.CreateMember(ctx, account.System, account.NewMember{
		CustomerID: f.customer.ID, Email: f.email, Name: "Owner of " + f.name, Role: toll.MemberOwner, Password: password,
	})
	return err
}

// furnishKey keeps the key that was printed as long as it is valid, and makes
// one otherwise.
func furnishKey(ctx context.Context, r *rooms, f *furnished, facts *DemoFacts) error {
	keys, err := r.office.Keys(ctx, account.System, f.customer.ID)
	if err != nil {
		return err
	}
	hash := apikey.Hash(facts.APIKeys[f.plan])
	for _, k := range keys {
		if k.Hash == hash && k.StateAt(r.clock()) == toll.KeyValid {
			f.key = k
			return nil
		}
	}
	made, err := r.office.CreateKey(ctx, account.System, account.NewKey{CustomerID: f.customer.ID, Name: "demo", Mode: toll.Live})
	if err != nil {
		return err
	}
	f.key, facts.APIKeys[f.plan] = made.Key, made.Text.Reveal()
	return nil
}
