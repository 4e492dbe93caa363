package config

import (
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// origin is whose pages may call a service: "https://app.example.com",
// "https://*.example.com" for everything below a host, or "*".
type origin string

func (o *origin) parse(s string) error {
	if s == "*" {
		*o = "*"
		return nil
	}
	if strings.EqualFold(s, "null") {
		return errors.New("is what any sandboxed page and local file says of itself; name an origin, for example https://app.example.com")
	}
	scheme, rest, ok := strings.Cut(strings.ToLower(s), "://")
	if !ok || scheme == "" {
		return errors.New("is no origin; write scheme and host, for example https://app.example.com")
	}
	exact, star := strings.CutPrefix(rest, "*.")
	v, err := url.Parse(scheme + "://" + exact)
	if err != nil || v.Opaque != "" || v.User != nil || v.Hostname() == "" {
		return errors.New("is no origin; write scheme, host and perhaps a port, for example https://app.example.com")
	}
	if v.Path != "" || v.RawQuery != "" || v.ForceQuery || v.Fragment != "" || strings.HasSuffix(rest, "#") {
		return errors.New("goes on behind the host; an origin ends there, for example https://app.example.com")
	}
	host := v.Hostname()
	if ip, err := netip.ParseAddr(host); err == nil {
		if star {
			return errors.New("has a * before an address; it stands only before a name, as in https://*.example.com")
		}
		host = ip.String()
		if ip.Is6() {
			host = "[" + host + "]"
		}
	} else if err := checkHost(host); err != nil {
		return errors.New("has no good host; write for example https://app.example.com, or https://*.example.com for everything below it")
	}
	if port := v.Port(); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return errors.New("has no good port; a port is 1 to 65535")
		}
		if own := map[string]uint64{"http": 80, "https": 443}[scheme]; n != own { // browsers leave the scheme's own out
			host += ":" + strconv.FormatUint(n, 10)
		}
	} else if strings.HasSuffix(v.Host, ":") {
		return errors.New("has no port behind the colon; write one or delete the colon")
	}
	if star {
		host = "*." + host
	}
	*o = origin(scheme + "://" + host)
	return nil
}

func (o *origin) form() form {
	return form{what: "an origin", example: "https://app.example.com", pattern: `^(\*|[A-Za-z][A-Za-z0-9+.-]*://[^/?#@\s]+)$`}
}

// fieldName is the name of a field of requests or answers (RFC 9110 §5.1).
type fieldName string

func (n *fieldName) parse(s string) error {
	if s == "*" {
		return errors.New("names every field, which browsers do not take for Authorization; name the fields, for example Authorization")
	}
	if s == "" || len(s) > 100 {
		return errors.New("is no field's name; write for example Content-Type")
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'+-.^_`|~", rune(c)) {
			return errors.New("is no field's name; it takes letters, digits and -, for example Content-Type")
		}
	}
	*n = fieldName(s)
	return nil
}

func (n *fieldName) form() form {
	return form{what: "a field's name", example: "Content-Type", pattern: "^[A-Za-z0-9!#$%&'+.^_`|~-]+$"}
}
