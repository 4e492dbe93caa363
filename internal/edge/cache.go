package edge

import (
	"context"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/httpcache"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Caches are the services' caches by name; a service without one is always
// asked. A map is not changed after it was given.
type Caches map[string]*httpcache.Cache

// SwitchCaches makes other caches hold for the next request.
func (c *Chain) SwitchCaches(to Caches) { c.caches.Store(&to) }

// obtain gets an answer: from the service's cache where it has one, from the
// service itself otherwise.
func (k *walk) obtain(ctx context.Context, c *Chain, r *exchange.Request, backend Backend) (*exchange.Response, error) {
	if caches := c.caches.Load(); caches != nil {
		if cache := (*caches)[k.pass.Service.Name]; cache != nil {
			customer := k.pass.Customer
			if k.pass.Mode == toll.Test && customer != "" {
				customer += " (test)" // what a service answers to a test key is not its live answer
			}
			if k.pass.Service.Access == toll.AccessForwardAuth {
				customer = admittedAs(r, k.pass.Service)
			}
			response, result, err := cache.Serve(ctx, r, customer, backend)
			k.seen.Cache, k.cached = result.Word, result.Cached
			k.seen.UpstreamTime = result.Answered.Sub(result.Asked)
			return response, err
		}
	}
	before := c.Clock()
	response, err := backend.Forward(ctx, r)
	k.seen.UpstreamTime = c.Clock().Sub(before)
	return response, err
}

// notStored answers a request that wants a stored answer or none (RFC 9111 §5.2.1.7).
func (a Answers) notStored(r *exchange.Request) *exchange.Response {
	response := a.problem(r, problem{
		Type: problemBase + "not-stored", Title: "Not in the cache", Status: 504,
		Detail: "No stored answer satisfies this request, and “only-if-cached” wants no other. Nothing is billed for it.",
	})
	response.Header.Set("Cache-Status", "tollhouse; detail=only-if-cached")
	return response
}
