package config

import (
	"errors"
	"net/url"
	"regexp"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// placeholder is a name in braces within a hook.
var placeholder = regexp.MustCompile(`\{(tag|url|host|path|prefix)\}`)

// hookURL is the address of a purge hook, with placeholders in it.
type hookURL string

func (u *hookURL) parse(s string) error {
	plain := strings.ReplaceAll(strings.ReplaceAll(s, "{path}", "/x"), "{prefix}", "/x")
	plain = placeholder.ReplaceAllString(plain, "x")
	if strings.ContainsAny(plain, "{}") {
		return errors.New("has something in braces that is no placeholder; there are {tag}, {url}, {host}, {path} and {prefix}")
	}
	v, err := url.Parse(plain)
	if err != nil || (v.Scheme != "http" && v.Scheme != "https") || v.Hostname() == "" {
		return errors.New("is no address; write it with https://, for example https://cdn.example.com/purge/{tag}")
	}
	*u = hookURL(s)
	return nil
}

func (u *hookURL) form() form {
	return form{what: "an address", example: "https://cdn.example.com/purge/{tag}", pattern: `^https?://`}
}

// hookMethod is a request method, known or not.
type hookMethod string

func (m *hookMethod) parse(s string) error {
	if s == "" || len(s) > 32 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != "" {
		return errors.New("is no method; write for example POST or PURGE")
	}
	*m = hookMethod(s)
	return nil
}

func (m *hookMethod) form() form {
	return form{what: "a method", example: "PURGE", pattern: `^[A-Z-]{1,32}$`}
}

// hookBody is a body of at most some kilobytes; it may span lines.
type hookBody string

func (b *hookBody) parse(s string) error {
	if len(s) > 4096 {
		return errors.New("has more than 4096 bytes; shorten it")
	}
	*b = hookBody(s)
	return nil
}

func (b *hookBody) form() form { return form{what: "a text", example: `{"tags":["{tag}"]}`} }

// fieldValue is the value of a header field; it may be a credential.
type fieldValue struct{ toll.Secret }

func (v *fieldValue) parse(s string) error {
	if s == "" {
		return errors.New("is empty; set it, or delete the header")
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return errors.New("has a line break or another control character, which no header field can hold")
	}
	v.Secret = toll.Secret(s)
	return nil
}

func (v *fieldValue) form() form { return form{what: "a secret", example: "${FASTLY_KEY}"} }
