package app

import (
	"maps"
	"slices"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// units lists every unit but requests that a service of the configuration
// reports or a plan names.
func (r *rooms) units() []string {
	var services []toll.Service
	switch {
	case r.services != nil:
		services = r.services()
	case r.at.Config != nil:
		services = r.at.Config.Services
	}
	names := map[string]bool{}
	for _, s := range services {
		for _, u := range s.Units {
			names[u] = true
		}
	}
	for _, v := range r.plans.versions() {
		for _, u := range v.Plan.Usage {
			names[u.Unit] = true
		}
		for _, p := range v.Plan.Policies {
			names[p.Unit] = true
		}
	}
	delete(names, "")
	delete(names, toll.UnitRequests)
	return slices.Sorted(maps.Keys(names))
}
