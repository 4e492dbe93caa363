package e2e

import (
	"io"
	"net"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
)

// wire is the way to a PostgreSQL that listens on a socket, by TCP, and can be
// taken away: then nothing listens there, and what was open is closed, as when
// the server is stopped.
type wire struct {
	t       *testing.T
	address string
	socket  string

	mu       sync.Mutex
	listener net.Listener
	open     map[net.Conn]bool
	silent   bool // what is sent goes nowhere
}

// newWire returns the wire to a database of pgserver, and the database's URL over it.
func newWire(t *testing.T, database string) (*wire, string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, address: "127.0.0.1:0", socket: filepath.Join(u.Query().Get("host"), ".s.PGSQL."+u.Query().Get("port")), open: map[net.Conn]bool{}}
	w.up()
	t.Cleanup(w.down)
	u.Host, u.RawQuery = w.address, "sslmode=disable"
	return w, u.String()
}

// up has the server there.
func (w *wire) up() {
	w.t.Helper()
	l, err := net.Listen("tcp", w.address)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listener, w.address, w.silent = l, l.Addr().String(), false
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", w.socket)
			if err != nil {
				_ = client.Close()
				continue
			}
			w.mu.Lock()
			w.open[client], w.open[server] = true, true
			w.mu.Unlock()
			go w.pass(client, server)
			go w.pass(server, client)
		}
	}()
}

// heard is the far end of a connection, while anything arrives there.
type heard struct {
	wire *wire
	net.Conn
}

func (h heard) Write(b []byte) (int, error) {
	h.wire.mu.Lock()
	silent := h.wire.silent
	h.wire.mu.Unlock()
	if silent {
		return len(b), nil
	}
	return h.Conn.Write(b)
}

func (w *wire) pass(to, from net.Conn) {
	_, _ = io.Copy(heard{w, to}, from) // until one of them ends
	_, _ = to.Close(), from.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, from)
}

// silence has somebody there who takes connections, and says nothing. What was
// open stays open and says nothing more.
func (w *wire) silence() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.silent = true
}

// down has it away.
func (w *wire) down() {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.listener.Close()
	for c := range w.open {
		_ = c.Close()
	}
}
