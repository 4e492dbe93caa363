package journal

import (
	"errors"
	"fmt"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// What callers tell apart with errors.Is. All are *toll.Error, safe to show.
var (
	// ErrFull: no block is left for the next segment. Append asks for one again
	// by itself, a few times a second, and goes on when there is room.
	ErrFull = toll.Errorf(toll.Unavailable, "The journal has no room: the disk that holds the data directory is full. Free some space; recording goes on by itself.")
	// ErrClosed: the lane was closed.
	ErrClosed = toll.Errorf(toll.Unavailable, "The journal is closed: this process is ending.")
	// ErrTooLong: the payload is longer than a record may be.
	ErrTooLong = toll.Errorf(toll.Invalid, "The record is longer than the journal takes.")
)

// ErrLocked is what Files.Lock and Claim answer when another process holds the lock.
var ErrLocked = errors.New("another process holds the lock")

// ErrNewer says that a segment was written by a newer Tollhouse. It was left as
// it is.
var ErrNewer = errors.New("a journal of a newer format")

// newer is the whole error about a segment of a newer format version.
func newer(version uint32, segment string) error {
	return &toll.Error{Code: toll.Conflict,
		Message: "The journal segment " + segment + " was written by a newer Tollhouse. Start that version again and let it drain the journal before going back; nothing was changed.",
		Cause:   fmt.Errorf("%w: version %d, this program reads up to %d", ErrNewer, version, Version)}
}

// syncFailed is what a lane answers for good once a sync failed: the kernel
// may have dropped what it could not write, so nothing more can be promised.
func syncFailed(cause error) error {
	return &toll.Error{Code: toll.Unavailable,
		Message: "The journal could not be written to disk, so requests cannot be recorded safely. Check the disk that holds the data directory, then restart Tollhouse.",
		Cause:   cause}
}

// unallocated is what Append answers while the next segment cannot be made for
// another reason than a full disk.
func unallocated(cause error) error {
	return &toll.Error{Code: toll.Unavailable,
		Message: "The journal cannot make its next segment. Check the data directory and its disk; recording goes on by itself.",
		Cause:   cause}
}
