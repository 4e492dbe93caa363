package toll

import "time"

// CORS says which pages of other origins may call a service from a browser
// (https://fetch.spec.whatwg.org/#http-cors-protocol).
type CORS struct {
	// Origins are exact ("https://app.example.com"), everything below a host
	// ("https://*.example.com"), or "*" for all. None: the service answers for itself.
	Origins     []string
	Methods     []string
	Headers     []string      // of requests
	Expose      []string      // fields of answers that scripts may read
	Credentials bool          // cookies too; never together with the origin "*"
	MaxAge      time.Duration // how long a browser may keep the answer to a preflight
}
