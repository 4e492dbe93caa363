package app

import (
	"fmt"
	"reflect"

	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/files"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/upstream"
)

// siteOf opens the files of a service that is answered by some.
func siteOf(s toll.Service) (*files.Site, error) {
	site, err := files.Open(files.Options{Files: s.Files, Private: s.Access != toll.AccessPublic})
	if err != nil {
		return nil, fmt.Errorf("service %s: %w", s.Name, err)
	}
	return site, nil
}

// nextSites keeps the sites of services that did not change, and opens the
// others; requests that were let in before the switch still need those of
// services that are gone.
func nextSites(was *current, next *config.Config) (map[string]*files.Site, error) {
	all := map[string]*files.Site{}
	if was != nil {
		for _, s := range was.cfg.Services {
			if site := was.sites[s.Name]; site != nil {
				all[s.Name] = site
			}
		}
	}
	for _, s := range next.Services {
		if s.Files.Root == "" {
			continue
		}
		if was != nil {
			if old, there := was.cfg.Service(s.Name); there && old.Access == s.Access && reflect.DeepEqual(old.Files, s.Files) {
				continue
			}
		}
		site, err := siteOf(s)
		if err != nil {
			return nil, err
		}
		all[s.Name] = site
	}
	return all, nil
}

// backendsOf gives what answers for each service: what the configuration says,
// and for services that are gone what answered last.
func backendsOf(cfg *config.Config, pools map[string]*upstream.Pool, sites map[string]*files.Site) edge.Backends {
	b := make(edge.Backends, len(pools)+len(sites))
	for name, pool := range pools {
		b[name] = pool
	}
	for name, site := range sites {
		if s, there := cfg.Service(name); !there && b[name] == nil || s.Files.Root != "" {
			b[name] = site
		}
	}
	return b
}

// closeUnused closes the pools that no service of a configuration is answered by.
func closeUnused(cfg *config.Config, pools map[string]*upstream.Pool) {
	for name, pool := range pools {
		if s, serves := cfg.Service(name); !serves || s.Files.Root != "" || s.Delegated.On {
			pool.Close()
		}
	}
}
