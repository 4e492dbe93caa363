package hx

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// MemoryOnce is an OnceStore in memory, bounded in number and bytes. What it
// remembers is gone when the program ends: a form that is sent again then
// counts as new. It is safe for concurrent use.
type MemoryOnce struct {
	mostForms int
	mostBytes int
	now       func() time.Time

	mu    sync.Mutex
	bytes int
	forms map[string]*onceForm
	done  *list.List // of *onceForm that are finished, the oldest first
}

type onceForm struct {
	key    string
	ended  chan struct{} // closed by Finish and Abandon
	answer []byte        // nil while it is held
	until  time.Time
	place  *list.Element // nil while it is held
}

// NewMemoryOnce makes a store of at most so many forms, and answers of at most
// so many bytes together. When there are more, the oldest finished ones are
// forgotten, before their time; a form in progress never is. now is time.Now
// when nil.
func NewMemoryOnce(mostForms, mostBytes int, now func() time.Time) *MemoryOnce {
	if now == nil {
		now = time.Now
	}
	return &MemoryOnce{mostForms: max(1, mostForms), mostBytes: mostBytes, now: now, forms: map[string]*onceForm{}, done: list.New()}
}

// Begin claims a key, or waits for who has it; see OnceStore.
func (m *MemoryOnce) Begin(ctx context.Context, key string) ([]byte, error) {
	for {
		m.mu.Lock()
		m.sweep()
		f := m.forms[key]
		switch {
		case f == nil:
			for len(m.forms) >= m.mostForms && m.done.Len() > 0 {
				m.forget(m.done.Front().Value.(*onceForm))
			}
			if len(m.forms) >= m.mostForms {
				m.mu.Unlock()
				return nil, ErrOnceFull
			}
			m.forms[key] = &onceForm{key: key, ended: make(chan struct{})}
			m.mu.Unlock()
			return nil, nil
		case f.answer != nil:
			m.mu.Unlock()
			return f.answer, nil
		}
		m.mu.Unlock()
		select {
		case <-f.ended:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Finish keeps the answer; see OnceStore. It fails never.
func (m *MemoryOnce) Finish(_ context.Context, key string, answer []byte, ttl time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.forms[key]
	if f == nil || f.answer != nil {
		return nil
	}
	f.answer = append(make([]byte, 0, len(answer)), answer...) // never nil
	f.until = m.now().Add(ttl)
	f.place = m.done.PushBack(f)
	m.bytes += len(answer)
	close(f.ended)
	for m.bytes > m.mostBytes && m.done.Len() > 1 {
		m.forget(m.done.Front().Value.(*onceForm))
	}
	return nil
}

// Abandon gives the key back; see OnceStore. It fails never.
func (m *MemoryOnce) Abandon(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.forms[key]; f != nil && f.answer == nil {
		delete(m.forms, key)
		close(f.ended)
	}
	return nil
}

// Len is how many forms are remembered or in progress.
func (m *MemoryOnce) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.forms)
}

// sweep forgets what is too old, from the oldest on.
func (m *MemoryOnce) sweep() {
	now := m.now()
	for e := m.done.Front(); e != nil; e = m.done.Front() {
		f := e.Value.(*onceForm)
		if now.Before(f.until) {
			return
		}
		m.forget(f)
	}
}

func (m *MemoryOnce) forget(f *onceForm) {
	m.done.Remove(f.place)
	m.bytes -= len(f.answer)
	delete(m.forms, f.key)
}
