package app

import (
	"errors"
	"net"
	"os"
	"syscall"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// listen opens a TCP address, with a sentence for the ways in which that fails.
// Field is what says which address it is: "listen.http or --listen", "listen.https".
func listen(field, address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		return listener, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, toll.Errorf(toll.Unavailable, "the address %s is in use by another program; stop that one, or choose another address with %s", address, field)
	case errors.Is(err, os.ErrPermission):
		return nil, toll.Errorf(toll.Unavailable, "this user may not listen on %s; choose a port of 1024 or more with %s, or grant the capability cap_net_bind_service (AmbientCapabilities=CAP_NET_BIND_SERVICE in a systemd unit, `setcap cap_net_bind_service=+ep` on the program)", address, field)
	}
	var wrong *net.AddrError
	if errors.As(err, &wrong) {
		return nil, toll.Errorf(toll.Invalid, "%q is no address to listen on (%s); write HOST:PORT, such as localhost:8080", address, wrong.Err)
	}
	return nil, toll.Errorf(toll.Unavailable, "cannot listen on %s: %w", address, err)
}
