package app

import (
	"errors"
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
	client *rpc.Client
	back   *handover.Conn // by which it asks us
}

var _ gate.Successor = (*successor)(nil)

func newSuccessor(conn, back *handover.Conn) *successor {
	return &successor{rpc.NewClient(conn.Stream()), back}
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

func (s *successor) close() error { return errors.Join(s.back.Close(), s.client.Close()) }

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
type predecessor struct {
	ended  chan struct{}
	client *rpc.Client // what it is asked by
}

func newPredecessor(back *handover.Conn) *predecessor {
	return &predecessor{make(chan struct{}), rpc.NewClient(back.Stream())}
}

// answer answers the old process's questions until it ends, and frees then what
// it still held.
func (p *predecessor) answer(asked *handover.Conn, q *questions) {
	serveCalls(asked.Stream(), questionsName, q)
	_ = p.client.Close() // its process has ended
	q.lender.End()
	close(p.ended)
}

// serveCalls answers calls of a receiver's methods until the connection ends.
func serveCalls(conn net.Conn, name string, receiver any) {
	server := rpc.NewServer()
	if err := server.RegisterName(name, receiver); err != nil {
		panic(err) // its methods are not what net/rpc wants
	}
	server.ServeConn(conn)
}

// The new process asks too: a service settles delegated decisions there that
// the old one made.
const decisionsName = "Decisions"

// decisions are what the new process may settle here; net/rpc calls its methods.
type decisions struct{ of *gate.Decisions }

// SettleQuestion is what became of a decision.
type SettleQuestion struct {
	ID      toll.ULID
	Outcome gate.Outcome
}

// SettleAnswer is what that came to, or why it came to nothing.
type SettleAnswer struct {
	Settlement gate.Settlement
	Failed     toll.Code // "": it did not
	Message    string
}

// Settle settles a decision that was made here.
func (d *decisions) Settle(q SettleQuestion, answer *SettleAnswer) error {
	said, err := gate.Settlement{}, gate.ErrNoDecision
	if d.of != nil {
		said, err = d.of.Settle(q.ID, &q.Outcome)
	}
	answer.Settlement = said
	if err != nil {
		answer.Failed, answer.Message = toll.CodeOf(err), toll.SafeMessage(err)
	}
	return nil
}

// answerBack answers what the new process asks, until this one ends.
func (a *App) answerBack(back net.Conn) { serveCalls(back, decisionsName, &decisions{a.decisions}) }

// settleBefore settles a decision of the process that this one took over from.
func (a *App) settleBefore(id toll.ULID, out *gate.Outcome) (gate.Settlement, error) {
	before := a.before.Load()
	if before == nil {
		return gate.Settlement{}, gate.ErrNoDecision
	}
	var answer SettleAnswer
	if err := before.client.Call(decisionsName+".Settle", SettleQuestion{id, *out}, &answer); err != nil {
		return gate.Settlement{}, gate.ErrNoDecision // it has ended, and with it what it kept
	}
	switch answer.Failed {
	case "":
		return answer.Settlement, nil
	case toll.NotFound:
		return answer.Settlement, gate.ErrNoDecision
	case toll.Conflict:
		return answer.Settlement, gate.ErrDecisionExpired
	}
	return answer.Settlement, toll.Errorf(answer.Failed, "%s", answer.Message)
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
