package e2e

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// dbProxy stands before a PostgreSQL, and can take it away: by closing every
// connection and refusing new ones, or by swallowing everything without a word,
// as a firewall or a machine that is gone does.
type dbProxy struct {
	listener net.Listener
	socket   string

	mu     sync.Mutex
	state  dbState
	conns  map[net.Conn]bool
	served sync.WaitGroup
}

type dbState int

const (
	dbThere dbState = iota
	dbRefuses
	dbSilent
)

// newDBProxy returns a proxy before the server of a database's URL, and the URL
// of the same database through it.
func newDBProxy(t *testing.T, database string) (*dbProxy, string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &dbProxy{listener: listener, socket: query.Get("host") + "/.s.PGSQL." + query.Get("port"), conns: map[net.Conn]bool{}}
	u.Host, u.RawQuery = listener.Addr().String(), "sslmode=disable"
	p.served.Go(p.serve)
	t.Cleanup(func() {
		_ = listener.Close()
		p.become(dbRefuses)
		p.served.Wait()
	})
	return p, u.String()
}

func (p *dbProxy) serve() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		state := p.state
		if p.conns[conn] = state != dbRefuses; state == dbRefuses {
			delete(p.conns, conn)
			_ = conn.Close()
		}
		p.mu.Unlock()
		if state != dbThere {
			continue // silent: it stays open, and nobody answers
		}
		server, err := net.Dial("unix", p.socket)
		if err != nil {
			_ = conn.Close()
			continue
		}
		p.mu.Lock()
		p.conns[server] = true
		p.mu.Unlock()
		p.served.Go(func() { p.pass(server, conn) })
		p.served.Go(func() { p.pass(conn, server) })
	}
}

// pass copies until one side ends; what comes while the database is silent is
// swallowed.
func (p *dbProxy) pass(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		there := p.state == dbThere
		p.mu.Unlock()
		if there && n > 0 {
			if _, failed := to.Write(buffer[:n]); failed != nil {
				err = io.ErrClosedPipe
			}
		}
		if err != nil {
			_, _ = to.Close(), from.Close()
			return
		}
	}
}

// become takes the database away, or brings it back: connections do not live
// through either, but silence leaves them open.
func (p *dbProxy) become(state dbState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = state
	if state == dbSilent {
		return
	}
	for conn := range p.conns {
		_ = conn.Close()
	}
	clear(p.conns)
}
