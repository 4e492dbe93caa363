package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// reads is no contender but what memory costs: after the text, so many reads of
// a random cache line of as many as there are keys, each of which says where the
// next is. No table of keys, however it is made, finds a key with fewer than
// one, and its counters with fewer than two.
type reads struct {
	each []([]line)
}

// line is a cache line.
type line struct {
	next uint32
	_    [60]byte
}

func newReads(n, keys int) (contender, error) {
	r := &reads{}
	random := rand.New(rand.NewPCG(uint64(n), 9))
	for range n {
		lines := make([]line, keys)
		for i, to := range random.Perm(keys) {
			lines[i].next = uint32(to)
		}
		r.each = append(r.each, lines)
	}
	return r, nil
}

func (r *reads) name() string {
	return fmt.Sprintf("(nothing: the text, and %d random reads of 64 bytes, one after the other)", len(r.each))
}

func (r *reads) decide(w *worker, i int, text string, _ time.Time) bool {
	// Nothing is added here, but the processor cannot know: so it does not begin
	// with the next before this one has ended, as it cannot where a decision's
	// lock and work stand between.
	at := uint32(i) + w.last&w.none
	for _, lines := range r.each {
		at = lines[at].next
	}
	w.last = at
	return text[0] == 't' && text[textLen-1] != 0
}

func (*reads) close() {}
