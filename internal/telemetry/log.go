package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

const redacted = "[redacted]"

// NewLogs makes the program's logger and its access log, which share w: one
// JSON object a line, never two lines mixed. level bounds the logger, not the
// access log; nil is slog.LevelInfo. Both are safe for concurrent use. The
// access log must be closed at the end, for it writes in batches.
//
// The logger hides what must not be read in a log: a toll.Secret (it hides
// itself), the value of any attribute and any header field that is named
// Authorization, Proxy-Authorization, X-API-Key, Cookie, Set-Cookie, password,
// secret or token, and whatever looks like an API key of ours, wherever it
// stands in a text. A duration is written as Go writes it ("1m30s", "250ms").
func NewLogs(w io.Writer, level slog.Leveler) (*slog.Logger, *AccessLog) {
	shared := &lines{w: w}
	if level == nil {
		level = slog.LevelInfo
	}
	logger := slog.New(slog.NewJSONHandler(shared, &slog.HandlerOptions{Level: level, ReplaceAttr: hide}))
	return logger, newAccessLog(shared, logger)
}

// ParseLevel reads a log level's name: debug, info, warn or error.
func ParseLevel(name string) (slog.Level, error) {
	switch strings.ToLower(name) {
	case "debug":
		return slog.LevelDebug, nil
	case "", "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("the log level %q is none of debug, info, warn and error", name)
}

// lines keeps whole lines whole when several write to one place.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// secretName says whether a field or attribute of that name holds a secret.
func secretName(name string) bool {
	switch strings.ToLower(strings.ReplaceAll(name, "_", "-")) {
	case "authorization", "proxy-authorization", "x-api-key", "api-key", "cookie", "set-cookie",
		"password", "secret", "token":
		return true
	}
	return false
}

// hide is the logger's ReplaceAttr.
func hide(_ []string, a slog.Attr) slog.Attr {
	if secretName(a.Key) && a.Value.Kind() != slog.KindGroup {
		if a.Value.Kind() != slog.KindString || a.Value.String() != "" {
			a.Value = slog.StringValue(redacted)
		}
		return a
	}
	switch a.Value.Kind() {
	case slog.KindDuration: // in nanoseconds nobody reads it
		a.Value = slog.StringValue(a.Value.Duration().String())
	case slog.KindString:
		if s := a.Value.String(); strings.Contains(s, keyPrefix) {
			a.Value = slog.StringValue(hideKeys(s))
		}
	case slog.KindAny:
		switch v := a.Value.Any().(type) {
		case http.Header:
			a.Value = slog.AnyValue(hideFields(v))
		case exchange.Fields:
			a.Value = slog.AnyValue(hideFields(v))
		case map[string][]string:
			a.Value = slog.AnyValue(hideFields(v))
		case error:
			a.Value = slog.StringValue(hideKeys(v.Error()))
		}
	}
	return a
}

func hideFields(fields map[string][]string) map[string][]string {
	shown := make(map[string][]string, len(fields))
	for name, values := range fields {
		if secretName(name) {
			shown[name] = []string{redacted}
			continue
		}
		clean := make([]string, len(values))
		for i, v := range values {
			clean[i] = hideKeys(v)
		}
		shown[name] = clean
	}
	return shown
}

const (
	keyPrefix = "th_"
	keyLength = 36 // the random characters and the checksum, after the mode
)

// hideKeys replaces everything in s that has the form of an API key (SPEC §5:
// th_live_ or th_test_ and 36 base62 characters). A text with fewer characters
// after the mode is no key, and is left.
func hideKeys(s string) string {
	if !strings.Contains(s, keyPrefix) {
		return s
	}
	var out strings.Builder
	for {
		i := strings.Index(s, keyPrefix)
		if i < 0 {
			out.WriteString(s)
			return out.String()
		}
		mode := ""
		for _, m := range [...]string{"th_live_", "th_test_"} {
			if strings.HasPrefix(s[i:], m) {
				mode = m
			}
		}
		end := i + len(mode)
		for mode != "" && end < len(s) && base62(s[end]) {
			end++
		}
		if mode == "" || end-i-len(mode) < keyLength {
			out.WriteString(s[:i+len(keyPrefix)])
			s = s[i+len(keyPrefix):]
			continue
		}
		out.WriteString(s[:i])
		out.WriteString(mode)
		out.WriteString(redacted)
		s = s[end:]
	}
}

func base62(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}
