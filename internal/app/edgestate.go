package app

import (
	"crypto/tls"

	"github.com/tollhouse/tollhouse/internal/telemetry"
)

// edgeState is what the metrics say of retries, caches and the access log.
func (a *App) edgeState() telemetry.Edge {
	out := telemetry.Edge{AccessDropped: a.access.Dropped()}
	now := a.live.Load()
	for _, s := range now.cfg.Services {
		if pool := now.pools[s.Name]; pool != nil && s.Files.Root == "" && !s.Delegated.On {
			made, left := pool.Retries()
			out.Retries = append(out.Retries, telemetry.Retries{Service: s.Name, Made: made, Left: left})
		}
		if cache := now.caches[s.Name]; cache != nil {
			c := cache.Status()
			out.Caches = append(out.Caches, telemetry.Cache{Service: s.Name, Answers: c.Answers, Bytes: c.Bytes, MaxBytes: c.MaxBytes})
		}
	}
	return out
}

// counted makes handshakes count.
func (a *App) counted(config *tls.Config) *tls.Config {
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		a.metrics.Hello()
		return nil, nil //nolint:nilnil // so crypto/tls goes on with this one
	}
	config.VerifyConnection = func(s tls.ConnectionState) error {
		a.metrics.Shaken(tls.VersionName(s.Version))
		return nil
	}
	return config
}
