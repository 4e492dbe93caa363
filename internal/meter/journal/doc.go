// Package journal is the crash-safe local log that usage events are written to
// first. It knows bytes and places, not events: those are package meter's.
//
//	DATA/lock                              one Tollhouse per data directory (Lock)
//	DATA/journal/<node>/<ulid>/            a lane: one process writes it (Create, Lane)
//	    lock                               held while that process lives
//	    00000001.thj, 00000002.thj, …      segments of a fixed size
//	DATA/journal/<node>/<ulid>.damaged/    segments in which something could not be read, kept aside
//
//	Append ─► mapped segment ─► (sync) ─► Reader ─► drained, done ─► Trim, or Claimed.Finish for a lane whose process is gone
//
// A segment is mapped into memory and all of its blocks are allocated before
// the first byte is written: writing a record is a copy, never a system call,
// and a full disk shows when the next segment is made ready and never as a
// fault. A process may be killed between any two instructions: what Append
// returned for is in the kernel's hands by then, and what it had not finished
// has no length yet and is not there. After a loss of power what was synced is
// there.
//
// # Form of a segment, version 1, little endian
//
//	 0  8  "TOLLJRNL"
//	 8  4  format version
//	12  4  reserved, 0
//	16  8  the segment's number in its lane, from 1
//	24 16  the lane's ULID
//	40  8  created, Unix microseconds
//	48  8  the segment's size in bytes
//	56  4  reserved, 0
//	60  4  CRC32C of the 60 bytes before
//	64     records, each at a multiple of 8; zeros to the end
//
// A record is
//
//	 0  4  committed bit (1<<31) and the payload's length; stored last, atomically
//	 4  4  CRC32C of the payload, then of 16 bytes: the segment's seed, the record's offset, its length, its kind
//	 8  1  kind
//	 9  3  reserved, 0
//	12  4  state, outside the CRC: recorded, done, not delivered
//	16     payload, and zeros to a multiple of 8
//
// The seed comes from the lane's ULID and the segment's number. So a record is
// valid only where it was written: neither old blocks, nor a segment under
// another's name, nor bytes that a client chose can pass for one. The last
// record of a full segment has the kind End.
package journal
