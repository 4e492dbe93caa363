package edge

import (
	"strings"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// compressFrom is the least body that is compressed, in bytes: below it the
// answer takes the same packet either way.
const compressFrom = 1 << 10

// compressible tells whether an answer gains by compression and may be changed.
// Whether the client takes it is another question.
func compressible(status int, h exchange.Header, length int64) bool {
	switch {
	case status < 200 || status == 204 || status == 206 || status == 304,
		length >= 0 && length < compressFrom,
		h.Get("Content-Encoding") != "", h.Get("Content-Range") != "",
		hasMember(h.Values("Cache-Control"), "no-transform"): // RFC 9111 §5.2.2.6
		return false
	}
	for _, digest := range [...]string{"Content-Digest", "Repr-Digest", "Digest", "Content-Md5"} {
		if h.Get(digest) != "" {
			return false // the service vouches for these bytes and no others (RFC 9530)
		}
	}
	return compressibleType(h.Get("Content-Type"))
}

// compressibleType knows the media types that are text, or have much air in
// them. Not event streams: they are small, and must not wait for an encoder.
func compressibleType(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	kind = strings.ToLower(strings.Trim(kind, " \t"))
	switch {
	case kind == "text/event-stream":
		return false
	case strings.HasPrefix(kind, "text/"), strings.HasSuffix(kind, "+json"), strings.HasSuffix(kind, "+xml"), strings.HasSuffix(kind, "+yaml"):
		return true
	}
	switch kind {
	case "application/json", "application/x-ndjson", "application/ndjson", "application/jsonl",
		"application/xml", "application/yaml", "application/x-yaml", "application/toml",
		"application/javascript", "application/x-javascript", "application/ecmascript",
		"application/wasm", "application/graphql", "application/rtf", "application/sql",
		"application/vnd.ms-fontobject", "font/ttf", "font/otf", "font/collection",
		"image/bmp", "image/x-icon", "image/vnd.microsoft.icon", "image/x-ms-bmp":
		return true
	}
	return false
}

// hasMember tells whether a list of tokens, such as Cache-Control or Vary, has
// one, whatever its argument.
func hasMember(fields []string, member string) bool {
	for _, field := range fields {
		for one := range strings.SplitSeq(field, ",") {
			name, _, _ := strings.Cut(one, "=")
			if strings.EqualFold(strings.Trim(name, " \t"), member) {
				return true
			}
		}
	}
	return false
}
