package app

import (
	"net"
	"net/rpc"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/handover"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// After an upgrade the old process asks the new one, over the connection that
// everything was handed over by, until its last connection has ended:
//
//	old: gate ─► successor ─ net/rpc ─► questions ─► gate: new
//
// Each call is answered before the request at hand goes on, so that limits and
// quotas stay exact.

// successor is the new process, as the old one's gate sees it; a gate.Successor.
type successor struct {
	conn   *handover.Conn
	client *rpc.Client
}

var _ gate.Successor = (*successor)(nil)

func newSuccessor(conn *handover.Conn) *successor {
	return &successor{conn, rpc.NewClient(conn.Stream())}
}

func (s *successor) Admit(ask *gate.Ask) (*gate.Verdict, error) {
	v := new(gate.Verdict)
	return v, s.client.Call(questionsName+".Admit", ask, v)
}

func (s *successor) Adjust(d *gate.Debt) error {
	return s.client.Call(questionsName+".Adjust", d, new(bool))
}

func (s *successor) LimitStates(customer string, now time.Time) (states []toll.LimitState, err error) {
	return states, s.client.Call(questionsName+".LimitStates", LimitQuestion{customer, now}, &states)
}

func (s *successor) changed(c Change) error {
	return s.client.Call(questionsName+".Changed", c, new(bool))
}

func (s *successor) close() error { return s.client.Close() }

const questionsName = "Questions"

// questions are what the old process may ask; net/rpc calls its methods.
type questions struct {
	app    *App
	lender *gate.Lender
}

// LimitQuestion asks for a customer's limits. (Exported, as Change is: net/rpc
// passes nothing else.)
type LimitQuestion struct {
	Customer string
	Now      time.Time
}

// Admit decides about a request on one of the old process's connections.
func (q *questions) Admit(ask *gate.Ask, v *gate.Verdict) error {
	*v = *q.lender.Admit(ask)
	return nil
}

// Adjust settles a request of the old process.
func (q *questions) Adjust(d *gate.Debt, _ *bool) error {
	q.lender.Adjust(d)
	return nil
}

// LimitStates is for pages of the console that the old process still shows.
func (q *questions) LimitStates(of LimitQuestion, states *[]toll.LimitState) error {
	*states = q.app.gate.LimitStates(of.Customer, of.Now)
	return nil
}

// Changed tells of a customer or key that was changed over there.
func (q *questions) Changed(c Change, _ *bool) error {
	q.app.hear(c)
	return nil
}

// predecessor is the process that this one took over from.
type predecessor struct{ ended chan struct{} }

// answer answers the old process's questions until it ends, and frees then what
// it still held.
func (a *App) answer(conn net.Conn, lender *gate.Lender) *predecessor {
	p := &predecessor{make(chan struct{})}
	server := rpc.NewServer()
	if err := server.RegisterName(questionsName, &questions{a, lender}); err != nil {
		panic(err) // the methods above are not what net/rpc wants
	}
	go func() {
		server.ServeConn(conn)
		lender.End()
		close(p.ended)
	}()
	return p
}

// Change is a customer or a key as the office changed it.
type Change struct {
	Customer *toll.Customer
	Key      *toll.Key
}

// told passes changes of customers and keys on to a new process: those that
// come while it reads them from the store itself go with the counters, and later
// ones at once. The zero value passes nothing on.
type told struct {
	mu      sync.Mutex
	pending []Change
	begun   bool
	to      *successor
}

// begin keeps changes from now on.
func (t *told) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun, t.pending = true, nil
}

// forget keeps none any more: nobody takes over.
func (t *told) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun, t.pending = false, nil
}

// take returns what was kept so far.
func (t *told) take() []Change {
	t.mu.Lock()
	defer t.mu.Unlock()
	pending := t.pending
	t.pending = nil
	return pending
}

// follow passes on what is kept, and everything from now on.
func (t *told) follow(to *successor) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.to = to
	for _, c := range t.pending {
		_ = to.changed(c) // a process that has ended reads the store when it starts
	}
	t.pending = nil
}

// tell passes a change on; with a new process it returns when it holds there.
func (t *told) tell(c Change) {
	t.mu.Lock()
	to := t.to
	if to == nil && t.begun {
		t.pending = append(t.pending, c)
	}
	t.mu.Unlock()
	if to != nil {
		_ = to.changed(c) // as above
	}
}
