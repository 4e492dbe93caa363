package hx

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// etag names the content of one form. It is weak (RFC 9110 section 8.8.1): what
// compresses the answer on the way need not change it. The form is a part of
// it, so that a page and a fragment of one address never confirm one another.
func etag(form Form, body []byte) string {
	sum := sha256.Sum256(body)
	var text [16]byte
	base64.RawURLEncoding.Encode(text[:], sum[:12])
	return `W/"` + form.String()[:1] + "-" + string(text[:]) + `"`
}

// matchesETag compares weakly (RFC 9110 section 8.8.3.2) with a list of tags,
// or "*".
func matchesETag(list, tag string) bool {
	if list == "" {
		return false
	}
	tag = strings.TrimPrefix(tag, "W/")
	for item := range strings.SplitSeq(list, ",") { // none of ours holds a comma
		item = strings.TrimSpace(item)
		if item == "*" || strings.TrimPrefix(item, "W/") == tag {
			return true
		}
	}
	return false
}
