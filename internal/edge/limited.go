package edge

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// quotaExceeded is the registered problem type of every limit
// (draft-ietf-httpapi-ratelimit-headers-10 §9).
const quotaExceeded = "https://iana.org/assignments/http-problem-types#quota-exceeded"

// overWholeQuota is the problem type of a call that needs more than a quota
// ever holds: a program must not try it again.
const overWholeQuota = problemBase + "over-whole-quota"

// limited answers for a rate limit, a quota or a concurrency limit alike. Where
// the call could not pass in any period, no time is named (no Retry-After).
func (a Answers) limited(r *exchange.Request, p *gate.Pass) *exchange.Response {
	results := p.Limits()
	wait := limit.RetryAfter(results)
	doc := problem{Type: quotaExceeded, Status: 429, Title: "Limit reached", UpgradeURL: a.UpgradeURL}
	var said []string
	doc.ViolatedPolicies, said = reached(results)
	if wait == 0 {
		doc.Type, doc.Title, doc.Detail = overWholeQuota, "Larger than the quota", neverInWords(results)
		return a.problem(r, doc)
	}
	doc.Detail = fmt.Sprintf("Over %s. Try again in %s.", strings.Join(said, " and "), waitInWords(wait))
	response := a.problem(r, doc)
	response.Header.Set("Retry-After", strconv.FormatInt(int64(wait.Seconds()), 10))
	return response
}

// reached names the policies that are known to be reached, and says them in
// words. One that refused because the shared counters are away is not: nobody
// knows what is left of it.
func reached(results []limit.Result) (names, said []string) {
	for i := range results {
		if r := &results[i]; r.Refused && !r.Away {
			names = append(names, r.Policy.Name)
			said = append(said, describe(r.Policy)+needs(r))
		}
	}
	return names, said
}

// needs says what a call takes of a quota that has too little left for it, ""
// for calls that take one: they are told that nothing is left by being refused.
func needs(r *limit.Result) string {
	if r.Policy.Kind != toll.Quota || r.Needs <= 1 {
		return ""
	}
	return fmt.Sprintf(": the call needs %d %s, and %d are left", r.Needs, r.Policy.Unit, r.Remaining)
}

// neverInWords says why a call passes in no period.
func neverInWords(results []limit.Result) string {
	var said []string
	for i := range results {
		switch r := &results[i]; {
		case !r.Refused || !r.Never:
		case r.Policy.Count == 0:
			said = append(said, fmt.Sprintf("The quota “%s” is 0 %s: it lets no call pass, now or later.", r.Policy.Name, r.Policy.Unit))
		default:
			said = append(said, fmt.Sprintf("The call needs %d %s at once, and %s never holds so many: it cannot pass, now or later.", r.Needs, r.Policy.Unit, describe(r.Policy)))
		}
	}
	return strings.Join(said, " ") + " A plan with a larger quota lets it pass."
}

// describe says a policy in words: "the rate limit “minute” (10 per minute)".
func describe(p *toll.Policy) string {
	switch p.Kind {
	case toll.Quota:
		return fmt.Sprintf("the quota “%s” (%d %s per %s)", p.Name, p.Count, p.Unit, p.Every.Noun())
	case toll.ConcurrencyLimit:
		return fmt.Sprintf("the concurrency limit “%s” (%d at the same time)", p.Name, p.Count)
	default:
		return fmt.Sprintf("the rate limit “%s” (%d per %s)", p.Name, p.Count, window(p))
	}
}

func window(p *toll.Policy) string {
	switch p.Window.Seconds() {
	case 1:
		return "second"
	case 60:
		return "minute"
	case 3600:
		return "hour"
	case 86400:
		return "day"
	}
	return p.Window.String()
}
