package snapshot

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	_ "github.com/tollhouse/tollhouse/internal/steadydraws" // the same draws at each run of CI
	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

var ours = Identity{Database: "d", Zone: "UTC"}

// books is a store in memory: it keeps events, and counts them when it is asked.
type books struct {
	customers map[string]toll.Customer
	keys      map[string]toll.Key
	events    []toll.Event
	cursors   map[string]meter.Position
	down      error
	reads     int
	quotas    func() *meter.Quotas // of the configuration
}

func newBooks() *books {
	return &books{customers: map[string]toll.Customer{}, keys: map[string]toll.Key{}, cursors: map[string]meter.Position{},
		quotas: func() *meter.Quotas { return meter.NewQuotas(time.UTC) }}
}

func (b *books) EachCustomer(_ context.Context, fn func(toll.Customer) error) error {
	for _, c := range b.customers {
		if err := fn(c); err != nil {
			return err
		}
	}
	return b.down
}

func (b *books) EachKey(_ context.Context, fn func(toll.Key) error) error {
	for _, k := range b.keys {
		if err := fn(k); err != nil {
			return err
		}
	}
	return b.down
}

func (b *books) Counted(_ context.Context, queries []meter.UsedQuery) (meter.Counted, error) {
	b.reads++
	c := meter.Counted{Used: make([][]meter.Used, len(queries)), Cursors: maps.Clone(b.cursors)}
	for i, q := range queries {
		used := map[meter.Used]int64{}
		for _, e := range b.events {
			for _, u := range e.PerAddress {
				if q.ByAddress == u.Every && q.From.Unix() == u.Start && q.Unit == u.Unit && q.Service == u.Service {
					used[meter.Used{Unit: u.Unit, Address: e.Address}] += u.Count
				}
			}
			if q.ByAddress != "" || e.Class != toll.Chargeable || e.Time.Before(q.From) || !e.Time.Before(q.To) || q.Service != "" && e.Service != q.Service || q.Endpoint != "" && e.Endpoint != q.Endpoint {
				continue
			}
			row := meter.Used{Customer: e.Customer}
			if q.ByKey {
				row.Key = e.Key
			}
			for _, u := range append([]toll.Amount{{Unit: toll.UnitRequests, Count: 1}}, e.Units...) {
				if q.Unit == "" || q.Unit == u.Unit {
					row.Unit = u.Unit
					used[row] += u.Count
				}
			}
		}
		for row, n := range used {
			row.Count = n
			c.Used[i] = append(c.Used[i], row)
		}
	}
	return c, b.down
}

// drain stores a batch of one lane as a Sink does.
func (b *books) drain(lane string, events ...toll.Event) *meter.Batch {
	from := b.cursors[lane]
	batch := &meter.Batch{Lane: lane, From: from, Next: meter.Position{Segment: from.Segment + 1, Offset: 64}, Events: events}
	b.cursors[lane] = batch.Next
	b.events = append(b.events, events...)
	return batch
}

// ofEveryKind are a configuration's quotas of each kind that there is.
func ofEveryKind() *meter.Quotas {
	q := meter.NewQuotas(time.UTC)
	q.Service(&toll.Service{Policies: []toll.Policy{{Kind: toll.Quota, Unit: "words", Service: "ner", Endpoint: "POST /x", Every: toll.Daily}}})
	q.Plan(&toll.Plan{Months: toll.SubscriptionMonth, Policies: []toll.Policy{
		{Kind: toll.Quota, Unit: toll.UnitRequests, Every: toll.SubscriptionMonth},
		{Kind: toll.Quota, Unit: "words", Service: "ner", Every: toll.Monthly, Partition: toll.PerKey},
		{Kind: toll.Quota, Unit: toll.UnitRequests, Every: toll.Daily, Partition: toll.PerIP},
	}})
	return q
}

// saved is all that a file holds, in an order.
type saved struct {
	customers []toll.Customer
	keys      []toll.Key
	counters  []Counter
}

func (s *saved) sort() *saved {
	slices.SortFunc(s.customers, func(a, b toll.Customer) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(s.keys, func(a, b toll.Key) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(s.counters, func(a, b Counter) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return s
}

// saved is what the store has: each event counted for each quota that holds it,
// by the customers and keys that there are now.
func (b *books) saved() *saved {
	s := &saved{customers: slices.Collect(maps.Values(b.customers)), keys: slices.Collect(maps.Values(b.keys))}
	used := map[meter.QuotaCounter]int64{}
	for _, e := range b.events {
		for _, u := range e.PerAddress {
			used[meter.QuotaCounter{Unit: u.Unit, Every: u.Every, Start: u.Start, Address: e.Address}] += u.Count
		}
		if e.Class != toll.Chargeable {
			continue
		}
		add := func(unit string, n int64, every toll.Every, key, service, endpoint string) {
			start, _ := every.PeriodSince(e.Time, time.UTC, b.customers[e.Customer].Subscription.Since)
			used[meter.QuotaCounter{Customer: e.Customer, Key: key, Unit: unit, Service: service, Endpoint: endpoint, Every: every, Start: start.Unix()}] += n
		}
		for _, every := range []toll.Every{toll.Daily, toll.Monthly} {
			add(toll.UnitRequests, 1, every, "", "", "")
			add("words", 7, every, "", "", "")
		}
		add(toll.UnitRequests, 1, toll.SubscriptionMonth, "", "", "")
		if e.Service == "ner" {
			add("words", 7, toll.Monthly, e.Key, "ner", "")
			if e.Endpoint == "POST /x" {
				add("words", 7, toll.Daily, "", "ner", "POST /x")
			}
		}
	}
	for c, n := range used {
		s.counters = append(s.counters, Counter{c, n})
	}
	return s.sort()
}

type fataler interface {
	Helper()
	Fatal(args ...any)
}

func read(t fataler, path string) (*saved, Head) {
	t.Helper()
	f, err := Open(path, ours)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := new(saved)
	err = f.Each(func(c toll.Customer) { s.customers = append(s.customers, c) },
		func(k toll.Key) { s.keys = append(s.keys, k) },
		func(c Counter) { s.counters = append(s.counters, c) })
	if err != nil {
		t.Fatal(err)
	}
	return s.sort(), f.Head
}

func open(b *books, path string) *Keeper {
	return NewKeeper(Options{Path: path, Source: b, Whose: ours, Quotas: b.quotas(), Clock: func() time.Time { return noon }})
}

// TestTheFileIsWhatTheStoreHas: whatever is changed, stored, stored without
// being heard of, written and gone on from after a restart.
func TestTheFileIsWhatTheStoreHas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		path := filepath.Join(dir, fmt.Sprint(run))
		b := newBooks()
		b.quotas = ofEveryKind
		for _, id := range []string{"a", "b", "c"} { // who uses something is a customer
			b.customers[id] = toll.Customer{ID: id, Version: 1, Subscription: toll.Subscription{Since: noon.AddDate(-1, 0, 0)}}
		}
		k := open(b, path)
		ids := rapid.SampledFrom([]string{"a", "b", "c"})
		event := func(t *rapid.T) toll.Event {
			e := toll.Event{
				Customer: ids.Draw(t, "whose"), Key: rapid.SampledFrom([]string{"k1", "k2"}).Draw(t, "key"),
				Class:   rapid.SampledFrom([]toll.Class{toll.Chargeable, toll.Chargeable, toll.TestUsage}).Draw(t, "class"),
				Service: rapid.SampledFrom([]string{"ner", "ocr"}).Draw(t, "service"), Endpoint: rapid.SampledFrom([]string{"POST /x", "other"}).Draw(t, "endpoint"),
				Time: noon.Add(-time.Duration(rapid.IntRange(0, 12).Draw(t, "hours")) * time.Hour), Units: []toll.Amount{{Unit: "words", Count: 7}},
			}
			if rapid.Bool().Draw(t, "per IP") {
				e.Address = toll.AddressHash{byte(rapid.IntRange(1, 3).Draw(t, "address"))}
				start, _ := toll.Daily.PeriodAt(e.Time, time.UTC)
				e.PerAddress = []toll.AddressUse{{Unit: toll.UnitRequests, Every: toll.Daily, Start: start.Unix(), Count: 1}}
			}
			return e
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch rapid.IntRange(0, 8).Draw(t, "what") {
			case 0:
				id := ids.Draw(t, "customer")
				c := b.customers[id]
				c.ID, c.Version, c.Subscription.Plan = id, c.Version+1, fmt.Sprint("plan ", c.Version)
				if rapid.IntRange(0, 3).Draw(t, "another day") == 0 {
					c.Subscription.Since = noon.AddDate(0, -2, -rapid.IntRange(0, 30).Draw(t, "day"))
				}
				b.customers[id] = c
				k.CustomerChanged(c)
			case 1:
				id := ids.Draw(t, "key")
				key := b.keys[id]
				key.ID, key.Version, key.Hash[3] = id, key.Version+1, byte(key.Version)
				key.Limits = []toll.Policy{{Name: "own", Kind: toll.RateLimit, Count: key.Version, Window: time.Minute}}
				b.keys[id] = key
				k.KeyChanged(key)
			case 2, 3:
				events := make([]toll.Event, rapid.IntRange(1, 3).Draw(t, "events"))
				for i := range events {
					events[i] = event(t)
				}
				batch := b.drain(rapid.SampledFrom([]string{"n/1", "n/2"}).Draw(t, "lane"), events...)
				switch rapid.IntRange(0, 5).Draw(t, "answer") {
				case 0: // lost
				case 1: // told twice
					k.Stored(batch)
					k.Stored(batch)
				default:
					k.Stored(batch)
				}
			case 4:
				if err := k.Write(context.Background()); err != nil {
					t.Fatal(err)
				}
				if !k.whole { // a batch is still to be heard of
					t.Fatal("not whole after a write")
				}
			case 5:
				if err := k.Write(context.Background()); err != nil {
					t.Fatal(err)
				}
				k = open(b, path)
			case 6: // the store goes away for one write
				b.down = errors.New("away")
				_ = k.Write(context.Background()) // may not need it
				b.down = nil
			case 7: // an event from outside: in the store, and in no lane
				e := event(t)
				e.Service, e.Key = toll.OutsideService, ""
				b.events = append(b.events, e)
				k.Outside()
			case 8: // another replica stores something; the start of Run asks for it, and later the time
				b.events = append(b.events, event(t))
				k.Outside()
			}
		}
		k.drainUnheard(b)
		if err := k.Write(context.Background()); err != nil {
			t.Fatal(err)
		}
		got, head := read(t, path)
		want := b.saved()
		if !reflect.DeepEqual(got.counters, want.counters) || !reflect.DeepEqual(got.keys, want.keys) || !reflect.DeepEqual(got.customers, want.customers) {
			t.Fatalf("the file holds\n%+v\nand the store\n%+v", got, want)
		}
		if len(b.cursors) > 0 && !reflect.DeepEqual(head.Cursors, b.cursors) {
			t.Fatalf("cursors %v, want %v", head.Cursors, b.cursors)
		}
		for lane, at := range b.cursors {
			if k.Kept(lane, at) != at {
				t.Fatalf("the journal keeps what the file has: %v", k.Kept(lane, at))
			}
		}
	})
}

// drainUnheard stores one more batch of each lane, by which the Keeper hears of
// one that it missed.
func (k *Keeper) drainUnheard(b *books) {
	for lane := range b.cursors {
		k.Stored(b.drain(lane))
	}
}

func TestLeavesInTheJournalWhatTheFileDoesNotHave(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "snapshot")
	b := newBooks()
	k := open(b, path)
	first := b.drain("n/1", toll.Event{Customer: "a", Class: toll.Chargeable, Time: noon})
	if got := k.Kept("n/1", first.Next); got != first.Next {
		t.Errorf("without a file nothing is to be kept for it, got %v", got)
	}
	must(t, k.Write(t.Context()))
	second := b.drain("n/1", toll.Event{Customer: "a", Class: toll.Chargeable, Time: noon})
	k.Stored(second)
	if got := k.Kept("n/1", second.Next); got != first.Next {
		t.Errorf("kept %v, want %v", got, first.Next)
	}
	if got := k.Kept("n/2", second.Next); got != (meter.Position{}) {
		t.Errorf("a lane that the file does not know: %v", got)
	}
	reads := b.reads
	k.Keep(t.Context())
	if got := k.Kept("n/1", second.Next); got != second.Next {
		t.Errorf("after Keep: %v", got)
	}
	if b.reads != reads {
		t.Error("it was read from the store, though all was told")
	}
	got, _ := read(t, path)
	if len(got.counters) != 2 || got.counters[0].Used != 2 {
		t.Errorf("%+v", got.counters)
	}
}

func TestAFileThatCannotBeWrittenIsGivenUpBeforeTheJournalGrowsForIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "snapshot")
	b := newBooks()
	k := open(b, path)
	must(t, k.Write(t.Context()))
	must(t, os.Mkdir(path+newSuffix, 0o700)) // in the way
	must(t, os.WriteFile(filepath.Join(path+newSuffix, "x"), nil, 0o600))
	k.Stored(b.drain("n/1", toll.Event{Customer: "a", Class: toll.Chargeable, Time: noon}))
	if err := k.Write(t.Context()); err == nil || k.Status().Err == nil {
		t.Fatal("written over a directory")
	}
	if got := k.Kept("n/1", meter.Position{Segment: mostHeld}); got != (meter.Position{}) {
		t.Errorf("kept %v, want everything", got)
	}
	if _, err := Open(path, ours); err != nil {
		t.Errorf("the file before is not whole: %v", err)
	}
	much := meter.Position{Segment: mostHeld + 1}
	if got := k.Kept("n/1", much); got != much {
		t.Errorf("the journal keeps %v for a file that cannot be written", got)
	}
	if _, err := Open(path, ours); !errors.Is(err, ErrNone) {
		t.Errorf("a file that the journal does not complete is left: %v", err)
	}
	must(t, os.RemoveAll(path+newSuffix))
	must(t, k.Write(t.Context()))
	if got, _ := read(t, path); len(got.counters) != 2 {
		t.Errorf("%+v", got)
	}
}

func TestAQuotaThatIsNewIsReadFromTheStore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "snapshot")
	b := newBooks()
	b.customers["a"], b.keys["k"] = toll.Customer{ID: "a"}, toll.Key{ID: "k"}
	k := open(b, path)
	must(t, k.Write(t.Context()))
	k.Stored(b.drain("n/1", toll.Event{Customer: "a", Key: "k", Service: "ner", Class: toll.Chargeable, Time: noon}))
	must(t, k.Write(t.Context()))
	count := func() int {
		got, _ := read(t, path)
		return len(got.counters)
	}
	want := 2 // the day's and the month's
	if n := count(); n != want {
		t.Fatalf("%d counters", n)
	}
	quota := func(service string) []toll.Policy {
		return []toll.Policy{{Name: "q", Kind: toll.Quota, Unit: toll.UnitRequests, Service: service, Every: toll.Monthly}}
	}
	for what, change := range map[string]func(){
		"a key": func() {
			b.keys["k"] = toll.Key{ID: "k", Version: 1, Limits: quota("")}
			k.KeyChanged(b.keys["k"])
		},
		"a customer": func() {
			b.customers["a"] = toll.Customer{ID: "a", Version: 1, Subscription: toll.Subscription{Overrides: quota("ner")}}
			k.CustomerChanged(b.customers["a"])
		},
		"a plan": func() {
			quotas := b.quotas()
			quotas.Plan(&toll.Plan{Months: toll.SubscriptionMonth, Policies: []toll.Policy{{Kind: toll.Quota, Unit: toll.UnitRequests, Every: toll.SubscriptionMonth}}})
			k.Configured(quotas)
		},
		"a service": func() {
			quotas := b.quotas()
			quotas.Service(&toll.Service{Policies: []toll.Policy{{Kind: toll.Quota, Unit: toll.UnitRequests, Service: "ner", Every: toll.Daily}}})
			k.Configured(quotas)
		},
	} {
		change()
		must(t, k.Write(t.Context()))
		want++
		if n := count(); n != want {
			t.Errorf("a quota of %s: %d counters, want %d", what, n, want)
		}
		reads := b.reads
		change()
		must(t, k.Write(t.Context()))
		if n := count(); n != want || b.reads != reads {
			t.Errorf("the same quota of %s again: %d counters, and %d readings of the store", what, n, b.reads-reads)
		}
	}
}

func TestWhatIsHereIsWrittenWhileTheStoreCannotBeAsked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "snapshot")
	b := newBooks()
	k := open(b, path)
	must(t, k.Write(t.Context()))
	k.Stored(b.drain("n/1", toll.Event{Customer: "a", Class: toll.Chargeable, Time: noon}))
	b.events = append(b.events, toll.Event{Customer: "a", Class: toll.Chargeable, Time: noon, Service: toll.OutsideService})
	k.Outside()
	used := func() int64 {
		got, _ := read(t, path)
		return got.counters[0].Used
	}
	b.down = errors.New("away")
	must(t, k.Write(t.Context()))
	if n := used(); n != 1 {
		t.Errorf("%d used, want what the lane brought", n)
	}
	b.down = nil
	must(t, k.Write(t.Context()))
	if n := used(); n != 2 {
		t.Errorf("%d used, want also what came from outside", n)
	}
}

func TestReadsNowAndThenWhatOtherReplicasBroughtIn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "snapshot")
	synctest.Test(t, func(t *testing.T) {
		b := newBooks()
		k := NewKeeper(Options{Path: path, Source: b, Whose: ours, Quotas: b.quotas(), Clock: time.Now})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			k.Run(ctx)
		}()
		synctest.Wait()
		k.mu.Lock()
		b.events = append(b.events, toll.Event{Customer: "a", Class: toll.Chargeable, Time: time.Now()})
		k.mu.Unlock()
		time.Sleep(atLeast + time.Minute)
		cancel()
		<-ended
	})
	if got, _ := read(t, path); len(got.counters) != 2 || got.counters[0].Used != 1 {
		t.Errorf("%+v", got.counters)
	}
}

func TestGoesOnFromNoFileThatAnotherProcessWrote(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "snapshot")
	b := newBooks()
	now := noon
	k := NewKeeper(Options{Path: path, Source: b, Whose: ours, Quotas: b.quotas(), Clock: func() time.Time { return now }})
	must(t, k.Write(t.Context()))
	batch := b.drain("n/1", toll.Event{Customer: "a", Class: toll.Chargeable, Time: noon})
	k.Stored(batch)
	now = noon.Add(time.Second)
	other := NewKeeper(Options{Path: path, Source: b, Whose: ours, Quotas: b.quotas(), Clock: func() time.Time { return now }})
	other.Stored(batch)
	must(t, other.Write(t.Context()))
	must(t, k.Write(t.Context())) // not that once more
	if got, _ := read(t, path); got.counters[0].Used != 1 {
		t.Errorf("%+v", got.counters)
	}
}

func TestDropsCountersOfPeriodsLongOver(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "snapshot")
	b := newBooks()
	now := noon
	k := NewKeeper(Options{Path: path, Source: b, Whose: ours, Quotas: b.quotas(), Clock: func() time.Time { return now }})
	must(t, k.Write(t.Context()))
	k.Stored(b.drain("n/1", toll.Event{Customer: "a", Class: toll.Chargeable, Time: noon}))
	must(t, k.Write(t.Context()))
	now = noon.AddDate(0, 0, 4)
	must(t, k.Write(t.Context()))
	got, _ := read(t, path)
	if len(got.counters) != 1 || got.counters[0].Of.Every != toll.Monthly {
		t.Errorf("four days later: %+v", got.counters)
	}
}

func TestTheFileIsForItsOwnerAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "snapshot")
	must(t, os.WriteFile(path+newSuffix, []byte("left behind"), 0o644))
	k := open(newBooks(), path)
	must(t, k.Write(t.Context()))
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestRefusesWhatIsNotWholeNotOursOrNewer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "snapshot")
	b := newBooks()
	b.customers["a"] = toll.Customer{ID: "a"}
	k := open(b, path)
	must(t, k.Write(t.Context()))
	whole, err := os.ReadFile(path)
	must(t, err)
	for i := 0; i < len(whole); i += 1 + i/64 { // each byte at the start, then some
		broken := slices.Clone(whole)
		broken[i] ^= 0x20
		must(t, os.WriteFile(path, broken, 0o600))
		if f, err := Open(path, ours); err == nil || f != nil || toll.CodeOf(err) != toll.Unavailable {
			t.Fatalf("byte %d of %d: %v", i, len(whole), err)
		}
	}
	for n := 0; n < len(whole); n += 1 + n/64 {
		must(t, os.WriteFile(path, whole[:n], 0o600))
		if _, err := Open(path, ours); toll.CodeOf(err) != toll.Unavailable {
			t.Fatalf("%d bytes of %d: %v", n, len(whole), err)
		}
	}
	must(t, os.WriteFile(path, whole, 0o600))
	for _, other := range []Identity{{"e", "UTC"}, {"d", "Europe/Paris"}} {
		if _, err := Open(path, other); toll.CodeOf(err) != toll.Unavailable || !strings.Contains(err.Error(), "nothing of it is used") {
			t.Errorf("%+v: %v", other, err)
		}
	}
	if _, err := Open(filepath.Dir(path), ours); toll.CodeOf(err) != toll.Unavailable {
		t.Errorf("a directory: %v", err)
	}
}

// TestReadsTheFormatOfBeforeQuotasPerIP: all that it has means the same today.
func TestReadsTheFormatOfBeforeQuotasPerIP(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "snapshot")
	b := newBooks()
	b.customers["a"] = toll.Customer{ID: "a"}
	k := open(b, path)
	must(t, k.Write(t.Context()))
	whole, err := os.ReadFile(path)
	must(t, err)
	as := func(version string) error {
		t.Helper()
		content := append([]byte(magic+version), whole[len(magic)+1:len(whole)-sumLen]...)
		sum := sha256.Sum256(content)
		must(t, os.WriteFile(path, append(content, sum[:]...), 0o600))
		f, err := Open(path, ours)
		if err == nil {
			must(t, f.Close())
		}
		return err
	}
	for version, says := range map[string]string{"1": "an older", "2": "", "3": "", "4": "a newer"} {
		if err := as(version); (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("format %s: %v", version, err)
		}
	}
}

// FuzzOpen: whatever stands there is refused or read, and never half of it.
func FuzzOpen(f *testing.F) {
	path := filepath.Join(f.TempDir(), "snapshot")
	k := open(newBooks(), path)
	if err := k.Write(context.Background()); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(magic + "1\n"))
	f.Add([]byte(magic + "2\n"))
	f.Add([]byte(magic + "3\n"))
	f.Add([]byte(magic + "99999999999\nnew"))
	f.Add([]byte("tollhouse"))
	f.Fuzz(func(t *testing.T, content []byte) {
		path := filepath.Join(t.TempDir(), "snapshot")
		must(t, os.WriteFile(path, content, 0o600))
		file, err := Open(path, ours)
		if err != nil {
			if toll.CodeOf(err) != toll.Unavailable {
				t.Errorf("%v", err)
			}
			return
		}
		defer file.Close()
		if err := file.Each(nil, nil, nil); err != nil {
			t.Errorf("opened, and then: %v", err)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
