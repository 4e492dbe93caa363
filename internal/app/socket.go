package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// socketName is the control socket in the data directory. Only the user that
// the server runs as can open it.
const socketName = "control.sock"

// maxSocketPath is how long a socket's path may be (sockaddr_un on Linux and macOS).
const maxSocketPath = 100

// withSocketPath hands f a path to the control socket that is short enough.
// Where the data directory's own path is too long, Linux offers a short one
// through an open descriptor of the directory.
func withSocketPath(data string, f func(path string) error) error {
	path := filepath.Join(data, socketName)
	if len(path) <= maxSocketPath {
		return f(path)
	}
	if runtime.GOOS != "linux" {
		return toll.Errorf(toll.Invalid, "the path of the data directory %s is too long for a socket; use a shorter one", data)
	}
	dir, err := os.Open(data)
	if err != nil {
		return err
	}
	defer dir.Close()
	return f(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), socketName))
}

// listenControl opens the control socket. The caller holds the lock of the
// data directory, so a socket that is there already is a dead one.
func listenControl(data string) (net.Listener, error) {
	var listener net.Listener
	err := withSocketPath(data, func(path string) error {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			return err
		}
		l.SetUnlinkOnClose(false) // its path may be gone by then; stop removes the file
		listener = l
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		return nil, fmt.Errorf("opening the control socket in %s: %w", data, err)
	}
	return listener, nil
}

// dialControl connects to the server of a data directory. It returns
// errNoServer when none runs there.
func dialControl(ctx context.Context, data string) (net.Conn, error) {
	var conn net.Conn
	err := withSocketPath(data, func(path string) error {
		var err error
		conn, err = (&net.Dialer{}).DialContext(ctx, "unix", path)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, errNoServer
	}
	return conn, err
}

var errNoServer = errors.New("no server runs on this data directory")
