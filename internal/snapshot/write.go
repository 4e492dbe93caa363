package snapshot

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Write writes the snapshot with all that was told so far. After an error the
// file that was there stays, with what it needs of the journal.
func (k *Keeper) Write(ctx context.Context) error {
	k.writing.Lock()
	defer k.writing.Unlock()
	began := time.Now()
	k.mu.Lock()
	amend := k.whole && !k.stale
	k.amending = true
	k.mu.Unlock()
	var size int64
	var head Head
	err := errNotWhole
	if amend {
		size, head, err = k.amend()
	}
	if err != nil { // also where the old file turns out to be unreadable
		size, head, err = k.renew(ctx, false)
	}
	if errors.Is(err, errOtherQuotas) {
		size, head, err = k.renew(ctx, true)
	}
	k.mu.Lock()
	amend = err != nil && !amend && k.whole
	k.mu.Unlock()
	if amend { // the store does not answer, and a part of what it has is more than nothing of it
		size, head, err = k.amend()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.amending = false
	if err != nil {
		status := k.Status()
		status.Err = err
		k.status.Store(&status)
		return err
	}
	k.exists, k.kept, k.readAt = true, head.Cursors, head.ReadAt
	k.status.Store(&Status{WrittenAt: head.WrittenAt, Size: size, Took: time.Since(began)})
	return nil
}

var errNotWhole = errors.New("the file lacks something that the store has")

// errOtherQuotas is of a file that was begun before it was known what to count.
var errOtherQuotas = errors.New("customers or keys have other quotas than was known")

func (k *Keeper) head(cursors map[string]meter.Position, now time.Time) Head {
	h := Head{Identity: k.o.Whose, WrittenAt: now, Program: k.o.Program, ReadAt: k.readAt, Cursors: maps.Clone(cursors)}
	maps.DeleteFunc(h.Cursors, func(lane string, _ meter.Position) bool { return k.gone(lane) })
	return h
}

// amend writes the file that is there with what changed since.
func (k *Keeper) amend() (size int64, head Head, err error) {
	k.mu.Lock()
	customers, keys, used := k.customers, k.keys, k.used
	now := k.o.Clock()
	head = k.head(k.cursors, now)
	k.empty(maps.Clone(head.Cursors))
	k.mu.Unlock()
	defer func() {
		if err != nil { // all is read anew
			k.mu.Lock()
			k.whole = false
			k.mu.Unlock()
		}
	}()
	old, err := Open(k.o.Path, k.o.Whose)
	if err != nil {
		return 0, head, err
	}
	defer old.Close()
	if !old.Head.WrittenAt.Equal(k.Status().WrittenAt) {
		return 0, head, errNotWhole // another process has written since
	}
	w, err := create(k.o.Path, head)
	if err != nil {
		return 0, head, err
	}
	defer func() {
		if err != nil {
			w.abandon()
		}
	}()
	err = old.decode(func(p *page) error {
		for _, c := range p.Customers {
			if next, ok := customers[c.ID]; ok {
				delete(customers, c.ID)
				if next.Version >= c.Version {
					c = next
				}
			}
			if err := w.customer(c); err != nil {
				return err
			}
		}
		for _, key := range p.Keys {
			if next, ok := keys[key.ID]; ok {
				delete(keys, key.ID)
				if next.Version >= key.Version {
					key = next
				}
			}
			if err := w.key(key); err != nil {
				return err
			}
		}
		for _, c := range p.Counters {
			c.Used += used[c.Of]
			delete(used, c.Of)
			if c.Of.Over(now) {
				continue
			}
			if err := w.counter(c); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, head, err
	}
	for _, c := range customers {
		if err := w.customer(c); err != nil {
			return 0, head, err
		}
	}
	for _, key := range keys {
		if err := w.key(key); err != nil {
			return 0, head, err
		}
	}
	for id, n := range used {
		if err := w.counter(Counter{id, n}); err != nil {
			return 0, head, err
		}
	}
	size, err = w.commit()
	return size, head, err
}

// patience is how long the store may take to say what was counted: the drainer
// and the metrics wait meanwhile. So a store that may be silent is asked something
// small before, while nobody waits.
const (
	patience = time.Minute
	awake    = 5 * time.Second
)

// renew writes all that the store has. Where its customers and keys turn out to
// have other quotas than was known it fails with errOtherQuotas, unless it is the
// last try: then those are for the next write.
func (k *Keeper) renew(ctx context.Context, last bool) (size int64, head Head, err error) {
	asking, stop := context.WithTimeout(ctx, awake)
	_, err = k.o.Source.Counted(asking, nil)
	stop()
	if err != nil {
		return 0, head, err
	}
	now := k.o.Clock()
	k.mu.Lock() // so that a batch is either in what is read here, or told after it
	within, cancel := context.WithTimeout(ctx, patience)
	counted, err := k.quotas.Read(within, k.o.Source, now)
	cancel()
	if err != nil {
		k.mu.Unlock()
		return 0, head, err
	}
	head = k.head(counted.Cursors, now)
	head.ReadAt = now
	k.empty(maps.Clone(head.Cursors))
	k.whole, k.stale = true, false
	k.mu.Unlock()
	defer func() {
		if err != nil {
			k.mu.Lock()
			k.whole = false
			k.mu.Unlock()
		}
	}()
	w, err := create(k.o.Path, head)
	if err != nil {
		return 0, head, err
	}
	defer func() {
		if err != nil {
			w.abandon()
		}
	}()
	news := false
	err = k.o.Source.EachCustomer(ctx, func(c toll.Customer) error {
		k.mu.Lock()
		news = k.quotas.Customer(&c) || news
		k.mu.Unlock()
		return w.customer(c)
	})
	if err != nil {
		return 0, head, err
	}
	err = k.o.Source.EachKey(ctx, func(key toll.Key) error {
		k.mu.Lock()
		news = k.quotas.Key(&key) || news
		k.mu.Unlock()
		return w.key(key)
	})
	switch {
	case err != nil:
		return 0, head, err
	case news && !last:
		return 0, head, errOtherQuotas
	case news:
		k.mu.Lock()
		k.stale = true
		k.mu.Unlock()
	}
	counted.Each(func(c meter.QuotaCounter, used int64) {
		if err == nil {
			err = w.counter(Counter{c, used})
		}
	})
	if err != nil {
		return 0, head, err
	}
	size, err = w.commit()
	return size, head, err
}
