package nerapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// shortenValues keeps an error from sending a long text back: huma repeats the
// value at fault, and here that may be the whole text.
func shortenValues(_ huma.Context, _ string, v any) (any, error) {
	model, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	for _, detail := range model.Errors {
		switch value := detail.Value.(type) {
		case nil, bool, float64:
		case string:
			if utf8.RuneCountInString(value) > maxValue {
				detail.Value = string([]rune(value)[:maxValue]) + "…"
			}
		default:
			detail.Value = nil
		}
	}
	return model, nil
}

const maxValue = 60

// methods says which paths there are, for the answers to wrong ones.
var methods = map[string]string{
	"/extractions":  "POST",
	"/openapi.json": "GET, HEAD",
	"/docs":         "GET, HEAD",
	"/healthz":      "GET, HEAD",
	"/":             "GET, HEAD",
}

// withProblems answers unknown paths with 404 and wrong methods with 405, as
// problems (RFC 9457) like every other error of the API.
func withProblems(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		allowed, known := methods[r.URL.Path]
		switch {
		case !known:
			writeProblem(w, http.StatusNotFound, "There is nothing at this path. The contract is at openapi.json, the description for people at docs.")
		case !strings.Contains(allowed, r.Method):
			w.Header().Set("Allow", allowed)
			writeProblem(w, http.StatusMethodNotAllowed, "This path takes "+allowed+" only.")
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

func writeProblem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	// The client may be gone; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(&huma.ErrorModel{Title: http.StatusText(status), Status: status, Detail: detail})
}
