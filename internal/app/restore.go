package app

import (
	"time"

	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/meter"
)

// quotasOf are the quotas of a configuration. What customers and keys have
// besides is added as they are read.
func quotasOf(cfg *config.Config, zone *time.Location) *meter.Quotas {
	quotas := meter.NewQuotas(zone)
	for i := range cfg.Services {
		quotas.Service(&cfg.Services[i])
	}
	for i := range cfg.Plans {
		quotas.Plan(&cfg.Plans[i])
	}
	return quotas
}

// restored is a counter as a gate takes it.
func restored(c meter.QuotaCounter, used int64) gate.Restored {
	return gate.Restored{
		Customer: c.Customer, Key: c.Key, Unit: c.Unit, Service: c.Service, Endpoint: c.Endpoint,
		Every: c.Every, Start: time.Unix(c.Start, 0), Used: used, Address: c.Address,
	}
}
