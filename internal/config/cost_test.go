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
