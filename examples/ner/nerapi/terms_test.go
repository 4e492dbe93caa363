package nerapi_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/examples/ner/nerapi"
)

// tollhouse stands in for the address where Tollhouse lists approved models.
type tollhouse struct {
	mu       sync.Mutex
	lists    map[string]string // content by customer
	away     bool
	asked    atomic.Int64 // for lists
	fetched  atomic.Int64 // contents
	answered atomic.Int64 // with 304
}

func (h *tollhouse) set(customer, content string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lists[customer] = content
}

func (h *tollhouse) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if r.Header.Get("Authorization") != "Bearer a secret of ner alone" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if id, ok := strings.CutPrefix(r.URL.Path, "/services/ner/models/mod_"); ok {
		h.fetched.Add(1)
		_, _ = io.WriteString(w, h.lists[id])
		return
	}
	h.asked.Add(1)
	customer := r.URL.Query().Get("customer")
	content, ok := h.lists[customer]
	body := fmt.Sprintf(`{"customer":%q,"models":[]}`, customer)
	if ok && content == "" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if ok {
		sum := sha256.Sum256([]byte(content))
		body = fmt.Sprintf(`{"models":[{"id":"mod_%s","type":"terms","size":%d,"sha256":%q},{"id":"mod_x","type":"text","size":1,"sha256":""}]}`, customer, len(content), hex.EncodeToString(sum[:]))
	}
	sum := sha256.Sum256([]byte(body))
	tag := `"` + hex.EncodeToString(sum[:]) + `"`
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		h.answered.Add(1)
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = io.WriteString(w, body)
}

// later is a clock that a test moves.
type later struct{ at atomic.Int64 }

func (l *later) now() time.Time       { return time.Unix(1_800_000_000, l.at.Load()) }
func (l *later) pass(d time.Duration) { l.at.Add(int64(d)) }

func newModels(t *testing.T, o nerapi.ModelOptions) (*tollhouse, *nerapi.Models, *later, func(customer string) string) {
	t.Helper()
	h, clock := &tollhouse{lists: map[string]string{"cus_a": "Zorblax\tORGANISATION\n"}}, new(later)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	o.Now, o.Logger, o.Patience = clock.now, slog.New(slog.DiscardHandler), 30*time.Second
	models := nerapi.NewModels(o)
	models.From(server.URL+"/services/ner/", "a secret of ner alone")
	api := nerapi.New(nerapi.Options{Terms: models, Logger: slog.New(slog.DiscardHandler)})
	return h, models, clock, func(customer string) string {
		request := httptest.NewRequest(http.MethodPost, "/extractions", strings.NewReader(`{"text":"he met zorblax"}`))
		request.Header.Set("Content-Type", "application/json")
		if customer != "" {
			request.Header.Set("Tollhouse-Customer", customer)
		}
		answer := httptest.NewRecorder()
		api.ServeHTTP(answer, request)
		if answer.Code != http.StatusOK {
			t.Fatalf("%d %s", answer.Code, answer.Body)
		}
		return answer.Body.String()
	}
}

func TestFindsACustomersOwnTermsForThatCustomerAlone(t *testing.T) {
	t.Parallel()
	h, _, clock, extract := newModels(t, nerapi.ModelOptions{})
	for customer, want := range map[string]bool{"cus_a": true, "cus_b": false, "": false} {
		if got := strings.Contains(extract(customer), "zorblax"); got != want {
			t.Errorf("%q: found is %v", customer, got)
		}
	}
	for range 5 {
		extract("cus_a")
	}
	if h.asked.Load() != 2 || h.fetched.Load() != 1 {
		t.Errorf("asked %d times and fetched %d; want 2 (one for each customer) and 1", h.asked.Load(), h.fetched.Load())
	}
	clock.pass(3 * time.Second)
	extract("cus_a")
	if h.answered.Load() != 1 || h.fetched.Load() != 1 {
		t.Errorf("asked again: %d of 304, fetched %d; want one 304 and nothing fetched", h.answered.Load(), h.fetched.Load())
	}
	h.set("cus_a", "Other\tPERSON\n")
	clock.pass(3 * time.Second)
	if got := extract("cus_a"); strings.Contains(got, "zorblax") || h.fetched.Load() != 2 {
		t.Errorf("after the list changed: %s", got)
	}
	h.set("cus_a", "") // the customer is gone
	clock.pass(3 * time.Second)
	if got := extract("cus_a"); !strings.Contains(got, `"extractions":[]`) {
		t.Errorf("after the customer is gone: %s", got)
	}
}

func TestGoesOnWithWhatWasFetchedWhileTollhouseIsAway(t *testing.T) {
	t.Parallel()
	h, models, clock, extract := newModels(t, nerapi.ModelOptions{})
	extract("cus_a")
	h.mu.Lock()
	h.away = true
	h.mu.Unlock()
	clock.pass(time.Hour)
	for range 3 {
		if got := extract("cus_a"); !strings.Contains(got, "zorblax") {
			t.Errorf("while Tollhouse is away: %s", got)
		}
	}
	if got := extract("cus_new"); strings.Contains(got, "zorblax") {
		t.Errorf("for one whose list was never fetched: %s", got)
	}
	models.From("http://127.0.0.1:1", "x") // and nobody listens any more
	clock.pass(time.Hour)
	if got := extract("cus_a"); !strings.Contains(got, "zorblax") {
		t.Errorf("while nobody listens: %s", got)
	}
}

func TestRemembersNoMoreThanItMay(t *testing.T) {
	t.Parallel()
	h, _, _, extract := newModels(t, nerapi.ModelOptions{Customers: 3, Bytes: 400})
	for n := range 20 {
		h.set(fmt.Sprintf("cus_%d", n), strings.Repeat("#", 60)+fmt.Sprintf("\nZorblax\tPERSON\n# %d\n", n))
	}
	for n := range 20 {
		if got := extract(fmt.Sprintf("cus_%d", n)); !strings.Contains(got, "zorblax") {
			t.Fatalf("customer %d: %s", n, got)
		}
	}
	before := h.fetched.Load()
	extract("cus_19")
	extract("cus_0") // forgotten, and fetched again
	if got := h.fetched.Load(); got != before+1 {
		t.Errorf("fetched %d more, want one: the newest is remembered and the oldest is not", got-before)
	}
	h.set("cus_big", strings.Repeat("#", 200)+"\nZorblax\tPERSON\n")
	if got := extract("cus_big"); strings.Contains(got, "zorblax") {
		t.Errorf("a list of half of all bytes is used: %s", got)
	}
}

func TestAsksOnceForManyCallsAtATime(t *testing.T) {
	t.Parallel()
	h, _, _, extract := newModels(t, nerapi.ModelOptions{})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if got := extract("cus_a"); !strings.Contains(got, "zorblax") {
				t.Errorf("got %s", got)
			}
		})
	}
	all.Wait()
	if n := h.asked.Load(); n != 1 {
		t.Errorf("asked %d times, want once", n)
	}
}
