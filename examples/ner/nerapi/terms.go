package nerapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/examples/ner/extract"
)

// Terms gives the term lists of a customer, none for one that has none. It must
// be safe for concurrent use, and quick: every extraction asks it.
type Terms interface {
	Of(ctx context.Context, customer string) []*extract.List
}

// extract finds what a text names, with the customer's own terms where the
// extractor can use them.
func (o *Options) extract(ctx context.Context, customer, text string) []extract.Extraction {
	own, able := o.Extractor.(interface {
		ExtractWith(text string, lists ...*extract.List) []extract.Extraction
	})
	if o.Terms == nil || !able || customer == "" {
		return o.Extractor.Extract(text)
	}
	return own.ExtractWith(text, o.Terms.Of(ctx, customer)...)
}

// Models are the term lists that customers uploaded to Tollhouse and an
// operator approved, fetched when a customer first calls and asked about again
// by ETag. While Tollhouse does not answer, what was fetched last goes on. It is
// bounded in customers and bytes. Safe for concurrent use; the zero value is not ready: NewModels.
type Models struct {
	o      ModelOptions
	source atomic.Pointer[source]
	calm   atomic.Int64 // Unix nanoseconds until which a source that failed is not asked

	mu        sync.Mutex
	customers map[string]*termsOf
	tick      int64 // of uses, to find the one that is longest ago
	bytes     int64
}

// ModelOptions are what Models may be told; the zero value is right.
type ModelOptions struct {
	Fresh     time.Duration    // how long an answer is believed; 0: two seconds
	Customers int              // how many are remembered; 0: 1,000
	Bytes     int64            // of all lists together; 0: 64 MB
	Patience  time.Duration    // with Tollhouse, for one question; 0: one second
	Now       func() time.Time // nil: time.Now
	Logger    *slog.Logger     // nil: slog.Default()
}

type source struct{ url, secret string }

// termsOf is what is known of a customer. mu is held while Tollhouse is asked, so that
// it is asked once for many calls.
type termsOf struct {
	mu    sync.Mutex
	asked time.Time
	etag  string
	lists map[string]*fetched // by model

	now  atomic.Pointer[[]*extract.List]
	used int64 // the tick; under Models.mu
	size int64 // bytes; under Models.mu
}

type fetched struct {
	sha256 string
	list   *extract.List
	size   int64
}

// NewModels returns Models that know no source yet.
func NewModels(o ModelOptions) *Models {
	if o.Fresh <= 0 {
		o.Fresh = 2 * time.Second
	}
	if o.Customers <= 0 {
		o.Customers = 1000
	}
	if o.Bytes <= 0 {
		o.Bytes = 64_000_000
	}
	if o.Patience <= 0 {
		o.Patience = time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Models{o: o, customers: map[string]*termsOf{}}
}

// From says where models are: the address of Tollhouse's admin listener with
// this service's path ("http://127.0.0.1:9900/services/ner"), and the secret to show there.
func (m *Models) From(url, secret string) {
	m.source.Store(&source{strings.TrimSuffix(url, "/"), secret})
}

// Of implements Terms.
func (m *Models) Of(ctx context.Context, customer string) []*extract.List {
	from := m.source.Load()
	if from == nil {
		return nil
	}
	c := m.customer(customer)
	now := m.o.Now()
	if c.mu.TryLock() {
		m.refresh(ctx, from, customer, c, now)
		c.mu.Unlock()
	} else if c.now.Load() == nil { // the first answer is worth waiting for
		c.mu.Lock()
		c.mu.Unlock() //nolint:staticcheck // it was waited for
	}
	if lists := c.now.Load(); lists != nil {
		return *lists
	}
	return nil
}

// refresh asks Tollhouse where what is known is old; the customer's mutex is held.
func (m *Models) refresh(ctx context.Context, from *source, customer string, c *termsOf, now time.Time) {
	if now.Sub(c.asked) < m.o.Fresh && !c.asked.IsZero() || now.UnixNano() < m.calm.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.o.Patience) // others may wait for it
	defer cancel()
	if err := m.ask(ctx, from, customer, c); err != nil {
		m.calm.Store(now.Add(m.o.Fresh).UnixNano())
		m.o.Logger.WarnContext(ctx, "a customer's models could not be fetched; what was fetched last goes on", slog.String("customer", customer), slog.Any("error", err))
		return
	}
	c.asked = now
}

// ask brings what is known of a customer up to date.
func (m *Models) ask(ctx context.Context, from *source, customer string, c *termsOf) error {
	body, etag, err := from.get(ctx, "/models?customer="+url.QueryEscape(customer), c.etag)
	switch {
	case errors.Is(err, errUnchanged):
		return nil
	case errors.Is(err, errNoCustomer): // it was deleted, and so were its models
		body, etag = []byte(`{}`), ""
	case err != nil:
		return err
	}
	var answer struct {
		Models []struct {
			ID, Type, SHA256 string
			Size             int64
		} `json:"models"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("reading the list of models: %w", err)
	}
	next, order, size := map[string]*fetched{}, []string{}, int64(0)
	for _, one := range answer.Models {
		if one.Type != "terms" {
			continue
		}
		if size += one.Size; size > m.o.Bytes/4 { // one customer must not push out all others
			m.o.Logger.WarnContext(ctx, "a customer has more models than are used", slog.String("customer", customer))
			break
		}
		f := c.lists[one.ID]
		if f == nil || f.sha256 != one.SHA256 {
			text, _, err := from.get(ctx, "/models/"+url.PathEscape(one.ID), "")
			if err != nil {
				return err
			}
			list, err := extract.ReadList(bytes.NewReader(text))
			if err != nil {
				m.o.Logger.WarnContext(ctx, "a model is no term list", slog.String("model", one.ID), slog.Any("error", err))
				continue
			}
			f = &fetched{sha256: one.SHA256, list: list, size: int64(len(text))}
		}
		next[one.ID] = f
		order = append(order, one.ID)
	}
	lists := make([]*extract.List, len(order))
	for i, id := range order {
		lists[i] = next[id].list
	}
	c.etag, c.lists = etag, next
	c.now.Store(&lists)
	m.weigh(c, size)
	return nil
}

// customer returns what is known of a customer, and makes room for a new one.
func (m *Models) customer(id string) *termsOf {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tick++
	c := m.customers[id]
	if c == nil {
		c = new(termsOf)
		m.customers[id] = c
	}
	c.used = m.tick
	if len(m.customers) > m.o.Customers {
		m.forget(c)
	}
	return c
}

// weigh notes how much a customer's lists take, and makes room for them.
func (m *Models) weigh(c *termsOf, size int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.bytes += size - c.size
	c.size = size
	for m.bytes > m.o.Bytes && m.forget(c) {
	}
}

// forget drops the customer that was longest not asked for, other than keep.
func (m *Models) forget(keep *termsOf) bool {
	oldest := ""
	for id, c := range m.customers {
		if c != keep && (oldest == "" || c.used < m.customers[oldest].used) {
			oldest = id
		}
	}
	if oldest == "" {
		return false
	}
	m.bytes -= m.customers[oldest].size
	delete(m.customers, oldest)
	return true
}

var (
	errUnchanged  = errors.New("unchanged")
	errNoCustomer = errors.New("there is no such customer or model")
)

// mostFetched bounds an answer, in bytes.
const mostFetched = 100_000_000

func (s *source) get(ctx context.Context, path, etag string) (body []byte, tag string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return nil, "", err
	}
	request.Header.Set("Authorization", "Bearer "+s.secret)
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusNotModified:
		return nil, etag, errUnchanged
	case http.StatusNotFound:
		return nil, "", errNoCustomer
	default:
		return nil, "", fmt.Errorf("Tollhouse answered %s", response.Status) //nolint:staticcheck // a name
	}
	body, err = io.ReadAll(io.LimitReader(response.Body, mostFetched))
	return body, response.Header.Get("ETag"), err
}
