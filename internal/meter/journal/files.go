package journal

import "io"

// Files is the file system as the journal needs it, so that a test can put a
// hostile one in its place. Names are paths. Missing files give an error that
// is fs.ErrNotExist; a full disk or quota gives one that is syscall.ENOSPC or
// syscall.EDQUOT. It is safe for concurrent use.
type Files interface {
	// MakeDir makes a directory and its parents; it may be there already.
	MakeDir(dir string) error
	// List returns the names in a directory, sorted.
	List(dir string) ([]string, error)
	// Create makes a new empty file, for reading and writing; it must not be there.
	Create(name string) (File, error)
	// Open opens a file for reading and syncing.
	Open(name string) (File, error)
	// Rename gives a file or directory another name, replacing nothing.
	Rename(from, to string) error
	// Remove removes a file or an empty directory.
	Remove(name string) error
	// SyncDir makes what happened to a directory's names last.
	SyncDir(dir string) error
	// Lock makes a file if need be and locks it until it is closed or the
	// process ends; ErrLocked when somebody else holds it.
	Lock(name string) (io.Closer, error)
}

// File is one open file of Files.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size returns the length in bytes.
	Size() (int64, error)
	// Allocate makes the file size bytes long, with all of its blocks there.
	Allocate(size int64) error
	// Map maps the first size bytes into memory, shared, for reading and
	// writing. What is written there is in the file at once for every reader.
	Map(size int64) ([]byte, error)
	// Unmap undoes Map. The memory must not be touched afterwards.
	Unmap(data []byte) error
	// Sync makes what is in the file last. data is its mapping, nil when there is none.
	Sync(data []byte) error
}
