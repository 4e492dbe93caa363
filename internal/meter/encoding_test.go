package meter_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	_ "github.com/tollhouse/tollhouse/internal/steadydraws" // the same draws at each run of CI
	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// anEvent draws any event at all, to the precision that the journal keeps.
func anEvent(t *rapid.T) toll.Event {
	e := toll.Event{
		Time:      time.UnixMicro(rapid.Int64Range(-1<<52, 1<<52).Draw(t, "time")).UTC(),
		RequestID: rapid.String().Draw(t, "request"),
		Customer:  rapid.String().Draw(t, "customer"), Key: rapid.String().Draw(t, "key"),
		Plan: rapid.String().Draw(t, "plan"), PlanVersion: rapid.String().Draw(t, "version"),
		Service: rapid.String().Draw(t, "service"), Endpoint: rapid.String().Draw(t, "endpoint"),
		Method: rapid.String().Draw(t, "method"), Status: rapid.Int().Draw(t, "status"),
		Class: rapid.OneOf(rapid.SampledFrom([]toll.Class{toll.Chargeable, toll.NotBillable, toll.TestUsage, toll.Unknown}),
			rapid.Custom(func(t *rapid.T) toll.Class { return toll.Class(rapid.String().Draw(t, "text")) })).Draw(t, "class"),
		Latency: time.Duration(rapid.Int64Range(0, 1<<50).Draw(t, "latency")) * time.Microsecond,
		BytesIn: rapid.Int64().Draw(t, "in"), BytesOut: rapid.Int64().Draw(t, "out"),
	}
	copy(e.ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	for range rapid.IntRange(0, 4).Draw(t, "units") {
		e.Units = append(e.Units, toll.Amount{Unit: rapid.String().Draw(t, "unit"), Count: rapid.Int64().Draw(t, "count")})
	}
	for range rapid.IntRange(0, 3).Draw(t, "quotas per IP") {
		copy(e.Address[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "address"))
		e.PerAddress = append(e.PerAddress, toll.AddressUse{
			Unit: rapid.String().Draw(t, "unit"), Service: rapid.String().Draw(t, "service"), Endpoint: rapid.String().Draw(t, "endpoint"),
			Every: toll.Every(rapid.String().Draw(t, "every")), Start: rapid.Int64().Draw(t, "start"), Count: rapid.Int64().Draw(t, "count"),
		})
	}
	return e
}

func TestAnEventComesBackAsItWas(t *testing.T) {
	t.Parallel()
	var d meter.Decoder
	rapid.Check(t, func(t *rapid.T) {
		want := anEvent(t)
		b := meter.AppendEvent([]byte("before"), &want)
		got := toll.Event{Units: []toll.Amount{{Unit: "what was there before"}}}
		if err := d.Event(b[len("before"):], &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v\n got %+v\nwant %+v", err, got, want)
		}
		for _, cut := range []int{1, 20, len(b) - 1} {
			if err := d.Event(b[len("before"):max(cut, len("before"))], &got); err == nil {
				t.Fatalf("%d of %d bytes decode", cut, len(b))
			}
		}
		if err := d.Event(append(b[len("before"):], 0), &got); err == nil {
			t.Fatal("an event with a byte too many decodes")
		}
	})
}

func TestARefusalComesBackAsItWas(t *testing.T) {
	t.Parallel()
	var d meter.Decoder
	rapid.Check(t, func(t *rapid.T) {
		want := toll.Refusal{
			Minute: time.Unix(60*rapid.Int64Range(-1<<40, 1<<40).Draw(t, "minute"), 0).UTC(), Count: rapid.Int64().Draw(t, "count"),
			Customer: rapid.String().Draw(t, "customer"), Key: rapid.String().Draw(t, "key"), Service: rapid.String().Draw(t, "service"),
			Policy: rapid.String().Draw(t, "policy"), Reason: toll.RefusalReason(rapid.String().Draw(t, "reason")),
		}
		var got toll.Refusal
		if err := d.Refusal(meter.AppendRefusal(nil, &want), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v\n got %+v\nwant %+v", err, got, want)
		}
	})
}

func TestAnEncodingOfANewerVersionIsToldFromDamage(t *testing.T) {
	t.Parallel()
	var d meter.Decoder
	b := meter.AppendEvent(nil, &toll.Event{})
	b[0] = 3
	if err := d.Event(b, &toll.Event{}); !errors.Is(err, journal.ErrNewer) || toll.CodeOf(err) != toll.Conflict {
		t.Errorf("a newer version: %v, want ErrNewer", err)
	}
	for _, bad := range [][]byte{nil, {0}, {1}, bytes.Repeat([]byte{1}, 40)} {
		if err := d.Event(bad, &toll.Event{}); err == nil || errors.Is(err, journal.ErrNewer) {
			t.Errorf("%v: %v, want an error that is not ErrNewer", bad, err)
		}
	}
}

// A program of before quotas per IP reads version 1 and stops at any other: so
// what it can read must stay as it was, and what it would misread must not.
func TestOnlyWhatQuotasPerIPCountHasANewEncoding(t *testing.T) {
	t.Parallel()
	e := typical()
	e.Address = toll.AddressHash{9} // of which nothing is counted
	plain := meter.AppendEvent(nil, &e)
	e.PerAddress = []toll.AddressUse{{Unit: toll.UnitRequests, Every: toll.Monthly, Start: 1_800_000_000, Count: 1}}
	counted := meter.AppendEvent(nil, &e)
	if plain[0] != 1 || counted[0] != 2 || !bytes.HasPrefix(counted[1:], plain[1:]) {
		t.Errorf("versions %d and %d", plain[0], counted[0])
	}
	var d meter.Decoder
	for name, bad := range map[string][]byte{
		"version 2 without a count": append([]byte{2}, plain[1:]...),
		"no quota":                  append(append([]byte{2}, plain[1:]...), append(make([]byte, 16), 0)...),
		"more quotas than bytes":    append(append([]byte{2}, plain[1:]...), append(make([]byte, 16), 200, 1)...),
		"a refusal of version 2":    {2, 0, 0, 0, 0, 0, 0, 0},
	} {
		if err := d.Event(bad, &toll.Event{}); err == nil {
			t.Errorf("%s decodes", name)
		}
		if err := d.Refusal(bad, &toll.Refusal{}); err == nil {
			t.Errorf("%s decodes as a refusal", name)
		}
	}
}

// typical is an event as the gateway records it.
func typical() toll.Event {
	return toll.Event{
		ID: toll.ULID{1, 2, 3}, Time: time.Unix(1_800_000_000, 0), RequestID: "01J9ZZZZZZZZZZZZZZZZZZZZZZ",
		Customer: "cus_01J9ZZZZZZZZZZZZZZZZZZZZZZ", Key: "key_01J9ZZZZZZZZZZZZZZZZZZZZZZ",
		Plan: "pro", PlanVersion: "pro@0123456789ab", Service: "ner", Endpoint: "POST /extractions", Method: "POST",
		Status: 200, Class: toll.Chargeable, Latency: 2 * time.Millisecond, BytesIn: 120, BytesOut: 480,
		Units: []toll.Amount{{Unit: "words", Count: 12}, {Unit: "characters", Count: 70}},
	}
}

func TestEncodingAllocatesNothing(t *testing.T) {
	e := typical()
	b := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { b = meter.AppendEvent(b[:0], &e) }); n != 0 {
		t.Errorf("AppendEvent allocates %v times", n)
	}
	if len(b) > 220 {
		t.Errorf("a typical event takes %d bytes", len(b))
	}
}

func FuzzDecodeEvent(f *testing.F) {
	e := typical()
	f.Add(meter.AppendEvent(nil, &e))
	e.Class, e.Units = "another", nil
	f.Add(meter.AppendEvent(nil, &e))
	f.Add([]byte{1})
	f.Add([]byte{2, 0, 0})
	e.Address, e.PerAddress = toll.AddressHash{1, 2, 3}, []toll.AddressUse{{Unit: toll.UnitRequests, Service: "site", Every: toll.Daily, Start: 1_800_000_000, Count: 1}}
	f.Add(meter.AppendEvent(nil, &e))
	f.Fuzz(func(t *testing.T, b []byte) {
		var d meter.Decoder
		var first, second toll.Event
		if d.Event(b, &first) != nil {
			return
		}
		if err := d.Event(meter.AppendEvent(nil, &first), &second); err != nil {
			t.Fatalf("what was decoded does not encode: %v", err)
		}
		first.Latency = first.Latency.Truncate(time.Microsecond)
		if !reflect.DeepEqual(first, second) && first.Latency >= 0 && first.Latency < 1<<60 {
			t.Fatalf("\nfirst  %+v\nsecond %+v", first, second)
		}
	})
}

func FuzzDecodeRefusal(f *testing.F) {
	f.Add(meter.AppendRefusal(nil, &toll.Refusal{Minute: time.Unix(1_800_000_000, 0), Customer: "cus", Reason: toll.RefusedLimit, Count: 3}))
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		var d meter.Decoder
		var first, second toll.Refusal
		if d.Refusal(b, &first) != nil {
			return
		}
		if err := d.Refusal(meter.AppendRefusal(nil, &first), &second); err != nil || !reflect.DeepEqual(first, second) {
			t.Fatalf("%v\nfirst  %+v\nsecond %+v", err, first, second)
		}
	})
}

func BenchmarkDecodeEvent(b *testing.B) {
	e := typical()
	encoded := meter.AppendEvent(nil, &e)
	var d meter.Decoder
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Event(encoded, &e); err != nil {
			b.Fatal(err)
		}
	}
}
