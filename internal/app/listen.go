package app

import (
	"errors"
	"net"
	"os"
	"syscall"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// listen opens a TCP address, with a sentence for the ways in which that fails.
func listen(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		return listener, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, toll.Errorf(toll.Unavailable, "the address %s is in use by another program; stop that one, or choose another address with --listen", address)
	case errors.Is(err, os.ErrPermission):
		return nil, toll.Errorf(toll.Unavailable, "this user may not listen on %s; choose a port of 1024 or more with --listen, or grant the capability net_bind_service", address)
	}
	var wrong *net.AddrError
	if errors.As(err, &wrong) {
		return nil, toll.Errorf(toll.Invalid, "%q is no address to listen on (%s); write HOST:PORT, such as localhost:8080", address, wrong.Err)
	}
	return nil, toll.Errorf(toll.Unavailable, "cannot listen on %s: %w", address, err)
}
