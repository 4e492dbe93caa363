package store

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"
)

// instant is a time that may be missing, as a column keeps it: Unix
// microseconds, NULL for the zero time.
type instant time.Time

// Value implements driver.Valuer.
func (i instant) Value() (driver.Value, error) {
	t := time.Time(i)
	if t.IsZero() {
		return nil, nil
	}
	return t.UnixMicro(), nil
}

// Scan implements sql.Scanner.
func (i *instant) Scan(from any) error {
	switch v := from.(type) {
	case nil:
		*i = instant{}
	case int64:
		*i = instant(time.UnixMicro(v).UTC())
	default:
		return fmt.Errorf("a time is kept as an integer, not as %T", from)
	}
	return nil
}

// stamp is a time that is never missing, as a column keeps it, so that rows can
// be sorted by it: Unix microseconds, those of the year 1 for the zero time.
type stamp time.Time

// Value implements driver.Valuer.
func (s stamp) Value() (driver.Value, error) { return time.Time(s).UnixMicro(), nil }

// Scan implements sql.Scanner.
func (s *stamp) Scan(from any) error { return (*instant)(s).Scan(from) }

// list is a list of names as a column keeps it: a JSON array.
type list []string

// Value implements driver.Valuer.
func (l list) Value() (driver.Value, error) {
	if len(l) == 0 {
		return "[]", nil
	}
	b, err := json.Marshal([]string(l))
	return string(b), err
}

// Scan implements sql.Scanner. An empty list is nil.
func (l *list) Scan(from any) error {
	text, ok := from.(string)
	if !ok {
		return fmt.Errorf("a list is kept as text, not as %T", from)
	}
	*l = nil
	if text == "[]" {
		return nil
	}
	return json.Unmarshal([]byte(text), (*[]string)(l))
}

// document is a list of values as a column keeps it: a JSON array of them.
type document[E any] struct{ value []E }

// Value implements driver.Valuer.
func (d document[E]) Value() (driver.Value, error) {
	if len(d.value) == 0 {
		return "[]", nil
	}
	b, err := json.Marshal(d.value)
	return string(b), err
}

// Scan implements sql.Scanner. An empty list is nil.
func (d *document[E]) Scan(from any) error {
	text, ok := from.(string)
	if !ok {
		return fmt.Errorf("a list is kept as text, not as %T", from)
	}
	d.value = nil
	if text == "[]" {
		return nil
	}
	return json.Unmarshal([]byte(text), &d.value)
}

// dictionary is a set of named texts as a column keeps it: a JSON object.
type dictionary map[string]string

// Value implements driver.Valuer.
func (d dictionary) Value() (driver.Value, error) {
	if len(d) == 0 {
		return "{}", nil
	}
	b, err := json.Marshal(map[string]string(d))
	return string(b), err
}

// Scan implements sql.Scanner. An empty dictionary is nil.
func (d *dictionary) Scan(from any) error {
	text, ok := from.(string)
	if !ok {
		return fmt.Errorf("a dictionary is kept as text, not as %T", from)
	}
	*d = nil
	if text == "{}" {
		return nil
	}
	return json.Unmarshal([]byte(text), (*map[string]string)(d))
}
