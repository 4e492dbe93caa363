package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Prefix is where the API is on its host.
const Prefix = "/api/v1"

// Tokens says who a program acts for; *account.Tokens does.
type Tokens interface {
	Authenticate(ctx context.Context, text string) (account.Person, toll.APIToken, error)
}

// Options are what an API needs. What is not said to be optional is needed.
type Options struct {
	Tokens  Tokens
	Events  Events
	Usage   Usage
	Office  Office
	Models  Models
	Support Support
	// Policy makes the limit that an override asks for, and checks that it can hold
	// beside the customer's others. Invalid names the field.
	Policy  func(of toll.Customer, name string, in Override) (toll.Policy, error)
	Version string         // of the program
	URL     string         // of the console, with a slash at the end, for the contract
	Zone    *time.Location // of days and months where a question names none; nil: UTC
	Clock   toll.Clock     // nil: toll.SystemClock
	IDs     *toll.IDs      // nil: toll.NewIDs(nil)
	Logger  *slog.Logger   // nil: slog.Default()
	// Refusals counts for the audit log what was refused. nil: nobody counts.
	Refusals *account.Refusals
	// Limits tells what a customer has used of its limits, as the gate counts. nil: not told.
	Limits func(customer string) []toll.LimitState
	// MaxBatch is how many bytes the events of one request may have; 0: 64 MB.
	MaxBatch int64
}

// API answers the management API. It is safe for concurrent use.
type API struct {
	o        Options
	huma     huma.API
	mux      *http.ServeMux
	rules    map[string]rule // by operation ID
	contract contract

	ending context.Context // over when End was called
	end    context.CancelFunc
}

// New opens the API. What is missing in the options is an error.
func New(o Options) (*API, error) {
	if o.Tokens == nil || o.Events == nil || o.Usage == nil || o.Office == nil || o.Models == nil || o.Support == nil || o.Policy == nil {
		return nil, errors.New("open the management API: tokens, events, usage, an office, models, support and policies are needed")
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Clock == nil {
		o.Clock = toll.SystemClock
	}
	if o.IDs == nil {
		o.IDs = toll.NewIDs(nil)
	}
	if o.MaxBatch == 0 {
		o.MaxBatch = mostBody
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	a := &API{o: o, mux: http.NewServeMux(), rules: map[string]rule{}}
	a.ending, a.end = context.WithCancel(context.Background())
	config := huma.DefaultConfig("Tollhouse management API", o.Version)
	config.Info.Description = "Management of a Tollhouse installation. Errors are problems (RFC 9457). See docs/api.md."
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", "" // served by this package
	config.CreateHooks = nil                                             // no $schema in answers
	config.RejectUnknownQueryParameters = true
	config.Transformers = []huma.Transformer{asProblem}
	config.Formats = map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat}
	config.Servers = []*huma.Server{{URL: strings.TrimSuffix(o.URL, "/") + Prefix}}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", Description: "An API token (`tollhouse token create`), not a customer's key."},
	}
	a.huma = humago.NewWithPrefix(a.mux, Prefix, config)
	for _, add := range operations {
		add(a)
	}
	a.contract.of(a.huma.OpenAPI())
	a.mux.HandleFunc("GET "+Prefix+"/openapi.json", a.contract.serveJSON)
	a.mux.HandleFunc("GET "+Prefix+"/openapi.yaml", a.contract.serveYAML)
	a.refuseOtherMethods()
	return a, nil
}

// End ends what has no end of its own, before the program does.
func (a *API) End() { a.end() }

// Has tells whether a request is the API's to answer, whoever asks.
func (*API) Has(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/api/") }

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{now: a.o.Clock(), id: w.Header().Get("X-Request-ID")}
	if c.id == "" { // the front's, when there is one
		c.id = a.o.IDs.New(c.now).String()
		w.Header().Set("X-Request-ID", c.id)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Vary", "Authorization")
	c.origin = account.Origin{Way: toll.WayAPI, IP: clientAddr(r), RequestID: c.id}
	r = r.WithContext(context.WithValue(account.WithOrigin(r.Context(), c.origin), callKey{}, c))
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler { //nolint:errorlint // the value itself is the signal
				panic(p)
			}
			a.o.Logger.ErrorContext(r.Context(), "an API operation panicked", "request_id", c.id, "path", r.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			a.refuse(w, c, internal)
		}
	}()
	a.mux.ServeHTTP(w, r)
}

// refuseOtherMethods answers for paths that there are with methods that they
// do not take, and for paths that there are not.
func (a *API) refuseOtherMethods() {
	methods := map[string][]string{"/openapi.json": {"GET", "HEAD"}, "/openapi.yaml": {"GET", "HEAD"}}
	for path, item := range a.huma.OpenAPI().Paths {
		for method, op := range map[string]*huma.Operation{
			"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete,
		} {
			if op != nil {
				methods[path] = append(methods[path], method)
			}
		}
		if item.Get != nil {
			methods[path] = append(methods[path], "HEAD")
		}
	}
	for path, allowed := range methods {
		slices.Sort(allowed)
		allow := strings.Join(allowed, ", ")
		a.mux.HandleFunc(Prefix+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", allow)
			a.refuse(w, callOf(r.Context()), &problem{Status: http.StatusMethodNotAllowed, kind: "api-method", Title: "Method not allowed", Detail: "This path takes " + allow + "."})
		})
	}
	a.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.refuse(w, callOf(r.Context()), &problem{Status: http.StatusNotFound, kind: "api-path", Title: "Nothing here", Detail: "The API has nothing at this path. What there is stands in " + Prefix + "/openapi.json."})
	})
}

// contract is the OpenAPI document in both forms, made once.
type contract struct {
	document   *huma.OpenAPI
	once       sync.Once
	json, yaml []byte
	err        error
}

func (c *contract) of(document *huma.OpenAPI) {
	for _, unused := range []string{"ErrorModel", "ErrorDetail"} { // huma's own form of errors, which is not ours
		delete(document.Components.Schemas.Map(), unused)
	}
	c.document = document
}

func (c *contract) serveJSON(w http.ResponseWriter, r *http.Request) {
	c.serve(w, r, "application/openapi+json", func() []byte { return c.json })
}

func (c *contract) serveYAML(w http.ResponseWriter, r *http.Request) {
	c.serve(w, r, "application/openapi+yaml", func() []byte { return c.yaml })
}

func (c *contract) serve(w http.ResponseWriter, _ *http.Request, contentType string, body func() []byte) {
	c.once.Do(func() {
		if c.json, c.err = c.document.MarshalJSON(); c.err == nil {
			c.yaml, c.err = c.document.YAML()
		}
	})
	if c.err != nil {
		panic(c.err) // told in the log, and answered with a problem
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(body()) // whoever hung up does not want it
}
