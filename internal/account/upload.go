package account

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Uploads takes files in: each goes to a file without a name in Dir while it
// comes, is measured, hashed and looked at on the way, and is stored only once
// it is whole. What is cut, too large or not what it says it is leaves nothing,
// also after kill -9. It is safe for concurrent use.
type Uploads struct {
	// Dir is where files are while they come; "": the system's.
	Dir string

	mu      sync.Mutex
	under   int            // way
	ofOwner map[string]int // customers
}

// How many uploads may come at the same time: together they take as much of the
// disk as so many of the largest files.
const (
	mostUploads   = 32
	mostUploadsOf = 4 // of one customer
)

// upload is a file that came whole. Close frees it.
type upload struct {
	file   *os.File
	size   int64
	sha256 [32]byte
}

func (u *upload) ReadAt(p []byte, off int64) (int, error) { return u.file.ReadAt(p, off) }

// Close frees the room that the file took.
func (u *upload) Close() error { return u.file.Close() }

// checker looks at the content of an upload on its way; an error of Write ends
// it, and the one of End says what is wrong with the whole.
type checker interface {
	io.Writer
	End() error
}

// begin lets an upload of a customer in; end is called once it is over.
func (u *Uploads) begin(customerID string) (end func(), err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.under >= mostUploads || u.ofOwner[customerID] >= mostUploadsOf {
		return nil, toll.Errorf(toll.Unavailable, "Too many files are being uploaded at this moment. Try again soon.")
	}
	if u.ofOwner == nil {
		u.ofOwner = map[string]int{}
	}
	u.under++
	u.ofOwner[customerID]++
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.under--
		if u.ofOwner[customerID]--; u.ofOwner[customerID] == 0 {
			delete(u.ofOwner, customerID)
		}
	}, nil
}

// take reads a file to its end. Invalid about the field file: it has more than
// most bytes, or none, or check is against it. Any other error is the reader's.
func (u *Uploads) take(ctx context.Context, from io.Reader, most int64, check checker) (*upload, error) {
	file, err := os.CreateTemp(u.Dir, "upload-*")
	if err != nil {
		return nil, &toll.Error{Code: toll.Unavailable, Message: "There is no room for files at this moment. Try again later.", Cause: fmt.Errorf("take an upload: %w", err)}
	}
	named := os.Remove(file.Name()) // where an open file keeps its name (Windows) it goes with Close
	out := &upload{file: file}
	fail := func(err error) (*upload, error) {
		err = errors.Join(err, file.Close())
		if named != nil {
			_ = os.Remove(file.Name())
		}
		return nil, err
	}
	hash := sha256.New()
	buffer := make([]byte, 64<<10)
	for {
		if err := ctx.Err(); err != nil {
			return fail(err)
		}
		n, err := from.Read(buffer)
		if out.size += int64(n); out.size > most {
			return fail(toll.FieldError("file", "The file is larger than %d bytes, which is as large as it may be.", most))
		}
		if n > 0 {
			_, _ = hash.Write(buffer[:n])
			if _, err := check.Write(buffer[:n]); err != nil {
				return fail(err)
			}
			if _, err := file.Write(buffer[:n]); err != nil {
				return fail(&toll.Error{Code: toll.Unavailable, Message: "There is no room for files at this moment. Try again later.", Cause: fmt.Errorf("take an upload: %w", err)})
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fail(cutOff(err))
		}
	}
	if out.size == 0 {
		return fail(toll.FieldError("file", "The file is empty."))
	}
	if err := check.End(); err != nil {
		return fail(err)
	}
	hash.Sum(out.sha256[:0])
	return out, nil
}

// cutOff says that a file did not come whole, unless the reader says itself what was wrong.
func cutOff(err error) error {
	var known *toll.Error
	if errors.As(err, &known) {
		return err
	}
	return &toll.Error{Code: toll.Invalid, Field: "file", Message: "The file did not come whole, so nothing of it was kept. Send it again.", Cause: err}
}
