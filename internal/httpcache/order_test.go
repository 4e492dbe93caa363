package httpcache_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/httpcache"
)

// versions is a service with resources that POST changes: GET tells their
// version, for everybody or for its customer.
type versions struct{ of [8]atomic.Int64 }

func (v *versions) Forward(_ context.Context, r *exchange.Request) (*exchange.Response, error) {
	i, err := strconv.Atoi(strings.TrimPrefix(r.RawPath, "/"))
	if err != nil {
		return nil, err
	}
	if r.Method == "POST" {
		v.of[i].Add(1)
	}
	body := fmt.Sprint(v.of[i].Load())
	h := exchange.Fields{}
	switch rand.IntN(4) {
	case 0:
		h.Set("Cache-Control", "no-store")
	case 1:
		h.Set("Cache-Control", "s-maxage=60")
	default:
		h.Set("Cache-Control", "public, max-age=60")
	}
	h.Set("ETag", `"`+body+`"`)
	if r.Header.Get("If-None-Match") == h.Get("ETag") {
		return &exchange.Response{Status: 304, Header: h, Body: io.NopCloser(strings.NewReader("")), Length: -1}, nil
	}
	length := int64(len(body))
	if rand.IntN(2) == 0 {
		length = -1
	}
	return &exchange.Response{Status: 200, Header: h, Body: io.NopCloser(strings.NewReader(body)), Length: length}, nil
}

// Whatever happens at the same time: an answer is never older than the last
// change that was done, or purged, before it was asked for.
func TestNobodyGetsWhatWasChangedBeforeHeAsked(t *testing.T) {
	t.Parallel()
	h := newHouse(t, func(o *httpcache.Options) { o.MaxSize = 20 << 10 }) // there is eviction too
	v := new(versions)
	var done [8]atomic.Int64 // the version that is known to everybody
	serve := func(method string, i int, customer string, fields ...string) (int64, error) {
		c := call{method: method, target: "/" + strconv.Itoa(i), customer: customer, fields: fields}
		response, _, err := h.Serve(context.Background(), c.request(), customer, v)
		if err != nil {
			return 0, err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return 0, err
		}
		return strconv.ParseInt(string(body), 10, 64)
	}
	var wait sync.WaitGroup
	for worker := range 8 {
		wait.Go(func() {
			for range 1000 {
				i := rand.IntN(len(v.of))
				customer := []string{"", "a", "b"}[rand.IntN(3)]
				switch n := rand.IntN(20); {
				case n == 0 && worker == 0: // one who changes, so that versions come in order
					now, err := serve("POST", i, customer)
					if err != nil {
						t.Error(err)
					}
					done[i].Store(now)
				case n == 1 && worker == 1:
					h.Purge([]httpcache.Purge{{All: true}, {URL: "/" + strconv.Itoa(i)}, {Prefix: "/"}, {Tag: "x"}}[rand.IntN(4)])
				default:
					least := done[i].Load()
					fields := [][]string{nil, nil, nil, {"Cache-Control", "no-cache"}, {"Cache-Control", "max-age=0"}}[rand.IntN(5)]
					got, err := serve("GET", i, customer, fields...)
					if err != nil || got < least {
						t.Errorf("/%d: got version %d after %d was done (%v)", i, got, least, err)
						return
					}
				}
			}
		})
	}
	wait.Wait()
}
