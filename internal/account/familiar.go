package account

import "sync"

// familiar remembers the newest of many things, in two generations: when the
// young one is full the old one is dropped whole. So it holds at most twice its
// size.
type familiar struct {
	most int

	mu         sync.Mutex
	young, old map[[32]byte]struct{}
}

func newFamiliar(most int) *familiar {
	return &familiar{most: most, young: map[[32]byte]struct{}{}}
}

func (f *familiar) knows(key [32]byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, young := f.young[key]
	_, old := f.old[key]
	return young || old
}

func (f *familiar) note(key [32]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.young) >= f.most {
		f.young, f.old = map[[32]byte]struct{}{}, f.young
	}
	f.young[key] = struct{}{}
}
