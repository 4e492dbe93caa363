package app

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/apikey"
	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/gate/gatetest"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/meter/metertest"
	"github.com/tollhouse/tollhouse/internal/snapshot"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// storeOf is a store in memory, as a snapshot's Source.
type storeOf struct {
	metertest.Memory
	customers []toll.Customer
	keys      []toll.Key
}

func (s *storeOf) Counted(ctx context.Context, queries []meter.UsedQuery) (meter.Counted, error) {
	c := meter.Counted{Used: make([][]meter.Used, len(queries)), Cursors: map[string]meter.Position{}}
	for i, q := range queries {
		var err error
		if c.Used[i], err = s.UsedOf(ctx, q); err != nil {
			return c, err
		}
	}
	return c, nil
}

func (s *storeOf) EachCustomer(_ context.Context, fn func(toll.Customer) error) error {
	return each(s.customers, fn)
}

func (s *storeOf) EachKey(_ context.Context, fn func(toll.Key) error) error { return each(s.keys, fn) }

func each[T any](all []T, fn func(T) error) error {
	for _, one := range all {
		if err := fn(one); err != nil {
			return err
		}
	}
	return nil
}

// TestAStartFindsEveryQuotaAsItWas drives one gate, gives its events to a store,
// and holds two others to the first one's numbers: one that was restored from that
// store, and one from a snapshot that had a part of them, with the rest told one by
// one as from a lane. For every place where a quota may stand.
func TestAStartFindsEveryQuotaAsItWas(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	quota := func(name, unit string, every toll.Every, scope ...string) toll.Policy {
		p := toll.Policy{Name: name, Kind: toll.Quota, Unit: unit, Every: every, Count: 1_000_000}
		if len(scope) > 0 {
			p.Service = scope[0]
		}
		if len(scope) > 1 {
			p.Endpoint = scope[1]
		}
		return p
	}
	perKey := quota("per-key", "words", toll.SubscriptionMonth, "ner")
	perKey.Partition = toll.PerKey
	perIP := func(p toll.Policy) toll.Policy {
		p.Partition = toll.PerIP
		return p
	}
	bill := [6]bool{2: true, 3: true, 4: true}
	rules := gate.Rules{
		Location: zone,
		Services: []toll.Service{
			{
				Name: "ner", Path: "/ner", StripPath: true, Access: toll.AccessKey, MaxBody: 1000, Units: []string{"words", "credits"}, Bill: bill,
				Endpoints: []string{"POST /extractions", "GET /terms"},
				Policies:  []toll.Policy{quota("ner-day", toll.UnitRequests, toll.Daily, "ner"), quota("ner-terms", toll.UnitRequests, toll.Monthly, "ner", "GET /terms"), perIP(quota("ner-ip", "words", toll.Monthly, "ner"))},
				Costs: map[string]toll.Cost{
					"POST /extractions": {Reserve: []toll.Amount{{Unit: "words", Count: 50}}},
					"GET /terms":        {Uses: []toll.Amount{{Unit: "credits", Count: 3}}},
				},
			},
			{Name: "ocr", Path: "/ocr", Access: toll.AccessKey, MaxBody: 1000, Bill: bill},
			{Name: "open", Path: "/open", Access: toll.AccessPublic, MaxBody: 1000, Bill: bill, Policies: []toll.Policy{perIP(quota("open-ip", toll.UnitRequests, toll.Monthly, "open"))}},
		},
		Plans: []toll.PlanVersion{
			{ID: "own@1", Plan: toll.Plan{Name: "own", Includes: []string{"ner", "ocr"}, Months: toll.SubscriptionMonth, Policies: []toll.Policy{
				quota("month", toll.UnitRequests, toll.SubscriptionMonth), quota("words", "words", toll.SubscriptionMonth, "ner", "POST /extractions"),
				quota("day", toll.UnitRequests, toll.Daily), perKey, perIP(quota("plan-ip", toll.UnitRequests, toll.Daily)),
			}}},
			{ID: "plain@1", Plan: toll.Plan{Name: "plain", Includes: []string{"ner", "ocr"}, Policies: []toll.Policy{
				quota("month", toll.UnitRequests, toll.Monthly), quota("credits", "credits", toll.Monthly), quota("ocr", toll.UnitRequests, toll.Monthly, "ocr"),
			}}},
		},
	}
	recorder := new(gatetest.Recorder)
	ran := gate.New(recorder, toll.NewIDs(nil))
	started := gate.New(new(gatetest.Recorder), toll.NewIDs(nil))
	saved := gate.New(new(gatetest.Recorder), toll.NewIDs(nil))
	gates := []*gate.Gate{ran, started, saved}
	for _, g := range gates {
		g.HashAddresses("the data directory's")
		if err := g.Switch(rules); err != nil {
			t.Fatal(err)
		}
	}
	cfg := &config.Config{Services: rules.Services}
	for _, p := range rules.Plans {
		cfg.Plans = append(cfg.Plans, p.Plan)
	}
	quotas, store := quotasOf(cfg, zone), new(storeOf)
	var keys []string
	for i := range 6 {
		c := toll.Customer{ID: fmt.Sprint("cus_", i), Status: toll.CustomerActive, Subscription: toll.Subscription{
			Plan: []string{"own", "plain"}[i%2], Since: time.Date(2025, 12, 31-i*5, 22, 30, 0, 0, time.UTC), // in Berlin some are a day further
		}}
		if i == 3 {
			c.Subscription.Overrides = []toll.Policy{quota("beside", "words", toll.Daily, "ner")}
		}
		quotas.Customer(&c)
		store.customers = append(store.customers, c)
		for _, g := range gates {
			g.PutCustomer(c)
		}
		for j := range 2 {
			text, hash, hint, err := apikey.New(toll.Live, nil)
			if err != nil {
				t.Fatal(err)
			}
			k := toll.Key{ID: fmt.Sprintf("key_%d_%d", i, j), CustomerID: c.ID, Mode: toll.Live, Hash: hash, Hint: hint}
			if j == 1 {
				k.Limits = []toll.Policy{quota("key", toll.UnitRequests, toll.Monthly)}
			}
			quotas.Key(&k)
			store.keys = append(store.keys, k)
			for _, g := range gates {
				g.PutKey(k)
			}
			keys = append(keys, text.Reveal())
		}
	}
	var pass gate.Pass
	calls := [][2]string{{"POST", "/ner/extractions"}, {"GET", "/ner/terms"}, {"GET", "/ner/else"}, {"GET", "/ocr/x"}, {"GET", "/open/x"}}
	client := netip.MustParseAddr("192.0.2.1")
	ask := func(key string, call [2]string, at time.Time) gate.Ask {
		return gate.Ask{Now: at, RequestID: "r", Host: "x", Method: call[0], RawPath: call[1], APIKey: key, Client: client}
	}
	random := rand.New(rand.NewPCG(4, 2))
	// Two calendar months and three own ones, in the order of time: what a gate
	// that runs has still in mind are the periods of now.
	for at := time.Date(2026, 9, 25, 0, 0, 0, 0, time.UTC); at.Before(now); at = at.Add(time.Duration(random.Int64N(int64(40 * time.Minute)))) {
		client = netip.AddrFrom4([4]byte{192, 0, 2, byte(random.IntN(3))})
		q := ask(keys[random.IntN(len(keys))], calls[random.IntN(len(calls))], at)
		if ran.Admit(&q, &pass) != gate.Admitted {
			t.Fatal(pass.Reason)
		}
		status := []int{200, 200, 404, 503}[random.IntN(4)]
		if _, err := pass.Record(&gate.Outcome{Status: status, Answered: true, Usage: []string{fmt.Sprintf("words=%d", random.IntN(90))}}); err != nil {
			t.Fatal(err)
		}
		pass.Done().Delivered(true)
	}
	events, path := recorder.Events(), filepath.Join(t.TempDir(), "snapshot")
	keeper := snapshot.NewKeeper(snapshot.Options{Path: path, Source: store, Quotas: quotasOf(cfg, zone), Clock: func() time.Time { return now }})
	// The store has a third when the snapshot is made of it; the snapshot is told
	// of a third, and the rest is in the lanes.
	position := func(n int) meter.Position { return meter.Position{Segment: 1, Offset: int64(n)} }
	drain := func(lane string, from, to int) *meter.Batch {
		b := &meter.Batch{Lane: lane, From: position(from), Next: position(to), Events: events[from:to]}
		if from == 0 || lane != "n/a" {
			b.From = meter.Position{}
		}
		if err := store.Drain(context.Background(), b); err != nil {
			t.Fatal(err)
		}
		return b
	}
	drain("n/a", 0, len(events)/3)
	if err := keeper.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	keeper.Stored(drain("n/b", len(events)/3, len(events)*2/3))
	if err := keeper.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	file, err := snapshot.Open(path, snapshot.Identity{})
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var counters []snapshot.Counter
	ofFile, counted := quotasOf(cfg, zone), map[meter.QuotaCounter]int64{}
	err = file.Each(func(c toll.Customer) { ofFile.Customer(&c) }, func(k toll.Key) { ofFile.Key(&k) }, func(c snapshot.Counter) { counters = append(counters, c) })
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range counters {
		counted[c.Of] += c.Used
	}
	for _, e := range events[len(events)*2/3:] {
		ofFile.Event(&e, func(c meter.QuotaCounter, n int64) { counted[c] += n })
	}
	for c, n := range counted {
		if ofFile.Holds(&c, now) {
			saved.RestoreScope(restored(c, n))
		}
	}
	drain("n/c", len(events)*2/3, len(events))
	read, err := quotas.Read(context.Background(), store, now)
	if err != nil {
		t.Fatal(err)
	}
	read.Each(func(c meter.QuotaCounter, n int64) { started.RestoreScope(restored(c, n)) })
	left := func(g *gate.Gate, key string, call [2]string) map[string]int64 {
		q := ask(key, call, now)
		if g.Admit(&q, &pass) != gate.Admitted {
			t.Fatal(pass.Reason)
		}
		defer func() { pass.Done().Delivered(true) }()
		out := map[string]int64{}
		for _, r := range pass.Limits() {
			out[r.Policy.Name] = r.Remaining
		}
		return out
	}
	met, used := map[string]bool{}, int64(0)
	for i, key := range keys {
		for _, call := range calls {
			client = netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 4)}) // one of them never came
			was, is := left(ran, key, call), left(started, key, call)
			if !reflect.DeepEqual(was, is) {
				t.Errorf("key %d, %v: the gate that ran has left %v, the restored one %v", i, call, was, is)
			}
			if is = left(saved, key, call); !reflect.DeepEqual(was, is) {
				t.Errorf("key %d, %v: the gate that ran has left %v, the one of the snapshot %v", i, call, was, is)
			}
			for name, n := range was {
				met[name] = true
				used += 1_000_000 - n
			}
		}
	}
	for _, name := range []string{"month", "words", "day", "per-key", "credits", "ocr", "ner-day", "ner-terms", "beside", "key", "ner-ip", "open-ip", "plan-ip"} {
		if !met[name] {
			t.Errorf("no call met the quota %q", name)
		}
	}
	if used < 10_000 {
		t.Errorf("only %d were used of all quotas: this compares nothing", used)
	}
}
