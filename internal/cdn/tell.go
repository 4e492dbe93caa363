package cdn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Told is what came of one hook.
type Told struct {
	Hook   string `json:"hook"`             // the host that it speaks to
	Status int    `json:"status,omitempty"` // of the last answer, 0 when there was none
	Tries  int    `json:"tries"`
	Error  string `json:"error,omitempty"` // "" when the CDN took it
}

const (
	tries       = 3
	tryTime     = 5 * time.Second
	wholeTime   = 12 * time.Second
	firstPause  = 200 * time.Millisecond
	longestWait = 3 * time.Second // that a Retry-After is heeded for
	excerpt     = 200             // bytes of an answer that refuses
)

// client follows no redirects: a hook holds a secret, and it is for one address.
var client = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Transport: &http.Transport{
		Proxy:       http.ProxyFromEnvironment,
		DialContext: (&net.Dialer{Timeout: tryTime}).DialContext, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: tryTime, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second,
	},
}

// Tell sends the hooks that are for such a purge, all at the same time, and
// gives what came of each, in their order. It takes twelve seconds at most,
// however many there are. None is an empty list.
func Tell(ctx context.Context, hooks []toll.PurgeHook, p Purge) []Told {
	return tellAll(ctx, hooks, p, pause)
}

// pause waits between two tries; false when there is no time left for it.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func tellAll(ctx context.Context, hooks []toll.PurgeHook, p Purge, wait func(context.Context, time.Duration) bool) []Told {
	ctx, cancel := context.WithTimeout(ctx, wholeTime)
	defer cancel()
	kind := p.Kind()
	var meant []*toll.PurgeHook
	for i := range hooks {
		if slices.Contains(hooks[i].On, kind) {
			meant = append(meant, &hooks[i])
		}
	}
	told := make([]Told, len(meant))
	var all sync.WaitGroup
	for i, h := range meant {
		all.Go(func() { told[i] = tell(ctx, h, p, wait) })
	}
	all.Wait()
	return told
}

// tell sends one hook until it is taken, or refused for good.
func tell(ctx context.Context, h *toll.PurgeHook, p Purge, wait func(context.Context, time.Duration) bool) Told {
	r, err := p.filled(h)
	out := Told{Hook: hostOf(h.URL, r.url)}
	if err != nil {
		out.Error = err.Error()
		return out
	}
	next := firstPause
	for {
		out.Tries++
		answer := send(ctx, r)
		out.Status, out.Error = answer.status, hide(answer.problem, h)
		if answer.problem == "" || answer.final || out.Tries == tries {
			return out
		}
		before := max(next, answer.after)
		next *= 5
		if before > longestWait || !wait(ctx, before) {
			return out
		}
	}
}

// answer is what came of one try.
type answer struct {
	status  int
	problem string        // "" when it was taken
	final   bool          // trying again would change nothing
	after   time.Duration // what the CDN asks to be waited
}

func send(ctx context.Context, r request) answer {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	out, err := http.NewRequestWithContext(ctx, r.method, r.url, strings.NewReader(r.body))
	if err != nil {
		return answer{problem: "the hook makes no request: " + short(err), final: true}
	}
	out.Header.Set("User-Agent", "tollhouse")
	for _, h := range r.headers {
		if strings.EqualFold(h.name, "Host") {
			out.Host = h.value
			continue
		}
		out.Header.Set(h.name, h.value)
	}
	response, err := client.Do(out)
	if err != nil {
		return answer{problem: short(err)}
	}
	defer response.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(response.Body, excerpt)) // what it has of it will do
	a := answer{status: response.StatusCode}
	switch {
	case a.status >= 200 && a.status < 300:
		return a
	case a.status == http.StatusTooManyRequests || a.status >= 500:
		if n, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && n >= 0 {
			a.after = time.Duration(min(n, 3600)) * time.Second
		}
	default:
		a.final = true
	}
	a.problem = fmt.Sprintf("it answered %d", a.status)
	if text := strings.TrimSpace(strings.Map(shown, string(said))); text != "" {
		a.problem += ": " + text
	}
	return a
}

// shown keeps what can be shown on one line.
func shown(r rune) rune {
	switch {
	case unicode.IsSpace(r):
		return ' '
	case unicode.IsPrint(r) && r != unicode.ReplacementChar:
		return r
	}
	return -1
}

// short is an error without the address, which may hold a secret.
func short(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "it did not answer in time"
	}
	return err.Error()
}

// hide takes a hook's secrets out of what a CDN says.
func hide(text string, h *toll.PurgeHook) string {
	for _, one := range h.Headers {
		value := one.Value.Reveal()
		if _, credential, ok := strings.Cut(value, " "); ok && len(credential) >= 8 {
			text = strings.ReplaceAll(text, credential, "[redacted]")
		}
		if len(value) >= 8 {
			text = strings.ReplaceAll(text, value, "[redacted]")
		}
	}
	return text
}

// hostOf names a hook by its host.
func hostOf(template, filled string) string {
	for _, text := range []string{filled, template} {
		if u, err := url.Parse(text); err == nil && u.Host != "" {
			return u.Host
		}
	}
	_, rest, _ := strings.Cut(template, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}
