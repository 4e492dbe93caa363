package nerapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

type healthAnswer struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		Status string `json:"status" enum:"ok" doc:"Always ok: a process that answers is ready, because its term lists are read before it listens."`
	}
}

func registerHealth(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "get-health",
		Method:      http.MethodGet,
		Path:        "/healthz",
		Summary:     "Tell whether the service can answer",
		Tags:        []string{"health"},
	}, func(context.Context, *struct{}) (*healthAnswer, error) {
		answer := &healthAnswer{CacheControl: "no-store"}
		answer.Body.Status = "ok"
		return answer, nil
	})
}
