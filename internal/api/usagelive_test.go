package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// stream is what a client has got so far.
type stream struct {
	mu   sync.Mutex
	head http.Header
	text strings.Builder
}

func (s *stream) Header() http.Header { return s.head }
func (s *stream) WriteHeader(int)     {}
func (s *stream) Flush()              {}
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

// got returns what came since the last time.
func (s *stream) got() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.text.Reset()
	return s.text.String()
}

func TestTellsOfUsageWithinASecondAndEndsWithItsToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *Options) {
			o.Clock = time.Now
			o.Limits = func(customer string) []toll.LimitState {
				return []toll.LimitState{{Policy: toll.Policy{Name: "monthly of " + customer, Kind: toll.Quota}, Limit: 1000, Used: 7}}
			}
		})
		email := w.person(t, "member/viewer")
		made, err := w.tokens.Create(t.Context(), account.System, account.NewToken{Email: email, Name: "n", Scopes: []toll.TokenScope{toll.ScopeReadUsage}})
		must(t, err)
		ctx, hangUp := context.WithCancel(t.Context())
		defer hangUp()
		out, ended := &stream{head: http.Header{}}, false
		r := httptest.NewRequestWithContext(ctx, "GET", "/api/v1/usage/live", nil)
		r.Header.Set("Authorization", "Bearer "+made.Text.Reveal())
		go func() {
			w.api.ServeHTTP(out, r)
			ended = true
		}()
		synctest.Wait()
		if got := out.got(); !strings.HasPrefix(got, "event: usage\nid: ") || !strings.Contains(got, `"today":{}`) || !strings.Contains(got, `"name":"monthly of cus_own"`) || !strings.Contains(got, `"used":7`) {
			t.Fatalf("at once: %q", got)
		}
		w.used(t, toll.Event{Customer: "cus_own", Time: time.Now(), Units: wordsOf(5)}, toll.Event{Customer: "cus_foreign", Time: time.Now(), Units: wordsOf(1000)})
		time.Sleep(liveEvery)
		synctest.Wait()
		if got := out.got(); !strings.Contains(got, `"today":{"requests":1,"words":5}`) {
			t.Errorf("a second after: %q", got)
		}
		time.Sleep(quietFor + liveEvery)
		synctest.Wait()
		if got := out.got(); got != ": still here\n\n" {
			t.Errorf("while nothing changes: %q", got)
		}
		_, err = w.tokens.Revoke(t.Context(), account.System, made.Token.ID)
		must(t, err)
		time.Sleep(liveEvery)
		synctest.Wait()
		if !ended {
			t.Error("a stream outlives its token")
		}
	})
}

// TestOnePersonTakesNoStreamsOfOthers: a token of one customer must not keep
// everybody else from the live numbers.
func TestOnePersonTakesNoStreamsOfOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *Options) { o.Clock = time.Now })
		open := func(ctx context.Context, token string) (out *httptest.ResponseRecorder, over func() bool) {
			out = httptest.NewRecorder()
			r := httptest.NewRequestWithContext(ctx, "GET", "/api/v1/usage/live", nil)
			r.Header.Set("Authorization", "Bearer "+token)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				w.api.ServeHTTP(out, r)
			}()
			synctest.Wait()
			return out, func() bool {
				select {
				case <-ended:
					return true
				default:
					return false
				}
			}
		}
		w.person(t, "member/viewer")
		mine, others := w.token(t, toll.KindMember, "member_viewer", toll.ScopeReadUsage), w.admin(t)
		again := w.token(t, toll.KindMember, "member_viewer", toll.ScopeReadUsage)
		ctx, hangUp := context.WithCancel(t.Context())
		for range mostOfOne {
			if _, over := open(ctx, mine); over() {
				t.Fatal("a stream ended at once")
			}
		}
		for _, token := range []string{mine, again} { // another token is the same person
			if out, over := open(ctx, token); !over() || out.Code != 503 {
				t.Errorf("one too many: %d", out.Code)
			}
		}
		elsewhere, leave := context.WithCancel(t.Context())
		if _, over := open(elsewhere, others); over() {
			t.Error("somebody else has no place")
		}
		leave()
		hangUp()
		synctest.Wait()
		ctx, hangUp = context.WithCancel(t.Context())
		if _, over := open(ctx, mine); over() {
			t.Error("no place is given back")
		}
		hangUp()
		synctest.Wait()
	})
}

func TestStreamsEndWithTheProgram(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin(t)
	w.api.End()
	if out := w.ask(t, "GET", "/api/v1/usage/live", token, ""); !strings.HasSuffix(out.Body.String(), "retry: 1000\n\n") || out.Header().Get("Content-Type") != "text/event-stream" {
		t.Errorf("%d %q", out.Code, out.Body)
	}
}
