package app

import (
	"fmt"
	"net/netip"

	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/edge"
)

// descriptors is how the files that this process may open are shared out: a
// client's connection is one, and one to an upstream is one. What is left is for
// the database, the journal, the control socket and all else that must work
// while clients press.
type descriptors struct {
	clients, upstreams int
	perAddress         int
	warning            string // "" when there is nothing to say
}

const (
	manyClients   = 20_000  // what is not worth holding without somebody's asking for it
	knownNoLimit  = 1 << 20 // where the system does not say
	leastReserve  = 32
	largeReserve  = 512
	leastClients  = 8
	leastUpstream = 4
)

// shareOut divides limit files. asked is listen.max_connections, perAddress
// listen.max_connections_per_address; 0 is that the configuration leaves it to us.
func shareOut(limit, asked, perAddress int) descriptors {
	reserve := min(max(limit/8, leastReserve), largeReserve)
	free := max(limit-reserve, leastClients+leastUpstream)
	d := descriptors{clients: asked}
	if d.clients == 0 {
		d.clients = min(max(free*6/10, leastClients), manyClients)
	}
	if most := max(free-leastUpstream, leastClients); d.clients > most {
		d.warning = fmt.Sprintf("listen.max_connections is %d, and this process may open %d files: %d connections are taken; raise the limit (LimitNOFILE in a systemd unit, ulimit -Hn in a shell)", asked, limit, most)
		d.clients = most
	}
	d.upstreams = max(free-d.clients, leastUpstream)
	if d.perAddress = perAddress; perAddress == 0 {
		d.perAddress = max(d.clients/4, 1)
	}
	return d
}

// newCrowd bounds the connections of clients.
func (a *App) newCrowd(cfg config.Listen, d descriptors) *edge.Crowd {
	return edge.NewCrowd(edge.CrowdOptions{
		Max: d.clients, PerAddress: d.perAddress, Log: a.log,
		Exempt: func(peer netip.Addr) bool {
			if cfg.MaxPerAddress == 0 && peer.IsLoopback() {
				return true // whatever stands before this machine's own services
			}
			if now := a.live.Load(); now != nil {
				return edge.Proxies(now.cfg.TrustedProxies).Trusts(peer)
			}
			return false
		},
	})
}
