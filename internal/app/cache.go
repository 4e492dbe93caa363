package app

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/internal/cdn"
	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/httpcache"
	"github.com/tollhouse/tollhouse/internal/route"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// nextCaches keeps the caches of services whose answers are the same, and makes
// the others. One that is not kept ends with the requests that still use it.
func (a *App) nextCaches(was *current, next *config.Config) (edge.Caches, error) {
	all := edge.Caches{}
	for _, s := range next.Services {
		if s.Cache.MaxSize == 0 {
			continue
		}
		if was != nil {
			if old, there := was.cfg.Service(s.Name); there && was.caches[s.Name] != nil && sameAnswers(old, s) {
				all[s.Name] = was.caches[s.Name]
				continue
			}
		}
		o := httpcache.Options{Settings: cacheSettings(s), Clock: a.clock}
		if s.StripPath {
			o.Prefix = s.Path
		}
		cache, err := httpcache.New(o)
		if err != nil {
			return nil, wrong(next, "services."+s.Name+".cache", err)
		}
		all[s.Name] = cache
	}
	return all, nil
}

// sameAnswers tells whether a service answers as it did before a change of the
// configuration: the same requests come to the same upstreams.
func sameAnswers(old, now toll.Service) bool {
	return old.Host == now.Host && old.Path == now.Path && old.StripPath == now.StripPath &&
		old.Access == now.Access && reflect.DeepEqual(old.Upstreams, now.Upstreams)
}

// switchCaches makes caches hold, with the settings of a configuration.
func (a *App) switchCaches(caches edge.Caches, cfg *config.Config) {
	for _, s := range cfg.Services {
		if cache := caches[s.Name]; cache != nil {
			cache.Change(cacheSettings(s))
		}
	}
	a.chain.SwitchCaches(caches)
}

func cacheSettings(s toll.Service) httpcache.Settings {
	return httpcache.Settings{MaxSize: s.Cache.MaxSize, MaxObject: s.Cache.MaxObject, DefaultTTL: s.Cache.DefaultTTL, PassTags: len(s.Cache.Hooks) > 0}
}

// CachePurge asks a service's cache to forget. One of URL, Prefix, Tag and All
// is given.
type CachePurge struct {
	Service string `json:"service"`
	URL     string `json:"url,omitempty"`
	Prefix  string `json:"prefix,omitempty"`
	Tag     string `json:"tag,omitempty"`
	All     bool   `json:"all,omitempty"`
}

// CachePurged says how many stored answers were forgotten, and what came of
// telling others of it.
type CachePurged struct {
	Service string     `json:"service"`
	Purged  int        `json:"purged"`
	Told    []cdn.Told `json:"told,omitempty"` // the service's hooks for such a purge
	Untold  bool       `json:"untold"`         // it has hooks, and none for such a purge
}

func purgeCache(ctx context.Context, r *rooms, in CachePurge) (CachePurged, error) {
	out := CachePurged{Service: in.Service}
	if r.caches == nil {
		return out, toll.Errorf(toll.Unavailable, "no server runs on %s; what it had stored went with it", r.at.Data)
	}
	caches := r.caches()
	cache := caches[in.Service]
	if cache == nil {
		return out, noCache(in.Service, caches)
	}
	p := httpcache.Purge{Tag: in.Tag, All: in.All}
	var err error
	if p.URL, err = canonicalURL(in.URL); err != nil {
		return out, err
	}
	if p.Prefix, err = canonicalURL(in.Prefix); err != nil {
		return out, err
	}
	out.Purged = cache.Purge(p)
	// Who asked may leave: what was purged here is to be purged there too.
	service, _ := r.service(in.Service)
	told := cdn.Purge{URL: p.URL, Prefix: p.Prefix, Tag: p.Tag, All: p.All}
	if !strings.HasPrefix(service.Host, "*.") {
		told.Host = service.Host
	}
	out.Told = cdn.Tell(context.WithoutCancel(ctx), service.Cache.Hooks, told)
	out.Untold = len(out.Told) == 0 && len(service.Cache.Hooks) > 0
	return out, nil
}

// canonicalURL gives a URL's path the form in which answers are stored.
func canonicalURL(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	origin, rest := "", s
	if scheme := strings.Index(s, "://"); scheme > 0 {
		slash := strings.IndexAny(s[scheme+3:], "/?")
		if slash < 0 {
			return s + "/", nil
		}
		origin, rest = s[:scheme+3+slash], s[scheme+3+slash:]
	}
	path, query, has := strings.Cut(rest, "?")
	if path == "" && origin != "" {
		path = "/"
	}
	_, encoded, err := route.Canonical(path)
	if err != nil {
		return "", toll.Errorf(toll.Invalid, "%q is no URL of a service: %s Write it as clients send it, such as https://shop.example/a?b or /a?b", s, toll.SafeMessage(err))
	}
	if has {
		encoded += "?" + query
	}
	return origin + encoded, nil
}

func noCache(service string, caches edge.Caches) error {
	var names []string
	for name := range caches {
		names = append(names, name)
	}
	if len(names) == 0 {
		return toll.Errorf(toll.NotFound, "no service has a cache; give one to %q with `cache: {}` in its configuration", service)
	}
	slices.Sort(names)
	return toll.Errorf(toll.NotFound, "the service %q has no cache; these have: %s", service, strings.Join(names, ", "))
}
