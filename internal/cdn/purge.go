package cdn

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Purge is what was purged. Exactly one of URL, Prefix, Tag and All is set.
type Purge struct {
	URL    string // "https://shop.example/a?b", or "/a?b" of any host
	Prefix string // the same for what begins so
	Tag    string
	All    bool

	// Host is the service's own host, for an address that names none; "" where
	// the service has none.
	Host string
}

// Kind is the word for what was purged: url, prefix, tag or all.
func (p Purge) Kind() string {
	switch {
	case p.Tag != "":
		return "tag"
	case p.URL != "":
		return "url"
	case p.Prefix != "":
		return "prefix"
	}
	return "all"
}

// errNoHost is why a hook that needs a host has none to say.
var errNoHost = errors.New("it needs a host, which neither the purge nor the service names; purge with a whole URL, https://host/path")

// values are what the placeholders of a hook stand for.
func (p Purge) values() map[string]string {
	address := p.URL + p.Prefix // one of them
	scheme, host, path := "https", p.Host, address
	if i := strings.Index(address, "://"); i > 0 && address[0] != '/' {
		scheme, host, path = address[:i], address[i+3:], "/"
		if slash := strings.IndexAny(host, "/?"); slash >= 0 {
			host, path = host[:slash], host[slash:]
		}
	}
	v := map[string]string{"tag": p.Tag, "path": path, "prefix": path, "host": host, "url": scheme + "://" + host + path}
	return v
}

// needsHost tells whether a text cannot be filled in without a host.
func needsHost(text string) bool {
	return strings.Contains(text, "{host}") || strings.Contains(text, "{url}")
}

// Placeholders are the names that may stand in braces in a hook.
var Placeholders = []string{"tag", "path", "prefix", "host", "url"}

// fill puts values into the places of a text, each as escape writes it.
func fill(text string, values map[string]string, escape func(name, value string) string) string {
	var pairs []string
	for _, name := range Placeholders {
		pairs = append(pairs, "{"+name+"}", escape(name, values[name]))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// request is a hook filled in.
type request struct {
	method, url, body string
	headers           []header
}

type header struct{ name, value string }

// filled gives the request of a hook. In an address a path stands as it is,
// which is canonical, and everything else is escaped; in a JSON body everything
// stands as within a JSON string.
func (p Purge) filled(h *toll.PurgeHook) (request, error) {
	values := p.values()
	texts := []string{h.URL, h.Body}
	for _, one := range h.Headers {
		texts = append(texts, one.Value.Reveal())
	}
	if values["host"] == "" && slices.ContainsFunc(texts, needsHost) {
		return request{}, errNoHost
	}
	address, query, has := strings.Cut(h.URL, "?")
	out := request{method: h.Method}
	out.url = fill(address, values, func(name, value string) string {
		if name == "path" || name == "prefix" || name == "host" {
			return value
		}
		return url.PathEscape(value)
	})
	if has {
		out.url += "?" + fill(query, values, func(_, value string) string { return url.QueryEscape(value) })
	}
	plain := func(_, value string) string { return value }
	inBody := plain
	if body := strings.TrimSpace(h.Body); strings.HasPrefix(body, "{\"") || strings.HasPrefix(body, "{ ") || strings.HasPrefix(body, "[") {
		inBody = func(_, value string) string {
			text, err := json.Marshal(value)
			if err != nil {
				return ""
			}
			return string(text[1 : len(text)-1])
		}
	}
	out.body = fill(h.Body, values, inBody)
	for _, one := range h.Headers {
		value := fill(one.Value.Reveal(), values, plain)
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return request{}, errors.New("what was purged holds a character that no header field can hold")
		}
		out.headers = append(out.headers, header{one.Name, value})
	}
	return out, nil
}
