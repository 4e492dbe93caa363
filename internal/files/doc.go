// Package files answers a service's requests with the files of a directory, in
// the place of upstreams. A Site is one service's directory.
//
//	… limit ─► Site.Forward ─► the directory ─► variant ─► condition, range ─► Response ─► meter …
//	                           (os.Root)        (.br .zst .gz)
//
// The way in is Open and Site.Forward. Messages are exchange.Request and
// exchange.Response; the path is Request.Path, canonical and decoded once.
//
// # What is there
//
// Regular files below the root that are named without a dot at the start of any
// segment, /.well-known/ apart. A directory is its index file; without one it
// is nothing, for directories are never listed. Symbolic links are followed
// within the root and never out of it. What is no regular file (a device, a
// pipe) is nothing. A root that is replaced, as by a link that a deploy turns
// to the next release, is noticed within a second.
//
// # What can go wrong
//
// Forward's error is a *Refusal, which the front puts into words, an
// *exchange.RangeError for a part behind a file's end, or an error of the
// operating system, which is nobody's business but the log's.
package files
