package config

import (
	"testing"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestReadsWhatCallsCost(t *testing.T) {
	t.Parallel()
	c := mustParse(t, `console: { host: console.localhost }
services:
  ner:
    path: /v1/ner
    upstreams: ["http://127.0.0.1:9001"]
    units: [words, characters, credits]
    endpoints: ["POST /extractions", "POST /drawings", "GET /terms"]
    costs:
      - { endpoint: "POST /extractions", reserve: "words=500, characters = 3_000" }
      - { endpoint: "POST /drawings", cost: 5, uses: credits=5 }
      - { cost: 2 }
  plain: { path: /v1/plain, upstreams: ["http://127.0.0.1:9002"] }
plans:
  free: { includes: [ner, plain] }
`)
	ner, _ := c.Service("ner")
	same(t, "costs", ner.Costs, map[string]toll.Cost{
		"POST /extractions": {Rate: 1, Reserve: []toll.Amount{{Unit: "words", Count: 500}, {Unit: "characters", Count: 3000}}},
		"POST /drawings":    {Rate: 5, Uses: []toll.Amount{{Unit: "credits", Count: 5}}},
		"":                  {Rate: 2},
	})
	if plain, _ := c.Service("plain"); plain.Costs != nil {
		t.Errorf("a service that says nothing costs %+v", plain.Costs)
	}
}

func TestNoticesTellOfCallsThatNeverPass(t *testing.T) {
	t.Parallel()
	const head = `console: { host: console.localhost }
services:
  ner:
    path: /v1/ner
    upstreams: ["http://127.0.0.1:9001"]
    units: [words, credits]
    endpoints: ["POST /extractions", "POST /drawings", "GET /terms"]
`
	for name, c := range map[string]struct{ rest, want string }{
		"a reservation above a plan's quota": {
			"    costs: [{ endpoint: POST /extractions, reserve: words=20_000 }]\n" +
				"plans:\n  free: { includes: [ner], quotas: [{ name: words, unit: words, limit: 10000, every: month }] }\n",
			"tollhouse.yml:8: services.ner.costs[0].reserve: 20000 words are more than the whole quota `words` of plan `free` (10000 a month), so calls of `POST /extractions` never pass there; make it less, or the quota larger",
		},
		"just all of it": {
			"    costs: [{ endpoint: POST /extractions, reserve: words=10_000 }]\n" +
				"plans:\n  free: { includes: [ner], quotas: [{ name: words, unit: words, limit: 10000, every: month }] }\n",
			"",
		},
		"a fixed cost above a service's quota": {
			"    costs: [{ uses: credits=5 }]\n    quotas: [{ name: credits, unit: credits, limit: 4, every: day }]\n" +
				"plans: { free: { includes: [ner] } }\n",
			"tollhouse.yml:8: services.ner.costs[0].uses: 5 credits are more than the whole quota `credits` of service `ner` (4 a day), so calls of its other endpoints never pass there; make it less, or the quota larger",
		},
		"a quota of another endpoint": {
			"    costs: [{ endpoint: POST /drawings, uses: credits=5 }, { uses: credits=1 }]\n" +
				"plans:\n  free: { includes: [ner], quotas: [{ name: credits, unit: credits, limit: 4, every: day, endpoint: ner GET /terms }] }\n",
			"",
		},
		"a quota of one of the others": {
			"    costs: [{ endpoint: POST /drawings, uses: credits=1 }, { uses: credits=5 }]\n" +
				"plans:\n  free: { includes: [ner], quotas: [{ name: credits, unit: credits, limit: 4, every: day, endpoint: ner GET /terms }] }\n",
			"tollhouse.yml:8: services.ner.costs[1].uses: 5 credits are more than the whole quota `credits` of plan `free` (4 a day), so calls of `GET /terms` never pass there; make it less, or the quota larger",
		},
		"a shadow": {
			"    costs: [{ reserve: words=500 }]\n" +
				"plans:\n  free: { includes: [ner], quotas: [{ name: words, unit: words, limit: 10, every: month, shadow: true }] }\n",
			"",
		},
		"a cost above a burst": {
			"    costs: [{ endpoint: POST /drawings, cost: 5 }]\n" +
				"plans:\n  free: { includes: [ner], limits: [{ name: minute, rate: 60/minute, burst: 3 }] }\n",
			"tollhouse.yml:8: services.ner.costs[0].cost: the rate limit `minute` of plan `free` lets 3 pass at once, so a call of `POST /drawings` takes those and not 5; raise its `burst`, or lower the cost",
		},
	} {
		got := mustParse(t, head+c.rest).Notices
		if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || got[0] != c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
