package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// listenAddress is where a listener waits: "127.0.0.1:8080", ":443".
type listenAddress string

func (a *listenAddress) parse(s string) error {
	if n, err := strconv.ParseUint(s, 10, 16); err == nil {
		return fmt.Errorf("is a port alone; write 127.0.0.1:%d for this machine, or :%d for everybody", n, n)
	}
	if strings.Contains(s, "://") {
		return errors.New("is no address to listen on; write it without http://, for example 127.0.0.1:8080")
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return errors.New("is no address to listen on; write host and port, for example 127.0.0.1:8080, [::1]:8080 or :443")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("has no good port; a port is 0 to 65535, for example 127.0.0.1:8080")
	}
	if _, err := netip.ParseAddr(host); host != "" && err != nil && checkHost(host) != nil {
		return errors.New("has no good host; write an IP address or a name, for example 127.0.0.1:8080")
	}
	*a = listenAddress(s)
	return nil
}

func (a *listenAddress) form() form {
	return form{what: "an address to listen on", example: "127.0.0.1:8080", pattern: `^[^/ ]*:[0-9]{1,5}$`}
}

// loopback tells whether only this machine can reach the address.
func (a listenAddress) loopback() bool {
	host, _, _ := net.SplitHostPort(string(a))
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host == "localhost" || strings.HasSuffix(host, ".localhost")
	}
	return ip.IsLoopback()
}

// prefix is a range of IP addresses; one address is a range of one.
type prefix struct{ netip.Prefix }

func (p *prefix) parse(s string) error {
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		p.Prefix = netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen())
		return nil
	}
	v, err := netip.ParsePrefix(s)
	if err != nil {
		return errors.New("is no range of addresses; write it in CIDR form, for example 10.0.0.0/8, 2001:db8::/32 or 192.0.2.7")
	}
	if v != v.Masked() {
		return errors.New("has bits set behind its length; did you mean `" + v.Masked().String() + "`?")
	}
	if v.Addr().Is4In6() && v.Bits() >= 96 { // clients of that range come as IPv4
		v = netip.PrefixFrom(v.Addr().Unmap(), v.Bits()-96)
	}
	p.Prefix = v
	return nil
}

func (p *prefix) form() form { return form{what: "a range of addresses", example: "10.0.0.0/8"} }

// hostName is a host that requests name: exact, or "*." and what ends it.
type hostName string

func (h *hostName) parse(s string) error {
	lower := strings.TrimSuffix(strings.ToLower(s), ".")
	switch {
	case strings.Contains(s, "://"):
		return errors.New("is no host; write it without http:// and path, for example api.example.com")
	case strings.Contains(s, "/"):
		return errors.New("is no host; a path goes into `path:`")
	case strings.Contains(s, ":"):
		return errors.New("is no host; leave the port out, `listen:` has it")
	case lower == "*":
		return errors.New("is no host; to take every host, delete the line")
	}
	if err := checkHost(strings.TrimPrefix(lower, "*.")); err != nil {
		return err
	}
	*h = hostName(lower)
	return nil
}

func (h *hostName) form() form {
	return form{what: "a host", example: "api.example.com", pattern: `^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?\.?$`}
}

// checkHost tells what is wrong with a host's name (RFC 1123 section 2.1).
func checkHost(s string) error {
	if s == "" || len(s) > 253 {
		return errors.New("is no host; write a name such as api.example.com")
	}
	for _, part := range strings.Split(s, ".") {
		if part == "" || len(part) > 63 || part[0] == '-' || part[len(part)-1] == '-' {
			return errors.New("is no host; between the points stand 1 to 63 letters, digits or -")
		}
		for _, r := range part {
			if r >= 0x80 {
				return errors.New("is no host; write international names in their xn-- form")
			}
			if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
				return errors.New("is no host; it takes letters, digits, - and points; `*` stands only at the beginning, as in *.example.com")
			}
		}
	}
	return nil
}

// pathPrefix is how the paths of a service begin: "/v1/ner".
type pathPrefix string

func (p *pathPrefix) parse(s string) error {
	if !strings.HasPrefix(s, "/") {
		return errors.New("is no path; it begins with /, for example /v1/ner")
	}
	if err := checkPath(s); err != nil {
		return err
	}
	if s != "/" && strings.HasSuffix(s, "/") {
		return errors.New("ends with /; write it without, the paths below it belong to it anyway")
	}
	*p = pathPrefix(s)
	return nil
}

func (p *pathPrefix) form() form {
	return form{what: "a path", example: "/v1/ner", pattern: `^/([^/?#%\s\\]+(/[^/?#%\s\\]+)*)?$`}
}

// checkPath tells what is wrong with a path that requests are compared with. A
// request's path is compared in its decoded, canonical form, so a path here
// must be in it.
func checkPath(s string) error {
	if at := strings.IndexAny(s, "?#%\\; \t"); at >= 0 {
		return fmt.Errorf("has a %q; a path here is plain and decoded, without query", s[at])
	}
	for _, part := range strings.Split(s[1:], "/") {
		if part == "." || part == ".." {
			return errors.New("has a . or .. in it; write the path that is meant")
		}
	}
	if strings.Contains(s, "//") {
		return errors.New("has two slashes in a row; write one")
	}
	if strings.IndexFunc(s, func(r rune) bool { return !printable(r) }) >= 0 {
		return errors.New("has a character that cannot be shown; write a plain path")
	}
	return nil
}

// requestPath is the path of a request that Tollhouse makes: "/healthz".
type requestPath string

func (p *requestPath) parse(s string) error {
	u, err := url.ParseRequestURI(s)
	if err != nil || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || u.Host != "" || strings.ContainsAny(s, "# ") {
		return errors.New("is no path; it begins with /, for example /healthz")
	}
	*p = requestPath(s)
	return nil
}

func (p *requestPath) form() form {
	return form{what: "a path", example: "/healthz", pattern: `^/[^# ]*$`}
}

// upstreamURL is an address that serves a service: scheme, host and port.
type upstreamURL string

func (u *upstreamURL) parse(s string) error {
	v, err := url.Parse(s)
	if err != nil || v.Scheme == "" || (v.Host == "" && v.Opaque != "") {
		return errors.New("is no address of an upstream; write http:// or https://, host and port, for example http://127.0.0.1:9001")
	}
	switch {
	case v.Scheme != "http" && v.Scheme != "https" && v.Scheme != "h2c":
		return errors.New("has another scheme than http, https or h2c; write for example http://127.0.0.1:9001")
	case v.Hostname() == "":
		return errors.New("has no host; write for example http://127.0.0.1:9001")
	case v.User != nil:
		return errors.New("has a user in it; an upstream takes none, delete what stands before the @")
	case v.RawQuery != "" || v.ForceQuery || v.Fragment != "":
		return errors.New("has a query or a fragment; an upstream is only scheme, host and port, for example http://127.0.0.1:9001")
	case v.Path != "" && v.Path != "/":
		return errors.New("has a path; an upstream is only scheme, host and port. The service's `path` and `strip_path` say which paths it gets")
	}
	if port := v.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errors.New("has no good port; a port is 1 to 65535")
		}
	} else if strings.HasSuffix(v.Host, ":") {
		return errors.New("has no port behind the colon; write one or delete the colon")
	}
	if _, err := netip.ParseAddr(v.Hostname()); err != nil {
		if err := checkHost(v.Hostname()); err != nil {
			return errors.New("has no good host; write an IP address or a name, for example http://127.0.0.1:9001")
		}
	}
	*u = upstreamURL(v.Scheme + "://" + strings.ToLower(v.Host))
	return nil
}

func (u *upstreamURL) form() form {
	return form{what: "an address of an upstream", example: "http://127.0.0.1:9001", pattern: `^(https?|h2c)://[^/?#@\s]+/?$`}
}

// webURL is any address of the web, with a path.
type webURL string

func (u *webURL) parse(s string) error {
	v, err := url.Parse(s)
	if err != nil || (v.Scheme != "http" && v.Scheme != "https") || v.Hostname() == "" {
		return errors.New("is no address; write it with https://, for example https://acme.example.com/directory")
	}
	*u = webURL(s)
	return nil
}

func (u *webURL) form() form {
	return form{what: "an address", example: "https://acme.example.com/directory", pattern: `^https?://`}
}

// email is where mail goes.
type email string

func (e *email) parse(s string) error {
	a, err := mail.ParseAddress(s)
	if err != nil || a.Address != s {
		return errors.New("is no e-mail address; write for example ops@example.com")
	}
	*e = email(s)
	return nil
}

func (e *email) form() form { return form{what: "an e-mail address", example: "ops@example.com"} }

// filePath is a path on this machine; a relative one starts at the working
// directory.
type filePath string

func (p *filePath) parse(s string) error {
	if s == "" {
		return errors.New("is empty; write a path or delete the line")
	}
	if strings.ContainsAny(s, "\x00\n") {
		return errors.New("is no path; it has a NUL or a line break")
	}
	*p = filePath(s)
	return nil
}

func (p *filePath) form() form { return form{what: "a path", example: "./tollhouse-data"} }

// fileName is a path below a directory of files.
type fileName string

func (n *fileName) parse(s string) error {
	trimmed := strings.Trim(s, "/")
	if !fs.ValidPath(trimmed) || trimmed == "." || strings.ContainsAny(s, "\\\x00\r\n") {
		return errors.New("is no path within the directory; write it without . and .., for example assets/app.html")
	}
	*n = fileName(trimmed)
	return nil
}

func (n *fileName) form() form { return form{what: "a path within root", example: "index.html"} }
