package app

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/telemetry"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/upstream"
)

// URL is where customers call, without a slash at the end.
func (a *App) URL() string {
	if a.secure != nil {
		return "https://" + a.secureHost() + securePort(a.secure)
	}
	return "http://" + visibleHost(a.cfg.Listen.HTTP) + ":" + a.port()
}

// ConsoleURL is where the console is, with a slash at the end.
func (a *App) ConsoleURL() string {
	if a.cfg.Console.URL != "" {
		return a.cfg.Console.URL + "/"
	}
	host := a.cfg.Console.Host
	switch {
	case a.cfg.Console.URL != "": // another proxy stands in front
		return a.cfg.Console.URL + "/"
	case host == "":
		return a.URL() + "/"
	case a.secure != nil:
		return "https://" + host + securePort(a.secure) + "/"
	}
	return "http://" + host + ":" + a.port() + "/"
}

// AdminURL is where health and metrics are, "" without an admin listener.
func (a *App) AdminURL() string {
	if a.admin == nil {
		return ""
	}
	return "http://" + a.admin.Addr().String()
}

func (a *App) port() string { return portOf(a.public) }

func portOf(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// visibleHost is the host that a browser on this machine reaches an address by.
func visibleHost(address string) string {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	if err != nil || host == "" || ip != nil && (ip.IsUnspecified() || ip.IsLoopback()) {
		return "localhost"
	}
	if ip != nil && ip.To4() == nil {
		return "[" + host + "]"
	}
	return host
}

func (a *App) openTelemetry() {
	a.metrics.WatchEdge(a.edgeState)
	a.metrics.WatchJournal(func() telemetry.Journal {
		s := a.drainer.Status()
		return telemetry.Journal{
			Backlog: s.Backlog, Lag: s.Lag, Full: a.recorder.Err() != nil,
			Damages: s.Damages + a.damagesFound, Stuck: s.Stuck, Unmetered: a.unmeteredServed.Load(),
		}
	})
	a.metrics.WatchConfig(func() telemetry.Config {
		return telemetry.Config{Fingerprint: a.live.Load().cfg.Fingerprint, Refused: a.LastReload() != nil}
	})
	a.metrics.WatchConnections(func() telemetry.Connections {
		s := a.crowd.Status()
		return telemetry.Connections{Open: s.Open, Max: s.Max, Closed: s.Closed, Refused: s.Refused, Address: s.Address}
	})
	if _, kept := a.keeper.status(); kept {
		a.metrics.WatchStore(func() telemetry.Store {
			s, _ := a.keeper.status()
			return telemetry.Store{Away: a.outage.Load() != nil, Age: a.clock().Sub(s.WrittenAt), Size: s.Size, Behind: a.outage.Load() == nil && a.keeper.of.Behind(), Failing: s.Err != nil}
		})
	}
	if a.shared != nil {
		a.metrics.WatchShared(a.shared.status)
	}
	a.metrics.WatchMail(a.mailState)
	a.metrics.WatchUpstreams(func() []telemetry.Upstream {
		var all []telemetry.Upstream
		now := a.live.Load()
		for _, service := range now.cfg.Services {
			name, pool := service.Name, now.pools[service.Name]
			if service.Delegated.On || service.Files.Root != "" || pool == nil {
				continue // its upstreams are a foreign proxy's, or it has none
			}
			for _, s := range pool.Status() {
				all = append(all, telemetry.Upstream{
					Service: name, Upstream: s.Upstream, Healthy: s.Health != upstream.Unhealthy,
					InFlight: s.InFlight, Failures: s.Failed, Answers: s.Answered, Circuit: string(s.Circuit),
				})
			}
		}
		return all
	})
}

// begin counts a request in that was let in.
func (a *App) begin(p *gate.Pass) { a.metrics.Endpoint(p.Service.Name, p.Endpoint).Begin() }

// observe writes the access log and the metrics of one finished request.
func (a *App) observe(s *edge.Seen) {
	p, told := s.Pass, line(s)
	a.access.Write(told)
	switch {
	case p.Reason != "":
		a.metrics.Refused(told.Service, string(p.Reason))
	case p.Service != nil:
		endpoint := a.metrics.Endpoint(p.Service.Name, p.Endpoint)
		if !s.Admitted {
			endpoint.Begin()
		}
		endpoint.Done(telemetry.Outcome{
			Status: s.Status, Latency: s.Latency, UpstreamTime: s.UpstreamTime,
			BytesIn: s.BytesIn, BytesOut: s.BytesOut, Cache: s.Cache, Coding: string(s.Coding), Compressed: s.Sent,
		})
	}
	if s.BadUsage > 0 {
		if untold, ok := a.badUsage.tell(s.Request.Arrived); ok {
			a.log.Warn("usage refused: each value must be a whole number of a unit that stands in the service's units",
				"service", told.Service, "said", s.SaidUsage, "units", p.Service.Units, "refused", s.BadUsage, "request", s.Request.ID, "requests_before", untold)
		}
	}
	err := s.Err
	if p.Reason == toll.RefusedJournal {
		err = a.recorder.Err() // nil when it has mended itself meanwhile
	}
	if err != nil && told.Failure == "" {
		a.requestFailed(s.Request, err)
	}
}

// requestFailed tells the log of a failure that is no upstream's: of the
// journal, which then has all requests fail or go uncounted, or of our own.
func (a *App) requestFailed(r *exchange.Request, err error) {
	if toll.CodeOf(err) != toll.Unavailable {
		if untold, ok := a.failures.tell(r.Arrived); ok {
			a.log.Error("request failed", "request", r.ID, "error", err, "requests_before", untold)
		}
		return
	}
	if a.unmetered() {
		a.unmeteredServed.Add(1)
	}
	if untold, ok := a.uncounted.tell(r.Arrived); ok {
		what := "requests are refused, because they cannot be metered"
		if a.unmetered() {
			what = "requests are served without being metered"
		}
		a.log.Error(what, "request", r.ID, "error", err, "requests_before", untold)
	}
}

// endStreams ends the streams under way, and returns when they are recorded.
func (a *App) endStreams() {
	lastCall, cancel := context.WithTimeout(context.Background(), lastCallGrace)
	defer cancel()
	if err := a.chain.EndStreams(lastCall); err != nil {
		a.log.Warn("streams were cut before they were recorded", "error", err)
	}
}

// stop ends everything in the order in which it leans on the rest. It can be
// called after a start that failed halfway.
func (a *App) stop() error {
	var errs []error
	grace, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	a.drainAuthorize()
	if a.api != nil {
		a.api.End()
	}
	for i := len(a.servers) - 1; i >= 0; i-- { // the front first
		// What has no end of its own is ended at once, and its clients told to come
		// again: net/http would wait for some of it until the grace is over, and
		// for some not at all.
		var streams sync.WaitGroup
		if a.chain != nil {
			streams.Go(a.endStreams)
		}
		err := a.servers[i].Shutdown(grace)
		streams.Wait()
		if err != nil {
			errs = append(errs, a.servers[i].Close())
		}
	}
	a.serving.Wait()
	a.reloads.end()
	if a.certificates != nil {
		a.certificates.Close()
	}
	for _, l := range []net.Listener{a.public, a.secure, a.admin, a.delegate, a.control} {
		if l != nil {
			_ = l.Close() // closed already where a server had it
		}
	}
	if a.control != nil && a.heir == nil && !a.leaving.Load() {
		_ = os.Remove(filepath.Join(a.cfg.Data, socketName))
	}
	if now := a.live.Load(); now != nil {
		for _, cache := range now.caches {
			cache.Close()
		}
		for _, pool := range now.pools {
			pool.Close()
		}
		for _, asker := range now.askers {
			asker.Close()
		}
	}
	if a.decisions != nil {
		a.decisions.Close()
	}
	errs = append(errs, a.shared.close())
	if a.recorder != nil {
		errs = append(errs, a.recorder.Close())
	}
	if a.stopBack != nil { // before it starts what is ended here
		a.stopBack()
		a.back.Wait()
	}
	if a.stopDrainer != nil && !a.leaving.Load() {
		a.stopDrainer()
		a.drained.Wait()
		toEnd, cancel := context.WithTimeout(context.Background(), drainGrace) // of its own: requests may have used up theirs
		defer cancel()
		// The lane is closed, so it is done with. Where the database is away, what is not
		// drained lies in the journal, and waiting longer brings nothing.
		if err := unlessItFails(toEnd, a.drainer.DrainDead, a.drainer.Status, lastTry); err != nil {
			a.log.Warn("the journal was not drained to its end; the next start goes on", "error", err)
		}
		a.keeper.keep(toEnd)
	}
	if a.after != nil { // what was open has been settled over there
		errs = append(errs, a.after.close())
	}
	if a.access != nil {
		errs = append(errs, a.access.Close())
		if file := a.accessFile.Load(); file != nil {
			errs = append(errs, file.Close())
		}
	}
	if a.stopHear != nil {
		a.stopHear()
		a.hearing.Wait()
	}
	if a.rooms != nil {
		errs = append(errs, a.rooms.close())
	}
	return errors.Join(errs...)
}
