package gate_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/apikey"
	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/gate/gatetest"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

var billable = [6]bool{2: true, 3: true, 4: true}

func services() []toll.Service {
	return []toll.Service{
		{
			Name: "ner", Path: "/v1/ner", StripPath: true, Access: toll.AccessKey, MaxBody: 1000,
			Units: []string{"words"}, Endpoints: []string{"POST /extractions"}, Bill: billable,
		},
		{Name: "other", Path: "/v1/other", Access: toll.AccessKey, MaxBody: 1000, Bill: billable},
		{
			Name: "site", Host: "site.example", Access: toll.AccessPublic, MaxBody: 1000, Bill: billable,
			Policies: []toll.Policy{{Name: "app", Kind: toll.RateLimit, Partition: toll.PerIP, Count: 1, Window: time.Minute}},
		},
	}
}

func free() toll.PlanVersion {
	return toll.PlanVersion{ID: "free@1", Plan: toll.Plan{
		Name: "free", Includes: []string{"ner"}, Features: []string{"models"},
		Policies: []toll.Policy{
			{Name: "minute", Kind: toll.RateLimit, Count: 10, Window: time.Minute},
			{Name: "parallel", Kind: toll.ConcurrencyLimit, Count: 2},
			{Name: "monthly", Kind: toll.Quota, Unit: toll.UnitRequests, Count: 5, Every: toll.Monthly},
		},
	}}
}

// house is a gate with one customer and what a test needs to walk through it.
type house struct {
	*gate.Gate
	recorder *gatetest.Recorder
	customer toll.Customer
	key      toll.Key
	text     string
	pass     gate.Pass
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{recorder: new(gatetest.Recorder)}
	h.Gate = gate.New(h.recorder, toll.NewIDs(nil))
	if err := h.Switch(gate.Rules{Services: services(), Plans: []toll.PlanVersion{free()}}); err != nil {
		t.Fatal(err)
	}
	h.customer = toll.Customer{
		ID: "cus_1", Status: toll.CustomerActive, Version: 1,
		Subscription: toll.Subscription{Plan: "free", PlanVersion: "free@1"},
	}
	h.PutCustomer(h.customer)
	h.key, h.text = newKey(t, h.customer.ID, toll.Live)
	h.PutKey(h.key)
	return h
}

func newKey(t testing.TB, customer string, mode toll.Mode) (toll.Key, string) {
	t.Helper()
	text, hash, hint, err := apikey.New(mode, nil)
	if err != nil {
		t.Fatal(err)
	}
	return toll.Key{ID: "key_" + hint, CustomerID: customer, Mode: mode, Hash: hash, Hint: hint, CreatedAt: noon, Version: 1}, text.Reveal()
}

func (h *house) ask() gate.Ask {
	return gate.Ask{
		Now: noon, RequestID: "request-1", Host: "api.example", Method: "POST", RawPath: "/v1/ner/extractions",
		Authorization: "Bearer " + h.text, Client: netip.MustParseAddr("198.51.100.1"), Length: 10,
	}
}

// call walks one request through the gate and says how it ended.
func (h *house) call(t testing.TB, out gate.Outcome) gate.Decision {
	t.Helper()
	ask := h.ask()
	d := h.Admit(&ask, &h.pass)
	if d != gate.Admitted {
		return d
	}
	if _, err := h.pass.Record(&out); err != nil {
		t.Fatal(err)
	}
	h.pass.Done().Delivered(true)
	return d
}

func TestAnAdmittedRequestKnowsWhereItGoesAndWhoCalls(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ask := h.ask()
	if d := h.Admit(&ask, &h.pass); d != gate.Admitted {
		t.Fatalf("decision %v (%s), want Admitted", d, h.pass.Reason)
	}
	p := &h.pass
	if p.Service.Name != "ner" || p.Path != "/extractions" || p.RawPath != "/extractions" || p.Prefix != "/v1/ner" || p.Endpoint != "POST /extractions" {
		t.Errorf("it goes to %s %q %q %q %q", p.Service.Name, p.Path, p.RawPath, p.Prefix, p.Endpoint)
	}
	if p.Customer != "cus_1" || p.Key != h.key.ID || p.Plan != "free" || p.PlanVersion != "free@1" || p.Mode != toll.Live || len(p.Features) != 1 {
		t.Errorf("the caller is %q %q %q %q %q %v", p.Customer, p.Key, p.Plan, p.PlanVersion, p.Mode, p.Features)
	}
	if len(p.Limits()) != 3 {
		t.Errorf("%d policies were looked at, want 3", len(p.Limits()))
	}
	p.Done().Delivered(false)
}

func TestRefusalsSayWhyAndConsumeNothing(t *testing.T) {
	t.Parallel()
	expired, expiredText := newKey(t, "cus_1", toll.Live)
	expired.ExpiresAt = noon
	revoked, revokedText := newKey(t, "cus_1", toll.Live)
	revoked.RevokedAt = noon.Add(-time.Second)
	scoped, scopedText := newKey(t, "cus_1", toll.Live)
	scoped.Services = []string{"other"}
	_, strangerText := newKey(t, "cus_1", toll.Live)
	for _, c := range []struct {
		name string
		set  func(*house, *gate.Ask)
		want toll.RefusalReason
	}{
		{"no key", func(_ *house, a *gate.Ask) { a.Authorization = "" }, toll.RefusedKeyMissing},
		{"a malformed key", func(_ *house, a *gate.Ask) { a.Authorization = "Bearer th_live_short" }, toll.RefusedKeyMalformed},
		{"a key off by one character", func(h *house, a *gate.Ask) {
			a.Authorization = a.Authorization[:len(a.Authorization)-1] + flip(a.Authorization[len(a.Authorization)-1])
		}, toll.RefusedKeyMalformed},
		{"a key nobody made", func(_ *house, a *gate.Ask) { a.Authorization = "Bearer " + strangerText }, toll.RefusedKeyUnknown},
		{"a revoked key", func(h *house, a *gate.Ask) { h.PutKey(revoked); a.Authorization = "Bearer " + revokedText }, toll.RefusedKeyUnknown},
		{"an expired key", func(h *house, a *gate.Ask) { h.PutKey(expired); a.Authorization = "Bearer " + expiredText }, toll.RefusedKeyExpired},
		{"a suspended customer", func(h *house, _ *gate.Ask) {
			c := h.customer
			c.Status, c.Version = toll.CustomerSuspended, 2
			h.PutCustomer(c)
		}, toll.RefusedSuspended},
		{"a service that the plan does not include", func(_ *house, a *gate.Ask) { a.RawPath = "/v1/other" }, toll.RefusedNotIncluded},
		{"a key for other services", func(h *house, a *gate.Ask) { h.PutKey(scoped); a.Authorization = "Bearer " + scopedText }, toll.RefusedOutOfScope},
		{"a body over the service's limit", func(_ *house, a *gate.Ask) { a.Length = 1001 }, toll.RefusedTooLarge},
		{"an ambiguous path", func(_ *house, a *gate.Ask) { a.RawPath = "/v1/ner/%2e%2e/other" }, toll.RefusedBadPath},
		{"a journal that takes nothing", func(h *house, _ *gate.Ask) { h.recorder.Fail(toll.Errorf(toll.Unavailable, "full")) }, toll.RefusedJournal},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			ask := h.ask()
			c.set(h, &ask)
			if d := h.Admit(&ask, &h.pass); d != gate.Refused || h.pass.Reason != c.want {
				t.Fatalf("decision %v, reason %q; want Refused, %q", d, h.pass.Reason, c.want)
			}
			if refusals := h.recorder.Refusals(); len(refusals) != 1 || refusals[0].Reason != c.want {
				t.Errorf("counted refusals: %+v", refusals)
			}
			for _, s := range h.LimitStates("cus_1", noon) {
				if s.Used != 0 {
					t.Errorf("the policy %s has %d used after a refusal", s.Policy.Name, s.Used)
				}
			}
		})
	}
}

func flip(c byte) string {
	if c == 'a' {
		return "b"
	}
	return "a"
}

func TestWhatNoServiceTakesGoesElsewhere(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ask := h.ask()
	ask.RawPath = "/overview"
	if d := h.Admit(&ask, &h.pass); d != gate.Elsewhere {
		t.Errorf("decision %v, want Elsewhere", d)
	}
	if len(h.recorder.Refusals()) != 0 {
		t.Error("a request for the console was counted as a refusal")
	}
}

func TestChangesHoldForTheNextRequestAndOldOnesAreDropped(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	k := h.key
	k.RevokedAt, k.Version = noon, 2
	h.PutKey(k)
	h.PutKey(h.key) // told late
	if d := h.call(t, gate.Outcome{}); d != gate.Refused || h.pass.Reason != toll.RefusedKeyUnknown {
		t.Errorf("a revoked key: %v (%s)", d, h.pass.Reason)
	}
}

func TestAMethodThatNoJournalHoldsIsRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ask := h.ask()
	ask.Method = strings.Repeat("M", 65<<10)
	if d := h.Admit(&ask, &h.pass); d != gate.Refused || h.pass.Reason != toll.RefusedBadMethod {
		t.Errorf("%v (%s), want it refused as %s", d, h.pass.Reason, toll.RefusedBadMethod)
	}
	ask.Method = "UPDATEREDIRECTREF" // the longest of IANA's registry
	if h.Admit(&ask, &h.pass) != gate.Admitted {
		t.Errorf("the method %s is refused: %s", ask.Method, h.pass.Reason)
	}
	h.pass.Done().Delivered(false)
}

func TestOpenedRequestsAreJournalledOnceAndNotAfterTheirEnd(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ask := h.ask()
	if h.Admit(&ask, &h.pass) != gate.Admitted {
		t.Fatal(h.pass.Reason)
	}
	for range 2 {
		if err := h.pass.Open(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.pass.Record(&gate.Outcome{Status: 101, Answered: true}); err != nil {
		t.Fatal(err)
	}
	h.pass.Done().Delivered(true)
	if err := h.pass.Open(); err != nil {
		t.Fatal(err)
	}
	if n := len(h.recorder.Opened()); n != 1 {
		t.Errorf("%d open records, want 1", n)
	}
	if opened, recorded := h.recorder.Opened()[0], h.recorder.Events()[0]; opened.ID != recorded.ID || opened.Class != toll.Unknown {
		t.Errorf("opened as %s (%s), recorded as %s", opened.ID, opened.Class, recorded.ID)
	}
}

// quiet is a recorder that costs nothing.
type quiet struct{}

func (quiet) Open(*toll.Event) (meter.Ticket, error)                               { return meter.Ticket{}, nil }
func (quiet) Record(*toll.Event, meter.Ticket) (meter.Ticket, error)               { return meter.Ticket{}, nil }
func (quiet) Done(meter.Ticket, bool)                                              {}
func (quiet) Refuse(time.Time, string, string, string, string, toll.RefusalReason) {}
func (quiet) Err() error                                                           { return nil }

// generous is a house whose limits no test reaches.
func generous(t testing.TB) (*gate.Gate, gate.Ask) {
	t.Helper()
	plan := free()
	plan.Plan.Policies[0].Count, plan.Plan.Policies[2].Count = 1_000_000_000, 1_000_000_000
	g := gate.New(quiet{}, toll.NewIDs(nil))
	if err := g.Switch(gate.Rules{Services: services(), Plans: []toll.PlanVersion{plan}}); err != nil {
		t.Fatal(err)
	}
	g.PutCustomer(toll.Customer{ID: "cus_1", Status: toll.CustomerActive, Subscription: toll.Subscription{Plan: "free"}})
	key, text := newKey(t, "cus_1", toll.Live)
	g.PutKey(key)
	return g, gate.Ask{
		Now: noon, RequestID: "request-1", Host: "api.example", Method: "POST", RawPath: "/v1/ner/extractions",
		Authorization: "Bearer " + text, Client: netip.MustParseAddr("198.51.100.1"), Length: 10,
	}
}

func TestTheWalkAllocatesNothingInTheCommonCase(t *testing.T) {
	g, ask := generous(t)
	var pass gate.Pass
	out := gate.Outcome{Status: 200, Answered: true, Usage: []string{"words=7"}}
	walk := func() {
		if g.Admit(&ask, &pass) != gate.Admitted {
			t.Fatal(pass.Reason)
		}
		if _, err := pass.Record(&out); err != nil {
			t.Fatal(err)
		}
		pass.Done().Delivered(true)
	}
	walk()
	if n := testing.AllocsPerRun(1000, walk); n > 0 {
		t.Errorf("%v allocations in Admit, Record and Done, want none", n)
	}
}

func BenchmarkTheWalk(b *testing.B) {
	g, ask := generous(b)
	var pass gate.Pass
	out := gate.Outcome{Status: 200, Answered: true}
	b.ReportAllocs()
	for b.Loop() {
		if g.Admit(&ask, &pass) != gate.Admitted {
			b.Fatal(pass.Reason)
		}
		if _, err := pass.Record(&out); err != nil {
			b.Fatal(err)
		}
		pass.Done().Delivered(true)
	}
}

func TestAServiceForEveryHostLeavesTheConsoleItsOwn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	everywhere := toll.Service{Name: "everywhere", Access: toll.AccessPublic, MaxBody: 1000}
	below := toll.Service{Name: "below", Host: "*.example", Access: toll.AccessPublic, MaxBody: 1000}
	named := toll.Service{Name: "named", Host: "Console.example", Path: "/v1", Access: toll.AccessPublic, MaxBody: 1000}
	if err := h.Switch(gate.Rules{Services: []toll.Service{everywhere, below, named}, ConsoleHost: "Console.example"}); err != nil {
		t.Fatal(err)
	}
	for _, at := range []struct {
		host, path string
		service    string // "" for the console
	}{
		{"console.example", "/", ""},
		{"console.example", "/sign-in", ""},
		{"console.example", "/v1/x", "named"}, // who names the console's host means it
		{"other.example", "/sign-in", "below"},
		{"localhost", "/sign-in", "everywhere"},
		{"", "/sign-in", "everywhere"},
	} {
		ask := h.ask()
		ask.Host, ask.RawPath = at.host, at.path
		switch d := h.Admit(&ask, &h.pass); {
		case at.service == "":
			if d != gate.Elsewhere {
				t.Errorf("%s%s: decision %v, want Elsewhere", at.host, at.path, d)
			}
		case d != gate.Admitted:
			t.Errorf("%s%s: decision %v (%s), want Admitted", at.host, at.path, d, h.pass.Reason)
		default:
			if h.pass.Service.Name != at.service {
				t.Errorf("%s%s goes to %s, want %s", at.host, at.path, h.pass.Service.Name, at.service)
			}
			h.pass.Done().Delivered(false)
		}
	}
}

func TestAnAnswerFromTheCacheCountsAsItsServiceSays(t *testing.T) {
	t.Parallel()
	for _, counts := range []bool{true, false} {
		h := newHouse(t)
		list := services()
		list[0].Cache = toll.Cache{MaxSize: 1 << 20, Counts: counts}
		if err := h.Switch(gate.Rules{Services: list, Plans: []toll.PlanVersion{free()}}); err != nil {
			t.Fatal(err)
		}
		h.call(t, gate.Outcome{Status: 200, Answered: true, Cached: true, Usage: []string{"words=7"}})
		class, used, rate := toll.Chargeable, int64(1), int64(1)
		if !counts {
			class, used = toll.NotBillable, 0
		}
		if e := h.recorder.Events(); len(e) != 1 || e[0].Class != class || len(e[0].Units) != 1 {
			t.Errorf("counts %v: the events are %+v", counts, e)
		}
		for _, s := range h.LimitStates("cus_1", noon) {
			if s.Policy.Name == "monthly" && s.Used != used || s.Policy.Name == "minute" && s.Used != rate {
				t.Errorf("counts %v: %s has %d used", counts, s.Policy.Name, s.Used)
			}
		}
		h.call(t, gate.Outcome{Status: 200, Answered: true})
		if e := h.recorder.Events(); e[1].Class != toll.Chargeable {
			t.Errorf("counts %v: the service's own answer is %s", counts, e[1].Class)
		}
	}
}
