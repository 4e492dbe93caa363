package httpcache

import (
	"strings"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// partOf tells which part of a stored answer a request wants; ok is false when
// it is to get the whole one. A service that does not want parts to be asked
// for says so (RFC 9110 §14.3).
func partOf(a *ask, o *object) (part exchange.ByteRange, ok bool, err error) {
	if o.status != 200 || !o.body.whole.Load() || strings.EqualFold(o.header.Get("Accept-Ranges"), "none") {
		return part, false, nil
	}
	date, _ := exchange.ParseDate(o.header.Get("Date"))
	v := exchange.Validators{ETag: o.etag, LastModified: o.lastModified, Date: date}
	return exchange.Range(a.request.Header, v, o.length)
}

// wantsNothingOf gives the error for a request that wants a part of a stored
// answer which is not there. A client that has the answer already hears that
// first (RFC 9110 §13.2.2).
func wantsNothingOf(a *ask, o *object) error {
	if o.status == 200 && a.conditional() && exchange.NotModified(a.request.Header, o.etag, o.modified) {
		return nil
	}
	_, _, err := partOf(a, o)
	return err
}
