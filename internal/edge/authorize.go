package edge

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// The fields of the listener for foreign proxies, beside those of identity.go.
const (
	secretField   = "Tollhouse-Authorize"
	decisionField = "Tollhouse-Decision"
	statusField   = "Tollhouse-Status"
	problemField  = "Tollhouse-Problem"
)

// Authorize is the listener for foreign proxies and the services behind them:
//
//	/authorize      may this request pass? 2xx with who calls, or the gateway's refusal
//	POST /settle    how a decided request ended, for services that say so
//
// Whoever asks shows the secret. It is safe for concurrent use.
type Authorize struct {
	Chain     *Chain // its Gate, Clock, Answers, Observe and Unmetered; nothing is forwarded
	IDs       *toll.IDs
	Secret    toll.Secret // not empty
	Decisions *gate.Decisions
	Proxies   func() Proxies // whose word counts on the way to the foreign proxy
	Log       *slog.Logger

	draining atomic.Bool
	strange  strangers
}

var _ http.Handler = (*Authorize)(nil)

// Drain lets no further request in, while those that were let in can still be
// settled. It waits until none is left to be settled, or ctx ends.
func (a *Authorize) Drain(ctx context.Context) {
	a.draining.Store(true)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for a.Decisions.Waiting() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// ServeHTTP answers one question, or takes one settlement.
func (a *Authorize) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	now := a.Chain.Clock()
	r := &exchange.Request{Arrived: now, Method: hr.Method, Header: exchange.Fields(hr.Header), Peer: peerOf(hr.RemoteAddr)}
	id := hr.Header.Get(idField)
	trusted := a.Proxies().Trusts(r.Peer)
	if trusted && goodRequestID(id) {
		r.ID = id
	} else {
		r.ID = a.IDs.New(now).String()
	}
	settles := hr.URL.Path == "/settle"
	if !a.knows(hr, settles) {
		a.strange.tell(a.Log, now, r)
		reply(w, hr, a.Chain.Answers.stranger(r))
		return
	}
	switch {
	case hr.URL.Path == "/authorize":
		a.authorize(w, hr, r)
	case settles:
		a.settle(w, hr, r)
	default:
		reply(w, hr, a.Chain.Answers.NoRoute(r))
	}
}

// knows tells whether who asks has the secret. Authorization is the caller's
// own on a question, so only a settlement may hold the secret there.
func (a *Authorize) knows(hr *http.Request, settles bool) bool {
	shown := hr.Header[secretField]
	if len(shown) == 0 && settles {
		scheme, text, _ := strings.Cut(hr.Header.Get("Authorization"), " ")
		if strings.EqualFold(scheme, "Bearer") {
			shown = []string{strings.TrimSpace(text)}
		}
	}
	if len(shown) != 1 {
		return false
	}
	// Of the sums, so that not even the length shows in the time.
	want, got := sha256.Sum256([]byte(a.Secret.Reveal())), sha256.Sum256([]byte(shown[0]))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// authorize decides about the request that a proxy asks about.
func (a *Authorize) authorize(w http.ResponseWriter, hr *http.Request, r *exchange.Request) {
	answers := a.Chain.Answers
	deny, err := denyOf(hr.URL.RawQuery)
	if err != nil {
		reply(w, hr, answers.question(r, err))
		return
	}
	answer := func(response *exchange.Response) { reply(w, hr, deny.fold(response)) }
	if deny {
		r.Header = exchange.Fields{"Accept": {"application/problem+json"}} // a problem that fits a field
	}
	if a.draining.Load() {
		w.Header().Set("Connection", "close")
		answer(answers.draining(r))
		return
	}
	o, err := originalOf(hr.Header, a.Proxies())
	if err != nil {
		a.Log.Warn("a proxy's question cannot be answered", "request", r.ID, "peer", r.Peer.String(), "error", err)
		answer(answers.question(r, err))
		return
	}
	r.Method, r.Scheme, r.Secure = o.method, o.scheme, o.scheme == "https"
	r.Host, r.HostPort, r.RawPath, r.RawQuery, r.Client = o.host, o.hostPort, o.path, o.query, o.client

	k := walks.Get().(*walk)
	p := &k.pass
	k.ask = gate.Ask{
		Now: r.Arrived, RequestID: r.ID, Host: r.Host, Method: r.Method, RawPath: r.RawPath,
		Authorization: joined(hr.Header["Authorization"]), APIKey: joined(hr.Header["X-Api-Key"]),
		Client: r.Client, URL: len(r.RawPath) + len(r.RawQuery), Delegated: true,
	}
	k.seen = Seen{Request: r, Path: r.RawPath, Pass: p}
	keep := true // the walk's Pass is still ours
	defer func() {
		if keep {
			k.seen = Seen{}
			walks.Put(k)
		}
	}()
	switch a.Chain.Gate.Admit(&k.ask, p) {
	case gate.Elsewhere:
		answer(answers.notDelegated(r))
		return
	case gate.Admitted:
	default:
		response := answers.Refusal(r, p)
		k.seen.Status = response.Status
		if p.Reason == toll.RefusedLimit {
			k.rateLimits(response.Header)
		}
		answer(response)
		a.Chain.observe(k)
		return
	}

	response := &exchange.Response{Status: http.StatusOK, Header: exchange.Fields{}, Body: http.NoBody}
	h := response.Header
	h.Set("Cache-Control", "no-store")
	h.Set(idField, r.ID)
	for _, name := range [...]string{customerField, keyField, planField, featuresField, modeField} {
		h.Set(name, "") // each is there, so that a proxy puts it in the place of what a client said
	}
	sayWho(h, p)
	k.rateLimits(h)
	if p.Service.Delegated.Settle {
		asked := r.Header
		r.Header = exchange.Fields{} // what a decision keeps must be small
		id, err := a.Decisions.Hold(p, a.Chain.Unmetered(), func(out *gate.Outcome, badUsage int) {
			k.seen.Status, k.seen.BytesIn, k.seen.BytesOut, k.seen.Delivered = out.Status, out.BytesIn, out.BytesOut, true
			k.misused(badUsage, out.Usage)
			a.Chain.observe(k)
		})
		if err != nil {
			k.seen.Err, k.seen.Status = err, http.StatusServiceUnavailable
			p.Done().Delivered(true)
			r.Header = asked
			answer(answers.Unmetered(r))
			a.Chain.observe(k)
			return
		}
		keep = false // until it is settled
		h.Set(decisionField, id.String())
		reply(w, hr, response)
		return
	}
	defer func() { p.Done().Delivered(true) }()
	h.Set(decisionField, p.ID().String())
	k.seen.Status = response.Status
	if _, err := p.Record(&gate.Outcome{Decided: true}); err != nil {
		k.seen.Err = err
		if !a.Chain.Unmetered() {
			response = answers.Unmetered(r)
			k.seen.Status = response.Status
		}
	}
	answer(response)
	a.Chain.observe(k)
}

// reply sends an answer to a proxy or a service.
func reply(w http.ResponseWriter, hr *http.Request, response *exchange.Response) {
	_ = writeWhole(&responseWriter{w: w, r: hr, body: NewBody(http.NoBody, 0)}, hr.Method, response)
}

// strangers tells the log of who asks without the secret, seldom: whoever can
// reach the listener can ask as often as they like.
type strangers struct{ last, more atomic.Int64 }

const strangersEvery = 10 * time.Second

func (s *strangers) tell(log *slog.Logger, now time.Time, r *exchange.Request) {
	last := s.last.Load()
	if now.UnixNano()-last < int64(strangersEvery) || !s.last.CompareAndSwap(last, now.UnixNano()) {
		s.more.Add(1)
		return
	}
	log.Warn("somebody asks listen.authorize without its secret: is it the same in the proxy and here?",
		"peer", addressText(r.Peer), "request", r.ID, "more_before", s.more.Swap(0))
}

func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
