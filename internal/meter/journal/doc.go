// Package journal is the crash-safe local log that usage events are written to
// first: lanes of fixed-size segments, mapped into memory.
package journal
