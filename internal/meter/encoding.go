package meter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// The kinds of journal record.
const (
	kindOpen    journal.Kind = 1 // an event that was begun; an event with the same ID follows, or a crash came
	kindEvent   journal.Kind = 2 // an event
	kindClosing journal.Kind = 3 // an event whose ID an open record bears
	kindRefusal journal.Kind = 4 // refusals of one minute and kind, added up
)

// The version is the first byte of every payload. A reader that meets a higher
// one stops: it neither guesses nor drops. So each payload has the lowest that
// can say it, and a program of before quotas per IP reads all but events that
// such a quota counts.
const (
	encodingPlain     = 1
	encodingAddresses = 2 // an event that quotas per IP count
	encodingNewest    = encodingAddresses
)

// errEncoding says that a payload with a right checksum does not decode.
var errEncoding = errors.New("the record does not decode")

// classes gives each class its code, the index and 1; code 0: the class stands
// as text.
var classes = [...]toll.Class{toll.Chargeable, toll.NotBillable, toll.TestUsage, toll.Unknown}

// AppendEvent appends an event to b: version, ID, time, status, class, latency,
// bytes in and out, the strings, the units, and of version 2 the address's hash
// and what quotas per IP count. Numbers are zigzag varints, strings
// are a length and bytes; about 150 bytes in all. Time and latency keep
// microseconds. It allocates only where b has no room.
func AppendEvent(b []byte, e *toll.Event) []byte {
	if len(e.PerAddress) == 0 {
		b = append(b, encodingPlain)
	} else {
		b = append(b, encodingAddresses)
	}
	b = append(b, e.ID[:]...)
	b = binary.AppendVarint(b, e.Time.UnixMicro())
	b = binary.AppendVarint(b, int64(e.Status))
	code := byte(0)
	for i, c := range classes {
		if e.Class == c {
			code = byte(i + 1)
		}
	}
	b = append(b, code)
	if code == 0 {
		b = appendString(b, string(e.Class))
	}
	b = binary.AppendVarint(b, e.Latency.Microseconds())
	b = binary.AppendVarint(b, e.BytesIn)
	b = binary.AppendVarint(b, e.BytesOut)
	b = appendString(b, e.RequestID)
	b = appendString(b, e.Customer)
	b = appendString(b, e.Key)
	b = appendString(b, e.Plan)
	b = appendString(b, e.PlanVersion)
	b = appendString(b, e.Service)
	b = appendString(b, e.Endpoint)
	b = appendString(b, e.Method)
	b = binary.AppendUvarint(b, uint64(len(e.Units)))
	for _, u := range e.Units {
		b = appendString(b, u.Unit)
		b = binary.AppendVarint(b, u.Count)
	}
	if len(e.PerAddress) > 0 {
		b = append(b, e.Address[:]...)
		b = binary.AppendUvarint(b, uint64(len(e.PerAddress)))
		for i := range e.PerAddress {
			u := &e.PerAddress[i]
			b = appendString(b, u.Unit)
			b = appendString(b, u.Service)
			b = appendString(b, u.Endpoint)
			b = appendString(b, string(u.Every))
			b = binary.AppendVarint(b, u.Start)
			b = binary.AppendVarint(b, u.Count)
		}
	}
	return b
}

// AppendRefusal appends a refusal count to b.
func AppendRefusal(b []byte, r *toll.Refusal) []byte {
	b = append(b, encodingPlain)
	b = binary.AppendVarint(b, r.Minute.Unix())
	b = binary.AppendVarint(b, r.Count)
	b = appendString(b, r.Customer)
	b = appendString(b, r.Key)
	b = appendString(b, r.Service)
	b = appendString(b, r.Policy)
	return appendString(b, string(r.Reason))
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// Decoder reads what AppendEvent and AppendRefusal wrote. It keeps names that
// come again and again (customers, keys, endpoints…), so that each is in memory
// once. The zero Decoder is ready; it belongs to one goroutine.
type Decoder struct {
	names map[string]string
	rest  []byte
	bad   bool
}

// maxNames bounds what a Decoder keeps.
const maxNames = 1 << 16

// Event decodes an event into e, all of it, or answers an error that is
// journal.ErrNewer for an encoding of a newer version.
func (d *Decoder) Event(b []byte, e *toll.Event) error {
	version, err := d.begin(b)
	if err != nil {
		return err
	}
	copy(e.ID[:], d.bytes(uint64(len(e.ID))))
	e.Time = time.UnixMicro(d.varint()).UTC()
	e.Status = int(d.varint())
	switch code := d.byte(); {
	case code == 0:
		e.Class = toll.Class(d.name())
	case int(code) <= len(classes):
		e.Class = classes[code-1]
	default:
		d.bad = true
	}
	e.Latency = time.Duration(d.varint()) * time.Microsecond
	e.BytesIn, e.BytesOut = d.varint(), d.varint()
	e.RequestID = string(d.bytes(d.uvarint()))
	e.Customer, e.Key = d.name(), d.name()
	e.Plan, e.PlanVersion = d.name(), d.name()
	e.Service, e.Endpoint, e.Method = d.name(), d.name(), d.name()
	e.Units = nil
	if n := d.uvarint(); n > 0 {
		if n > uint64(len(d.rest))/2 { // a unit takes two bytes at least
			return errEncoding
		}
		e.Units = make([]toll.Amount, n)
		for i := range e.Units {
			e.Units[i] = toll.Amount{Unit: d.name(), Count: d.varint()}
		}
	}
	e.Address, e.PerAddress = toll.AddressHash{}, nil
	if version >= encodingAddresses {
		copy(e.Address[:], d.bytes(uint64(len(e.Address))))
		n := d.uvarint()
		if n == 0 || n > uint64(len(d.rest))/6 { // six bytes at least each; without one it would be version 1
			return errEncoding
		}
		e.PerAddress = make([]toll.AddressUse, n)
		for i := range e.PerAddress {
			e.PerAddress[i] = toll.AddressUse{
				Unit: d.name(), Service: d.name(), Endpoint: d.name(), Every: toll.Every(d.name()), Start: d.varint(), Count: d.varint(),
			}
		}
	}
	return d.end()
}

// Refusal decodes a refusal count into r; errors as Event.
func (d *Decoder) Refusal(b []byte, r *toll.Refusal) error {
	switch version, err := d.begin(b); {
	case err != nil:
		return err
	case version != encodingPlain:
		return errEncoding
	}
	r.Minute = time.Unix(d.varint(), 0).UTC()
	r.Count = d.varint()
	r.Customer, r.Key, r.Service = d.name(), d.name(), d.name()
	r.Policy, r.Reason = d.name(), toll.RefusalReason(d.name())
	return d.end()
}

// begin reads the version.
func (d *Decoder) begin(b []byte) (version byte, err error) {
	d.rest, d.bad = b, false
	switch version = d.byte(); {
	case d.bad || version == 0:
		return 0, errEncoding
	case version > encodingNewest:
		return 0, &toll.Error{Code: toll.Conflict,
			Message: "The journal holds records of a newer Tollhouse. Start that version again and let it drain the journal before going back; nothing was changed.",
			Cause:   fmt.Errorf("%w: record encoding %d, this program reads up to %d", journal.ErrNewer, version, encodingNewest)}
	}
	return version, nil
}

func (d *Decoder) end() error {
	if d.bad || len(d.rest) > 0 {
		return errEncoding
	}
	return nil
}

func (d *Decoder) byte() byte {
	if b := d.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *Decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.bad, d.rest = true, nil
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *Decoder) varint() int64 {
	v, n := binary.Varint(d.rest)
	return v * d.took(n)
}

func (d *Decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	return v * uint64(d.took(n))
}

// took moves on by n bytes and returns 1, or 0 when there was no number.
func (d *Decoder) took(n int) int64 {
	if n <= 0 {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return 1
}

// name reads a string that is likely to come again.
func (d *Decoder) name() string {
	b := d.bytes(d.uvarint())
	if len(b) == 0 {
		return ""
	}
	if s, ok := d.names[string(b)]; ok {
		return s
	}
	if d.names == nil || len(d.names) == maxNames {
		d.names = map[string]string{}
	}
	s := string(b)
	d.names[s] = s
	return s
}
