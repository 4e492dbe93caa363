package api

import (
	"context"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// model is an uploaded file as the API shows it, without its content.
type model struct {
	ID         string     `json:"id"`
	Customer   string     `json:"customer"`
	Service    string     `json:"service"`
	Name       string     `json:"name"`
	Type       string     `json:"type"`
	Size       int64      `json:"size" doc:"Bytes"`
	SHA256     string     `json:"sha256" doc:"Of the content, in hex"`
	State      string     `json:"state"`
	Reason     string     `json:"reason,omitempty" doc:"Why it was rejected"`
	UploadedBy string     `json:"uploaded_by"`
	CreatedAt  time.Time  `json:"created_at"`
	DecidedBy  string     `json:"decided_by,omitempty"`
	DecidedAt  *time.Time `json:"decided_at,omitempty"`
	Version    int64      `json:"version"`
}

func showModel(m *toll.Model) model {
	return model{
		m.ID, m.CustomerID, m.Service, m.Name, string(m.Type), m.Size, hex.EncodeToString(m.SHA256[:]), string(m.State), m.Reason, m.UploadedBy, m.CreatedAt,
		m.DecidedBy, maybe(m.DecidedAt), m.Version,
	}
}

type modelAnswer struct {
	Versioned
	Body model
}

// OfModel is the path of an operation about one model.
type OfModel struct {
	OfCustomer
	Model string `path:"model" maxLength:"100"`
}

type modelList struct {
	Body struct {
		Models []model `json:"models"`
	}
}

func listModels(all []toll.Model, err error) (*modelList, error) {
	if err != nil {
		return nil, err
	}
	out := &modelList{}
	out.Body.Models = []model{}
	for i := range all {
		out.Body.Models = append(out.Body.Models, showModel(&all[i]))
	}
	return out, nil
}

func addListModels(a *API) {
	register(a, huma.Operation{
		OperationID: "list-models", Method: http.MethodGet, Path: "/customers/{customer}/models", Tags: []string{"Models"}, Summary: "List what a customer uploaded",
	}, rule{scope: toll.ScopeReadModels, action: account.ListModels}, func(ctx context.Context, c *call, _ *OfCustomer) (*modelList, error) {
		return listModels(a.o.Models.List(ctx, c.person, c.customer))
	})
}

func addListAllModels(a *API) {
	type listAllModelsRequest struct {
		State string `query:"state" enum:"uploaded,approved,rejected" default:"uploaded" doc:"uploaded: it waits for an operator"`
	}
	register(a, huma.Operation{
		OperationID: "list-all-models", Method: http.MethodGet, Path: "/models", Tags: []string{"Models"}, Summary: "List models of all customers in a state",
		Description: "Those that wait come oldest first, others newest first.",
	}, rule{scope: toll.ScopeReadModels, action: account.ListAllModels}, func(ctx context.Context, c *call, in *listAllModelsRequest) (*modelList, error) {
		return listModels(a.o.Models.In(ctx, c.person, toll.ModelState(in.State)))
	})
}

// changeModel does something to the model in the path.
func (a *API) changeModel(ctx context.Context, c *call, id string, change func() (toll.Model, error)) (*modelAnswer, error) {
	m, err := a.o.Models.Model(ctx, c.person, id)
	if m, err = of(c, m, m.CustomerID, err, "model"); err == nil && change != nil {
		m, err = change()
	}
	if err != nil {
		return nil, err
	}
	return &modelAnswer{version(m.Version), showModel(&m)}, nil
}

func addShowModel(a *API) {
	register(a, huma.Operation{
		OperationID: "show-model", Method: http.MethodGet, Path: "/customers/{customer}/models/{model}", Tags: []string{"Models"}, Summary: "Show a model",
	}, rule{scope: toll.ScopeReadModels, action: account.ListModels}, func(ctx context.Context, c *call, in *OfModel) (*modelAnswer, error) {
		return a.changeModel(ctx, c, in.Model, nil)
	})
}

func addApproveModel(a *API) {
	register(a, huma.Operation{
		OperationID: "approve-model", Method: http.MethodPost, Path: "/customers/{customer}/models/{model}/approve", Tags: []string{"Models"}, Summary: "Let the service have a model",
	}, rule{scope: toll.ScopeWriteModels, action: account.DecideModel}, func(ctx context.Context, c *call, in *OfModel) (*modelAnswer, error) {
		return a.changeModel(ctx, c, in.Model, func() (toll.Model, error) { return a.o.Models.Approve(ctx, c.person, in.Model) })
	})
}

func addRejectModel(a *API) {
	type rejectModelRequest struct {
		OfModel
		Body struct {
			Reason string `json:"reason" maxLength:"1000" doc:"For the customer to read"`
		}
	}
	register(a, huma.Operation{
		OperationID: "reject-model", Method: http.MethodPost, Path: "/customers/{customer}/models/{model}/reject", Tags: []string{"Models"}, Summary: "Refuse a model, and say why",
	}, rule{scope: toll.ScopeWriteModels, action: account.DecideModel}, func(ctx context.Context, c *call, in *rejectModelRequest) (*modelAnswer, error) {
		return a.changeModel(ctx, c, in.Model, func() (toll.Model, error) { return a.o.Models.Reject(ctx, c.person, in.Model, in.Body.Reason) })
	})
}

func addDeleteModel(a *API) {
	register(a, huma.Operation{
		OperationID: "delete-model", Method: http.MethodDelete, Path: "/customers/{customer}/models/{model}", Tags: []string{"Models"}, Summary: "Delete a model with its content",
	}, rule{scope: toll.ScopeWriteModels, action: account.DeleteModel}, func(ctx context.Context, c *call, in *OfModel) (*modelAnswer, error) {
		return a.changeModel(ctx, c, in.Model, func() (toll.Model, error) { return a.o.Models.Delete(ctx, c.person, in.Model) })
	})
}
