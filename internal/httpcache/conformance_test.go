package httpcache_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/internal/httpcache"
)

// step is one request of a row, what the service would answer to it, and what
// must come of it.
type step struct {
	after  time.Duration // since the step before
	call   call
	answer reply
	want   want
	fields []string // of the client's answer; a value "-" means that it is not there
	sent   []string // of what the service was asked
	status int      // of the client's answer; 0: any
}

// want is who answers.
type want uint8

const (
	service   want = iota + 1 // the service gave this answer
	store                     // it came from what was stored
	confirmed                 // the service was asked whether what is stored holds, and it does
	nobody                    // 504, only-if-cached
	broken                    // the service failed, and so did the request
)

func answers(fields ...string) reply { return reply{fields: fields} }

var (
	cc       = "Cache-Control"
	fresh    = answers(cc, "max-age=60")
	etagged  = answers(cc, "max-age=60", "ETag", `"v1"`)
	holds    = reply{status: 304, fields: []string{cc, "max-age=60", "ETag", `"v1"`}}
	customer = func(name string) call { return call{customer: name} }
	with     = func(fields ...string) call { return call{fields: fields} }
)

// twice is a row that asks the same twice: is the second answer a stored one?
func twice(second want, fields ...string) []step {
	return []step{{answer: answers(fields...), want: service}, {answer: fresh, want: second}}
}

// rows are the requirements on a shared cache, one by one.
var rows = []struct {
	section, requires string
	steps             []step
}{
	{"9111 §2", "another query is another key", []step{{call: call{target: "/a?x=1"}, answer: fresh, want: service}, {call: call{target: "/a?x=2"}, answer: fresh, want: service}}},
	{"9111 §2", "another host is another key", []step{{answer: fresh, want: service}, {call: call{host: "other.example"}, answer: fresh, want: service}}},
	{"9111 §2", "the host's case and its scheme's port are not", []step{{answer: fresh, want: service}, {call: call{host: "SHOP.example:443"}, answer: fresh, want: store}}},

	{"9111 §3", "an answer that is fresh is stored", twice(store, cc, "max-age=60")},
	{"9111 §3", "one that says nothing is not", twice(service)},
	{"9111 §3", "no-store is not stored", twice(service, cc, "no-store, max-age=60")},
	{"9111 §3", "private is not stored", twice(service, cc, "private, max-age=60")},
	{"9111 §3", "no-store counts wherever it stands", twice(service, cc, "max-age=60", cc, "public, NO-STORE")},
	{"9111 §3", "a request with no-store leaves nothing", []step{{call: with(cc, "no-store"), answer: fresh, want: service}, {answer: fresh, want: service}}},
	{"9111 §3", "an answer to POST is not stored", []step{{call: call{method: "POST"}, answer: fresh, want: service}, {call: call{method: "POST"}, answer: fresh, want: service}}},
	{"9111 §3", "an answer to POST does not answer GET", []step{{call: call{method: "POST"}, answer: fresh, want: service}, {answer: fresh, want: service}}},
	{"9111 §3", "a status that is not understood is not stored", []step{{answer: reply{status: 299, fields: []string{cc, "max-age=60"}}, want: service}, {answer: fresh, want: service}}},
	{"9111 §3", "a 404 that is fresh is stored", []step{{answer: reply{status: 404, fields: []string{cc, "max-age=60"}}, want: service}, {answer: fresh, want: store, status: 404}}},
	{"9111 §3", "a 204 that is fresh is stored", []step{{answer: reply{status: 204, fields: []string{cc, "max-age=60"}}, want: service}, {answer: fresh, want: store, status: 204}}},
	{"9111 §3", "a 206 is not stored", []step{{answer: reply{status: 206, fields: []string{cc, "max-age=60", "Content-Range", "bytes 0-1/9"}}, want: service}, {answer: fresh, want: service}}},
	{"9111 §3", "Set-Cookie is not stored", twice(service, cc, "max-age=60", "Set-Cookie", "a=b")},
	{"9111 §5.2.2.3", "must-understand lifts no-store for a status that is understood", twice(store, cc, "no-store, must-understand, max-age=60")},
	{"9111 §3.1", "fields of one connection are not stored", []step{{answer: answers(cc, "max-age=60", "Proxy-Authenticate", "x", "Keep-Alive", "y"), want: service}, {want: store, answer: fresh, fields: []string{"Proxy-Authenticate", "-", "Keep-Alive", "-"}}}},
	{"9111 §3.1", "unknown fields are", []step{{answer: answers(cc, "max-age=60", "X-Odd", "1"), want: service}, {want: store, answer: fresh, fields: []string{"X-Odd", "1"}}}},
	{"9111 §3.3", "an answer that broke off is not stored", []step{{answer: reply{fields: []string{cc, "max-age=60"}, cut: true}, want: broken}, {answer: fresh, want: service}}},

	{"9111 §3.5", "an answer to a credential is not stored", []step{{call: with("Authorization", "Basic eA=="), answer: fresh, want: service}, {call: with("Authorization", "Basic eA=="), answer: fresh, want: service}, {answer: fresh, want: service}}},
	{"9111 §3.5", "nor one to X-API-Key", []step{{call: with("X-Api-Key", "k"), answer: fresh, want: service}, {call: with("X-Api-Key", "k"), answer: fresh, want: service}}},
	{"9111 §3.5", "nor one to a customer's key", []step{{call: customer("a"), answer: fresh, want: service}, {call: customer("a"), answer: fresh, want: service}}},
	{"9111 §3.5", "public is for everybody", []step{{call: customer("a"), answer: answers(cc, "public, max-age=60"), want: service}, {call: customer("b"), answer: fresh, want: store}, {answer: fresh, want: store}}},
	{"9111 §3.5", "s-maxage is for the same customer", []step{{call: customer("a"), answer: answers(cc, "s-maxage=60"), want: service}, {call: customer("a"), answer: fresh, want: store}, {call: customer("b"), answer: fresh, want: service}, {answer: fresh, want: service}}},
	{"9111 §3.5", "must-revalidate is for the same credential", []step{{call: with("Authorization", "a"), answer: answers(cc, "max-age=60, must-revalidate"), want: service}, {call: with("Authorization", "a"), answer: fresh, want: store}, {call: with("Authorization", "b"), answer: fresh, want: service}}},
	{"9111 §3.5", "what is stored without a credential is for those with one", []step{{answer: fresh, want: service}, {call: customer("a"), answer: fresh, want: store}}},

	{"9111 §4", "a stored answer has its age", []step{{answer: fresh, want: service, fields: []string{"Age", "-"}}, {after: 7 * time.Second, answer: fresh, want: store, fields: []string{"Age", "7"}}}},
	{"9111 §4", "stale is not fresh", []step{{answer: fresh, want: service}, {after: 60 * time.Second, answer: fresh, want: service}}},
	{"9111 §4.2.1", "s-maxage goes before max-age", twice(service, cc, "max-age=60, s-maxage=0")},
	{"9111 §4.2.1", "max-age goes before Expires", twice(store, cc, "max-age=60", "Expires", "0")},
	{"9111 §4.2.1", "Expires is reckoned from Date", []step{{answer: answers("Date", "Mon, 01 Jan 2001 00:00:00 GMT", "Expires", "Mon, 01 Jan 2001 00:01:00 GMT"), want: service}, {after: 59 * time.Second, answer: fresh, want: store}, {after: time.Second, answer: fresh, want: service}}},
	{"9111 §4.2.1", "of two max-age the first counts", twice(service, cc, "max-age=0, max-age=60")},
	{"9111 §4.2.1", "a max-age that is no number is stale", twice(service, cc, "max-age=sixty")},
	{"9111 §4.2.1", "two Expires are none", twice(service, "Expires", "Thu, 18 Aug 2050 02:01:18 GMT", "Expires", "Thu, 18 Aug 2050 02:01:19 GMT")},
	{"9111 §4.2.3", "the age that another cache tells counts", []step{{answer: answers(cc, "max-age=60", "Age", "50"), want: service}, {after: 11 * time.Second, answer: fresh, want: service}}},
	{"9111 §4.2.3", "an old Date counts as age", []step{{answer: answers(cc, "max-age=60", "Date", "Fri, 31 Dec 1999 00:00:00 GMT"), want: service}, {answer: fresh, want: service}}},
	{"9111 §4.2.3", "the time the answer took counts as age", []step{{answer: reply{fields: []string{cc, "max-age=60"}, after: 50 * time.Second}, want: service}, {after: 11 * time.Second, answer: fresh, want: service}}},
	{"9111 §5.3", "Expires in the past is stale", twice(service, "Expires", "Thu, 01 Dec 1994 16:00:00 GMT")},
	{"9111 §5.3", "Expires that is no date is stale", twice(service, "Expires", "0")},
	{"9111 §1.2.2", "a number too large is a very long time", twice(store, cc, "max-age=99999999999999999999")},
	{"9111 §5.2", "names have no case, and unknown ones say nothing", twice(store, cc, `x="no-store, private", MAX-AGE="60"`)},

	{"9111 §4.1", "another value of a field in Vary is another answer", []step{{call: with("Accept", "a"), answer: answers(cc, "max-age=60", "Vary", "accept"), want: service}, {call: with("Accept", "b"), answer: answers(cc, "max-age=60", "Vary", "Accept"), want: service}, {call: with("Accept", "a"), answer: fresh, want: store}, {call: with("Accept", "b"), answer: fresh, want: store}}},
	{"9111 §4.1", "a field that is missing matches only where it is missing", []step{{answer: answers(cc, "max-age=60", "Vary", "Accept"), want: service}, {call: with("Accept", "a"), answer: fresh, want: service}}},
	{"9111 §4.1", "htmx fragments are not pages", []step{{call: with("HX-Request", "true"), answer: answers(cc, "max-age=60", "Vary", "HX-Request"), want: service}, {answer: answers(cc, "max-age=60", "Vary", "HX-Request"), want: service}, {call: with("HX-Request", "true"), answer: fresh, want: store}, {answer: fresh, want: store}}},
	{"9111 §4.1", "Vary: * matches nothing", twice(service, cc, "max-age=60", "Vary", "Accept, *")},
	{"9111 §4.1", "several lines are one list", []step{{call: with("X", "1", "X", "2"), answer: answers(cc, "max-age=60", "Vary", "X"), want: service}, {call: with("X", "1, 2"), answer: fresh, want: store}}},
	{"9111 §4.1", "the order of codings does not matter", []step{{call: with("Accept-Encoding", "gzip, br"), answer: answers(cc, "max-age=60", "Vary", "Accept-Encoding"), want: service}, {call: with("Accept-Encoding", "br,gzip"), answer: fresh, want: store}, {call: with("Accept-Encoding", "br"), answer: fresh, want: service}}},

	{"9111 §4.2.4", "must-revalidate is never used stale, whatever the client takes", []step{{answer: answers(cc, "max-age=1, must-revalidate"), want: service}, {after: 2 * time.Second, call: with(cc, "max-stale=100"), answer: fresh, want: service}}},
	{"9111 §4.2.4", "nor proxy-revalidate", []step{{answer: answers(cc, "max-age=1, proxy-revalidate"), want: service}, {after: 2 * time.Second, call: with(cc, "max-stale=100"), answer: fresh, want: service}}},
	{"9111 §4.2.4", "nor s-maxage", []step{{answer: answers(cc, "s-maxage=1"), want: service}, {after: 2 * time.Second, call: with(cc, "max-stale=100"), answer: fresh, want: service}}},
	{"9111 §4.2.4", "nor a failure makes must-revalidate be used stale", []step{{answer: answers(cc, "max-age=1, must-revalidate, stale-if-error=60", "ETag", `"v1"`), want: service}, {after: 2 * time.Second, answer: reply{err: failure(502)}, want: broken}}},

	{"9111 §4.3.1", "a validation sends the validators", []step{{answer: answers(cc, "max-age=1", "ETag", `"v1"`, "Last-Modified", "Fri, 31 Dec 1999 00:00:00 GMT"), want: service}, {after: 2 * time.Second, answer: holds, want: confirmed, sent: []string{"If-None-Match", `"v1"`, "If-Modified-Since", "Fri, 31 Dec 1999 00:00:00 GMT"}}}},
	{"9111 §4.3.1", "and not the client's", []step{{answer: answers(cc, "max-age=1", "ETag", `"v1"`), want: service}, {after: 2 * time.Second, call: with("If-None-Match", `"v0"`), answer: holds, want: confirmed, sent: []string{"If-None-Match", `"v1"`}, status: 200}}},
	{"9111 §4.3.2", "an ETag that the client has is 304", []step{{answer: etagged, want: service}, {call: with("If-None-Match", `"v0", W/"v1"`), answer: fresh, want: store, status: 304, fields: []string{"ETag", `"v1"`, "Content-Type", "-"}}}},
	{"9111 §4.3.2", "one that it has not is whole", []step{{answer: etagged, want: service}, {call: with("If-None-Match", `"v0"`), answer: fresh, want: store, status: 200}}},
	{"9111 §4.3.2", "a tag that holds another is not it", []step{{answer: etagged, want: service}, {call: with("If-None-Match", `"x\"v1\""`), answer: fresh, want: store, status: 200}}},
	{"9111 §4.3.2", "* is 304", []step{{answer: fresh, want: service}, {call: with("If-None-Match", "*"), answer: fresh, want: store, status: 304}}},
	{"9111 §4.3.2", "If-Modified-Since counts where no ETag is named", []step{{answer: answers(cc, "max-age=60", "Last-Modified", "Fri, 31 Dec 1999 00:00:00 GMT"), want: service}, {call: with("If-Modified-Since", "Fri, 31 Dec 1999 00:00:00 GMT"), answer: fresh, want: store, status: 304}, {call: with("If-Modified-Since", "Thu, 30 Dec 1999 00:00:00 GMT"), answer: fresh, want: store, status: 200}, {call: with("If-Modified-Since", "Fri, 31 Dec 1999 00:00:00 GMT", "If-None-Match", `"x"`), answer: fresh, want: store, status: 200}}},
	{"9111 §4.3.2", "If-Match is the service's", []step{{answer: etagged, want: service}, {call: with("If-Match", `"v1"`), answer: fresh, want: service}}},
	{"9110 §14.2", "a part of what is not stored is the service's, and is not stored", []step{
		{call: with("Range", "bytes=0-1"), answer: reply{status: 206, fields: []string{cc, "max-age=60", "Content-Range", "bytes 0-1/8"}}, want: service, status: 206, sent: []string{"Range", "bytes=0-1"}},
		{call: with("Range", "bytes=0-1"), answer: reply{status: 206, fields: []string{cc, "max-age=60", "Content-Range", "bytes 0-1/8"}}, want: service, status: 206},
	}},
	{"9110 §14.2", "nor of what must be asked for anew", []step{{answer: etagged, want: service}, {after: 2 * time.Minute, call: with("Range", "bytes=0-1"), answer: reply{status: 206, fields: []string{"Content-Range", "bytes 0-1/8"}}, want: service, status: 206, sent: []string{"Range", "bytes=0-1", "If-None-Match", ""}}}},
	{"9110 §14.2", "Range means nothing to HEAD", []step{{answer: etagged, want: service}, {call: call{method: "HEAD", fields: []string{"Range", "bytes=0-1"}}, answer: fresh, want: store, status: 200, fields: []string{"Content-Range", "-"}}}},
	{"9110 §13.2.2", "a client that has it hears that before it gets a part", []step{{answer: etagged, want: service}, {call: with("Range", "bytes=0-1", "If-None-Match", `"v1"`), answer: fresh, want: store, status: 304, fields: []string{"Content-Range", "-"}}}},
	{"9111 §4.3.3", "another answer replaces what is stored", []step{{answer: answers(cc, "max-age=1", "ETag", `"v1"`), want: service}, {after: 2 * time.Second, answer: answers(cc, "max-age=60", "ETag", `"v2"`), want: service}, {answer: fresh, want: store, fields: []string{"ETag", `"v2"`}}}},
	{"9111 §4.3.3", "one that may not be kept ends it", []step{{answer: answers(cc, "max-age=1", "ETag", `"v1"`), want: service}, {after: 2 * time.Second, answer: answers(cc, "no-store"), want: service}, {answer: fresh, want: service, sent: []string{"If-None-Match", "-"}}}},
	{"9111 §4.3.4", "a 304 makes it fresh and updates its fields", []step{{answer: answers(cc, "max-age=1", "ETag", `"v1"`, "X-Odd", "1", "Content-Type", "text/plain"), want: service}, {after: 2 * time.Second, answer: reply{status: 304, fields: []string{cc, "max-age=60", "ETag", `"v1"`, "X-Odd", "2", "Content-Type", "text/html"}}, want: confirmed, fields: []string{"X-Odd", "2", "Content-Type", "text/plain"}}, {after: 50 * time.Second, answer: fresh, want: store, fields: []string{"X-Odd", "2", "Age", "50"}}}},
	{"9111 §4.3.4", "a 304 about another answer confirms nothing", []step{{answer: answers(cc, "max-age=1", "ETag", `"v1"`), want: service}, {after: 2 * time.Second, answer: reply{status: 304, fields: []string{"ETag", `"v9"`}}, want: service}}},
	{"9111 §4.3.5", "HEAD shows that what is stored holds no more", []step{{answer: etagged, want: service}, {after: 61 * time.Second, call: call{method: "HEAD"}, answer: reply{fields: []string{cc, "max-age=60", "ETag", `"v2"`}, body: "answer 1"}, want: service}, {answer: fresh, want: service, sent: []string{"If-None-Match", "-"}}}},
	{"9111 §4.3.5", "or makes it fresh", []step{{answer: etagged, want: service}, {after: 61 * time.Second, call: call{method: "HEAD"}, answer: reply{fields: []string{cc, "max-age=60", "ETag", `"v1"`}, body: "answer 1"}, want: service}, {answer: fresh, want: store}}},
	{"9110 §9.3.2", "a stored GET answers HEAD", []step{{answer: fresh, want: service}, {call: call{method: "HEAD"}, answer: fresh, want: store}}},
	{"9110 §9.3.2", "an answer to HEAD does not answer GET", []step{{call: call{method: "HEAD"}, answer: fresh, want: service}, {answer: fresh, want: service}}},

	{"9111 §4.4", "POST forgets its URI", []step{{answer: fresh, want: service}, {call: call{method: "POST"}, answer: fresh, want: service}, {answer: fresh, want: service}}},
	{"9111 §4.4", "so does a method that nobody knows", []step{{answer: fresh, want: service}, {call: call{method: "FROB"}, answer: fresh, want: service}, {answer: fresh, want: service}}},
	{"9111 §4.4", "not when it failed", []step{{answer: fresh, want: service}, {call: call{method: "PUT"}, answer: reply{status: 500}, want: service}, {answer: fresh, want: store}}},
	{"9111 §4.4", "not a safe method", []step{{answer: fresh, want: service}, {call: call{method: "OPTIONS"}, answer: fresh, want: service}, {answer: fresh, want: store}}},
	{"9111 §4.4", "every customer's answers go", []step{{call: customer("a"), answer: answers(cc, "s-maxage=60"), want: service}, {call: call{method: "DELETE", customer: "b"}, answer: fresh, want: service}, {call: customer("a"), answer: fresh, want: service}}},
	{"9111 §4.4", "and what Location and Content-Location name", []step{{answer: fresh, want: service}, {call: call{target: "/d/b"}, answer: fresh, want: service}, {call: call{target: "/d/c", method: "POST"}, answer: answers("Location", "/a", "Content-Location", "b"), want: service}, {answer: fresh, want: service}, {call: call{target: "/d/b"}, answer: fresh, want: service}}},
	{"9111 §4.4", "but not of another origin", []step{{call: call{host: "other.example"}, answer: fresh, want: service}, {call: call{method: "POST"}, answer: answers("Location", "https://other.example/a"), want: service}, {call: call{host: "other.example"}, answer: fresh, want: store}}},

	{"9111 §5.2.1.1", "max-age of the request", []step{{answer: fresh, want: service}, {after: 10 * time.Second, call: with(cc, "max-age=10"), answer: fresh, want: store}, {after: time.Second, call: with(cc, "max-age=10"), answer: fresh, want: service}}},
	{"9111 §5.2.1.1", "who names a max-age takes nothing stale", []step{{answer: answers(cc, "max-age=1, stale-while-revalidate=60"), want: service}, {after: 2 * time.Second, call: with(cc, "max-age=10"), answer: fresh, want: service}}},
	{"9111 §5.2.1.2", "max-stale of the request", []step{{answer: fresh, want: service}, {after: 70 * time.Second, call: with(cc, "max-stale=10"), answer: fresh, want: store}, {after: time.Second, call: with(cc, "max-stale=10"), answer: fresh, want: service}}},
	{"9111 §5.2.1.2", "max-stale without a number", []step{{answer: fresh, want: service}, {after: time.Hour, call: with(cc, "max-stale"), answer: fresh, want: store}}},
	{"9111 §5.2.1.3", "min-fresh of the request", []step{{answer: fresh, want: service}, {call: with(cc, "min-fresh=60"), answer: fresh, want: store}, {call: with(cc, "min-fresh=61"), answer: fresh, want: service}}},
	{"9111 §5.2.1.4", "no-cache of the request asks the service", []step{{answer: etagged, want: service}, {call: with(cc, "no-cache"), answer: holds, want: confirmed}}},
	{"9111 §5.2.1.7", "only-if-cached without an answer is 504", []step{{call: with(cc, "only-if-cached"), want: nobody}, {answer: fresh, want: service}, {call: with(cc, "only-if-cached"), want: store}, {after: time.Hour, call: with(cc, "only-if-cached"), want: nobody}}},
	{"9111 §5.4", "Pragma: no-cache counts without Cache-Control", []step{{answer: fresh, want: service}, {call: with("Pragma", "no-cache", cc, "x"), answer: fresh, want: store}, {call: with("Pragma", "no-cache"), answer: fresh, want: service}}},
	{"9111 §5.2.2.4", "no-cache is stored and asked for each time", []step{{answer: answers(cc, "no-cache, max-age=60", "ETag", `"v1"`), want: service}, {answer: reply{status: 304, fields: []string{cc, "no-cache, max-age=60", "ETag", `"v1"`}}, want: confirmed}}},
	{"9111 §5.2.2.4", "also with a field name", twice(service, cc, `no-cache="X-Odd", max-age=60`)},
	{"9111 §5.2.2.7", "private with a field name is private", twice(service, cc, `private="X-Odd", max-age=60`)},
	{"9110 §6.6.1", "an answer without Date gets one", []step{{answer: answers(cc, "max-age=60", "Date", "-"), want: service}, {after: 5 * time.Second, answer: fresh, want: store, fields: []string{"Date", "Sat, 01 Jan 2000 00:00:00 GMT", "Age", "5"}}}},

	{"5861 §3", "stale-while-revalidate is used stale within its time", []step{{answer: answers(cc, "max-age=1, stale-while-revalidate=10"), want: service}, {after: 2 * time.Second, answer: fresh, want: store}}},
	{"5861 §3", "not after it", []step{{answer: answers(cc, "max-age=1, stale-while-revalidate=10"), want: service}, {after: 12 * time.Second, answer: fresh, want: service}}},
	{"5861 §4", "stale-if-error stands in for 503", []step{{answer: answers(cc, "max-age=1, stale-if-error=10"), want: service}, {after: 2 * time.Second, answer: reply{status: 503}, want: store, status: 200}}},
	{"5861 §4", "and for a service that is away", []step{{answer: answers(cc, "max-age=1, stale-if-error=10"), want: service}, {after: 2 * time.Second, answer: reply{err: failure(502)}, want: store, status: 200}, {after: 10 * time.Second, answer: reply{err: failure(502)}, want: broken}}},
	{"5861 §4", "not for 404", []step{{answer: answers(cc, "max-age=1, stale-if-error=10"), want: service}, {after: 2 * time.Second, answer: reply{status: 404}, want: service, status: 404}}},
	{"5861 §4", "the request may say it", []step{{answer: answers(cc, "max-age=1", "ETag", `"v1"`), want: service}, {after: 2 * time.Second, call: with(cc, "stale-if-error=10"), answer: reply{status: 500}, want: store, status: 200}}},
	{"9213 §2", "CDN-Cache-Control goes before Cache-Control and Expires", twice(store, "CDN-Cache-Control", "max-age=60", cc, "no-store", "Expires", "0")},
	{"9213 §2", "one that is no dictionary does not count", twice(service, "CDN-Cache-Control", `max-age="60"`, cc, "no-store")},
	{"9211 §2", "Cache-Status follows those of caches further in", []step{{answer: answers(cc, "max-age=60", "Cache-Status", "inner; hit"), want: service}, {after: time.Second, answer: fresh, want: store, fields: []string{"Cache-Status", "inner; hit|tollhouse; hit; ttl=59"}}}},
}

func TestRequirementsOnASharedCache(t *testing.T) {
	t.Parallel()
	for _, row := range rows {
		t.Run(row.section+" "+row.requires, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				for i, s := range row.steps {
					time.Sleep(s.after)
					h.take(t, i+1, &s)
					synctest.Wait()
				}
			})
		})
	}
	if len(rows) < 80 {
		t.Errorf("only %d rows", len(rows))
	}
}

// take makes one step and looks at what came of it.
func (h *house) take(t *testing.T, n int, s *step) {
	t.Helper()
	h.origin.next(&s.answer)
	before := h.origin.count()
	g := h.do(s.call)
	switch s.want {
	case nobody:
		if !errors.Is(g.err, httpcache.ErrNotStored) {
			t.Fatalf("step %d: %v, want ErrNotStored", n, g)
		}
		return
	case broken:
		if g.err == nil {
			t.Fatalf("step %d: %v, want an error", n, g)
		}
		return
	}
	if g.err != nil {
		t.Fatalf("step %d: %v", n, g)
	}
	switch asked, status := h.origin.count() > before, g.cacheStatus(); {
	case s.want == store && !g.result.Cached:
		t.Errorf("step %d: %v, want a stored answer", n, g)
	case s.want == service && (!asked || g.result.Cached || strings.Contains(status, "hit") || g.result.Word == "validated"):
		t.Errorf("step %d: %v, want the service's", n, g)
	case s.want == confirmed && (!asked || g.result.Word != "validated" || !strings.Contains(status, "fwd-status=304")):
		t.Errorf("step %d: %v, want one that was confirmed", n, g)
	}
	if s.status != 0 && g.status != s.status {
		t.Errorf("step %d: status %d, want %d", n, g.status, s.status)
	}
	for i := 0; i < len(s.fields); i += 2 {
		if have := strings.Join(g.header.Values(s.fields[i]), "|"); have != s.fields[i+1] && (have != "" || s.fields[i+1] != "-") {
			t.Errorf("step %d: %s is %q, want %q", n, s.fields[i], have, s.fields[i+1])
		}
	}
	for i := 0; i < len(s.sent); i += 2 {
		if have := h.origin.last().Header.Get(s.sent[i]); have != s.sent[i+1] && (have != "" || s.sent[i+1] != "-") {
			t.Errorf("step %d: the service was sent %s %q, want %q", n, s.sent[i], have, s.sent[i+1])
		}
	}
}
