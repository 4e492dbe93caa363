package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// CustomerKey is a customer's key as the API shows it: never its text, nor a hash of it.
type CustomerKey struct {
	ID         string     `json:"id"`
	Customer   string     `json:"customer"`
	Name       string     `json:"name"`
	Mode       string     `json:"mode"`
	Hint       string     `json:"hint" doc:"The last four characters"`
	State      string     `json:"state" doc:"valid, expired or revoked"`
	Services   []string   `json:"services" doc:"That it may call; none: all of the plan"`
	Methods    []string   `json:"methods" doc:"None: all"`
	Origins    []string   `json:"origins" doc:"Addresses that it may be used from; none: all"`
	Limits     []policy   `json:"limits" doc:"Its own, beside the plan's"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty"`
	RevokedAt  *time.Time `json:"revoked_at,omitempty"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty" doc:"To the minute"`
	ReplacedBy string     `json:"replaced_by,omitempty" doc:"The key that took its place"`
	Version    int64      `json:"version"`
}

func showKey(k *toll.Key, now time.Time) CustomerKey {
	out := CustomerKey{
		ID: k.ID, Customer: k.CustomerID, Name: k.Name, Mode: string(k.Mode), Hint: k.Hint, State: string(k.StateAt(now)),
		Services: append([]string{}, k.Services...), Methods: append([]string{}, k.Methods...), Origins: []string{}, Limits: []policy{},
		CreatedAt: k.CreatedAt, ExpiresAt: maybe(k.ExpiresAt), RevokedAt: maybe(k.RevokedAt), LastUsedAt: maybe(k.LastUsedAt), ReplacedBy: k.ReplacedBy, Version: k.Version,
	}
	for _, o := range k.Origins {
		out.Origins = append(out.Origins, o.String())
	}
	for _, p := range k.Limits {
		out.Limits = append(out.Limits, showPolicy(p))
	}
	return out
}

// madeKey is a new key with its text, which is nowhere else.
type madeKey struct {
	CustomerKey
	Text string `json:"text" doc:"What requests show. It is told here once, and kept nowhere"`
}

type keyAnswer struct {
	Versioned
	Body CustomerKey
}

type madeKeyAnswer struct {
	Versioned
	Body madeKey
}

// OfKey is the path of an operation about one key of a customer.
type OfKey struct {
	OfCustomer
	Key string `path:"key" maxLength:"100"`
}

// keyOf reads the key in the path.
func (a *API) keyOf(ctx context.Context, c *call, id string) (toll.Key, error) {
	k, err := a.o.Office.Key(ctx, c.person, id)
	return of(c, k, k.CustomerID, err, "key")
}

func addListKeys(a *API) {
	type listKeysAnswer struct {
		Body struct {
			Keys []CustomerKey `json:"keys" doc:"The newest first, also those that are expired or revoked"`
		}
	}
	register(a, huma.Operation{
		OperationID: "list-keys", Method: http.MethodGet, Path: "/customers/{customer}/keys", Tags: []string{"Keys"}, Summary: "List a customer's keys",
	}, rule{scope: toll.ScopeReadKeys, action: account.ListKeys}, func(ctx context.Context, c *call, _ *OfCustomer) (*listKeysAnswer, error) {
		keys, err := a.o.Office.Keys(ctx, c.person, c.customer)
		if err != nil {
			return nil, err
		}
		out := &listKeysAnswer{}
		out.Body.Keys = []CustomerKey{}
		for i := range keys {
			out.Body.Keys = append(out.Body.Keys, showKey(&keys[i], c.now))
		}
		return out, nil
	})
}

func addCreateKey(a *API) {
	type createKeyRequest struct {
		OfCustomer
		Body struct {
			Name      string    `json:"name" maxLength:"100"`
			Mode      string    `json:"mode,omitempty" enum:"live,test" default:"live"`
			Services  []string  `json:"services,omitempty" maxItems:"100" nullable:"false"`
			Methods   []string  `json:"methods,omitempty" maxItems:"100" nullable:"false"`
			Origins   []string  `json:"origins,omitempty" maxItems:"100" nullable:"false"`
			ExpiresAt time.Time `json:"expires_at,omitempty" required:"false" doc:"Never when it is missing"`
		}
	}
	register(a, huma.Operation{
		OperationID: "create-key", Method: http.MethodPost, Path: "/customers/{customer}/keys", Tags: []string{"Keys"}, Summary: "Make a key", DefaultStatus: http.StatusCreated,
		Description: "Valid at once. Its text is in this answer and nowhere else.",
	}, rule{scope: toll.ScopeWriteKeys, action: account.CreateKey}, func(ctx context.Context, c *call, in *createKeyRequest) (*madeKeyAnswer, error) {
		made, err := a.o.Office.CreateKey(ctx, c.person, account.NewKey{
			CustomerID: c.customer, Name: in.Body.Name, Mode: toll.Mode(in.Body.Mode), Services: in.Body.Services, Methods: in.Body.Methods, Origins: in.Body.Origins, ExpiresAt: in.Body.ExpiresAt,
		})
		if err != nil {
			return nil, err
		}
		return &madeKeyAnswer{version(made.Key.Version), madeKey{showKey(&made.Key, c.now), made.Text.Reveal()}}, nil
	})
}

func addShowKey(a *API) {
	register(a, huma.Operation{
		OperationID: "show-key", Method: http.MethodGet, Path: "/customers/{customer}/keys/{key}", Tags: []string{"Keys"}, Summary: "Show a key",
	}, rule{scope: toll.ScopeReadKeys, action: account.ListKeys}, func(ctx context.Context, c *call, in *OfKey) (*keyAnswer, error) {
		k, err := a.keyOf(ctx, c, in.Key)
		if err != nil {
			return nil, err
		}
		return &keyAnswer{version(k.Version), showKey(&k, c.now)}, nil
	})
}

func addRollKey(a *API) {
	type rollKeyRequest struct {
		OfKey
		Body struct {
			OverlapSeconds int64 `json:"overlap_seconds" minimum:"0" maximum:"2592000" doc:"How long both are valid; 0: the old one ends at once"`
		}
	}
	register(a, huma.Operation{
		OperationID: "roll-key", Method: http.MethodPost, Path: "/customers/{customer}/keys/{key}/roll", Tags: []string{"Keys"}, Summary: "Make a key in another's place", DefaultStatus: http.StatusCreated,
		Description: "Same name, mode and scope. The answer is the new key with its text; the old one expires after the overlap.",
	}, rule{scope: toll.ScopeWriteKeys, action: account.RollKey}, func(ctx context.Context, c *call, in *rollKeyRequest) (*madeKeyAnswer, error) {
		if _, err := a.keyOf(ctx, c, in.Key); err != nil {
			return nil, err
		}
		made, _, err := a.o.Office.RollKey(ctx, c.person, in.Key, time.Duration(in.Body.OverlapSeconds)*time.Second)
		if err != nil {
			return nil, err
		}
		return &madeKeyAnswer{version(made.Key.Version), madeKey{showKey(&made.Key, c.now), made.Text.Reveal()}}, nil
	})
}

func addRevokeKey(a *API) {
	register(a, huma.Operation{
		OperationID: "revoke-key", Method: http.MethodDelete, Path: "/customers/{customer}/keys/{key}", Tags: []string{"Keys"}, Summary: "End a key now and for ever",
		Description: "A key that was revoked before stays as it is. It stays in the list.",
	}, rule{scope: toll.ScopeWriteKeys, action: account.RevokeKey}, func(ctx context.Context, c *call, in *OfKey) (*keyAnswer, error) {
		if _, err := a.keyOf(ctx, c, in.Key); err != nil {
			return nil, err
		}
		k, err := a.o.Office.RevokeKey(ctx, c.person, in.Key)
		if err != nil {
			return nil, err
		}
		return &keyAnswer{version(k.Version), showKey(&k, c.now)}, nil
	})
}
