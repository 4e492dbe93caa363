package account

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// ImportStore is what an import writes and looks up. Errors are as in Store.
type ImportStore interface {
	Customer(ctx context.Context, id string) (toll.Customer, error)
	// Imported tells what external IDs stand for, those that are not known left out.
	Imported(ctx context.Context, kind toll.ImportedKind, externals []string) (map[string]string, error)
	KeyByHash(ctx context.Context, hash [32]byte) (toll.Key, error)
	KeysOf(ctx context.Context, customerID string) ([]toll.Key, error)
	// Import adds all of it or nothing; Conflict where something is there already.
	Import(ctx context.Context, customers []toll.Customer, keys []toll.Key, names []toll.Imported, e toll.Entry) error
}

// Foreign says of the text of a key that was made elsewhere whether a request
// could carry it and nobody could guess it: nil, or an Invalid error that does not repeat
// the text. It returns the text's hash and hint.
type Foreign func(text string) (hash [32]byte, hint string, err error)

// Imports brings customers and keys of another system in from CSV files. It
// asks Can first. Safe for concurrent use.
type Imports struct {
	store   ImportStore
	plans   Plans
	foreign Foreign
	changed Changed
	clock   toll.Clock
	ids     *toll.IDs
}

// ImportOptions are what Imports need besides their store.
type ImportOptions struct {
	Plans   Plans      // needed
	Foreign Foreign    // needed
	Changed Changed    // told of what was imported, as in OfficeOptions; nil: nobody is
	Clock   toll.Clock // nil: toll.SystemClock
	Random  io.Reader  // for identifiers; nil: crypto/rand
}

// NewImports opens the import over a store.
func NewImports(store ImportStore, o ImportOptions) (*Imports, error) {
	if store == nil || o.Plans == nil || o.Foreign == nil {
		return nil, errors.New("open the import: a store, plans and what knows foreign keys are needed")
	}
	i := &Imports{store: store, plans: o.Plans, foreign: o.Foreign, changed: o.Changed, clock: o.Clock}
	if i.changed == nil {
		i.changed = nobody{}
	}
	if i.clock == nil {
		i.clock = toll.SystemClock
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	i.ids = toll.NewIDs(o.Random)
	return i, nil
}

// What a file may have.
const (
	MaxImport       = 32 << 20 // bytes
	maxImportLines  = 100_000
	maxImportFaults = 100 // that are told one by one
	maxExternalID   = 200 // bytes
)

// Imported is what an import would do, or did. It holds no key's text or hash.
type Imported struct {
	Kind   toll.ImportedKind `json:"kind"`
	New    []ImportedLine    `json:"new"`    // would be made, or were
	Known  []ImportedLine    `json:"known"`  // are here already; left as they are
	Faults []ImportFault     `json:"faults"` // while there are any, nothing is done
	More   int               `json:"more"`   // faults that are not in Faults
	Done   bool              `json:"done"`   // it was done; false: this is what would happen
}

// ImportedLine is one line of the file.
type ImportedLine struct {
	Line     int    `json:"line"`
	External string `json:"external_id,omitempty"`
	ID       string `json:"id,omitempty"` // here; "" before it is made
	Name     string `json:"name"`
	Customer string `json:"customer,omitempty"` // of a key
	Plan     string `json:"plan,omitempty"`     // of a customer
	// Differs names the columns that say something else than what is here, which
	// an import does not change.
	Differs []string `json:"differs,omitempty"`
}

// ImportFault is what is wrong with a line.
type ImportFault struct {
	Line int    `json:"line"`
	Says string `json:"says"`
}

// File reads a CSV file (RFC 4180, UTF-8, the first line names the columns) and
// says what it would do; with do it does it, all in one transaction. A line
// that is wrong, or several, are Faults: then nothing is done. A
// file that is no CSV, or has other columns, is Invalid about the field file. Action: Import.
func (i *Imports) File(ctx context.Context, p Person, kind toll.ImportedKind, content []byte, do bool) (Imported, error) {
	if err := Can(p, Import, ""); err != nil {
		return Imported{}, err
	}
	var read func(context.Context, *sheet) (*batch, error)
	var columns, needed []string
	switch kind {
	case toll.ImportedCustomer:
		read, columns, needed = i.customers, []string{"external_id", "name", "plan", "since", "status"}, []string{"external_id", "name", "plan"}
	case toll.ImportedKey:
		read, columns, needed = i.keys, []string{"customer", "name", "key", "sha256", "hint", "mode", "services", "expires_at", "external_id"}, []string{"customer", "name"}
	default:
		return Imported{}, toll.FieldError("kind", "Customers or keys can be imported.")
	}
	s, err := readSheet(content, columns, needed)
	if err != nil {
		return Imported{}, err
	}
	s.out.Kind = kind
	b, err := read(ctx, s)
	if err != nil {
		return Imported{}, fmt.Errorf("import: %w", err)
	}
	if !do || len(s.out.Faults) > 0 {
		return s.out, nil
	}
	if len(b.customers)+len(b.keys) > 0 {
		facts := Facts{"kind": string(kind), "customers": len(b.customers), "keys": len(b.keys), "known": len(s.out.Known)}
		e := NewEntry(ctx, p, Import, "", "", i.clock(), nil, facts)
		if err := i.store.Import(ctx, b.customers, b.keys, b.names, e); err != nil {
			return Imported{}, fmt.Errorf("import: %w", err)
		}
	}
	for n := range b.customers {
		i.changed.CustomerChanged(b.customers[n])
		s.out.New[n].ID = b.customers[n].ID
	}
	for n := range b.keys {
		i.changed.KeyChanged(b.keys[n])
		s.out.New[n].ID = b.keys[n].ID
	}
	s.out.Done = true
	return s.out, nil
}

// batch is what an import would write, in the order of Imported.New.
type batch struct {
	customers []toll.Customer
	keys      []toll.Key
	names     []toll.Imported
}

// sheet is a CSV file while it is read.
type sheet struct {
	columns map[string]int
	rows    [][]string
	lines   []int // where each row begins
	out     Imported
}

// row is one line of a sheet.
type row struct {
	s    *sheet
	line int
	cell []string
}

func (r row) get(column string) string {
	at, ok := r.s.columns[column]
	if !ok {
		return ""
	}
	return strings.TrimSpace(r.cell[at])
}

// fault notes what is wrong with a line. What err says must not repeat a key.
func (s *sheet) fault(line int, err error) {
	if len(s.out.Faults) >= maxImportFaults {
		s.out.More++
		return
	}
	s.out.Faults = append(s.out.Faults, ImportFault{line, toll.SafeMessage(err)})
}

func (s *sheet) each(visit func(r row) error) error {
	for n, cells := range s.rows {
		r := row{s, s.lines[n], cells}
		err := visit(r)
		switch toll.CodeOf(err) {
		case "":
		case toll.Invalid, toll.NotFound, toll.Conflict:
			s.fault(r.line, err)
		default:
			return err
		}
	}
	return nil
}

func readSheet(content []byte, columns, needed []string) (*sheet, error) {
	switch {
	case len(content) > MaxImport:
		return nil, toll.FieldError("file", "The file is larger than %d bytes. Import it in parts.", MaxImport)
	case !utf8.Valid(content):
		return nil, toll.FieldError("file", "The file is no UTF-8 text. Save it as CSV in UTF-8.")
	}
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	in := csv.NewReader(bytes.NewReader(content))
	in.FieldsPerRecord = -1 // told below, for all lines
	if first, _, _ := bytes.Cut(content, []byte("\n")); bytes.Count(first, []byte(";")) > bytes.Count(first, []byte(",")) {
		in.Comma = ';' // as spreadsheets write it where the comma is for decimals
	}
	head, err := in.Read()
	if errors.Is(err, io.EOF) {
		return nil, toll.FieldError("file", "The file is empty. Its first line names the columns: %s.", strings.Join(columns, ", "))
	}
	if err != nil {
		return nil, notCSV(err)
	}
	s := &sheet{columns: map[string]int{}, out: Imported{New: []ImportedLine{}, Known: []ImportedLine{}, Faults: []ImportFault{}}}
	for n, name := range head {
		name = strings.ToLower(strings.TrimSpace(name))
		if !slices.Contains(columns, name) {
			return nil, toll.FieldError("file", "Line 1: column %d is none of %s. Does the first line name the columns?", n+1, strings.Join(columns, ", ")) // not the name: without a head it is a key
		}
		if _, twice := s.columns[name]; twice {
			return nil, toll.FieldError("file", "Line 1: the column %s is there twice.", name)
		}
		s.columns[name] = n
	}
	for _, name := range needed {
		if _, ok := s.columns[name]; !ok {
			return nil, toll.FieldError("file", "Line 1: the column %s is missing.", name)
		}
	}
	for {
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return nil, notCSV(err)
		}
		line, _ := in.FieldPos(0)
		if len(s.rows) == maxImportLines {
			return nil, toll.FieldError("file", "The file has more than %d lines. Import it in parts.", maxImportLines)
		}
		if len(cells) != len(head) {
			s.fault(line, toll.FieldError("file", "It has %d columns; the first line has %d.", len(cells), len(head)))
			continue
		}
		s.rows, s.lines = append(s.rows, cells), append(s.lines, line)
	}
}

// notCSV says where a file is no CSV, without what stands there.
func notCSV(err error) error {
	var at *csv.ParseError
	if errors.As(err, &at) {
		return toll.FieldError("file", "Line %d is no CSV: %s.", at.Line, at.Err.Error())
	}
	return toll.FieldError("file", "The file is no CSV.")
}

// external reads an external ID that must be there, and only once in the file.
func external(r row, seen map[string]int) (string, error) {
	id := r.get("external_id")
	switch {
	case id == "":
		return "", toll.FieldError("external_id", "external_id is empty.")
	case len(id) > maxExternalID || strings.ContainsFunc(id, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return "", toll.FieldError("external_id", "external_id has more than %d bytes, or control characters.", maxExternalID)
	case seen[id] != 0:
		return "", toll.FieldError("external_id", "external_id is that of line %d too.", seen[id])
	}
	seen[id] = r.line
	return id, nil
}

// externals collects a column, for one look-up.
func (s *sheet) externals(column string) (all []string) {
	for n := range s.rows {
		if id := (row{s, 0, s.rows[n]}).get(column); id != "" {
			all = append(all, id)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (i *Imports) customers(ctx context.Context, s *sheet) (*batch, error) {
	known, err := i.store.Imported(ctx, toll.ImportedCustomer, s.externals("external_id"))
	if err != nil {
		return nil, err
	}
	now, seen, b := stored(i.clock()), map[string]int{}, new(batch)
	err = s.each(func(r row) error {
		ext, err := external(r, seen)
		if err != nil {
			return err
		}
		name, err := cleanName("name", r.get("name"), maxName)
		if err != nil {
			return err
		}
		version, err := findPlan(i.plans, r.get("plan"))
		if err != nil {
			return err
		}
		since, status := now, toll.CustomerActive
		if text := r.get("since"); text != "" {
			if since, err = importedTime("since", text); err != nil {
				return err
			}
			if since.After(now) {
				return toll.FieldError("since", "since is in the future.")
			}
		}
		switch text := r.get("status"); text {
		case "", string(toll.CustomerActive):
		case string(toll.CustomerSuspended):
			status = toll.CustomerSuspended
		default:
			return toll.FieldError("status", "status is active or suspended.")
		}
		line := ImportedLine{Line: r.line, External: ext, Name: name, Plan: r.get("plan")}
		if id := known[ext]; id != "" {
			is, err := i.store.Customer(ctx, id)
			if err != nil {
				return err
			}
			line.ID = id
			for column, differs := range map[string]bool{"name": is.Name != name, "plan": is.Subscription.Plan != line.Plan, "status": r.get("status") != "" && is.Status != status} {
				if differs {
					line.Differs = append(line.Differs, column)
				}
			}
			slices.Sort(line.Differs)
			s.out.Known = append(s.out.Known, line)
			return nil
		}
		id := i.ids.NewID("cus", now)
		b.customers = append(b.customers, toll.Customer{
			ID: id, Name: name, Status: status, CreatedAt: now, Version: 1,
			Subscription: toll.Subscription{Plan: line.Plan, PlanVersion: version, Since: since},
		})
		b.names = append(b.names, toll.Imported{Kind: toll.ImportedCustomer, External: ext, ID: id})
		s.out.New = append(s.out.New, line)
		return nil
	})
	return b, err
}

// importedTime reads a moment (RFC 3339) or a day (in UTC).
func importedTime(column, text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil && t.Year() >= 1970 && t.Year() < 9999 {
			return stored(t), nil
		}
	}
	return time.Time{}, toll.FieldError(column, "%s is no moment; write 2026-11-21, or 2026-11-21T14:00:00Z.", column)
}

func (i *Imports) keys(ctx context.Context, s *sheet) (*batch, error) {
	customers, err := i.store.Imported(ctx, toll.ImportedCustomer, s.externals("customer"))
	if err != nil {
		return nil, err
	}
	known, err := i.store.Imported(ctx, toll.ImportedKey, s.externals("external_id"))
	if err != nil {
		return nil, err
	}
	now, b := stored(i.clock()), new(batch)
	seen, hashes, valid := map[string]int{}, map[[32]byte]int{}, map[string]int{}
	err = s.each(func(r row) error {
		k, ext, err := i.key(ctx, r, customers, seen, now)
		if err != nil {
			return err
		}
		if line := hashes[k.Hash]; line != 0 {
			return toll.FieldError("key", "This is the key of line %d too.", line)
		}
		hashes[k.Hash] = r.line
		line := ImportedLine{Line: r.line, External: ext, Name: k.Name, Customer: k.CustomerID}
		is, err := i.store.KeyByHash(ctx, k.Hash)
		switch {
		case err == nil && is.CustomerID != k.CustomerID:
			return toll.Errorf(toll.Conflict, "This key is here already, and is another customer's.")
		case err == nil && ext != "" && known[ext] != "" && known[ext] != is.ID, toll.CodeOf(err) == toll.NotFound && ext != "" && known[ext] != "":
			return toll.Errorf(toll.Conflict, "The external_id is that of another key, which was imported before.")
		case err == nil:
			if line.ID = is.ID; is.Name != k.Name {
				line.Differs = []string{"name"}
			}
			s.out.Known = append(s.out.Known, line)
			return nil
		case toll.CodeOf(err) != toll.NotFound:
			return err
		}
		if err := i.room(ctx, k.CustomerID, valid, now); err != nil {
			return err
		}
		k.ID = i.ids.NewID("key", now)
		b.keys = append(b.keys, k)
		if ext != "" {
			b.names = append(b.names, toll.Imported{Kind: toll.ImportedKey, External: ext, ID: k.ID})
		}
		s.out.New = append(s.out.New, line)
		return nil
	})
	return b, err
}

// room counts a key of a customer, who may have MaxKeys valid ones.
func (i *Imports) room(ctx context.Context, customerID string, valid map[string]int, now time.Time) error {
	n, ok := valid[customerID]
	if !ok {
		keys, err := i.store.KeysOf(ctx, customerID)
		if err != nil {
			return err
		}
		for j := range keys {
			if keys[j].StateAt(now) == toll.KeyValid {
				n++
			}
		}
	}
	if n >= MaxKeys {
		return toll.Errorf(toll.Conflict, "The customer would have more than %d valid keys.", MaxKeys)
	}
	valid[customerID] = n + 1
	return nil
}

// key reads a line with a key: its text, which is not kept, or its SHA-256.
func (i *Imports) key(ctx context.Context, r row, customers map[string]string, seen map[string]int, now time.Time) (toll.Key, string, error) {
	var k toll.Key
	ext := ""
	var err error
	if r.get("external_id") != "" {
		if ext, err = external(r, seen); err != nil {
			return k, "", err
		}
	}
	in := NewKey{CustomerID: r.get("customer"), Name: r.get("name"), Mode: toll.Mode(r.get("mode")), Services: strings.Fields(r.get("services"))}
	if id := customers[in.CustomerID]; id != "" {
		in.CustomerID = id
	} else if c, err := i.store.Customer(ctx, in.CustomerID); toll.CodeOf(err) == toll.NotFound {
		return k, "", toll.FieldError("customer", "There is no customer %q, neither imported under this external_id nor with this ID. Import customers first.", shorten(in.CustomerID))
	} else if err != nil {
		return k, "", err
	} else if err := open(&c, CreateKey); err != nil {
		return k, "", toll.FieldError("customer", "The customer %s has left.", c.ID)
	}
	if text := r.get("expires_at"); text != "" {
		if in.ExpiresAt, err = importedTime("expires_at", text); err != nil {
			return k, "", err
		}
	}
	if k, err = newKey(in, now); err != nil {
		return k, "", err
	}
	switch text, sum := r.get("key"), r.get("sha256"); {
	case (text == "") == (sum == ""):
		return k, "", toll.FieldError("key", "Say either key or sha256, and not both.")
	case text != "":
		if k.Hash, k.Hint, err = i.foreign(text); err != nil {
			return k, "", err
		}
	default:
		raw, err := hex.DecodeString(sum)
		if err != nil || len(raw) != len(k.Hash) {
			return k, "", toll.FieldError("sha256", "sha256 is not 64 hexadecimal digits. It is the SHA-256 of the key's whole text.")
		}
		copy(k.Hash[:], raw)
	}
	if hint := r.get("hint"); hint != "" {
		if n := utf8.RuneCountInString(hint); n > 4 {
			return k, "", toll.FieldError("hint", "hint is the last four characters of the key, and no more.")
		}
		if _, err := cleanName("hint", hint, 4); err != nil {
			return k, "", toll.FieldError("hint", "hint holds characters that cannot be shown.")
		}
		k.Hint = hint
	}
	k.CreatedAt, k.Version = now, 1
	return k, ext, nil
}
