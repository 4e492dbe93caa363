package api

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// rule says who may call an operation: a token with the scope, whose owner may
// do the action. Every operation has one.
type rule struct {
	scope toll.TokenScope // "": any valid token
	// action is done to one customer, where it is account.OnCustomer: the one in
	// the path or in the query's `customer`. "": whoever has a token.
	action account.Action
	// everyone is asked in the place of action when no customer was named. A
	// member who names none means the own customer, whatever this says. "": a
	// customer must be named.
	everyone account.Action
}

// call is one request, and what the gate found out about it.
type call struct {
	id       string // X-Request-ID
	now      time.Time
	person   account.Person
	token    toll.APIToken
	origin   account.Origin // for the audit log
	customer string         // whom the call is about, and nobody else; "": everyone
}

type callKey struct{}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	if c == nil {
		c = &call{} // outside of ServeHTTP there is none
	}
	return c
}

// register adds an operation behind the gate. What serve returns as an error
// becomes a problem; one that is our fault is logged here, once.
func register[In, Out any](a *API, o huma.Operation, r rule, serve func(ctx context.Context, c *call, in *In) (*Out, error)) {
	a.rules[o.OperationID] = r
	o.Security = []map[string][]string{{"token": scopesOf(r)}}
	if r.scope != "" {
		o.Description = strings.TrimSpace(o.Description + "\n\nNeeds the scope `" + string(r.scope) + "`.")
	}
	if o.Responses == nil {
		o.Responses = map[string]*huma.Response{}
	}
	o.Responses["default"] = &huma.Response{
		Description: "A problem (RFC 9457)",
		Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: a.huma.OpenAPI().Components.Schemas.Schema(problemType, true, "Problem")}},
	}
	if o.BodyReadTimeout == 0 {
		o.BodyReadTimeout = bodyPatience
	}
	o.Middlewares = append(huma.Middlewares{a.gate(r)}, o.Middlewares...)
	huma.Register(a.huma, o, func(ctx context.Context, in *In) (*Out, error) {
		c := callOf(ctx)
		out, err := serve(ctx, c, in)
		if err != nil {
			p := problemOf(err)
			if p.Status >= http.StatusInternalServerError {
				a.o.Logger.ErrorContext(ctx, "an API operation failed", "request_id", c.id, "operation", o.OperationID, "error", p.Error())
			}
			return nil, p
		}
		return out, nil
	})
}

// bodyPatience is how long a request's body may take.
const bodyPatience = 30 * time.Second

func scopesOf(r rule) []string {
	if r.scope == "" {
		return []string{}
	}
	return []string{string(r.scope)}
}

// gate is the one door before every operation.
func (a *API) gate(r rule) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		c := callOf(ctx.Context())
		if err := a.enter(ctx, c, r); err != nil {
			if c.person.Kind != "" {
				a.o.Refusals.Note(ctx.Context(), c.person, r.action, c.customer, "", c.now)
			}
			p := problemOf(err)
			if p.Status >= http.StatusInternalServerError {
				a.o.Logger.ErrorContext(ctx.Context(), "an API token could not be checked", "request_id", c.id, "error", p.Error())
			}
			_, w := humago.Unwrap(ctx)
			a.refuse(w, c, p)
			return
		}
		c.origin.Through = c.token.ID
		next(huma.WithContext(ctx, account.WithOrigin(ctx.Context(), c.origin)))
	}
}

// clientAddr is who calls: the front has put the client's address in the
// connection's place where it knows better.
func clientAddr(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// enter finds out who calls, for whom, and whether they may.
func (a *API) enter(ctx huma.Context, c *call, r rule) error {
	text, err := bearer(ctx)
	if err != nil {
		return err
	}
	if c.person, c.token, err = a.o.Tokens.Authenticate(ctx.Context(), text); err != nil {
		return err
	}
	if r.scope != "" && !c.token.Allows(r.scope) {
		p := problemOf(toll.Errorf(toll.Forbidden, "This token may not be used for this: it takes one with the scope %s (`tollhouse token create --scope %s`).", r.scope, r.scope))
		p.kind = "api-scope"
		p.header = http.Header{"Www-Authenticate": {`Bearer realm="tollhouse-api", error="insufficient_scope", scope="` + string(r.scope) + `"`}}
		return p
	}
	if r.action == "" {
		return nil
	}
	if account.ScopeOf(r.action) == account.OnInstallation {
		return account.Can(c.person, r.action, "")
	}
	if c.customer = ctx.Param("customer"); c.customer == "" {
		c.customer = ctx.Query("customer")
	}
	if c.customer == "" && c.person.IsMember() {
		c.customer = c.person.CustomerID
	}
	switch {
	case c.customer != "":
		return account.Can(c.person, r.action, c.customer)
	case r.everyone != "":
		return account.Can(c.person, r.everyone, "")
	}
	return toll.FieldError("customer", "Name the customer that this is about.")
}

// bearer takes the token out of a request (RFC 6750 §2.1). There is no other
// place for one: a query string ends up in logs.
func bearer(ctx huma.Context) (string, error) {
	r, _ := humago.Unwrap(ctx)
	fields := r.Header["Authorization"]
	if len(fields) == 0 {
		return "", &problem{
			Status: http.StatusUnauthorized, kind: "api-token", Title: "API token missing",
			Detail: "Send an API token as “Authorization: Bearer TOKEN”. Make one with `tollhouse token create`.",
			header: http.Header{"Www-Authenticate": {`Bearer realm="tollhouse-api"`}}, // RFC 6750 §3.1: no error code when nothing was sent
		}
	}
	scheme, text, _ := strings.Cut(fields[0], " ")
	if len(fields) > 1 || !strings.EqualFold(scheme, "bearer") {
		return "", account.ErrTokenMalformed
	}
	return strings.TrimSpace(text), nil
}
