package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// This file reads usage events in the form of CloudEvents 1.0
// (https://github.com/cloudevents/spec, JSON format and HTTP binding):
//
//	id, source   the identity
//	type         what happened: a unit of analytics, like an endpoint
//	subject      the customer's ID
//	time         RFC 3339 with any offset; missing: when it arrives
//	data         an object of units, each a whole number
//
// JSON is read token by token and never held whole. What encoding/json lets
// pass is not let pass where it could mean two things: a name that is there
// twice, or one in other letters.

// mostEvents is how many events a batch may have.
const mostEvents = 100_000

// The bounds of one event. What has more of either is no event that anybody
// means, and would take memory or time out of proportion to its bytes.
const (
	mostUnits = 100 // names in data
	mostDepth = 100 // objects and arrays in each other, in an extension
)

// flaws are what is wrong with the events of a batch: the first ones, and how many.
type flaws struct {
	list []wrong
	all  int
}

// mostFlaws is how many mistakes an answer lists.
const mostFlaws = 100

// add keeps the list in the order of the batch, whatever is found first.
func (f *flaws) add(w wrong) {
	f.all++
	at := sort.Search(len(f.list), func(i int) bool { return f.list[i].at() > w.at() }) // behind its like
	if at == mostFlaws {
		return
	}
	if len(f.list) == mostFlaws {
		f.list = f.list[:mostFlaws-1]
	}
	f.list = slices.Insert(f.list, at, w)
}

// unreadable is a body that is no JSON, or has what no event has; nothing of it
// can be used.
type unreadable struct{ message string }

func (u *unreadable) Error() string { return u.message }

// errTooMany: the batch has more than mostEvents.
var errTooMany = errors.New("too many events")

// form is how events are sent.
type form uint8

const (
	oneOrMany form = iota // plain JSON: an object or an array of them
	justOne               // application/cloudevents+json
	manyOnly              // application/cloudevents-batch+json
)

// eventReader reads the events of one body.
type eventReader struct {
	d     *json.Decoder
	form  form
	sent  []meter.Sent
	flaws flaws
	count int // elements so far
	batch bool
}

// readEvents reads a body in JSON. The error is an *unreadable, errTooMany, or
// what reading gave.
func readEvents(from io.Reader, f form) (*eventReader, error) {
	r := &eventReader{d: json.NewDecoder(from), form: f}
	r.d.UseNumber()
	if err := r.all(); err != nil {
		return nil, r.failed(err)
	}
	switch _, err := r.d.Token(); {
	case err == nil:
		return nil, &unreadable{fmt.Sprintf("Something follows the end of the events, at byte %d.", r.d.InputOffset())}
	case !errors.Is(err, io.EOF):
		return nil, r.failed(err)
	}
	return r, nil
}

// failed says where reading ended.
func (r *eventReader) failed(err error) error {
	var syntax *json.SyntaxError
	var late *unreadable
	switch {
	case errors.As(err, &late), errors.Is(err, errTooMany):
		return err
	case errors.As(err, &syntax):
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("it ends too early")
	default:
		return err
	}
	where := ""
	if r.batch {
		where = fmt.Sprintf(", in the event with index %d", r.count)
	}
	return &unreadable{fmt.Sprintf("The body is no JSON at byte %d%s: %s. (NaN and Infinity are no JSON.)", r.d.InputOffset(), where, err)}
}

func (r *eventReader) all() error {
	first, err := r.d.Token()
	if err != nil {
		return err
	}
	switch {
	case first == json.Delim('{') && r.form != manyOnly:
		r.count = 1
		return r.event(0)
	case first != json.Delim('[') || r.form == justOne:
		want := map[form]string{oneOrMany: "an event (an object) or an array of them", justOne: "one event (an object)", manyOnly: "an array of events"}[r.form]
		return &unreadable{"The body must be " + want + "."}
	}
	r.batch = true
	for r.d.More() {
		if r.count == mostEvents {
			return errTooMany
		}
		start, err := r.d.Token()
		if err != nil {
			return err
		}
		if start == json.Delim('{') {
			err = r.event(r.count)
		} else {
			r.wrong(r.count, &meter.Sent{}, "", "An event is an object.")
			err = r.skip(start)
		}
		if err != nil {
			return err
		}
		r.count++
	}
	_, err = r.d.Token()
	return err
}

// wrong notes what is wrong with an event.
func (r *eventReader) wrong(index int, s *meter.Sent, field, message string) {
	w := wrong{Source: shorten(s.Source), ID: shorten(s.ID), Field: field, Message: message}
	if r.batch {
		w.Index = &index
	}
	r.flaws.add(w)
}

// attribute is a part of an event that means something here; whatever else there
// is, CloudEvents calls an extension, and it is passed over.
type attribute uint8

const (
	anID attribute = iota
	aSource
	aType
	aSubject
	aTime
	aVersion
	aDataType
	someData
	someBase64
	anExtension
)

// names are what the attributes are called.
var names = [anExtension]string{"id", "source", "type", "subject", "time", "specversion", "datacontenttype", "data", "data_base64"}

func attributeCalled(name string) attribute {
	for i, n := range names {
		if n == name {
			return attribute(i)
		}
	}
	return anExtension
}

// texts are the attributes that are texts, as far as they were said.
type texts struct {
	text [someData]string
	said [someData]bool
}

// event reads an object, whose brace has been read. An event with a mistake is
// noted with the first of them, and read to its end.
func (r *eventReader) event(index int) error {
	s := meter.Sent{Index: index}
	var said texts
	var seen [anExtension + 1]bool
	field, message := "", ""
	note := func(f, m string) {
		if message == "" {
			field, message = f, m
		}
	}
	for r.d.More() {
		key, err := r.d.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		value, err := r.d.Token()
		if err != nil {
			return err
		}
		what := attributeCalled(name)
		if seen[what] && what != anExtension {
			note(name, "It is there twice.")
		}
		seen[what] = true
		switch {
		case what == anExtension || value == nil:
		case what == someData && value == json.Delim('{'):
			if s.Units, err = r.units(note); err != nil {
				return err
			}
			continue
		case what == someData:
			note("data", `It is an object of units, as in {"words": 123}.`)
		case what == someBase64:
			note("data_base64", "Send data as JSON: an object of units.")
		default:
			text, is := value.(string)
			if !is {
				note(name, "It is a text.")
			}
			said.text[what], said.said[what] = text, true
		}
		if err := r.skip(value); err != nil {
			return err
		}
	}
	if _, err := r.d.Token(); err != nil { // the closing brace
		return err
	}
	if f, m := said.fill(&s, r.form != oneOrMany); m != "" {
		note(f, m)
	}
	if message != "" {
		r.wrong(index, &s, field, message)
		return nil
	}
	r.sent = append(r.sent, s)
	return nil
}

// units reads data, whose brace has been read.
func (r *eventReader) units(note func(field, message string)) ([]toll.Amount, error) {
	units := []toll.Amount{}
	for r.d.More() {
		key, err := r.d.Token()
		if err != nil {
			return nil, err
		}
		value, err := r.d.Token()
		if err != nil {
			return nil, err
		}
		unit, _ := key.(string)
		number, is := value.(json.Number)
		count, message := int64(0), "It is a whole number, and no text."
		if is {
			count, message = wholeNumber(number.String())
		}
		if message != "" {
			note("data."+shorten(unit), message)
		}
		if len(units) < mostUnits {
			units = append(units, toll.Amount{Unit: unit, Count: count})
		} else {
			note("data", fmt.Sprintf("It has more units than one event may name, which is %d.", mostUnits))
		}
		if err := r.skip(value); err != nil {
			return nil, err
		}
	}
	_, err := r.d.Token()
	return units, err
}

// wholeNumber reads an amount. What is no plain row of digits is refused
// rather than rounded.
func wholeNumber(text string) (n int64, message string) {
	if strings.HasPrefix(text, "-") {
		return 0, "It is negative; what was used is not taken back this way."
	}
	for i := 0; i < len(text); i++ {
		if text[i] < '0' || text[i] > '9' {
			return 0, "It is no whole number: write it without a point and without an exponent."
		}
	}
	for i := 0; i < len(text); i++ {
		if n = n*10 + int64(text[i]-'0'); n > toll.MaxCount {
			return 0, fmt.Sprintf("It is more than one event may count, which is %d.", int64(toll.MaxCount))
		}
	}
	return n, ""
}

// skip reads to the end of a value whose first token has been read. The decoder
// remembers each level, so there are so many at most.
func (r *eventReader) skip(first json.Token) error {
	depth := 0
	for token := first; ; {
		switch token {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > mostDepth {
				return &unreadable{fmt.Sprintf("At byte %d, values are nested more than %d deep.", r.d.InputOffset(), mostDepth)}
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
		var err error
		if token, err = r.d.Token(); err != nil {
			return err
		}
	}
}

// fill takes the attributes over into an event. It says what is wrong.
func (t *texts) fill(s *meter.Sent, cloudEvent bool) (field, message string) {
	s.ID, s.Source, s.Type, s.Customer = t.text[anID], t.text[aSource], t.text[aType], t.text[aSubject]
	if said := t.said[aVersion]; said && t.text[aVersion] != "1.0" || !said && cloudEvent {
		return "specversion", `It is "1.0".`
	}
	if t.said[aDataType] && !isJSON(t.text[aDataType]) {
		return "datacontenttype", "data is JSON: application/json, or nothing."
	}
	if t.said[aTime] {
		if err := s.Time.UnmarshalText([]byte(t.text[aTime])); err != nil || s.Time.IsZero() {
			s.Time = time.Time{}
			return "time", "It is a moment as RFC 3339 writes it, with an offset: 2026-11-20T12:00:00+05:30."
		}
	}
	return "", ""
}

// isJSON tells whether a media type is JSON (RFC 6839 §3.1).
func isJSON(mediaType string) bool {
	name, _, _ := strings.Cut(mediaType, ";")
	name = strings.ToLower(strings.TrimSpace(name))
	return name == "application/json" || name == "text/json" || strings.HasSuffix(name, "+json")
}

// readBinary reads an event whose attributes are in header fields (HTTP
// binding §3.1) and whose body is its data.
func readBinary(h http.Header, from io.Reader) (*eventReader, error) {
	r := &eventReader{d: json.NewDecoder(from), form: justOne, count: 1}
	r.d.UseNumber()
	var said texts
	field, message := "", ""
	note := func(f, m string) {
		if message == "" {
			field, message = f, m
		}
	}
	for what, name := range names[:aDataType] { // that one is the body's own
		values := h["Ce-"+strings.ToUpper(name[:1])+name[1:]]
		if len(values) > 1 {
			note(name, "It is there twice.")
		}
		if len(values) == 0 {
			continue
		}
		text, err := url.PathUnescape(values[0]) // §3.1.3.2
		if err != nil {
			note(name, "Its percent-encoding cannot be read.")
		}
		said.text[what], said.said[what] = text, true
	}
	first, err := r.d.Token()
	if err != nil {
		return nil, r.failed(err)
	}
	var s meter.Sent
	if first != json.Delim('{') {
		note("data", `It is an object of units, as in {"words": 123}.`)
		err = r.skip(first)
	} else {
		s.Units, err = r.units(note)
	}
	if err != nil {
		return nil, r.failed(err)
	}
	if _, err := r.d.Token(); !errors.Is(err, io.EOF) {
		return nil, &unreadable{fmt.Sprintf("Something follows the end of the data, at byte %d.", r.d.InputOffset())}
	}
	if f, m := said.fill(&s, true); m != "" {
		note(f, m)
	}
	if message != "" {
		r.wrong(0, &s, field, message)
		return r, nil
	}
	r.sent = append(r.sent, s)
	return r, nil
}
