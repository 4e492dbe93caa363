package httpcache

import (
	"sync/atomic"
	"time"
)

// hints remember for a while which URIs gave answers that are not kept, so that
// nobody waits for another's answer there in vain and clients' own conditions
// reach the service. The table has a fixed size; a URI that loses its place
// costs a wait, nothing more.
type hints struct {
	slots [4096]atomic.Uint64 // 32 bits of the hash, 32 of the second it holds until
}

const hintFor = 10 * time.Second

func (h *hints) slot(a *ask) (*atomic.Uint64, uint64) {
	hash := a.hash
	if a.credential { // what is private with a credential need not be without
		hash = hash*0x9e3779b97f4a7c15 + 1
	}
	if a.cookie { // nor what is not kept for the cookie's sake
		hash = hash*0x9e3779b97f4a7c15 + 2
	}
	return &h.slots[hash%uint64(len(h.slots))], hash >> 32
}

func (h *hints) mark(a *ask) {
	slot, tag := h.slot(a)
	slot.Store(tag<<32 | uint64(uint32(a.now.Add(hintFor).Unix())))
}

func (h *hints) holds(a *ask) bool {
	slot, tag := h.slot(a)
	v := slot.Load()
	return v>>32 == tag && uint32(v) > uint32(a.now.Unix())
}
