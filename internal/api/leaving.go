package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func addExportCustomer(a *API) {
	type exportCustomerAnswer struct {
		Body struct {
			ExportedAt time.Time           `json:"exported_at"`
			Record     toll.CustomerRecord `json:"record" doc:"The rows by what they are: customer, subscription, members, keys, approvals, threads, messages, models, usage, invoices and more"`
		}
	}
	register(a, huma.Operation{
		OperationID: "export-customer", Method: http.MethodGet, Path: "/customers/{customer}/export", Tags: []string{"Customers"}, Summary: "Export all that is kept of a customer",
		Description: "One document: the customer, its people, keys, what they asked for, wrote and uploaded, its usage by month and its invoices. Hashes, links and the contents of files are not in it, nor single requests.",
	}, rule{scope: toll.ScopeReadCustomers, action: account.ExportCustomer}, func(ctx context.Context, c *call, _ *OfCustomer) (*exportCustomerAnswer, error) {
		record, err := a.o.Office.ExportCustomer(ctx, c.person, c.customer)
		if err != nil {
			return nil, err
		}
		out := &exportCustomerAnswer{}
		out.Body.ExportedAt, out.Body.Record = a.o.Clock().UTC(), record
		return out, nil
	})
}

func addDeleteCustomer(a *API) {
	type deleteCustomerRequest struct {
		OfCustomer
		Body struct {
			Customer string `json:"customer" maxLength:"100" doc:"The customer's ID once more, so that no slip deletes one"`
		}
	}
	register(a, huma.Operation{
		OperationID: "delete-customer", Method: http.MethodPost, Path: "/customers/{customer}/delete", Tags: []string{"Customers"}, Summary: "Delete a customer's personal data and close it, for ever",
		Description: "Its people, the names of its keys, conversations and models are deleted, its keys revoked. Invoices, sums of usage, events and the audit log stay under its ID.",
	}, rule{scope: toll.ScopeWriteCustomers, action: account.DeleteCustomer}, func(ctx context.Context, c *call, in *deleteCustomerRequest) (*customerAnswer, error) {
		if in.Body.Customer != c.customer {
			return nil, toll.FieldError("customer", "Repeat the customer's ID here to say that it is meant.")
		}
		return answerCustomer(a.o.Office.DeleteCustomer(ctx, c.person, c.customer))
	})
}
