package hx

import (
	"container/heap"
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
	done  endings // what is finished, the first to be forgotten first
}

// endings is a heap of what is finished, by the time until which it is kept.
type endings []*onceForm

func (e endings) Len() int           { return len(e) }
func (e endings) Less(i, j int) bool { return e[i].until.Before(e[j].until) }
func (e endings) Swap(i, j int) {
	e[i], e[j] = e[j], e[i]
	e[i].place, e[j].place = i, j
}

// Push is heap.Interface's; the place is the last one.
func (e *endings) Push(x any) {
	f := x.(*onceForm)
	f.place = len(*e)
	*e = append(*e, f)
}

// Pop is heap.Interface's.
func (e *endings) Pop() any {
	last := len(*e) - 1
	f := (*e)[last]
	(*e)[last] = nil
	*e = (*e)[:last]
	return f
}

type onceForm struct {
	key    string
	ended  chan struct{} // closed by Finish and Abandon
	answer []byte        // nil while it is held
	until  time.Time
	place  int // in endings, once there is an answer
}

// NewMemoryOnce makes a store of at most so many forms, and answers of at most
// so many bytes together. When there are more, the oldest finished ones are
// forgotten, before their time; a form in progress never is. now is time.Now
// when nil.
func NewMemoryOnce(mostForms, mostBytes int, now func() time.Time) *MemoryOnce {
	if now == nil {
		now = time.Now
	}
	return &MemoryOnce{mostForms: max(1, mostForms), mostBytes: mostBytes, now: now, forms: map[string]*onceForm{}}
}

// Begin claims a key, or waits for who has it; see OnceStore.
func (m *MemoryOnce) Begin(ctx context.Context, key string) ([]byte, error) {
	for {
		m.mu.Lock()
		m.sweep()
		f := m.forms[key]
		switch {
		case f == nil:
			for len(m.forms) >= m.mostForms && len(m.done) > 0 {
				m.forget(m.done[0])
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
	heap.Push(&m.done, f)
	m.bytes += len(answer)
	close(f.ended)
	for m.bytes > m.mostBytes && len(m.done) > 1 {
		m.forget(m.done[0])
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

// sweep forgets what is too old.
func (m *MemoryOnce) sweep() {
	now := m.now()
	for len(m.done) > 0 && !now.Before(m.done[0].until) {
		m.forget(m.done[0])
	}
}

func (m *MemoryOnce) forget(f *onceForm) {
	heap.Remove(&m.done, f.place)
	m.bytes -= len(f.answer)
	delete(m.forms, f.key)
}
