package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// customer is a customer as the API shows it.
type customer struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Status      string     `json:"status" doc:"active, suspended or closed"`
	Plan        string     `json:"plan"`
	PlanVersion string     `json:"plan_version" doc:"What is billed"`
	Addons      []string   `json:"addons"`
	Since       time.Time  `json:"since" doc:"The anchor of the subscription's months"`
	Overrides   []policy   `json:"overrides" doc:"Limits that hold for this customer in place of the plan's, or beside them"`
	Demo        bool       `json:"demo,omitempty"`
	CreatedAt   time.Time  `json:"created_at"`
	ClosedAt    *time.Time `json:"closed_at,omitempty" doc:"When its personal data was deleted; missing unless closed"`
	Version     int64      `json:"version" doc:"Counts the changes; also the ETag"`
}

func showCustomer(c *toll.Customer) customer {
	out := customer{
		ID: c.ID, Name: c.Name, Status: string(c.Status), Plan: c.Subscription.Plan, PlanVersion: c.Subscription.PlanVersion,
		Addons: append([]string{}, c.Subscription.Addons...), Since: c.Subscription.Since, Overrides: []policy{}, Demo: c.Demo, CreatedAt: c.CreatedAt, ClosedAt: maybe(c.ClosedAt), Version: c.Version,
	}
	for _, p := range c.Subscription.Overrides {
		out.Overrides = append(out.Overrides, showPolicy(p))
	}
	return out
}

type customerAnswer struct {
	Versioned
	Body customer
}

func answerCustomer(c toll.Customer, err error) (*customerAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &customerAnswer{version(c.Version), showCustomer(&c)}, nil
}

// OfCustomer is the path of an operation about one customer.
type OfCustomer struct {
	Customer string `path:"customer" maxLength:"100"`
}

func addListCustomers(a *API) {
	type question struct {
		Search     string `query:"search" maxLength:"200" doc:"Part of the name or of the ID"`
		Status     string `query:"status" enum:"active,suspended,closed"`
		Plan       string `query:"plan" maxLength:"100"`
		Sort       string `query:"sort" enum:"name,created" default:"name"`
		Descending bool   `query:"descending"`
		Limit      int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
		Cursor     string `query:"cursor" maxLength:"1000" doc:"next of the page before, for the same sort"`
	}
	type listCustomersAnswer struct {
		Body struct {
			Customers []customer `json:"customers"`
			Next      string     `json:"next,omitempty" doc:"The cursor of the page after this one; missing on the last"`
		}
	}
	register(a, huma.Operation{
		OperationID: "list-customers", Method: http.MethodGet, Path: "/customers", Tags: []string{"Customers"}, Summary: "List customers",
	}, rule{scope: toll.ScopeReadCustomers, action: account.ListCustomers}, func(ctx context.Context, c *call, in *question) (*listCustomersAnswer, error) {
		page, err := a.o.Office.Customers(ctx, c.person, toll.CustomerQuery{
			Search: in.Search, Status: toll.CustomerStatus(in.Status), Plan: in.Plan, Sort: toll.CustomerSort(in.Sort), Descending: in.Descending, Cursor: in.Cursor, Limit: in.Limit,
		})
		if err != nil {
			return nil, err
		}
		out := &listCustomersAnswer{}
		out.Body.Customers, out.Body.Next = []customer{}, page.Next
		for i := range page.Customers {
			out.Body.Customers = append(out.Body.Customers, showCustomer(&page.Customers[i]))
		}
		return out, nil
	})
}

func addCreateCustomer(a *API) {
	type createCustomerRequest struct {
		Body struct {
			Name  string    `json:"name" maxLength:"200"`
			Plan  string    `json:"plan" maxLength:"100" doc:"A plan's name in the configuration"`
			Since time.Time `json:"since,omitempty" required:"false" doc:"When the subscription began; now when it is missing"`
		}
	}
	register(a, huma.Operation{
		OperationID: "create-customer", Method: http.MethodPost, Path: "/customers", Tags: []string{"Customers"}, Summary: "Create a customer", DefaultStatus: http.StatusCreated,
	}, rule{scope: toll.ScopeWriteCustomers, action: account.CreateCustomer}, func(ctx context.Context, c *call, in *createCustomerRequest) (*customerAnswer, error) {
		return answerCustomer(a.o.Office.CreateCustomer(ctx, c.person, account.NewCustomer{Name: in.Body.Name, Plan: in.Body.Plan, Since: in.Body.Since}))
	})
}

func addShowCustomer(a *API) {
	register(a, huma.Operation{
		OperationID: "show-customer", Method: http.MethodGet, Path: "/customers/{customer}", Tags: []string{"Customers"}, Summary: "Show a customer",
	}, rule{scope: toll.ScopeReadCustomers, action: account.ReadCustomer}, func(ctx context.Context, c *call, _ *OfCustomer) (*customerAnswer, error) {
		return answerCustomer(a.o.Office.Customer(ctx, c.person, c.customer))
	})
}

func addRenameCustomer(a *API) {
	type renameCustomerRequest struct {
		OfCustomer
		Condition
		Body struct {
			Name string `json:"name" maxLength:"200"`
		}
	}
	register(a, huma.Operation{
		OperationID: "rename-customer", Method: http.MethodPatch, Path: "/customers/{customer}", Tags: []string{"Customers"}, Summary: "Give a customer another name",
	}, rule{scope: toll.ScopeWriteCustomers, action: account.RenameCustomer}, func(ctx context.Context, c *call, in *renameCustomerRequest) (*customerAnswer, error) {
		return a.changeCustomer(ctx, c, &in.Condition, func(seen int64) (toll.Customer, error) {
			return a.o.Office.RenameCustomer(ctx, c.person, c.customer, in.Body.Name, seen)
		})
	})
}

func addSetPlan(a *API) {
	type setPlanRequest struct {
		OfCustomer
		Condition
		Body struct {
			Plan string `json:"plan" maxLength:"100"`
		}
	}
	register(a, huma.Operation{
		OperationID: "set-plan", Method: http.MethodPut, Path: "/customers/{customer}/plan", Tags: []string{"Customers"},
		Summary: "Move a customer to the newest version of a plan", Description: "It holds from the next request on. A member asks for it instead: `ask-plan`.",
	}, rule{scope: toll.ScopeWriteCustomers, action: account.SetPlan}, func(ctx context.Context, c *call, in *setPlanRequest) (*customerAnswer, error) {
		return a.changeCustomer(ctx, c, &in.Condition, func(seen int64) (toll.Customer, error) {
			return a.o.Office.SetPlan(ctx, c.person, c.customer, in.Body.Plan, seen)
		})
	})
}

// changeCustomer makes a change that may be bound to a version.
func (a *API) changeCustomer(ctx context.Context, c *call, bound *Condition, change func(seen int64) (toll.Customer, error)) (*customerAnswer, error) {
	seen, err := bound.seen()
	if err != nil {
		return nil, err
	}
	changed, err := change(seen)
	if toll.CodeOf(err) == toll.Conflict && seen != 0 {
		if now, e := a.o.Office.Customer(ctx, c.person, c.customer); e == nil {
			err = stale(err, seen, now.Version, showCustomer(&now))
		}
	}
	return answerCustomer(changed, err)
}

func addSuspendCustomer(a *API) {
	register(a, huma.Operation{
		OperationID: "suspend-customer", Method: http.MethodPost, Path: "/customers/{customer}/suspend", Tags: []string{"Customers"}, Summary: "Refuse every call of a customer",
		Description: "From the next request on. A suspended one stays as it is.",
	}, rule{scope: toll.ScopeWriteCustomers, action: account.SuspendCustomer}, func(ctx context.Context, c *call, _ *OfCustomer) (*customerAnswer, error) {
		return answerCustomer(a.o.Office.Suspend(ctx, c.person, c.customer))
	})
}

func addResumeCustomer(a *API) {
	register(a, huma.Operation{
		OperationID: "resume-customer", Method: http.MethodPost, Path: "/customers/{customer}/resume", Tags: []string{"Customers"}, Summary: "Let a suspended customer call again",
	}, rule{scope: toll.ScopeWriteCustomers, action: account.ResumeCustomer}, func(ctx context.Context, c *call, _ *OfCustomer) (*customerAnswer, error) {
		return answerCustomer(a.o.Office.Resume(ctx, c.person, c.customer))
	})
}
