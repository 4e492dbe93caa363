package edge

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// isPreflight tells whether a browser asks what a page of another origin may
// call (https://fetch.spec.whatwg.org/#cors-preflight-request).
func isPreflight(r *exchange.Request) bool {
	return r.Method == http.MethodOptions && originOf(r.Header) != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// originOf returns the origin of the page that calls, "" when there is none or
// more than one: who says two things says nothing.
func originOf(h exchange.Header) string {
	if values := h.Values("Origin"); len(values) == 1 {
		return values[0]
	}
	return ""
}

// preflight answers for a service. It says what may be, whatever was asked: the
// browser compares. An origin that is not allowed is told nothing.
func preflight(r *exchange.Request, service *toll.Service) *exchange.Response {
	h := exchange.Fields{}
	h.Set(idField, r.ID)
	h.Set("Cache-Control", "no-store") // browsers keep it by Access-Control-Max-Age
	c := &service.CORS
	if answer, _ := allowedOrigin(originOf(r.Header), c); answer != "" {
		h.Set("Access-Control-Allow-Methods", strings.Join(c.Methods, ", "))
		if len(c.Headers) > 0 {
			h.Set("Access-Control-Allow-Headers", strings.Join(c.Headers, ", "))
		}
		h.Set("Access-Control-Max-Age", strconv.FormatInt(int64(c.MaxAge/time.Second), 10))
	}
	return &exchange.Response{Status: http.StatusNoContent, Header: h, Body: http.NoBody}
}

// share lets pages of the configured origins read an answer, be it the
// service's or the gateway's own. What the service says about it itself does
// not reach the client: two answers to one question are none.
func share(h exchange.Header, r *exchange.Request, c *toll.CORS) {
	h.Del("Access-Control-Allow-Origin")
	h.Del("Access-Control-Allow-Credentials")
	h.Del("Access-Control-Expose-Headers")
	answer, credentials := allowedOrigin(originOf(r.Header), c)
	if !allOrigins(c) {
		vary(h, "Origin") // also without one: a cache must not give this answer to another page
	}
	if answer == "" {
		return
	}
	h.Set("Access-Control-Allow-Origin", answer)
	if credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if len(c.Expose) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(c.Expose, ", "))
	}
}

// allowedOrigin gives what an origin is answered: itself, "*" where all may
// call, "" when it may not. Credentials are only for origins that are named.
func allowedOrigin(origin string, c *toll.CORS) (answer string, credentials bool) {
	if origin == "" {
		return "", false
	}
	if allOrigins(c) {
		return "*", false
	}
	for _, allowed := range c.Origins {
		if matchesOrigin(origin, allowed) {
			return origin, c.Credentials
		}
	}
	return "", false
}

func allOrigins(c *toll.CORS) bool {
	for _, allowed := range c.Origins {
		if allowed == "*" {
			return true
		}
	}
	return false
}

// matchesOrigin compares an origin, as browsers write it (scheme, host in lower
// case, port unless it is the scheme's own), with one of the configuration. The
// star of https://*.example.com stands for one or more labels, and for nothing
// that is no host name: "https://evil.test#.example.com" is none.
func matchesOrigin(origin, allowed string) bool {
	scheme, host, star := strings.Cut(allowed, "://*")
	if !star {
		return origin == allowed
	}
	labels, ok := strings.CutPrefix(origin, scheme+"://")
	if !ok {
		return false
	}
	labels, ok = strings.CutSuffix(labels, host)
	if !ok || labels == "" || len(labels) > 253 {
		return false
	}
	for label := range strings.SplitSeq(labels, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := 0; i < len(label); i++ {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}
