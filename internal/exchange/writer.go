package exchange

import (
	"io"
	"time"
)

// Writer is where a front takes an answer. It belongs to one request and is
// not safe for concurrent use. A front may hold bytes back until Flush, the
// end of the request, or a length it knows to be reached.
type Writer interface {
	// Patience says how long one write may wait for a client that takes nothing;
	// then Write and Flush fail, and so does the connection that Upgrade gave. 0
	// leaves it to the front.
	Patience(d time.Duration)
	// Head sends status and fields. It is called once, before any Write.
	// length is that of the body, -1 when unknown.
	Head(status int, h Header, length int64) error
	// Write sends a part of the body.
	Write(p []byte) (int, error)
	// Flush hands everything written so far to the kernel.
	Flush() error
	// Trailer sets a trailer field, after the body and before the end.
	Trailer(name, value string)
	// Upgrade answers 101 with the fields and gives the client's connection.
	Upgrade(h Header) (io.ReadWriteCloser, error)
	// End says that the answer is complete. It calls handed once everything is in
	// the kernel's hands, or cannot be brought there any more; that may be after
	// the request's handler has returned.
	End(handed func(whole bool))
	// Abort ends the connection so that the client sees that the answer is not whole.
	Abort()
}
