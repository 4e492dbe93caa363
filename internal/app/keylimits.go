package app

import (
	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// limitsOfKey are the limits that a key is to have for itself.
func limitsOfKey(in *KeyCreate) ([]toll.Policy, error) {
	var all []toll.Policy
	if in.Rate != "" {
		count, window, err := config.ParseRate(in.Rate)
		if err != nil {
			return nil, toll.FieldError("rate", "%q %w", in.Rate, err)
		}
		all = append(all, toll.Policy{Name: "key", Kind: toll.RateLimit, Partition: toll.PerKey, Count: count, Window: window})
	}
	if in.Concurrency != 0 {
		all = append(all, toll.Policy{Name: "key-parallel", Kind: toll.ConcurrencyLimit, Partition: toll.PerKey, Count: in.Concurrency})
	}
	_, err := limit.CompileKey(all, nil)
	return all, err
}
