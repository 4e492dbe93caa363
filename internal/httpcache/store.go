package httpcache

import (
	"slices"
	"sync/atomic"

	"github.com/maypok86/otter/v2"
)

// entry is what is kept under one key: the answers that differ by Vary, the
// newest first. It is never changed, only replaced.
type entry struct {
	objects []*object
	weight  uint32
}

// maxVariants bounds how many answers one URI may have by Vary.
const maxVariants = 32

// store keeps entries within a number of bytes. Which go when it is full is
// otter's W-TinyLFU: a newcomer is only admitted over an entry that is asked for
// less often.
type store struct {
	cache  *otter.Cache[key, *entry]
	epochs epochs
}

func newStore(maxSize int64) (*store, error) {
	cache, err := otter.New(&otter.Options[key, *entry]{
		MaximumWeight: uint64(maxSize),
		Weigher:       func(_ key, e *entry) uint32 { return e.weight },
	})
	if err != nil {
		return nil, err
	}
	return &store{cache: cache}, nil
}

// find returns the stored answer that a request would have chosen: everybody's
// first, then its caller's own. other tells that there are answers, which other
// requests chose.
func (s *store) find(a *ask) (o *object, at owner, other bool) {
	if e, ok := s.cache.GetIfPresent(key{uri: a.uri}); ok {
		if o = e.chosen(a); o != nil {
			return o, everybody, true
		}
		other = true
	}
	if a.credential {
		if e, ok := s.cache.GetIfPresent(key{uri: a.uri, owner: a.owner}); ok {
			if o = e.chosen(a); o != nil && s.epochs.now(a.hash).uri() == o.epoch.uri() {
				return o, a.owner, true
			}
			other = true
		}
	}
	return nil, everybody, other
}

func (e *entry) chosen(a *ask) *object {
	for _, o := range e.objects {
		if atomic.LoadUint32(&o.live) != 0 && chosenBy(o.selecting, a.request.Header) {
			return o
		}
	}
	return nil
}

// put keeps an object in the place of those that the same request would have
// chosen. What was purged since the object was asked for stays away.
func (s *store) put(k key, hash uint64, o *object) bool {
	if s.epochs.now(hash) != o.epoch {
		return false
	}
	o.size = o.weigh()
	k.uri = k.uri.clone()
	s.cache.Compute(k, func(old *entry, found bool) (*entry, otter.ComputeOp) {
		next := &entry{objects: []*object{o}}
		if found {
			for _, was := range old.objects {
				if len(next.objects) < maxVariants && !slices.Equal(was.selecting, o.selecting) {
					next.objects = append(next.objects, was)
				}
			}
		}
		next.weigh(k)
		return next, otter.WriteOp
	})
	// A purge that came since then has either taken it out already, or is seen
	// here: until it is known which, nobody finds it.
	if s.epochs.now(hash) != o.epoch {
		s.remove(k, o)
		return false
	}
	atomic.StoreUint32(&o.live, 1)
	return true
}

// remove forgets one object; another that took its place stays.
func (s *store) remove(k key, o *object) {
	s.cache.ComputeIfPresent(k, func(old *entry) (*entry, otter.ComputeOp) {
		at := slices.Index(old.objects, o)
		switch {
		case at < 0:
			return old, otter.CancelOp
		case len(old.objects) == 1:
			return nil, otter.InvalidateOp
		}
		next := &entry{objects: slices.Delete(slices.Clone(old.objects), at, at+1)}
		next.weigh(k)
		return next, otter.WriteOp
	})
}

func (e *entry) weigh(k key) {
	total := uint64(128 + len(k.scheme) + len(k.host) + len(k.path) + len(k.query))
	for _, o := range e.objects {
		total += uint64(o.size)
	}
	e.weight = uint32(min(total, 1<<32-1))
}

// invalidate forgets all answers of a URI, whosever they are: everybody's at
// once, a caller's own when it is next looked at.
func (s *store) invalidate(u uri) {
	s.epochs.turn(u.hash())
	s.cache.Invalidate(key{uri: u})
}

// epoch is a moment in the life of a URI: how many purges there were, and how
// often the URI itself was invalidated.
type epoch uint64

// uri is the part that only the URI's own invalidation changes. Purges take out
// what they name, so the rest may stay.
func (e epoch) uri() uint32 { return uint32(e) }

// epochs tell whether a URI was invalidated since something began: a counter
// for many URIs each, so that it takes no memory per URI. Two that share one
// cost each other a stored answer now and then, and never give a wrong one.
type epochs struct {
	purges atomic.Uint32
	each   [4096]atomic.Uint32
}

func (e *epochs) now(hash uint64) epoch {
	return epoch(e.purges.Load())<<32 | epoch(e.each[hash%uint64(len(e.each))].Load())
}

func (e *epochs) turn(hash uint64) { e.each[hash%uint64(len(e.each))].Add(1) }
