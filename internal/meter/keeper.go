package meter

import "context"

// Keeper keeps a copy of what the Sink counts outside of it, and relies on the
// journal for what its copy does not have yet: what it says is not Kept the
// drainer leaves in the journal, although the sink has it. Its methods are
// called from several goroutines.
type Keeper interface {
	// Stored tells of a batch that the sink has; of one lane, in their order. A
	// batch whose answer was lost may be missing. It keeps neither b nor its slices.
	Stored(b *Batch)
	// Kept returns up to where of a lane the copy has it, drained being where the
	// sink has it.
	Kept(lane string, drained Position) Position
	// Keep brings the copy up to date before the last of a lane is deleted.
	Keep(ctx context.Context)
}

// forgetful is the Keeper of who keeps no copy.
type forgetful struct{}

func (forgetful) Stored(*Batch)                            {}
func (forgetful) Kept(_ string, drained Position) Position { return drained }
func (forgetful) Keep(context.Context)                     {}
