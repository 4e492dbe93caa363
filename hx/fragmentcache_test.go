package hx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// counted renders how often it was rendered.
func counted(n *atomic.Int64, wait time.Duration) Renderer {
	return RenderFunc(func(_ context.Context, w io.Writer) error {
		time.Sleep(wait)
		_, err := fmt.Fprint(w, n.Add(1))
		return err
	})
}

func rendered(t *testing.T, r Renderer) string {
	t.Helper()
	var b bytes.Buffer
	must(t, r.Render(t.Context(), &b))
	return b.String()
}

func TestAFragmentIsRenderedOnceForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := NewFragmentCache(1<<20, nil)
		var n atomic.Int64
		first, leave := context.WithCancel(t.Context())
		var wait sync.WaitGroup
		wait.Go(func() { _ = c.Fragment("k", time.Minute, counted(&n, time.Second)).Render(first, io.Discard) })
		synctest.Wait()
		leave() // the one that renders goes; the others still get it
		for range 20 {
			wait.Go(func() {
				if got := rendered(t, c.Fragment("k", time.Minute, counted(&n, time.Second))); got != "1" {
					t.Errorf("got %q", got)
				}
			})
		}
		wait.Wait()
		time.Sleep(2 * time.Minute)
		if got := rendered(t, c.Fragment("k", time.Minute, counted(&n, 0))); got != "2" {
			t.Errorf("after its time: %q", got)
		}
		c.Forget("k")
		if got := rendered(t, c.Fragment("k", time.Minute, counted(&n, 0))); got != "3" {
			t.Errorf("forgotten: %q", got)
		}
	})
}

func TestWhatIsForgottenWhileItIsRenderedIsNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := NewFragmentCache(1<<20, nil)
		var n atomic.Int64
		go rendered(t, c.Fragment("k", time.Minute, counted(&n, time.Second)))
		synctest.Wait()
		c.Forget("k") // the data has changed in the meantime
		time.Sleep(2 * time.Second)
		if got := rendered(t, c.Fragment("k", time.Minute, counted(&n, 0))); got != "2" {
			t.Errorf("an old fragment was kept: %q", got)
		}
	})
}

func TestErrorsAndPanicsAreNotKept(t *testing.T) {
	t.Parallel()
	c := NewFragmentCache(1<<20, nil)
	wrong := errors.New("wrong")
	if err := c.Fragment("k", time.Minute, RenderFunc(func(context.Context, io.Writer) error { return wrong })).Render(t.Context(), io.Discard); !errors.Is(err, wrong) {
		t.Errorf("%v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = c.Fragment("k", time.Minute, RenderFunc(func(context.Context, io.Writer) error { panic("wrong") })).Render(t.Context(), io.Discard)
	}()
	if got := rendered(t, c.Fragment("k", time.Minute, Text("right"))); got != "right" {
		t.Errorf("%q", got)
	}
}

func TestTheCacheOfFragmentsIsBounded(t *testing.T) {
	t.Parallel()
	const most = 10_000
	c := NewFragmentCache(most, nil)
	rendered(t, c.Fragment("big", time.Hour, Text(strings.Repeat("x", most))))
	if c.Bytes() != 0 {
		t.Error("what fills the whole cache is kept")
	}
	var n atomic.Int64
	for i := range 500 {
		rendered(t, c.Fragment("used", time.Hour, counted(&n, 0)))
		rendered(t, c.Fragment(fmt.Sprint(i), time.Hour, Text(strings.Repeat("x", i))))
		if b := c.Bytes(); b > most || b <= 0 {
			t.Fatalf("%d bytes", b)
		}
	}
	if n.Load() != 1 {
		t.Error("what is used all the time was let go")
	}
	c.Clear()
	if c.Bytes() != 0 || len(c.entries) != 0 {
		t.Error("not empty")
	}
}
