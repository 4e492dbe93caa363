package exchange

import "errors"

// ErrBodyTooLarge is what reading a request's body gives when it is longer
// than its service allows.
var ErrBodyTooLarge = errors.New("the request body is larger than the service allows")

// Failure is a forwarded request that got no answer from the service: the
// front answers in its place. Error names follow RFC 9209 (Proxy-Status).
type Failure struct {
	Status   int    // 502, 503 or 504
	Type     string // the RFC 9209 proxy error type: "connection_refused", "http_response_timeout", …
	Upstream string // the address that was tried last, "" when none was
	Tries    int    // how many were asked
	Cause    error
}

// Error says what failed, for the log.
func (f *Failure) Error() string {
	if f.Cause == nil {
		return f.Type
	}
	return f.Type + ": " + f.Cause.Error()
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Cause }
