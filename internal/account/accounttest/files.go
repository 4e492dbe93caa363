package accounttest

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// files are the rows that have content, and what was imported.
type files struct {
	models      map[string]toll.Model
	threads     map[string]toll.Thread
	messages    map[string][]toll.Message // by thread
	attachments map[string]toll.Attachment
	contents    map[string][]byte // by model or attachment
	imported    map[toll.Imported]string
}

func newFiles() files {
	return files{
		models: map[string]toll.Model{}, threads: map[string]toll.Thread{}, messages: map[string][]toll.Message{},
		attachments: map[string]toll.Attachment{}, contents: map[string][]byte{}, imported: map[toll.Imported]string{},
	}
}

var (
	_ account.ModelStore   = (*Store)(nil)
	_ account.SupportStore = (*Store)(nil)
	_ account.ImportStore  = (*Store)(nil)
)

// Contents tells how many files' contents are kept.
func (s *Store) Contents() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.contents)
}

func readAll(content io.ReaderAt, size int64) ([]byte, error) {
	b := make([]byte, size)
	_, err := io.ReadFull(io.NewSectionReader(content, 0, size), b)
	return b, err
}

// CreateModel implements account.ModelStore.
func (s *Store) CreateModel(ctx context.Context, m toll.Model, content io.ReaderAt, mostFiles int, mostTotal int64, e toll.Entry) error {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return err
	}
	defer leave()
	if _, ok := s.customers[m.CustomerID]; !ok {
		return missing("customer")
	}
	if err := s.refuseClosed(m.CustomerID); err != nil {
		return err
	}
	count, total := 0, m.Size
	for _, other := range s.models {
		if other.CustomerID != m.CustomerID || other.Service != m.Service {
			continue
		}
		if other.SHA256 == m.SHA256 {
			return taken("model")
		}
		count++
		total += other.Size
	}
	if count >= mostFiles || total > mostTotal {
		return toll.FieldError("file", "There is no room for another file.")
	}
	b, err := readAll(content, m.Size)
	if err != nil {
		return err
	}
	s.models[m.ID], s.contents[m.ID] = m, b
	s.record(e)
	return nil
}

// Model implements account.ModelStore.
func (s *Store) Model(ctx context.Context, id string) (toll.Model, error) {
	return read(ctx, s, s.models, "model", id, same[toll.Model])
}

// ModelsOf implements account.ModelStore.
func (s *Store) ModelsOf(ctx context.Context, customerID string) ([]toll.Model, error) {
	return s.modelsBy(ctx, func(m toll.Model) bool { return m.CustomerID == customerID }, false)
}

// ModelsIn implements account.ModelStore.
func (s *Store) ModelsIn(ctx context.Context, state toll.ModelState, most int) ([]toll.Model, error) {
	found, err := s.modelsBy(ctx, func(m toll.Model) bool { return m.State == state }, state == toll.ModelUploaded)
	return found[:min(most, len(found))], err
}

func (s *Store) modelsBy(ctx context.Context, wanted func(toll.Model) bool, oldest bool) (found []toll.Model, err error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, m := range s.models {
		if wanted(m) {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, func(a, b toll.Model) int {
		n := cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
		if oldest {
			return -n
		}
		return n
	})
	return found, nil
}

// UpdateModel implements account.ModelStore.
func (s *Store) UpdateModel(ctx context.Context, m toll.Model, e toll.Entry, mails ...toll.Mail) (toll.Model, error) {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return toll.Model{}, err
	}
	defer leave()
	row, ok := s.models[m.ID]
	switch {
	case !ok:
		return toll.Model{}, missing("model")
	case row.Version != m.Version:
		return toll.Model{}, stale("model")
	}
	row.State, row.Reason, row.DecidedBy, row.DecidedAt = m.State, m.Reason, m.DecidedBy, micro(m.DecidedAt)
	row.Version++
	s.models[m.ID] = row
	s.mails = append(s.mails, mails...)
	s.record(e)
	return row, nil
}

// DeleteModel implements account.ModelStore.
func (s *Store) DeleteModel(ctx context.Context, id string, e toll.Entry) error {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return err
	}
	defer leave()
	if _, ok := s.models[id]; !ok {
		return missing("model")
	}
	delete(s.models, id)
	delete(s.contents, id)
	s.record(e)
	return nil
}

// ReadModel implements account.ModelStore.
func (s *Store) ReadModel(ctx context.Context, m toll.Model, w io.Writer) error {
	return s.readContent(ctx, m.ID, w)
}

func (s *Store) readContent(ctx context.Context, id string, w io.Writer) error {
	b, err := read(ctx, s, s.contents, "file", id, slices.Clone[[]byte])
	if err != nil {
		return err
	}
	_, err = io.Copy(w, bytes.NewReader(b))
	return err
}

// CreateThread implements account.SupportStore.
func (s *Store) CreateThread(ctx context.Context, t toll.Thread, first toll.Message, contents []io.ReaderAt, mostOpen int, mostBytes int64, e toll.Entry, mails ...toll.Mail) error {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return err
	}
	defer leave()
	if _, ok := s.customers[t.CustomerID]; !ok {
		return missing("customer")
	}
	if err := s.refuseClosed(t.CustomerID); err != nil {
		return err
	}
	open := 0
	for _, other := range s.threads {
		if other.CustomerID == t.CustomerID && other.State != toll.ThreadClosed {
			open++
		}
	}
	if open >= mostOpen {
		return toll.FieldError("subject", "There are too many conversations.")
	}
	if err := s.keepMessage(t.CustomerID, first, contents, mostBytes); err != nil {
		return err
	}
	s.threads[t.ID] = t
	s.mails = append(s.mails, mails...)
	s.record(e)
	return nil
}

func (s *Store) keepMessage(customerID string, m toll.Message, contents []io.ReaderAt, mostBytes int64) error {
	var total int64
	for _, a := range s.attachments {
		if s.threads[a.ThreadID].CustomerID == customerID {
			total += a.Size
		}
	}
	all := make([][]byte, len(contents))
	for i, a := range m.Attachments {
		if total += a.Size; total > mostBytes {
			return toll.FieldError("file", "There is no room for another file.")
		}
		var err error
		if all[i], err = readAll(contents[i], a.Size); err != nil {
			return err
		}
	}
	for i, a := range m.Attachments {
		s.attachments[a.ID], s.contents[a.ID] = a, all[i]
	}
	s.messages[m.ThreadID] = append(s.messages[m.ThreadID], m)
	return nil
}

// AddMessage implements account.SupportStore.
func (s *Store) AddMessage(ctx context.Context, t toll.Thread, m toll.Message, contents []io.ReaderAt, mostBytes int64, e toll.Entry, mails ...toll.Mail) (toll.Thread, error) {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return toll.Thread{}, err
	}
	defer leave()
	if err := s.threadIs(t); err != nil {
		return toll.Thread{}, err
	}
	if err := s.keepMessage(t.CustomerID, m, contents, mostBytes); err != nil {
		return toll.Thread{}, err
	}
	s.mails = append(s.mails, mails...)
	s.record(e)
	return s.keepThread(t), nil
}

func (s *Store) threadIs(t toll.Thread) error {
	row, ok := s.threads[t.ID]
	switch {
	case !ok:
		return missing("conversation")
	case row.Version != t.Version:
		return stale("conversation")
	}
	return nil
}

func (s *Store) keepThread(t toll.Thread) toll.Thread {
	row := s.threads[t.ID]
	row.State, row.UpdatedAt, row.Messages = t.State, micro(t.UpdatedAt), t.Messages
	row.Version++
	s.threads[t.ID] = row
	return row
}

// UpdateThread implements account.SupportStore.
func (s *Store) UpdateThread(ctx context.Context, t toll.Thread, e toll.Entry) (toll.Thread, error) {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return toll.Thread{}, err
	}
	defer leave()
	if err := s.threadIs(t); err != nil {
		return toll.Thread{}, err
	}
	s.record(e)
	return s.keepThread(t), nil
}

// Thread implements account.SupportStore.
func (s *Store) Thread(ctx context.Context, id string) (toll.Thread, error) {
	return read(ctx, s, s.threads, "conversation", id, same[toll.Thread])
}

// Threads implements account.SupportStore.
func (s *Store) Threads(ctx context.Context, q toll.ThreadQuery) (found []toll.Thread, err error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, t := range s.threads {
		if (q.Customer == "" || t.CustomerID == q.Customer) && (q.State == "" || t.State == q.State) && (q.Before.IsZero() || t.UpdatedAt.Before(q.Before)) {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, func(a, b toll.Thread) int {
		return cmp.Or(b.UpdatedAt.Compare(a.UpdatedAt), strings.Compare(b.ID, a.ID))
	})
	return found[:min(q.Limit, len(found))], nil
}

// Messages implements account.SupportStore.
func (s *Store) Messages(ctx context.Context, threadID string) ([]toll.Message, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return slices.Clone(s.messages[threadID]), nil
}

// Attachment implements account.SupportStore.
func (s *Store) Attachment(ctx context.Context, id string) (toll.Attachment, error) {
	return read(ctx, s, s.attachments, "file", id, same[toll.Attachment])
}

// ReadAttachment implements account.SupportStore.
func (s *Store) ReadAttachment(ctx context.Context, a toll.Attachment, w io.Writer) error {
	return s.readContent(ctx, a.ID, w)
}

// Imported implements account.ImportStore.
func (s *Store) Imported(ctx context.Context, kind toll.ImportedKind, externals []string) (map[string]string, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	found := map[string]string{}
	for _, e := range externals {
		if id, ok := s.imported[toll.Imported{Kind: kind, External: e}]; ok {
			found[e] = id
		}
	}
	return found, nil
}

// KeyByHash implements account.ImportStore.
func (s *Store) KeyByHash(ctx context.Context, hash [32]byte) (toll.Key, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return toll.Key{}, err
	}
	defer leave()
	for _, k := range s.keys {
		if k.Hash == hash {
			return k, nil
		}
	}
	return toll.Key{}, missing("key")
}

// Import implements account.ImportStore.
func (s *Store) Import(ctx context.Context, customers []toll.Customer, keys []toll.Key, names []toll.Imported, e toll.Entry) error {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return err
	}
	defer leave()
	for _, n := range names {
		if _, ok := s.imported[toll.Imported{Kind: n.Kind, External: n.External}]; ok {
			return taken("external ID")
		}
	}
	for _, k := range keys {
		for _, other := range s.keys {
			if other.Hash == k.Hash {
				return taken("key")
			}
		}
		_, there := s.customers[k.CustomerID]
		if !there && !slices.ContainsFunc(customers, func(c toll.Customer) bool { return c.ID == k.CustomerID }) {
			return missing("customer")
		}
	}
	for _, c := range customers {
		s.customers[c.ID] = copyCustomer(c)
	}
	for _, k := range keys {
		s.keys[k.ID] = k
	}
	for _, n := range names {
		s.imported[toll.Imported{Kind: n.Kind, External: n.External}] = n.ID
	}
	s.record(e)
	return nil
}
