package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// classNumber is a class as its column keeps it; 0 for none.
func classNumber(c toll.Class) int64 {
	switch c {
	case toll.Chargeable:
		return 1
	case toll.NotBillable:
		return 2
	case toll.TestUsage:
		return 3
	case toll.Unknown:
		return 4
	}
	return 0
}

// classOf is the class that a column's number stands for.
func classOf(number int64) toll.Class {
	switch number {
	case 1:
		return toll.Chargeable
	case 2:
		return toll.NotBillable
	case 3:
		return toll.TestUsage
	}
	return toll.Unknown
}

// eventRows are the rows of usage_event.
func eventRows(events []toll.Event, named []numbers) *bulk {
	ints := func() []int64 { return make([]int64, len(events)) }
	strs := func() []string { return make([]string, len(events)) }
	id := make([][]byte, len(events))
	at, customer, key, plan, version, service, endpoint := ints(), ints(), ints(), ints(), ints(), ints(), ints()
	status, class, latency, in, out := ints(), ints(), ints(), ints(), ints()
	request, method, units := strs(), strs(), strs()
	for i := range events {
		e := &events[i]
		id[i] = e.ID[:]
		at[i] = e.Time.UnixMicro()
		request[i] = keptRequestID(e)
		customer[i], key[i], plan[i], version[i] = named[i].customer, named[i].key, named[i].plan, named[i].planVersion
		service[i], endpoint[i] = named[i].service, named[i].endpoint
		method[i] = mend(e.Method)
		status[i], class[i] = int64(e.Status), classNumber(e.Class)
		latency[i], in[i], out[i] = e.Latency.Microseconds(), e.BytesIn, e.BytesOut
		units[i] = encodeUnits(e.Units)
	}
	return &bulk{insert: "usage_event", columns: []column{
		{name: "id", kind: blobs, blobs: id},
		{name: "time", ints: at},
		{name: "request_id", kind: texts, texts: request},
		{name: "customer", kind: integers, ints: customer},
		{name: "key", kind: integers, ints: key},
		{name: "plan", kind: integers, ints: plan},
		{name: "plan_version", kind: integers, ints: version},
		{name: "service", kind: integers, ints: service},
		{name: "endpoint", kind: integers, ints: endpoint},
		{name: "method", kind: texts, texts: method},
		{name: "status", kind: smallints, ints: status},
		{name: "class", kind: smallints, ints: class},
		{name: "latency", ints: latency},
		{name: "bytes_in", ints: in},
		{name: "bytes_out", ints: out},
		{name: "units", kind: texts, texts: units},
	}}
}

// sameAsID stands for a request ID that is the event's own ID.
const sameAsID = "="

// keptRequestID leaves out a request ID that the event's own ID tells already:
// then it takes no room, and no place in an index.
func keptRequestID(e *toll.Event) string {
	if len(e.RequestID) == 26 {
		var b [26]byte
		if text, _ := e.ID.AppendText(b[:0]); string(text) == e.RequestID {
			return sameAsID
		}
	}
	return mend(e.RequestID)
}

// encodeUnits writes reported units as a JSON object in their order, "" for none.
func encodeUnits(units []toll.Amount) string {
	if len(units) == 0 {
		return ""
	}
	b := make([]byte, 0, 24*len(units))
	for i, u := range units {
		separator := byte(',')
		if i == 0 {
			separator = '{'
		}
		b = append(b, separator)
		b = appendJSONText(b, mend(u.Unit))
		b = append(b, ':')
		b = strconv.AppendInt(b, countable(u.Count), 10)
	}
	return string(append(b, '}'))
}

func appendJSONText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(text) // a string cannot fail
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), text...), '"')
}

// decodeUnits reads what encodeUnits wrote.
func decodeUnits(text string) ([]toll.Amount, error) {
	if text == "" {
		return nil, nil
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	var units []toll.Amount
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var count int64
		if err := d.Decode(&count); err != nil {
			return nil, err
		}
		unit, ok := name.(string)
		if !ok {
			return nil, fmt.Errorf("units %q are no object", text)
		}
		units = append(units, toll.Amount{Unit: unit, Count: count})
	}
	return units, nil
}

// eventsFrom is a whole query for events: pick selects rows of usage_event, more
// names further columns of it. Names are looked up after the pick, so that they
// cost only for what is answered.
func eventsFrom(pick, more, order string) string {
	return `select e.id, e.time, e.request_id, c.name, k.name, p.name, v.name, s.name, n.name,
			e.method, e.status, e.class, e.latency, e.bytes_in, e.bytes_out, e.units` + more + `
		from (` + pick + `) e
		join usage_name c on c.id = e.customer
		join usage_name k on k.id = e.key
		join usage_name p on p.id = e.plan
		join usage_name v on v.id = e.plan_version
		join usage_name s on s.id = e.service
		join usage_name n on n.id = e.endpoint
		order by ` + order
}

func scanEvent(r row) (toll.Event, error) { return scanEventAnd(r) }

func scanEventAnd(r row, more ...any) (toll.Event, error) {
	var e toll.Event
	var id []byte
	var micros, class, latency int64
	var units string
	into := append([]any{&id, &micros, &e.RequestID, &e.Customer, &e.Key, &e.Plan, &e.PlanVersion, &e.Service, &e.Endpoint,
		&e.Method, &e.Status, &class, &latency, &e.BytesIn, &e.BytesOut, &units}, more...)
	if err := r.Scan(into...); err != nil {
		return e, err
	}
	if copy(e.ID[:], id) != len(e.ID) {
		return e, fmt.Errorf("the ID of an event has %d bytes", len(id))
	}
	if e.RequestID == sameAsID {
		e.RequestID = e.ID.String()
	}
	e.Time = time.UnixMicro(micros).UTC()
	e.Class = classOf(class)
	e.Latency = time.Duration(latency) * time.Microsecond
	var err error
	e.Units, err = decodeUnits(units)
	return e, err
}

// Events returns single events, the newest first. Invalid: a Limit outside of 1
// to 1,000. Narrowing by customer, key, request ID or 5xx is answered from an
// index; by another status class or by service, events are passed over one by
// one until Limit are found.
func (s *Store) Events(ctx context.Context, q meter.EventQuery) ([]toll.Event, error) {
	if q.Limit < 1 || q.Limit > 1000 {
		return nil, toll.FieldError("limit", "Ask for 1 to 1,000 events.")
	}
	if !storable(q.Customer + q.Key + q.Service + q.RequestID) {
		return nil, nil // nothing is called so
	}
	pick, args := pickEvents(q)
	events, err := collect(ctx, s.reader, scanEvent, eventsFrom(pick, ``, `e.id desc`), args...)
	return events, s.fail(err, fault{doing: "reading usage events"})
}

func pickEvents(q meter.EventQuery) (string, []any) {
	var c conditions
	narrow := ""
	if q.RequestID != "" {
		narrow = "+" // keeps the engine from any index but that of request IDs, the narrowest by far
	}
	c.name(narrow+"customer", q.Customer)
	c.name(narrow+"key", q.Key)
	c.name(narrow+"service", q.Service)
	if q.StatusClass != 0 {
		// Written out and not as parameters: so the index of failures serves 5xx.
		c.add(fmt.Sprintf("status >= %d and status < %d", 100*q.StatusClass, 100*q.StatusClass+100))
	}
	if q.RequestID != "" {
		condition := `request_id <> '' and request_id <> '=' and request_id = ` + c.arg(q.RequestID)
		if id, err := toll.ParseULID(q.RequestID); err == nil && id.String() == q.RequestID {
			condition = `(` + condition + ` or id = ` + c.arg(id[:]) + ` and request_id = '=')`
		}
		c.add(condition)
	}
	if !q.Before.IsZero() {
		c.add(`id < ` + c.arg(q.Before[:]))
	}
	return `select * from usage_event` + c.where() + ` order by id desc limit ` + c.arg(q.Limit), c.args
}
