package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// What the API calls the kinds of limits, and whom they count apart.
var (
	kindNames      = map[toll.PolicyKind]string{toll.RateLimit: "rate", toll.Quota: "quota", toll.ConcurrencyLimit: "concurrency"}
	partitionNames = map[toll.Partition]string{toll.PerCustomer: "customer", toll.PerKey: "key", toll.PerIP: "ip"}
)

// policy is a limit as the API shows it.
type policy struct {
	Name     string `json:"name"`
	Kind     string `json:"kind" doc:"rate, quota or concurrency"`
	Per      string `json:"per,omitempty" doc:"Whom it counts apart: customer, key or ip"`
	Service  string `json:"service,omitempty"`
	Endpoint string `json:"endpoint,omitempty"`
	Shadow   bool   `json:"shadow,omitempty" doc:"It only reports"`
	Count    int64  `json:"count"`
	Window   string `json:"window,omitempty" doc:"Of a rate limit"`
	Burst    int64  `json:"burst,omitempty"`
	Unit     string `json:"unit,omitempty" doc:"Of a quota"`
	Every    string `json:"every,omitempty" doc:"Of a quota"`
}

func showPolicy(p toll.Policy) policy {
	out := policy{
		Name: p.Name, Kind: kindNames[p.Kind], Per: partitionNames[p.Partition], Service: p.Service, Endpoint: p.Endpoint, Shadow: p.Shadow,
		Count: p.Count, Burst: p.Burst, Unit: p.Unit, Every: string(p.Every),
	}
	if p.Window != 0 {
		out.Window = p.Window.String()
	}
	return out
}

// Override asks for a limit of one customer: one of Rate, Quota and Concurrency.
// What is left out is as in the plan's limit of the same name.
type Override struct {
	Rate        string `json:"rate,omitempty" maxLength:"100" example:"50/minute"`
	Burst       int64  `json:"burst,omitempty" minimum:"0" maximum:"1000000000000"`
	Quota       *int64 `json:"quota,omitempty" minimum:"0" maximum:"1000000000000"`
	Unit        string `json:"unit,omitempty" maxLength:"100" doc:"Of a quota"`
	Every       string `json:"every,omitempty" enum:"day,month" doc:"Of a quota"`
	Concurrency int64  `json:"concurrency,omitempty" minimum:"1" maximum:"1000000000000"`
	Per         string `json:"per,omitempty" enum:"customer,key,ip"`
	Service     string `json:"service,omitempty" maxLength:"100" doc:"Only for calls of it"`
	Shadow      bool   `json:"shadow,omitempty" doc:"Only report, never refuse"`
}

// kinds is how many of the three kinds of limits it asks for.
func (o *Override) kinds() (n int) {
	for _, is := range []bool{o.Rate != "", o.Quota != nil, o.Concurrency != 0} {
		if is {
			n++
		}
	}
	return n
}

// OfOverride is the path of an operation about one override.
type OfOverride struct {
	OfCustomer
	Name string `path:"name" maxLength:"100"`
}

func addSetOverride(a *API) {
	type setOverrideRequest struct {
		OfOverride
		Body Override
	}
	register(a, huma.Operation{
		OperationID: "set-override", Method: http.MethodPut, Path: "/customers/{customer}/overrides/{name}", Tags: []string{"Customers"},
		Summary: "Make a limit hold for one customer alone", Description: "In place of the plan's limit of the same name, or beside them; from the next request on. What was used stays used.",
	}, rule{scope: toll.ScopeWriteCustomers, action: account.SetOverride}, func(ctx context.Context, c *call, in *setOverrideRequest) (*customerAnswer, error) {
		if in.Body.kinds() != 1 {
			return nil, toll.FieldError("rate", "Give one of rate, quota and concurrency.")
		}
		of, err := a.o.Office.Customer(ctx, c.person, c.customer)
		if err != nil {
			return nil, err
		}
		policy, err := a.o.Policy(of, in.Name, in.Body)
		if err != nil {
			return nil, err
		}
		return answerCustomer(a.o.Office.SetOverride(ctx, c.person, c.customer, policy))
	})
}

func addRemoveOverride(a *API) {
	register(a, huma.Operation{
		OperationID: "remove-override", Method: http.MethodDelete, Path: "/customers/{customer}/overrides/{name}", Tags: []string{"Customers"}, Summary: "Let the plan's own limit hold again",
	}, rule{scope: toll.ScopeWriteCustomers, action: account.SetOverride}, func(ctx context.Context, c *call, in *OfOverride) (*customerAnswer, error) {
		return answerCustomer(a.o.Office.RemoveOverride(ctx, c.person, c.customer, in.Name))
	})
}
